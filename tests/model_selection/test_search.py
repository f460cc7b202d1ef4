"""Searches over whole pipelines, one process or several."""

from __future__ import annotations

import numpy as np
import pytest
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

import calgan
from calgan import Windower, make_calcium_pipeline
from calgan.data.windows import WindowView
from calgan.datasets import make_process
from calgan.metrics import make_scorer
from calgan.model_selection import BlockedKFold, search_table

VARIANTS = ["1d", "1d-no-shuffle", "2d-sorted", "2d-fft-packed"]
WIDTH, NEURONS = 32, 6


@pytest.fixture(scope="module")
def windows() -> WindowView:
    recording, _ = make_process(NEURONS, random_state=0).sample_recording(60.0, random_state=1)
    return Windower(WIDTH).fit_transform(recording)


def small_pipeline() -> calgan.Pipeline:
    return make_calcium_pipeline(
        "gan",
        window=WIDTH,
        variant="1d",
        max_iter=1,
        filters=4,
        batch_size=4,
        random_state=0,
    )


def scores_of(search: GridSearchCV | RandomizedSearchCV) -> dict[str, np.ndarray]:
    return {
        name: np.asarray(values)
        for name, values in search.cv_results_.items()
        if "_test_" in name  # the rest are times and parameters
    }


SEARCHES = {
    "grid": lambda **params: GridSearchCV(
        small_pipeline(), {"generator__variant": VARIANTS}, **params
    ),
    "random": lambda **params: RandomizedSearchCV(
        small_pipeline(),
        {
            "generator__learning_rate": loguniform(1e-4, 1e-2),
            "generator__variant": ["2d", "2d-sorted"],
        },
        n_iter=4,
        random_state=3,
        **params,
    ),
}


@pytest.mark.parametrize("kind", SEARCHES)
def test_two_processes_find_what_one_does(kind: str, windows: WindowView) -> None:
    searches = {}
    for n_jobs in (1, 2):
        # Sums differ in the last digits between numbers of threads: one in each.
        with parallel_config(backend="loky", inner_max_num_threads=1):
            searches[n_jobs] = SEARCHES[kind](
                scoring=make_scorer(n_samples=20),
                refit="correlation_matrix",
                cv=BlockedKFold(2),
                n_jobs=n_jobs,
                error_score="raise",
            ).fit(windows)
    one, two = searches[1], searches[2]
    assert [str(params) for params in two.cv_results_["params"]] == [
        str(params) for params in one.cv_results_["params"]
    ]
    expected, found = scores_of(one), scores_of(two)
    assert len(expected) >= 5 * (2 + 2)  # folds and their mean and spread, for each statistic
    for name, values in expected.items():
        assert np.isfinite(values).all()
        np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=1e-7, err_msg=name)
    # The candidates are not all one and the same.
    assert len(np.unique(expected["mean_test_correlation_matrix"])) == 4
    assert two.best_index_ == one.best_index_
    samples = calgan.sample(two, 5)
    assert samples.shape == (5, WIDTH, NEURONS)
    np.testing.assert_allclose(samples, calgan.sample(one, 5), rtol=1e-5, atol=1e-6)
    assert len(search_table(two).split("\n")) == 1 + 4 + 1
