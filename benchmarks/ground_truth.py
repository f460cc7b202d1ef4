"""The thesis's ground-truth experiment (its section 4.2.1): learn a recording whose truth is known.

A dichotomized Gaussian with known rates and covariances is recorded once (899 s at 24 Hz, decay
0.95 a frame, noise 0.3). Models learn windows of the traces; spikes are inferred in their samples;
the mean firing rate of each neuron and the covariance of each pair are compared with the truth. The
thesis's figure is the root mean square error of the mean firing rates, 0.0997 Hz. Spikes are
inferred as published, with the true decay and baseline and a smallest spike of 0.55;
``--inference default`` takes `OasisDeconvolver`, which has to find them.

That error has parts that no model is to blame for, so three rows stand beside it: the true spikes
of the training recording (its length), spikes inferred in the training recording (the inference),
and spikes inferred in fresh windows of the process. Covariances are of spikes in half-second bins.

    python benchmarks/ground_truth.py --seeds 0 1 2
    python benchmarks/ground_truth.py --config full --seeds 0 1 2     # a GPU; not run yet
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from calgan import (
    OasisDeconvolver,
    Pipeline,
    make_calcium_pipeline,
)
from calgan.datasets import make_dichotomized_gaussian_process
from calgan.metrics import bin_frames_for, firing_rate
from calgan.spikes.oasis import infer_spikes

THESIS_RMSE = 0.0997
CONFIGS: dict[str, dict[str, Any]] = {
    "laptop": {
        "duration": 899.0,
        "window": 128,
        "n_samples": 500,
        "models": {
            "CalciumGAN (16 filters)": {
                "variant": "1d",
                "filters": 16,
                "batch_size": 8,
                "learning_rate": 5e-4,
                "settings": {"critic_learning_rate": 5e-4},
                "max_iter": 400,
            },
            "CalciumGAN, compact": {"variant": "compact", "max_iter": 600},
            "dichotomized Gaussian": None,
        },
    },
    "full": {
        "duration": 899.0,
        "window": 2048,
        "n_samples": 1000,
        "models": {
            "CalciumGAN": {"variant": "1d", "device": "cuda", "precision": "16-mixed"},
            "CalciumGAN, compact": {"variant": "compact", "device": "cuda", "max_iter": 4000},
            "dichotomized Gaussian": None,
        },
    },
}


def build(settings: dict[str, Any] | None, window: int, seed: int) -> Pipeline:
    """Return the unfitted pipeline of a model; None stands for the dichotomized Gaussian."""
    if settings is None:
        return make_calcium_pipeline("dichotomized_gaussian", window=window, random_state=seed)
    return make_calcium_pipeline("gan", window=window, random_state=seed, verbose=0, **settings)


def binned_covariance(spikes: np.ndarray, bin_frames: int) -> np.ndarray:
    """Covariance of all pairs (N, N), of spikes (M, T, N) summed in bins."""
    n_bins = spikes.shape[1] // bin_frames
    counts = spikes[:, : n_bins * bin_frames]
    counts = counts.reshape(len(spikes), n_bins, bin_frames, -1).sum(axis=2)
    return np.cov(counts.reshape(-1, counts.shape[-1]), rowvar=False)


def compare(
    spikes: np.ndarray, rates: np.ndarray, covariance: np.ndarray, frame_rate: float
) -> dict[str, float]:
    """Return how far spikes (M, T, N) are from the truth."""
    found_rates = np.mean(firing_rate(spikes, frame_rate), axis=0)
    found = binned_covariance(spikes, bin_frames_for(frame_rate))
    pairs = np.triu_indices(len(rates), 1)
    return {
        "rate RMSE (Hz)": float(np.sqrt(np.mean((found_rates - rates) ** 2))),
        "rate r": float(np.corrcoef(found_rates, rates)[0, 1]),
        "mean rate (Hz)": float(found_rates.mean()),
        "covariance RMSE": float(np.sqrt(np.mean((found[pairs] - covariance[pairs]) ** 2))),
        "covariance r": float(np.corrcoef(found[pairs], covariance[pairs])[0, 1]),
    }


def published(windows: np.ndarray) -> np.ndarray:
    """Infer spikes as the thesis does."""
    return infer_spikes(windows, decay=0.95, baseline=0.0, threshold=0.55) >= 0.5


def run_seed(
    config: dict[str, Any], n_neurons: int, seed: int, inference: str
) -> dict[str, dict[str, float]]:
    """Return the rows of one process and one seed of every model."""
    window, n_samples = config["window"], config["n_samples"]
    process = make_dichotomized_gaussian_process(n_neurons, random_state=seed)
    rate = process.frame_rate
    recording, spikes = process.sample_recording(config["duration"], random_state=seed)
    fresh, _ = process.sample_windows(n_samples, window, random_state=seed + 1)
    # Bins of a process without memory: the covariance adds up over the frames of a bin.
    covariance = process.covariance * bin_frames_for(rate)
    infer = (
        published if inference == "published" else OasisDeconvolver(rate).fit(recording).transform
    )
    n_whole = len(spikes) // window
    windows = np.asarray(recording.traces)[: n_whole * window].reshape(n_whole, window, -1)

    def row(found: np.ndarray) -> dict[str, float]:
        return compare(np.asarray(found, dtype=np.float64), process.rates, covariance, rate)

    rows = {
        "training recording, true spikes": row(spikes[None]),
        "training recording, inferred": row(infer(windows)),
        "fresh windows, inferred": row(infer(fresh)),
    }
    for name, settings in config["models"].items():
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a repaired covariance
            warnings.simplefilter("always", ConvergenceWarning)  # one of them, but bad news
            model = build(settings, window, seed).fit(recording)
        seconds = time.process_time() - began
        rows[name] = row(infer(model.sample(n_samples))) | {"CPU s": seconds}
        print(f"seed {seed}, {name}: {rows[name]}", flush=True)
    return rows


def main() -> None:
    """Run the seeds and print the table."""
    parser = argparse.ArgumentParser(description="The thesis's ground-truth experiment.")
    parser.add_argument("--config", choices=CONFIGS, default="laptop")
    parser.add_argument("--neurons", type=int, default=102)
    parser.add_argument("--inference", choices=("published", "default"), default="published")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    config = CONFIGS[arguments.config]
    runs = [
        run_seed(config, arguments.neurons, seed, arguments.inference) for seed in arguments.seeds
    ]
    columns = ("rate RMSE (Hz)", "rate r", "mean rate (Hz)", "covariance RMSE", "covariance r")
    columns += ("CPU s",)
    print(
        f"\n{arguments.neurons} neurons, {config['duration']:g} s at 24 Hz, windows of "
        f"{config['window']} frames; mean over seeds {arguments.seeds} [smallest, largest]\n"
        f"spike inference: {arguments.inference}; thesis: rate RMSE {THESIS_RMSE} Hz, of its own "
        "process\n"
    )
    print(f"{'':34s}" + "".join(f"{column:>26s}" for column in columns))
    for name in runs[0]:
        text = f"{name:34s}"
        for column in columns:
            values = [run[name][column] for run in runs if column in run[name]]
            cell = f"{np.mean(values):.3g} [{min(values):.3g}, {max(values):.3g}]" if values else ""
            text += f"{cell:>26s}"
        print(text)


if __name__ == "__main__":
    main()
