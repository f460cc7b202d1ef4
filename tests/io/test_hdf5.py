"""HDF5 files of no program: which array is read, and what the others say of it."""

from contextlib import nullcontext

import numpy as np
import pytest
from io_cases import comes_back, fluorescence

from calgan import read_recording

h5py = pytest.importorskip("h5py")


@pytest.fixture
def traces():
    return fluorescence(400, 6)


def test_an_array_of_a_group_and_what_stands_beside_it(tmp_path, traces):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["session/dff"] = traces
        file["session/roi_ids"] = np.arange(6) + 20
        file["names"] = ["a", "b"]
        file.attrs["fs"] = 25.0
        file["session/dff"].attrs["indicator"] = np.bytes_("GCaMP6s")
    recording = read_recording(tmp_path / "a.h5")
    np.testing.assert_array_equal(recording.traces, traces)
    assert (recording.frame_rate, recording.units) == (25.0, "dF/F")
    assert recording.roi_ids.tolist() == [20, 21, 22, 23, 24, 25]
    assert recording.metadata["indicator"] == "GCaMP6s"
    assert recording.metadata["format"] == "hdf5"
    comes_back(recording, tmp_path)


@pytest.mark.parametrize("turned", [False, True])
def test_chosen_neurons_in_their_order(tmp_path, traces, turned):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["traces"] = traces.T if turned else traces
        file["time"] = np.arange(400) / 10.0
    said = pytest.warns(UserWarning, match="transposed") if turned else nullcontext()
    with said:
        recording = read_recording(tmp_path / "a.h5", neurons=[4, 1])
    np.testing.assert_array_equal(recording.traces, traces[:, [4, 1]])
    assert recording.frame_rate == pytest.approx(10.0)


def test_one_of_several_arrays_is_named(tmp_path, traces):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one/dff"], file["two/dff"] = traces, 2 * traces
    with pytest.raises(ValueError, match=r"several arrays .* choose with variable='one\.dff'"):
        read_recording(tmp_path / "a.h5", frame_rate=10.0)
    recording = read_recording(tmp_path / "a.h5", frame_rate=10.0, variable="two.dff")
    np.testing.assert_array_equal(recording.traces, 2 * traces)
