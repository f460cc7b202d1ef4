"""Arguments of read_recording and write_recording that fit no file: one sentence, and no file."""

import os

import numpy as np
import pytest

from calgan import Recording, read_recording, write_recording

TRACES = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)


@pytest.fixture
def recording():
    return Recording(TRACES, 10.0)


@pytest.fixture
def file(tmp_path):
    np.save(tmp_path / "a.npy", TRACES)
    return tmp_path / "a.npy"


@pytest.mark.parametrize(
    ("neurons", "error", "match"),
    [
        ([4], IndexError, "numbers of neurons from 0 to 3"),
        ([1.5], IndexError, "numbers of neurons"),
        ([True, False], IndexError, "one boolean for each of the 4"),
        ([[0, 1], [2, 3]], IndexError, "numbers of neurons"),
        ([0, 0], ValueError, "same neuron twice"),
        ([0, -4], ValueError, "same neuron twice"),
        ([], ValueError, "no neuron; keep at least one"),
        (np.zeros(4, bool), ValueError, "no neuron; keep at least one"),
    ],
)
def test_neurons_must_be_in_the_file(file, neurons, error, match):
    with pytest.raises(error, match=rf"^neurons, for .*a\.npy, .*{match}"):
        read_recording(file, frame_rate=10.0, neurons=neurons)


@pytest.mark.parametrize("format", ["nwb", "npz", "npy", "csv", "parquet", "matlab", "cnmfe"])
def test_a_folder_is_no_file(tmp_path, format):
    with pytest.raises(ValueError, match=f"is a folder, but {format} is read from a file"):
        read_recording(tmp_path, format, frame_rate=10.0)


def test_what_is_not_there_is_said_as_it_was_given(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"https://a\.org/x\.nwb; download it first"):
        read_recording("https://a.org/x.nwb")
    with pytest.raises(FileNotFoundError, match="no file or folder ''"):
        read_recording("")


def test_a_file_without_permission_is_said(file, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"a\.npy cannot be read"):
        read_recording(file, frame_rate=10.0)


def test_a_variable_that_a_format_has_not_is_refused(file):
    with pytest.raises(ValueError, match=r"a\.npy holds one set of traces, so variable='dff'"):
        read_recording(file, variable="dff", frame_rate=10.0)


def test_arrays_of_a_written_npz_are_read_if_they_are_named(recording, tmp_path):
    path = write_recording(recording, tmp_path / "a.npz")
    assert np.array_equal(read_recording(path, variable="traces").traces, TRACES)
    with pytest.raises(ValueError, match="has no array 'dff'"):
        read_recording(path, variable="dff")


def test_neurons_without_values_are_named(file):
    missing = TRACES.copy()
    missing[:, 2] = np.nan
    np.save(file, missing)
    with pytest.raises(ValueError, match="such as 2, which has 0 in 100 frames"):
        read_recording(file, neurons=[3, 2], frame_rate=10.0)
    np.save(file, np.full((100, 4), np.nan))
    with pytest.raises(ValueError, match=r"a\.npy: no neuron has a value"):
        read_recording(file, frame_rate=10.0)


def test_segments_of_a_file_that_do_not_fit_are_said(tmp_path):
    np.savez(tmp_path / "a.npz", traces=TRACES, frame_rate=10.0, segments=[[0, 200]])
    with pytest.raises(ValueError, match=r"a\.npz: segments must be .* within the 100 frames"):
        read_recording(tmp_path / "a.npz")


@pytest.mark.parametrize("path", [None, 3, ["a.npz"]])
def test_a_path_is_text_or_path_like(recording, path):
    with pytest.raises(TypeError, match="path must be the name of a file or folder"):
        write_recording(recording, path)


def test_the_home_folder_is_found(recording, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert write_recording(recording, "~/a.npz") == tmp_path / "a.npz"
    assert read_recording("~/a.npz") == recording


def test_devices_and_pipes_are_not_replaced(recording, tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(ValueError, match=r"pipe\.npz is no file that can be replaced"):
        write_recording(recording, tmp_path / "pipe.npz", overwrite=True)


@pytest.mark.parametrize("added", ["plane0/notes.txt", "plane1/F.npy", "movie.tif"])
def test_a_folder_to_which_something_was_added_is_not_replaced(recording, tmp_path, added):
    path = write_recording(recording, tmp_path / "a")
    (path / added).parent.mkdir(exist_ok=True)
    (path / added).touch()
    with pytest.raises(FileExistsError, match="with files that calgan did not write"):
        write_recording(recording, path, overwrite=True)
    assert (path / added).is_file()


@pytest.mark.parametrize("name", ["a.nwb", "a"])
def test_metadata_of_odd_shapes_are_named(tmp_path, name):
    if name.endswith("nwb"):
        pytest.importorskip("pynwb")
    odd = {"positions": "left", "accepted": 5, "spikes": [1], "components": 3}
    with pytest.warns(UserWarning, match="no place for .*: positions, accepted, spikes, comp"):
        path = write_recording(Recording(TRACES, 10.0, metadata=odd), tmp_path / name)
    assert np.array_equal(read_recording(path).traces, TRACES)
    assert sorted(os.listdir(tmp_path)) == [name]


def test_artefacts_are_left_out_on_request(tmp_path):
    traces = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    path = write_recording(Recording(traces, 10.0), tmp_path / "calm.npz")
    assert read_recording(path, without_artefacts=True).segments.tolist() == [[0, 400]]
    traces[100, 2] = 1e5
    path = write_recording(Recording(traces, 10.0), tmp_path / "a.npz")
    assert read_recording(path).segments.tolist() == [[0, 400]]
    with pytest.warns(UserWarning, match=r"artefacts were left out of the segments: 100\."):
        recording = read_recording(path, without_artefacts=True)
    assert recording.segments.tolist() == [[0, 100], [101, 400]]
    with pytest.raises(TypeError, match="without_artefacts must be True or False"):
        read_recording(path, without_artefacts="yes")


def test_models_and_pipes_are_no_recordings(tmp_path):
    (tmp_path / "m.calgan").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"m\.calgan is a model, which calgan\.load reads"):
        read_recording(tmp_path / "m.calgan")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is neither a file nor a folder"):
        read_recording(tmp_path / "pipe")


def test_numpy_scalars_of_metadata_keep_their_meaning(tmp_path):
    metadata = {"synthetic": np.bool_(True), "t_start": np.float32(2.5)}
    recording = Recording(TRACES, 10.0, metadata=metadata)
    for name in ("a.nwb", "folder", "a.npz"):
        pytest.importorskip("pynwb")
        back = read_recording(write_recording(recording, tmp_path / name))
        assert back.metadata["synthetic"] is True
        assert back.metadata["t_start"] == 2.5


@pytest.mark.parametrize("wrong", [["npz"], 3, np.array(["npz"])])
def test_choices_must_be_words(file, wrong):
    with pytest.raises(ValueError, match="format must be"):
        read_recording(file, format=wrong)
    with pytest.raises(ValueError, match="cells must be 'accepted' or 'all'"):
        read_recording(file, frame_rate=10.0, cells=wrong)
