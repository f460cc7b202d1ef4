"""Methods of inference that `spike_inference` compares: settings, training and what they infer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d, shift

from benchmarks.spike_ground_truth import Cell, DataSets
from calgan import OasisDeconvolver, Recording

# Thresholds in units of the noise; decay times (s), None is estimated; SD of a Gaussian (s); times
# (s) by which inferred spikes are moved ahead, since the peak of a transient comes after its spike.
THRESHOLDS = (0.0, 1.5, 3.0)
DECAY_TIMES = (None, 0.5, 1.0, 2.0)
SMOOTHINGS = (0.0, 0.03, 0.06, 0.1, 0.15)
LAGS = (0.0, 0.02, 0.04, 0.06, 0.08)
SETTINGS = list(product(THRESHOLDS, DECAY_TIMES, SMOOTHINGS, LAGS))
GRID = "oasis-grid"
"""The method whose rows hold the mean r of each of the settings."""

Setting = tuple[float, float | None, float, float]
Means = dict[str, dict[str, list[float]]]
"""Mean r of each setting of the grid, by set and bins."""
Infer = Callable[[Cell, str], list[np.ndarray]]
"""Spikes (T, K) of each recording of a cell, by K settings, for scores in bins of this name."""


def oasis(
    cell: Cell,
    threshold: float,
    decay_time: float | None,
    smoothings: Iterable[float] = (0.0,),
    lags: Iterable[float] = (0.0,),
) -> list[np.ndarray]:
    """Amplitudes (T, K) of each recording, smoothed and moved; one fit for all recordings."""
    deconvolver = OasisDeconvolver(threshold=threshold, decay_time=decay_time, output="amplitudes")
    changes = list(product(smoothings, lags))
    return [
        np.stack([changed(each, smoothing, lag) for smoothing, lag in changes], axis=1)
        for each in deconvolver.fit_transform(list(cell.recordings))
    ]


def changed(spikes: Recording, smoothing: float, lag: float) -> np.ndarray:
    """Spikes (T,) convolved with a Gaussian of this SD (s), and moved ahead by a lag (s)."""
    rate, found = spikes.frame_rate, np.zeros(len(spikes), dtype=np.float32)
    for start, stop in spikes.segments:
        values = spikes.traces[start:stop, 0]
        if smoothing:
            values = gaussian_filter1d(values, smoothing * rate)
        if lag:
            values = shift(values, -lag * rate, order=1, mode="nearest")
        found[start:stop] = values
    return found


def oasis_fixed(smoothing: float, training: DataSets, seed: int, means: Means) -> Infer:
    """OASIS with the default settings."""
    return lambda cell, bins: oasis(cell, 3.0, None, [smoothing])


def oasis_grid(training: DataSets, seed: int, means: Means) -> Infer:
    """OASIS with all settings of the grid, in its order."""

    def infer(cell: Cell, bins: str) -> list[np.ndarray]:
        parts = [
            oasis(cell, threshold, decay_time, SMOOTHINGS, LAGS)
            for threshold, decay_time in product(THRESHOLDS, DECAY_TIMES)
        ]
        return [np.concatenate(each, axis=1) for each in zip(*parts, strict=True)]

    return infer


def best_setting(method: str, training: Iterable[str], means: Means, bins: str) -> Setting:
    """Return the setting that is best in the mean over training sets."""
    known = [means[name][bins] for name in training if bins in means.get(name, {})]
    if not known:
        raise ValueError(
            f"{method} has no other set to choose a setting from in bins of {bins}: name other "
            "methods with --only."
        )
    may_move = method == "oasis-tuned-lag"
    usable = [may_move or lag == 0 for *_, lag in SETTINGS]
    return SETTINGS[int(np.argmax(np.where(usable, np.mean(known, axis=0), -np.inf)))]


def oasis_tuned(method: str, training: DataSets, seed: int, means: Means) -> Infer:
    """OASIS with the best setting for the training sets."""

    def infer(cell: Cell, bins: str) -> list[np.ndarray]:
        setting = best_setting(method, training, means, bins)
        threshold, decay_time, smoothing, lag = setting
        return oasis(cell, threshold, decay_time, [smoothing], [lag])

    return infer


def shipped(training: DataSets, seed: int, means: Means) -> Infer:
    """The networks of the package, adapted to the statistics of the neuron."""
    from calgan import SpikeInferenceNetwork

    return lambda cell, bins: _values(SpikeInferenceNetwork().fit(list(cell.recordings)), cell)


def trained(adaptation: str, training: DataSets, seed: int, means: Means) -> Infer:
    """Train a network, one and no ensemble, on the training sets."""
    from calgan import SpikeInferenceNetwork

    recordings = [cell.joined() for name in training for cell in training[name]]
    spikes = [recording.metadata["spikes"] for recording in recordings]
    network = SpikeInferenceNetwork(adaptation, n_networks=1, random_state=seed, verbose=0)
    network.fit(recordings, spikes)
    return lambda cell, bins: _values(network.adapt(list(cell.recordings)), cell)


def _values(network: Any, cell: Cell) -> list[np.ndarray]:
    return [each.traces for each in network.transform(list(cell.recordings))]


class Method(NamedTuple):
    """The heading of a column, its description, and what makes the inference."""

    heading: str
    description: str
    prepare: Callable[[DataSets, int, Means], Infer]


METHODS = {
    "oasis-raw": Method("OASIS", "amplitudes, default settings", partial(oasis_fixed, 0.0)),
    "oasis-smoothed": Method(
        "smoothed", "amplitudes of OASIS and a Gaussian of SD 80 ms", partial(oasis_fixed, 0.08)
    ),
    "oasis-tuned": Method(
        "tuned",
        "OASIS with the threshold, decay time and Gaussian that are best for the other sets",
        partial(oasis_tuned, "oasis-tuned"),
    ),
    "oasis-tuned-lag": Method(
        "tuned, lag",
        "OASIS tuned so, its spikes moved ahead by a time that is chosen with the rest",
        partial(oasis_tuned, "oasis-tuned-lag"),
    ),
    "shipped": Method(
        "shipped",
        "the networks of the package, which were trained on simulated recordings",
        shipped,
    ),
    **{
        adaptation: Method(
            adaptation,
            f"a network of adaptation {adaptation!r}, trained on the other sets",
            partial(trained, adaptation),
        )
        for adaptation in ("conditional", "embedding")
    },
}
TUNED = ("oasis-tuned", "oasis-tuned-lag")
TRAINED = ("conditional", "embedding")
"""Methods that depend on a seed."""
