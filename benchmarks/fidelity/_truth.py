"""Simulated processes whose truth is known: how far windows are from it.

A process is drawn for each seed, 15 minutes of it are the recording that models train on, and
10,000 fresh windows stand for the truth. Windows A have a distance d(A, truth) in each of several
statistics; that of 1,000 windows of the training recording at random starts is the yardstick. A
generator that only replays the recording has a ratio of 1, one that learnt the process less.

Of the truth only summaries are kept (histograms, quantiles, matrices), in one file a process and
seed under a cache folder, so that a distance takes seconds.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import calgan
from calgan import OasisDeconvolver, Recording
from calgan.data.validation import rng_from
from calgan.datasets import make_dichotomized_gaussian_process, make_process
from calgan.evaluation._memorisation import covering_starts
from calgan.metrics import (
    classifier_auc,
    memorisation_ratio,
    population_count,
    power_spectrum,
    van_rossum_distance,
)
from calgan.metrics.divergence import smoothed_kl_from_counts

N_NEURONS = 60
FRAME_RATE = 10.0  # Hz
DURATION = 900.0  # s
WINDOW = 128
N_TRUTH = 10_000
N_SAMPLES = 1_000
# Calcium of the published simulation decays by 0.95 a frame at 24 Hz: the same in seconds.
DG_DECAY = math.exp(24.0 * math.log(0.95) / FRAME_RATE)

STATISTICS = (
    "rate_w1",
    "correlation_rmse",
    "van_rossum_w1",
    "log_spectrum_error",
    "population_count_w1",
)
"""Statistics that the bar is set for; `distances` knows two more."""

_CHUNK = 500
_N_QUANTILES = 50_000
_BLOCKS = 10
_N_DRAWS = 10
# Independent uses of a process's seed.
_PROCESS, _TRAINING, _TRUTH, _FRESH, _STARTS, _HELD_OUT, _MEMORISATION, _FOLDS = range(8)


def _seed(seed: int, *stream: int) -> int:
    return int(rng_from(seed, *stream).integers(2**31))


def _make_process(seed: int) -> Any:
    return make_process(N_NEURONS, frame_rate=FRAME_RATE, random_state=_seed(seed, _PROCESS))


def _make_dichotomized_gaussian(seed: int) -> Any:
    return make_dichotomized_gaussian_process(
        N_NEURONS, frame_rate=FRAME_RATE, decay=DG_DECAY, random_state=_seed(seed, _PROCESS)
    )


PROCESSES = {"assemblies": _make_process, "dichotomized-gaussian": _make_dichotomized_gaussian}


def process_of(name: str, seed: int) -> Any:
    """Return the simulated population of a name and a seed.

    Parameters
    ----------
    name : {"assemblies", "dichotomized-gaussian"}
        `calgan.datasets.make_process`, or `make_dichotomized_gaussian_process`.
    seed : int
        Seed of its parameters.

    Returns
    -------
    Process or DichotomizedGaussianProcess
    """
    if name not in PROCESSES:
        raise ValueError(f"the process must be one of {sorted(PROCESSES)}, got {name!r}.")
    return PROCESSES[name](seed)


def training_recording(name: str, seed: int) -> Recording:
    """Return the 15 minutes of a process that models are trained on.

    Parameters
    ----------
    name : {"assemblies", "dichotomized-gaussian"}
        Which process.
    seed : int
        Seed of its parameters and of the draw.

    Returns
    -------
    Recording
        9,000 frames of 60 neurons at 10 Hz.
    """
    recording: Recording = process_of(name, seed).sample_recording(
        DURATION, random_state=_seed(seed, _TRAINING)
    )[0]
    return recording


def training_windows(recording: Recording, n: int, seed: int, window: int = WINDOW) -> np.ndarray:
    """Return windows at random starts of a recording: what a model that replays would give.

    Parameters
    ----------
    recording : Recording
        One uninterrupted recording.
    n : int
        Number of windows.
    seed : int
        Seed of the starts.
    window : int, default=128
        Frames a window.

    Returns
    -------
    ndarray of shape (n, window, N)
    """
    traces = np.asarray(recording.traces)
    starts = rng_from(seed, _STARTS).integers(len(traces) - window + 1, size=n)
    return traces[starts[:, None] + np.arange(window)]


def windows_in_blocks(
    recording: Recording, n: int, seed: int, window: int = WINDOW
) -> tuple[np.ndarray, np.ndarray]:
    """Return windows at random starts that cross no border between ten blocks, and their blocks.

    Parameters
    ----------
    recording : Recording
        One uninterrupted recording.
    n : int
        Number of windows.
    seed : int
        Seed of the starts.
    window : int, default=128
        Frames a window.

    Returns
    -------
    windows : ndarray of shape (n, window, N)
        Their traces.
    blocks : ndarray of shape (n,)
        The block that each lies in.
    """
    traces = np.asarray(recording.traces)
    length = len(traces) // _BLOCKS
    starts = np.arange(length * _BLOCKS - window + 1)
    inside = starts[starts // length == (starts + window - 1) // length]
    picked = rng_from(seed, _STARTS).choice(inside, n)
    return traces[picked[:, None] + np.arange(window)], picked // length


def fresh_windows(name: str, seed: int, n: int = N_SAMPLES) -> np.ndarray:
    """Return new windows of a process, which are not among those of the truth.

    Parameters
    ----------
    name : {"assemblies", "dichotomized-gaussian"}
        Which process.
    seed : int
        Seed of its parameters and of the draw.
    n : int, default=1000
        Number of windows.

    Returns
    -------
    ndarray of shape (n, 128, 60)
    """
    process = process_of(name, seed)
    windows: np.ndarray = process.sample_windows(n, WINDOW, random_state=_seed(seed, _FRESH))[0]
    return windows


@dataclass(frozen=True, eq=False)
class Truth:
    """Summaries of 10,000 windows of a process, and the distances of real windows to them.

    Attributes
    ----------
    process : str
        Name of the process.
    seed : int
        Its seed.
    rate_counts : ndarray of shape (N, T + 1)
        For each neuron the number of windows with 0, 1, ... T inferred spikes.
    correlation : ndarray of shape (N, N)
        Correlation matrix of the traces, pooled over windows and frames.
    spike_correlation : ndarray of shape (N, N)
        The same of the inferred spikes.
    van_rossum : ndarray of shape (Q,)
        Quantiles of the van Rossum distances of all pairs and windows, at (i + 1/2) / Q.
    power : ndarray of shape (N, F)
        Mean power spectrum of each neuron.
    population_counts : ndarray of shape (N + 1,)
        Number of frames in which 0, 1, ... N neurons spike.
    training, fresh : dict
        Distances to this truth of 1,000 windows at random starts of the training recording (mean of
        ten draws), and of 1,000 fresh windows.
    """

    process: str
    seed: int
    rate_counts: np.ndarray
    correlation: np.ndarray
    spike_correlation: np.ndarray
    van_rossum: np.ndarray
    power: np.ndarray
    population_counts: np.ndarray
    training: dict[str, float]
    fresh: dict[str, float]


@dataclass
class _Summary:
    """Running summaries of windows."""

    n: int
    rate_counts: np.ndarray
    traces: list[np.ndarray]
    spikes: list[np.ndarray]
    van_rossum: list[np.ndarray]
    power: np.ndarray
    population_counts: np.ndarray

    @classmethod
    def of_nothing(cls, window: int, n_neurons: int) -> _Summary:
        empty = [np.zeros(()), np.zeros(n_neurons), np.zeros((n_neurons, n_neurons))]
        return cls(
            0,
            np.zeros((n_neurons, window + 1)),
            [each.copy() for each in empty],
            [each.copy() for each in empty],
            [],
            np.zeros((n_neurons, window // 2)),
            np.zeros(n_neurons + 1),
        )

    def add(self, windows: np.ndarray, spikes: np.ndarray) -> None:
        n_neurons, window = windows.shape[2], windows.shape[1]
        self.n += len(windows)
        counts = np.rint(spikes.sum(axis=1)).astype(int)
        for neuron in range(n_neurons):
            self.rate_counts[neuron] += np.bincount(counts[:, neuron], minlength=window + 1)
        for sums, values in ((self.traces, windows), (self.spikes, spikes)):
            flat = values.reshape(-1, n_neurons).astype(np.float64)
            for total, part in zip(sums, (len(flat), flat.sum(axis=0), flat.T @ flat), strict=True):
                total += part
        self.van_rossum.append(van_rossum_distance(spikes, FRAME_RATE).astype(np.float32).ravel())
        self.power += len(windows) * power_spectrum(windows, FRAME_RATE)[1]
        self.population_counts += np.bincount(
            population_count(spikes).ravel(), minlength=n_neurons + 1
        )

    def close(self) -> dict[str, np.ndarray]:
        levels = (np.arange(_N_QUANTILES) + 0.5) / _N_QUANTILES
        return {
            "rate_counts": self.rate_counts,
            "correlation": _correlation(self.traces),
            "spike_correlation": _correlation(self.spikes),
            "van_rossum": np.quantile(np.concatenate(self.van_rossum), levels),
            "power": self.power / self.n,
            "population_counts": self.population_counts,
        }


def _correlation(sums: list[np.ndarray]) -> np.ndarray:
    """Return the correlation matrix of a number of frames, their sum and their products."""
    n, total, products = sums
    covariance = products / n - np.outer(total / n, total / n)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    varies = deviation > 1e-6 * np.sqrt(np.diag(products) / n)
    scale = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
    correlation = covariance * np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)


def deconvolver_of(name: str, seed: int) -> OasisDeconvolver:
    """Return the deconvolver that was fitted on the training recording, to be used on all windows.

    Parameters
    ----------
    name : {"assemblies", "dichotomized-gaussian"}
        Which process.
    seed : int
        Its seed.

    Returns
    -------
    OasisDeconvolver
    """
    deconvolver: OasisDeconvolver = OasisDeconvolver().fit(training_recording(name, seed))
    return deconvolver


def _summarise(windows: np.ndarray, deconvolver: OasisDeconvolver) -> dict[str, np.ndarray]:
    summary = _Summary.of_nothing(windows.shape[1], windows.shape[2])
    for start in range(0, len(windows), _CHUNK):
        part = np.asarray(windows[start : start + _CHUNK], dtype=np.float32)
        summary.add(part, deconvolver.transform(part))
    return summary.close()


def _wasserstein_of_counts(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Wasserstein-1 distance of histograms over 0, 1, 2, ... (last axis): exact."""
    p = np.cumsum(p, axis=-1) / p.sum(axis=-1, keepdims=True)
    q = np.cumsum(q, axis=-1) / q.sum(axis=-1, keepdims=True)
    return np.asarray(np.abs(p - q).sum(axis=-1))


def _compare(mine: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> dict[str, float]:
    n_neurons = len(truth["correlation"])
    pairs = np.triu_indices(n_neurons, 1)
    window = mine["rate_counts"].shape[1] - 1

    def rmse(key: str) -> float:
        return float(np.sqrt(np.mean((mine[key][pairs] - truth[key][pairs]) ** 2)))

    lowest = 1e-6 * truth["power"].mean(axis=1, keepdims=True)
    decibels = 10.0 * np.log10(np.maximum(mine["power"], lowest) / truth["power"])
    spikes_apart = _wasserstein_of_counts(mine["rate_counts"], truth["rate_counts"])
    counts, true_counts = mine["population_counts"], truth["population_counts"]
    # Counts that are all but unheard of go into one last bin, as evaluate's open end bins do.
    last = int(np.searchsorted(np.cumsum(true_counts), 0.9999 * true_counts.sum()))
    binned = [np.append(c[:last], c[last:].sum()) for c in (true_counts, counts)]
    return {
        "rate_w1": float(spikes_apart.mean() * FRAME_RATE / window),
        "correlation_rmse": rmse("correlation"),
        "van_rossum_w1": float(np.abs(mine["van_rossum"] - truth["van_rossum"]).mean()),
        "log_spectrum_error": float(np.sqrt(np.mean(decibels**2))),
        "population_count_w1": float(_wasserstein_of_counts(counts, true_counts)),
        "population_count_kl": float(smoothed_kl_from_counts(*binned)),
        "spike_correlation_rmse": rmse("spike_correlation"),
    }


def distances(windows: np.ndarray, truth: Truth) -> dict[str, float]:
    """Return how far windows are from the truth.

    Parameters
    ----------
    windows : ndarray of shape (M, 128, 60)
        Traces: 1,000 of them, as many as the distances in `truth` are of.
    truth : Truth
        As `truth_of` returns it.

    Returns
    -------
    dict
        ``rate_w1`` (Hz; Wasserstein-1 distance of a neuron's rates over windows, mean over
        neurons), ``correlation_rmse`` (pooled correlation matrix of the traces),
        ``van_rossum_w1`` (of the distances pooled over pairs and windows), ``log_spectrum_error``
        (dB), ``population_count_w1`` (neurons), ``population_count_kl`` (nats, KL(truth ||
        windows)) and ``spike_correlation_rmse``.
    """
    deconvolver = deconvolver_of(truth.process, truth.seed)
    return _compare(_summarise(windows, deconvolver), asdict(truth))


def ratios(windows: np.ndarray, truth: Truth) -> dict[str, float]:
    """Return the distances to the truth, divided by those of the training recording's windows.

    Parameters
    ----------
    windows : ndarray of shape (1000, 128, 60)
        Traces.
    truth : Truth
        As `truth_of` returns it.

    Returns
    -------
    dict
        The keys of `distances`: 1 is a replay's, below it the process was learnt.
    """
    found = distances(windows, truth)
    return {name: value / truth.training[name] for name, value in found.items()}


def two_sample(
    windows: np.ndarray, name: str, seed: int, blocks: np.ndarray | None = None
) -> float:
    """Return the AUC of a classifier that tells windows from fresh ones of the process.

    Parameters
    ----------
    windows : ndarray of shape (M, 128, 60)
        Traces.
    name : {"assemblies", "dichotomized-gaussian"}
        Which process.
    seed : int
        Its seed.
    blocks : ndarray of shape (M,), default=None
        Blocks of time that the windows lie in, as `windows_in_blocks` returns them; None where
        they are independent.

    Returns
    -------
    float
        0.5 where they cannot be told apart.
    """
    seed_of_folds = _seed(seed, _FOLDS)
    # Others than those that `truth_of` judges as "fresh".
    process = process_of(name, seed)
    fresh = process.sample_windows(len(windows), WINDOW, random_state=seed_of_folds)[0]
    return float(classifier_auc(fresh, windows, groups=(None, blocks), random_state=seed_of_folds))


def memorisation(windows: np.ndarray, name: str, seed: int) -> float:
    """Return the memorisation figure, with a second recording of the process as held-out data.

    Both recordings are equally long, and covered by as many windows in the same way, so that the
    figure of fresh windows is 1 but for chance.

    Parameters
    ----------
    windows : ndarray of shape (M, 128, 60)
        Traces, of which at most 200 are looked at.
    name : {"assemblies", "dichotomized-gaussian"}
        Which process.
    seed : int
        Its seed.

    Returns
    -------
    float
        Median of the distance to the nearest training window over that to the nearest held-out
        window: 1 without copying, 0 for a replay.
    """
    shift = WINDOW // 8
    second = process_of(name, seed).sample_recording(DURATION, random_state=_seed(seed, _HELD_OUT))
    sides = []
    for recording in (training_recording(name, seed), second[0]):
        traces = np.asarray(recording.traces)
        starts = covering_starts(np.arange(len(traces) - WINDOW + 1), shift)
        sides.append(traces[starts[:, None] + np.arange(WINDOW)])
    rng = rng_from(seed, _MEMORISATION)
    chosen = rng.choice(len(windows), min(200, len(windows)), replace=False)
    return memorisation_ratio(windows[chosen], *sides, max_shift=shift)


def _fingerprint() -> str:
    """Return a hash of the code that the truth depends on."""
    package = Path(calgan.__file__).parent
    names = ("datasets/*.py", "generators/dichotomized_gaussian/*.py", "spikes/oasis.py")
    names += tuple(f"metrics/{n}.py" for n in ("divergence", "population", "spikes", "traces"))
    files = [file for name in names for file in sorted(package.glob(name))]
    assert all(list(package.glob(name)) for name in names), "a file has moved"
    digest = hashlib.sha256()
    for file in (*files, Path(__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _compute(name: str, seed: int, n_windows: int) -> Truth:
    process = process_of(name, seed)
    recording = training_recording(name, seed)
    deconvolver = deconvolver_of(name, seed)
    summary = _Summary.of_nothing(WINDOW, N_NEURONS)
    for chunk in range(-(-n_windows // _CHUNK)):
        n = min(_CHUNK, n_windows - chunk * _CHUNK)
        windows, _ = process.sample_windows(n, WINDOW, random_state=_seed(seed, _TRUTH, chunk))
        summary.add(windows, deconvolver.transform(windows))
    truth: dict[str, Any] = summary.close()
    # Which windows are drawn changes the distance a good deal; the yardstick is its expectation.
    draws = (
        training_windows(recording, N_SAMPLES, _seed(seed, _STARTS, k)) for k in range(_N_DRAWS)
    )
    of_draws = [_compare(_summarise(windows, deconvolver), truth) for windows in draws]
    training = {key: float(np.mean([each[key] for each in of_draws])) for key in of_draws[0]}
    fresh = _compare(_summarise(fresh_windows(name, seed), deconvolver), truth)
    return Truth(process=name, seed=seed, **truth, training=training, fresh=fresh)


def truth_of(name: str, seed: int, cache: str | Path, *, n_windows: int = N_TRUTH) -> Truth:
    """Return the truth of a process, from the cache if it is there.

    Parameters
    ----------
    name : {"assemblies", "dichotomized-gaussian"}
        Which process.
    seed : int
        Its seed.
    cache : str or Path
        Folder for the summaries; it is made if it is missing.
    n_windows : int, default=10000
        Fresh windows that stand for the truth.

    Returns
    -------
    Truth
    """
    process_of(name, seed)
    folder = Path(cache)
    path = folder / f"truth_{name}_{seed}_{n_windows}_{_fingerprint()}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        truth = _compute(name, seed, n_windows)
        content: dict[str, Any] = {}
        for key, value in asdict(truth).items():
            if isinstance(value, dict):
                content |= {f"{key}/{inner}": number for inner, number in value.items()}
            elif isinstance(value, np.ndarray):
                content[key] = value
        partial = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, **content)
        partial.replace(path)  # another process may be writing the same truth
    with np.load(path) as file:
        arrays: dict[str, Any] = {key: file[key] for key in file.files if "/" not in key}
        tables: dict[str, Any] = {"training": {}, "fresh": {}}
        for key in file.files:
            table, _, inner = key.partition("/")
            if inner:
                tables[table][inner] = float(file[key])
    return Truth(process=name, seed=seed, **arrays, **tables)
