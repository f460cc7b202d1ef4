"""The controls: what they are like, and that nothing depends on which there are."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
from evaluation_cases import (
    CONTROLS,
    NEURONS,
    RATE,
    WINDOW,
    judge,
)

from calgan import OasisDeconvolver, Windower, evaluate
from calgan.data.random_windows import (
    draw_from_recording,
    read_source,
)
from calgan.evaluation import _controls
from calgan.generators.dichotomized_gaussian.estimator import DichotomizedGaussianCalcium


def test_the_dichotomized_gaussian_has_the_rates_and_correlations_of_the_training_spikes(
    of_truth, recordings
):
    spikes = of_truth.spikes
    windows = Windower(WINDOW).fit_transform(recordings[0])
    train = OasisDeconvolver().fit(recordings[0]).transform(windows).mean(axis=(0, 1))
    gaussian = spikes["dichotomized_gaussian"].mean(axis=(0, 1))
    assert np.corrcoef(train, gaussian)[0, 1] > 0.8
    assert np.abs(gaussian / train - 1.0).mean() < 0.3
    pairs = np.triu_indices(NEURONS, 1)
    within = {
        name: np.corrcoef(array.reshape(-1, NEURONS).T)[pairs] for name, array in spikes.items()
    }
    agreement = {name: np.corrcoef(r, within["train"])[0, 1] for name, r in within.items()}
    assert agreement["dichotomized_gaussian"] > 0.5 > abs(agreement["shuffled"])
    facts = of_truth.meta["dichotomized_gaussian"]
    assert facts == {
        "repaired": False,
        "max_deviation": pytest.approx(0.0, abs=1e-6),
        "max_lag_deviation": pytest.approx(0.0, abs=1e-6),
        "n_lags": _controls.lags_for(RATE, WINDOW),
    }


def test_samples_of_a_dichotomized_gaussian_score_like_that_control(recordings):
    windows = Windower(WINDOW).fit_transform(recordings[0])
    n_lags = _controls.lags_for(RATE, WINDOW)
    model = DichotomizedGaussianCalcium(n_lags=n_lags, random_state=11).fit(windows)
    evaluation = judge(recordings, model.sample(200))
    for statistic in evaluation.statistics:
        if statistic.judged_by == "difference" or statistic.name.startswith("event"):
            continue  # few events in short windows, and baselines of next to nothing
        mine = statistic.excess(statistic.value)
        control = statistic.excess(statistic.controls["dichotomized_gaussian"])
        assert 0.33 < mine / control < 3.0, statistic.name


@pytest.mark.parametrize("controls", [(), ("shuffled",), ["dichotomized_gaussian", "replay"]])
def test_a_control_left_out_changes_no_other_number(recordings, samples, of_truth, controls):
    evaluation = judge(recordings, samples, controls=controls)
    assert evaluation.controls == tuple(name for name in CONTROLS if name in controls)
    assert evaluation.memorisation == of_truth.memorisation
    for mine, theirs in zip(evaluation.statistics, of_truth.statistics, strict=True):
        mine, theirs = mine.to_dict(), theirs.to_dict()
        kept, every = mine.pop("controls"), theirs.pop("controls")
        assert mine == theirs
        assert kept == {name: every[name] for name in evaluation.controls}
    text = str(evaluation)
    heads = next(
        line for line in text.splitlines() if line.split()[:2] == ["synthetic", "baseline"]
    )
    for name, head in zip(CONTROLS, ("replay", "shuffled", "DG"), strict=True):
        assert (head in heads) == (name in controls)
        assert (f"{head}: " in text) == (name in controls)
    assert ("beat shuffled neurons in" in text) == ("shuffled" in controls)
    kept = {"real", "synthetic", "train", *controls} - {"replay"}
    assert set(evaluation.windows) == set(evaluation.spikes) == kept


@pytest.mark.parametrize(
    ("controls", "error", "match"),
    [
        ("shuffled", TypeError, "controls must be an iterable of names out of 'replay', "),
        (None, TypeError, r"pass controls=\(\) for none"),
        (
            ("shuffled", "baseline"),
            ValueError,
            "controls holds 'baseline', but the controls are 'repla",
        ),
        ((1,), ValueError, "controls holds 1, but"),
    ],
)
def test_controls_are_checked(recordings, samples, controls, error, match):
    with pytest.raises(error, match=match):
        judge(recordings, samples, controls=controls)


class _Unfit(DichotomizedGaussianCalcium):
    """A dichotomized Gaussian that cannot be fitted."""

    def __init__(self, frame_rate, n_lags, random_state):
        super().__init__(frame_rate, n_lags=n_lags, random_state=random_state)

    def _fit(self, X):
        raise ValueError("there are no spikes.")


class _NotFinite(_Unfit):
    def _fit(self, X):
        self.shape = X.shape[1:]
        return []

    def sample(self, n):
        return np.full((n, *self.shape), np.nan)


@pytest.mark.parametrize(
    ("model", "why"), [(_Unfit, "there are no spikes."), (_NotFinite, "samples are not finite")]
)
def test_a_dichotomized_gaussian_that_cannot_be_fitted_is_not_available(
    recordings, samples, of_truth, monkeypatch, tmp_path, model, why
):
    monkeypatch.setattr(_controls, "DichotomizedGaussianCalcium", model)
    evaluation = judge(recordings, samples)
    remark = next(text for text in evaluation.conclusion if "no dichotomized Gaussian" in text)
    assert why in remark
    for mine, theirs in zip(evaluation.statistics, of_truth.statistics, strict=True):
        assert mine.value == theirs.value
        assert mine.controls == {**theirs.controls, "dichotomized_gaussian": None}
    rows = [line for line in str(evaluation).splitlines() if line.endswith("      n/a")]
    assert len(rows) == len(evaluation.statistics)
    assert evaluation._repr_html_().count("<td>n/a</td>") == len(evaluation.statistics)
    assert evaluation.windows["dichotomized_gaussian"] is None
    assert not any("dichotomized" in text for text in evaluation.summary().lines)


def test_warnings_of_the_dichotomized_gaussian_become_remarks(recordings, samples, monkeypatch):
    class Warns(DichotomizedGaussianCalcium):
        def _fit(self, X):
            return [*super()._fit(X), "its correlations were repaired."]

    monkeypatch.setattr(_controls, "DichotomizedGaussianCalcium", Warns)
    evaluation = judge(recordings, samples[:100], n_splits=1, n_bootstrap=0)
    assert "Of the dichotomized Gaussian: its correlations were repaired." in evaluation.conclusion


def test_filters_of_warnings_stay_as_they_were(recordings, samples):
    class Fails:
        def transform(self, windows):
            raise ValueError("out of order")

    before = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="out of order"):
            judge(recordings, samples[:100], deconvolver=Fails(), n_jobs=2)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(timeout=5)
    assert warnings.filters == before


def test_without_a_training_recording_shuffled_windows_are_not_those_compared(recordings, samples):
    short = recordings[1].traces[:600]
    evaluation = evaluate(short, samples, frame_rate=RATE, n_bootstrap=0, controls=("shuffled",))
    for row in evaluation.statistics:
        if row.group == "trace":
            assert row.controls["shuffled"] > 0


def test_constant_neurons_are_warned_of_once(recordings, samples):
    train, test = (np.array(recording.traces) for recording in recordings)
    train[:, 1:3] = test[:, 1:3] = 0.5
    with pytest.warns(UserWarning, match="constant") as caught:
        evaluation = judge((train, test), samples[:100], frame_rate=RATE, n_splits=1, n_bootstrap=0)
    assert len(caught) == 1
    assert evaluation.controls == CONTROLS
    assert np.isfinite(evaluation["correlation_matrix_r"].controls["dichotomized_gaussian"])


def test_the_replay_control_is_drawn_from_other_starts():
    source = read_source(np.zeros((500, 2)), 20, name="train")
    bank = draw_from_recording(source, {"train": 2, "replay": 2}, 100, np.random.default_rng(0))
    for mine, theirs in zip(bank.lists["train"], bank.lists["replay"], strict=True):
        assert not set(mine) & set(theirs)


def test_shuffling_keeps_each_neuron_and_its_spikes(recordings):
    source = read_source(recordings[0], WINDOW, name="train")
    bank = draw_from_recording(source, {"train": 1}, 50, np.random.default_rng(0))
    bank = bank.with_spikes(lambda windows: windows > 0.5)
    mixed = bank.shuffled("train", np.random.default_rng(1))
    before = bank.traces(bank.lists["train"][0])
    after = mixed.traces(mixed.lists["shuffled"][0])
    for neuron in range(NEURONS):
        mine, theirs = before[:, :, neuron], after[:, :, neuron]
        assert sorted(map(tuple, mine)) == sorted(map(tuple, theirs))
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(mixed.spikes(mixed.lists["shuffled"][0]), after > 0.5)
