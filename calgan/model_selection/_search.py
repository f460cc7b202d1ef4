"""Results of searches, as a table and as figures read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calgan.data.validation import as_real_array, shown


def search_table(
    search: Any,
    *,
    scores: Sequence[str] | None = None,
    sort_by: str | None = None,
    labels: Sequence[str] | None = None,
) -> str:
    """Return the results of a search as a table of plain text, a row a candidate.

    Parameters
    ----------
    search : GridSearchCV, RandomizedSearchCV or mapping
        A fitted search, or its ``cv_results_``.
    scores : sequence of str, default=None
        Which scores to show, by their names without ``mean_test_``; None shows all of them.
    sort_by : str, default=None
        Score that the rows are sorted by, the best first. None takes the one that the search was
        refitted by, or else the first.
    labels : sequence of str, default=None
        Names of the candidates, in the order of ``cv_results_["params"]``. None names them by the
        parameters in which they differ.

    Returns
    -------
    str
        For each candidate its rank, its label, the mean and the standard deviation over the folds
        of every score, and the mean time of a fit (s). A star marks the best mean of a column.
        Folds in which no candidate has the score, such as silent ones, are left out.

    Raises
    ------
    TypeError
        If `search` is neither a search nor a mapping, or `scores` or `labels` is a single name.
    ValueError
        If it is not fitted, or has no such scores; if there is not one label for each candidate.

    See Also
    --------
    calgan.plotting.SearchDisplay : The same as a figure, with the single folds.

    Examples
    --------
    >>> from calgan.model_selection import search_table
    >>> results = {
    ...     "params": [{"generator__filters": 32}, {"generator__filters": 64}],
    ...     "mean_fit_time": [1.5, 3.0],
    ...     "split0_test_score": [-0.30, -0.20],
    ...     "split1_test_score": [-0.34, -0.10],
    ... }
    >>> print(search_table(results))
    rank  candidate   score             fit (s)
       1  filters=64  -0.150 ± 0.050 *  3.0
       2  filters=32  -0.320 ± 0.020    1.5
    Mean ± standard deviation over 2 folds; higher is better. * best of its column.
    """
    results = read_search(search, scores=scores, sort_by=sort_by, labels=labels)
    shown = results.order()
    columns = [
        ["rank", *(str(results.ranks[i]) for i in shown)],
        ["candidate", *(results.labels[i] for i in shown)],
    ]
    for name, folds in results.scores.items():
        means = folds.mean(axis=1)
        with np.errstate(invalid="ignore"):  # infinite scores
            spread = folds.std(axis=1)
        decimals = _decimals(means)
        best = np.nanmax(means) if not np.isnan(means).all() else np.nan
        cells = [
            f"{means[i]:.{decimals}f} ± {spread[i]:.{decimals}f}{' *' if means[i] == best else ''}"
            if not np.isnan(means[i])
            else "failed"
            for i in shown
        ]
        columns.append([name, *cells])
    columns.append(["fit (s)", *(_seconds(results.fit_times[i]) for i in shown)])
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for row in zip(*columns, strict=True):
        cells = [f"{row[0]:>{widths[0]}}"]
        cells += [f"{cell:<{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    n_folds = next(iter(results.scores.values())).shape[1]
    by = f" Ranked by {results.sort_by}." if len(results.scores) > 1 else ""
    lines.append(
        f"Mean ± standard deviation over {n_folds} fold{'s' if n_folds > 1 else ''}; higher is "
        f"better.{by} * best of its column."
    )
    return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class SearchResults:
    """What a search found, read from its ``cv_results_``, for K candidates and F folds."""

    labels: list[str]
    scores: dict[str, np.ndarray]  # (K, F) each; NaN where a fit failed or the score is undefined
    ranks: list[int]  # by `sort_by`, from 1; candidates with a failed fold come last
    fit_times: np.ndarray  # (K,) mean, in s
    sort_by: str  # score that decides

    def order(self) -> np.ndarray:
        """Return the indices of the candidates, the best first."""
        return np.argsort(self.ranks, kind="stable")


def read_search(
    search: Any,
    *,
    scores: Sequence[str] | None = None,
    sort_by: str | None = None,
    labels: Sequence[str] | None = None,
) -> SearchResults:
    """Read a fitted search or its ``cv_results_``; see `search_table` for the parameters."""
    results = getattr(search, "cv_results_", search)
    if not isinstance(results, Mapping):
        if hasattr(search, "fit") and hasattr(search, "scoring"):
            raise ValueError(f"this {type(search).__name__} has no results yet: call fit first.")
        raise TypeError(
            "search must be a fitted search such as GridSearchCV, or its cv_results_, got "
            f"{type(search).__name__}."
        )
    for what, given in (
        ("scores", scores),
        ("labels", labels),
        ("sort_by", None if sort_by is None else [sort_by]),
    ):
        one = isinstance(given, (str, bytes)) or not np.iterable(given)
        if given is not None and (one or not all(isinstance(name, str) for name in given)):
            raise TypeError(f"{what} must be a list of names, got {shown(given)}; pass it in one.")
    found = [
        key.removeprefix("split0_test_")
        for key in results
        if isinstance(key, str) and key.startswith("split0_test_")
    ]
    names = found if scores is None else list(scores)
    refit = getattr(search, "refit", None)
    if sort_by is None:
        sort_by = refit if isinstance(refit, str) and refit in names else names[0] if names else ""
    unknown = [name for name in (*names, sort_by) if name not in found]
    if unknown or not names:
        raise ValueError(
            f"the search has no score {unknown[0] if unknown else ''!r}; it has "
            f"{', '.join(map(repr, found)) or 'none'}."
        )
    lacking = [key for key in ("params", "mean_fit_time") if key not in results]
    if lacking:
        raise ValueError(
            f"these results have no {lacking[0]!r}; pass the whole cv_results_ of a search."
        )
    params = results["params"]
    params = list(params) if np.iterable(params) else []
    if not params or not all(isinstance(each, Mapping) for each in params):
        raise ValueError(
            "'params' of the results must be a list of mappings, one a candidate, got "
            f"{shown(results['params'])}."
        )
    labels = _candidate_labels(params) if labels is None else list(labels)
    if len(labels) != len(params):
        raise ValueError(
            f"labels must name each of the {len(params)} candidates, got {len(labels)}."
        )
    folds = {name: _folds(results, name) for name in dict.fromkeys((*names, sort_by))}
    decisive = folds[sort_by].mean(axis=1)
    # As scikit-learn ranks: ties share the better rank.
    comparable = np.where(np.isnan(decisive), -np.inf, decisive)
    ranks = [1 + int(np.sum(comparable > mean)) for mean in comparable]
    return SearchResults(
        labels=[str(label) for label in labels],
        scores={name: folds[name] for name in names},
        ranks=ranks,
        fit_times=_column(results, "mean_fit_time"),
        sort_by=sort_by,
    )


def _column(results: Mapping[str, Any], key: str) -> np.ndarray:
    """A number for each candidate (K,)."""
    column = as_real_array(results[key], repr(key)).astype(np.float64)
    if column.shape != (len(results["params"]),):
        raise ValueError(
            f"{key!r} of the results must hold a number for each of the "
            f"{len(results['params'])} candidates, got shape {column.shape}."
        )
    return column


def _folds(results: Mapping[str, Any], name: str) -> np.ndarray:
    columns: list[np.ndarray] = []
    while (key := f"split{len(columns)}_test_{name}") in results:
        columns.append(_column(results, key))
    folds = np.stack(columns, axis=1)
    defined = ~np.isnan(folds).all(axis=0)  # in others there is nothing to choose by
    return folds[:, defined] if defined.any() else folds


def _candidate_labels(params: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name candidates by the parameters in which they differ, without their step where possible."""
    keys = list(dict.fromkeys(key for candidate in params for key in candidate))
    texts: list[dict[str, str]] = [{} for _ in params]
    for key in keys:
        given = [i for i, candidate in enumerate(params) if key in candidate]
        for i, text in zip(given, _values([params[i][key] for i in given]), strict=True):
            texts[i][key] = text
    differ = [key for key in keys if len({candidate.get(key) for candidate in texts}) > 1]
    short = [str(key).rpartition("__")[2] for key in differ]
    names = {
        key: name if short.count(name) == 1 else key
        for key, name in zip(differ, short, strict=True)
    }
    if len(differ) == 1:
        return [f"{names[differ[0]]}={text.get(differ[0], 'not set')}" for text in texts]
    # Of several, those that only say "nothing here" would hide the one that matters.
    return [
        ", ".join(
            f"{names[key]}={text[key]}"
            for key in differ
            if text.get(key, "None") not in ("None", "passthrough")
        )
        or "defaults"
        for text in texts
    ]


def _values(values: Sequence[Any]) -> list[str]:
    """Write the values of one parameter, floats with as few digits as tell them apart."""
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    floats = [value for value in values if isinstance(value, float)]
    digits = next(d for d in (3, 6, 17) if d == 17 or _n_texts(floats, d) == len(set(floats)))
    return [
        value
        if isinstance(value, str)
        else f"{value:.{digits}g}"
        if isinstance(value, float)
        else " ".join(repr(value).split())  # estimators print over several lines
        for value in values
    ]


def _n_texts(floats: Sequence[float], digits: int) -> int:
    return len({f"{value:.{digits}g}" for value in floats})


def _decimals(values: np.ndarray) -> int:
    """Return the decimals that show three digits of the largest value."""
    largest = np.max(np.abs(values[np.isfinite(values)]), initial=0.0)
    return 3 if largest == 0 else max(0, min(4, 2 - math.floor(math.log10(largest))))


def _seconds(time: float) -> str:
    return f"{time:.0f}" if time >= 100 else f"{time:.1f}"
