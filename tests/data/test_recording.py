"""Recordings cannot be changed, and everything recording-like is read the same way."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils import Bunch

from calgan import MinMaxScaler, NeuronSorter, OasisDeconvolver, Recording, Windower
from calgan.data.segments import Segments, as_segments
from calgan.data.validation import check_windows
from calgan.io import finite_segments
from calgan.model_selection import train_test_blocks


@pytest.fixture
def recording(traces: np.ndarray) -> Recording:
    return Recording(
        traces,
        12.0,
        roi_ids=["a", "b", "c", "d", "e"],
        units="counts",
        segments=[[0, 100], [110, 240]],
        metadata={"mouse": "m1", "onsets": np.arange(3.0)},
    )


def test_attributes(recording: Recording, traces: np.ndarray) -> None:
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.traces.dtype == np.float32
    assert recording.frame_rate == 12.0
    assert recording.roi_ids.tolist() == ["a", "b", "c", "d", "e"]
    assert recording.units == "counts"
    assert recording.segments.tolist() == [[0, 100], [110, 240]]
    assert recording.metadata["mouse"] == "m1"
    assert recording.shape == (240, 5)
    assert (recording.n_frames, recording.n_neurons, len(recording)) == (240, 5, 240)
    assert recording.duration == 20.0
    np.testing.assert_allclose(recording.times[[0, 12]], [0.0, 1.0])


def test_defaults() -> None:
    recording = Recording(np.zeros((6, 2)), 3)
    assert recording.roi_ids.tolist() == [0, 1]
    assert recording.units == "dF/F"
    assert recording.segments.tolist() == [[0, 6]]
    assert dict(recording.metadata) == {}


def test_nothing_can_be_changed(recording: Recording) -> None:
    for name in ("traces", "frame_rate", "units", "new"):
        with pytest.raises(AttributeError):
            setattr(recording, name, 1)
    with pytest.raises(AttributeError):
        del recording._traces
    arrays = [recording.traces, recording.roi_ids, recording.segments]
    arrays += [recording.metadata["onsets"], recording[:50].traces, *recording.segment_traces()]
    for array in [*arrays, np.asarray(recording)]:
        assert not array.flags.writeable
    with pytest.raises(TypeError):
        recording.metadata["mouse"] = "m2"  # type: ignore[index]


def test_the_callers_array_stays_their_own() -> None:
    mine = np.zeros((6, 2), dtype=np.float32)
    recording = Recording(mine, 3.0)
    mine[0, 0] = 5.0
    assert recording.traces[0, 0] == 0.0
    assert mine.flags.writeable


def test_slices_share_memory(recording: Recording) -> None:
    assert np.shares_memory(recording[10:50].traces, recording.traces)


def test_slice_clips_segments(recording: Recording) -> None:
    part = recording[50:150]
    assert part.segments.tolist() == [[0, 50], [60, 100]]
    assert part.roi_ids.tolist() == recording.roi_ids.tolist()
    assert recording[-20:].segments.tolist() == [[0, 20]]
    assert recording[:105].segments.tolist() == [[0, 100]]


@pytest.mark.parametrize(
    "key", [slice(0, 10, 2), 3, [1, 2], (slice(0, 5), 0), np.arange(99), (np.arange(99), ...)]
)
def test_only_frame_slices(recording: Recording, key: Any) -> None:
    with pytest.raises(TypeError, match=r"recording\[start:stop\] without a step") as caught:
        recording[key]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", [slice(10, 10), slice(101, 108), slice(500, None)])
def test_empty_slices(recording: Recording, key: slice) -> None:
    with pytest.raises(ValueError, match="holds no frame of any segment"):
        recording[key]


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 10), st.integers(1, 20))
@settings(max_examples=50, deadline=None)
def test_a_slice_of_a_slice_is_a_slice(a: int, length: int, b: int, inner: int) -> None:
    recording = Recording(np.arange(80.0).reshape(40, 2), 2.0, segments=[[0, 15], [15, 40]])
    try:
        outer = recording[a : a + length]
        twice = outer[b : b + inner]
    except ValueError:
        return
    once = recording[a + b : min(a + length, a + b + inner)]
    # Segment borders survive, so a slice that starts or ends at one is the same either way.
    assert twice == once


def test_select(recording: Recording) -> None:
    part = recording.select([3, 0])
    np.testing.assert_array_equal(part.traces, recording.traces[:, [3, 0]])
    assert part.roi_ids.tolist() == ["d", "a"]
    assert not part.traces.flags.writeable
    assert recording.select(slice(1, 3)).roi_ids.tolist() == ["b", "c"]
    assert recording.select(recording.roi_ids == "e").shape == (240, 1)
    assert recording.select(2).shape == (240, 1)


def test_select_refuses(recording: Recording) -> None:
    with pytest.raises(ValueError, match="keep at least one"):
        recording.select(np.zeros(5, dtype=bool))
    with pytest.raises(ValueError, match="same neuron twice"):
        recording.select([1, 1])
    with pytest.raises(ValueError, match="no neuron"):
        recording.select([])
    for wrong in ([7], [1.0], "a", [True, False]):
        with pytest.raises(IndexError, match="select takes numbers of neurons from 0 to 4"):
            recording.select(wrong)


@pytest.mark.parametrize("kind", [int, float])
def test_flags_of_cells_are_no_positions(recording: Recording, kind: type) -> None:
    flags = np.array([1, 0, 1, 1, 0]).astype(kind)
    error = ValueError if kind is int else IndexError
    with pytest.raises(error, match="for flags of 0 and 1, pass a boolean mask"):
        recording.select(flags)
    assert recording.select(flags == 1).roi_ids.tolist() == ["a", "c", "d"]


def test_metadata_follow_neurons_and_frames(traces: np.ndarray) -> None:
    recording = Recording(
        traces,
        10.0,
        metadata={
            "positions": np.arange(10.0).reshape(5, 2),
            "accepted": np.array([True, False, True, True, False]),
            "spikes": np.arange(1200).reshape(240, 5),
            "t_start": 3.0,
            "stimulus_times": {"grating": np.array([4.0, 8.0])},
            "trials": {"start_time": np.array([4.0]), "stop_time": [6.0], "contrast": [0.5]},
            "note": "kept",
        },
    )
    part = recording.select([4, 2])[20:]
    assert part.metadata["positions"].tolist() == [[8, 9], [4, 5]]
    assert part.metadata["accepted"].tolist() == [False, True]
    np.testing.assert_array_equal(
        part.metadata["spikes"], recording.metadata["spikes"][20:, [4, 2]]
    )
    assert not part.metadata["spikes"].flags.writeable
    assert part.metadata["t_start"] == 5.0
    assert part.metadata["stimulus_times"]["grating"].tolist() == [2.0, 6.0]
    trials = part.metadata["trials"]
    assert trials["start_time"].tolist() == [2.0]
    assert trials["stop_time"].tolist() == [4.0]
    assert trials["contrast"] == [0.5]
    assert part.metadata["note"] == "kept"
    assert recording.metadata["stimulus_times"]["grating"].tolist() == [4.0, 8.0]


def test_metadata_of_another_shape_stay_as_they_are(traces: np.ndarray) -> None:
    odd = {"positions": None, "spikes": np.ones(3), "accepted": [1], "t_start": "now", "trials": 3}
    part = Recording(traces, 10.0, metadata=odd).select([1])[5:50]
    assert part.metadata["accepted"] == [1]
    assert part.metadata["spikes"].tolist() == [1, 1, 1]
    assert part.metadata["trials"] == 3


def test_data_frames_name_their_neurons(traces: np.ndarray) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(traces, columns=list("pqrst"))
    assert Recording(frame, 10.0).roi_ids.tolist() == list("pqrst")
    assert Recording(frame, 10.0, roi_ids=range(5)).roi_ids.tolist() == [0, 1, 2, 3, 4]
    assert Recording(pandas.DataFrame(traces), 10.0) == Recording(traces, 10.0)


def test_labelled_arrays_are_arrays(traces: np.ndarray) -> None:
    xarray = pytest.importorskip("xarray")
    labelled = xarray.DataArray(traces, dims=("time", "roi"))
    assert Recording(labelled, 10.0) == Recording(traces, 10.0)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1)])
def test_cell_arrays_are_trials(traces: np.ndarray, shape: tuple[int, ...]) -> None:
    trials = [traces[:70], traces[70:150], traces[150:]]
    cells = np.empty(3, dtype=object)
    cells[:] = trials
    cells = cells.reshape(shape)
    for part, expected in zip(as_segments(cells).arrays, trials, strict=True):
        np.testing.assert_array_equal(part, expected)
    windows, scaler = Windower(32).fit_transform(cells), MinMaxScaler().fit(cells)
    np.testing.assert_array_equal(windows, Windower(32).fit_transform(trials))
    assert scaler.data_max_ == traces.max()
    assert [part.shape for part in scaler.transform(cells)] == [part.shape for part in trials]
    train, test = train_test_blocks(cells, test_size=0.3, gap=0)
    assert [len(part) for part in [*train, *test]] == [70, 80, 18, 72]
    with pytest.raises(ValueError, match="a list of 3 trials; cut the recording into windows"):
        check_windows(cells)


def test_trials_with_neurons_first_are_named(traces: np.ndarray) -> None:
    with pytest.raises(ValueError, match="if it is ROI-first, pass the transpose of each"):
        as_segments([traces[:70].T, traces[70:].T])


def test_what_lies_outside_segments_changes_nothing(traces: np.ndarray) -> None:
    gap = traces.copy()
    gap[100:110], gap[120:125] = np.nan, np.inf
    segments = [[0, 100], [110, 120], [125, 240]]
    with_nan = Recording(gap, 10.0, segments=segments)
    without = Recording(traces, 10.0, segments=segments)
    for step in (MinMaxScaler(), MinMaxScaler(clip=True), NeuronSorter(), OasisDeconvolver()):
        found, expected = (step.fit(data).transform(data) for data in (with_nan, without))
        for part, other in zip(found.segment_traces(), expected.segment_traces(), strict=True):
            np.testing.assert_array_equal(part, other)
    np.testing.assert_array_equal(
        Windower(8).fit_transform(with_nan), Windower(8).fit_transform(without)
    )
    train, test = train_test_blocks(with_nan, test_size=0.3, gap=0)
    assert (train.n_frames, test.n_frames) == (168, 72)


def test_ragged_segments_and_ids_are_refused() -> None:
    with pytest.raises(ValueError, match=r"segments must be .*differ in length"):
        Recording(np.zeros((10, 2)), 1.0, segments=[[0, 5], [7]])
    with pytest.raises(ValueError, match=r"roi_ids must hold one id .*differ in length"):
        Recording(np.zeros((10, 2)), 1.0, roi_ids=[[1], [2, 3]])


def test_segment_traces(recording: Recording) -> None:
    first, second = recording.segment_traces()
    np.testing.assert_array_equal(first, recording.traces[:100])
    np.testing.assert_array_equal(second, recording.traces[110:])


def test_array_protocol(recording: Recording) -> None:
    assert np.asarray(recording).dtype == np.float32
    assert np.asarray(recording, dtype=np.float64).dtype == np.float64
    assert np.shares_memory(np.asarray(recording), recording.traces)
    assert np.array(recording).flags.writeable
    with pytest.raises(ValueError):
        np.array(recording, dtype=np.float64, copy=False)


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))]
)
def test_copies_and_pickles_are_equal_and_read_only(recording: Recording, again: Any) -> None:
    other = again(recording)
    assert other == recording
    assert hash(other) == hash(recording)
    assert not other.traces.flags.writeable
    np.testing.assert_array_equal(other.metadata["onsets"], recording.metadata["onsets"])


def test_equality(recording: Recording, traces: np.ndarray) -> None:
    same = Recording(
        traces, 12.0, roi_ids=list("abcde"), units="counts", segments=recording.segments
    )
    assert same == recording  # metadata are free-form and not compared
    assert hash(same) == hash(recording)
    assert recording != recording[:200]
    assert Recording(traces, 12.0) != Recording(traces, 13.0)
    assert Recording(traces, 12.0) != Recording(traces, 12.0, units="counts")
    assert Recording(traces, 12.0) != "a recording"


def test_text_and_html(recording: Recording) -> None:
    assert repr(recording) == "Recording(240 frames x 5 neurons, 12 Hz, 20.0 s, counts, 2 segments)"
    page = Recording(np.zeros((3, 1)), 1.0, metadata={"note": "<b>&"})._repr_html_()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page


def test_memory_map_is_kept(tmp_path: Path) -> None:
    np.save(tmp_path / "traces.npy", np.zeros((50, 3), dtype=np.float32))
    recording = Recording(np.load(tmp_path / "traces.npy", mmap_mode="r"), 10.0)
    assert isinstance(recording.traces, np.memmap)
    assert not recording.traces.flags.writeable
    assert pickle.loads(pickle.dumps(recording)) == recording


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_a_writable_memory_map_cannot_change_the_recording(tmp_path: Path, mode: Any) -> None:
    np.save(tmp_path / "traces.npy", np.zeros((50, 3), dtype=np.float32))
    mine = np.load(tmp_path / "traces.npy", mmap_mode=mode)
    recording = Recording(mine, 10.0)
    other = recording.with_traces(mine)
    mine[:] = 1.0
    assert (recording.traces == 0).all()
    assert (other.traces == 0).all()


def test_frames_outside_all_segments_may_be_nan(traces: np.ndarray) -> None:
    traces = traces.copy()
    traces[100:110, 2] = np.nan
    with pytest.raises(
        ValueError, match=r"or let them be borders with .*finite_segments\(traces\)"
    ):
        Recording(traces, 10.0)
    with pytest.raises(ValueError, match=r"in 4 of 1200 values, .* at frame 106, neuron 2"):
        Recording(traces, 10.0, segments=[[0, 100], [106, 240]])
    recording = Recording(traces, 10.0, segments=finite_segments(traces))
    assert recording.segments.tolist() == [[0, 100], [110, 240]]
    assert recording == Recording(traces, 10.0, segments=recording.segments)
    assert recording == pickle.loads(pickle.dumps(recording))
    assert np.isnan(recording[90:120].select([2]).traces).sum() == 10
    assert recording.with_traces(2 * traces).segments.tolist() == [[0, 100], [110, 240]]
    with pytest.raises(ValueError, match="traces contains NaN or infinity in 2400"):
        Recording(np.full((1200, 2), np.nan), 10.0, segments=[[0, 1200]])


def test_finite_segments_keep_the_borders_they_are_given() -> None:
    traces = np.zeros((20, 2))
    traces[[0, 7], [0, 1]] = np.nan, np.inf
    assert finite_segments(traces).tolist() == [[1, 7], [8, 20]]
    assert finite_segments(traces, [[0, 4], [4, 10], [12, 15]]).tolist() == [
        [1, 4],
        [4, 7],
        [8, 10],
        [12, 15],
    ]
    traces[:, 1] = np.nan
    with pytest.raises(ValueError, match=r"neuron 1 has the fewest values \(0 of 20 frames\)"):
        finite_segments(traces)


def test_frames_left_out_end_a_segment(recording: Recording) -> None:
    frames = np.zeros(240, dtype=bool)
    frames[[0, 50, 51, 105, 239]] = True
    rest = recording.without_frames(frames)
    assert rest.segments.tolist() == [[1, 50], [52, 100], [110, 239]]
    assert rest.metadata["mouse"] == "m1"
    np.testing.assert_array_equal(rest.traces, recording.traces)
    with pytest.raises(ValueError, match="one boolean for each of the 240 frames"):
        recording.without_frames([50, 51])
    with pytest.raises(ValueError, match="leaves out every frame"):
        recording.without_frames(np.ones(240, dtype=bool))


def test_a_path_is_read_by_read_recording() -> None:
    for path in ("suite2p/F.npy", Path("F.npy")):
        with pytest.raises(TypeError, match=r"F.npy': read the file with calgan.read_recording"):
            Recording(path, 10.0)


@pytest.mark.parametrize("rate", [0, -10.0, np.nan, np.inf])
def test_frame_rate_must_be_positive(rate: float) -> None:
    with pytest.raises(ValueError, match="frame_rate must be a positive, finite"):
        Recording(np.zeros((6, 2)), rate)


@pytest.mark.parametrize(
    ("traces", "error", "match"),
    [
        (np.full((6, 2), np.nan), ValueError, "traces contains NaN or infinity in 12 of 12"),
        (np.full((6, 2), np.inf), ValueError, "traces contains NaN or infinity"),
        (np.zeros(6), ValueError, "traces must be a recording of shape"),
        (np.zeros((6, 2, 2)), ValueError, "3-D"),
        (np.zeros((0, 2)), ValueError, "traces is empty"),
        (np.array([["a"]]), TypeError, "traces must hold real numbers"),
        (np.array([["a"]], dtype=object), TypeError, "traces must hold real numbers"),
    ],
)
def test_bad_traces(traces: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Recording(traces, 10.0)


def test_roi_first_warns() -> None:
    with pytest.warns(UserWarning, match=r"traces has more neurons \(axis 1: 9\) than frames"):
        Recording(np.zeros((4, 9)), 10.0)
    with pytest.warns(UserWarning, match=r"\(axis 0: 4\)"):  # over all segments, not all frames
        Recording(np.zeros((20, 9)), 10.0, segments=[[0, 2], [8, 10]])


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"roi_ids": [1]}, ValueError, "one id for each of the 2 neurons"),
        ({"roi_ids": ["a", "a"]}, ValueError, "must be unique"),
        ({"units": 3}, TypeError, "units must be text"),
        ({"metadata": [1]}, TypeError, "metadata must be a mapping"),
        ({"segments": [[0, 7]]}, ValueError, "within the 6 frames"),
        ({"segments": [[-1, 3]]}, ValueError, "within the 6 frames"),
        ({"segments": [[0, 4], [3, 6]]}, ValueError, "without overlap"),
        ({"segments": [[3, 3]]}, ValueError, "at least one frame"),
        ({"segments": [0, 6]}, ValueError, r"of shape \(S, 2\)"),
        ({"segments": [[0.0, 6.0]]}, ValueError, "whole-number"),
        ({"segments": np.zeros((0, 2), dtype=int)}, ValueError, r"of shape \(S, 2\)"),
    ],
)
def test_bad_fields(kwargs: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Recording(np.zeros((6, 2)), 10.0, **kwargs)


def test_other_traces_keep_what_belongs_to_the_neurons_and_frames() -> None:
    components = Bunch(calcium=np.zeros((60, 3)))
    recording = Recording(
        np.ones((60, 3)),
        10.0,
        roi_ids=[4, 2, 9],
        units="counts",
        segments=[[0, 20], [30, 60]],
        metadata={"positions": np.zeros((3, 2)), "components": components, "synthetic": True},
    )
    halved = recording.traces / 2
    other = recording.with_traces(halved, units="dF/F")
    np.testing.assert_array_equal(other.traces, 0.5)
    halved[:] = 7  # the caller's array is not shared
    np.testing.assert_array_equal(other.traces, 0.5)
    assert other == Recording(
        other.traces, 10.0, roi_ids=[4, 2, 9], units="dF/F", segments=[[0, 20], [30, 60]]
    )
    assert set(other.metadata) == {"positions", "synthetic"}  # components were of the old traces
    assert recording.with_traces(recording.traces).units == "counts"
    with pytest.raises(ValueError, match=r"the recording's shape \(60, 3\), got \(60, 2\)"):
        recording.with_traces(np.ones((60, 2)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        recording.with_traces(np.full((60, 3), np.nan))


def test_as_segments_of_a_recording(recording: Recording) -> None:
    arrays, frame_rate, roi_ids, units = as_segments(recording)
    assert [array.shape for array in arrays] == [(100, 5), (130, 5)]
    assert (frame_rate, units) == (12.0, "counts")
    assert roi_ids is not None
    assert roi_ids.tolist() == list("abcde")


def test_as_segments_of_arrays() -> None:
    a, b = np.zeros((6, 2), dtype=np.float32), np.ones((4, 2), dtype=np.float32)
    assert as_segments(a).arrays[0] is a
    assert as_segments(a)[1:] == (None, None, None)
    listed = as_segments([a, b])
    assert listed.arrays[0] is a
    assert listed.arrays[1] is b
    assert as_segments(listed) is listed
    assert [x.shape for x in as_segments((a, b)).arrays] == [(6, 2), (4, 2)]
    trials = as_segments(np.zeros((3, 6, 2)))
    assert [x.shape for x in trials.arrays] == [(6, 2)] * 3
    assert [x.shape for x in as_segments(a.tolist()).arrays] == [(6, 2)]
    assert [x.shape for x in as_segments([a.tolist(), b.tolist()]).arrays] == [(6, 2), (4, 2)]
    boxed = np.empty(2, dtype=object)
    boxed[:] = [a, b]
    assert [x.shape for x in as_segments(boxed).arrays] == [(6, 2), (4, 2)]


def test_as_segments_of_a_memory_map(tmp_path: Path) -> None:
    saved = np.memmap(tmp_path / "traces", dtype=np.float32, mode="w+", shape=(50, 3))
    assert isinstance(as_segments(saved).arrays[0], np.memmap)


def test_as_segments_of_recordings(recording: Recording) -> None:
    segments = as_segments([recording, recording[:60], np.zeros((9, 5))])
    assert [len(array) for array in segments.arrays] == [100, 130, 60, 9]
    assert segments.frame_rate == 12.0


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        ([np.zeros((6, 2)), np.zeros((6, 3))], ValueError, "segment 0 has 2 and segment 1 has 3"),
        ([np.zeros((6, 2)), np.zeros(6)], ValueError, "that are 1-D, 2-D, but every segment"),
        ([np.zeros((6, 2, 2))], ValueError, "that are 3-D"),
        ([], ValueError, "empty list"),
        (np.zeros((0, 6, 2)), ValueError, "empty"),
        ([np.zeros((6, 2)), np.zeros((0, 2))], ValueError, r"X\[1\] is empty"),
        ([np.zeros((6, 2)), np.full((6, 2), np.nan)], ValueError, r"X\[1\] contains NaN"),
        (np.zeros((2, 2, 2, 2)), ValueError, "4-D"),
        (np.zeros(6), ValueError, "1-D"),
        (5.0, ValueError, "0-D"),
        ("text", TypeError, "got str"),
        (None, TypeError, "got NoneType"),
        ([[1.0, 2.0], [3.0]], ValueError, "ragged"),
        (np.array([["a"]]), TypeError, "real numbers"),
    ],
)
def test_as_segments_refuses(X: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        as_segments(X)


def test_as_segments_refuses_windows() -> None:
    view = Windower(4).fit_transform(np.zeros((20, 2)))
    with pytest.raises(ValueError, match="holds windows already"):
        as_segments(view)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"frame_rate": 11.0}, "frame rates differ: X\\[0\\] says 10 Hz and X\\[1\\] 11 Hz"),
        ({"units": "counts"}, "share their units"),
        ({"roi_ids": ["a", "b"]}, "share their roi_ids, but they differ; select"),
    ],
)
def test_recordings_that_do_not_belong_together(change: dict[str, Any], match: str) -> None:
    X = np.zeros((6, 2))
    other = Recording(X, **{"frame_rate": 10.0, **change})
    with pytest.raises(ValueError, match=match):
        as_segments([Recording(X, 10.0), other])


def test_orientation_is_judged_over_all_segments() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_segments([np.zeros((4, 6)), np.zeros((4, 6))])
        as_segments(np.zeros((4, 6)), check_orientation=False)
        as_segments(Recording(np.zeros((20, 6)), 1.0)[:4])  # a Recording is known to be upright
    with pytest.warns(UserWarning, match=r"\(axis 1: 9\) than frames \(axis 0: 8\)"):
        as_segments([np.zeros((4, 9)), np.zeros((4, 9))])


def test_segments_is_a_plain_tuple() -> None:
    assert Segments([np.zeros((2, 1))], 1.0, None, None).frame_rate == 1.0
