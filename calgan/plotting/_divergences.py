"""KL divergences of the published statistics, by neuron and by window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from calgan import metrics
from calgan.data.validation import check_choice, shown
from calgan.metrics.divergence import (
    bins_for,
    histogram_counts,
    histogram_edges,
    smoothed_kl_from_counts,
)
from calgan.plotting._display import ComparisonDisplay
from calgan.plotting.compared_windows import WITH_TRAIN, ComparedWindows
from calgan.plotting.style import (
    Array,
    Groups,
    figure_legend,
    finite,
    in_lines,
    line_of,
    resize,
    say_undefined,
)

_MIN_PAIRS = 45  # pairs a window from which a histogram of its own can be built
_MAX_BINS = 25
_NAMES = {"firing_rate": "firing rate", "van_rossum": "van Rossum distance"}


@dataclass(repr=False, eq=False)
class KLHistogramDisplay(ComparisonDisplay):
    """Histograms of the divergences of the published statistics, by neuron and by window.

    The firing rates have one divergence a neuron, over windows; correlations and van Rossum
    distances have one a window, over pairs of neurons (real window i against window i of the
    group).

    Parameters
    ----------
    divergences : dict of dict of ndarray
        For each statistic ("firing_rate", "correlation", "van_rossum") the divergences of each
        group from the real windows, in nats. "train" is the train-test baseline.

    Notes
    -----
    The constructors take ``protocol="blocked"`` (smoothed divergences on bins from real data; the
    default) or ``"thesis"`` (the published estimator, see `calgan.metrics.thesis_kl`; spikes are
    inferred as ever). Divergences of single windows need at least 45 pairs of neurons and are left
    out where there are fewer.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import KLHistogramDisplay
    >>> process = make_process(n_neurons=10, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(60, 64, random_state=2)
    >>> display = KLHistogramDisplay.from_samples(test, synthetic, random_state=0)
    >>> {name: groups["synthetic"].shape for name, groups in display.divergences.items()}
    {'firing_rate': (10,), 'correlation': (60,), 'van_rossum': (60,)}
    """

    divergences: Mapping[str, Groups]

    @classmethod
    def _of(cls, comparison: ComparedWindows, *, protocol: str = "blocked") -> Self:
        check_choice(protocol, "protocol", ("blocked", "thesis"))
        rates = {group: array.T for group, array in comparison.rates.items()}
        divergences = {"firing_rate": _row_divergences(rates, protocol, pooled=False)}
        if comparison.n_neurons > 1 and comparison.n_pairs() >= _MIN_PAIRS:
            statistics = {
                "correlation": comparison.pair_correlations,
                "van_rossum": comparison.pair_distances,
            }
            for name, found in statistics.items():
                values = comparison.of(found, WITH_TRAIN)
                n_windows = min(map(len, values.values()))
                values = {group: rows[:n_windows] for group, rows in values.items()}
                divergences[name] = _row_divergences(values, protocol, pooled=True)
        return cls(divergences)

    def plot(self, *, statistic: str | None = None, ax: Axes | None = None) -> Self:
        """Draw one statistic, or a panel for each.

        Parameters
        ----------
        statistic : {"firing_rate", "correlation", "van_rossum"}, default=None
            Which one; None draws all there are.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        self : KLHistogramDisplay
            The display, with ``figure_`` and its panels ``axes_``.

        Raises
        ------
        ValueError
            If there are no divergences of this statistic.
        """
        return self._plot(ax, statistic=statistic)

    def _draw(self, figure: FigureBase, *, statistic: str | None) -> None:
        if not isinstance(self.divergences, Mapping) or not self.divergences:
            raise ValueError(
                "divergences must be a non-empty mapping from statistics to those of each group, "
                f"got {type(self.divergences).__name__}."
            )
        names = list(self.divergences)
        if statistic is not None:
            if not isinstance(statistic, str) or statistic not in names:
                raise ValueError(
                    f"there are no divergences of statistic={shown(statistic)}, only of "
                    f"{', '.join(map(repr, names))}; those of single windows need at least "
                    f"{_MIN_PAIRS} pairs of neurons."
                )
            names = [statistic]
        found = {name: finite(self.divergences[name], f"divergences of {name}") for name in names}
        resize(figure, max(3.0 * len(names), 4.5), 3.2)
        axes = figure.subplots(1, len(names), squeeze=False)[0]
        for ax, name in zip(axes, names, strict=True):
            _draw_divergences(ax, found[name])
            ax.set_xlabel(f"KL of {_NAMES.get(name) or in_lines(name)} (nats)")
            ax.set_ylabel(f"number of {'neurons' if name == 'firing_rate' else 'windows'}")
        figure_legend(figure, axes[0])


def _draw_divergences(ax: Axes, arrays: dict[str, Array]) -> None:
    """A histogram a group, with a mark on top at its median."""
    filled = [array for array in arrays.values() if array.size]
    high = max((float(array.max()) for array in filled), default=1.0) or 1.0
    low = min([0.0, *(float(array.min()) for array in filled)])
    n_bins = int(np.clip(max((array.size for array in filled), default=0) // 4, 6, _MAX_BINS))
    bins = np.linspace(low, high, n_bins + 1)
    for position, (group, array) in enumerate(arrays.items()):
        line = line_of(group, position)
        counts = np.histogram(array, bins=bins)[0]
        ax.stairs(counts, bins, fill=True, color=line["color"], alpha=0.22, linewidth=0)
        ax.stairs(counts, bins, linewidth=1.6, baseline=None, **line)
        if array.size:
            mark = {"marker": "v", "markersize": 6, "color": line["color"], "clip_on": False}
            ax.plot(np.median(array), 1.03, transform=ax.get_xaxis_transform(), **mark)
    if not filled:
        say_undefined(ax)
    ax.set(xlim=(bins[0], bins[-1]), ylim=(0, 1.15 * max(ax.dataLim.ymax, 1.0)))
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))


def _row_divergences(values: dict[str, Array], protocol: str, *, pooled: bool) -> dict[str, Array]:
    """Divergence of each row of the real values from the same row of each other group.

    Bins come from the real values of all rows (`pooled`) or of the row alone.
    """
    real = values["real"]
    others = {group: rows for group, rows in values.items() if group != "real"}
    if protocol == "thesis":
        return {
            group: np.array([metrics.thesis_kl(p, q) for p, q in zip(real, rows, strict=True)])
            for group, rows in others.items()
        }
    pool = [rows for group, rows in values.items() if group in ("real", "train")]
    max_bins = bins_for(real.shape[1])

    def edges(row: slice) -> Array | None:
        parts = np.concatenate([rows[row].ravel() for rows in pool])
        parts = parts[~np.isnan(parts)]
        return histogram_edges(parts, max_bins=max_bins) if parts.size else None

    result = {group: np.full(len(real), np.nan) for group in others}
    for part in [slice(None)] if pooled else [slice(i, i + 1) for i in range(len(real))]:
        if (inner := edges(part)) is None:
            continue
        p = histogram_counts(real[part], inner)
        for group, rows in others.items():
            q = histogram_counts(rows[part], inner)
            # A window of silent neurons has no correlations, and so no divergence.
            defined = p.any(axis=1) & q.any(axis=1)
            result[group][part] = np.where(defined, smoothed_kl_from_counts(p, q), np.nan)
    return result
