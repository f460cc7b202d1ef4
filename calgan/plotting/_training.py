"""Losses and validation statistics over the training steps."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator
from sklearn.utils.validation import check_is_fitted

from calgan.data.sampling import generator_of
from calgan.data.validation import check_integer, check_real, shown
from calgan.plotting._display import EvaluationDisplay
from calgan.plotting.style import COLORS, Array, padded, panels, plain, resize

_CAPITALS = {"kl": "KL", "rmse": "RMSE", "w1": "W1"}
_NO_CURVES = ("step", "epoch", "seconds", "time", "learning_rate")
_FIRST_PANELS = 4  # that validation statistics do not displace


@dataclass(repr=False, eq=False)
class TrainingDisplay(EvaluationDisplay):
    """Losses and validation statistics over the training steps.

    Parameters
    ----------
    history : sequence of mapping
        Rows such as ``CalciumGAN.history_`` holds: "step" and named numbers; names that begin with
        ``val_`` are validation statistics.
    best_step : int, default=None
        Step whose weights were kept, marked by a vertical line.

    Examples
    --------
    >>> from calgan.plotting import TrainingDisplay
    >>> rows = [{"step": s, "critic_loss": 1.0 / s} for s in range(1, 9)]
    >>> TrainingDisplay(rows, best_step=8).plot().axes_[0].get_title()
    'critic loss'
    """

    history: Sequence[Mapping[str, Any]]
    _: KW_ONLY
    best_step: int | None = None

    @classmethod
    def from_estimator(cls, estimator: Any, **options: Any) -> Self:
        """Draw the training of a fitted generator, pipeline or search.

        Parameters
        ----------
        estimator : generator, pipeline or search
            A fitted generator with a ``history_``, or what ends in one.
        **options
            Options of `plot`.

        Returns
        -------
        display : TrainingDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it keeps no history.
        """
        _, options = cls._read_options(options)
        if hasattr(estimator, "fit"):
            check_is_fitted(estimator)
        generator = generator_of(estimator)
        history = getattr(generator, "history_", None)
        if not history:
            raise ValueError(
                f"{type(generator).__name__} keeps no training history (history_), so there are "
                "no curves to draw."
            )
        return cls(list(history), best_step=getattr(generator, "best_iter_", None)).plot(**options)

    @classmethod
    def _of(cls, evaluation: Any) -> Self:
        if not evaluation.history:
            raise ValueError(
                "evaluation holds no training history: evaluate with model=, a model that was "
                "trained in steps."
            )
        return cls(evaluation.history, best_step=evaluation.meta.get("best_iter"))

    def plot(self, *, max_panels: int = 12, ax: Axes | None = None) -> Self:
        """Draw a panel for each quantity; the y axes hold the central 98 % of the values.

        Parameters
        ----------
        max_panels : int, default=12
            Largest number of panels. Where there are more quantities, validation statistics take
            precedence over all but the first four others.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        self : TrainingDisplay
            The display, with ``figure_`` and its panels ``axes_``.

        Raises
        ------
        ValueError
            If the history holds no finite numbers.
        """
        return self._plot(ax, max_panels=max_panels)

    def _draw(self, figure: FigureBase, *, max_panels: int) -> None:
        best = self.best_step
        best = None if best is None else check_integer(best, "best_step", minimum=0)
        curves = _read_curves(self.history, check_integer(max_panels, "max_panels"))
        if not curves:
            raise ValueError(
                "history holds no finite losses or validation statistics to draw: pass the "
                "history_ of a fitted model."
            )
        # Three or four columns: whichever leaves fewer empty places.
        n_columns = min(4 if -len(curves) % 4 < -len(curves) % 3 else 3, len(curves))
        n_rows = -(-len(curves) // n_columns)
        resize(figure, 9.0 if n_columns > 2 else 6.0, 0.3 + 1.8 * n_rows)
        axes = panels(figure, n_rows, n_columns, sharex=True)
        for ax in axes.flat[len(curves) :]:
            ax.remove()
        last = max(float(steps.max()) for steps, _ in curves.values())
        for ax, (key, (steps, values)) in zip(axes.flat, curves.items(), strict=False):
            _draw_curve(ax, key, steps, values)
            if best is not None:
                style = {"color": COLORS["real"], "linewidth": 1.0, "linestyle": (0, (3, 2))}
                ax.axvline(best, **style)
            ax.set_xlim(0, max(last, 1.0))
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            ax.yaxis.set_major_locator(MaxNLocator(4))
        for ax in axes.flat[len(curves) - n_columns : len(curves)]:
            ax.xaxis.set_visible(True)
            ax.tick_params(labelbottom=True)
            ax.set_xlabel("generator step")
        for ax in axes[:, 0]:
            ax.set_ylabel("value")


def _read_curves(
    history: Sequence[Mapping[str, Any]], max_panels: int
) -> dict[str, tuple[Array, Array]]:
    """Steps and finite values of the quantities that are shown, validation statistics last."""
    rows = list(history) if np.iterable(history) else [history]
    for row in rows:
        if not isinstance(row, Mapping) or not all(isinstance(key, str) for key in row):
            raise TypeError(
                "history must be a list of mappings from names to numbers, such as the history_ "
                f"of a fitted model, got {shown(row)} in it."
            )
        check_real("a step of history", row.get("step", 0))
    keys = dict.fromkeys(key for row in rows for key in row if key not in _NO_CURVES)
    curves: dict[str, tuple[Array, Array]] = {}
    for key in sorted(keys, key=lambda key: key.startswith("val_")):
        found = [(row.get("step", i + 1), row[key]) for i, row in enumerate(rows) if key in row]
        known = [(step, value) for step, value in found if isinstance(value, numbers.Real)]
        points = np.array(known, dtype=float).reshape(-1, 2)
        points = points[np.all(np.isfinite(points), axis=1)]
        if len(points):
            curves[key] = (points[:, 0], points[:, 1])
    chosen = list(curves)
    n_validation = sum(key.startswith("val_") for key in chosen)
    n_others = max(_FIRST_PANELS, max_panels - n_validation)
    del chosen[n_others : max(n_others, len(chosen) - n_validation)]
    return {key: curves[key] for key in chosen[:max_panels]}


def _draw_curve(ax: Axes, key: str, steps: Array, values: Array) -> None:
    """One quantity; a long curve is thin, with a thick one of medians over blocks of steps."""
    validation = key.startswith("val_")
    color = COLORS["synthetic"] if validation else "#444444"
    if len(values) > 150:
        ax.plot(steps, values, color=color, linewidth=0.5, alpha=0.35)
        size = len(values) // 50
        n_blocks = len(values) // size
        x, y = (np.median(a[-n_blocks * size :].reshape(-1, size), axis=1) for a in (steps, values))
        ax.plot(x, y, color=color, linewidth=1.5)
    else:
        marker = "o" if validation and len(values) < 60 else ""
        ax.plot(steps, values, color=color, linewidth=1.3, marker=marker, markersize=3)
    low, high = np.percentile(values, [1, 99]).tolist()
    ax.set_ylim(*padded(low, high, share=0.08))
    words = [_CAPITALS.get(word, word) for word in plain(key).removeprefix("val_").split("_")]
    ax.set_title(("val. " if validation else "") + " ".join(words), fontsize=8.5)
