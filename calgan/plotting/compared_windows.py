"""Windows of the groups that displays compare, and what several displays need of them, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calgan import metrics
from calgan.data.random_windows import (
    WindowSource,
    check_same_neurons,
    draw_from_recording,
    read_source,
)
from calgan.data.recording import ARBITRARY
from calgan.data.validation import (
    as_real_array,
    as_seed,
    check_integer,
    check_windows,
    common_frame_rate,
    is_lazy,
    rng_from,
    shown,
)
from calgan.metrics.population import pooled_moments
from calgan.plotting.style import Array, spread_neurons
from calgan.spikes.deconvolvers import fitted_to, missing_step
from calgan.spikes.oasis import OasisDeconvolver

# Groups of most figures, and of those that show the controls, too; the first is filled.
WITH_TRAIN = ("real", "synthetic", "train")
WITH_CONTROLS = (*WITH_TRAIN, "shuffled", "dichotomized_gaussian")
# Pairs times windows that a statistic of pairs is computed of: enough for smooth histograms. Where
# the pairs are so many that few windows are left, neurons are left out instead; of long windows,
# whose spikes take long to read, a few are enough.
_MAX_PAIR_VALUES, _FEW_WINDOWS = 1_000_000, 200
_MAX_SPIKE_VALUES, _FEWEST_WINDOWS = 5_000_000, 40


@dataclass(eq=False)
class ComparedWindows:
    """Windows (M, T, N) of each group, and what the figures need to know about them.

    `known_rate` (Hz) may be None; an unfitted `deconvolver` is fitted on `fit_on`, real data. A
    part has some of the `n_all` neurons.
    """

    windows: dict[str, Array]
    known_rate: float | None
    _: KW_ONLY
    given_spikes: dict[str, Array] | None = None
    deconvolver: Any = None
    fit_on: Any = None
    roi_ids: list[Any] | None = None
    units: str = ARBITRARY
    part_of: int = 0
    _moments: dict[str, tuple[Array, Array]] = field(default_factory=dict, init=False)
    _matrices: dict[str, Array] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.window, self.n_neurons = self.windows["real"].shape[1:]
        self.n_all = self.part_of or self.n_neurons

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
        deconvolver = OasisDeconvolver() if self.deconvolver is None else self.deconvolver
        data = self.fit_on if missing_step(deconvolver) else None
        deconvolver = fitted_to(deconvolver, data, self.frame_rate, whole=True)
        return {
            group: (deconvolver.transform(windows) > 0).astype(np.float32)
            for group, windows in self.windows.items()
        }

    @property
    def bin_frames(self) -> int:
        """Frames in half a second, at most a window."""
        return min(metrics.bin_frames_for(self.frame_rate), self.window)

    @property
    def seconds_per_bin(self) -> float:
        """Length of `bin_frames` (s)."""
        return self.bin_frames / self.frame_rate

    def of(self, values: dict[str, Array], groups: tuple[str, ...]) -> dict[str, Array]:
        """Those of `groups` that there are, in this order."""
        return {group: values[group] for group in groups if group in values}

    def part(self, n_neurons: int, n_values: int) -> ComparedWindows:
        """The first windows, so many values a group, of at most so many random neurons."""
        chosen = some(self.n_neurons, n_neurons)
        n_windows = max(n_values // (self.window * len(chosen)), _FEWEST_WINDOWS)

        def cut(groups: dict[str, Array]) -> dict[str, Array]:
            return {group: few_neurons(x[:n_windows], n_neurons) for group, x in groups.items()}

        return replace(
            self,
            windows=cut(self.windows),
            given_spikes=cut(self.spikes),
            roi_ids=None if self.roi_ids is None else [self.roi_ids[i] for i in chosen],
            part_of=self.n_neurons,
        )

    @cached_property
    def rates(self) -> dict[str, Array]:
        """Firing rates (M, N) in Hz of real, synthetic and training windows."""
        spikes = self.of(self.spikes, WITH_TRAIN)
        return {group: metrics.firing_rate(x, self.frame_rate) for group, x in spikes.items()}

    @cached_property
    def few_spikes(self) -> dict[str, Array]:
        """Spikes of so many windows and neurons that a value for each pair is soon computed."""
        most_pairs = _MAX_PAIR_VALUES // min(*map(len, self.windows.values()), _FEW_WINDOWS)
        n = min(self.n_neurons, int((1 + (1 + 8 * most_pairs) ** 0.5) / 2))
        enough = max(_MAX_SPIKE_VALUES // (self.window * n), _FEWEST_WINDOWS)
        n_windows = max(min(_MAX_PAIR_VALUES // (n * (n - 1) // 2), enough), 2)
        spikes = self.of(self.spikes, WITH_CONTROLS)
        # An array of windows may be in the order of time: they are spread over all of it.
        return {g: few_neurons(x[:: -(-len(x) // n_windows)], n) for g, x in spikes.items()}

    @cached_property
    def pair_correlations(self) -> dict[str, Array]:
        """Correlations (M, P) of the pairs of neurons in `few_spikes`."""
        self.n_pairs()
        size = self.bin_frames
        return {
            group: metrics.pairwise_correlation(x, bin_frames=size)
            for group, x in self.few_spikes.items()
        }

    @cached_property
    def pair_distances(self) -> dict[str, Array]:
        """Van Rossum distances (M, P) of the pairs of neurons in `few_spikes`."""
        self.n_pairs()
        spikes, rate = self.few_spikes, self.frame_rate
        return {group: metrics.van_rossum_distance(x, rate) for group, x in spikes.items()}

    def moments(self, group: str) -> tuple[Array, Array]:
        """Mean and standard deviation (N,) of each neuron's trace; 0 for a constant one."""
        if group not in self._moments:
            self._moments[group] = pooled_moments(self.windows[group])
        return self._moments[group]

    def correlation_matrices(self, groups: tuple[str, ...]) -> dict[str, Array]:
        """Correlation matrix (N, N) of the traces of each group."""
        for group, windows in self.of(self.windows, groups).items():
            if group not in self._matrices:
                self._matrices[group] = metrics.correlation_matrix(windows)
        return self.of(self._matrices, groups)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Order of the neurons in all heat maps, from training windows where there are any."""
        matrices = self.correlation_matrices(("train" if "train" in self.windows else "real",))
        return correlation_order(*matrices.values())

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
) -> ComparedWindows:
    """Compare real and synthetic windows; see `ComparisonDisplay.from_samples`."""
    if deconvolver is not None and not hasattr(deconvolver, "transform"):
        raise TypeError(
            f"deconvolver must be an OasisDeconvolver, got {type(deconvolver).__name__}."
        )
    samples = np.asarray(
        check_windows(synthetic, name="synthetic", estimator="the figure", encoded=False)
    )
    seed = as_seed(random_state)  # the windows of an evaluation of this seed
    source = _source(real, samples, "real")
    train_source = None if train is None else _source(train, samples, "train")
    check_same_neurons(source, samples, train_source)
    sources = [each for each in (source, train_source) if each is not None]
    n = len(samples)
    windows = {"real": _windows(real, source, n, rng_from(seed, 0, 0)), "synthetic": samples}
    if train_source is not None:
        windows["train"] = _windows(train, train_source, n, rng_from(seed, 0, 1), "replay")
    return ComparedWindows(
        windows,
        _known_rate(frame_rate, source, train_source, deconvolver),
        given_spikes=None if spikes is None else _given_spikes(spikes, windows, _is_array(real)),
        deconvolver=deconvolver,
        fit_on=sources[-1].segments,
        roi_ids=next((list(s.roi_ids) for s in sources if s.roi_ids is not None), None),
        units=next((s.units for s in sources if s.units), ARBITRARY),
    )


def compare_evaluation(evaluation: Any) -> ComparedWindows:
    """Compare the windows and spikes that an evaluation has kept; a comparison is one already."""
    if isinstance(evaluation, ComparedWindows):
        return evaluation
    groups = [
        name for name, windows in evaluation.windows.items() if windows is not None and len(windows)
    ]
    return ComparedWindows(
        {name: np.asarray(evaluation.windows[name]) for name in groups},
        float(evaluation.frame_rate),
        given_spikes={name: np.asarray(evaluation.spikes[name]) for name in groups},
        roi_ids=None if evaluation.roi_ids is None else list(evaluation.roi_ids),
        units=evaluation.units or ARBITRARY,
    )


def correlation_order(matrix: ArrayLike) -> NDArray[np.intp]:
    """Order of neurons along the leading eigenvector of their correlation matrix (N, N)."""
    array = np.asarray(matrix, dtype=float)
    array = np.where(np.isfinite(array), array, 0.0)  # constant neurons have none
    leading = np.linalg.eigh((array + array.T) / 2)[1][:, -1]
    # The sign of an eigenvector is arbitrary: take the one most neurons agree with.
    sign = 1.0 if leading.sum() >= 0 else -1.0
    return np.argsort(-sign * leading, kind="stable")


def some(n: int, most: int) -> NDArray[np.intp]:
    """All of n indices, or `most` of them drawn at random, the same at every call, in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def few_neurons(windows: Array, most: int) -> Array:
    """At most so many neurons of windows (M, T, N), as `some` draws them; no copy of all."""
    n = windows.shape[2]
    return windows if n <= most else windows[:, :, some(n, most)]


def check_evaluation(evaluation: Any) -> None:
    """Refuse anything but an evaluation."""
    windows, spikes = (getattr(evaluation, name, None) for name in ("windows", "spikes"))
    is_one = hasattr(evaluation, "frame_rate") and isinstance(windows, Mapping)
    if not (isinstance(evaluation, ComparedWindows) or (is_one and isinstance(spikes, Mapping))):
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
    windows = np.asarray(check_windows(X, name=name, estimator="the figure", encoded=False))
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


def _windows(X: Any, source: WindowSource, n: int, rng: np.random.Generator, *others: str) -> Array:
    """Windows of an array or short view, else `n` drawn beside others as `evaluate` does."""
    if _is_array(X) or (is_lazy(X) and len(source.starts) <= n):
        return np.asarray(source.frames[source.starts[:, None] + np.arange(source.window)])
    bank = draw_from_recording(source, dict.fromkeys(("drawn", *others), 1), n, rng)
    return bank.traces(bank.lists["drawn"][0])


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
        own = np.asarray(
            check_windows(given, name=f"{name} spikes", estimator="the figure", encoded=False)
        )
        if own.shape != array.shape:
            raise ValueError(
                f"the spikes of the {name} windows have shape {own.shape}, but the windows "
                f"have shape {array.shape}; pass one value a frame and neuron."
            )
        result[name] = own
    return result


def choose_neurons(neurons: Any, activity: Array, n: int) -> NDArray[np.intp]:
    """Indices of neurons, checked; for None `n` of them spread over the ranks of activity (N,)."""
    return spread_neurons(activity, n) if neurons is None else _indices(neurons, len(activity))


def read_order(order: Any, n_neurons: int) -> NDArray[np.intp]:
    """Check an order of all neurons."""
    indices = _indices(order, n_neurons, "order")
    if sorted(indices) != list(range(n_neurons)):
        raise ValueError(
            f"order must hold each of the {n_neurons} neurons once, got {shown(order)}."
        )
    return indices


def _indices(neurons: Any, n_neurons: int, name: str = "neurons") -> NDArray[np.intp]:
    """Check an index or indices of neurons."""
    indices = np.atleast_1d(as_real_array(neurons, name))
    if indices.ndim != 1 or indices.size == 0 or indices.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be an index or a list of indices of neurons, got {shown(neurons)}."
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
