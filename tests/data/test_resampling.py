"""Resampling keeps the integral, whatever the two rates are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calgan.data.resampling import resampled_counts, resampled_traces

RATES = st.floats(0.5, 200.0)
COUNTS = hnp.arrays(
    np.int16, st.tuples(st.integers(1, 60), st.integers(1, 3)), elements=st.integers(0, 9)
)


def by_hand(counts: np.ndarray, frame_rate: float, new_rate: float, n_frames: int) -> np.ndarray:
    """Return the counts by the overlap of every old with every new frame."""
    old, new = np.arange(len(counts)) / frame_rate, np.arange(n_frames) / new_rate
    stops = np.minimum.outer(new + 1 / new_rate, old + 1 / frame_rate)
    overlaps = np.maximum(stops - np.maximum.outer(new, old), 0.0)
    return np.tensordot(overlaps * frame_rate, counts, axes=(1, 0))


@given(COUNTS, RATES, RATES)
def test_counts_are_shared_out_by_overlap(
    counts: np.ndarray, frame_rate: float, new_rate: float
) -> None:
    found = resampled_counts(counts, frame_rate, new_rate)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    assert len(found) == int(len(counts) * new_rate / frame_rate + 1e-6)
    expected = by_hand(counts, frame_rate, new_rate, len(found))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@given(COUNTS, RATES, RATES)
def test_sums_are_kept_where_the_frames_suffice(
    counts: np.ndarray, frame_rate: float, new_rate: float
) -> None:
    enough = int(np.ceil(len(counts) * new_rate / frame_rate)) + 2
    found = resampled_counts(counts, frame_rate, new_rate, n_frames=enough)
    assert found.shape == (enough, counts.shape[1])
    np.testing.assert_allclose(found.sum(axis=0), counts.sum(axis=0), rtol=1e-4, atol=1e-4)
    assert (found[-1] == 0).all()


@given(COUNTS, RATES, st.integers(1, 8))
def test_whole_ratios_are_plain_sums_and_means(
    counts: np.ndarray, frame_rate: float, factor: int
) -> None:
    n = len(counts) // factor
    blocks = counts[: n * factor].reshape(n, factor, counts.shape[1])
    found = resampled_counts(counts, frame_rate, frame_rate / factor)
    np.testing.assert_array_equal(found, blocks.sum(axis=1))
    means = resampled_traces(counts, frame_rate, frame_rate / factor)
    np.testing.assert_array_equal(means, blocks.mean(axis=1).astype(np.float32))
    # The other way, a frame's counts are spread evenly.
    fine = resampled_counts(counts, frame_rate, frame_rate * factor)
    even = np.repeat(counts / factor, factor, axis=0)
    np.testing.assert_allclose(fine, even, rtol=1e-5, atol=1e-6)


@given(COUNTS, RATES)
def test_the_same_rate_changes_nothing(counts: np.ndarray, frame_rate: float) -> None:
    np.testing.assert_array_equal(resampled_counts(counts, frame_rate, frame_rate), counts)
    np.testing.assert_array_equal(resampled_traces(counts, frame_rate, frame_rate), counts)


@given(COUNTS, RATES, RATES)
def test_a_constant_stays_constant_and_means_lie_within(
    counts: np.ndarray, frame_rate: float, new_rate: float
) -> None:
    level = resampled_traces(np.full((50, 2), 0.7), frame_rate, new_rate, n_frames=80)
    np.testing.assert_allclose(level, 0.7, rtol=1e-6)
    found = resampled_traces(counts, frame_rate, new_rate, n_frames=70)
    assert (found >= counts.min(axis=0) - 1e-5).all()
    assert (found <= counts.max(axis=0) + 1e-5).all()


def test_numbers_computed_by_hand() -> None:
    counts = np.array([4.0, 0.0, 2.0])
    # At 2 frames a second, frames of 0.75 s end in the middle of the second one, and with the last.
    np.testing.assert_allclose(resampled_counts(counts, 2.0, 4 / 3), [4.0, 2.0])
    np.testing.assert_allclose(resampled_counts(counts, 2.0, 1.0), [4.0])
    np.testing.assert_allclose(resampled_counts(counts, 2.0, 1.0, n_frames=3), [4.0, 2.0, 0.0])
    np.testing.assert_allclose(resampled_counts(counts, 2.0, 1.0, n_frames=0), [])
    np.testing.assert_allclose(resampled_traces(counts, 2.0, 4 / 3), [8 / 3, 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(resampled_traces(counts, 2.0, 1.0, n_frames=3), [2.0, 2.0, 2.0])
    # Centres of the new frames are at 1/4 and 3/4 of the old ones.
    np.testing.assert_allclose(resampled_traces(counts, 2.0, 4.0), [4.0, 3.0, 1.0, 0.5, 1.5, 2.0])
    np.testing.assert_allclose(resampled_traces(counts[:1], 2.0, 4.0), [4.0, 4.0])


def test_interpolation_is_that_of_numpy() -> None:
    trace = np.random.default_rng(0).normal(size=(90, 2))
    found = resampled_traces(trace, 7.0, 30.0)
    old, new = (np.arange(90) + 0.5) / 7.0, (np.arange(len(found)) + 0.5) / 30.0
    for n in range(2):
        np.testing.assert_allclose(found[:, n], np.interp(new, old, trace[:, n]), atol=1e-6)


def test_a_long_recording_does_not_drift() -> None:
    trace = np.random.default_rng(0).random((1_000_000, 2), dtype=np.float32) + 1000.0
    blocks = trace.astype(np.float64).reshape(-1, 4, 2)
    for rate in (30.0, 29.97, 100 / 3):
        np.testing.assert_array_equal(
            resampled_counts(trace, rate, rate / 4), blocks.sum(axis=1).astype(np.float32)
        )
        np.testing.assert_array_equal(
            resampled_traces(trace, rate, rate / 4), blocks.mean(axis=1).astype(np.float32)
        )


def test_axes_after_the_first_are_kept() -> None:
    counts = np.random.default_rng(0).poisson(1.0, (40, 3, 2))
    found = resampled_counts(counts, 10.0, 3.0)
    assert found.shape == (12, 3, 2)
    for m in range(3):
        np.testing.assert_array_equal(found[:, m], resampled_counts(counts[:, m], 10.0, 3.0))


@pytest.mark.parametrize("resampled", [resampled_counts, resampled_traces])
def test_wrong_inputs_are_named(resampled) -> None:
    with pytest.raises(ValueError, match=r"must be \(frames, \.\.\.\) with at least one frame"):
        resampled(np.zeros((0, 2)), 10.0, 5.0)
    with pytest.raises(ValueError, match=r"frame_rate must be a positive"):
        resampled(np.zeros((4, 2)), 0.0, 5.0)
    with pytest.raises(ValueError, match=r"new_rate must be a positive"):
        resampled(np.zeros((4, 2)), 10.0, -5.0)
    with pytest.raises(ValueError, match=r"n_frames must be an integer of at least 0"):
        resampled(np.zeros((4, 2)), 10.0, 5.0, n_frames=-1)
