"""How fast inferred spikes are lost as noise is added to a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from calgan.data.validation import shown
from calgan.plotting._display import Display
from calgan.plotting.style import (
    COLORS,
    Array,
    figure_legend,
    in_lines,
    number,
    panels,
    resize,
)
from calgan.spikes.noise_study import HALF, NoiseStudy, mean_over_neurons

_COLORS, _MARKERS = tuple(COLORS.values()), "osD^v"
_XLABEL = "signal-to-noise ratio\n(SD of the trace / SD of the added noise)"
_TITLES = ("with spikes inferred without added noise", "with true spikes")
_NONE = 2.0  # times the largest level: where no added noise is drawn


@dataclass(repr=False, eq=False)
class NoiseStudyDisplay(Display):
    """Correlations of inferred spikes over the noise that was added, a colour a study.

    Thin lines are neurons. The thick one is their mean, with its 95 % interval; a bar marks the
    half point and its interval. Where a study has true spikes, a second panel shows the
    correlations with these, without added noise at its right.

    Parameters
    ----------
    studies : mapping of str to NoiseStudy
        Results of `calgan.noise_study`, by the names in the legend.

    See Also
    --------
    calgan.noise_study : Makes the numbers.

    Examples
    --------
    >>> from calgan import OasisDeconvolver, noise_study
    >>> from calgan.datasets import make_recording
    >>> from calgan.plotting import NoiseStudyDisplay
    >>> recording, spikes = make_recording(60.0, n_neurons=4, random_state=0)
    >>> study = noise_study(OasisDeconvolver(), recording, spikes=spikes, random_state=0)
    >>> display = NoiseStudyDisplay.from_study(study)
    >>> [ax.get_title() for ax in display.axes_]
    ['with spikes inferred without added noise', 'with true spikes']
    """

    studies: Mapping[str, NoiseStudy]

    @classmethod
    def from_study(
        cls, study: NoiseStudy | Mapping[str, NoiseStudy], *, ax: Axes | None = None
    ) -> Self:
        """Draw one study, or several in one figure.

        Parameters
        ----------
        study : NoiseStudy or mapping of str to NoiseStudy
            Result of `calgan.noise_study`, or several by name. One has the name of its deconvolver.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        display : NoiseStudyDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If it is no result of `calgan.noise_study`.
        """
        studies = {study.deconvolver: study} if isinstance(study, NoiseStudy) else study
        return cls(studies).plot(ax=ax)

    def _draw(self, figure: FigureBase) -> None:
        studies = _check_studies(self.studies)
        has_truth = any(study.truth is not None for study in studies.values())
        same_bins = len({round(study.bin_width, 6) for study in studies.values()}) == 1
        resize(figure, 8.6 if has_truth else 5.2, 4.3)
        axes = panels(figure, 1, 1 + has_truth, sharey=True)[0]
        levels = np.concatenate([study.levels for study in studies.values()])
        none = _NONE * float(levels.max())
        handles = []
        for position, (name, study) in enumerate(studies.items()):
            color, marker = _COLORS[position % len(_COLORS)], _MARKERS[position % len(_MARKERS)]
            mean = _draw_curves(axes[0], study.levels, study.correlation, color, marker)
            _draw_half_point(axes[0], study, color)
            mean.set_label(_label(name, study, has_bins=not same_bins))
            handles.append(mean)
            if study.truth is not None:
                _draw_curves(axes[1], study.levels, study.truth[1:], color, marker)
                _draw_curves(axes[1], np.array([none]), study.truth[:1], color, marker)
        for ax, title in zip(axes, _TITLES, strict=False):
            _set_scales(ax, levels, none if ax is not axes[0] else None)
            ax.set(title=title, xlabel=_XLABEL)
        bins = f"\n(bins of {study.bin_width:.2g} s)" if same_bins else ""
        axes[0].set_ylabel(f"correlation{bins}")
        axes[0].axhline(HALF, color="#888888", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        figure_legend(figure, axes[0], handles)


def _check_studies(studies: Any) -> dict[str, NoiseStudy]:
    if not isinstance(studies, Mapping) or not studies:
        raise TypeError(
            "studies must be a non-empty mapping from names to results of calgan.noise_study, got "
            f"{shown(studies)}."
        )
    for name, study in studies.items():
        if not isinstance(name, str) or not name.strip():
            raise TypeError(f"studies must have names as its keys, got {shown(name)}.")
        if not isinstance(study, NoiseStudy):
            raise TypeError(
                f"studies[{shown(name)}] must be a result of calgan.noise_study, got "
                f"{shown(study)}."
            )
    return dict(studies)


def _label(name: str, study: NoiseStudy, *, has_bins: bool) -> str:
    low, high = (number(end, ".2f") for end in study.half_point_interval)
    bins = f", bins of {study.bin_width:.2g} s" if has_bins else ""
    half = f"half at SNR {number(study.half_point, '.2f')} [{low}, {high}]{bins}"
    return f"{in_lines(name)}\n{half}"


def _draw_curves(ax: Axes, levels: Array, values: Array, color: str, marker: str) -> Line2D:
    """Neurons (L, N) as thin lines, their mean as a thick one, which is returned."""
    mean, (low, high) = mean_over_neurons(values)
    if len(levels) == 1:
        ax.vlines(levels, low, high, color=color, linewidth=1.5)
    else:
        alpha = float(np.clip(6.0 / values.shape[1], 0.08, 0.35))
        ax.plot(levels, values, color=color, linewidth=0.6, alpha=alpha, zorder=1)
        ax.fill_between(levels, low, high, color=color, alpha=0.25, linewidth=0, zorder=2)
    line = Line2D(levels, mean, color=color, linewidth=2.0, zorder=3)
    line.set(marker=marker, markersize=5.5, markeredgecolor="white")
    ax.add_line(line)
    return line


def _draw_half_point(ax: Axes, study: NoiseStudy, color: str) -> None:
    """The half point of the mean, and a bar for its interval."""
    ax.plot(study.half_point_interval, (HALF, HALF), color=color, linewidth=4.0, alpha=0.6)
    ax.plot(study.half_point, HALF, "|", color=color, markersize=13, markeredgewidth=2.0, zorder=4)


def _set_scales(ax: Axes, levels: Array, none: float | None) -> None:
    """Scale the axes, with ticks at powers of two; `none` is the place of no added noise."""
    low, high = float(levels.min()), float(levels.max())
    first, last = np.ceil(np.log2(low) - 0.01), np.floor(np.log2(high) + 0.01)
    ticks = (2.0 ** np.arange(first, last + 1, max(1, (last - first) // 6))).tolist()
    names = [f"{tick:.3g}" for tick in ticks]
    if none is not None:
        ticks, names = [*ticks, none], [*names, "∞"]
    ax.set_xscale("log")
    ax.set_xticks(ticks, names)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(
        xlim=(low / 1.15, 1.15 * (high if none is None else none)),
        ylim=(min(0.0, ax.get_ylim()[0]), 1.02),
    )
