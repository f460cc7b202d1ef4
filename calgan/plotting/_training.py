"""Losses and validation statistics over the training steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from calgan.plotting._style import (
    COLORS,
    new_figure,
    padded,
    styled,
)

_CAPITALS = {"kl": "KL", "rmse": "RMSE", "w1": "W1"}

_NO_CURVES = ("step", "epoch", "seconds", "time", "learning_rate")
_FIRST_PANELS = 4  # that validation statistics do not displace


def _is_curve(key: str) -> bool:
    return key not in _NO_CURVES


def _readable(key: str) -> str:
    words = [_CAPITALS.get(word, word) for word in key.removeprefix("val_").split("_")]
    return ("val. " if key.startswith("val_") else "") + " ".join(words)


@styled
def plot_training_curves(
    history: Iterable[Mapping[str, Any]],
    *,
    best_step: int | None = None,
    max_panels: int = 12,
    figure: Figure | None = None,
) -> Figure:
    """Losses and validation statistics over the training steps, a panel each.

    Parameters
    ----------
    history : iterable of mapping
        Rows such as ``CalciumGAN.history_`` holds: "step" and named numbers, of which each is
        drawn where a row has it; names that begin with ``val_`` are validation statistics.
    best_step : int, optional
        Step whose weights were kept, marked by a vertical line.
    max_panels : int, default=12
        Largest number of panels. Where there are more quantities, validation statistics take
        precedence over all but the first four others.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        A panel a quantity, over the training steps. The y axis holds the central 98 % of the
        values, so that the first steps do not hide the others.

    Examples
    --------
    >>> from calgan.plotting import plot_training_curves
    >>> rows = [{"step": s, "critic_loss": 1.0 / s} for s in range(1, 9)]
    >>> plot_training_curves(rows).axes[0].get_title()
    'critic loss'
    """
    rows = list(history)
    keys = list(dict.fromkeys(key for row in rows for key in row if _is_curve(key)))
    curves: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for key in sorted(keys, key=lambda key: key.startswith("val_")):
        found = [(row.get("step", i + 1), row[key]) for i, row in enumerate(rows) if key in row]
        numbers = [(s, v) for s, v in found if isinstance(v, (int, float, np.number))]
        points = np.array(numbers, dtype=float).reshape(-1, 2)
        points = points[np.all(np.isfinite(points), axis=1)]
        if len(points):
            curves[key] = (points[:, 0], points[:, 1])
    shown = list(curves)
    n_validation = sum(key.startswith("val_") for key in shown)
    n_others = max(_FIRST_PANELS, max_panels - n_validation)
    del shown[n_others : max(n_others, len(shown) - n_validation)]
    curves = {key: curves[key] for key in shown[:max_panels]}
    if not curves:
        raise ValueError(
            "history holds no finite losses or validation statistics to draw: pass the history_ "
            "of a fitted model."
        )
    # Three or four columns: whichever leaves fewer empty places.
    n_columns = min(4 if -len(curves) % 4 < -len(curves) % 3 else 3, len(curves))
    n_rows = -(-len(curves) // n_columns)
    figure = (
        new_figure(9.0 if n_columns > 2 else 6.0, 0.3 + 1.8 * n_rows) if figure is None else figure
    )
    axes = figure.subplots(n_rows, n_columns, sharex=True, squeeze=False)
    for ax in axes.flat[len(curves) :]:
        ax.remove()
    last = max(float(steps.max()) for steps, _ in curves.values())
    for position, (key, (steps, values)) in enumerate(curves.items()):
        ax = axes.flat[position]
        validation = key.startswith("val_")
        color = COLORS["synthetic"] if validation else "#444444"
        if len(values) > 150:
            ax.plot(steps, values, color=color, linewidth=0.5, alpha=0.35)
            width = len(values) // 50
            n_groups = len(values) // width
            blocks = slice(len(values) - n_groups * width, None)
            ax.plot(
                np.median(steps[blocks].reshape(n_groups, width), axis=1),
                np.median(values[blocks].reshape(n_groups, width), axis=1),
                color=color,
                linewidth=1.5,
            )
        else:
            marker = "o" if validation and len(values) < 60 else ""
            ax.plot(steps, values, color=color, linewidth=1.3, marker=marker, markersize=3)
        low, high = np.percentile(values, [1, 99]).tolist()
        ax.set_ylim(*padded(low, high, share=0.08))
        ax.set_xlim(0, max(last, 1.0))
        if best_step is not None:
            ax.axvline(best_step, color=COLORS["real"], linewidth=1.0, linestyle=(0, (3, 2)))
        ax.set_title(_readable(key), fontsize=8.5)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(4))
        if position + n_columns >= len(curves):
            ax.tick_params(labelbottom=True)
            ax.set_xlabel("generator step")
        if position % n_columns == 0:
            ax.set_ylabel("value")
    return figure
