"""Seeds, spikes and bins."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_cases import (
    RATE,
    judge,
)

from calgan import OasisDeconvolver, evaluate, metrics
from calgan.evaluation import _reference
from calgan.metrics.divergence import histogram_edges


def test_same_seed_same_numbers_and_the_global_generator_untouched(recordings, samples):
    state = np.random.get_state()[1].copy()
    first = judge(recordings, samples[:100], n_splits=1, n_bootstrap=20, n_jobs=None)
    again = judge(recordings, samples[:100], n_splits=1, n_bootstrap=20, n_jobs=3)  # of threads
    other = judge(recordings, samples[:100], n_splits=1, n_bootstrap=20, random_state=1)
    assert first.to_dict() == again.to_dict()
    assert first.to_dict() != other.to_dict()
    assert np.array_equal(np.random.get_state()[1], state)


def test_no_threads_at_all_are_refused(recordings, samples):
    with pytest.raises(ValueError, match="n_jobs must be an integer of at least 1, got 0"):
        judge(recordings, samples[:100], n_jobs=0)


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
        assert mine.baseline == theirs.baseline


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
    edges = histogram_edges(metrics.van_rossum_distance(pooled, RATE))
    of = {name: metrics.van_rossum_distance(x, RATE) for name, x in spikes.items() if x is not None}
    for side, value in (("synthetic", "value"), ("train", "baseline")):
        expected = metrics.smoothed_kl(of["real"], of[side], edges=edges)
        assert getattr(evaluation["van_rossum_kl"], value) == pytest.approx(expected), side
    own = metrics.firing_rate_kl(spikes["real"], spikes["synthetic"], RATE)
    assert own != pytest.approx(evaluation["firing_rate_kl"].value)


def test_rate_bins_do_not_coarsen_when_windows_are_too_large_to_keep(
    recordings, samples, monkeypatch
):
    params = {"n_splits": 1, "n_bootstrap": 0}
    expected = judge(recordings, samples, **params)["firing_rate_kl"]
    monkeypatch.setattr(_reference, "_CONTEXT_VALUES", 1)
    few = judge(recordings, samples, **params)["firing_rate_kl"]
    assert (few.value, few.baseline) == (expected.value, expected.baseline)
