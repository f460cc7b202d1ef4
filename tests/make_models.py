"""Models of every family, and the committed files of them that must load for ever.

``python tests/make_models.py`` adds the files that are missing in ``io/model_files/models/``. A
file that is there is never made anew: when the format changes, older files are read through
``MIGRATIONS`` in ``calgan/io/model_files/_models.py``, and files of the new format are added.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.pipeline

import calgan
from calgan import (
    CalciumFactorModel,
    CalciumFlow,
    CalciumGAN,
    DichotomizedGaussian,
    DichotomizedGaussianCalcium,
    FFTEncoder,
    MinMaxScaler,
    NeuronSorter,
    OasisDeconvolver,
    Pipeline,
    Recording,
    SpikeInferenceNetwork,
    Windower,
    make_calcium_pipeline,
)
from calgan.datasets import make_recording

FOLDER = Path(__file__).parent / "io" / "model_files" / "models"
FORMAT = 3
WINDOW = 16
_PUBLISHED = {"filters": 1, "max_iter": 2, "settings": {"noise_size": 2, "n_critic": 1}}


def recording() -> Recording:
    """Return a recording that has all that a recording can know."""
    traces = make_recording(40.0, n_neurons=3, random_state=0)[0].traces
    positions = np.array([[0.0, 2.0], [1.0, 0.0], [5.0, 5.0]])
    ids = ["a", "b7", "µ"]
    return Recording(traces, 10.0, roi_ids=ids, units="dF/F", metadata={"positions": positions})


def pipeline(*steps: Any) -> Pipeline:
    return Pipeline([(type(step).__name__.lower(), step) for step in steps])


def factor_model() -> Any:
    """Return a pipeline with all steps that components go back through."""
    inner = pipeline(NeuronSorter("position"), MinMaxScaler((-1, 1), per_neuron=True))
    outer = [("inner", inner), ("nothing", "passthrough"), ("none", None)]
    generator = CalciumFactorModel(n_factors=2, max_iter=2, random_state=0)
    return Pipeline([*outer, ("windower", Windower(WINDOW)), ("generator", generator)])


def dichotomized_gaussian() -> Any:
    deconvolver = OasisDeconvolver(threshold=2.5)
    generator = DichotomizedGaussianCalcium(n_lags=2, deconvolver=deconvolver, random_state=0)
    return pipeline(MinMaxScaler(), Windower(WINDOW, stride=2), generator)


def spikes() -> Any:
    """Return a pipeline without a generator of traces."""
    return pipeline(OasisDeconvolver(decay_time=0.5), DichotomizedGaussian(random_state=0))


def gan(variant: str, **params: Any) -> Any:
    return make_calcium_pipeline(
        "gan", window=2 * WINDOW, variant=variant, random_state=0, verbose=0, **params
    )


def encoded() -> Any:
    """Return a GAN of encoded windows, in a stock pipeline."""
    encoder = sklearn.pipeline.make_pipeline(FFTEncoder("packed"), MinMaxScaler())
    generator = CalciumGAN(filters=2, max_iter=2, random_state=0, verbose=0)
    return pipeline(Windower(2 * WINDOW), encoder, generator)


def flow() -> Any:
    generator = CalciumFlow(filters=2, max_iter=3, random_state=0, settings={"betas": (0.8, 0.9)})
    return pipeline(Windower(WINDOW), generator)


class KnownSpikes:
    """What fits a small network to the spikes of `recording`, and adapts it."""

    def fit(self, X: Recording) -> SpikeInferenceNetwork:
        network = SpikeInferenceNetwork(
            n_simulated=3, n_networks=2, filters=2, max_iter=3, random_state=0, verbose=0
        )
        return network.fit(X, make_recording(40.0, n_neurons=3, random_state=0)[1]).adapt(X)


MODELS: dict[str, Callable[[], Any]] = {
    "factor_model": factor_model,
    "dichotomized_gaussian": dichotomized_gaussian,
    "spikes": spikes,
    "gan_compact": lambda: gan("compact", filters=2, max_iter=4, settings={"check_every": 2}),
    "gan_relativistic": lambda: gan("relativistic", filters=2, max_iter=2),
    "gan_1d": lambda: gan("1d", **_PUBLISHED),
    "gan_2d_sorted": lambda: gan("2d-sorted", **_PUBLISHED),
    "gan_2d_fft_packed": lambda: gan("2d-fft-packed", **_PUBLISHED),
    "gan_encoded": encoded,
    "flow": flow,
    "spike_network": KnownSpikes,
}


def fitted(name: str) -> Any:
    """Return the model of a family, fitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of samples that do not match
        return MODELS[name]().fit(recording())


def drawn(model: Any) -> dict[str, np.ndarray]:
    """Return what a model draws."""
    if isinstance(model, SpikeInferenceNetwork):
        return {"spikes": model.transform(recording()).traces}
    if isinstance(model[0], OasisDeconvolver):  # which has no inverse
        spikes = model[0].transform(recording()).traces
        return {"spikes": spikes, "sample": model[-1].sample(50, random_state=1)}
    draws = {"sample": model.sample(2, random_state=1)}
    if hasattr(model, "sample_components"):
        components = model.sample_components(2, random_state=1)
        draws |= {name: each for name, each in components.items() if each is not None}
    if hasattr(model, "sample_recording"):
        draws["recording"] = model.sample_recording(3.0, random_state=1).traces
    return draws


def run_python(code: str, folder: Path, *arguments: Any) -> str:
    """Run code in a process of its own, which imports this calgan."""
    lines = code.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    source = str(Path(calgan.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(line[indent:] for line in lines), *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in MODELS:
        path = FOLDER / f"{name}-{FORMAT}.calgan"
        if not path.exists():
            model = fitted(name)
            model.save(path)
            np.savez_compressed(path.with_suffix(".npz"), **drawn(model))
            print(path.name, path.stat().st_size, "bytes")
