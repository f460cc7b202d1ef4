"""Traces over time scales: power spectra and autocorrelations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Self

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from calgan import metrics
from calgan.data.recording import ARBITRARY
from calgan.data.validation import check_frame_rate, check_text
from calgan.plotting._display import ComparisonDisplay
from calgan.plotting.compared_windows import WITH_TRAIN, ComparedWindows
from calgan.plotting.style import (
    Array,
    Groups,
    line_of,
    log_scale,
    plain,
    plain_log_ticks,
    read_groups,
)

_LONGEST_LAG = 20.0  # seconds


@dataclass(repr=False, eq=False)
class PowerSpectrumDisplay(ComparisonDisplay):
    """Power spectra of the traces, median over neurons with quartiles.

    Parameters
    ----------
    spectra : mapping of str to tuple of ndarray
        For each group the frequencies in Hz, (F,), and the power, (N, F).
    units : str, default="a.u."
        Units of the traces.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import PowerSpectrumDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> PowerSpectrumDisplay.from_samples(test, synthetic).spectra["real"][1].shape
    (5, 32)
    """

    spectra: Mapping[str, tuple[ArrayLike, ArrayLike]]
    _: KW_ONLY
    units: str = ARBITRARY
    _one_panel: ClassVar[bool] = True

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        windows = comparison.of(comparison.windows, WITH_TRAIN)
        rate = comparison.frame_rate
        spectra = {group: metrics.power_spectrum(array, rate) for group, array in windows.items()}
        return cls(spectra, units=comparison.units)

    def _draw(self, ax: Axes) -> None:
        units = check_text(self.units, "units", "dF/F")
        pairs = self.spectra.values() if isinstance(self.spectra, Mapping) else [None]
        if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
            raise ValueError(
                "spectra must be a mapping from group names to pairs (frequencies, power)."
            )
        all_frequencies, powers = (
            read_groups({g: pair[i] for g, pair in self.spectra.items()}, 1 + i, what, shared=None)
            for i, what in enumerate(("spectra", "power of spectra"))
        )
        for position, (group, power) in enumerate(powers.items()):
            frequencies = all_frequencies[group]
            if power.shape[1] != len(frequencies):
                raise ValueError(
                    f"The power of {group!r} must have shape (neurons, {len(frequencies)}), got "
                    f"{power.shape}."
                )
            shown = frequencies > 0
            # A neuron without power has no place on a logarithmic axis.
            power = np.where(power > 0, power, np.nan)
            _draw_band(ax, frequencies[shown], power[:, shown], group, position)
        ax.set_xscale("log")
        log_scale(ax)
        values = [float(x) for line in ax.lines for x in np.asarray(line.get_xdata())]
        if values:
            plain_log_ticks(ax.xaxis, min(values), max(values))
            ax.legend(loc="best")
        ax.set(xlabel="frequency (Hz)", ylabel=f"power (({plain(units)})²/Hz)")


@dataclass(repr=False, eq=False)
class AutocorrelationDisplay(ComparisonDisplay):
    """Autocorrelation of the traces against lag, median over neurons with quartiles.

    Parameters
    ----------
    autocorrelations : mapping of str to array-like of shape (N, L + 1)
        Autocorrelation at lags 0 ... L frames.
    frame_rate : float
        Frames per second (Hz).

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import AutocorrelationDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> AutocorrelationDisplay.from_samples(test, synthetic).autocorrelations["real"].shape
    (5, 33)
    """

    autocorrelations: Groups
    frame_rate: float
    _one_panel: ClassVar[bool] = True

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        windows = comparison.of(comparison.windows, WITH_TRAIN)
        rate = comparison.frame_rate
        max_lag = max(min(comparison.window // 2, round(_LONGEST_LAG * rate)), 1)
        return cls({g: metrics.autocorrelation(x, max_lag) for g, x in windows.items()}, rate)

    def _draw(self, ax: Axes) -> None:
        arrays = read_groups(self.autocorrelations, 2, "autocorrelations")
        rate = check_frame_rate(self.frame_rate)
        for position, (group, array) in enumerate(arrays.items()):
            _draw_band(ax, np.arange(array.shape[1]) / rate, array, group, position)
        ax.axhline(0, color="#888888", linewidth=0.8, zorder=0)
        ax.set(xlim=(0, None), xlabel="lag (s)", ylabel="autocorrelation")
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="best")


def _draw_band(ax: Axes, x: Array, rows: Array, group: str, position: int) -> None:
    """Median over neurons as a line; the quartiles as a band for the first two groups only."""
    rows = np.where(np.isfinite(rows), rows, np.nan)
    rows = rows[~np.all(np.isnan(rows), axis=1)]
    if not len(rows):
        return
    low, middle, high = np.nanpercentile(rows, [25, 50, 75], axis=0)
    line = line_of(group, position)
    if position < 2:
        ax.fill_between(x, low, high, color=line["color"], alpha=0.15, linewidth=0)
    ax.plot(x, middle, linewidth=1.7, **line)
