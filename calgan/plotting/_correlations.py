"""Correlations and covariances of pairs of neurons: distributions, matrices, scatters."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from calgan import metrics
from calgan.data.validation import check_choice, check_real
from calgan.plotting._display import ComparisonDisplay
from calgan.plotting.compared_windows import (
    WITH_CONTROLS,
    ComparedWindows,
    correlation_order,
    read_order,
    some,
)
from calgan.plotting.style import (
    Array,
    Groups,
    color_of,
    draw_distribution,
    label_of,
    limits_of,
    number,
    panels,
    read_groups,
    resize,
    rms,
    say_undefined,
)

# Real beside real, so that the eye sees what to expect.
_MATRICES = ("real", "train", "synthetic", "shuffled", "dichotomized_gaussian")

_KINDS = ("traces", "spikes")
_MOST_POINTS = 5000  # pairs of a scatter, drawn at random where there are more


@dataclass(repr=False, eq=False)
class CorrelationDisplay(ComparisonDisplay):
    """Distribution of the spike correlations of pairs of neurons, over windows.

    Parameters
    ----------
    correlations : mapping of str to array-like of shape (M, P)
        Pearson correlation of each window and pair of neurons; NaN where a train is silent. The
        constructors keep to a million values a group, and to neurons drawn at random if need be.
    bin_seconds : float
        Length of the bins of the spike counts, in seconds.

    See Also
    --------
    CorrelationMatrixDisplay : Which neurons are correlated.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import CorrelationDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> CorrelationDisplay.from_samples(test, synthetic).correlations["synthetic"].shape
    (20, 10)
    """

    correlations: Groups
    bin_seconds: float
    _one_panel: ClassVar[bool] = True

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        return cls(comparison.pair_correlations, comparison.seconds_per_bin)

    def _draw(self, ax: Axes) -> None:
        seconds = check_real("bin_seconds", self.bin_seconds, above=0)
        xlabel = f"correlation of a pair (bins of {seconds:.2g} s)"
        draw_distribution(ax, self.correlations, xlabel, what="correlations", log=True)


class _PairScatterDisplay(ComparisonDisplay):
    """A number for every pair of neurons in each group against that in the real windows."""

    matrices: Groups
    of: str
    _symbol: ClassVar[str] = "r"

    @property
    def r(self) -> dict[str, float]:
        """Pearson correlation over pairs of each group's values with the real ones."""
        real, others = self._pairs()
        return {group: _pearson(real, values) for group, values in others.items()}

    @property
    def rmse(self) -> dict[str, float]:
        """Root mean square difference over pairs of each group's values from the real ones."""
        real, others = self._pairs()
        return {group: rms(values - real) for group, values in others.items()}

    def _pairs(self) -> tuple[Array, dict[str, Array]]:
        arrays = _read_matrices(self.matrices)
        if len(arrays) < 2 or "real" not in arrays:
            raise ValueError('matrices must hold "real" and at least one other group.')
        if len(arrays["real"]) < 2:
            raise ValueError("matrices must be of two neurons or more: one has no pairs.")
        pairs = np.triu_indices(len(arrays["real"]), 1)
        values = {group: array[pairs] for group, array in arrays.items()}
        return values.pop("real"), values

    def _draw(self, figure: FigureBase) -> None:
        of = check_choice(self.of, "of", _KINDS)
        real, others = self._pairs()
        limits = limits_of(real, *others.values())
        shown = some(len(real), _MOST_POINTS)
        narrow = len(others) > 3  # titles fit their panels in small letters only
        resize(figure, 10.0 if narrow else max(3.0 * len(others), 4.5), 3.1 if narrow else 3.3)
        axes = panels(figure, 1, len(others), sharex=True, sharey=True)[0]
        for position, (ax, (group, values)) in enumerate(zip(axes, others.items(), strict=True)):
            color = color_of(group, position)
            ax.plot(limits, limits, color="#888888", linewidth=0.8, zorder=3)
            ax.scatter(
                real[shown],
                values[shown],
                s=float(np.clip(4000 / len(shown), 2, 22)),
                color=color,
                alpha=float(np.clip(1500 / len(shown), 0.2, 0.8)),
                linewidths=0,
                rasterized=True,
            )
            title = f"{label_of(group)}: r = {number(_pearson(real, values), '.2f')}"
            ax.set_title(title, color=color, fontsize=8.0 if narrow else None)
            ax.set(xlim=limits, ylim=limits, aspect="equal")
            ax.set_xlabel(f"{self._symbol} of {of} ({label_of('real')})")
        axes[0].set_ylabel(f"{self._symbol} of the same pair")


@dataclass(repr=False, eq=False)
class CorrelationScatterDisplay(_PairScatterDisplay):
    """Correlation of every pair of neurons, synthetic against real.

    Parameters
    ----------
    matrices : mapping of str to array-like of shape (N, N)
        Correlation matrix of each group, pooled over windows and frames; "real" is on the x axis.
    of : {"traces", "spikes"}, default="traces"
        What is correlated: traces, or spikes in half-second bins. The constructors take it, too.

    See Also
    --------
    CorrelationMatrixDisplay : The matrices themselves.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import CorrelationScatterDisplay
    >>> process = make_process(n_neurons=6, random_state=0)
    >>> test, _ = process.sample_recording(600.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(200, 64, random_state=2)
    >>> display = CorrelationScatterDisplay.from_samples(test, synthetic, random_state=0)
    >>> display.r["synthetic"] > 0.5
    True
    """

    matrices: Groups
    _: KW_ONLY
    of: str = "traces"

    @classmethod
    def _of(cls, comparison: ComparedWindows, *, of: str = "traces") -> Self:
        return cls(_correlation_matrices(comparison, of, WITH_CONTROLS), of=of)


@dataclass(repr=False, eq=False)
class CovarianceScatterDisplay(_PairScatterDisplay):
    """Covariance of every pair of neurons, synthetic against real.

    Parameters
    ----------
    matrices : mapping of str to array-like of shape (N, N)
        Covariance matrix of each group, pooled over windows and frames; "real" is on the x axis.
        Its unit is squared spikes a bin, or squared units of the traces.
    of : {"spikes", "traces"}, default="spikes"
        What varies together: spikes in half-second bins, or traces. The constructors take it, too.

    See Also
    --------
    CorrelationScatterDisplay : The same, free of the size of the fluctuations.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import CovarianceScatterDisplay
    >>> process = make_process(n_neurons=6, random_state=0)
    >>> test, _ = process.sample_recording(120.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(50, 64, random_state=2)
    >>> display = CovarianceScatterDisplay.from_samples(test, synthetic, of="traces")
    >>> display.matrices["real"].shape
    (6, 6)
    """

    matrices: Groups
    _: KW_ONLY
    of: str = "spikes"
    _symbol: ClassVar[str] = "covariance"

    @classmethod
    def _of(cls, comparison: ComparedWindows, *, of: str = "spikes") -> Self:
        values = _values(comparison, of, WITH_CONTROLS)
        return cls({group: _covariance(array) for group, array in values.items()}, of=of)


@dataclass(repr=False, eq=False)
class CorrelationMatrixDisplay(ComparisonDisplay):
    """Correlation matrices side by side, the neurons in one order.

    Parameters
    ----------
    matrices : mapping of str to array-like of shape (N, N)
        Correlation matrix of each group, pooled over windows and frames. The diagonal is left
        blank.
    order : array-like of shape (N,), default=None
        Order of the neurons in every panel; by default along the leading eigenvector of the first
        matrix (the constructors take the training one where there is one).

    See Also
    --------
    CorrelationScatterDisplay : The same numbers, pair by pair.

    Notes
    -----
    The constructors take ``of="traces"`` (the default) or ``of="spikes"`` (in half-second bins).

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import CorrelationMatrixDisplay
    >>> process = make_process(n_neurons=6, random_state=0)
    >>> test, _ = process.sample_recording(120.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(50, 64, random_state=2)
    >>> CorrelationMatrixDisplay.from_samples(test, synthetic).axes_.size
    2
    """

    matrices: Groups
    _: KW_ONLY
    order: ArrayLike | None = None

    @classmethod
    def _of(cls, comparison: ComparedWindows, *, of: str = "traces") -> Self:
        matrices = _correlation_matrices(comparison, of, _MATRICES)
        return cls(matrices, order=correlation_order(matrices.get("train", matrices["real"])))

    def _draw(self, figure: FigureBase) -> None:
        arrays = _read_matrices(self.matrices)
        first = next(iter(arrays.values()))
        order = correlation_order(first)
        if self.order is not None:
            order = read_order(self.order, len(first))
        off_diagonal = ~np.eye(len(first), dtype=bool)
        # The real panels set the scale: a collapsed generator's correlations near one saturate.
        anchors = [array for group, array in arrays.items() if group in ("real", "train")]
        pooled = np.concatenate([array[off_diagonal] for array in anchors or [first]])
        pooled = np.append(pooled[np.isfinite(pooled)], 0.0)
        limit = max(float(np.percentile(np.abs(pooled), 99.5)), 0.05)
        resize(figure, 9.0, {3: 3.0, 4: 2.6, 5: 2.4}.get(len(arrays), 3.9))
        axes = panels(figure, 1, len(arrays), sharey=True)[0]
        for ax, (group, array) in zip(axes, arrays.items(), strict=True):
            image = ax.imshow(
                np.where(off_diagonal, array, np.nan)[np.ix_(order, order)],
                cmap="RdBu_r",
                vmin=-limit,
                vmax=limit,
                interpolation="nearest",
                extent=(0.5, len(first) + 0.5, len(first) + 0.5, 0.5),
            )
            ax.spines[["top", "right"]].set_visible(True)
            if np.isnan(array[off_diagonal]).all():
                say_undefined(ax)
            label = label_of(group)
            # Five labels in a row have room for their longest word only.
            label = label if len(arrays) < 5 else "\n".join(label.rsplit(" ", 1))
            ax.set_title(label, color=color_of(group))
            ax.set_xlabel("neuron, sorted")
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
        axes[0].set_ylabel("neuron, sorted")
        bar = figure.colorbar(image, ax=list(axes), pad=0.01, aspect=22, shrink=0.8, extend="both")
        bar.set_label("correlation (r)")


def _read_matrices(matrices: Groups) -> dict[str, Array]:
    """Square matrices of one size."""
    arrays = read_groups(matrices, 2, "matrices")
    for group, array in arrays.items():
        if array.shape[0] != array.shape[1]:
            raise ValueError(f"matrices[{group!r}] must be square, got shape {array.shape}.")
    return arrays


def _pearson(x: Array, y: Array) -> float:
    """The correlation of what both have, NaN where a side has no pattern to agree with."""
    x, y = x[np.isfinite(x + y)], y[np.isfinite(x + y)]
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def _covariance(values: Array) -> Array:
    """Covariances (N, N) of (M, T, N) over windows and frames, window by window in float64."""
    mean = values.mean(axis=(0, 1), dtype=np.float64)
    total = np.zeros((len(mean), len(mean)))
    for window in values:
        centred = window - mean
        total += centred.T @ centred
    return total / max(values.shape[0] * values.shape[1] - 1, 1)


def _correlation_matrices(
    comparison: ComparedWindows, of: str, groups: tuple[str, ...]
) -> dict[str, Array]:
    """Correlation matrix (N, N) of each group's traces or binned spikes."""
    values = _values(comparison, of, groups)
    if of == "traces":
        return comparison.correlation_matrices(groups)
    return {group: metrics.correlation_matrix(array) for group, array in values.items()}


def _values(comparison: ComparedWindows, of: str, groups: tuple[str, ...]) -> dict[str, Array]:
    """Traces, or spikes counted in half-second bins, (M, T or bins, N), of two neurons or more."""
    comparison.n_pairs()
    if check_choice(of, "of", _KINDS) == "traces":
        return comparison.of(comparison.windows, groups)
    size = comparison.bin_frames
    n_bins = comparison.window // size
    shape = (n_bins, size, comparison.n_neurons)
    return {
        group: array[:, : n_bins * size].reshape(len(array), *shape).sum(axis=2)
        for group, array in comparison.of(comparison.spikes, groups).items()
    }
