"""suite2p folders: which traces are read, what comes along, and what is refused."""

import datetime
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from io_cases import comes_back, fluorescence

from calgan import Recording, read_recording, write_recording
from calgan.data.fluorescence import delta_f_over_f

N, T = 6, 400
MED = np.array([[10.0 * roi, 3.0 + roi] for roi in range(N)])  # (y, x)


def save(folder, *, version=0, ops=None, leave_out=()):
    """Save a plane as suite2p does, with the field names of version 0.x or 1.x."""
    folder.mkdir(parents=True)
    F = np.ascontiguousarray(fluorescence(T, N).T)
    is_cell = np.column_stack([[1, 1, 0, 1, 1, 0], np.linspace(0.9, 0.1, N)])
    stat = np.array(
        [
            {"ypix": np.array([y]), "xpix": np.array([x]), "lam": np.ones(1), "med": [y, x]}
            for y, x in MED
        ],
        dtype=object,
    )
    arrays = {"F": F, "Fneu": np.full_like(F, 20.0), "spks": F * 0, "iscell": is_cell, "stat": stat}
    if version == 0:
        arrays["ops"] = {
            "fs": 15.0,
            "nplanes": 1,
            "neucoeff": 0.5,
            "date_proc": datetime.datetime(2021, 7, 26),
            "save_path": folder,
            "meanImg": np.zeros((4, 4)),
            "xoff": np.arange(T),
            **(ops or {}),
        }
    else:
        arrays["settings"] = {"fs": 15.0, "extraction": {"neuropil_coefficient": 0.5}}
        arrays["db"] = {"nplanes": 1, "data_path": [str(folder)], **(ops or {})}
    for name, array in arrays.items():
        if name not in leave_out:
            np.save(folder / f"{name}.npy", array, allow_pickle=True)
    return folder


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("place", [".", "suite2p", "suite2p/plane0", "suite2p/plane0/F.npy"])
def test_cells_of_a_plane_are_read_as_dff_from_the_folder_or_those_above(tmp_path, version, place):
    plane = save(tmp_path / "suite2p" / "plane0", version=version)
    recording = read_recording(tmp_path / place)
    assert recording.shape == (T, 4)
    assert recording.frame_rate == 15.0
    assert recording.units == "dF/F"
    assert recording.roi_ids.tolist() == [0, 1, 3, 4]
    expected = delta_f_over_f(
        np.load(plane / "F.npy")[[0, 1, 3, 4]].T - 0.5 * 20.0, 15.0, percentile=8.0, window=60.0
    )
    np.testing.assert_allclose(recording.traces, expected, atol=1e-4)
    assert np.array_equal(recording.metadata["positions"], MED[[0, 1, 3, 4], ::-1])  # (x, y)
    assert recording.metadata["accepted"].all()
    assert recording.metadata["processing"] == (
        "dF/F of F - 0.5 Fneu; the baseline is the running 8th percentile over 60 s."
    )


def test_a_plane_comes_back_through_every_format(tmp_path):
    recording = read_recording(save(tmp_path / "plane0"))
    comes_back(recording, tmp_path, [".npz", ""])


def test_raw_traces_are_corrected_for_neuropil_and_nothing_else(tmp_path):
    plane = save(tmp_path / "plane0")
    recording = read_recording(plane, dff=False, cells="all", frame_rate=15.1)
    assert recording.shape == (T, N)
    assert recording.units == "counts"
    assert recording.frame_rate == 15.1
    np.testing.assert_allclose(recording.traces, np.load(plane / "F.npy").T - 10.0, rtol=1e-6)
    assert recording.metadata["accepted"].tolist() == [True, True, False, True, True, False]


def test_traces_without_a_baseline_are_not_divided_by_it(tmp_path):
    plane = save(tmp_path / "plane0", leave_out=["Fneu"])
    F = np.load(plane / "F.npy")
    np.save(plane / "F.npy", F - np.median(F, axis=1, keepdims=True))
    with pytest.warns(match="looks like dF/F"), pytest.warns(match="has no Fneu.npy"):
        recording = read_recording(plane)
    assert recording.units == "counts"
    assert recording.metadata["processing"] == "F."


def test_neurons_are_numbered_as_in_the_file(tmp_path):
    plane = save(tmp_path / "plane0")
    recording = read_recording(plane, neurons=[5, 0])
    assert recording.roi_ids.tolist() == [5, 0]
    everything = read_recording(plane, cells="all")
    assert np.array_equal(recording.traces, everything.traces[:, [5, 0]])
    with pytest.raises(IndexError, match="numbers of neurons from 0 to 5"):
        read_recording(plane, neurons=[6])


def test_the_other_channel_is_read_if_asked_for(tmp_path):
    plane = save(tmp_path / "plane0")
    other = 2.0 * np.load(plane / "F.npy")
    np.save(plane / "F_chan2.npy", other)
    np.save(plane / "Fneu_chan2.npy", np.zeros_like(other))
    recording = read_recording(plane, dff=False, variable="F_chan2", cells="all")
    assert np.array_equal(recording.traces, other.T)
    with pytest.raises(ValueError, match="variable must be 'F' or 'F_chan2' in .*, got 'spks'"):
        read_recording(plane, variable="spks")


def test_files_that_may_be_missing_are_named(tmp_path):
    plane = save(tmp_path / "plane0", leave_out=["Fneu", "iscell", "stat", "spks"])
    with (
        pytest.warns(match="no iscell.npy, so all 6 ROIs"),
        pytest.warns(match="no Fneu.npy, so the traces were not corrected"),
    ):
        recording = read_recording(plane)
    assert recording.n_neurons == N
    assert "positions" not in recording.metadata


def test_without_settings_the_frame_rate_is_asked_for(tmp_path):
    plane = save(tmp_path / "plane0", leave_out=["ops"])
    with pytest.raises(ValueError, match="does not say its frame rate: pass frame_rate="):
        read_recording(plane)
    assert read_recording(plane, frame_rate=30.0).frame_rate == 30.0
    with pytest.warns(UserWarning, match="says 15 Hz; frame_rate=30 Hz was taken"):
        read_recording(save(tmp_path / "plane1"), frame_rate=30.0)


def test_of_several_planes_one_is_to_be_chosen(tmp_path):
    for plane in ("plane0", "plane1", "plane10", "combined"):
        save(tmp_path / "suite2p" / plane)
    with pytest.raises(ValueError, match=r"4 sets of traces \(plane0, plane1, plane10, combined\)"):
        read_recording(tmp_path)
    assert read_recording(tmp_path / "suite2p" / "plane1").n_neurons == 4


@pytest.mark.parametrize(
    ("files", "folders", "segments"),
    [
        ([100, 150, 150], [400], [[0, 100], [100, 250], [250, 400]]),  # trials
        ([200, 200], [200, 200], [[0, 200], [200, 400]]),  # two sessions
        ([1] * 400, [400], [[0, 400]]),  # a file a frame
        ([100, 100], [200], [[0, 400]]),  # of another run
    ],
)
def test_separate_movies_are_segments(tmp_path, files, folders, segments):
    ops = {"frames_per_file": np.array(files), "frames_per_folder": np.array(folders)}
    recording = read_recording(save(tmp_path / "plane0", ops=ops))
    assert recording.segments.tolist() == segments


def test_equal_files_of_one_folder_are_taken_for_one_recording_with_a_word(tmp_path):
    ops = {"frames_per_file": np.array([150, 150, 100]), "frames_per_folder": np.array([400])}
    plane = save(tmp_path / "plane0", ops=ops)
    with pytest.warns(UserWarning, match="3 files of 150 frames, which were taken for an unbroken"):
        recording = read_recording(plane)
    assert len(recording.segments) == 1


def test_bad_frames_are_counted(tmp_path):
    plane = save(tmp_path / "plane0", ops={"badframes": np.arange(T) % 200 == 7})
    with pytest.warns(UserWarning, match="calls 2 of 400 frames"):
        recording = read_recording(plane)
    assert recording.metadata["bad_frames"].tolist() == [7, 207]


class Hostile:
    """Runs a command when an ordinary pickle of it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("field", ["ops", "stat"])
def test_loading_runs_no_code_of_the_file(tmp_path, field):
    trap = tmp_path / "trap"
    if field == "ops":
        plane = save(tmp_path / "plane0", ops={"classifier_path": Hostile(trap)})
    else:
        plane = save(tmp_path / "plane0", leave_out=["stat"])
        np.save(plane / "stat.npy", np.array([Hostile(trap)] * N, dtype=object), allow_pickle=True)
    assert read_recording(plane).frame_rate == 15.0
    assert not trap.exists()
    np.load(plane / f"{field}.npy", allow_pickle=True)
    assert trap.exists()


def test_settings_that_are_no_numbers_are_passed_over(tmp_path):
    odd = datetime.datetime(2021, 7, 26)
    ops = {"fs": odd, "neucoeff": None, "badframes": odd, "frames_per_file": "three"}
    plane = save(tmp_path / "plane0", ops=ops)
    with pytest.raises(ValueError, match="does not say its frame rate"):
        read_recording(plane)
    recording = read_recording(plane, frame_rate=15.0)
    assert recording.metadata["processing"].startswith("dF/F of F - 0.7 Fneu")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("F", b"no array", "F.npy is damaged, or no npy file"),
        ("F", np.zeros(3), r"holds float64 of shape \(3,\)"),
        ("F", np.array([{}], dtype=object), "F.npy is damaged, or no npy file"),
        ("Fneu", np.zeros((N, T - 1)), r"F.npy has shape \(6, 400\), but Fneu.npy \(6, 399\)"),
        ("iscell", np.ones((N + 1, 2)), "iscell.npy has 7 ROIs, but F.npy has 6"),
        ("iscell", np.zeros((N, 2)), "accepts none of its 6 ROIs"),
        ("ops", b"no array", "ops.npy is damaged"),
        ("calgan", {"units": "dF/F"}, "calgan.json is damaged"),
    ],
)
def test_damage_is_one_sentence(tmp_path, name, content, message):
    plane = save(tmp_path / "plane0")
    if name == "calgan":
        (plane / "calgan.json").write_text(json.dumps(content))
    elif isinstance(content, bytes):
        (plane / f"{name}.npy").write_bytes(content)
    else:
        np.save(plane / f"{name}.npy", content, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        read_recording(plane)


def test_a_written_folder_holds_the_recording(tmp_path):
    traces = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    spikes = np.arange(150.0).reshape(50, 3)
    recording = Recording(
        traces,
        10.0 / 3.0,
        roi_ids=["a", "b", "7"],
        units="a.u.",
        segments=[[0, 20], [25, 50]],
        metadata={"positions": MED[:3], "spikes": spikes, "synthetic": True, "model": "abc"},
    )
    path = write_recording(recording, tmp_path / "suite2p")
    for back in (read_recording(path), read_recording(path / "plane0" / "F.npy")):
        assert back == recording
        assert np.array_equal(back.metadata["positions"], MED[:3])
        assert np.array_equal(back.metadata["spikes"], spikes)
        assert back.metadata["synthetic"] is True
        assert back.metadata["model"] == "abc"
    few = read_recording(path, neurons=[2, 0])
    assert few == recording.select([2, 0])
    assert np.array_equal(few.metadata["spikes"], spikes[:, [2, 0]])
    stat = np.load(path / "plane0" / "stat.npy", allow_pickle=True)
    assert [roi["med"] for roi in stat] == MED[:3, ::-1].tolist()
    ops = np.load(path / "plane0" / "ops.npy", allow_pickle=True).item()
    assert (ops["fs"], ops["nframes"], ops["Lx"], ops["Ly"]) == (10.0 / 3.0, 50, 21, 6)


def test_only_folders_of_calgan_are_replaced(tmp_path):
    recording = Recording(fluorescence(), 10.0)
    ours = write_recording(recording, tmp_path / "ours")
    shorter = write_recording(recording[:300], ours, overwrite=True)
    assert read_recording(shorter) == recording[:300]
    plane = save(tmp_path / "theirs" / "plane0")
    with pytest.raises(FileExistsError, match="calgan did not write"):
        write_recording(recording, tmp_path / "theirs", overwrite=True)
    assert (plane / "F.npy").is_file()


def test_neither_hdf5_nor_nwb_is_loaded_for_suite2p(tmp_path):
    plane = save(tmp_path / "plane0")
    code = (
        "import sys, calgan\n"
        f"calgan.read_recording({str(plane)!r})\n"
        "print(sorted({'h5py', 'pynwb', 'roiextractors', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
