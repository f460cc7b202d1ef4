"""npz, npy and pynapple's npz: which array is read, what comes along, and what is refused."""

import contextlib
import datetime
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_cases import comes_back, fluorescence
from sklearn.utils import Bunch

from calgan import Recording, make_calcium_pipeline, read_recording, write_recording


@pytest.fixture
def traces():
    return fluorescence(400, 6)


# calgan's own npz


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.tuples(st.integers()), inner)
        | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner).map(
            lambda d: Bunch(**d)
        )
    ),
    max_leaves=8,
)


@given(
    st.integers(1, 4),
    st.integers(6, 20),
    st.floats(0.1, 1000),
    st.dictionaries(st.text(max_size=6).filter(lambda k: k not in ("source", "format")), plain),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None)
def test_an_npz_gives_back_what_was_written(tmp_path_factory, n, t, rate, metadata, random):
    rng = np.random.default_rng(random.getrandbits(32))
    values = rng.normal(size=(t, n))
    cut = random.randint(1, t - 1)
    values[cut - 1] = np.nan if cut > 1 else 0
    recording = Recording(
        values,
        rate,
        roi_ids=[f"é{i}" for i in range(n)],
        units="ΔF/F",
        segments=[[0, cut - 1], [cut, t]] if cut > 1 else None,
        metadata=metadata,
    )
    path = tmp_path_factory.mktemp("npz") / "recording.npz"
    back = read_recording(write_recording(recording, path))
    assert back == recording
    found = {k: v for k, v in back.metadata.items() if k not in ("source", "format")}
    assert found == metadata
    assert str(found) == str(metadata)  # tuples are tuples, whole numbers whole
    assert back.metadata["source"] == str(path)


def test_what_generators_and_readers_know_comes_back(tmp_path, traces):
    metadata = {
        "positions": np.arange(12.0).reshape(6, 2),
        "accepted": np.array([True, False] * 3),
        "spikes": np.ones((400, 6), dtype=np.int16),
        "components": Bunch(spikes=traces > 120, factors=None, rates=traces),
        "trials": {"start_time": np.array([1.0]), "condition": np.array(["go"], dtype=object)},
        "stimulus_times": {"grating": np.array([1.5])},
        "t_start": np.float32(2.5),
        "synthetic": True,
    }
    recording = Recording(traces, 10.0, metadata=metadata)
    path = write_recording(recording, tmp_path / "a.npz")
    back = read_recording(path)
    assert back == recording
    for name in ("positions", "accepted", "spikes"):
        np.testing.assert_array_equal(back.metadata[name], metadata[name])
    assert back.metadata["components"].factors is None
    np.testing.assert_array_equal(back.metadata["components"].rates, traces)
    assert back.metadata["trials"]["condition"] == ["go"]
    assert back.metadata["stimulus_times"]["grating"].tolist() == [1.5]
    some = read_recording(path, neurons=[4, 1])
    assert some == recording.select([4, 1])
    assert some.metadata["accepted"].tolist() == [True, False]
    assert some.metadata["components"].rates.shape == (400, 2)
    with pytest.warns(UserWarning, match="says 10 Hz; frame_rate=20 Hz was taken"):
        assert read_recording(path, frame_rate=20.0).frame_rate == 20.0
    with pytest.raises(IndexError, match=r"neurons, for .*a\.npz"):
        read_recording(path, neurons=[6])


def test_metadata_that_npz_cannot_hold_are_named(tmp_path, traces):
    loop: list = []
    loop.append(loop)
    metadata = {"when": datetime.datetime(2024, 1, 1), "kept": 1, "loop": loop, "who": object()}
    recording = Recording(traces, 10.0, metadata=metadata)
    with pytest.warns(UserWarning, match="cannot hold were not written: when, loop, who;"):
        path = write_recording(recording, tmp_path / "a.npz")
    assert {"kept": 1}.items() <= read_recording(path).metadata.items()
    assert "when" not in read_recording(path).metadata


# any npz


def test_any_npz_with_traces_and_a_rate_is_read(tmp_path, traces):
    path = tmp_path / "a.npz"
    np.savez(
        path,
        traces=traces,
        fs=15.0,
        cell_id=np.arange(10, 16),
        cell_xy=np.ones((6, 2)),
        segments=[[0, 100], [120, 400]],
        spikes=traces > 120,
        licks=np.zeros(400),
        movie=np.zeros((400, 20, 20)),
        source="laboratory",
        units="counts",
    )
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.frame_rate == 15.0
    assert recording.units == "counts"
    assert recording.roi_ids.tolist() == [10, 11, 12, 13, 14, 15]
    assert recording.segments.tolist() == [[0, 100], [120, 400]]
    assert recording.metadata["positions"].shape == (6, 2)
    assert recording.metadata["spikes"].shape == (400, 6)
    assert recording.metadata["licks"].shape == (400,)
    assert recording.metadata["origin"] == "laboratory"
    assert recording.metadata["source"] == str(path)
    assert "movie" not in recording.metadata
    some = read_recording(path, neurons=[5, 0])
    assert some.roi_ids.tolist() == [15, 10]
    np.testing.assert_array_equal(some.traces, traces[:, [5, 0]])
    assert some.metadata["spikes"].shape == (400, 2)
    comes_back(recording, tmp_path)


@pytest.mark.parametrize("rate", ["frame_rate", "fr", "FPS", "frameRate"])
@pytest.mark.parametrize(("name", "units"), [("dFF", "dF/F"), ("F_dff", "dF/F"), ("x", "a.u.")])
def test_names_tell_the_traces_and_their_units(tmp_path, traces, rate, name, units):
    np.savez(tmp_path / "a.npz", **{name: traces, rate: np.array([[30]])})
    recording = read_recording(tmp_path / "a.npz")
    assert (recording.frame_rate, recording.units) == (30.0, units)


def test_neurons_first_are_transposed_with_a_word(tmp_path, traces):
    np.savez(tmp_path / "a.npz", dff=traces.T, spikes=traces.T > 120, iscell=np.eye(6)[:, :2] + 1)
    with pytest.warns(UserWarning, match=r"dff has shape \(6, 400\) and was transposed to 400 fra"):
        recording = read_recording(tmp_path / "a.npz", frame_rate=10.0)
    np.testing.assert_array_equal(recording.traces, traces)
    np.testing.assert_array_equal(recording.metadata["spikes"], traces > 120)


def test_times_tell_rate_orientation_and_gaps(tmp_path):
    traces = fluorescence(30, 50)  # more neurons than frames
    t = 3.0 + np.arange(30) / 12.5
    t[20:] += 7.0
    np.savez(tmp_path / "a.npz", F=traces.T, timestamps=t)
    with (
        pytest.warns(UserWarning, match="have a gap; segments end there"),
        pytest.warns(UserWarning, match="was transposed"),
        pytest.warns(UserWarning, match="more neurons"),
    ):
        recording = read_recording(tmp_path / "a.npz")
    assert recording.frame_rate == 12.5
    assert recording.segments.tolist() == [[0, 20], [20, 30]]


def test_one_trace_is_one_neuron(tmp_path, traces):
    np.savez(tmp_path / "a.npz", dff=traces[:, 0], time_ms=np.arange(400) * 25.0)
    recording = read_recording(tmp_path / "a.npz")
    assert recording.shape == (400, 1)
    assert recording.frame_rate == 40.0


def test_several_arrays_are_told_and_one_can_be_chosen(tmp_path, traces):
    np.savez(tmp_path / "a.npz", F=traces, dff=traces / 100 - 1, fr=10.0)
    with pytest.raises(ValueError, match=r"F \(400, 6\), dff \(400, 6\): choose with variable='F'"):
        read_recording(tmp_path / "a.npz")
    assert read_recording(tmp_path / "a.npz", variable="dff").units == "dF/F"
    with pytest.raises(ValueError, match=r"has no array 'C' of traces .* it holds F \(400, 6\)"):
        read_recording(tmp_path / "a.npz", variable="C")


def test_what_is_no_traces_is_told(tmp_path, traces):
    np.savez(tmp_path / "a.npz", movie=np.zeros((5, 4, 3)), name="x")
    with pytest.raises(ValueError, match=r"no array of traces .*: it holds movie \(5, 4, 3\)"):
        read_recording(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", traces=traces)
    with pytest.raises(ValueError, match=r"b\.npz does not say its frame rate: pass frame_rate="):
        read_recording(tmp_path / "b.npz")


def test_times_that_go_back_are_refused(tmp_path, traces):
    times = np.arange(400) / 10
    times[50] = 0
    np.savez(tmp_path / "a.npz", traces=traces, t=times)
    with pytest.raises(ValueError, match=r"must increase, but that of frame 50 \(0\) does not"):
        read_recording(tmp_path / "a.npz")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the file ran code",))


def test_objects_are_not_loaded(tmp_path, traces):
    bomb = np.array([Bomb()], dtype=object)
    np.savez(tmp_path / "a.npz", traces=traces, other=bomb, fs=10.0)
    with pytest.warns(UserWarning, match="arrays of Python objects were not loaded: other"):
        assert read_recording(tmp_path / "a.npz").shape == (400, 6)
    for name, array in {"traces": bomb, "t": bomb, "d": bomb}.items():
        np.savez(tmp_path / "b.npz", **{name: array})
        with pytest.raises(ValueError, match=f"the array '{name}' holds Python objects"):
            read_recording(tmp_path / "b.npz")
    np.save(tmp_path / "a.npy", bomb)
    with pytest.raises(ValueError, match=r"a\.npy is damaged, or no npy file of numbers"):
        read_recording(tmp_path / "a.npy", frame_rate=1.0)
    assert pickle.dumps(bomb)


@pytest.mark.parametrize("format", ["npz", "pynapple"])
def test_a_damaged_file_is_one_sentence(tmp_path, traces, format):
    whole = write_recording(Recording(traces, 10.0), tmp_path / "a.npz", format).read_bytes()
    path = tmp_path / "b.npz"
    for broken in (b"", b"PK", whole[:1000], whole[:-30], b"x" * 500):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"b\.npz is damaged") as caught:
            read_recording(path)
        assert "\n" not in str(caught.value)
    rng = np.random.default_rng(0)
    for _ in range(100):
        broken = bytearray(whole)
        broken[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(ValueError, TypeError):
                assert read_recording(path).shape == (400, 6)


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path):
    for shape in ((10**12, 6), (10**30, 2), (-5, 3)):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as file, file.open("traces.npy", "w") as out:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(out, header)
        with pytest.raises(ValueError, match=r"a\.npz is damaged: traces\.npy cannot be read"):
            read_recording(tmp_path / "a.npz", frame_rate=1.0)


# npy


def test_an_npy_needs_a_rate_and_stays_a_map(tmp_path, traces):
    np.save(tmp_path / "traces.npy", traces)
    with pytest.raises(ValueError, match=r"does not say its frame rate: pass frame_rate="):
        read_recording(tmp_path / "traces.npy")
    recording = read_recording(tmp_path / "traces.npy", frame_rate=10.0)
    np.testing.assert_array_equal(recording.traces, traces)
    base = recording.traces
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert recording.units == "a.u."
    comes_back(recording, tmp_path)


def test_an_npy_with_neurons_first_is_transposed(tmp_path, traces):
    np.save(tmp_path / "x.npy", traces.T.astype(float))
    with pytest.warns(UserWarning, match=r"x\.npy has shape \(6, 400\).* transposed"):
        recording = read_recording(tmp_path / "x.npy", frame_rate=10.0, neurons=[2])
    np.testing.assert_array_equal(recording.traces, traces[:, [2]])
    assert recording.roi_ids.tolist() == [2]


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3, 4)), np.array("text"), np.zeros((3, 2), complex)]
)
def test_an_npy_of_something_else_is_refused(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match=r"x\.npy holds .* but traces are numbers of shape"):
        read_recording(tmp_path / "x.npy", frame_rate=10.0)
    (tmp_path / "y.npy").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"y\.npy is damaged"):
        read_recording(tmp_path / "y.npy", frame_rate=10.0)


# pynapple


def test_files_of_pynapple_are_read(tmp_path, traces):
    nap = pytest.importorskip("pynapple")
    times = 5.0 + np.arange(400) / 20.0
    epochs = nap.IntervalSet([5.0, 15.0], [9.96, 30.0])
    frame = nap.TsdFrame(
        t=times, d=traces, columns=list("abcdef"), time_support=epochs, metadata={"x": [1.0] * 6}
    )
    frame.save(str(tmp_path / "a.npz"))
    recording = read_recording(tmp_path / "a.npz")
    assert recording.frame_rate == 20.0
    assert recording.roi_ids.tolist() == list("abcdef")
    assert recording.segments.tolist() == [[0, 100], [200, 400]]
    assert recording.metadata["t_start"] == 5.0
    for start, stop in recording.segments:
        np.testing.assert_array_equal(recording.traces[start:stop], traces[start:stop])
    assert np.isnan(recording.traces[100:200]).all()
    nap.Tsd(t=times, d=traces[:, 0]).save(str(tmp_path / "b.npz"))
    assert read_recording(tmp_path / "b.npz").shape == (400, 1)
    comes_back(recording, tmp_path)


def test_pynapple_reads_what_is_written(tmp_path, traces):
    nap = pytest.importorskip("pynapple")
    model = make_calcium_pipeline(window=16, max_iter=1, random_state=0)
    recording = Recording(traces, 15.0, roi_ids=list("abcdef"), units="counts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = model.fit(recording).sample_recording(n_frames=[60, 50])
    with pytest.warns(UserWarning, match="holds no components of the metadata: calgan's npz does"):
        path = write_recording(drawn, tmp_path / "a.npz", format="pynapple")
    frame = nap.load_file(str(path))
    np.testing.assert_array_equal(frame.values, drawn.traces)
    np.testing.assert_allclose(frame.t, drawn.times)
    assert list(frame.columns) == list("abcdef")
    assert np.asarray(frame["synthetic"]).all()
    assert len(frame.time_support) == 2
    back = read_recording(path)
    assert back == drawn
    assert back.metadata["synthetic"] is True
    assert back.metadata["generator"] == drawn.metadata["generator"]


def test_a_frame_rate_that_times_do_not_tell_exactly_comes_back(tmp_path, traces):
    positions = np.arange(18.0).reshape(6, 3)
    accepted = np.arange(6) > 0
    metadata = {"t_start": 100.0, "positions": positions, "accepted": accepted, "depth": 150}
    recording = Recording(traces, 30.0000123, metadata=metadata)
    path = write_recording(recording, tmp_path / "a.npz", format="pynapple")
    assert read_recording(path) == recording.select(accepted)
    back = read_recording(path, cells="all")
    assert back == recording
    assert back.metadata["depth"] == 150
    assert back.metadata["t_start"] == 100.0
    np.testing.assert_array_equal(back.metadata["positions"], positions)


def test_recognised_by_what_is_in_it(tmp_path, traces):
    folder = tmp_path / "folder.npz"
    folder.mkdir()
    with pytest.raises(ValueError, match="of no format that calgan recognises"):
        read_recording(folder)
    np.savez(tmp_path / "a.npz", traces=traces, frame_rate=3.0)
    copy = Path(tmp_path / "A.NPZ")
    copy.write_bytes((tmp_path / "a.npz").read_bytes())
    assert read_recording(copy) == read_recording(tmp_path / "a.npz")
