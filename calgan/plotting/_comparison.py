"""Windows of the groups that a display compares; spikes are inferred alike when asked for."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from calgan.data.random_windows import (
    WindowSource,
    check_same_neurons,
    draw_from_recording,
    read_source,
)
from calgan.data.recording import ARBITRARY
from calgan.data.validation import (
    as_seed,
    check_integer,
    check_windows,
    common_frame_rate,
    is_lazy,
    rng_from,
)
from calgan.metrics import bin_frames_for
from calgan.plotting.style import Array, spread_neurons
from calgan.spikes.oasis import OasisDeconvolver

# Groups of most figures, and of those that show the controls, too; the first is filled.
WITH_TRAIN = ("real", "synthetic", "train")
WITH_CONTROLS = (*WITH_TRAIN, "shuffled", "dichotomized_gaussian")
# Pairs times windows that a statistic of pairs is computed of: enough for smooth histograms.
_MAX_PAIR_VALUES = 4_000_000


@dataclass(eq=False)
class Comparison:
    """Windows (M, T, N) of each group, and what the figures need to know about them.

    `known_rate` (Hz) may be None; an unfitted `deconvolver` is fitted on `fit_on`, real data.
    """

    windows: dict[str, Array]
    known_rate: float | None
    _: KW_ONLY
    given_spikes: dict[str, Array] | None = None
    deconvolver: Any = None
    fit_on: Any = None
    roi_ids: list[Any] | None = None
    units: str = ARBITRARY

    def __post_init__(self) -> None:
        self.window, self.n_neurons = self.windows["real"].shape[1:]

    @property
    def frame_rate(self) -> float:
        """Frames per second (Hz)."""
        if self.known_rate is None:
            raise ValueError(
                "no frame rate is known: real is a bare array, so pass frame_rate=... (Hz) or a "
                "Recording."
            )
        return self.known_rate

    @cached_property
    def spikes(self) -> dict[str, Array]:
        """Spikes of every group's windows, one deconvolver for all of them."""
        if self.given_spikes is not None:
            return self.given_spikes
        deconvolver = self.deconvolver
        if deconvolver is None:
            deconvolver = OasisDeconvolver(self.frame_rate).fit(self.fit_on)
        elif not hasattr(deconvolver, "decay_"):
            deconvolver = clone(deconvolver).set_params(frame_rate=self.frame_rate)
            deconvolver.fit(self.fit_on)
        return {
            group: (deconvolver.transform(windows) > 0).astype(np.float32)
            for group, windows in self.windows.items()
        }

    @property
    def bin_frames(self) -> int:
        """Frames in half a second, at most a window."""
        return min(bin_frames_for(self.frame_rate), self.window)

    @property
    def seconds_per_bin(self) -> float:
        """Length of `bin_frames` (s)."""
        return self.bin_frames / self.frame_rate

    def of(self, values: dict[str, Array], groups: tuple[str, ...]) -> dict[str, Array]:
        """Those of `groups` that there are, in this order."""
        return {group: values[group] for group in groups if group in values}

    def few_spikes(self, groups: tuple[str, ...]) -> dict[str, Array]:
        """Spikes of so many windows that a value for each pair of neurons fits memory."""
        most = max(_MAX_PAIR_VALUES // self.n_pairs(), 2)
        return {group: array[:most] for group, array in self.of(self.spikes, groups).items()}

    def n_pairs(self) -> int:
        """Number of pairs of neurons; a single neuron is refused."""
        if self.n_neurons < 2:
            raise ValueError("the figure compares pairs of neurons, but there is only one neuron.")
        return int(self.n_neurons * (self.n_neurons - 1) // 2)


def compare_samples(
    real: Any,
    synthetic: Any,
    *,
    frame_rate: float | None,
    train: Any,
    spikes: Any,
    deconvolver: Any,
    random_state: Any,
) -> Comparison:
    """Compare real and synthetic windows; see `ComparisonDisplay.from_samples`."""
    if deconvolver is not None and not hasattr(deconvolver, "transform"):
        raise TypeError(
            f"deconvolver must be an OasisDeconvolver, got {type(deconvolver).__name__}."
        )
    samples = np.asarray(check_windows(synthetic, name="synthetic", encoded=False))
    rng = rng_from(as_seed(random_state), 0)
    source = _source(real, samples, "real")
    train_source = None if train is None else _source(train, samples, "train")
    check_same_neurons(source, samples, train_source)
    sources = [each for each in (source, train_source) if each is not None]
    windows = {"real": _windows(real, source, len(samples), "real", rng), "synthetic": samples}
    if train_source is not None:
        windows["train"] = _windows(train, train_source, len(samples), "train", rng)
    return Comparison(
        windows,
        _known_rate(frame_rate, source, train_source, deconvolver),
        given_spikes=None if spikes is None else _given_spikes(spikes, windows, _is_array(real)),
        deconvolver=deconvolver,
        fit_on=sources[-1].segments,
        roi_ids=next((list(s.roi_ids) for s in sources if s.roi_ids is not None), None),
        units=next((s.units for s in sources if s.units), ARBITRARY),
    )


def compare_evaluation(evaluation: Any) -> Comparison:
    """Compare the windows and spikes that an evaluation has kept."""
    groups = [
        name for name, windows in evaluation.windows.items() if windows is not None and len(windows)
    ]
    return Comparison(
        {name: np.asarray(evaluation.windows[name]) for name in groups},
        float(evaluation.frame_rate),
        given_spikes={name: np.asarray(evaluation.spikes[name]) for name in groups},
        roi_ids=None if evaluation.roi_ids is None else list(evaluation.roi_ids),
        units=evaluation.units or ARBITRARY,
    )


def check_evaluation(evaluation: Any) -> None:
    """Refuse anything but an evaluation."""
    if not all(hasattr(evaluation, name) for name in ("statistics", "windows", "spikes")):
        raise TypeError(
            f"evaluation must be a result of calgan.evaluate, got {type(evaluation).__name__}."
        )


def _is_array(X: Any) -> bool:
    return not is_lazy(X) and getattr(X, "ndim", None) == 3


def _source(X: Any, samples: Array, name: str) -> WindowSource:
    """Real data as a source of windows; an array of windows is taken as it is."""
    window = samples.shape[1]
    if not _is_array(X):
        return read_source(X, window, name=name)
    windows = np.asarray(check_windows(X, name=name, encoded=False))
    if windows.shape[1] != window:
        raise ValueError(
            f"{name} holds windows of {windows.shape[1]} frames, but the synthetic windows have "
            f"{window}; pass windows of one length, or the recording itself."
        )
    return WindowSource(
        frames=windows.reshape(-1, windows.shape[2]),
        starts=np.arange(len(windows)) * window,
        groups=np.zeros(len(windows), dtype=int),
        window=window,
        frame_rate=None,
        roi_ids=None,
        units=None,
        segments=list(windows),
    )


def _windows(X: Any, source: WindowSource, n: int, name: str, rng: np.random.Generator) -> Array:
    """Windows of an array or a short view, else `n` windows at random starts."""
    if _is_array(X) or (is_lazy(X) and len(source.starts) <= n):
        return np.asarray(source.frames[source.starts[:, None] + np.arange(source.window)])
    bank = draw_from_recording(source, (name,), n, 1, rng)
    return bank.traces(bank.lists[name][0])


def _known_rate(
    frame_rate: float | None, real: WindowSource, train: WindowSource | None, deconvolver: Any
) -> float | None:
    """Frame rate (Hz) that the inputs agree on, None if none of them tells it."""
    fitted = getattr(deconvolver, "frame_rate_", None)
    own = getattr(deconvolver, "frame_rate", None) if fitted is None else fitted
    known = {"frame_rate": frame_rate, "real": real.frame_rate}
    known["train"] = train.frame_rate if train else None
    return common_frame_rate({**known, "the deconvolver": own})


def _given_spikes(spikes: Any, windows: dict[str, Array], real_is_array: bool) -> dict[str, Array]:
    """Spikes that the caller passed, checked against their windows."""
    if not real_is_array or "train" in windows:
        raise ValueError(
            "spikes=(real_spikes, synthetic_spikes) belong to two arrays of windows; pass real as "
            "an array (M, T, N) and leave train out, or leave spikes out and have them inferred."
        )
    if not isinstance(spikes, (tuple, list)) or len(spikes) != 2:
        raise ValueError(
            "spikes must be a pair (real_spikes, synthetic_spikes) of arrays (M, T, N), got "
            f"{type(spikes).__name__}."
        )
    result = {}
    for (name, array), given in zip(windows.items(), spikes, strict=True):
        if np.shape(given) != array.shape:
            raise ValueError(
                f"the spikes of the {name} windows have shape {np.shape(given)}, but the windows "
                f"have shape {array.shape}; pass one value a frame and neuron."
            )
        result[name] = np.asarray(check_windows(given, name=f"{name} spikes", encoded=False))
    return result


def choose_neurons(neurons: Any, activity: Array, n: int) -> NDArray[np.intp]:
    """Indices of neurons, checked; for None `n` of them spread over the ranks of activity (N,)."""
    if neurons is None:
        return spread_neurons(activity, n)
    n_neurons = len(activity)
    indices = np.atleast_1d(np.asarray(neurons))
    if indices.ndim != 1 or indices.size == 0 or indices.dtype.kind not in "iu":
        raise ValueError(
            f"neurons must be an index or a list of indices of neurons, got {neurons!r}."
        )
    outside = indices[(indices < 0) | (indices >= n_neurons)]
    if outside.size:
        raise ValueError(
            f"neuron {outside[0]} is out of range: there are {n_neurons} neurons, numbered 0 to "
            f"{n_neurons - 1}."
        )
    return indices.astype(np.intp)


def pick_windows(
    windows: dict[str, Array], spikes: dict[str, Array], window: int | None
) -> dict[str, int]:
    """Index of the window of each group: `window`, or the one with the median number of spikes.

    Without spikes the standard deviation of the window's traces ranks the windows.
    """
    positions = {}
    for group, array in windows.items():
        if window is None:
            amount = spikes[group].sum(axis=(1, 2)) if spikes else array.std(axis=(1, 2))
            positions[group] = int(np.argsort(amount, kind="stable")[len(amount) // 2])
            continue
        positions[group] = check_integer(window, "window", minimum=0)
        if positions[group] >= len(array):
            raise ValueError(
                f"window {window} is out of range: there are {len(array)} {group} windows, "
                f"numbered 0 to {len(array) - 1}."
            )
    return positions
