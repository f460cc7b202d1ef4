"""MATLAB files: versions 5 and 7.3, cell arrays, structs, and suite2p's Fall.mat."""

import numpy as np
import pytest
from io_cases import comes_back, fluorescence, without

from calgan import read_recording

scipy_io = pytest.importorskip("scipy.io")
h5py = pytest.importorskip("h5py")
pytest.importorskip("pymatreader")


def save(path, version, **variables):
    """Save numbers, text and cell arrays as MATLAB does."""
    if version == "5":
        for name, value in variables.items():
            if isinstance(value, list):
                cells = np.empty((1, len(value)), dtype=object)
                cells[0, :] = value
                variables[name] = cells
        scipy_io.savemat(path, variables)
        return path
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            _put(file, file, name, value)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + b"\0" * 8 + b"\0\2IM")
    return path


def _put(file, group, name, value):
    kind = "double"
    if isinstance(value, dict):
        inner = group.create_group(name)
        inner.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, part in value.items():
            _put(file, inner, field, part)
        return
    if isinstance(value, list):
        refs = file.require_group("#refs#")
        held = [_put(file, refs, f"{name}{i}", part).ref for i, part in enumerate(value)]
        array, kind = np.array([held], dtype=h5py.ref_dtype).T, "cell"
        data = group.create_dataset(name, data=array, dtype=h5py.ref_dtype)
    elif isinstance(value, str):
        data = group.create_dataset(name, data=np.array([[ord(c)] for c in value], dtype="u2"))
        kind = "char"
        data.attrs["MATLAB_int_decode"] = np.int32(2)
    else:
        data = group.create_dataset(name, data=np.atleast_2d(np.asarray(value, dtype=float)).T)
    data.attrs["MATLAB_class"] = np.bytes_(kind)
    return data


@pytest.fixture(params=["5", "7.3"])
def version(request):
    return request.param


@pytest.fixture
def traces():
    return fluorescence(400, 6)


def test_traces_rate_and_ids_are_read(tmp_path, version, traces):
    path = save(
        tmp_path / "a.mat",
        version,
        dff=traces,
        frameRate=30.0,
        cellID=np.arange(3.0, 9.0),
        mouse="m7",
        centroids=np.ones((6, 2)),
    )
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.frame_rate == 30.0
    assert recording.units == "dF/F"
    assert recording.roi_ids.tolist() == [3, 4, 5, 6, 7, 8]
    assert recording.metadata["mouse"] == "m7"
    assert recording.metadata["positions"].shape == (6, 2)
    assert recording.metadata["format"] == "matlab"
    comes_back(recording, tmp_path)


def test_neurons_first_are_transposed_with_a_word(tmp_path, version, traces):
    path = save(tmp_path / "a.mat", version, C_raw=traces.T, C=traces.T, fs=20.0)
    with pytest.warns(UserWarning, match=r"C_raw has shape \(6, 400\) and was transposed"):
        recording = read_recording(path)
    np.testing.assert_array_equal(recording.traces, traces)


def test_cell_arrays_are_trials(tmp_path, version, traces):
    cells = [traces[:100], traces[100:180], traces[180:]]
    path = save(tmp_path / "a.mat", version, traces=cells, fr=10.0)
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.segments.tolist() == [[0, 100], [100, 180], [180, 400]]
    path = save(tmp_path / "b.mat", version, traces=[cell.T for cell in cells], fr=10.0)
    with pytest.warns(UserWarning, match="3 trials of traces were transposed .* each has 6"):
        assert read_recording(path) == recording
    path = save(tmp_path / "c.mat", version, traces=[traces[:100], traces[100:, :3]], fr=10.0)
    with pytest.raises(ValueError, match=r"must hold the same neurons, .* \(100, 6\), \(300, 3\)"):
        read_recording(path)


def test_fields_of_structs_are_found(tmp_path, version, traces):
    path = save(tmp_path / "a.mat", version, result={"dFF": traces, "par": {"fps": 12.0}})
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.frame_rate == 12.0
    assert read_recording(path, variable="result.dFF") == recording
    with pytest.raises(ValueError, match=r"it holds result\.dFF \(400, 6\)"):
        read_recording(path, variable="result.F")


def test_several_arrays_are_told(tmp_path, version, traces):
    path = save(tmp_path / "a.mat", version, F=traces, dff=traces, fs=10.0)
    with pytest.raises(ValueError, match="several arrays that may be traces, .*choose with"):
        read_recording(path)
    assert read_recording(path, variable="F").units == "a.u."


def test_a_rate_must_be_known(tmp_path, version, traces):
    path = save(tmp_path / "a.mat", version, dff=traces)
    with pytest.raises(ValueError, match=r"a\.mat does not say its frame rate"):
        read_recording(path)
    assert read_recording(path, frame_rate=4).frame_rate == 4.0


def test_suite2ps_fall_is_read_as_its_folder(tmp_path, traces):
    stat = np.array([{"med": [10.0 * roi, 3.0]} for roi in range(6)], dtype=object)
    variables = {
        "F": traces.T,
        "Fneu": np.full_like(traces.T, 20.0),
        "spks": 0 * traces.T,
        "iscell": np.array([[1, 0.9], [0, 0.1], [1, 0.9], [1, 0.9], [0, 0.2], [1, 0.5]]),
        "ops": {"fs": 15.0, "neucoeff": 0.5},
        "stat": stat,
    }
    scipy_io.savemat(tmp_path / "Fall.mat", variables)
    recording = read_recording(tmp_path / "Fall.mat")
    assert recording.shape == (400, 4)
    assert recording.roi_ids.tolist() == [0, 2, 3, 5]
    assert (recording.frame_rate, recording.units) == (15.0, "dF/F")
    assert recording.metadata["positions"].tolist() == [[3, 0], [3, 20], [3, 30], [3, 50]]
    raw = read_recording(tmp_path / "Fall.mat", dff=False, cells="all")
    np.testing.assert_allclose(raw.traces, traces - 10.0, rtol=1e-6)
    assert read_recording(tmp_path / "Fall.mat", neurons=[4]).roi_ids.tolist() == [4]


def test_what_is_no_matlab_file_is_one_sentence(tmp_path, traces):
    whole = save(tmp_path / "a.mat", "5", dff=traces).read_bytes()
    for i, broken in enumerate((b"", b"text " * 50, whole[:300], whole[:-100])):
        path = tmp_path / f"{i}.mat"
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=rf"{i}\.mat (is damaged|holds no array)"):
            read_recording(path, frame_rate=1.0)


def test_a_missing_library_is_named(tmp_path, traces, monkeypatch):
    path = save(tmp_path / "a.mat", "5", dff=traces)
    without(monkeypatch, "pymatreader")
    with pytest.raises(ImportError, match=r"needs pymatreader: pip install 'calgan\[io\]'"):
        read_recording(path)


def test_positions_of_two_neurons_are_not_turned(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    positions = np.array([[1.0, 2.0], [3.0, 4.0]])
    traces = np.random.default_rng(0).normal(size=(60, 2))
    path = tmp_path / "two.mat"
    scipy_io.savemat(path, {"F": traces, "fs": 10.0, "positions": positions})
    assert np.array_equal(read_recording(path).metadata["positions"], positions)
