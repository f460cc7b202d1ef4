"""Windows are lazy, know where they come from, and never cross a segment's border."""

from __future__ import annotations

import itertools
import pickle
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.model_selection import KFold, cross_val_score
from sklearn.utils import _safe_indexing

from calgan import Recording, Windower
from calgan.data.windows import WindowView, gather, iter_batches, segments_of
from calgan.datasets import load_zebrafish_tectum, make_recording


def add(X: np.ndarray, value: float) -> np.ndarray:
    return X + value


def first_two_frames(X: np.ndarray) -> np.ndarray:
    return X[:, :2]


@pytest.fixture
def view(traces: np.ndarray) -> WindowView:
    return Windower(16, stride=4).fit_transform([traces[:100], traces[100:]])


def test_hand_computed() -> None:
    view = Windower(3, stride=2).fit_transform(np.arange(14.0).reshape(7, 2))
    expected = [
        [[0, 1], [2, 3], [4, 5]],
        [[4, 5], [6, 7], [8, 9]],
        [[8, 9], [10, 11], [12, 13]],
    ]
    np.testing.assert_array_equal(np.asarray(view), expected)
    assert view.start.tolist() == [0, 2, 4]
    assert view.segment.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("n_frames", "expected"), [(21_556, 9755), (21_576, 9765)])
def test_thesis_counts(n_frames: int, expected: int) -> None:
    view = Windower(2048, stride=2).fit_transform(np.zeros((n_frames, 1), dtype=np.float32))
    assert view.shape == (expected, 2048, 1)


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    window=st.integers(1, 20),
    stride=st.integers(1, 7),
)
@settings(max_examples=50, deadline=None)
def test_agrees_with_numpy_and_stays_within_segments(
    lengths: list[int], window: int, stride: int
) -> None:
    # Every value names its segment and frame, so that a window across a border would show.
    segments = [
        np.stack([np.full(n, i), np.arange(n)], axis=1).astype(np.float32)
        for i, n in enumerate(lengths)
    ]
    windower = Windower(window, stride)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short segments, or one frame of two neurons
        if max(lengths) < window:
            with pytest.raises(ValueError, match="is longer than X"):
                windower.fit(segments)
            return
        view = windower.fit_transform(segments)
    expected = [
        sliding_window_view(segment, window, axis=0)[::stride].transpose(0, 2, 1)
        for segment in segments
        if len(segment) >= window
    ]
    np.testing.assert_array_equal(np.asarray(view), np.concatenate(expected))
    np.testing.assert_array_equal(view.gather()[:, 0, 0], view.segment)
    np.testing.assert_array_equal(view.gather()[:, 0, 1], view.start)
    assert len(view) == sum(max(0, (n - window) // stride + 1) for n in lengths)


def test_a_view_shares_the_recording(traces: np.ndarray, tmp_path: Path) -> None:
    view = Windower(16).fit_transform(traces)
    assert view.segments[0] is traces
    assert view[3:9].segments[0] is traces
    saved = np.memmap(tmp_path / "traces", dtype=np.float32, mode="w+", shape=traces.shape)
    saved[:] = traces
    mapped = Windower(16).fit_transform(saved)
    assert isinstance(mapped.segments[0], np.memmap)
    np.testing.assert_array_equal(np.asarray(mapped), np.asarray(view))


def test_array_attributes(view: WindowView) -> None:
    expanded = np.asarray(view)
    assert expanded.shape == view.shape == (22 + 32, 16, 5)
    assert expanded.dtype == view.dtype == np.float32
    assert (expanded.ndim, expanded.size, expanded.nbytes) == (view.ndim, view.size, view.nbytes)
    assert len(view) == len(expanded)
    assert view.window == 16


@pytest.mark.parametrize(
    "key",
    [
        slice(3, 20, 4),
        slice(None, None, -1),
        slice(60, None),
        [5, 0, -1],
        np.array([30, 2, 2]),
        np.arange(54) % 3 == 0,
        (np.arange(54) % 3 == 0).tolist(),
        [],
        (np.array([1, 2]), Ellipsis),
        (slice(2, 5), slice(None), slice(None)),
        Ellipsis,
    ],
)
def test_indexing_is_numpys(view: WindowView, key: Any) -> None:
    plain = np.array(key, dtype=int) if isinstance(key, list) and not key else key
    part = view[key]
    assert isinstance(part, WindowView)
    np.testing.assert_array_equal(np.asarray(part), np.asarray(view)[plain])
    first = plain[0] if isinstance(plain, tuple) else plain
    np.testing.assert_array_equal(part.start, view.start[first])
    np.testing.assert_array_equal(part.segment, view.segment[first])


@pytest.mark.parametrize("key", [0, -1, np.int64(3), np.array(3), (3, Ellipsis)])
def test_one_window_is_an_array(view: WindowView, key: Any) -> None:
    window = view[key]
    assert isinstance(window, np.ndarray)
    np.testing.assert_array_equal(window, np.asarray(view)[key])


@pytest.mark.parametrize(
    ("key", "match"),
    [
        (54, "window 54 does not exist: there are 54"),
        ([0, 54], "outside the 54 windows"),
        ([True, False], "each of the 54 windows, got 2"),
        (1.5, "chosen by an integer"),
        ("a", "chosen by an integer"),
        (True, "chosen by an integer"),
        (None, "chosen by an integer"),
        ([[0, 1]], "chosen by an integer"),
        ((0, 3), "first axis only"),
        ((), "first axis only"),
    ],
)
def test_wrong_indices(view: WindowView, key: Any, match: str) -> None:
    with pytest.raises(IndexError, match=match):
        view[key]


def test_a_view_is_read_only(view: WindowView) -> None:
    with pytest.raises(AttributeError):
        view.window = 3  # type: ignore[misc]
    with pytest.raises(ValueError):
        view.start[0] = 3
    with pytest.raises(TypeError):
        view[0] = 0  # type: ignore[index]


def test_expanding_copies(view: WindowView) -> None:
    assert not np.shares_memory(np.asarray(view), view.segments[0])
    assert np.asarray(view, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="a copy is always made"):
        np.array(view, copy=False)


def test_iteration_and_batches(view: WindowView) -> None:
    expanded = np.asarray(view)
    np.testing.assert_array_equal(np.stack(list(view)), expanded)
    batches = list(view.iter_batches(20))
    assert [len(batch) for batch in batches] == [20, 20, 14]
    np.testing.assert_array_equal(np.concatenate(batches), expanded)
    with pytest.raises(ValueError, match="batch_size"):
        view.iter_batches(0)


def test_map_is_lazy_and_in_order(view: WindowView) -> None:
    calls: list[int] = []

    def spy(X: np.ndarray) -> np.ndarray:
        calls.append(len(X))
        return X * 2

    mapped = view.map(partial(add, value=1.0)).map(spy)
    assert not calls
    np.testing.assert_array_equal(mapped[5:7].gather(), (np.asarray(view)[5:7] + 1) * 2)
    assert calls == [2]
    np.testing.assert_array_equal(np.asarray(mapped), (np.asarray(view) + 1) * 2)
    np.testing.assert_array_equal(mapped[3], (view[3] + 1) * 2)
    assert len(view.transforms) == 0


def test_map_to_another_shape(view: WindowView) -> None:
    mapped = view.map(first_two_frames, sample_shape=(2, 5))
    assert mapped.shape == (54, 2, 5)
    assert mapped.window == 16  # of the frames it is cut from
    np.testing.assert_array_equal(np.asarray(mapped), np.asarray(view)[:, :2])
    with pytest.raises(ValueError, match="give map the shape it returns"):
        view.map(first_two_frames).gather([0])


def test_large_views_go_through_transforms_in_pieces(traces: np.ndarray) -> None:
    sizes: list[int] = []

    def spy(X: np.ndarray) -> np.ndarray:
        sizes.append(len(X))
        return X

    view = Windower(4).fit_transform(np.tile(traces, (3, 1)))
    np.testing.assert_array_equal(np.asarray(view.map(spy)), np.asarray(view))
    assert sum(sizes) == len(view) > max(sizes)


def test_covered_frames(traces: np.ndarray) -> None:
    view = Windower(4, stride=10).fit_transform([traces[:50], traces[50:100]])
    frames = view[[0, 2, 2, 7]].covered_frames()
    assert len(frames) == 3  # frames 3 and 20 are no neighbours
    np.testing.assert_array_equal(frames[0], traces[:4])
    np.testing.assert_array_equal(frames[1], traces[20:24])
    np.testing.assert_array_equal(frames[2], traces[70:74])
    assert all(np.shares_memory(each, traces) for each in frames)
    with pytest.raises(ValueError, match="mixes frames"):
        view.map(np.negative).covered_frames()


@given(st.lists(st.integers(0, 44), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_covered_frames_are_those_of_the_windows(chosen: list[int]) -> None:
    view = Windower(6).fit_transform(np.arange(50.0)[:, None])[chosen]
    runs = [frames.ravel() for frames in view.covered_frames()]
    np.testing.assert_array_equal(np.concatenate(runs), np.unique(np.asarray(view)))
    assert all((np.diff(run) == 1).all() for run in runs)
    assert all(after[0] > before[-1] + 1 for before, after in itertools.pairwise(runs))


def test_segments_of_windows_hold_each_covered_frame_once(traces: np.ndarray) -> None:
    recording = Recording(traces, 10.0)
    halves = Recording(traces, 10.0, segments=[[0, 100], [120, 240]])
    for view, parts in (
        (Windower(16).fit_transform(recording), [traces]),
        (Windower(16).fit_transform(recording)[::-1], [traces]),  # in any order
        (Windower(16, stride=16).fit_transform(recording), [traces]),
        (Windower(16).fit_transform(halves), [traces[:100], traces[120:]]),
        (Windower(16).fit_transform(recording)[[5, 5, 30, 5]], [traces[5:21], traces[30:46]]),
    ):
        segments = segments_of(view)
        assert len(segments) == len(parts)
        for segment, part in zip(segments, parts, strict=True):
            np.testing.assert_array_equal(segment, part)


def centred(windows: np.ndarray) -> np.ndarray:
    return windows - windows.mean(axis=1, keepdims=True)


def test_frame_wise_transforms_keep_segments_and_others_do_not(traces: np.ndarray) -> None:
    view = Windower(16, stride=16).fit_transform(traces)
    doubled = view.map(partial(np.multiply, 2.0), frame_wise=True)
    (segment,) = segments_of(doubled)
    np.testing.assert_array_equal(segment, 2 * traces)
    for other in (view.map(centred), doubled.map(centred), view.map(centred).map(abs)):
        assert [len(each) for each in segments_of(other)] == [16] * len(view)
    np.testing.assert_allclose(
        [each.mean() for each in segments_of(view.map(centred))], 0, atol=1e-5
    )


def test_frames_are_transformed_once_each_for_segments(traces: np.ndarray) -> None:
    seen = []

    def count(frames: np.ndarray) -> np.ndarray:
        seen.append(len(frames))
        return frames

    segments_of(Windower(16).fit_transform(traces).map(count, frame_wise=True))
    assert sum(seen) == len(traces)


def test_segments_of_arrays_and_recordings(traces: np.ndarray) -> None:
    windows = traces.reshape(15, 16, 5)
    assert [len(each) for each in segments_of(windows)] == [16] * 15
    recording = Recording(traces, 10.0, segments=[[0, 100], [120, 240]])
    assert [len(each) for each in segments_of(recording)] == [100, 120]
    assert [len(each) for each in segments_of([traces[:50], recording])] == [50, 100, 120]


def test_a_pickle_is_no_larger_than_the_recording(traces: np.ndarray) -> None:
    view = Windower(128).fit_transform(traces).map(partial(add, value=1.0))
    data = pickle.dumps(view[10:60])
    assert len(data) < 2 * traces.nbytes < view.nbytes / 4
    again = pickle.loads(data)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(view[10:60]))
    np.testing.assert_array_equal(again.start, view.start[10:60])


def test_text(view: WindowView) -> None:
    text = "WindowView(shape=(54, 16, 5), window=16, stride=4, segments=2, 17.3 kB if expanded)"
    assert repr(view) == text
    assert "stride" not in repr(view[[0, 3, 4]])
    assert "transforms=1" in repr(view.map(np.negative))
    thesis = Windower(2048, stride=2).fit_transform(np.zeros((21_576, 102), dtype=np.float32))
    assert "8.2 GB if expanded" in repr(thesis)


def test_scikit_learn_can_index_and_split(view: WindowView) -> None:
    assert isinstance(_safe_indexing(view, np.array([1, 4])), WindowView)
    sizes = []

    class Spy(Windower):
        def score(self, X: Any, y: Any = None) -> float:
            sizes.append((type(X), len(X)))
            return 0.0

    cross_val_score(Spy(16), view, cv=KFold(3), error_score="raise")
    assert sizes == [(WindowView, 18)] * 3


def test_functions_of_views_and_arrays_agree(view: WindowView) -> None:
    expanded = np.asarray(view)
    np.testing.assert_array_equal(gather(view), gather(expanded))
    np.testing.assert_array_equal(gather(view, [3, 1]), gather(expanded, [3, 1]))
    np.testing.assert_array_equal(gather(view, slice(2, 4)), gather(expanded, slice(2, 4)))
    for ours, theirs in zip(iter_batches(view, 25), iter_batches(expanded, 25), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_windower_learns(traces: np.ndarray) -> None:
    recording = Recording(traces, 12.0, roi_ids=list("abcde"), segments=[[0, 100], [120, 240]])
    windower = Windower(16, stride=4).fit(recording)
    assert (windower.n_features_in_, windower.frame_rate_) == (5, 12.0)
    view = windower.transform(recording)
    assert view.frame_rate == view[2:4].map(np.negative).frame_rate == 12.0
    assert view.roi_ids is not None
    assert view.roi_ids.tolist() == list("abcde")
    np.testing.assert_array_equal(view.segments[1], traces[120:])
    assert Windower(16).fit(traces).frame_rate_ is None


def test_views_pass_through(view: WindowView) -> None:
    windower = Windower(16).fit(view)
    assert windower.transform(view) is view
    with pytest.raises(ValueError, match="windows of 16 frames, but Windower has window=8"):
        Windower(8).fit(view)


def test_short_segments_are_left_out_with_a_warning(traces: np.ndarray) -> None:
    windower = Windower(16).fit([traces[:20], traces[20:30]])
    with pytest.warns(UserWarning, match="1 of 2 segments of X are shorter than the window of 16"):
        view = windower.transform([traces[:20], traces[20:30]])
    assert view.segment.tolist() == [0] * 5
    with pytest.warns(UserWarning, match="1 of 2 segments") as caught:
        Windower(16).fit_transform([traces[:20], traces[20:30]])
    assert len(caught) == 1


def test_window_longer_than_the_recording(traces: np.ndarray) -> None:
    with pytest.raises(
        ValueError, match=r"241 frames is longer than X: the recording has only 240"
    ):
        Windower(241).fit(traces)
    with pytest.raises(ValueError, match="its longest segment has only 30; choose a window of at"):
        Windower(31).fit([traces[:30], traces[:20]])


def test_roi_first_warns_once(traces: np.ndarray) -> None:
    with pytest.warns(UserWarning, match="ROI-first") as caught:
        Windower(2).fit_transform(traces.T)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"window": 0}, ValueError, "window must be an integer of at least 1, got 0"),
        ({"window": 4.0}, TypeError, "window must be an integer"),
        ({"window": 4, "stride": 0}, ValueError, "stride must be an integer of at least 1"),
        ({"window": 4, "stride": None}, TypeError, "stride must be an integer"),
    ],
)
def test_bad_parameters(
    traces: np.ndarray, params: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        Windower(**params).fit(traces)


def test_transform_compares_with_what_was_fitted(traces: np.ndarray) -> None:
    windower = Windower(16).fit(Recording(traces, 12.0))
    with pytest.raises(ValueError, match="X has 3 features, but Windower is expecting 5"):
        windower.transform(traces[:, :3])
    with pytest.raises(
        ValueError, match="frame rates differ: X says 10 Hz and the data of fit 12 Hz"
    ):
        windower.transform(Recording(traces, 10.0))
    assert len(windower.transform(traces)) == 225  # a bare array says nothing of its rate


def test_windows_cannot_be_put_back() -> None:
    assert not hasattr(Windower(4), "inverse_transform")


def test_windower_remembers_the_recording() -> None:
    positions = np.arange(6.0).reshape(3, 2)
    recording = Recording(
        np.zeros((20, 3)),
        5.0,
        roi_ids=[4, 2, 9],
        units="counts",
        metadata={"positions": positions},
    )
    for X in (recording, [recording[:8], recording[8:]]):
        windower = Windower(4).fit(X)
        assert windower.roi_ids_.tolist() == [4, 2, 9]
        assert windower.units_ == "counts"
        np.testing.assert_array_equal(windower.positions_, positions)
    view = windower.transform(recording)
    assert view.units == view[::2].units == "counts"
    assert view.map(np.negative).units is None  # whatever it has become
    assert Windower(4).fit(view).units_ == "counts"
    bare = Windower(4).fit(recording.traces)
    assert bare.roi_ids_ is bare.units_ is bare.positions_ is None
    elsewhere = Recording(np.zeros((20, 3)), 5.0, metadata={"positions": "in the atlas"})
    assert Windower(4).fit(elsewhere).positions_ is None


# Lists of recordings


def warnings_of_a_list(parts: list[Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Windower(32).fit_transform(parts)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("as_arrays", [False, True], ids=["recordings", "arrays"])
def test_recordings_of_other_neurons_in_one_list_get_a_word(as_arrays: bool) -> None:
    parts = [make_recording(100.0, 20, random_state=seed)[0] for seed in (0, 0, 1)]
    parts = [part.traces for part in parts] if as_arrays else parts
    (text,) = warnings_of_a_list(parts)
    assert "X[0] and X[2] are taken to hold the same neurons in the same order" in text
    assert "roi_ids" in text
    assert warnings_of_a_list(parts[:2]) == []


def test_the_same_neurons_in_another_order_get_a_word() -> None:
    recording, _ = make_recording(200.0, 20, random_state=0)
    parts = [recording.traces[:1000], recording.traces[1000:, ::-1]]
    (text,) = warnings_of_a_list(parts)
    assert "rank correlation" in text
    # Ids that the user gave are taken at their word.
    named = [Recording(part, 10.0, roi_ids=np.arange(20) + 5) for part in parts]
    assert warnings_of_a_list(named) == []


@pytest.mark.parametrize("length", [200, 400, 650, 975])
def test_trials_of_one_recording_get_no_word(length: int) -> None:
    recording = load_zebrafish_tectum()
    starts = range(0, recording.n_frames - length + 1, length)
    assert warnings_of_a_list([recording[start : start + length] for start in starts]) == []


@pytest.mark.parametrize("n_neurons", [3, 20])
def test_neurons_that_are_alike_get_no_word(n_neurons: int) -> None:
    rng = np.random.default_rng(0)
    assert warnings_of_a_list([rng.normal(size=(1000, n_neurons)) for _ in range(2)]) == []
    assert warnings_of_a_list([np.zeros((1000, n_neurons))] * 2) == []
