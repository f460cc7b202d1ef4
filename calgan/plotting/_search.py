"""Results of a search: every candidate's scores, fold by fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from calgan.model_selection._search import SearchResults, read_search
from calgan.plotting._display import Display
from calgan.plotting.style import COLORS, Array, padded, resize

_CHOSEN, _OTHERS = COLORS["synthetic"], "#444444"
_LINE = 42  # characters
_MOST = 20  # candidates shown, the best ones


@dataclass(repr=False, eq=False)
class SearchDisplay(Display):
    """Scores of the candidates of a search, a panel a score and a line a candidate.

    Each of the 20 best has the mean over the folds, one standard deviation and the folds; the best
    is in colour. The last panel shows the time of a fit (s).

    Parameters
    ----------
    results : SearchResults
        Labels, scores, ranks and fit times (s) of the candidates; `from_search` reads them.

    See Also
    --------
    calgan.model_selection.search_table : The same as a table of text.

    Examples
    --------
    >>> from calgan.plotting import SearchDisplay
    >>> results = {
    ...     "params": [{"generator__filters": 32}, {"generator__filters": 64}],
    ...     "mean_fit_time": [1.5, 3.0],
    ...     "split0_test_score": [-0.30, -0.20],
    ...     "split1_test_score": [-0.34, -0.10],
    ... }
    >>> display = SearchDisplay.from_search(results)
    >>> [text.get_text() for text in display.axes_[0].get_yticklabels()]
    ['filters=64', 'filters=32']
    """

    results: SearchResults

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        scores: Sequence[str] | None = None,
        sort_by: str | None = None,
        labels: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the results of a search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or mapping
            A fitted search, or its ``cv_results_``.
        scores : sequence of str, default=None
            Which scores to show, by their names without ``mean_test_``; None shows all of them.
        sort_by : str, default=None
            Score that the lines are sorted by, the best at the top. None takes the one that the
            search was refitted by, or else the first.
        labels : sequence of str, default=None
            Names of the candidates, in the order of ``cv_results_["params"]``. None names them by
            the parameters in which they differ.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        display : SearchDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `search` is neither a search nor a mapping, or a list of names is a single name.
        ValueError
            If it is not fitted, or has no such scores; if there is not one label for each
            candidate.
        """
        results = read_search(search, scores=scores, sort_by=sort_by, labels=labels)
        return cls(results).plot(ax=ax)

    def _draw(self, figure: FigureBase) -> None:
        results = self.results
        if not isinstance(results, SearchResults):
            raise TypeError(
                "results must be those that SearchDisplay.from_search reads, got "
                f"{type(results).__name__}."
            )
        order = results.order()
        shown = order[:_MOST]
        names = [_wrapped(results.labels[i]) for i in shown]
        lines = [name.split("\n") for name in names]
        width = 0.07 * max(len(line) for name in lines for line in name)
        width += 2.0 * (len(results.scores) + 1)
        row_height = 0.14 + 0.16 * max(map(len, lines))
        resize(figure, max(width, 5.2), 1.2 + row_height * len(shown))
        axes = figure.subplots(1, len(results.scores) + 1, sharey=True, squeeze=False)[0]
        colors = [_CHOSEN if results.ranks[i] == 1 else _OTHERS for i in shown]
        for ax, (name, folds) in zip(axes, results.scores.items(), strict=False):
            _draw_scores(ax, folds[shown], colors)
            ax.set_title(_readable(name), color=_CHOSEN if name == results.sort_by else "black")
            ax.set_xlabel("score (higher is better)")
        heights = np.arange(len(shown))
        axes[-1].barh(heights, results.fit_times[shown], color=colors, height=0.5)
        axes[-1].set(title="cost", xlabel="time of a fit (s)")
        for ax in axes:
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.tick_params(axis="y", length=0)
            ax.grid(axis="y", color="#E5E5E5", linewidth=0.7)
            ax.set_axisbelow(True)
        axes[0].set_yticks(heights, names)
        axes[0].set_ylim(len(shown) - 0.4, -0.6)
        best = f", the best {len(shown)} of them" if len(shown) < len(order) else ""
        figure.suptitle(
            f"{len(order)} candidate{'s' if len(order) > 1 else ''}{best}, {folds.shape[1]} folds "
            f"each, sorted by {_readable(results.sort_by)}",
            fontsize=9,
        )


def _draw_scores(ax: Axes, values: Array, colors: list[str]) -> None:
    """Folds (K, F) of the candidates: small dots, a large one for the mean, a bar for one s.d."""
    with np.errstate(invalid="ignore"):  # infinite scores have no spread
        means, spread = values.mean(axis=1), values.std(axis=1)
    rows = zip(colors, values, means, spread, strict=True)
    for height, (color, row, mean, sd) in enumerate(rows):
        ax.plot(row, np.full(len(row), height), "o", color=color, markersize=3, alpha=0.45)
        ax.hlines(height, mean - sd, mean + sd, color=color, linewidth=1.6)
        ax.plot(mean, height, "o", color=color, markersize=6.5, markeredgecolor="white")
    ends = np.concatenate([values.ravel(), means - spread, means + spread])
    ends = ends[np.isfinite(ends)]
    if ends.size:
        ax.set_xlim(*padded(float(ends.min()), float(ends.max()), share=0.08))


def _wrapped(label: str) -> str:
    """Break a label between parameters, and cut what is still too long."""
    lines = [""]
    for part in label.split(", "):
        if lines[-1] and len(lines[-1]) + len(part) > _LINE:
            lines[-1] += ","
            lines.append("")
        lines[-1] += f", {part}" if lines[-1] else part
    return "\n".join(line if len(line) <= _LINE else f"{line[: _LINE - 1]}…" for line in lines)


def _readable(name: str) -> str:
    """Name of a score as a title."""
    return name.replace("van_rossum", "van Rossum").replace("_", " ")
