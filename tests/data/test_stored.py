"""Traces that stay in their file: what is read, what is refused, and how much memory it takes."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.format import open_memmap
from scipy.sparse import csr_array

from calgan import (
    CalciumFlow,
    CalciumGAN,
    DichotomizedGaussianCalcium,
    MinMaxScaler,
    NeuronSorter,
    Recording,
    Windower,
    make_calcium_pipeline,
    read_recording,
)
from calgan.data.stored import StoredTraces
from calgan.datasets import make_recording
from calgan.io import finite_segments
from calgan.model_selection import train_test_blocks

# Just above the size up to which traces are read into memory. Files are sparse: most of it is 0.
FRAMES, NEURONS = (1 << 18) + 100, 128
WRITTEN = {0: 1, 100: 2, 200_000: 3, FRAMES - 300: 4, FRAMES - 1: -5}  # frame: seed, or one value
KINDS = ("float32", "float64", "int16", "big-endian", "column-major", "hdf5", "zarr")


def block(frame: int) -> np.ndarray:
    """Return what is written at a frame."""
    if WRITTEN[frame] < 0:
        return np.full((1, NEURONS), WRITTEN[frame], dtype=np.float32)
    rng = np.random.default_rng(WRITTEN[frame])
    return rng.integers(-3, 100, (50, NEURONS)).astype(np.float32)


def truth() -> np.ndarray:
    """Return all traces."""
    traces = np.zeros((FRAMES, NEURONS), dtype=np.float32)
    for frame in WRITTEN:
        traces[frame : frame + 50] = block(frame)
    return traces


def stored(folder: Path, kind: str) -> Any:
    """Return an array that lies in a file."""
    shape, chunks = (FRAMES, NEURONS), (4096, NEURONS)
    if kind == "hdf5":
        h5py = pytest.importorskip("h5py")
        array = h5py.File(folder / "a.h5", "w").create_dataset("dff", shape, "f4", chunks=chunks)
    elif kind == "zarr":
        zarr = pytest.importorskip("zarr")
        array = zarr.open_group(str(folder / "a.zarr"), mode="w").create_array(
            "dff", shape=shape, dtype="f8", chunks=chunks
        )
    else:
        dtype = {"big-endian": ">f4", "column-major": "f4"}.get(kind, kind)
        order = kind == "column-major"
        array = open_memmap(folder / "a.npy", "w+", dtype, shape, fortran_order=order)
    for frame in WRITTEN:
        array[frame : frame + 50] = block(frame)
    if isinstance(array, np.ndarray):
        array.flush()
        return np.load(folder / "a.npy", mmap_mode="r")
    return array


def in_file(traces: Any) -> bool:
    """Tell whether traces were left in their file."""
    return not isinstance(traces, np.ndarray)


@pytest.fixture(params=["float64", "column-major", "hdf5", "zarr"])
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Recording:
    return Recording(stored(tmp_path, request.param), 30.0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_index_asks_for_is_what_was_written(tmp_path: Path, kind: str) -> None:
    traces, expected = Recording(stored(tmp_path, kind), 30.0).traces, truth()
    assert in_file(traces)
    assert (traces.shape, traces.dtype, len(traces)) == (expected.shape, np.float32, FRAMES)
    mask = np.zeros(FRAMES, dtype=bool)
    mask[[3, 4, 120]] = True
    for key in (
        slice(0, 60),
        slice(-10, None),
        slice(60, 60),
        slice(None, None, 50_000),
        120,
        -1,
        mask,
        [200_010, 5, 5, 4],
        np.arange(4)[:, None] + np.arange(95, 103),
        (slice(100, 140), 7),
        (slice(None), 7),
        (slice(90, None), [5, 3]),
        (slice(100, 140), [5, 3]),
        (130, 5),
        ([100, 120], [5, 3]),
        (slice(0, 10), slice(None, None, -1)),
    ):
        given = traces[key]
        assert given.dtype == np.float32
        np.testing.assert_array_equal(given, expected[key], strict=True)
    with pytest.raises(IndexError):
        traces[FRAMES]


def test_slices_neurons_and_windows_read_what_they_would_of_an_array(recording: Recording) -> None:
    expected = Recording(truth(), 30.0)
    part, same = (each[90:200_100].select([9, 2])[5:] for each in (recording, expected))
    assert in_file(part.traces)
    assert part == same
    assert part != expected
    windows, plain = (Windower(40, stride=7).fit_transform(each) for each in (part, same))
    some = [0, 1, 28_000, -1]
    np.testing.assert_array_equal(windows[some], plain[some])
    np.testing.assert_array_equal(windows.covered_frames()[0][:60], plain.covered_frames()[0][:60])


def test_statistics_are_those_of_an_array(recording: Recording) -> None:
    expected = Recording(truth(), 30.0)
    scaler = MinMaxScaler(per_neuron=True).fit(recording)
    np.testing.assert_array_equal(scaler.data_max_, expected.traces.max(axis=0))
    np.testing.assert_array_equal(scaler.data_min_, np.full(NEURONS, -5.0))
    scaled = scaler.transform(recording)
    assert in_file(scaled.traces)
    assert scaled[FRAMES - 1 :].traces.tolist() == [[0.0] * NEURONS]
    orders = [NeuronSorter().fit(each[:2000]).order_ for each in (recording, expected)]
    np.testing.assert_array_equal(*orders)


def test_a_pickle_names_the_file(recording: Recording) -> None:
    data = pickle.dumps(recording)
    assert len(data) < 1_000_000
    again = pickle.loads(data)
    assert in_file(again.traces)
    np.testing.assert_array_equal(again.traces[90:160], recording.traces[90:160])
    view = pickle.loads(pickle.dumps(Windower(50).fit_transform(recording)))
    np.testing.assert_array_equal(view[100], block(100))


@pytest.mark.parametrize("part", ["frames", "neurons", "both"])
def test_a_pickle_of_a_map_in_reverse_has_the_same_traces(tmp_path: Path, part: str) -> None:
    traces = stored(tmp_path, "float32")
    traces = {
        "frames": traces[50:][::-1],
        "neurons": traces[:, ::-1],
        "both": traces[::-1, ::-1],
    }[part]
    recording = Recording(traces, 30.0)
    assert isinstance(recording.traces, StoredTraces)
    again = pickle.loads(pickle.dumps(recording)).traces
    for frames in (slice(0, 60), slice(200_000, 200_050), slice(len(traces) - 160, len(traces))):
        np.testing.assert_array_equal(again[frames], traces[frames])


def test_arrays_in_memory_are_no_files(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    values = np.zeros((FRAMES, NEURONS), dtype=np.float32)
    recording = Recording(xarray.DataArray(values), 30.0)
    values[3, 4] = 9.0
    assert recording.traces[3, 4] == 0.0
    with pytest.raises((ValueError, TypeError), match="sparse"):
        Recording(csr_array((FRAMES, NEURONS), dtype=np.float32), 30.0)


def test_what_arrays_can_do_reads_everything(tmp_path: Path) -> None:
    traces, expected = Recording(stored(tmp_path, "int16"), 30.0).traces, truth()
    assert traces.mean() == expected.mean()
    np.testing.assert_array_equal(2 * traces - 1, 2 * expected - 1)
    np.testing.assert_array_equal(np.asarray(traces), expected)
    np.testing.assert_array_equal(list(traces[:200]), expected[:200])
    np.testing.assert_array_equal(next(iter(traces)), expected[0])
    assert not hasattr(traces, "columns")
    with pytest.raises(ValueError, match="copied into memory"):
        np.array(traces, copy=False)


def test_small_traces_of_a_file_are_read_into_memory(tmp_path: Path) -> None:
    small = stored(tmp_path, "hdf5")[:1000]
    with pytest.importorskip("h5py").File(tmp_path / "b.h5", "w") as file:
        file["dff"] = small
        recording = Recording(file["dff"], 30.0)
    assert not in_file(recording.traces)
    np.testing.assert_array_equal(recording.traces, small, strict=True)


@pytest.mark.parametrize("kind", ["float32", "float64", "hdf5", "zarr"])
def test_a_missing_value_is_found_and_named(tmp_path: Path, kind: str) -> None:
    array = stored(tmp_path, kind)
    array = np.load(tmp_path / "a.npy", mmap_mode="r+") if isinstance(array, np.ndarray) else array
    array[200_000:200_002, 7] = np.nan
    array[200_005, 8] = np.inf if kind != "float64" else 1e300
    array = np.load(tmp_path / "a.npy", mmap_mode="r") if isinstance(array, np.ndarray) else array
    expected = r"in 3 of 33567232 values, the first \(nan\) at frame 200000, neuron 7; .*borders"
    with pytest.raises(ValueError, match=expected):
        Recording(array, 30.0)
    found = [[0, 200_000], [200_002, 200_005], [200_006, FRAMES]]
    assert finite_segments(array).tolist() == found
    assert Recording(array, 30.0, segments=found)[200_003:].n_frames == FRAMES - 200_003
    if kind == "float64":
        with pytest.raises(ValueError, match="frame 5, neuron 8, where .* too large for float32"):
            Recording(array[200_000:], 30.0, segments=[[2, 50]])


@pytest.mark.parametrize("turned", [False, True], ids=["frames first", "neurons first"])
@pytest.mark.parametrize("kind", ["npy", "hdf5", "zarr", "nwb", "caiman"])
def test_read_recording_leaves_large_traces_in_the_file(
    tmp_path: Path, kind: str, turned: bool
) -> None:
    shape = (NEURONS, FRAMES) if turned else (FRAMES, NEURONS)
    path, rate = tmp_path / "a.zarr", 30.0
    if kind == "npy":
        path, rate = tmp_path / "a.npy", None
        array: Any = open_memmap(path, "w+", "f4", shape)
    elif kind == "zarr":
        group = pytest.importorskip("zarr").open_group(str(path), mode="w")
        group.attrs["frame_rate"] = rate
        chunks = (NEURONS, 4096) if turned else (4096, NEURONS)
        array = group.create_array("dff", shape=shape, dtype="f4", chunks=chunks)
    else:
        path = tmp_path / ("a.nwb" if kind == "nwb" else "a.h5")
        file = pytest.importorskip("h5py").File(path, "w")
        if kind == "caiman" and not turned:
            pytest.skip("CaImAn saves neurons first")
        name = {"nwb": "processing/ophys/DfOverF/RoiResponseSeries/data"}.get(kind, "dff")
        name = "estimates/F_dff" if kind == "caiman" else name
        array = file.create_dataset(name, shape, "f4", chunks=True)
        file.attrs["frame_rate"] = rate
        if kind == "caiman":
            file["params/data/fr"] = rate
        if kind == "nwb":
            array.attrs["conversion"] = 0.5
            array.parent.parent.attrs["neurodata_type"] = "DfOverF"
            start = array.parent.create_dataset("starting_time", data=0.0)
            start.attrs["rate"] = rate
    written = np.arange(NEURONS, dtype=np.float32) + np.arange(20, dtype=np.float32)[:, None]
    if turned:
        array[:, 100:120] = written.T
    else:
        array[100:120] = written
    if kind == "npy":
        array.flush()
    elif kind != "zarr":
        file.close()
    said = pytest.warns(UserWarning, match="transposed")
    with said if turned and kind != "caiman" else nullcontext():
        recording = read_recording(path, frame_rate=30.0 if rate is None else None)
    assert in_file(recording.traces)
    assert (recording.shape, recording.frame_rate) == ((FRAMES, NEURONS), 30.0)
    expected = written / 2 if kind == "nwb" else written
    np.testing.assert_array_equal(recording.traces[100:120], expected)
    with said if turned and kind != "caiman" else nullcontext():
        few = read_recording(path, frame_rate=30.0, neurons=[5, 2])
    np.testing.assert_array_equal(few.traces[100:120], expected[:, [5, 2]], strict=True)


def test_a_file_that_was_closed_is_opened_again(tmp_path: Path) -> None:
    dataset = stored(tmp_path, "hdf5")
    recording = Recording(dataset, 30.0)
    dataset.file.close()
    np.testing.assert_array_equal(recording.traces[100:150], block(100))


def test_a_file_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    dataset = stored(tmp_path, "hdf5")
    recording = Recording(dataset, 30.0)
    dataset.file.close()
    (tmp_path / "a.h5").unlink()
    with pytest.raises(OSError, match=r"a\.h5, in which the data lie, cannot be read any more"):
        recording.traces[0]
    data = pickle.dumps(Recording(stored(tmp_path, "float32"), 30.0))
    (tmp_path / "a.npy").unlink()
    with pytest.raises(OSError, match=r"a\.npy, in which the data lie, cannot be read any more"):
        pickle.loads(data)


def test_other_dimensions_are_refused_unread(tmp_path: Path) -> None:
    file = pytest.importorskip("h5py").File(tmp_path / "a.h5", "w")
    movie = file.create_dataset("movie", (1 << 20, 1 << 10, 1 << 10), "f4", chunks=(1, 64, 64))
    with pytest.raises(ValueError, match=r"must be a recording of shape .* but it is 3-D"):
        Recording(movie, 30.0)


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="asks Linux how much is left")
def test_more_than_memory_holds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = pytest.importorskip("h5py").File(tmp_path / "a.h5", "w")
    huge = file.create_dataset("dff", (1 << 30, 1000), "i2", chunks=(64, 1000))
    recording = Recording(huge, 30.0)
    with pytest.raises(MemoryError, match=r"take 4295\.0 GB, but .* take a part of the recording"):
        np.asarray(recording.traces)
    assert recording[-50:].traces.sum() == 0


def test_blocks_of_a_large_recording_are_read_nowhere(tmp_path: Path) -> None:
    recording = Recording(stored(tmp_path, "hdf5"), 30.0)
    train, test = train_test_blocks(recording, test_size=0.3, gap=64)
    assert in_file(train.traces)
    assert in_file(test.traces)
    np.testing.assert_array_equal(test.traces[-1], np.full(NEURONS, -5.0))


class FewFrames:
    """What is left in a file, however small."""

    def __init__(self, traces: np.ndarray) -> None:
        self.traces, self.shape, self.is_finite = traces, traces.shape, False

    def __getitem__(self, frames: slice) -> np.ndarray:
        assert isinstance(frames, slice)
        return self.traces[frames].copy()


@pytest.mark.parametrize(
    "generator",
    [
        CalciumFlow(max_iter=1, filters=4, batch_size=4),
        CalciumGAN(max_iter=1, filters=4, batch_size=4),
        CalciumGAN("2d-fft", max_iter=1, filters=2, batch_size=4, settings={"n_critic": 1}),
        CalciumGAN("2d-sorted", max_iter=1, filters=2, batch_size=4, settings={"n_critic": 1}),
        DichotomizedGaussianCalcium(),
    ],
    ids=["flow", "compact", "2d-fft", "2d-sorted", "dichotomized Gaussian"],
)
def test_generators_learn_from_a_file_what_they_learn_from_an_array(generator: Any) -> None:
    recording, _ = make_recording(60.0, n_neurons=3, random_state=0)
    in_a_file = Recording(StoredTraces(FewFrames(recording.traces)), recording.frame_rate)
    assert in_file(in_a_file.traces)
    drawn = [
        make_calcium_pipeline(generator, window=32, random_state=0).fit(each).sample(2)
        for each in (recording, in_a_file)
    ]
    np.testing.assert_array_equal(*drawn)


def test_memory_of_a_fit_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    """A recording of 200 MB takes at most a third of that more than its first twentieth."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("reads the peak of the resident set from Linux")
    array = open_memmap(tmp_path / "a.npy", "w+", "f4", (400_000, NEURONS))
    noise = np.random.default_rng(0).standard_normal((20_000, NEURONS), dtype=np.float32)
    for first in range(0, len(array), len(noise)):
        array[first : first + len(noise)] = noise
    array.flush()
    script = """
    import sys, warnings
    from pathlib import Path
    from calgan import CalciumFlow, NeuronSorter, Windower, read_recording
    warnings.simplefilter("ignore")

    def peak(recording, status=Path("/proc/self/status")):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        windows = Windower(32).fit_transform(recording)
        NeuronSorter().fit(windows)
        few = {"max_iter": 1, "batch_size": 4, "filters": 4, "validation_fraction": 0.0}
        CalciumFlow(random_state=0, verbose=0, **few).fit(windows).sample(2)
        return next(int(line.split()[1]) for line in status.open() if line.startswith("VmHWM"))

    recording = read_recording(sys.argv[1], frame_rate=30.0)
    peak(recording[:20_000])
    print(peak(recording[:20_000]), peak(read_recording(sys.argv[1], frame_rate=30.0)))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "a.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    few, all_of_it = (int(figure) / 1000 for figure in done.stdout.split())  # MB
    assert all_of_it - few < 65
