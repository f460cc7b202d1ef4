"""Minian, EXTRACT, CNMF-E and Inscopix: which traces are read, and what comes along."""

import sys
import types

import numpy as np
import pytest
from io_cases import comes_back, fluorescence, without

from calgan import read_recording

h5py = pytest.importorskip("h5py")
pytest.importorskip("roiextractors")
xarray = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

N, T, RATE = 6, 400, 20.0
TRACES = fluorescence(T, N) / 100.0 - 1.0
IMAGES = np.zeros((N, 20, 12))
IMAGES[np.arange(N), 2 * np.arange(N), np.arange(N)] = 1.0
CENTRES = np.column_stack([np.arange(N), 2 * np.arange(N)])  # (x, y)


def minian(folder, *, leave_out=(), version=2, times=None):
    """Save what Minian saves: a zarr a variable, in a folder that is none."""
    folder.mkdir()
    coordinates = {
        "unit_id": np.arange(N) + 3,
        "frame": np.arange(T),
        "height": np.arange(20),
        "width": np.arange(12),
    }
    arrays = {
        "A": (("unit_id", "height", "width"), IMAGES),
        "C": (("unit_id", "frame"), np.ascontiguousarray(TRACES.T)),
        "YrA": (("unit_id", "frame"), np.full((N, T), 0.5)),
        "S": (("unit_id", "frame"), np.zeros((N, T))),
        "b": (("height", "width"), np.zeros((20, 12))),
        "f": (("frame",), np.zeros(T)),
    }
    for name, (dims, data) in arrays.items():
        if name not in leave_out:
            array = xarray.DataArray(
                data, dims=dims, coords={dim: coordinates[dim] for dim in dims}, name=name
            )
            array.to_dataset().to_zarr(
                folder / f"{name}.zarr", zarr_format=version, consolidated=False
            )
    if times is not None:
        rows = [f"{frame},{1000 * time},0" for frame, time in enumerate(times)]
        text = "\n".join(["Frame Number,Time Stamp (ms),Buffer Index", *rows])
        (folder / "timeStamps.csv").write_text(text)
    return folder


def mat(path, name, fields):
    """Save a struct as MATLAB 7.3 does: axes in reverse order, text as numbers."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for key, value in fields.items():
            if isinstance(value, str):
                value = np.array([[ord(letter)] for letter in value], dtype=np.uint16)
            file[f"{name}/{key}"] = value
    return path


def extract(path, preprocess=1.0, version="1.1.0"):
    """Save the output of EXTRACT."""
    fields = {
        "temporal_weights": TRACES.T,
        "spatial_weights": IMAGES.transpose(0, 2, 1),
        "config/preprocess": [[preprocess]],
        "info/version": version,
        "info/summary_image": np.zeros((12, 20)),
    }
    return mat(path, "output", fields)


def cnmfe(path, name="cnmfeAnalysisOutput"):
    """Save the output of CNMF-E, as roiextractors reads it."""
    fields = {
        "extractedSignals": TRACES,
        "extractedImages": IMAGES,
        "time/totalTime": [[T / RATE]],
        "Cn": np.zeros((20, 12)),
    }
    return mat(path, name, fields)


class CellSet:
    """A cell set as Inscopix's library has it."""

    num_cells = N
    timing = types.SimpleNamespace(
        period=types.SimpleNamespace(secs_float=1 / RATE), num_samples=T, start=None
    )
    spacing = types.SimpleNamespace(num_pixels=(12, 20))

    @staticmethod
    def read(path, read_only):
        return CellSet()

    def get_cell_name(self, cell):
        return f"C{cell:02d}"

    def get_cell_trace_data(self, cell):
        return TRACES[:, cell]

    def get_cell_image_data(self, cell):
        return IMAGES[cell]

    def get_cell_status(self, cell):
        return "rejected" if cell == 2 else "accepted"


@pytest.mark.parametrize("version", [2, 3])
def test_minian_traces_are_read_with_their_residuals(tmp_path, version):
    path = minian(tmp_path / "minian", version=version, times=np.arange(T) / RATE)
    recording = read_recording(path)
    assert recording.frame_rate == pytest.approx(RATE)
    assert recording.roi_ids.tolist() == [3, 4, 5, 6, 7, 8]
    np.testing.assert_allclose(recording.traces, TRACES + 0.5, rtol=1e-5)
    assert np.array_equal(recording.metadata["positions"], CENTRES)
    assert recording.metadata["processing"] == "C + YrA of Minian."
    assert recording.metadata["format"] == "minian"


def test_denoised_traces_of_minian_are_read_with_a_word(tmp_path):
    path = minian(tmp_path / "minian", leave_out=["YrA"])
    with pytest.raises(ValueError, match="does not say its frame rate"):
        read_recording(path)
    with pytest.warns(UserWarning, match="Minian keeps denoised traces alone"):
        recording = read_recording(path, frame_rate=RATE, neurons=[1, 0])
    assert np.array_equal(recording.traces, TRACES[:, [1, 0]])
    with pytest.raises(ValueError, match="holds no traces 'b' of units and frames; it has A, C"):
        read_recording(path, frame_rate=RATE, variable="b")


def test_dropped_frames_of_minian_are_borders(tmp_path):
    times = np.arange(T) / RATE
    times[100:] += 1.0
    path = minian(tmp_path / "minian", times=times)
    with pytest.warns(UserWarning, match="have a gap"):
        assert read_recording(path).segments.tolist() == [[0, 100], [100, 400]]


@pytest.mark.parametrize(("preprocess", "units"), [(1.0, "dF/F"), (0.0, "a.u.")])
def test_extract_is_read_with_a_frame_rate(tmp_path, preprocess, units):
    path = extract(tmp_path / "extract.mat", preprocess)
    with pytest.raises(ValueError, match="does not say its frame rate: pass frame_rate="):
        read_recording(path)
    recording = read_recording(path, frame_rate=RATE)
    assert recording.units == units
    np.testing.assert_allclose(recording.traces, TRACES, rtol=1e-6)
    np.testing.assert_allclose(recording.metadata["positions"], CENTRES)
    assert recording.metadata["format"] == "extract"


@pytest.mark.parametrize("format", [None, "cnmfe"])
def test_cnmfe_is_read(tmp_path, format):
    name = "cnmfeAnalysisOutput" if format is None else "another"
    recording = read_recording(cnmfe(tmp_path / "cnmfe.mat", name), format)
    assert recording.frame_rate == RATE
    assert recording.units == "a.u."
    np.testing.assert_allclose(recording.traces, TRACES, rtol=1e-6)
    assert recording.metadata["format"] == "cnmfe"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Inscopix's library needs Python 3.12")
def test_inscopix_is_read_with_its_names_and_judgements(tmp_path, monkeypatch):
    (tmp_path / "cells.isxd").write_bytes(b"")
    with pytest.raises(ImportError, match="reading Inscopix needs its own library isx"):
        read_recording(tmp_path / "cells.isxd")
    monkeypatch.setitem(sys.modules, "isx", types.SimpleNamespace(CellSet=CellSet))
    recording = read_recording(tmp_path / "cells.isxd")
    assert recording.roi_ids.tolist() == ["C00", "C01", "C03", "C04", "C05"]
    assert recording.frame_rate == pytest.approx(RATE)
    assert np.array_equal(recording.traces, np.delete(TRACES, 2, axis=1))
    comes_back(recording, tmp_path)


@pytest.mark.parametrize("make", [extract, cnmfe])
def test_files_come_back(tmp_path, make):
    recording = read_recording(make(tmp_path / "results.mat"), frame_rate=RATE)
    comes_back(recording, tmp_path)


def test_minian_comes_back(tmp_path):
    comes_back(read_recording(minian(tmp_path / "minian"), frame_rate=RATE), tmp_path)


def test_what_an_extractor_cannot_read_is_one_sentence(tmp_path):
    path = mat(tmp_path / "odd.mat", "output", {"temporal_weights": TRACES.T})
    with pytest.raises(ValueError, match="odd.mat: roiextractors cannot read it as EXTRACT"):
        read_recording(path, frame_rate=RATE)
    (tmp_path / "text.mat").write_text("no file")
    with pytest.raises(ValueError, match="text.mat is no file of MATLAB 7.3, in which CNMF-E"):
        read_recording(tmp_path / "text.mat", "cnmfe")


@pytest.mark.parametrize(("make", "module"), [(cnmfe, "roiextractors"), (minian, "zarr")])
def test_a_missing_library_is_named_with_its_command(tmp_path, monkeypatch, make, module):
    path = make(tmp_path / ("results.mat" if make is cnmfe else "minian"))
    without(monkeypatch, module)
    with pytest.raises(ImportError, match=rf"needs {module}: pip install 'calgan\[io\]'"):
        read_recording(path, frame_rate=RATE)
