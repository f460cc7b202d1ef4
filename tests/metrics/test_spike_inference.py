"""Scores of inferred spikes are those of numpy, scikit-learn and elephant."""

from __future__ import annotations

import numpy as np
import pytest
import quantities as pq
from elephant.spike_train_dissimilarity import van_rossum_distance
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from neo import SpikeTrain
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import toeplitz
from sklearn.metrics import roc_auc_score

from calgan import Recording
from calgan.data.resampling import resampled_counts
from calgan.metrics import spike_inference_scores

RATE = 20.0
NAMES = ["correlation", "bias", "error", "auc", "van_rossum"]

few = st.integers(0, 3)


@pytest.fixture(scope="module")
def spikes() -> tuple[np.ndarray, np.ndarray]:
    """Return true counts and an inference with misses and noise, (600, 4) each."""
    rng = np.random.default_rng(0)
    true = rng.poisson(0.1, (600, 4))
    return true, (rng.binomial(true, 0.7) + rng.gamma(0.2, 0.2, true.shape)).astype(np.float32)


def test_scores_agree_with_numpy_and_scikit_learn(spikes) -> None:
    true, inferred = spikes
    scores = spike_inference_scores(true, inferred, RATE, bin_width=0.25)
    assert list(scores) == NAMES
    n, m = (each.reshape(120, 5, 4).sum(axis=1, dtype=np.float64) for each in spikes)
    for k in range(4):
        assert_allclose(scores["correlation"][k], np.corrcoef(n[:, k], m[:, k])[0, 1], rtol=1e-6)
        assert_allclose(scores["bias"][k], m[:, k].sum() / n[:, k].sum() - 1, rtol=1e-6)
        error = np.abs(m[:, k] - n[:, k]).sum() / n[:, k].sum()
        assert_allclose(scores["error"][k], error, rtol=1e-6)
        assert_allclose(scores["auc"][k], roc_auc_score(n[:, k] > 0, m[:, k]), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:The 'copy' argument in Quantity")
def test_van_rossum_agrees_with_elephant() -> None:
    rng = np.random.default_rng(1)
    true, inferred = rng.random((2, 300, 3)) < 0.1
    found = spike_inference_scores(true, inferred, RATE, bin_width=0.2)["van_rossum"]
    for k in range(3):
        trains = [
            SpikeTrain(np.flatnonzero(train) / RATE, units="s", t_stop=300 / RATE)
            for train in (true[:, k], inferred[:, k], np.zeros(300))
        ]
        distances = van_rossum_distance(trains, time_constant=0.2 * pq.s)
        assert_allclose(found[k], distances[0, 1] / distances[0, 2], rtol=1e-9)


def test_numbers_computed_by_hand() -> None:
    true = np.array([[2, 0, 0, 1, 0, 0, 0, 0]]).T
    inferred = np.array([[1, 0, 1, 0, 0, 0, 0, 0]]).T
    scores = spike_inference_scores(true, inferred, 1.0, bin_width=2.0)  # 2 1 0 0 and 1 1 0 0
    assert_allclose(scores["bias"], [-1 / 3])
    assert_allclose(scores["error"], [1 / 3])
    assert_allclose(scores["auc"], [1.0])
    assert_allclose(scores["correlation"], [np.sqrt(9 / 11)])


def test_bins_need_not_be_whole_frames(spikes) -> None:
    true, inferred = spikes
    scores = spike_inference_scores(true, inferred, 30.0, bin_width=1 / 7.5)
    whole = spike_inference_scores(true[:600], inferred[:600], 30.0, bin_width=4 / 30)
    for name in NAMES:
        assert_allclose(scores[name], whole[name], rtol=1e-6)
    # 1.5 frames a bin: each second frame is halved.
    halves = np.repeat(true / 2, 2, axis=0).reshape(-1, 3, 4).sum(axis=1)
    others = np.repeat(inferred / 2, 2, axis=0).reshape(-1, 3, 4).sum(axis=1)
    scores = spike_inference_scores(true, inferred, RATE, bin_width=1.5 / RATE)
    expected = [np.corrcoef(halves[:, k], others[:, k])[0, 1] for k in range(4)]
    assert_allclose(scores["correlation"], expected, rtol=1e-6)


def test_a_perfect_inference_has_the_best_scores(spikes) -> None:
    scores = spike_inference_scores(spikes[0], spikes[0], RATE, bin_width=0.2)
    for name, best in zip(NAMES, [1, 0, 0, 1, 0], strict=True):
        assert_allclose(scores[name], best, atol=1e-12)


def test_no_inferred_spikes_are_a_bias_of_minus_one(spikes) -> None:
    scores = spike_inference_scores(spikes[0], np.zeros((600, 4)), RATE, bin_width=0.2)
    assert np.isnan(scores["correlation"]).all()
    for name, value in zip(NAMES[1:], [-1, 1, 0.5, 1], strict=True):
        assert_allclose(scores[name], np.full(4, value), rtol=1e-12)


def test_scores_of_a_silent_neuron_are_undefined(spikes) -> None:
    true, inferred = spikes[0].copy(), spikes[1]
    true[:, 1] = 0
    scores = spike_inference_scores(true, inferred, RATE, bin_width=0.2)
    for name in NAMES:
        assert_array_equal(np.isnan(scores[name]), [False, True, False, False])
    # Spikes in every bin leave none to tell them from.
    busy = spike_inference_scores(true * 0 + 1, inferred, RATE, bin_width=0.2)
    assert np.isnan(busy["auc"]).all()
    assert np.isnan(busy["correlation"]).all()
    assert np.isfinite(busy["error"]).all()


def van_rossum_by_hand(parts: list[tuple[np.ndarray, np.ndarray]], tau: float) -> np.ndarray:
    """Distance of pooled parts over that of no spikes, from its kernel; tau in frames."""

    def squared(signal: np.ndarray) -> np.ndarray:
        kernel = toeplitz(np.exp(-np.arange(len(signal)) / tau))
        return np.einsum("sn,st,tn->n", signal, kernel, signal)

    above = sum(squared(inferred - true) for true, inferred in parts)
    return np.sqrt(above / sum(squared(true) for true, _ in parts))


def test_windows_and_segments_are_pooled(spikes) -> None:
    true, inferred = (each.astype(np.float64) for each in spikes)
    whole = spike_inference_scores(true, inferred, RATE, bin_width=0.5)
    windows = [each.reshape(6, 100, 4) for each in (true, inferred)]
    pooled = spike_inference_scores(*windows, RATE, bin_width=0.5)
    segments = [[0, 305], [400, 600]]  # the last 5 frames of the first make no bin
    recording = Recording(inferred, RATE, units="spikes", segments=segments)
    joined = np.r_[0:300, 400:600]
    parts = spike_inference_scores(true, recording, RATE, bin_width=0.5)
    alone = spike_inference_scores(true[joined], inferred[joined], RATE, bin_width=0.5)
    for name in NAMES[:4]:
        assert_allclose(pooled[name], whole[name], rtol=1e-12)
        assert_allclose(parts[name], alone[name], rtol=1e-12)
    cut = [(true[start:stop], inferred[start:stop]) for start, stop in segments]
    for found, each in ((pooled, list(zip(*windows, strict=True))), (parts, cut)):
        assert_allclose(found["van_rossum"], van_rossum_by_hand(each, 0.5 * RATE), rtol=1e-5)


def test_frames_outside_segments_do_not_count(spikes) -> None:
    true, inferred = (each.astype(np.float32) for each in spikes)
    kept = spike_inference_scores(true[:500], inferred[:500], RATE, bin_width=0.5)
    true[500:], inferred[500:] = np.nan, np.nan
    recording = Recording(inferred, RATE, segments=[[0, 500]])
    found = spike_inference_scores(true, recording, RATE, bin_width=0.5)
    for name in NAMES:
        assert_array_equal(found[name], kept[name])


def test_two_recordings_must_be_of_the_same_frames_and_neurons(spikes) -> None:
    true, inferred = (Recording(each, RATE, roi_ids=list("abcd")) for each in spikes)
    scores = spike_inference_scores(true, inferred, RATE, bin_width=0.5)
    plain = spike_inference_scores(*spikes, RATE, bin_width=0.5)
    for name in NAMES:
        assert_allclose(scores[name], plain[name], rtol=1e-6)
    segments = [[0, 300], [300, 600]]
    for other, sentence in (
        (inferred.select([1, 0, 2, 3]), "the roi_ids of inferred are not those of true"),
        (Recording(spikes[1], RATE), "the roi_ids of inferred are not those of true"),
        (Recording(spikes[1], 10.0, roi_ids=list("abcd")), "and inferred 10 Hz"),
        (inferred.select([0, 1]), "true has shape"),
        (
            Recording(spikes[1], RATE, roi_ids=list("abcd"), segments=segments),
            "true and inferred differ in their segments",
        ),
    ):
        with pytest.raises(ValueError, match=sentence) as caught:
            spike_inference_scores(true, other, RATE, bin_width=0.5)
        assert "\n" not in str(caught.value)


@given(arrays(np.int64, (40, 2), elements=few), arrays(np.int64, (40, 2), elements=few))
def test_scores_keep_their_bounds(true: np.ndarray, inferred: np.ndarray) -> None:
    scores = spike_inference_scores(true, inferred, RATE, bin_width=0.13)
    n, m = (resampled_counts(each, RATE, 1 / 0.13) for each in (true, inferred))
    has_spikes = n.any(axis=0)
    spiking = (n >= 0.5).sum(axis=0)
    undefined = {
        "correlation": (np.ptp(n, axis=0) == 0) | (np.ptp(m, axis=0) == 0),
        "bias": ~has_spikes,
        "error": ~has_spikes,
        "auc": (spiking == 0) | (spiking == len(n)),
        "van_rossum": ~true.any(axis=0),
    }
    for name in NAMES:
        assert_array_equal(np.isnan(scores[name]), undefined[name])
    assert not (np.abs(scores["correlation"]) > 1).any()
    assert not ((scores["auc"] < 0) | (scores["auc"] > 1)).any()
    assert not (scores["bias"] < -1).any()
    assert not (scores["van_rossum"] < 0).any()
    assert not (scores["error"] < np.abs(scores["bias"]) - 1e-6).any()
    scaled = spike_inference_scores(true, 3 * inferred, RATE, bin_width=0.13)
    for name in ("correlation", "auc"):
        assert_allclose(scaled[name], scores[name], atol=1e-6)
