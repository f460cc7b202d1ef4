"""The evaluation: yardsticks in the right order, honest gaps, clear refusals."""

from __future__ import annotations

import json
import pickle
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calgan import OasisDeconvolver, Recording, Windower, evaluate, metrics
from calgan.baselines import DichotomizedGaussianCalcium
from calgan.datasets import make_process
from calgan.evaluation import Evaluation, _dichotomized, _procedure
from calgan.evaluation import _measures as measures_module
from calgan.evaluation._bootstrap import (
    centred_interval,
    draw_values,
    replicate_values,
    resampling_weights,
    sum_by_block,
)
from calgan.evaluation._draws import (
    draw_from_recording,
    draw_from_samples,
    read_source,
)
from calgan.evaluation._measures import Context
from calgan.evaluation._memorisation import covering_starts
from calgan.evaluation._result import NOT_AVAILABLE, show
from calgan.model_selection import thesis_split

RATE, WIDTH, NEURONS = 10.0, 40, 8
CONTROLS = ("memoriser", "shuffled", "dichotomized_gaussian")
PUBLISHED = ("firing_rate_kl", "correlation_kl", "van_rossum_kl")
POPULATION = (
    "population_count_kl",
    "correlation_matrix_r",
    "correlation_matrix_rmse",
    "spike_correlation_matrix_r",
    "lagged_correlation_rmse",
)


@pytest.fixture(scope="module")
def process():
    return make_process(n_neurons=NEURONS, frame_rate=RATE, random_state=0)


@pytest.fixture(scope="module")
def recordings(process):
    train, _ = process.sample_recording(400.0, random_state=1)
    test, _ = process.sample_recording(200.0, random_state=2)
    return train, test


@pytest.fixture(scope="module")
def samples(process):
    return process.sample_windows(200, WIDTH, random_state=3)[0]


def replayed(train, n=200, seed=0):
    starts = np.random.default_rng(seed).integers(train.n_frames - WIDTH + 1, size=n)
    return np.asarray(train.traces)[starts[:, None] + np.arange(WIDTH)]


def shuffled(windows, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([windows[rng.permutation(len(windows)), :, j] for j in range(NEURONS)], axis=2)


def judge(recordings, synthetic, **params):
    train, test = recordings
    params = {"random_state": 0, "n_splits": 2, "n_bootstrap": 60, **params}
    return evaluate(test, synthetic, train=train, **params)


@pytest.fixture(scope="module")
def of_truth(recordings, samples):
    return judge(recordings, samples)


@pytest.fixture(scope="module")
def of_replay(recordings):
    return judge(recordings, replayed(recordings[0]))


@pytest.fixture(scope="module")
def of_shuffled(recordings, samples):
    return judge(recordings, shuffled(samples))


@pytest.fixture(scope="module")
def of_collapse(recordings, samples):
    noise = np.random.default_rng(0).normal(size=samples.shape)
    flat = samples.mean(axis=(0, 1)) + 1e-3 * noise
    return judge(recordings, flat)


# What the numbers say of generators whose quality is known


def test_the_true_process_is_about_as_close_as_real_data(of_truth):
    for statistic in of_truth.statistics:
        assert statistic.ratio < 3.0, statistic.name
    assert of_truth["correlation_matrix_r"].value > 0.8


def test_the_true_process_beats_shuffled_neurons(of_truth, of_shuffled):
    for name in POPULATION:
        mine, theirs = of_truth[name], of_shuffled[name]
        assert mine.excess(mine.value) < mine.excess(mine.controls["shuffled"]), name
        assert mine.excess(mine.value) < theirs.excess(theirs.value), name
    assert "All 5 population statistics beat the neuron-shuffled control" in str(of_truth).replace(
        "\n  ", " "
    )


def test_shuffled_samples_score_like_the_shuffled_control(of_shuffled):
    statistic = of_shuffled["correlation_matrix_r"]
    assert abs(statistic.value) < 0.5
    assert abs(statistic.value - statistic.controls["shuffled"]) < 0.5
    assert statistic.ratio > 3.0


def test_memorisation_tells_a_replay_from_new_windows(of_truth, of_replay):
    assert of_replay.memorisation["value"] < 1e-4
    assert of_replay.memorisation["share_copied"] == 1.0
    assert any("The model memorises" in text for text in of_replay.conclusion)
    for evaluation in (of_truth, of_replay):
        assert evaluation.memorisation["replay"] < 1e-4
        assert evaluation.memorisation["second_held_out"] == pytest.approx(1.0, abs=0.15)
    assert of_truth.memorisation["value"] == pytest.approx(1.0, abs=0.1)
    low, high = of_truth.memorisation["interval"]
    assert low <= of_truth.memorisation["value"] <= high
    assert any("No sign of memorising" in text for text in of_truth.conclusion)


def test_noise_on_a_replay_does_not_hide_it(recordings):
    windows = replayed(recordings[0])
    noise = np.random.default_rng(0).normal(size=windows.shape)
    evaluation = judge(recordings, windows + 0.3 * windows.std(axis=(0, 1)) * noise)
    assert any("The model memorises" in text for text in evaluation.conclusion)


def test_a_replay_scores_like_the_memoriser(of_replay):
    for statistic in of_replay.statistics:
        assert 0.4 < statistic.ratio < 2.5, statistic.name


def test_a_collapsed_generator_does_not_look_good(of_collapse):
    bad = [s.name for s in of_collapse.statistics if s.ratio > 3.0]
    assert {"van_rossum_kl", "firing_rate_kl", "log_spectrum_error", "marginal_w1"} <= set(bad)
    assert "window_variability_error" in bad
    assert len(bad) >= 8
    assert of_collapse.conclusion[0].startswith("The generator has collapsed")


def test_one_window_again_and_again_is_found_out(recordings, samples):
    evaluation = judge(recordings, np.repeat(samples[:1], 200, axis=0))
    assert evaluation["window_variability_error"].ratio > 3.0
    assert evaluation["firing_rate_kl"].ratio > 3.0
    assert evaluation.conclusion[0].startswith("The generator has collapsed")


def test_the_truth_is_not_called_collapsed(of_truth, of_shuffled):
    for evaluation in (of_truth, of_shuffled):
        assert not any("collapsed" in text for text in evaluation.conclusion)


# What is in the outcome


def test_every_row_has_its_yardsticks(of_truth):
    assert tuple(s.name for s in of_truth.statistics if s.group == "published") == PUBLISHED
    assert tuple(s.name for s in of_truth.statistics if s.group == "population") == POPULATION
    for statistic in of_truth.statistics:
        low, high = statistic.floor_interval
        assert low <= statistic.floor <= high
        low, high = statistic.value_interval
        assert low <= statistic.value <= high
        low, high = statistic.ratio_interval
        assert low <= statistic.ratio <= high
        assert tuple(statistic.controls) == CONTROLS
        assert None not in statistic.controls.values()
        assert statistic.ratio == pytest.approx(
            statistic.excess(statistic.value) / statistic.excess(statistic.floor)
        )
        assert statistic.difference == pytest.approx(statistic.value - statistic.floor)


def test_without_train_there_is_no_floor_and_no_number_in_its_place(recordings, samples):
    evaluation = evaluate(recordings[1], samples, random_state=0, n_splits=1, n_bootstrap=60)
    assert evaluation.memorisation is None
    for statistic in evaluation.statistics:
        assert statistic.floor is None
        assert statistic.floor_interval is None
        assert statistic.ratio is None
        assert statistic.difference is None
        assert statistic.controls["memoriser"] is None
        assert statistic.controls["shuffled"] is not None
        assert statistic.controls["dichotomized_gaussian"] is not None
    assert "fitted on the held-out recording itself" in " ".join(evaluation.conclusion)
    lines = str(evaluation).partition("In words")[0].splitlines()
    rows = [line for line in lines if line.startswith("  ") and NOT_AVAILABLE in line]
    assert len(rows) == len(evaluation.statistics) + 1
    assert "not available (pass train=)" in evaluation._repr_html_()
    assert "not available (pass train=)" in " ".join(evaluation.conclusion)
    assert evaluation.windows["train"] is None
    assert evaluation.meta["spike_inference"].count("held-out") == 1


def test_it_prints_within_120_columns(of_truth, of_replay, of_collapse):
    for evaluation in (of_truth, of_replay, of_collapse):
        lines = str(evaluation).splitlines()
        assert max(map(len, lines)) <= 120
        for statistic in evaluation.statistics:
            assert sum(line.startswith(f"  {statistic.label} ") for line in lines) >= 1
    assert repr(of_truth).startswith("Evaluation(")


def test_html_is_escaped_and_complete(of_truth):
    page = of_truth._repr_html_()
    assert page.count("<tr>") == 1 + 3 + len(of_truth.statistics)
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
        assert windows.shape == (200, WIDTH, NEURONS)
        assert windows.dtype == np.float32
        assert set(np.unique(of_truth.spikes[name])) <= {0.0, 1.0}
    assert of_truth.units == recordings[0].units
    assert of_truth.frame_rate == RATE
    assert of_truth.window == WIDTH


def test_to_html_writes_what_the_report_builds(of_truth, tmp_path, monkeypatch):
    from calgan import report

    def build_html(evaluation, *, title=None, figures_folder=None):
        if figures_folder is not None:
            figures_folder.mkdir()
        return f"<p>{title}</p>"

    monkeypatch.setattr(report, "build_html", build_html)
    path = of_truth.to_html(tmp_path / "r.html", title="é", figures=tmp_path / "figures")
    assert path.read_text(encoding="utf-8") == "<p>é</p>"
    assert (tmp_path / "figures").is_dir()


# The controls


def population_sentence(evaluation, control):
    return next(text for text in evaluation.conclusion if f"beat {control}" in text)


def test_the_dichotomized_gaussian_has_the_rates_and_correlations_of_the_training_spikes(of_truth):
    spikes = of_truth.spikes
    rates = {name: array.mean(axis=(0, 1)) * RATE for name, array in spikes.items()}
    train, gaussian = rates["train"], rates["dichotomized_gaussian"]
    assert np.corrcoef(train, gaussian)[0, 1] > 0.8
    assert np.abs(gaussian / train - 1.0).mean() < 0.3
    pairs = np.triu_indices(NEURONS, 1)
    within = {
        name: np.corrcoef(array.reshape(-1, NEURONS).T)[pairs] for name, array in spikes.items()
    }
    agreement = {name: np.corrcoef(r, within["train"])[0, 1] for name, r in within.items()}
    assert agreement["dichotomized_gaussian"] > 0.3 > 0.1 > abs(agreement["shuffled"])
    facts = of_truth.meta["dichotomized_gaussian"]
    assert facts == {
        "repaired": False,
        "max_deviation": pytest.approx(0.0, abs=1e-6),
        "max_lag_deviation": pytest.approx(0.0, abs=1e-6),
        "n_lags": _dichotomized.lags_for(RATE, WIDTH),
    }


def test_samples_of_a_dichotomized_gaussian_score_like_that_control(recordings):
    windows = Windower(WIDTH).fit_transform(recordings[0])
    n_lags = _dichotomized.lags_for(RATE, WIDTH)
    model = DichotomizedGaussianCalcium(n_lags=n_lags, random_state=11).fit(windows)
    evaluation = judge(recordings, model.sample(200))
    for statistic in evaluation.statistics:
        mine = statistic.excess(statistic.value)
        control = statistic.excess(statistic.controls["dichotomized_gaussian"])
        assert 0.5 < mine / control < 2.0, statistic.name


def test_the_verdict_compares_with_the_dichotomized_gaussian(of_truth):
    text = population_sentence(of_truth, "the dichotomized Gaussian")
    won = sum(
        s.excess(s.value) < s.excess(s.controls["dichotomized_gaussian"])
        for s in of_truth.statistics
        if s.group == "population"
    )
    assert text.startswith({0: "None", 5: "All 5"}.get(won, f"{won} of 5"))
    for name in POPULATION:
        assert f"against {show(of_truth[name].controls['dichotomized_gaussian'])}" in text


@pytest.mark.parametrize("controls", [(), ("shuffled",), ["dichotomized_gaussian", "memoriser"]])
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
    heads = next(line for line in text.splitlines() if line.split()[:2] == ["synthetic", "floor"])
    for name, head in zip(CONTROLS, ("replay", "shuffled", "DG"), strict=True):
        assert (head in heads) == (name in controls)
        assert (f"{head}: " in text) == (name in controls)
    assert ("beat the neuron-shuffled" in " ".join(text.split())) == ("shuffled" in controls)
    kept = {"real", "synthetic", "train", *controls} - {"memoriser"}
    assert set(evaluation.windows) == set(evaluation.spikes) == kept


@pytest.mark.parametrize(
    ("controls", "error", "match"),
    [
        ("shuffled", TypeError, "controls must be an iterable of names out of 'memoriser', "),
        (None, TypeError, r"pass controls=\(\) for none"),
        (("shuffled", "floor"), ValueError, "controls holds 'floor', but the controls are 'memor"),
        ((1,), ValueError, "controls holds 1, but"),
    ],
)
def test_controls_are_checked(recordings, samples, controls, error, match):
    with pytest.raises(error, match=match):
        judge(recordings, samples, controls=controls)


class _Unfit:
    """A dichotomized Gaussian that cannot be fitted."""

    def __init__(self, frame_rate, n_lags, random_state):
        pass

    def fit(self, X):
        raise ValueError("there are no spikes.")


class _NotFinite(_Unfit):
    def fit(self, X):
        self.shape = X.shape[1:]
        return self

    def sample(self, n):
        return np.full((n, *self.shape), np.nan)


@pytest.mark.parametrize(
    ("model", "why"), [(_Unfit, "there are no spikes."), (_NotFinite, "samples are not finite")]
)
def test_a_dichotomized_gaussian_that_cannot_be_fitted_is_not_available(
    recordings, samples, of_truth, monkeypatch, tmp_path, model, why
):
    monkeypatch.setattr(_dichotomized, "DichotomizedGaussianCalcium", model)
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
    assert not any("beat the dichotomized" in text for text in evaluation.conclusion)


def test_warnings_of_the_dichotomized_gaussian_become_remarks(recordings, samples, monkeypatch):
    class Warns(DichotomizedGaussianCalcium):
        def fit(self, X, y=None):
            super().fit(X)
            warnings.warn("its correlations were repaired.", UserWarning, stacklevel=2)
            return self

    monkeypatch.setattr(_dichotomized, "DichotomizedGaussianCalcium", Warns)
    evaluation = judge(recordings, samples[:100], n_splits=1, n_bootstrap=0)
    assert "Of the dichotomized Gaussian: its correlations were repaired." in evaluation.conclusion
    assert evaluation.meta["remarks"]


def test_constant_neurons_are_warned_of_once(recordings, samples):
    train, test = (np.array(recording.traces) for recording in recordings)
    train[:, 1:3] = test[:, 1:3] = 0.5
    with pytest.warns(UserWarning, match="constant") as caught:
        evaluation = judge((train, test), samples[:100], frame_rate=RATE, n_splits=1, n_bootstrap=0)
    assert len(caught) == 1
    assert evaluation.controls == CONTROLS
    assert np.isfinite(evaluation["correlation_matrix_r"].controls["dichotomized_gaussian"])


def test_same_seed_same_numbers_and_the_global_generator_untouched(recordings, samples):
    state = np.random.get_state()[1].copy()
    first = judge(recordings, samples[:100], n_splits=1, n_bootstrap=20)
    again = judge(recordings, samples[:100], n_splits=1, n_bootstrap=20)
    other = judge(recordings, samples[:100], n_splits=1, n_bootstrap=20, random_state=1)
    assert first.to_dict() == again.to_dict()
    assert first.to_dict() != other.to_dict()
    assert np.array_equal(np.random.get_state()[1], state)


def test_a_fresh_seed_is_kept(recordings, samples):
    first = judge(recordings, samples[:100], n_splits=1, n_bootstrap=0, random_state=None)
    seed = first.meta["random_state"]
    again = judge(recordings, samples[:100], n_splits=1, n_bootstrap=0, random_state=seed)
    assert first.to_dict() == again.to_dict()


def test_float64_input_is_the_same_input(recordings, samples):
    first = judge(recordings, samples[:100], n_splits=1, n_bootstrap=0)
    train, test = recordings
    again = evaluate(
        np.asarray(test.traces, dtype=np.float64),
        samples[:100].astype(np.float64),
        train=np.asarray(train.traces, dtype=np.float64),
        frame_rate=RATE,
        random_state=0,
        n_splits=1,
        n_bootstrap=0,
    )
    for mine, theirs in zip(first.statistics, again.statistics, strict=True):
        assert mine.value == theirs.value
        assert mine.floor == theirs.floor


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
        "log_spectrum_error",
        "autocorrelation_rmse",
    }
    assert evaluation.history == generator.history_
    assert any("population mean" in text for text in evaluation.conclusion)
    text = str(evaluation)
    assert "correlation matrix r ^ *" in text
    assert "* the model was trained on" in text


def test_spikes_are_inferred_as_in_the_training_recording(of_truth, recordings):
    train, test = recordings
    expected = OasisDeconvolver().fit(train)
    of_held_out = OasisDeconvolver().fit(test)
    for name, windows in of_truth.windows.items():
        if name == "shuffled":  # its neurons keep the spikes of the windows they come from
            continue
        np.testing.assert_array_equal(of_truth.spikes[name], expected.transform(windows))
        assert np.any(of_truth.spikes[name] != of_held_out.transform(windows))


def test_bins_span_the_held_out_and_the_training_windows(recordings, samples):
    evaluation = judge(recordings, samples, n_splits=1, n_bootstrap=0)
    spikes = evaluation.spikes
    pooled = np.concatenate([spikes["real"], spikes["train"]])
    for name in PUBLISHED:
        divergence = getattr(metrics, name)
        for side, value in (("synthetic", "value"), ("train", "floor")):
            expected = divergence(spikes["real"], spikes[side], RATE, edges_from=pooled)
            assert getattr(evaluation[name], value) == pytest.approx(expected), (name, side)
    own = metrics.firing_rate_kl(spikes["real"], spikes["synthetic"], RATE)
    assert own != pytest.approx(evaluation["firing_rate_kl"].value)


def test_rate_bins_do_not_coarsen_when_windows_are_too_large_to_keep(
    recordings, samples, monkeypatch
):
    params = {"n_splits": 1, "n_bootstrap": 0}
    expected = judge(recordings, samples, **params)["firing_rate_kl"]
    monkeypatch.setattr(_procedure, "_CONTEXT_VALUES", 1)
    few = judge(recordings, samples, **params)["firing_rate_kl"]
    assert (few.value, few.floor) == (expected.value, expected.floor)


def test_thesis_protocol_is_marked_as_such(recordings, samples):
    evaluation = judge(recordings, samples[:100], n_splits=1, protocol="thesis")
    assert "for comparison with the published table only" in " ".join(str(evaluation).split())
    assert max(map(len, str(evaluation).splitlines())) <= 120
    for name in PUBLISHED:
        assert evaluation[name].floor is not None
        assert evaluation[name].floor_interval is None
    real, synthetic = evaluation.spikes["real"], evaluation.spikes["synthetic"]
    expected = metrics.correlation_kl(real, synthetic, RATE, protocol="thesis")
    assert evaluation["correlation_kl"].value == pytest.approx(expected)
    expected = metrics.firing_rate_kl(real, synthetic, RATE, protocol="thesis")
    assert evaluation["firing_rate_kl"].value == pytest.approx(expected)


def test_thesis_spikes_at_the_published_frame_rate(process):
    windows = np.zeros((100, 48, 2), dtype=np.float32)
    rng = np.random.default_rng(0)
    windows[:, 5] = 1.0
    for t in range(6, 48):
        windows[:, t] = 0.95 * windows[:, t - 1]
    windows += 0.01 * rng.normal(size=windows.shape).astype(np.float32)
    evaluation = evaluate(
        windows, windows, frame_rate=24.0, protocol="thesis", random_state=0, n_bootstrap=0
    )
    assert np.all(evaluation.spikes["synthetic"].sum(axis=1) == 1)


@pytest.fixture(scope="module")
def leaking(recordings):
    return thesis_split(recordings[0], WIDTH, n_test=120, random_state=0)


def test_thesis_compares_every_window_of_the_published_split_once(recordings, samples, leaking):
    train, test = leaking
    assert len(test) == 120
    evaluation = evaluate(test, samples, train=train, protocol="thesis", random_state=0)
    assert evaluation.n_windows == 120
    held_out = {window.tobytes() for window in test}
    drawn = [window.tobytes() for window in evaluation.windows["real"]]
    assert len(set(drawn)) == len(drawn) == 120
    assert set(drawn) == held_out
    of_training = {window.tobytes() for window in train}
    drawn = [window.tobytes() for window in evaluation.windows["train"]]
    assert len(set(drawn)) == 120
    assert set(drawn) <= of_training
    assert not held_out & of_training
    remark = next(text for text in evaluation.conclusion if "occur in train" in text)
    assert re.match("[0-9]+ % of the frames of real occur in train: it is not held out", remark)
    assert remark.endswith("as with the published split.")
    assert None not in evaluation["van_rossum_kl"].controls.values()


def test_the_published_split_rewards_a_replay(recordings, samples, leaking):
    train, test = leaking
    params = {"train": train, "protocol": "thesis", "random_state": 0, "controls": ()}
    truth = evaluate(test, samples, **params)
    replay = evaluate(test, replayed(recordings[0]), **params)
    assert replay["firing_rate_kl"].value < 0.7 * truth["firing_rate_kl"].value


def test_numbers_of_windows_by_protocol(recordings, process):
    many, _ = process.sample_windows(1100, WIDTH, random_state=3)
    params = {"n_splits": 1, "n_bootstrap": 0, "controls": ()}
    assert judge(recordings, many, **params).n_windows == 500
    assert judge(recordings, many, protocol="thesis", **params).n_windows == 1000
    assert judge(recordings, many, protocol="thesis", n_windows=150, **params).n_windows == 150
    train, test = recordings
    short = judge((train, test[: WIDTH + 10]), many, protocol="thesis", **params)
    assert short.n_windows == 11


def test_the_published_split_warns_where_it_does_not_belong(samples, leaking):
    train, test = leaking
    with pytest.warns(UserWarning, match="of the frames of real occur in train.*train_test_blocks"):
        evaluate(test, samples, train=train, random_state=0, n_splits=1, n_bootstrap=0, controls=())


# Recording-like input


@pytest.mark.parametrize("kind", ["segments", "trials", "view", "memmap"])
def test_recordings_come_in_many_forms(recordings, samples, kind, tmp_path):
    train, test = (np.asarray(recording.traces) for recording in recordings)
    if kind == "segments":
        train, test = [train[:1500], train[1500:]], [test[:20], test[20:900], test[900:]]
    elif kind == "trials":
        train, test = train.reshape(20, 200, -1), test.reshape(10, 200, -1)
    elif kind == "view":
        windower = Windower(WIDTH, stride=4)
        train, test = windower.fit_transform(recordings[0]), windower.transform(recordings[1])
    else:
        np.save(tmp_path / "train.npy", train)
        train = np.load(tmp_path / "train.npy", mmap_mode="r")
    evaluation = judge((train, test), samples[:100], frame_rate=RATE, n_splits=1, n_bootstrap=20)
    assert evaluation["correlation_matrix_r"].value > 0.5
    assert evaluation.memorisation["replay"] < 1e-4


def test_one_neuron_has_no_pairs():
    process = make_process(n_neurons=1, frame_rate=RATE, random_state=0)
    train, _ = process.sample_recording(120.0, random_state=1)
    test, _ = process.sample_recording(60.0, random_state=2)
    synthetic, _ = process.sample_windows(100, WIDTH, random_state=3)
    evaluation = evaluate(test, synthetic, train=train, random_state=0, n_bootstrap=20)
    names = {s.name for s in evaluation.statistics}
    assert "firing_rate_kl" in names
    assert "correlation_matrix_r" not in names
    assert list(evaluation["firing_rate_kl"].controls) == list(CONTROLS)
    thesis = evaluate(test, synthetic, train=train, random_state=0, protocol="thesis")
    assert "correlation_kl" not in {s.name for s in thesis.statistics}


@pytest.mark.parametrize("protocol", ["blocked", "thesis"])
def test_windows_too_short_for_two_bins_have_no_spike_correlations(protocol, tmp_path):
    process = make_process(n_neurons=5, frame_rate=30.0, random_state=0)
    train, _ = process.sample_recording(60.0, random_state=1)
    test, _ = process.sample_recording(30.0, random_state=2)
    synthetic, _ = process.sample_windows(100, 12, random_state=3)
    evaluation = judge((train, test), synthetic, n_splits=1, n_bootstrap=0, protocol=protocol)
    names = {s.name for s in evaluation.statistics}
    assert not names & {"correlation_kl", "spike_correlation_matrix_r"}
    assert {"firing_rate_kl", "van_rossum_kl", "correlation_matrix_r"} <= names
    assert any("There are no spike correlations" in text for text in evaluation.conclusion)
    evaluation.to_html(tmp_path / "report.html")


def test_a_short_held_out_recording_has_no_intervals(recordings, samples):
    train, test = recordings
    evaluation = judge((train, test[: WIDTH + 10]), samples[:100], n_splits=1)
    assert evaluation["firing_rate_kl"].floor_interval is None
    assert evaluation.memorisation["second_held_out"] is None
    assert "recording too short" in str(evaluation)
    assert any("There are no intervals" in text for text in evaluation.conclusion)


# Wrong input


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"synthetic": np.zeros((50, 40, 3))}, ValueError, "8 neurons and synthetic has 3"),
        ({"synthetic": np.zeros((40, 8))}, ValueError, "synthetic must be windows of shape"),
        ({"synthetic": np.zeros((5, 40, 8))}, ValueError, "synthetic holds 5 windows, too few"),
        ({"synthetic": np.zeros((50, 3, 8))}, ValueError, "windows of 3 frames"),
        ({"synthetic": np.full((50, 40, 8), np.nan)}, ValueError, "synthetic contains NaN"),
        ({"synthetic": np.zeros((50, 40, 8), complex)}, ValueError, "Complex data"),
        ({"synthetic": np.zeros((50, 2100, 8))}, ValueError, "longest uninterrupted stretch of re"),
        ({"train": np.zeros((500, 3))}, ValueError, "train has 3 neurons and real has 8"),
        ({"train": np.zeros((30, 8))}, ValueError, "stretch of train has only 30"),
        ({"train": "F.npy"}, TypeError, "train must be an array"),
        ({"frame_rate": -1.0}, ValueError, "frame_rate must be a positive"),
        ({"frame_rate": 24.0}, ValueError, "frame rates differ: frame_rate says 24 Hz and real"),
        ({"protocol": "shuffled"}, ValueError, "protocol must be 'blocked' or 'thesis'"),
        ({"n_windows": 3}, ValueError, "n_windows"),
        ({"n_splits": 0}, ValueError, "n_splits"),
        ({"random_state": -1}, ValueError, "random_state must not be negative"),
    ],
)
def test_wrong_input_gets_one_clear_sentence(recordings, samples, change, error, match):
    train, test = recordings
    params = {"synthetic": samples, "train": train, **change}
    with pytest.raises(error, match=match) as caught:
        evaluate(test, **params)
    assert "\n" not in str(caught.value)


def test_no_frame_rate(recordings, samples):
    with pytest.raises(ValueError, match="no frame rate is known.*frame_rate="):
        evaluate(np.asarray(recordings[1].traces), samples)


def test_other_neurons_or_units_are_refused(recordings, samples):
    train, test = recordings
    other = Recording(np.asarray(train.traces), RATE, roi_ids=np.arange(NEURONS) + 1)
    with pytest.raises(ValueError, match="different roi_ids"):
        evaluate(test, samples, train=other)
    other = Recording(np.asarray(train.traces), RATE, units="counts")
    with pytest.raises(ValueError, match="train in counts"):
        evaluate(test, samples, train=other)


def test_transformed_windows_are_refused(recordings, samples):
    view = Windower(WIDTH).fit_transform(recordings[1]).map(np.negative)
    with pytest.raises(ValueError, match="scaled or encoded"):
        evaluate(view, samples)
    with pytest.raises(ValueError, match="windows of 30 frames"):
        evaluate(Windower(30).fit_transform(recordings[1]), samples)


def test_held_out_frames_in_train_are_reported(recordings, samples):
    train, _ = recordings
    with pytest.warns(UserWarning, match="100 % of the frames of real occur in train"):
        evaluation = judge((train, train[:1000]), samples[:100], n_splits=1, n_bootstrap=0)
    assert any("it is not held out" in text for text in evaluation.conclusion)
    assert any("cannot be told" in text for text in evaluation.conclusion)


def test_silence_in_both_recordings_is_no_overlap(recordings, samples):
    train, test = (np.array(recording.traces) for recording in recordings)
    train[500:1500] = test[500:1500] = 0.0
    evaluation = judge((train, test), samples[:100], frame_rate=RATE, n_splits=1, n_bootstrap=0)
    assert not any("not held out" in text for text in evaluation.conclusion)


def test_few_samples_warn(recordings, samples):
    with pytest.warns(UserWarning, match="below 100 histograms are coarse"):
        judge(recordings, samples[:30], n_splits=1, n_bootstrap=0)


# The parts, against independent definitions


@pytest.fixture(scope="module")
def pair():
    """Real and synthetic windows with spikes, and sums of each by the code under test."""
    process = make_process(n_neurons=5, frame_rate=RATE, random_state=4)
    recording, _ = process.sample_recording(100.0, random_state=5)
    synthetic, _ = process.sample_windows(60, WIDTH, random_state=6)
    rng = np.random.default_rng(0)
    source = read_source(recording, WIDTH, name="real")
    rows = {}

    def infer(windows):  # the spikes need only be some function of each window
        return windows > np.median(windows, axis=1, keepdims=True) + 0.3

    real = draw_from_recording(source, ("real",), 60, 2, rng).with_spikes(infer)
    other = draw_from_samples(synthetic, 50, 2, rng).with_spikes(infer)
    arrays = {}
    for name, bank in (("real", real), ("synthetic", other)):
        index = bank.lists[name]
        arrays[name] = [(bank.traces(i), bank.spikes(i)) for i in index]
        rows[name] = bank
    return rows, arrays


def compute(pair, kind):
    banks, arrays = pair
    context = Context(*arrays["real"][0], RATE, 60)
    measure = kind(context)
    real = sum_by_block(banks["real"], [measure], {"real": True})["real"][0]
    other = sum_by_block(banks["synthetic"], [measure], {"synthetic": True})["synthetic"][0]
    assert np.all(real.n.sum(axis=1) == 60)
    assert np.all(other.n.sum(axis=1) == 50)
    return context, measure, draw_values(measure, real, other), (real, other)


ORACLES = {
    "FiringRates": lambda r, s, e: [
        metrics.firing_rate_kl(r[1], s[1], RATE, edges_from=e[1]),
    ],
    "SpikeCorrelations": lambda r, s, e: [
        metrics.correlation_kl(r[1], s[1], RATE, edges_from=e[1])
    ],
    "VanRossum": lambda r, s, e: [metrics.van_rossum_kl(r[1], s[1], RATE, edges_from=e[1])],
    "PopulationCounts": lambda r, s, e: [metrics.population_count_kl(r[1], s[1], edges_from=e[1])],
    "CorrelationMatrix": lambda r, s, e: metrics.correlation_matrix_agreement(r[0], s[0]),
    "LogSpectrum": lambda r, s, e: [metrics.log_spectrum_error(r[0], s[0])],
    "MeanRates": lambda r, s, e: [
        np.sqrt(np.mean((r[1].mean(axis=(0, 1)) - s[1].mean(axis=(0, 1))) ** 2)) * RATE
    ],
    "SpikeCorrelationMatrix": lambda r, s, e: [
        metrics.correlation_matrix_agreement(
            *(x[1].reshape(len(x[1]), WIDTH // 5, 5, 5).sum(axis=2) for x in (r, s))
        ).r
    ],
    "WindowVariability": lambda r, s, e: [
        np.sqrt(
            np.mean(
                (20 * np.log10(s[0].mean(axis=1).std(axis=0) / r[0].mean(axis=1).std(axis=0))) ** 2
            )
        )
    ],
}


@pytest.mark.parametrize("name", ORACLES)
def test_sums_give_what_the_metrics_give(pair, name):
    _, _, values, _ = compute(pair, getattr(measures_module, name))
    _, arrays = pair
    for draw in range(2):
        expected = ORACLES[name](arrays["real"][draw], arrays["synthetic"][draw], arrays["real"][0])
        np.testing.assert_allclose(values[:, draw], expected, rtol=1e-4)


def test_lagged_correlations_and_autocorrelation(pair):
    _, measure, values, _ = compute(pair, measures_module.LaggedCorrelations)
    assert measure.lag == 10
    (real, _), (other, _) = (pair[1][name][0] for name in ("real", "synthetic"))
    gap = metrics.lagged_correlation_matrix(real, 10) - metrics.lagged_correlation_matrix(other, 10)
    gap = gap[~np.eye(5, dtype=bool)]
    assert values[0, 0] == pytest.approx(np.sqrt(np.mean(gap**2)), rel=1e-4)

    _, measure, values, _ = compute(pair, measures_module.Autocorrelation)
    assert measure.lags[-1] == 20
    gap = metrics.autocorrelation(real, 20) - metrics.autocorrelation(other, 20)
    gap = gap[:, measure.lags[1:]]
    assert values[0, 0] == pytest.approx(np.sqrt(np.mean(gap**2)), rel=1e-4)


@pytest.mark.parametrize(("shift", "rel"), [(0.0, 0.03), (0.5, 0.03), (30.0, 0.4)])
def test_grid_wasserstein_is_the_exact_one(pair, shift, rel):
    # Far outside the real range the grid is coarse: there the size of the distance is enough.
    _, arrays = pair
    real, spikes = arrays["real"][0]
    other = (arrays["synthetic"][0][0] + shift).astype(np.float32)
    for kind, oracle in (
        (measures_module.Marginals, metrics.wasserstein_marginals),
        (measures_module.Increments, metrics.wasserstein_increments),
    ):
        measure = kind(Context(real, spikes, RATE, 60))
        sums = [measure.features(x, spikes).sum(axis=0) for x in (real, other)]
        (value,) = measure.compare(np.array(60), sums[0], np.array(50), sums[1])
        assert float(value) == pytest.approx(oracle(real, other).mean(), rel=rel, abs=5e-3)


def test_equal_windows_are_at_distance_zero(pair):
    context = Context(*pair[1]["real"][0], RATE, 60)
    for kind in (*measures_module.PUBLISHED, *measures_module.POPULATION, *measures_module.TRACE):
        measure = kind(context)
        sums = measure.features(context.traces, context.spikes).astype(float).sum(axis=0)
        n = np.array(len(context.traces))
        for info, value in zip(measure.infos, measure.compare(n, sums, n, sums), strict=True):
            best = 1.0 if info.better == "higher" else 0.0
            assert float(value) == pytest.approx(best, abs=1e-6), info.name


def test_unweighted_replicates_are_the_estimate(pair):
    for kind in (measures_module.CorrelationMatrix, measures_module.VanRossum):
        _, measure, values, (real, other) = compute(pair, kind)
        ones = [np.ones((4, sums.n.shape[1])) for sums in (real, other)]
        replicates = replicate_values(measure, real, other, *ones)
        np.testing.assert_allclose(replicates, values[:, [0, 1, 0, 1]])


def test_resampling_takes_as_many_blocks_as_there_are():
    weights = resampling_weights(7, 50, np.random.default_rng(0))
    assert weights.shape == (50, 7)
    assert np.all(weights.sum(axis=1) == 7)


def test_an_interval_is_as_wide_as_its_replicates_spread():
    z = np.linspace(-1.0, 1.0, 201)  # quantiles 0.025 and 0.975 are -0.95 and 0.95
    ends = centred_interval(0.5, 2.0 * np.exp(z))
    np.testing.assert_allclose(ends, 0.5 * np.exp([-0.95, 0.95]))
    ends = centred_interval(0.8, np.tanh(0.3 + z), better="higher")
    np.testing.assert_allclose(ends, np.tanh(np.arctanh(0.8) + np.array([-0.95, 0.95])))


@settings(max_examples=40, deadline=None)
@given(
    value=st.floats(1e-4, 10.0),
    replicates=st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=30),
    better=st.sampled_from(["lower", "higher"]),
)
def test_an_interval_holds_its_estimate(value, replicates, better):
    if better == "higher":
        value, replicates = np.tanh(value), np.tanh(replicates)
    low, high = centred_interval(value, np.asarray(replicates), better=better)
    assert low <= value * (1 + 1e-9)
    assert high >= value * (1 - 1e-9)


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5), max_shift=st.integers(0, 6))
def test_reference_windows_cover_every_start(lengths, max_shift):
    starts = np.concatenate([100 * i + np.arange(length) for i, length in enumerate(lengths)])
    chosen = covering_starts(starts, max_shift)
    assert set(chosen) <= set(starts)
    distance = np.abs(starts[:, None] - chosen).min(axis=1)
    assert distance.max() <= max_shift


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    width=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_windows_never_cross_a_border(lengths, width, seed):
    lengths[0] += width
    # Every frame carries its segment and its place there.
    segments = [
        np.stack([np.full(n, i), np.arange(n)], axis=1).astype(np.float32)
        for i, n in enumerate(lengths)
    ]
    segments = [np.repeat(segment, [1, 1], axis=1) for segment in segments]
    source = read_source(Recording(np.concatenate(segments), RATE,
                                   segments=np.stack([np.cumsum([0, *lengths[:-1]]),
                                                      np.cumsum(lengths)], axis=1)),
                         width, name="real")  # fmt: skip
    bank = draw_from_recording(source, ("a", "b"), 30, 2, np.random.default_rng(seed))
    windows = bank.traces(np.arange(bank.n_windows))
    assert np.all(windows[:, :, 0] == windows[:, :1, 0])
    assert np.all(np.diff(windows[:, :, 1], axis=1) == 1)
    assert bank.lists["a"].shape == bank.lists["b"].shape == (2, 30)


@settings(max_examples=30, deadline=None)
@given(n_starts=st.integers(1, 40), n=st.integers(1, 40), seed=st.integers(0, 99))
def test_windows_are_drawn_once_as_long_as_there_are_enough(n_starts, n, seed):
    source = read_source(np.zeros((n_starts + 9, 2)), 10, name="real")
    rng = np.random.default_rng(seed)
    bank = draw_from_recording(source, ("a", "b"), n, 2, rng, once=True)
    for first, second in zip(bank.lists["a"], bank.lists["b"], strict=True):
        assert len(first) == len(second) == n
        assert (len(set(first)) == n) or n > n_starts
        assert (len({*first, *second}) == 2 * n) or 2 * n > n_starts


def test_the_memoriser_is_drawn_from_other_starts():
    source = read_source(np.zeros((500, 2)), 20, name="train")
    bank = draw_from_recording(source, ("train", "memoriser"), 100, 3, np.random.default_rng(0))
    for mine, theirs in zip(bank.lists["train"], bank.lists["memoriser"], strict=True):
        assert not set(mine) & set(theirs)


def test_shuffling_keeps_each_neuron_and_its_spikes(recordings):
    source = read_source(recordings[0], WIDTH, name="train")
    bank = draw_from_recording(source, ("train",), 50, 2, np.random.default_rng(0))
    bank = bank.with_spikes(lambda windows: windows > 0.5)
    mixed = bank.shuffled("train", np.random.default_rng(1))
    for draw in range(2):
        before = bank.traces(bank.lists["train"][draw])
        after = mixed.traces(mixed.lists["shuffled"][draw])
        for neuron in range(NEURONS):
            mine, theirs = before[:, :, neuron], after[:, :, neuron]
            assert sorted(map(tuple, mine)) == sorted(map(tuple, theirs))
        assert not np.array_equal(before, after)
        np.testing.assert_array_equal(mixed.spikes(mixed.lists["shuffled"][draw]), after > 0.5)


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
        (float("nan"), "undefined"),
        (float("inf"), "infinite"),
    ],
)
def test_numbers_are_shown_with_three_digits(value, shown):
    assert show(value) == shown


def test_evaluation_is_public():
    import calgan

    assert calgan.Evaluation is Evaluation
