"""Several generators side by side share everything but their samples."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from evaluation_cases import RATE, judge, replayed, shuffled
from sklearn.base import BaseEstimator

from calgan import CalciumFactorModel, OasisDeconvolver, compare, evaluate
from calgan.evaluation import Comparison, Evaluation
from calgan.plotting import HeadlineDisplay

FAST = {"n_splits": 1, "n_bootstrap": 20, "random_state": 0, "controls": ("shuffled",)}


@pytest.fixture(scope="module")
def generators(recordings, samples):
    return {"true process": samples, "shuffled": shuffled(replayed(recordings[0], 200))}


@pytest.fixture(scope="module")
def comparison(recordings, generators):
    train, test = recordings
    return compare(generators, test, train=train, **FAST)


def test_each_generator_is_evaluated_as_by_itself(comparison, recordings, generators):
    train, test = recordings
    assert list(comparison) == list(generators)
    assert len(comparison) == 2
    for name, samples in generators.items():
        alone = evaluate(test, samples, train=train, **FAST)
        assert isinstance(comparison[name], Evaluation)
        assert comparison[name].to_dict() == alone.to_dict()


def test_as_many_windows_of_each_are_compared(recordings, generators):
    train, test = recordings
    fewer = {name: each[: 200 - 50 * i] for i, (name, each) in enumerate(generators.items())}
    found = compare(fewer, test, train=train, **FAST)
    assert {each.n_windows for each in found.values()} == {150}
    rows = [each["correlation_matrix_rmse"] for each in found.values()]
    assert rows[0].baseline == rows[1].baseline
    assert rows[0].value != rows[1].value


def test_it_prints_a_verdict_for_each_and_one_table(comparison):
    lines = str(comparison).splitlines()
    assert lines[0].startswith("2 generators against one held-out recording: 200 windows")
    assert lines[2].startswith("true process  ")
    assert any(line.startswith("shuffled      The samples have lost") for line in lines)
    head = next(line for line in lines if "baseline" in line)
    assert head.split() == ["baseline", "true", "process", "shuffled"]
    row = next(line for line in lines if line.lstrip().startswith("correlation matrix r "))
    lights = next(line for line in lines if line.lstrip().startswith("copying"))
    assert re.split(r"\s{2,}", lights.strip()) == ["copying", "= no copies", "= no copies"]
    baseline = comparison["shuffled"]["correlation_matrix_r"].baseline
    assert f"{baseline:.3f}" in row
    page = comparison._repr_html_()
    assert "true process" in page
    assert page.count("<table") == 1
    assert repr(comparison) == "Comparison of 2 generators: true process, shuffled"


def test_it_is_a_data_frame(comparison):
    frame = comparison.to_frame()
    assert frame.index.names == ["generator", "statistic"]
    row = frame.loc[("shuffled", "correlation_kl")]
    statistic = comparison["shuffled"]["correlation_kl"]
    assert row["value"] == statistic.value
    assert row["ratio_high"] == statistic.ratio_interval[1]
    assert row["shuffled"] == statistic.controls["shuffled"]
    one = comparison["shuffled"].to_frame()
    assert one.equals(frame.loc["shuffled"])
    assert set(comparison.to_dict()) == set(comparison)


def test_numbers_that_papers_report_are_rows(comparison):
    frame = comparison.to_frame()
    reported = [
        "population_count_kl", "spike_correlation_matrix_rmse", "isi_mean_rmse", "isi_sd_rmse",
    ]  # fmt: skip
    assert np.isfinite(frame.loc["true process"].loc[reported, "ratio"].astype(float)).all()


def test_it_is_drawn(comparison):
    figure = HeadlineDisplay.from_comparison(comparison).figure_
    texts = [text.get_text().replace("\n", " ") for text in figure.findobj(match=_is_text)]
    for name in comparison:
        assert any(name in text for text in texts)


def _is_text(artist):
    return hasattr(artist, "get_text")


@pytest.mark.parametrize(
    ("synthetic", "options", "error", "message"),
    [
        (np.zeros((20, 40, 8)), {}, TypeError, "synthetic must be a dict"),
        ({}, {}, ValueError, "synthetic holds no samples"),
        ({"a": np.zeros((20, 40))}, {}, ValueError, r"synthetic\['a'\] must be windows"),
        ({"a": np.zeros((20, 40, 8))}, {"models": {"b": None}}, ValueError, "models holds 'b'"),
        (
            {"a": np.zeros((20, 40, 8)), "b": np.zeros((20, 50, 8))},
            {},
            ValueError,
            "windows of one length, but they have 'a' 40, 'b' 50 frames",
        ),
        ({"a": np.zeros((20, 40, 7))}, {}, ValueError, r"synthetic\['a'\] has 7"),
        (
            {"a": np.zeros((20, 40, 8))},
            {"models": {"a": CalciumFactorModel()}},
            ValueError,
            r"models\['a'\] is a CalciumFactorModel that is not fitted",
        ),
    ],
)
def test_wrong_input_is_refused(recordings, synthetic, options, error, message):
    with pytest.raises(error, match=message):
        compare(synthetic, recordings[1], **options)


def test_an_unknown_generator_is_named():
    with pytest.raises(KeyError, match="no generator is called 'a'"):
        Comparison({})["a"]


def test_names_need_not_be_text(recordings, samples):
    model = SimpleNamespace(trained_statistics_=["firing_rate"])
    train, test = recordings
    found = compare({1: samples}, test, train=train, models={1: model}, **FAST)
    assert found["1"]["firing_rate_kl"].trained_on


def test_a_model_that_is_not_fitted_is_refused(recordings, samples):
    with pytest.raises(ValueError, match="model is a CalciumFactorModel that is not fitted"):
        evaluate(recordings[1], samples, model=CalciumFactorModel())


class Threshold:
    """Infers a spike wherever a trace is high: no calgan, no scikit-learn."""

    def transform(self, windows):
        return np.asarray(windows) > 0.5


def test_any_deconvolver_infers_the_spikes(recordings, samples):
    found = judge(recordings, samples, deconvolver=Threshold(), n_splits=1, n_bootstrap=0)
    spikes = found.spikes["synthetic"]
    np.testing.assert_array_equal(spikes, found.windows["synthetic"] > 0.5)
    assert found.meta["spike_inference"] == "the Threshold given, window by window"
    assert np.isfinite(found["firing_rate_kl"].ratio)


class Adapting(BaseEstimator, Threshold):
    """Was trained elsewhere, and adapts to the neurons of a recording."""

    def fit(self, X, y=None):
        self.weights_ = X
        return self

    def adapt(self, X):
        assert all(segment.shape[1] == 8 for segment in X)
        return Threshold()


def test_a_trained_deconvolver_adapts_to_the_training_recording(recordings, samples):
    options = {"n_splits": 1, "n_bootstrap": 0, "controls": ()}
    found = judge(recordings, samples, deconvolver=Adapting().fit(1), **options)
    line = "Adapting, adapted to the training recording, window by window"
    assert found.meta["spike_inference"] == line
    spikes = found.spikes["synthetic"]
    np.testing.assert_array_equal(spikes, found.windows["synthetic"] > 0.5)


def test_wrong_deconvolvers_are_refused(recordings, samples):
    with pytest.raises(TypeError, match="deconvolver must have a transform"):
        judge(recordings, samples, deconvolver="oasis")
    other = OasisDeconvolver(RATE).fit(recordings[0].traces[:, :5])
    with pytest.raises(ValueError, match="fitted on 5 neurons, but real has 8"):
        judge(recordings, samples, deconvolver=other)
    with pytest.raises(ValueError, match="the data says 10 Hz and the deconvolver 24 Hz"):
        judge(recordings, samples, deconvolver=OasisDeconvolver(24.0))


def test_the_table_of_six_generators_with_long_names_fits(comparison):
    (evaluation, *_) = comparison.values()
    names = [f"factor model of the recording, variant {number}" for number in range(6)]
    table = str(Comparison(dict.fromkeys(names, evaluation)))
    assert max(map(len, table.splitlines())) <= 120
    heads = next(line for line in table.splitlines() if "baseline" in line).split("  ")
    assert len({head.strip() for head in heads if "…" in head}) == 6
