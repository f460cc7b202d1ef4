"""Windows at random starts."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from evaluation_cases import (
    RATE,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from calgan import Recording
from calgan.data.random_windows import (
    draw_from_recording,
    read_source,
)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    window=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_windows_never_cross_a_border(lengths, window, seed):
    lengths[0] += window
    # Every frame carries its segment and its place there.
    segments = [
        np.stack([np.full(n, i), np.arange(n)], axis=1).astype(np.float32)
        for i, n in enumerate(lengths)
    ]
    segments = [np.repeat(segment, [1, 1], axis=1) for segment in segments]
    borders = np.stack([np.cumsum([0, *lengths[:-1]]), np.cumsum(lengths)], axis=1)
    recording = Recording(np.concatenate(segments), RATE, segments=borders)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of segments that are too short
        source = read_source(recording, window, name="real")
    bank = draw_from_recording(source, {"a": 2, "b": 2}, 30, np.random.default_rng(seed))
    windows = bank.traces(np.arange(bank.n_windows))
    assert np.all(windows[:, :, 0] == windows[:, :1, 0])
    assert np.all(np.diff(windows[:, :, 1], axis=1) == 1)
    assert bank.lists["a"].shape == bank.lists["b"].shape
    assert bank.lists["a"].shape[1] == 30


@settings(max_examples=30, deadline=None)
@given(n_starts=st.integers(1, 40), n=st.integers(1, 40), seed=st.integers(0, 99))
def test_windows_are_drawn_once_as_long_as_there_are_enough(n_starts, n, seed):
    source = read_source(np.zeros((n_starts + 9, 2)), 10, name="real")
    rng = np.random.default_rng(seed)
    bank = draw_from_recording(source, {"a": 2, "b": 2}, n, rng)
    for first, second in zip(bank.lists["a"], bank.lists["b"], strict=True):
        assert len(first) == len(second) == n
        assert (len(set(first)) == n) or n > n_starts
        assert (len({*first, *second}) == 2 * n) or 2 * n > min(n_starts, 8 * source.n_independent)


@pytest.mark.parametrize(("n_frames", "n_draws"), [(40, 1), (500, 2), (4000, 3)])
def test_windows_are_drawn_until_they_hold_each_frame_eight_times(n_frames, n_draws):
    window, n = 20, 100
    source = read_source(np.zeros((n_frames, 1)), window, name="real")
    bank = draw_from_recording(source, {"a": 3}, n, np.random.default_rng(0))
    assert bank.lists["a"].shape == (n_draws, n)
    starts = bank.rows[:, 0]
    assert len(starts) == min(len(source.starts), n_draws * n)
    # The starts are spread over the recording: no gap is long.
    most_apart = 2 * (n_frames - window + 1) / len(starts)
    assert np.diff(starts).max() <= most_apart + 1
