"""What is in the outcome, and how it prints."""

from __future__ import annotations

import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from evaluation_cases import (
    CONTROLS,
    NEURONS,
    OF_WINDOWS,
    POPULATION,
    PUBLISHED,
    RATE,
    WINDOW,
    judge,
)

from calgan import CalciumFactorModel, evaluate
from calgan.evaluation import Evaluation
from calgan.evaluation._format import show
from calgan.evaluation._table import NOT_AVAILABLE


def test_every_row_has_its_yardsticks(of_truth):
    assert tuple(s.name for s in of_truth.statistics if s.group == "published") == PUBLISHED
    assert tuple(s.name for s in of_truth.statistics if s.group == "population") == POPULATION
    assert tuple(s.name for s in of_truth.statistics if s.group == "window") == OF_WINDOWS
    for statistic in of_truth.statistics:
        low, high = statistic.baseline_interval
        assert low <= statistic.baseline <= high
        low, high = statistic.value_interval
        assert low <= statistic.value <= high
        assert tuple(statistic.controls) == CONTROLS
        assert None not in statistic.controls.values()
        if statistic.judged_by == "difference":
            assert statistic.ratio is None
            assert statistic.ratio_interval is None
            low, high = statistic.difference_interval
            assert low <= statistic.difference <= high
        else:
            assert statistic.difference_interval is None
            low, high = statistic.ratio_interval
            assert low <= statistic.ratio <= high
            assert statistic.ratio == pytest.approx(
                statistic.excess(statistic.value) / statistic.excess(statistic.baseline)
            )
        assert statistic.difference == pytest.approx(statistic.value - statistic.baseline)


def test_without_train_there_is_no_baseline_and_no_number_in_its_place(recordings, samples):
    evaluation = evaluate(recordings[1], samples, random_state=0, n_splits=1, n_bootstrap=60)
    assert evaluation.memorisation is None
    for statistic in evaluation.statistics:
        assert statistic.baseline is None
        assert statistic.baseline_interval is None
        assert statistic.ratio is None
        assert statistic.difference is None
        assert statistic.controls["replay"] is None
        assert statistic.controls["shuffled"] is not None
        assert statistic.controls["dichotomized_gaussian"] is not None
    assert "fitted on the held-out recording itself" in " ".join(evaluation.conclusion)
    lines = str(evaluation).partition("In words")[0].splitlines()
    rows = [line for line in lines if line.startswith("  ") and NOT_AVAILABLE in line]
    assert len(rows) == len(evaluation.statistics) + 1
    assert "not available (pass train=)" in evaluation._repr_html_()
    assert all(row.status == "not told" for row in evaluation.summary().rows)
    assert evaluation.windows["train"] is None
    assert evaluation.meta["spike_inference"].count("held-out") == 1


def test_it_prints_within_120_columns(of_truth, of_replay, of_collapse):
    for evaluation in (of_truth, of_replay, of_collapse):
        lines = str(evaluation).splitlines()
        assert max(map(len, lines)) <= 120
        for statistic in evaluation.statistics:
            assert sum(line.startswith(f"  {statistic.label} ") for line in lines) >= 1
    assert repr(of_truth).startswith("Evaluation(")


def test_a_difference_has_a_sign_where_a_ratio_has_none(of_collapse):
    row = of_collapse["classifier_auc"]
    line = next(line for line in str(of_collapse).splitlines() if "  classifier AUC  " in line)
    assert f"+{show(row.difference, 2)} [" in line
    line = next(line for line in str(of_collapse).splitlines() if "  power spectrum error" in line)
    assert "+" not in line
    assert row.to_dict()["difference_interval"] == list(row.difference_interval)
    assert row.to_dict()["judged_by"] == "difference"


def test_html_is_escaped_and_complete(of_truth):
    page = of_truth._repr_html_()
    n_of_copies, n_lights = 7, 5
    assert page.count('<th scope="row"') == len(of_truth.statistics) + n_of_copies + n_lights
    assert page.count('<tr class="group">') == 4 + 2
    assert "Published statistics" in page


def test_to_dict_survives_json(of_truth, of_collapse):
    for evaluation in (of_truth, of_collapse):
        numbers = evaluation.to_dict()
        assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
        assert len(numbers["statistics"]) == len(evaluation.statistics)


def test_it_pickles(of_truth):
    assert pickle.loads(pickle.dumps(of_truth)).to_dict() == of_truth.to_dict()


def test_unknown_statistic_is_named(of_truth):
    with pytest.raises(KeyError, match="no statistic is called 'kl'; there are firing_rate_kl"):
        of_truth["kl"]


def test_windows_and_spikes_are_kept_for_the_figures(of_truth, recordings):
    assert set(of_truth.windows) == set(of_truth.spikes) == {
        "real", "synthetic", "train", "shuffled", "dichotomized_gaussian",
    }  # fmt: skip
    for name, windows in of_truth.windows.items():
        assert windows.shape == (200, WINDOW, NEURONS)
        assert windows.dtype == np.float32
        assert set(np.unique(of_truth.spikes[name])) <= {0.0, 1.0}
    assert of_truth.units == recordings[0].units
    assert of_truth.frame_rate == RATE
    assert of_truth.window == WINDOW


def test_to_html_writes_what_the_report_builds(of_truth, tmp_path, monkeypatch):
    from calgan.evaluation import report

    def build_html(evaluation, *, title=None, figures_folder=None, verbose=None):
        if title == "stop":
            raise KeyboardInterrupt
        return f"<p>{title}</p>"

    monkeypatch.setattr(report, "build_html", build_html)
    path = of_truth.to_html(tmp_path / "r.html", title="é")
    with pytest.raises(KeyboardInterrupt):
        of_truth.to_html(path, title="stop")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text(encoding="utf-8") == "<p>é</p>"
    with pytest.raises(FileNotFoundError, match="folder .*none does not exist: create it first"):
        of_truth.to_html(tmp_path / "none" / "r.html")


def test_what_the_model_was_trained_on_is_marked(recordings, samples):
    generator = SimpleNamespace(
        trained_statistics_=("correlation_matrix", "power_spectrum", "population_mean"),
        history_=[{"step": 1, "critic_loss": 0.5}],
        best_iter_=1,
    )
    search = SimpleNamespace(best_estimator_=SimpleNamespace(steps=[("generator", generator)]))
    evaluation = judge(recordings, samples[:100], n_splits=1, n_bootstrap=0, model=search)
    marked = {s.name for s in evaluation.statistics if s.trained_on}
    assert marked == {
        "correlation_matrix_r",
        "correlation_matrix_rmse",
        "participation_ratio_error",
        "log_spectrum_error",
        "autocorrelation_rmse",
    }
    assert evaluation.history == generator.history_
    assert any("population mean" in text for text in evaluation.conclusion)
    text = str(evaluation)
    assert "correlation matrix r ^ *" in text
    assert "* the model was trained on" in text


def test_all_that_the_factor_model_is_calibrated_on_is_marked(recordings, samples):
    model = SimpleNamespace(trained_statistics_=CalciumFactorModel().trained_statistics_)
    evaluation = judge(recordings, samples[:100], n_splits=1, n_bootstrap=0, model=model)
    assert evaluation.meta["trained_on_others"] == []
    assert {s.name for s in evaluation.statistics if s.trained_on} == {
        "firing_rate_kl",
        "mean_rate_error",
        "correlation_kl",
        "spike_correlation_matrix_r",
        "spike_correlation_matrix_rmse",
        "correlation_matrix_r",
        "correlation_matrix_rmse",
        "participation_ratio_error",
        "lagged_correlation_rmse",
        "marginal_w1",
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0.0, "0.000"),
        (1.7e-8, "0.000"),
        (0.9999, "1.00"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (-0.0227, "-0.0227"),
        (12345.0, "12300"),
        (float("nan"), "n/a"),
        (float("inf"), "infinite"),
    ],
)
def test_numbers_are_shown_with_three_digits(value, shown):
    assert show(value) == shown


def test_evaluation_is_public():
    import calgan

    assert calgan.Evaluation is Evaluation
