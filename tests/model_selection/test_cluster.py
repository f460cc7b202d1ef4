"""Work on a Dask cluster, through joblib: two worker processes on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import calgan
from calgan import Windower, make_calcium_pipeline
from calgan.datasets import make_process
from calgan.metrics import make_scorer
from calgan.model_selection import BlockedKFold, search_table

distributed = pytest.importorskip("distributed", reason="needs calgan[cluster]")


@pytest.fixture(scope="module")
def recordings() -> list[calgan.Recording]:
    process = make_process(6, random_state=0)
    return [process.sample_recording(60.0, random_state=seed)[0] for seed in (1, 2)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR
        ) as workers,
        distributed.Client(workers),
    ):
        yield


@pytest.mark.usefixtures("cluster")
def test_a_search_on_a_cluster_finds_what_one_process_does(
    recordings: list[calgan.Recording],
) -> None:
    windows = Windower(32).fit_transform(recordings[0])

    def process_id(estimator: Any, X: Any) -> int:
        return os.getpid()

    searches = {}
    for backend in ("sequential", "dask"):
        with joblib.parallel_config(backend):
            searches[backend] = GridSearchCV(
                make_calcium_pipeline(
                    "gan", window=32, max_iter=1, filters=4, batch_size=4, random_state=0
                ),
                {"generator__variant": ["1d", "2d"]},
                scoring={
                    "correlation_matrix": make_scorer("correlation_matrix", n_samples=20),
                    "process": process_id,
                },
                refit="correlation_matrix",
                cv=BlockedKFold(2),
                error_score="raise",
            ).fit(windows)
    one, two = searches["sequential"].cv_results_, searches["dask"].cv_results_
    processes = {int(two[f"split{fold}_test_process"][k]) for fold in range(2) for k in range(2)}
    assert len(processes) == 2
    assert os.getpid() not in processes
    scores = [f"split{fold}_test_correlation_matrix" for fold in range(2)]
    for name in (*scores, "mean_test_correlation_matrix"):
        assert len(np.unique(one[name])) == 2
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-6)
    assert searches["dask"].best_params_ == searches["sequential"].best_params_
    samples = [calgan.sample(search, 3) for search in searches.values()]
    np.testing.assert_allclose(*samples, rtol=1e-5, atol=1e-6)
    assert len(search_table(searches["dask"], scores=["correlation_matrix"]).split("\n")) == 4


@pytest.mark.usefixtures("cluster")
def test_seeds_and_recordings_on_a_cluster_are_those_of_one_process(
    recordings: list[calgan.Recording],
) -> None:
    def fitted(recording: calgan.Recording, seed: int) -> tuple[int, np.ndarray]:
        pipeline = make_calcium_pipeline(
            "flow", window=32, max_iter=2, filters=4, batch_size=4, random_state=seed
        )
        return os.getpid(), pipeline.fit(recording).sample(3)

    tasks = list(zip(recordings, (3, 4), strict=True))
    with joblib.parallel_config("dask"):
        found = joblib.Parallel()(joblib.delayed(fitted)(*task) for task in tasks)
    assert os.getpid() not in {process for process, _ in found}
    for (_, samples), task in zip(found, tasks, strict=True):
        np.testing.assert_allclose(samples, fitted(*task)[1], rtol=1e-5, atol=1e-6)
