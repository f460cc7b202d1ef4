"""Results of a search: every candidate's scores, fold by fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from calgan.data.validation import check_integer
from calgan.model_selection._search import read_search
from calgan.plotting._style import COLORS, new_figure, padded, styled

_CHOSEN, _OTHERS = COLORS["synthetic"], "#444444"
_LINE = 42  # characters


@styled
def plot_search_results(
    search: Any,
    *,
    scores: Sequence[str] | None = None,
    sort_by: str | None = None,
    labels: Sequence[str] | None = None,
    max_candidates: int = 20,
    figure: Figure | None = None,
) -> Figure:
    """Scores of the candidates of a search, a panel a score and a line a candidate.

    Parameters
    ----------
    search : GridSearchCV, RandomizedSearchCV or mapping
        A fitted search, or its ``cv_results_``.
    scores : sequence of str, optional
        Which scores to show, by their names without ``mean_test_``; all of them by default.
    sort_by : str, optional
        Score that the lines are sorted by, the best at the top; by default the one that the search
        was refitted by, or else the first.
    labels : sequence of str, optional
        Names of the candidates, in the order of ``cv_results_["params"]``; by default the
        parameters in which they differ.
    max_candidates : int, default=20
        Most candidates to show, the best ones.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        In each panel a large dot a candidate for the mean over the folds, a bar of one standard
        deviation to each side, and a small dot a fold; the best by `sort_by` in colour. The last
        panel shows the time of a fit (s).

    Raises
    ------
    TypeError
        If `search` is neither a search nor a mapping.
    ValueError
        If it is not fitted, or has no such scores; if there is not one label for each candidate.

    See Also
    --------
    calgan.model_selection.search_table : The same as a table of text.

    Examples
    --------
    >>> from calgan.plotting import plot_search_results
    >>> results = {
    ...     "params": [{"generator__filters": 32}, {"generator__filters": 64}],
    ...     "mean_fit_time": [1.5, 3.0],
    ...     "split0_test_score": [-0.30, -0.20],
    ...     "split1_test_score": [-0.34, -0.10],
    ... }
    >>> [text.get_text() for text in plot_search_results(results).axes[0].get_yticklabels()]
    ['filters=64', 'filters=32']
    """
    results = read_search(search, scores=scores, sort_by=sort_by, labels=labels)
    order = results.order()
    shown = order[: check_integer(max_candidates, "max_candidates")]
    names = [_wrapped(results.labels[i]) for i in shown]
    if figure is None:
        lines = [name.split("\n") for name in names]
        width = 0.07 * max(len(line) for name in lines for line in name)
        row_height = 0.14 + 0.16 * max(map(len, lines))
        width += 2.0 * (len(results.scores) + 1)
        figure = new_figure(max(width, 5.2), 1.2 + row_height * len(shown))
    axes = figure.subplots(1, len(results.scores) + 1, sharey=True, squeeze=False)[0]
    heights = np.arange(len(shown))
    colors = [_CHOSEN if results.ranks[i] == 1 else _OTHERS for i in shown]
    for ax, (name, folds) in zip(axes, results.scores.items(), strict=False):
        values = folds[shown]
        with np.errstate(invalid="ignore"):  # infinite scores have no spread
            means, spread = values.mean(axis=1), values.std(axis=1)
        for height, color, row, mean, sd in zip(
            heights, colors, values, means, spread, strict=True
        ):
            ax.plot(row, np.full(len(row), height), "o", color=color, markersize=3, alpha=0.45)
            ax.hlines(height, mean - sd, mean + sd, color=color, linewidth=1.6)
            ax.plot(mean, height, "o", color=color, markersize=6.5, markeredgecolor="white")
        ends = np.concatenate([values.ravel(), means - spread, means + spread])
        ends = ends[np.isfinite(ends)]
        if ends.size:
            ax.set_xlim(*padded(float(ends.min()), float(ends.max()), share=0.08))
        ax.set_title(_readable(name), color=_CHOSEN if name == results.sort_by else "black")
        ax.set_xlabel("score (higher is better)")
    axes[-1].barh(heights, results.fit_times[shown], color=colors, height=0.5)
    axes[-1].set_title("cost")
    axes[-1].set_xlabel("time of a fit (s)")
    for ax in axes:
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", color="#E5E5E5", linewidth=0.7)
        ax.set_axisbelow(True)
    axes[0].set_yticks(heights, names)
    axes[0].set_ylim(len(shown) - 0.4, -0.6)
    n_left = len(order) - len(shown)
    figure.suptitle(
        f"{len(order)} candidate{'s' if len(order) > 1 else ''}"
        + (f", the best {len(shown)} of them" if n_left else "")
        + f", {folds.shape[1]} folds each, sorted by {_readable(results.sort_by)}",
        fontsize=9,
    )
    return figure


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
    return name.replace("van_rossum", "van Rossum").replace("_", " ")
