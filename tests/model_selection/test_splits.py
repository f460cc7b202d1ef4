"""Blocked splits: no test frame has a training window within reach."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import cross_val_score

from calgan.data.recording import Recording
from calgan.data.windows import Windower
from calgan.model_selection import BlockedKFold, thesis_split, train_test_blocks


def frames(n_frames: int, n_neurons: int = 2, first: int = 0) -> np.ndarray:
    """Return an array whose every row holds its own frame number."""
    numbers = np.arange(first, first + n_frames, dtype=np.float32)
    return np.repeat(numbers[:, None], n_neurons, axis=1)


# train_test_blocks


def test_array_is_cut_at_the_end_with_the_gap_left_out() -> None:
    train, test = train_test_blocks(frames(100), test_size=0.3, gap=10)
    np.testing.assert_array_equal(train[:, 0], np.arange(60))
    np.testing.assert_array_equal(test[:, 0], np.arange(70, 100))


def test_recording_gives_recordings_with_everything_kept() -> None:
    recording = Recording(frames(100), 5.0, roi_ids=["a", "b"], metadata={"animal": 3})
    train, test = train_test_blocks(recording, test_size=0.25, gap=5)
    assert isinstance(train, Recording)
    assert isinstance(test, Recording)
    assert (train.n_frames, test.n_frames) == (70, 25)
    assert test.frame_rate == 5.0
    assert list(test.roi_ids) == ["a", "b"]
    assert test.metadata["animal"] == 3


def test_array_is_cut_without_a_copy() -> None:
    traces = frames(100)
    train, test = train_test_blocks(traces, gap=0)
    assert np.shares_memory(train, traces)
    assert np.shares_memory(test, traces)


def test_list_cuts_one_segment_and_keeps_the_others_whole() -> None:
    segments = [frames(40), frames(40, first=40), frames(20, first=80)]
    train, test = train_test_blocks(segments, test_size=0.3, gap=5)
    assert [len(segment) for segment in train] == [40, 25]
    assert [len(segment) for segment in test] == [10, 20]
    assert test[0][0, 0] == 70


def test_no_gap_is_taken_at_the_border_of_two_segments() -> None:
    train, test = train_test_blocks([frames(70), frames(30)], test_size=0.3, gap=64)
    assert [len(segment) for segment in train] == [70]
    assert [len(segment) for segment in test] == [30]
    recording = Recording(frames(100), 2.0, segments=[[0, 70], [70, 100]])
    train, test = train_test_blocks(recording, test_size=0.3, gap=64)
    assert (train.n_frames, test.n_frames) == (70, 30)


def test_gap_does_not_reach_past_its_own_segment() -> None:
    train, test = train_test_blocks([frames(60), frames(40)], test_size=0.3, gap=64)
    assert [len(segment) for segment in train] == [60]
    assert [len(segment) for segment in test] == [30]


def test_recording_of_segments_is_clipped() -> None:
    recording = Recording(frames(100), 2.0, segments=[[0, 50], [50, 100]])
    train, test = train_test_blocks(recording, test_size=0.2, gap=10)
    np.testing.assert_array_equal(train.segments, [[0, 50], [50, 70]])
    np.testing.assert_array_equal(test.segments, [[0, 20]])


def test_list_of_recordings_stays_one() -> None:
    parts = [Recording(frames(50), 2.0), Recording(frames(50), 2.0)]
    train, test = train_test_blocks(parts, test_size=0.3, gap=4)
    assert [type(part) for part in (*train, *test)] == [Recording] * 3
    assert [part.n_frames for part in (*train, *test)] == [50, 16, 30]


@pytest.mark.parametrize("test_size", [0, 1, 1.5, -0.1, float("nan")])
def test_test_size_must_be_a_fraction(test_size: float) -> None:
    with pytest.raises(ValueError, match="test_size must be a fraction between 0 and 1"):
        train_test_blocks(frames(100), test_size=test_size)


@pytest.mark.parametrize("test_size", ["0.3", None])
def test_test_size_must_be_a_number(test_size: object) -> None:
    with pytest.raises(TypeError, match="test_size must be a fraction between 0 and 1"):
        train_test_blocks(frames(100), test_size=test_size)


def test_a_cut_outside_the_segments() -> None:
    late = Recording(frames(100), 2.0, segments=[[80, 100]])
    with pytest.raises(ValueError, match="no frame for training in a recording of 100 frames"):
        train_test_blocks(late, test_size=0.5, gap=4)
    early = Recording(frames(100), 2.0, segments=[[0, 20]])
    with pytest.raises(ValueError, match="no frame for testing in a recording of 100 frames"):
        train_test_blocks(early, test_size=0.5, gap=4)
    # Between two segments nothing needs to be left out.
    apart = Recording(frames(100), 2.0, segments=[[0, 40], [60, 100]])
    train, test = train_test_blocks(apart, test_size=0.5, gap=4)
    np.testing.assert_array_equal(train.segments, [[0, 40]])
    np.testing.assert_array_equal(test.segments, [[10, 50]])


def test_a_gap_that_leaves_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no frame for training in a recording of 100 frames"):
        train_test_blocks(frames(100), test_size=0.5, gap=50)
    with pytest.raises(ValueError, match="no frame for testing"):
        train_test_blocks(frames(10), test_size=0.01, gap=0)


def test_windows_are_no_recording() -> None:
    view = Windower(10).fit_transform(frames(100))
    for windows in (view, np.asarray(view)):
        with pytest.raises(TypeError, match="splits recordings"):
            train_test_blocks(windows)


def test_nan_is_refused() -> None:
    traces = frames(100)
    traces[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        train_test_blocks(traces)


# BlockedKFold


def distance(view, train: int, test: int) -> int:
    """Count the frames strictly between two windows; negative when they overlap."""
    first, second = sorted([view.start[train], view.start[test]])
    return int(second - (first + view.window))


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(150, 260), min_size=1, max_size=3),
    window=st.integers(2, 12),
    stride=st.integers(1, 4),
    gap=st.integers(0, 5),
    n_splits=st.integers(2, 4),
    shuffled=st.booleans(),
)
def test_no_training_window_is_near_a_test_frame(
    lengths: list[int], window: int, stride: int, gap: int, n_splits: int, shuffled: bool
) -> None:
    view = Windower(window, stride=stride).fit_transform([frames(length) for length in lengths])
    if shuffled:
        view = view[np.random.default_rng(0).permutation(len(view))]
    tested = []
    for train, test in BlockedKFold(n_splits, gap=gap).split(view):
        assert len(train)
        assert len(test)
        tested.append(test)
        for segment in range(len(lengths)):
            a = view.start[train][view.segment[train] == segment]
            b = view.start[test][view.segment[test] == segment]
            if len(a) and len(b):
                between = np.abs(a[:, None] - b[None, :]) - window
                assert between.min() >= window + gap
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), np.arange(len(view)))


def test_nothing_is_purged_that_need_not_be() -> None:
    view = Windower(10).fit_transform(frames(200))
    (train, test), *_ = BlockedKFold(4).split(view)
    # Starts 0-47 are tested, so frames 0-56 are; the next window (57-66) is purged.
    assert view.start[test].max() == 47
    assert view.start[train].min() == 47 + 10 + 10
    assert distance(view, train[0], test[-1]) == 10


def test_other_segments_are_not_purged() -> None:
    view = Windower(10).fit_transform([frames(100), frames(100)])
    for train, test in BlockedKFold(2).split(view):
        assert set(view.segment[train]).isdisjoint(view.segment[test])
        assert len(train) == 91


def test_starts_survive_lazy_maps_and_nested_splits() -> None:
    view = Windower(5).fit_transform(frames(300)).map(np.negative)
    train, _ = next(BlockedKFold(3).split(view))
    inner_train, inner_test = next(BlockedKFold(3).split(view[train]))
    nested = view[train]
    gaps = np.abs(nested.start[inner_train][:, None] - nested.start[inner_test]) - nested.window
    assert gaps.min() >= nested.window


def test_a_list_is_split_into_whole_segments() -> None:
    segments = [frames(30 + i) for i in range(7)]
    folds = list(BlockedKFold(3).split(segments))
    assert [test.tolist() for _, test in folds] == [[0, 1, 2], [3, 4], [5, 6]]
    assert [train.tolist() for train, _ in folds] == [
        [3, 4, 5, 6],
        [0, 1, 2, 5, 6],
        [0, 1, 2, 3, 4],
    ]


@pytest.mark.parametrize(
    "X",
    [
        frames(100),
        frames(100).tolist(),
        np.zeros((20, 8, 2)),
        Recording(frames(100), 2.0),
    ],
    ids=["frames", "nested lists", "windows", "Recording"],
)
def test_rows_without_a_time_are_refused(X: object) -> None:
    with pytest.raises(ValueError, match=r"pass Windower\(\.\.\.\)\.fit_transform\(recording\)"):
        next(BlockedKFold(2).split(X))


def test_too_few_rows_or_too_little_time() -> None:
    view = Windower(10).fit_transform(frames(12))
    with pytest.raises(ValueError, match="cannot make n_splits=4 folds of 3 windows"):
        next(BlockedKFold(4).split(view))
    with pytest.raises(ValueError, match="fold 0 of BlockedKFold has no training window left"):
        next(BlockedKFold(2).split(view))


@pytest.mark.parametrize(
    ("params", "error"),
    [({"n_splits": 1}, ValueError), ({"n_splits": 2.0}, TypeError), ({"gap": -1}, ValueError)],
)
def test_parameters_are_checked_by_split(params: dict, error: type[Exception]) -> None:
    splitter = BlockedKFold(**params)
    with pytest.raises(error, match=next(iter(params))):
        next(splitter.split(Windower(5).fit_transform(frames(100))))


def test_splitter_prints_pickles_and_counts() -> None:
    splitter = BlockedKFold(3, gap=2)
    assert repr(splitter) == "BlockedKFold(gap=2, n_splits=3)"
    assert pickle.loads(pickle.dumps(splitter)).get_n_splits() == 3


def test_it_drives_cross_validation() -> None:
    from sklearn.base import BaseEstimator

    class Mean(BaseEstimator):
        def fit(self, X, y=None):
            self.mean_ = np.asarray(X).mean()
            return self

        def score(self, X, y=None):
            return -abs(float(np.asarray(X).mean() - self.mean_))

    view = Windower(5).fit_transform(frames(100))
    assert cross_val_score(Mean(), view, cv=BlockedKFold(3)).shape == (3,)


# thesis_split


def test_published_split_holds_out_the_published_numbers() -> None:
    train, test = thesis_split(frames(21_556), 2048, random_state=0)
    assert (len(train), len(test)) == (8755, 1000)
    assert train.window == test.window == 2048
    starts = np.sort(np.concatenate([train.start, test.start]))
    np.testing.assert_array_equal(starts, 2 * np.arange(9755))
    # Lazy: no frame was copied.
    assert train.segments[0] is test.segments[0]


def test_published_split_leaks() -> None:
    train, test = thesis_split(frames(2000), 64, n_test=100, random_state=0)
    nearest = np.abs(test.start[:, None] - train.start).min(axis=1)
    assert np.all(nearest <= 8)
    assert np.mean(nearest == 2) > 0.9


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(10, 60), min_size=1, max_size=4),
    stride=st.integers(1, 3),
    n_test=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_published_split_is_a_partition(lengths, stride, n_test, seed) -> None:
    lengths[0] += 30
    segments = [frames(length, first=1000 * i) for i, length in enumerate(lengths)]
    every = [
        1000.0 * i + start
        for i, length in enumerate(lengths)
        for start in range(0, length - 9, stride)
    ]
    train, test = thesis_split(segments, 10, n_test=n_test, stride=stride, random_state=seed)
    assert len(test) == min(n_test, len(every) // 5)
    found = sorted(float(window[0, 0]) for part in (train, test) for window in part)
    assert found == every


def test_published_split_depends_on_its_seed_alone() -> None:
    state = np.random.get_state()[1].copy()
    first, again, other = (
        thesis_split(frames(500), 20, n_test=40, random_state=seed)[1].start for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.all(np.diff(first) > 0)
    assert np.array_equal(np.random.get_state()[1], state)


def test_published_split_of_a_view_keeps_what_it_knows() -> None:
    recording = Recording(frames(300), 5.0, roi_ids=["a", "b"])
    view = Windower(20, stride=3).fit_transform(recording)
    train, test = thesis_split(view, 20, n_test=10, random_state=0)
    assert len(train) + len(test) == len(view)
    assert test.frame_rate == 5.0
    assert list(train.roi_ids) == ["a", "b"]
    assert set(test.start) <= set(view.start)


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"window": 58}, ValueError, "gives 2 windows of 58 frames, but the published split need"),
        ({"window": 61}, ValueError, "longer than X"),
        ({"window": 10, "n_test": 0}, ValueError, "n_test must be an integer"),
        ({"window": 10, "n_test": 2.5}, TypeError, "n_test must be an integer"),
        ({"window": 10, "stride": 0}, ValueError, "stride must be"),
        ({"window": 10, "random_state": -1}, ValueError, "random_state must not be negative"),
    ],
)
def test_published_split_refuses(params: dict, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        thesis_split(frames(60), **params)


def test_published_split_refuses_windows_of_another_width() -> None:
    view = Windower(20).fit_transform(frames(300))
    with pytest.raises(ValueError, match="windows of 20 frames"):
        thesis_split(view, 30)
