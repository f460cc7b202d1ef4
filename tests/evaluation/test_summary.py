"""The summary: one plain verdict for models of known quality, and the rule behind its lights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import judge, replayed

from calgan.evaluation import Statistic

GROUPS = ("published", "population", "trace", "window", "copying")


@pytest.fixture(scope="module")
def of_one_window(recordings, samples):
    return judge(recordings, np.repeat(samples[:1], 200, axis=0))


def lights(evaluation):
    return {row.name: row.status for row in evaluation.summary().rows}


def test_the_true_process_is_as_close_as_real_data(of_truth):
    assert of_truth.summary().sentence.startswith("The samples are as close to the held-out")
    assert set(lights(of_truth).values()) <= {"as close", "better"}


def test_shuffled_neurons_have_lost_the_joint_activity(of_shuffled):
    sentence = of_shuffled.summary().sentence
    assert sentence.startswith("The samples have lost what the neurons do together: in ")
    found = lights(of_shuffled)
    assert found["population"] == "off"
    assert found["trace"] == found["copying"] == "as close"


def test_wide_intervals_are_no_loss_of_the_joint_activity(of_truth):
    rows = [replace(row, value_interval=(-1.0, 99.0)) for row in of_truth.statistics]
    off = {"value": 9.0, "ratio": 9.0, "ratio_interval": (5.0, 20.0)}
    rows = [replace(row, **off) if row.name == "population_count_kl" else row for row in rows]
    summary = replace(of_truth, statistics=tuple(rows)).summary()
    assert "off: population" in summary.sentence
    assert "lost what the neurons do together" not in summary.sentence


def test_a_memoriser_copies_whatever_else_looks_good(of_replay):
    assert of_replay.summary().sentence.startswith("The model copies its training recording")
    found = lights(of_replay)
    assert found["copying"] == "off"
    assert found["published"] == found["population"] == "as close"


def test_a_collapse_is_said_first(of_collapse, of_one_window):
    for evaluation in (of_collapse, of_one_window):
        assert evaluation.summary().sentence.startswith("The generator has collapsed")
        assert lights(evaluation)["trace"] == lights(evaluation)["published"] == "off"


def test_it_prints_five_lines_and_five_lights(of_truth, of_shuffled, of_replay, of_collapse):
    for evaluation in (of_truth, of_shuffled, of_replay, of_collapse):
        summary = evaluation.summary()
        words, _, table = str(summary).partition("\n\n")
        assert len(words.splitlines()) <= 5
        assert len(table.splitlines()) == len(summary.rows) == 5
        assert max(map(len, str(summary).splitlines())) <= 120
        assert str(evaluation).startswith(str(summary))
        page = summary._repr_html_()
        assert summary.sentence in page
        assert all(row.light in page for row in summary.rows)


def test_what_was_trained_on_is_said(of_truth):
    rows = [replace(row, trained_on=row.group == "published") for row in of_truth.statistics]
    summary = replace(of_truth, statistics=tuple(rows)).summary()
    assert summary.lines[-1].startswith("The model was trained on 3 of 26 statistics (*); of the")
    by_name = dict(zip(GROUPS, summary.rows, strict=True))
    assert " *: " in by_name["published"].text
    assert " *: " not in by_name["trace"].text


def test_the_gaussian_says_what_the_model_adds(of_truth):
    def with_gaussian(values):
        rows = iter(values)
        changed = [
            replace(row, controls={**row.controls, "dichotomized_gaussian": next(rows)})
            if row.group == "population"
            else row
            for row in of_truth.statistics
        ]
        return replace(of_truth, statistics=tuple(changed)).summary().lines[0]

    worse = [-1.0 if "matrix r" in row.label else 99.0 for row in of_truth.statistics
             if row.group == "population"]  # fmt: skip
    assert with_gaussian(worse).endswith("an average memory, in 7 of 7.")
    text = with_gaussian([0.0, *worse[1:]])
    assert text.endswith("in 6 of 7: the model adds nothing in population count KL.")
    better = [-value for value in worse]
    assert with_gaussian(better).endswith("in 0 of 7: the model adds nothing to it.")


def row(value, baseline, interval, low, high, *, name="a_w1", by="ratio", better="lower"):
    """Return a statistic with the interval of its ratio, or of its difference, from low to high."""
    ends = None if low is None else (low, high)
    is_ratio = by == "ratio"
    return Statistic(
        name, "it", "window", value, None, baseline, interval,
        value / baseline if baseline and is_ratio else None, ends if is_ratio else None, {},
        better=better, judged_by=by, difference_interval=None if is_ratio else ends,
    )  # fmt: skip


AREA = {"name": "classifier_auc", "by": "difference"}


@pytest.mark.parametrize(
    ("statistic", "light"),
    [
        (row(3.0, 1.0, (0.5, 2.0), 1.4, 6.0), "off"),
        (row(3.0, 1.0, (0.5, 2.0), 1.1, 6.0), "as close"),  # not clearly above the baseline
        (row(1.8, 1.0, (0.5, 2.0), 1.4, 2.0), "as close"),  # within the baseline's own interval
        (row(0.5, 1.0, (0.8, 2.0), 0.3, 0.9), "better"),
        (row(0.5, 0.9, (0.8, 0.95), 3.0, 9.0, better="higher"), "off"),
        (row(0.85, 0.9, (0.8, 0.95), 1.3, 2.0, better="higher"), "as close"),
        (row(3.0, 1.0, (0.5, 2.0), 0.5, 3.0, by="difference"), "off"),
        (row(3.0, 1.0, (0.5, 2.0), -0.5, 3.0, by="difference"), "as close"),
        (row(0.8, 0.6, (0.5, 0.7), 0.1, 0.3, **AREA), "off"),
        (row(0.5, 0.3, (0.2, 0.4), 0.1, 0.3, **AREA), "as close"),  # chance
        (row(0.99, 0.96, (0.9, 0.97), 0.01, 0.1, **AREA), "not told"),  # so is real data
        (row(np.nan, 1.0, (0.5, 2.0), None, None), "not told"),
        (row(9.0, np.nan, (np.nan, np.nan), None, None), "not told"),
        (row(9.0, 1.0, None, None, None), "not told"),
        (row(9.0, None, None, None, None), "not told"),
    ],
)
def test_the_light_follows_from_the_intervals(of_truth, statistic, light):
    evaluation = replace(of_truth, statistics=(statistic,))
    assert lights(evaluation)["window"] == light
    (_, _, _, whole, _) = evaluation.summary().rows
    assert whole.text
    assert whole.light.startswith({"as close": "as close", "better": "better"}.get(light, light))


def test_the_worst_row_decides(of_truth):
    good, bad = row(0.9, 1.0, (0.5, 2.0), 0.6, 1.4), row(9.0, 1.0, (0.5, 2.0), 4.0, 20.0)
    for rows in ((good, bad), (bad, good)):
        (_, _, _, whole, _) = replace(of_truth, statistics=rows).summary().rows
        assert whole.light == "off (1 of 2)"
        assert whole.text == "it: 9.0 times as far as real data [4.0, 20]"


def test_samples_that_lean_towards_the_training_recording_are_said_to(of_truth, recordings):
    found = {**of_truth.memorisation, "value": 0.6, "interval": (0.58, 0.62), "replay": 0.0}
    summary = replace(of_truth, memorisation=found).summary()
    assert "lean towards the training recording" in summary.sentence
    assert summary.rows[-1].light == "perhaps"


def test_undefined_rows_are_na_and_say_so(of_truth):
    nothing = replace(row(np.nan, np.nan, None, None, None), reason="needs a spike")
    evaluation = replace(of_truth, statistics=(replace(nothing, ratio=None), *of_truth.statistics))
    assert evaluation.summary().sentence == of_truth.summary().sentence
    lines = str(evaluation).splitlines()
    (line,) = [text for text in lines if text.startswith("  it ")]
    assert set(line.split()[1:]) == {"n/a"}
    assert "n/a: it: needs a spike." in lines
    assert "n/a: it: needs a spike." in evaluation._repr_html_()


def test_without_the_shuffled_control_nothing_is_said_of_it(of_shuffled):
    rows = tuple(replace(row, controls={}) for row in of_shuffled.statistics)
    summary = replace(of_shuffled, statistics=rows).summary()
    assert summary.sentence.startswith("As close to the held-out recording as real data in 4 of 5")
    assert summary.lines == ()


def test_without_intervals_nothing_is_told(recordings, samples):
    evaluation = judge(recordings, samples[:100], n_splits=1, n_bootstrap=0)
    assert "cannot be told" in evaluation.summary().sentence
    assert {s for name, s in lights(evaluation).items() if name != "copying"} == {"not told"}


def test_held_out_frames_in_the_training_recording_tell_nothing(recordings):
    train, _ = recordings
    with pytest.warns(UserWarning, match="occur in train"):
        evaluation = judge((train, train[:1000]), replayed(train)[:100], n_splits=1)
    summary = evaluation.summary()
    seen = "100 % of the held-out frames are in the training recording"
    assert summary.sentence == f"Whether the samples are good cannot be told: {seen}."
    assert {(row.status, row.text) for row in summary.rows} == {("not told", seen)}
