"""Traces over time scales: power spectra and autocorrelations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from calgan.plotting._style import (
    LINES,
    Groups,
    color_of,
    label_of,
    new_axes,
    plain_log_ticks,
    read_groups,
    styled,
)


def draw_band(ax: Axes, x: NDArray[Any], rows: NDArray[Any], group: str, position: int) -> None:
    """Median over neurons as a line; the quartiles as a band for the first two groups only."""
    low, middle, high = np.nanpercentile(rows, [25, 50, 75], axis=0)
    color = color_of(group, position)
    if position < 2:
        ax.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    ax.plot(
        x,
        middle,
        color=color,
        linestyle=LINES.get(group, "-"),
        linewidth=1.7,
        label=label_of(group),
    )


@styled
def plot_power_spectra(
    spectra: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    units: str = "dF/F",
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Power spectra of the traces: median over neurons, with quartiles.

    Parameters
    ----------
    spectra : mapping of str to tuple of array-like
        For each group the frequencies in Hz, of shape (F,), and the power, of shape (N, F), as
        :func:`calgan.metrics.power_spectrum` returns them.
    units : str, default="dF/F"
        Units of the traces.
    legend : bool, default=True
        Whether to draw a legend.
    ax : matplotlib Axes, optional
        Where to draw; the axes of a new figure by default.

    Returns
    -------
    matplotlib Axes
        Power against frequency, on logarithmic axes.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_power_spectra
    >>> ax = plot_power_spectra({"real": (np.arange(1, 9), np.ones((3, 8)))})
    >>> ax.get_xlabel()
    'frequency (Hz)'
    """
    ax = new_axes(ax)
    for position, (group, (frequencies, power)) in enumerate(spectra.items()):
        f = np.asarray(frequencies, dtype=float)
        p = np.asarray(power, dtype=float)
        if p.ndim != 2 or p.shape[1] != len(f):
            raise ValueError(
                f"The power of {group!r} must have shape (neurons, {len(f)}), got {p.shape}."
            )
        p = p[:, f > 0]
        # A neuron without power has no place on a logarithmic axis.
        p = np.where(p > 0, p, np.nan)
        p = p[~np.all(np.isnan(p), axis=1)]
        if len(p):
            draw_band(ax, f[f > 0], p, group, position)
    ax.set_xscale("log")
    ax.set_yscale("log")
    shown = [float(x) for line in ax.lines for x in np.asarray(line.get_xdata())]
    if shown:
        plain_log_ticks(ax.xaxis, min(shown), max(shown))
    ax.set_xlabel("frequency (Hz)")
    ax.set_ylabel(f"power (({units})²/Hz)")
    if legend and ax.lines:
        ax.legend(loc="best")
    return ax


@styled
def plot_autocorrelation(
    autocorrelations: Groups,
    frame_rate: float,
    *,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Autocorrelation of the traces against lag: median over neurons, with quartiles.

    Parameters
    ----------
    autocorrelations : mapping of str to array-like of shape (N, L + 1)
        Autocorrelation at lags 0 ... L, as :func:`calgan.metrics.autocorrelation` returns it.
    frame_rate : float
        Frames per second, in Hz.
    legend : bool, default=True
        Whether to draw a legend.
    ax : matplotlib Axes, optional
        Where to draw; the axes of a new figure by default.

    Returns
    -------
    matplotlib Axes
        Autocorrelation against the lag in seconds.

    Examples
    --------
    >>> from calgan.plotting import plot_autocorrelation
    >>> ax = plot_autocorrelation({"real": [[1.0, 0.5, 0.2]]}, frame_rate=10.0)
    >>> ax.get_xlabel()
    'lag (s)'
    """
    arrays = read_groups(autocorrelations, 2, "autocorrelations")
    ax = new_axes(ax)
    for position, (group, array) in enumerate(arrays.items()):
        lags = np.arange(array.shape[1]) / frame_rate
        rows = array[~np.all(np.isnan(array), axis=1)]
        if len(rows):
            draw_band(ax, lags, rows, group, position)
    ax.axhline(0, color="#888888", linewidth=0.8, zorder=0)
    ax.set_xlim(0, None)
    ax.set_xlabel("lag (s)")
    ax.set_ylabel("autocorrelation")
    if legend and ax.lines:
        ax.legend(loc="best")
    return ax
