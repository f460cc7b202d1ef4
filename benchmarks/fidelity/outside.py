"""Other people's generators, run by the interpreter that they are installed for.

A script without any import of calgan: the environments do not agree. It reads ``windows.npy`` (M,
T, N) in a folder, float32 scaled to [0, 1] neuron by neuron, trains for so many CPU seconds, and
writes ``samples.npy`` (1000, T, N) and ``facts.json`` there.

    python outside.py MODEL FOLDER CPU_SECONDS SEED

Every model has the settings of its own documentation; the length of the training alone is the
benchmark's. A step that has begun is finished. Not here: tsgm's GANs, whose LSTM runs over sixteen
frames for every frame of a window and takes minutes for a step.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

N_SAMPLES = 1000


class _OutOfTime(Exception):  # noqa: N818
    """Ends a training loop from within."""


class _Clock:
    """A budget of CPU seconds, from `start` on: imports are not training."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.spent: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        self.began = time.process_time(), time.perf_counter()

    def is_over(self) -> bool:
        """Say whether the budget is spent; call it after every step."""
        self.spent = time.process_time() - self.began[0], time.perf_counter() - self.began[1]
        return self.spent[0] >= self.seconds


def _par(windows: np.ndarray, clock: _Clock, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """DeepEcho's probabilistic autoregressive model, all windows a batch, as `PARModel` does."""
    import torch
    from deepecho.models import par

    steps = 0

    def epochs(planned: Any, **_: Any) -> Iterator[int]:
        nonlocal steps
        for steps in planned:
            yield steps
            if clock.is_over():
                break
        steps += 1

    model = par.PARModel(epochs=10**7, cuda=False, verbose=False)
    data = [
        {"context": [], "data": [window[:, i].tolist() for i in range(window.shape[1])]}
        for window in windows
    ]
    par.tqdm = epochs  # its only loop over epochs
    # What it costs to say that its own figures are numbers is not its training.
    torch.distributions.Distribution.set_default_validate_args(False)
    clock.start()
    model.fit_sequences(data, [], ["continuous"] * windows.shape[2])
    samples = sample_par(model, N_SAMPLES, windows.shape[1])
    return samples, {"steps": steps, "note": "sampled in batches from its network"}


def sample_par(model: Any, n: int, length: int) -> np.ndarray:
    """Draw sequences from a fitted PARModel, all at once.

    The law is that of its own ``sample_sequence``, which draws one frame of one window at a time
    and runs the network over all frames before it again for each.

    Parameters
    ----------
    model : deepecho.models.par.PARModel
        Fitted on continuous columns without context.
    n : int
        Number of sequences.
    length : int
        Frames each.

    Returns
    -------
    ndarray of shape (n, length, columns)
    """
    import torch

    token = model._data_map["<TOKEN>"]["indices"]
    tokens = [token["<START>"], token["<END>"], token["<BODY>"]]
    columns = [props for key, props in model._data_map.items() if key != "<TOKEN>"]
    mu, sigma, missing = (list(each) for each in zip(*(p["indices"] for p in columns), strict=True))
    network = model._model
    x = torch.zeros(1, n, model._data_dims)
    x[:, :, token["<START>"]] = 1.0
    state, frames = None, []
    with torch.no_grad():
        for _ in range(length):
            hidden, state = network.rnn(network.down(x), state)
            out = network.up(hidden)
            x = torch.zeros_like(out)
            scale = torch.nn.functional.softplus(out[..., sigma])
            is_missing = torch.bernoulli(torch.sigmoid(out[..., missing]))
            x[..., mu] = torch.normal(out[..., mu], scale) * (1.0 - is_missing)
            x[..., missing] = is_missing
            drawn = torch.multinomial(out[0][:, tokens].softmax(dim=1), 1)[:, 0]
            x[0, torch.arange(n), torch.tensor(tokens)[drawn]] = 1.0
            frames.append(x[0][:, mu])
    mean = np.array([p["mu"] for p in columns])
    deviation = np.array([p["std"] for p in columns])
    values = torch.stack(frames, dim=1).numpy() * deviation + mean
    return np.asarray(values, dtype=np.float32)


def _keras_callback(clock: _Clock) -> Any:
    import keras

    class Stop(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.steps += 1
            if clock.is_over():
                raise _OutOfTime

    return Stop()


def _draw(generate: Callable[[int], Any], batch: int = 100) -> np.ndarray:
    import torch

    parts = []
    with torch.no_grad():
        for _ in range(0, N_SAMPLES, batch):
            parts.append(np.asarray(generate(batch).detach().cpu()))
    return np.concatenate(parts)


def _vae(windows: np.ndarray, clock: _Clock, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Beta-VAE of tsgm as in its tutorial: latent width 10, Adam, batches of 64."""
    import keras
    import tsgm

    keras.utils.set_random_seed(seed)
    parts = tsgm.models.zoo["vae_conv5"](windows.shape[1], windows.shape[2], 10)
    model = tsgm.models.cvae.BetaVAE(parts.encoder, parts.decoder)
    model.compile(optimizer=keras.optimizers.Adam())
    stop = _keras_callback(clock)
    clock.start()
    with contextlib.suppress(_OutOfTime):
        model.fit(windows, epochs=10**7, batch_size=64, callbacks=[stop], verbose=0)
    facts = {"steps": stop.steps, "note": "zoo vae_conv5, latent width 10"}
    return _draw(model.generate), facts


def _dgan(windows: np.ndarray, clock: _Clock, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Gretel's DoppelGANger with its defaults; an LSTM cell makes eight frames."""
    from gretel_synthetics.timeseries_dgan.config import DGANConfig
    from gretel_synthetics.timeseries_dgan.dgan import DGAN

    steps = 0

    def count(_: Any) -> None:
        nonlocal steps
        steps += 1
        if clock.is_over():
            raise _OutOfTime

    batch = min(1024, len(windows))
    config = DGANConfig(
        max_sequence_len=windows.shape[1],
        sample_len=8,
        batch_size=batch,
        epochs=10**7,
        cuda=False,
    )
    model = DGAN(config)
    clock.start()
    with contextlib.suppress(_OutOfTime):
        model.train_numpy(features=windows.astype(np.float64), progress_callback=count)
    _, features = model.generate_numpy(N_SAMPLES)
    samples = np.asarray(features, dtype=np.float32)
    return samples, {"steps": steps, "note": f"batches of {batch}, eight frames a cell"}


@dataclass(frozen=True)
class Model:
    """A generator.

    Parameters
    ----------
    label : str
        What the table calls it.
    fit : callable
        Windows, clock and seed -> samples and facts.
    overlap : int
        Windows that share a frame; 1 for one that looks at all windows in every step.
    """

    label: str
    fit: Callable[[np.ndarray, _Clock, int], tuple[np.ndarray, dict[str, Any]]]
    overlap: int = 8

    def stride(self, window: int) -> int:
        """Return the frames from the start of one training window to the next."""
        return max(1, window // self.overlap)


MODELS = {
    "deepecho-par": Model("deepecho PAR", _par, overlap=1),
    "tsgm-vae": Model("tsgm VAE", _vae),
    "gretel-dgan": Model("gretel DGAN", _dgan),
}


def main() -> None:
    """Train the model that is asked for and write its samples."""
    name, folder, seconds, seed = sys.argv[1:]
    import torch

    torch.set_num_threads(1)
    random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002 - what these libraries draw from
    torch.manual_seed(int(seed))
    windows = np.load(Path(folder) / "windows.npy")
    clock = _Clock(float(seconds))
    samples, facts = MODELS[name].fit(windows, clock, int(seed))
    cpu, wall = clock.spent
    facts |= {"cpu_seconds": cpu, "wall_seconds": wall, "stopped": "max_time"}
    np.save(Path(folder) / "samples.npy", samples.astype(np.float32))
    (Path(folder) / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
