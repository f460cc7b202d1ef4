"""zarr arrays and groups: which array is read, its orientation, and how much of it."""

import numpy as np
import pytest
from io_cases import comes_back, fluorescence, without

from calgan import read_recording

zarr = pytest.importorskip("zarr")


@pytest.fixture
def traces():
    return fluorescence(400, 6)


def group_at(path, version, **arrays):
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    for name, array in arrays.items():
        group.create_array(name, data=np.asarray(array))
    return group


@pytest.mark.parametrize("version", [2, 3])
def test_a_group_with_traces_and_a_rate(tmp_path, traces, version):
    group = group_at(tmp_path / "a.zarr", version, traces=traces, roi_ids=np.arange(6) + 20)
    group.attrs["fs"] = 25.0
    recording = read_recording(tmp_path / "a.zarr")
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.frame_rate == 25.0
    assert recording.roi_ids.tolist() == [20, 21, 22, 23, 24, 25]
    assert recording.metadata["format"] == "zarr"
    comes_back(recording, tmp_path)


@pytest.mark.parametrize("version", [2, 3])
def test_an_array_alone(tmp_path, traces, version):
    array = zarr.create_array(str(tmp_path / "a"), data=traces.T, zarr_format=version)
    array.attrs["frame_rate"] = 5.0
    with pytest.warns(UserWarning, match="was transposed"):
        recording = read_recording(tmp_path / "a", neurons=[3, 1])
    np.testing.assert_array_equal(recording.traces, traces[:, [3, 1]])
    assert recording.frame_rate == 5.0


def test_chosen_neurons_are_read_alone(tmp_path, traces):
    path = tmp_path / "a.zarr"
    zarr.create_array(str(path), data=traces, chunks=(400, 1), zarr_format=2)
    for chunk in path.glob("0.[0-4]"):
        chunk.write_bytes(b"damaged")
    recording = read_recording(path, frame_rate=10.0, neurons=[5])
    np.testing.assert_array_equal(recording.traces, traces[:, [5]])


def test_xarray_names_the_dimensions(tmp_path):
    xarray = pytest.importorskip("xarray")
    traces = fluorescence(40, 60)  # fewer frames than neurons
    array = xarray.DataArray(
        traces.T,
        dims=("unit_id", "frame"),
        coords={"unit_id": np.arange(60) + 5},
        name="YrA",
        attrs={"fs": 12.0},
    )
    array.to_zarr(tmp_path / "a.zarr", zarr_format=2)
    with pytest.warns(UserWarning, match="more neurons"):
        recording = read_recording(tmp_path / "a.zarr", variable="YrA")
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.roi_ids[0] == 5
    with pytest.warns(UserWarning, match="more neurons"):
        some = read_recording(tmp_path / "a.zarr", neurons=np.arange(50))
    np.testing.assert_array_equal(some.traces, traces[:, :50])


def test_arrays_of_inner_groups_have_full_names(tmp_path, traces):
    group = group_at(tmp_path / "a.zarr", 3)
    group.create_group("cells").create_array("dff", data=traces)
    assert read_recording(tmp_path / "a.zarr", frame_rate=9.0).units == "dF/F"
    with pytest.raises(ValueError, match=r"it holds cells\.dff \(400, 6\)"):
        read_recording(tmp_path / "a.zarr", frame_rate=9.0, variable="F")


def test_a_damaged_folder_is_one_sentence(tmp_path):
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / ".zarray").write_text("{")
    with pytest.raises(ValueError, match=r"a\.zarr is damaged, or no zarr array or group"):
        read_recording(path)


def test_a_missing_library_is_named(tmp_path, traces, monkeypatch):
    group_at(tmp_path / "a.zarr", 3, traces=traces)
    without(monkeypatch, "zarr")
    with pytest.raises(ImportError, match=r"needs zarr: pip install 'calgan\[io\]'"):
        read_recording(tmp_path / "a.zarr")
