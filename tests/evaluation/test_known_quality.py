"""What the numbers say of generators whose quality is known."""

from __future__ import annotations

import numpy as np
from evaluation_cases import (
    POPULATION,
    judge,
)


def test_the_true_process_is_about_as_close_as_real_data(of_truth):
    for statistic in of_truth.statistics:
        if statistic.judged_by == "ratio":
            assert statistic.ratio < 3.0, statistic.name
    assert of_truth["correlation_matrix_r"].value > 0.8


def test_the_true_process_beats_shuffled_neurons(of_truth, of_shuffled):
    for name in POPULATION:
        mine, theirs = of_truth[name], of_shuffled[name]
        assert mine.excess(mine.value) < mine.excess(mine.controls["shuffled"]), name
        assert mine.excess(mine.value) < theirs.excess(theirs.value), name


def test_shuffled_samples_score_like_the_shuffled_control(of_shuffled):
    statistic = of_shuffled["correlation_matrix_r"]
    assert abs(statistic.value) < 0.5
    assert abs(statistic.controls["shuffled"]) < 0.5
    assert statistic.ratio > 3.0


def test_a_replay_scores_like_the_replay_control(of_replay):
    for statistic in of_replay.statistics:
        if statistic.judged_by == "ratio":
            assert 0.4 < statistic.ratio < 2.5, statistic.name


def test_a_collapsed_generator_does_not_look_good(of_collapse):
    bad = [s.name for s in of_collapse.statistics if s.judged_by == "ratio" and s.ratio > 3.0]
    assert {"van_rossum_kl", "firing_rate_kl", "log_spectrum_error", "marginal_w1"} <= set(bad)
    assert "window_variability_error" in bad
    assert len(bad) >= 8


def test_one_window_again_and_again_is_found_out(recordings, samples):
    evaluation = judge(recordings, np.repeat(samples[:1], 200, axis=0))
    assert evaluation["window_variability_error"].ratio > 3.0
    assert evaluation["firing_rate_kl"].ratio > 3.0
    assert evaluation.summary().sentence.startswith("The generator has collapsed")
