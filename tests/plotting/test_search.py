"""Results of searches, as a table and as a figure: the numbers are those of the search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from calgan.model_selection import search_table
from calgan.plotting import SearchDisplay


@pytest.fixture(scope="module")
def search() -> GridSearchCV:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    y = X @ [1.0, 2.0, 0.0, 0.0] + 0.5 * rng.standard_normal(60)
    return GridSearchCV(
        Pipeline([("scaler", StandardScaler()), ("reduce", "passthrough"), ("model", Ridge())]),
        [{"model__alpha": [0.1, 1000.0]}, {"reduce": [PCA(1)], "model__alpha": [0.1]}],
        scoring={"r2": "r2", "mean_error": "neg_mean_absolute_error"},
        refit="mean_error",
        cv=KFold(3),
    ).fit(X, y)


LABELS = ["alpha=0.1", "alpha=1e+03", "alpha=0.1, reduce=PCA(n_components=1)"]


def rows_of(table: str) -> list[list[str]]:
    """Split the lines of a table at runs of two spaces."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in table.split("\n")
    ]


def labels_of(figure: SearchDisplay) -> list[str]:
    return [label.get_text() for label in figure.axes_[0].get_yticklabels()]


def test_the_table_holds_what_the_search_found(search: GridSearchCV) -> None:
    results = search.cv_results_
    header, *rows, note = rows_of(search_table(search))
    assert header == ["rank", "candidate", "r2", "mean_error", "fit (s)"]
    best_first = np.argsort(results["rank_test_mean_error"])
    assert [int(row[0]) for row in rows] == sorted(results["rank_test_mean_error"])
    assert [row[1] for row in rows] == [LABELS[i] for i in best_first]
    for row, i in zip(rows, best_first, strict=True):
        for column, name in ((2, "r2"), (3, "mean_error")):
            mean, spread = row[column].removesuffix("*").split("±")
            assert float(mean) == pytest.approx(results[f"mean_test_{name}"][i], abs=6e-3)
            assert float(spread) == pytest.approx(results[f"std_test_{name}"][i], abs=6e-3)
            is_best = i == np.argmax(results[f"mean_test_{name}"])
            assert row[column].endswith("*") == is_best
        assert float(row[4]) == pytest.approx(results["mean_fit_time"][i], abs=0.06)
    assert "3 folds" in note[0]
    assert "Ranked by mean_error" in note[0]


def test_ranks_are_scikit_learns(search: GridSearchCV) -> None:
    for name in ("r2", "mean_error"):
        display = SearchDisplay.from_search(search, sort_by=name)
        best_first = np.argsort(search.cv_results_[f"rank_test_{name}"])
        assert labels_of(display) == [LABELS[i] for i in best_first]
    bare = SearchDisplay.from_search(search.cv_results_)  # nothing says which score decided
    assert "sorted by r2" in bare.figure_.get_suptitle()


def test_the_columns_line_up(search: GridSearchCV) -> None:
    header, *rows, _ = search_table(search).split("\n")
    for name in ("candidate", "r2", "mean_error", "fit (s)"):
        place = header.index(name)
        assert all(row[place - 2 : place] == "  " and row[place] != " " for row in rows)
    assert not any(line.endswith(" ") for line in (header, *rows))


def results_of(params: list[dict[str, Any]], score: Any = None) -> dict[str, Any]:
    score = np.arange(len(params), 0.0, -1) if score is None else score
    return {
        "params": params,
        "mean_fit_time": np.ones(len(params)),
        "split0_test_score": np.asarray(score, dtype=float),
    }


@pytest.mark.parametrize(
    ("params", "labels"),
    [
        ([{"a__x": 1, "b": 2}, {"a__x": 1, "b": 3}], ["b=2", "b=3"]),  # what is alike is not said
        ([{"a__x": 1, "b__x": 2}, {"a__x": 2, "b__x": 3}], ["a__x=1, b__x=2", "a__x=2, b__x=3"]),
        ([{"x": "passthrough"}, {"x": PCA(2)}], ["x=passthrough", "x=PCA(n_components=2)"]),
        (
            [{"x": "passthrough", "y": None}, {"x": PCA(2), "y": None}, {"x": None, "y": 3}],
            ["defaults", "x=PCA(n_components=2)", "y=3"],
        ),
        ([{"x": 0.00123456}, {"x": 0.5}], ["x=0.00123", "x=0.5"]),
        ([{"x": 0.123456}, {"x": 0.123457}], ["x=0.123456", "x=0.123457"]),
        ([{"x": 1}, {}], ["x=1", "x=not set"]),
        ([{"x": 1}], ["defaults"]),
        ([{"x": n} for n in np.arange(1, 3)], ["x=1", "x=2"]),  # as a grid of an array gives them
        ([{"x": f} for f in np.float32([0.5, 2.0])], ["x=0.5", "x=2"]),
    ],
)
def test_labels_say_what_differs(params: list[dict[str, Any]], labels: list[str]) -> None:
    assert [row[1] for row in rows_of(search_table(results_of(params)))[1:-1]] == labels


def test_failed_fits_come_last_and_are_named() -> None:
    results = results_of([{"x": i} for i in range(3)], [np.nan, 0.1, 0.2])
    rows = rows_of(search_table(results))
    assert [row[:3] for row in rows[1:4]] == [
        ["1", "x=2", "0.200 ± 0.000 *"],
        ["2", "x=1", "0.100 ± 0.000"],
        ["3", "x=0", "failed"],
    ]
    everything = results_of([{"x": i} for i in range(2)], [np.nan, np.nan])
    assert search_table(everything).count("failed") == 2
    for found in (results, everything):
        SearchDisplay.from_search(found).figure_.canvas.draw()


def test_infinite_scores_are_shown_as_such() -> None:
    results = results_of([{"x": i} for i in range(4)], [-np.inf, 0.25, np.nan, np.inf])
    rows = rows_of(search_table(results))
    assert [(row[0], row[1], row[2].split()[0]) for row in rows[1:5]] == [
        ("1", "x=3", "inf"),
        ("2", "x=1", "0.250"),
        ("3", "x=0", "-inf"),
        ("3", "x=2", "failed"),
    ]


def test_rows_can_be_named_and_chosen(search: GridSearchCV) -> None:
    table = search_table(search, labels=["one", "two", "three"], scores=["r2"])
    header, row, _, _, note = table.split("\n")
    assert header.split() == ["rank", "candidate", "r2", "fit", "(s)"]
    assert row.split()[:2] == ["1", "one"]
    assert "Ranked" not in note


def test_the_figure_shows_every_fold(search: GridSearchCV) -> None:
    display = SearchDisplay.from_search(search)
    r2, error, cost = display.axes_
    assert [ax.get_title() for ax in (r2, error)] == ["r2", "mean error"]
    assert "3 folds each, sorted by mean error" in display.figure_.get_suptitle()
    assert r2.title.get_color() != error.title.get_color() == error.lines[0].get_color()
    best = search.best_index_
    folds = [search.cv_results_[f"split{k}_test_mean_error"][best] for k in range(3)]
    np.testing.assert_allclose(error.lines[0].get_xdata(), folds)
    np.testing.assert_allclose(error.lines[1].get_xdata(), np.mean(folds))
    (bar,) = error.collections[0].get_segments()
    np.testing.assert_allclose(bar[:, 0], np.mean(folds) + np.array([-1, 1]) * np.std(folds))
    assert np.all(error.lines[0].get_ydata() == 0)
    bottom, top = error.get_ylim()
    assert bottom > top  # the best is at the top
    assert cost.patches[0].get_width() == search.cv_results_["mean_fit_time"][best]
    assert error.lines[0].get_color() != error.lines[2].get_color()


def test_many_candidates_show_the_best_only() -> None:
    display = SearchDisplay.from_search(results_of([{"x": i} for i in range(50)]))
    assert labels_of(display) == [f"x={i}" for i in range(20)]
    assert "50 candidates, the best 20 of them" in display.figure_.get_suptitle()


def test_long_labels_are_broken_between_parameters() -> None:
    params = [{"a" * 20: i, "b" * 20: i, "c" * 60: i} for i in range(2)]
    label = labels_of(SearchDisplay.from_search(results_of(params)))[0]
    assert label.split("\n") == [f"{'a' * 20}=0,", f"{'b' * 20}=0,", f"{'c' * 41}…"]


@pytest.mark.parametrize("show", [search_table, SearchDisplay.from_search])
def test_refusals(show: Any, search: GridSearchCV) -> None:
    with pytest.raises(ValueError, match="GridSearchCV has no results yet: call fit first"):
        show(GridSearchCV(Ridge(), {}))
    with pytest.raises(TypeError, match="or its cv_results_, got list"):
        show([1])
    with pytest.raises(ValueError, match="no score 'speed'; it has 'r2', 'mean_error'"):
        show(search, scores=["r2", "speed"])
    with pytest.raises(ValueError, match="no score 'speed'"):
        show(search, sort_by="speed")
    with pytest.raises(ValueError, match="it has none"):
        show({"params": [{}]})
    with pytest.raises(ValueError, match="each of the 3 candidates, got 1"):
        show(search, labels=["a"])
    with pytest.raises(TypeError, match="got Pipeline"):
        show(search.best_estimator_)
    with pytest.raises(TypeError, match="scores must be a list of names, got 'r2'"):
        show(search, scores="r2")
    with pytest.raises(TypeError, match="labels must be a list of names"):
        show(search, labels="abc")
    with pytest.raises(ValueError, match="no 'params'"):
        show({"split0_test_score": [1.0]})
