"""A generator tracks statistics of held-out windows while it trains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calgan import Windower
from calgan.datasets import make_process
from calgan.generators.monitor import Tracker, split_in_time, spread


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(20, 90), min_size=1, max_size=4),
    width=st.integers(2, 20),
    stride=st.integers(1, 5),
    fraction=st.floats(0.05, 0.6),
    seed=st.integers(0, 1000),
)
def test_no_frame_is_on_both_sides(
    lengths: list[int], width: int, stride: int, fraction: float, seed: int
) -> None:
    view = Windower(width, stride).fit_transform([np.zeros((n, 1)) for n in lengths])
    view = view[np.random.default_rng(seed).permutation(len(view))]
    train, held_out = split_in_time(view, fraction)

    def frames(chosen: np.ndarray) -> set[tuple[int, int]]:
        return {(view.segment[i], view.start[i] + k) for i in chosen.tolist() for k in range(width)}

    assert not frames(train) & frames(held_out)
    assert len(train) >= min(2, len(view))
    if len(held_out):
        assert len(held_out) == round(fraction * len(view))
        last = max((view.segment[i], view.start[i]) for i in train.tolist())
        assert last < min((view.segment[i], view.start[i]) for i in held_out.tolist())
    else:
        np.testing.assert_array_equal(train, np.arange(len(view)))


def test_no_frame_is_wasted() -> None:
    view = Windower(32).fit_transform(np.zeros((600, 2)))
    train, held_out = split_in_time(view, 0.2)
    assert view.start[train].max() + 32 == view.start[held_out].min()


def test_arrays_are_taken_as_ordered() -> None:
    train, held_out = split_in_time(np.zeros((100, 8, 2)), 0.2)
    assert train.tolist() == list(range(80))
    assert held_out.tolist() == list(range(80, 100))


def test_too_few_windows_are_not_split() -> None:
    train, held_out = split_in_time(np.zeros((50, 8, 2)), 0.1)
    assert len(train) == 50
    assert len(held_out) == 0


@given(st.integers(1, 300), st.integers(2, 50))
def test_spread_keeps_ends_and_order(n: int, limit: int) -> None:
    chosen = spread(np.arange(n), limit)
    assert len(chosen) == min(n, limit)
    assert chosen[0] == 0
    assert chosen[-1] == n - 1
    assert (np.diff(chosen) > 0).all()


@pytest.fixture(scope="module")
def draws() -> list[np.ndarray]:
    process = make_process(6, random_state=0)
    return [process.sample_windows(80, 64, random_state=seed)[0] for seed in range(3)]


def test_the_true_process_scores_near_0_and_worse_windows_worse(draws: list[np.ndarray]) -> None:
    held_out, training, fresh = draws
    tracker = Tracker(held_out, training, 10.0)
    score, row = tracker.score(fresh)
    assert set(row) == {"val_score", *(f"val_{name}" for name in tracker.baseline)}
    assert len(tracker.baseline) == 8
    assert 0 <= score < 0.4
    rng = np.random.default_rng(0)
    shuffled = np.stack([fresh[rng.permutation(80), :, n] for n in range(6)], axis=2)
    noisy = fresh + 0.3 * rng.standard_normal(fresh.shape, dtype=np.float32)
    rigid = np.repeat(fresh[:1], 80, axis=0)
    for worse in (shuffled, noisy, rigid):
        assert tracker.score(worse)[0] > score + 0.1
    assert (
        tracker.compare(shuffled)["correlation_matrix_rmse"]
        > 1.5 * row["val_correlation_matrix_rmse"]
    )


def test_without_a_frame_rate_traces_only(draws: list[np.ndarray]) -> None:
    assert sorted(Tracker(draws[0], draws[1], None).baseline) == [
        "correlation_matrix_rmse",
        "increment_w1",
        "log_spectrum_error",
        "marginal_w1",
    ]


def test_silent_neurons_are_left_out(draws: list[np.ndarray]) -> None:
    held_out, training = (np.concatenate([x, 0 * x[..., :1]], axis=2) for x in draws[:2])
    assert Tracker(held_out, training, 10.0).baseline == Tracker(*draws[:2], 10.0).baseline
    nothing = Tracker(0 * held_out, training, 10.0)
    assert nothing.baseline == {}
    assert nothing.score(training)[0] == np.inf


def test_one_neuron_is_enough(draws: list[np.ndarray]) -> None:
    tracker = Tracker(draws[0][..., :1], draws[1][..., :1], 10.0)
    assert "firing_rate_kl" in tracker.baseline
    assert "van_rossum_kl" not in tracker.baseline
    assert np.isfinite(tracker.score(draws[2][..., :1])[0])


def test_windows_shorter_than_two_bins_have_no_spike_correlations(draws: list[np.ndarray]) -> None:
    for width in (32, 64):  # less than one bin of 50 frames, less than two
        tracker = Tracker(draws[0][:, :width], draws[1][:, :width], 100.0)
        assert "correlation_kl" not in tracker.baseline
        assert "van_rossum_kl" in tracker.baseline
