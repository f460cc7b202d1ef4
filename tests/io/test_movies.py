"""Movies in files: what is read, how much of it, what is refused, and that they come back."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calgan import Movie, Recording, read_movie, read_recording, write_movie, write_recording

tifffile = pytest.importorskip("tifffile")

SHAPE = (20, 12, 9)


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 60_000, SHAPE).astype(np.uint16)


def holds(movie: Movie, expected: np.ndarray, rate: float, dtype: Any = np.uint16) -> None:
    """Check the frames of a movie, read as a whole, in pieces, and after pickling."""
    assert movie.shape == expected.shape
    assert movie.frames.dtype == dtype
    assert movie.frame_rate == pytest.approx(rate, rel=1e-8)
    assert not isinstance(movie.frames, np.ndarray)  # unread
    np.testing.assert_array_equal(movie.frames[:], expected)
    np.testing.assert_array_equal(movie.frames[-1], expected[-1])
    np.testing.assert_array_equal(movie.frames[[3, 1]], expected[[3, 1]])
    np.testing.assert_array_equal(np.concatenate([c for _, c in movie.chunks(7)]), expected)
    part = pickle.loads(pickle.dumps(movie[2:9]))
    np.testing.assert_array_equal(part.frames[:], expected[2:9])


# Files of tifffile, by how they are written.


def test_a_stack_of_imagej_says_its_rate(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", frames, imagej=True, metadata={"axes": "TYX", "finterval": 1 / 30}
    )
    movie = read_movie(tmp_path / "a.tif")
    holds(movie, frames, 30.0, ">u2" if movie.frames.dtype.byteorder == ">" else np.uint16)
    assert movie.metadata["format"] == "tiff"
    assert movie.metadata["source"].endswith("a.tif")


def test_the_interval_of_imagej_has_a_unit(tmp_path: Path, frames: np.ndarray) -> None:
    metadata = {"axes": "TYX", "finterval": 50.0, "tunit": "ms"}
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata=metadata)
    assert read_movie(tmp_path / "a.tif").frame_rate == 20.0


def test_the_speed_at_which_imagej_plays_is_no_rate(tmp_path: Path, frames: np.ndarray) -> None:
    metadata = {"axes": "TYX", "fps": 7.0}
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata=metadata)
    with pytest.raises(
        ValueError, match=r"a\.tif does not say its frame rate: pass frame_rate=... \(Hz\) to read_"
    ):
        read_movie(tmp_path / "a.tif")


def test_imagej_may_call_frames_slices(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata={"axes": "ZYX"})
    holds(read_movie(tmp_path / "a.tif", 5), frames, 5.0)


def test_tifffile_calls_frames_channels(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True)  # without its axes
    holds(read_movie(tmp_path / "a.tif", 5), frames, 5.0)
    tifffile.imwrite(tmp_path / "a.tif", frames[:2], imagej=True)
    with pytest.raises(ValueError, match=r"holds 2 channels.*correct its properties in ImageJ"):
        read_movie(tmp_path / "a.tif", 5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True},
        {"rowsperstrip": 5},
        {"tile": (16, 16)},
        {"metadata": None},
        {"ome": True, "metadata": {"axes": "TYX"}},
    ],
    ids=str,
)
def test_stacks(tmp_path: Path, frames: np.ndarray, options: dict[str, Any]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames, **options)
    movie = read_movie(tmp_path / "a.tif", frame_rate=5)
    assert movie.frames.dtype.kind == "u"
    holds(movie, frames, 5.0, movie.frames.dtype)


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "float32", "float64"])
def test_types_stay(tmp_path: Path, frames: np.ndarray, kind: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames.astype(kind))
    holds(read_movie(tmp_path / "a.tif", 5), frames.astype(kind), 5.0, kind)


@pytest.mark.parametrize("options", [{}, {"contiguous": True}, {"metadata": None}], ids=str)
def test_frames_that_were_added_one_by_one(
    tmp_path: Path, frames: np.ndarray, options: dict[str, Any]
) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for frame in frames:
            file.write(frame, **options)
    holds(read_movie(tmp_path / "a.tif", 5), frames, 5.0)


def test_pieces_that_were_added_one_by_one(tmp_path: Path, frames: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for first in (0, 8, 16):
            file.write(frames[first : first + 8], photometric="minisblack")
    holds(read_movie(tmp_path / "a.tif", 5), frames, 5.0)


@pytest.mark.parametrize("compression", [None, "packbits", "tiff_deflate"])
def test_stacks_of_pillow(tmp_path: Path, frames: np.ndarray, compression: str | None) -> None:
    images = pytest.importorskip("PIL.Image")
    first, *others = [images.fromarray(frame) for frame in frames]
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression=compression)
    holds(read_movie(tmp_path / "a.tif", 5), frames, 5.0)


def test_a_single_frame_is_a_movie(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames[0])
    assert read_movie(tmp_path / "a.tif", 5).shape == (1, 12, 9)


@pytest.mark.parametrize("axes", ["TCYX", "CTYX"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=str)
def test_one_channel_is_chosen(
    tmp_path: Path, frames: np.ndarray, axes: str, options: dict[str, Any]
) -> None:
    shape = (10, 2, 12, 9) if axes == "TCYX" else (2, 10, 12, 9)
    values = frames.reshape(shape)
    metadata = {"axes": axes, "TimeIncrement": 100.0, "TimeIncrementUnit": "ms"}
    tifffile.imwrite(tmp_path / "a.ome.tif", values, ome=True, metadata=metadata, **options)
    for channel in (0, 1):
        expected = values[:, channel] if axes == "TCYX" else values[channel]
        holds(read_movie(tmp_path / "a.ome.tif", channel=channel), expected, 10.0)
    with pytest.raises(ValueError, match=r"holds 2 channels .*: choose one with channel=0 to chan"):
        read_movie(tmp_path / "a.ome.tif")
    with pytest.raises(ValueError, match="channel must be less than 2"):
        read_movie(tmp_path / "a.ome.tif", channel=2)


def scanimage(path: Path, frames: np.ndarray, settings: str) -> None:
    """Write pages as ScanImage does: each has a description, the first the settings."""
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for i, frame in enumerate(frames):
            description = f"frameNumbers = {i + 1}\nframeTimestamps_sec = {i / 30:.9f}"
            file.write(frame, software=settings, description=description, metadata=None)


def test_scanimage_says_rate_and_channels(tmp_path: Path, frames: np.ndarray) -> None:
    rate = "SI.hRoiManager.scanFrameRate = 30.0125"
    one = f"SI.VERSION_MAJOR = 2020\nSI.hChannels.channelSave = 1\n{rate}"
    scanimage(tmp_path / "one.tif", frames.astype(np.int16), one)
    holds(read_movie(tmp_path / "one.tif"), frames.astype(np.int16), 30.0125, np.int16)
    two = f"SI.VERSION_MAJOR = 2020\nSI.hChannels.channelSave = [1;3]\n{rate}"
    scanimage(tmp_path / "two.tif", frames, two)
    holds(read_movie(tmp_path / "two.tif", channel=1), frames[1::2], 30.0125)
    with pytest.raises(ValueError, match="holds 2 channels"):
        read_movie(tmp_path / "two.tif")
    planes = f"{one}\nSI.hStackManager.enable = true\nSI.hStackManager.numSlices = 4"
    scanimage(tmp_path / "planes.tif", frames, planes)
    with pytest.raises(
        ValueError, match=r"more than one plane \(axes T = 5, Z = 4, .*save each plane in a file"
    ):
        read_movie(tmp_path / "planes.tif")


def test_old_scanimage(tmp_path: Path, frames: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for frame in frames:
            text = "state.configName='x'\rstate.acq.frameRate=8.138\rstate.acq.averaging=0"
            file.write(frame, description=text, metadata=None)
    holds(read_movie(tmp_path / "a.tif"), frames, 8.138)


def test_a_folder_is_read_in_natural_order(tmp_path: Path, frames: np.ndarray) -> None:
    names = [f"session_{i}.tif" for i in (1, 2, 9, 10, 11)]
    for name, piece in zip(names, np.split(frames, 5), strict=True):
        tifffile.imwrite(
            tmp_path / name, piece, imagej=True, metadata={"axes": "TYX", "finterval": 0.1}
        )
    (tmp_path / "._session_1.tif").write_text("what a Mac leaves")
    (tmp_path / "notes.txt").write_text("notes")
    holds(read_movie(tmp_path), frames, 10.0)


def test_a_folder_of_single_frames(tmp_path: Path, frames: np.ndarray) -> None:
    for i, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"{i}.tiff", frame)
    holds(read_movie(tmp_path, 4), frames, 4.0)


def test_files_of_a_folder_must_fit(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "1.tif", frames)
    tifffile.imwrite(tmp_path / "2.tif", frames[:, :5])
    with pytest.raises(ValueError, match=r"2\.tif holds frames of 5 x 9 pixels, uint16, but the"):
        read_movie(tmp_path, 4)


# Arrays.


def test_npy_and_npz(tmp_path: Path, frames: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", frames)
    holds(read_movie(tmp_path / "a.npy", 4), frames, 4.0)
    np.savez(tmp_path / "a.npz", frames=frames, frame_rate=7.0, labels=frames[0])
    movie = read_movie(tmp_path / "a.npz")
    np.testing.assert_array_equal(movie.frames, frames)
    assert (movie.frame_rate, movie.frames.dtype) == (7.0, np.uint16)


@pytest.mark.parametrize("where", ["attribute", "array", "attribute of the array"])
def test_hdf5(tmp_path: Path, frames: np.ndarray, where: str) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/mov"] = frames
        file["mean"] = frames.mean(axis=0)
        if where == "array":
            file["fs"] = [[12.5]]
        else:
            holder = file if where == "attribute" else file["group/mov"]
            holder.attrs["fr"] = 12.5
            holder.attrs["indicator"] = "GCaMP6f"
    movie = read_movie(tmp_path / "a.h5")
    holds(movie, frames, 12.5)
    if where != "array":
        assert movie.metadata["indicator"] == "GCaMP6f"
    holds(read_movie(tmp_path / "a.h5", variable="group/mov"), frames, 12.5)


def test_several_arrays_want_a_choice(tmp_path: Path, frames: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["red"], file["green"], file["mean"] = frames, frames + 1, frames[0]
    with pytest.raises(
        ValueError, match=r"several arrays that may be movies, green \(20, 12, 9\), red .*: choose"
    ):
        read_movie(tmp_path / "a.h5", 4)
    holds(read_movie(tmp_path / "a.h5", 4, variable="green"), frames + 1, 4.0)
    with pytest.raises(ValueError, match=r"has no array 'blue'; it holds green"):
        read_movie(tmp_path / "a.h5", 4, variable="blue")
    with pytest.raises(ValueError, match=r"mean holds an array of shape \(12, 9\), but a movie is"):
        read_movie(tmp_path / "a.h5", 4, variable="mean")


def test_no_movie_among_arrays(tmp_path: Path, frames: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mean"], file["rgb"] = frames[0], frames.reshape(5, 4, 12, 9)
    with pytest.raises(ValueError, match=r"holds no movie.*: it holds mean \(12, 9\), rgb"):
        read_movie(tmp_path / "a.h5", 4)
    with pytest.raises(ValueError, match=r"rgb holds an array of shape \(5, 4, 12, 9\).*channel"):
        read_movie(tmp_path / "a.h5", 4, variable="rgb")


def test_matlab_writes_columns_first(tmp_path: Path, frames: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["Y"] = frames.swapaxes(1, 2)  # Y(rows, columns, frames), from its end
        file["Y"].attrs["MATLAB_class"] = np.bytes_("uint16")
    holds(read_movie(tmp_path / "a.mat", 4), frames, 4.0)
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(ValueError, match=r"older version of MATLAB: save it with the flag -v7\.3"):
        read_movie(tmp_path / "old.mat", 4)


@pytest.mark.parametrize("grouped", [False, True])
def test_zarr(tmp_path: Path, frames: np.ndarray, grouped: bool) -> None:
    zarr = pytest.importorskip("zarr")
    if grouped:
        root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
        array = root.create_array("mov", data=frames)
    else:
        array = zarr.create_array(str(tmp_path / "a.zarr"), data=frames)
    array.attrs["fps"] = 9.0
    holds(read_movie(tmp_path / "a.zarr"), frames, 9.0)


def nwb(path: Path, *series: Any, make: Any = None) -> None:
    """Write series of images with pynwb."""
    pynwb = pytest.importorskip("pynwb")
    from datetime import UTC, datetime

    file = pynwb.NWBFile(
        session_description="movies",
        identifier="1",
        session_start_time=datetime(2020, 1, 1, tzinfo=UTC),
    )
    device = file.create_device("microscope")
    channel = pynwb.ophys.OpticalChannel(name="green", description="green", emission_lambda=510.0)
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=channel,
        description="plane",
        device=device,
        excitation_lambda=920.0,
        indicator="GCaMP6f",
        location="V1",
        imaging_rate=15.0,
    )
    for kind, options in series:
        cls = getattr(pynwb.ophys, kind)
        file.add_acquisition(cls(imaging_plane=plane, unit="n.a.", **options))
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)


@pytest.mark.parametrize("kind", ["TwoPhotonSeries", "OnePhotonSeries"])
def test_nwb_holds_width_before_height(tmp_path: Path, frames: np.ndarray, kind: str) -> None:
    options = {"name": "movie", "data": frames.swapaxes(1, 2), "rate": 8.0, "starting_time": 2.0}
    nwb(tmp_path / "a.nwb", (kind, options))
    movie = read_movie(tmp_path / "a.nwb")
    holds(movie, frames, 8.0)
    assert movie.metadata["t_start"] == 2.0
    assert movie.metadata["variable"] == "acquisition/movie"


@pytest.mark.filterwarnings("default")  # advice of pynwb on time stamps
def test_nwb_with_time_stamps(tmp_path: Path, frames: np.ndarray) -> None:
    data, times = frames.swapaxes(1, 2), np.arange(20) / 12.5 + 3.0
    nwb(tmp_path / "a.nwb", ("TwoPhotonSeries", {"name": "m", "data": data, "timestamps": times}))
    movie = read_movie(tmp_path / "a.nwb")
    holds(movie, frames, 12.5)
    assert movie.metadata["t_start"] == 3.0
    times[10:] += 5
    nwb(tmp_path / "b.nwb", ("TwoPhotonSeries", {"name": "m", "data": data, "timestamps": times}))
    with pytest.warns(UserWarning, match="the time stamps have gaps or go back"):
        assert read_movie(tmp_path / "b.nwb").frame_rate == 12.5


def test_series_of_nwb_are_chosen(tmp_path: Path, frames: np.ndarray) -> None:
    data = frames.swapaxes(1, 2)
    two = [
        ("TwoPhotonSeries", {"name": "green", "data": data, "rate": 8.0}),
        ("TwoPhotonSeries", {"name": "red", "data": data + 1, "rate": 8.0}),
    ]
    nwb(tmp_path / "a.nwb", *two)
    holds(read_movie(tmp_path / "a.nwb", variable="red"), frames + 1, 8.0)
    with pytest.raises(ValueError, match=r"several movies: acquisition/green .*Name one with vari"):
        read_movie(tmp_path / "a.nwb")
    with pytest.raises(ValueError, match="no series of images 'blue'"):
        read_movie(tmp_path / "a.nwb", variable="blue")


def test_nwb_without_frames(tmp_path: Path) -> None:
    nwb(tmp_path / "none.nwb")
    with pytest.raises(ValueError, match=r"holds no movie .*traces are read by read_recording"):
        read_movie(tmp_path / "none.nwb")
    options = {"name": "m", "external_file": ["m.tif"], "format": "external"}
    times = np.arange(20) / 8
    series = ("TwoPhotonSeries", {**options, "starting_frame": [0], "timestamps": times})
    nwb(tmp_path / "out.nwb", series)
    with pytest.raises(ValueError, match=r"names their file: m\.tif; read that one"):
        read_movie(tmp_path / "out.nwb")


# What is refused.


def test_rates_that_differ_are_named(tmp_path: Path, frames: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", frames=frames, fs=7.0)
    with pytest.warns(UserWarning, match=r"says 7 Hz; frame_rate=8 Hz was taken instead"):
        assert read_movie(tmp_path / "a.npz", 8).frame_rate == 8.0


def test_colour_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 16, 17, 3), np.uint8), photometric="rgb")
    with pytest.raises(ValueError, match=r"is in colour \(axes Q = 9, Y = 16, X = 17, S = 3\)"):
        read_movie(tmp_path / "a.tif", 4)


def test_planes_are_refused(tmp_path: Path, frames: np.ndarray) -> None:
    metadata = {"axes": "TZYX"}
    tifffile.imwrite(
        tmp_path / "a.tif", frames.reshape(5, 4, 12, 9), imagej=True, metadata=metadata
    )
    with pytest.raises(ValueError, match=r"more than one plane \(axes T = 5, Z = 4, Y = 12, X = 9"):
        read_movie(tmp_path / "a.tif", 4)


def test_series_that_differ_are_refused(tmp_path: Path, frames: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(frames)
        file.write(frames[0, :5])
    with pytest.raises(ValueError, match=r"holds 2 series that differ \(20 x 12 x 9, 5 x 9\)"):
        read_movie(tmp_path / "a.tif", 4)


@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"metadata": None}], ids=str)
@pytest.mark.parametrize("share", [0.9, 0.6, 0.02])
def test_files_that_are_cut_off(tmp_path: Path, options: dict[str, Any], share: float) -> None:
    tifffile.imwrite(tmp_path / "whole.tif", np.zeros((20, 64, 64), np.uint16), **options)
    whole = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        ValueError, match=r"a\.tif is (damaged or cut off|no TIFF file, or|damaged)"
    ):
        read_movie(tmp_path / "a.tif", 4)


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.npz", "a.nwb", "a.h5", "a.bin"])
@pytest.mark.parametrize("content", [b"", b"this is text, and no movie"])
def test_files_that_hold_something_else(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is (no|damaged|of no)"):
        read_movie(tmp_path / name, 4)


def test_a_library_that_is_missing_is_named(
    tmp_path: Path, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(
        ImportError, match=r"reading TIFF needs tifffile: pip install 'calgan\[movies\]'"
    ):
        read_movie(tmp_path / "a.tif", 4)


def test_compression_that_needs_more_is_named(tmp_path: Path, frames: np.ndarray) -> None:
    images = pytest.importorskip("PIL.Image")
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        first, *others = [images.fromarray(frame) for frame in frames]
        first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression="tiff_lzw")
        with pytest.raises(ImportError, match=r"is compressed.*pip install imagecodecs"):
            read_movie(tmp_path / "a.tif", 4)


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        (np.zeros((3, 4, 5)), {}, TypeError, r"make a movie of an array with Movie\(frames, "),
        ("missing.tif", {}, FileNotFoundError, r"There is no file or folder .*missing\.tif"),
        ("a.npy", {"frame_rate": "30"}, TypeError, "frame_rate must be a number"),
        ("a.npy", {"frame_rate": 0}, ValueError, "frame_rate must be a positive"),
        ("a.npy", {"variable": "mov"}, ValueError, "variable chooses nothing: leave it out"),
        ("a.npy", {"channel": 0}, ValueError, "channel chooses in TIFF files"),
        ("a.npy", {"channel": -1}, ValueError, "channel must be an integer of at least 0"),
        ("a.npy", {}, ValueError, "does not say its frame rate"),
        ("traces.npy", {}, ValueError, r"of shape \(20, 3\), but .*traces are read by read_record"),
        ("a.avi", {}, ValueError, r"is a video.*with ffmpeg -i a\.avi"),
        ("empty", {}, ValueError, "holds no TIFF files, and is no zarr folder"),
        ("session.npz", {}, ValueError, "holds a recording and no movie: read it with read_record"),
        (
            "suite2p",
            {},
            ValueError,
            r"folder of suite2p, which holds traces: read it with read_rec",
        ),
    ],
)
def test_wrong_input(
    tmp_path: Path,
    frames: np.ndarray,
    given: Any,
    options: dict[str, Any],
    error: type,
    message: str,
) -> None:
    np.save(tmp_path / "a.npy", frames)
    np.save(tmp_path / "traces.npy", np.zeros((20, 3)))
    (tmp_path / "a.avi").write_bytes(b"RIFF")
    (tmp_path / "empty").mkdir()
    recording = Recording(np.random.default_rng(0).random((20, 3)), 4.0)
    write_recording(recording, tmp_path / "session.npz")
    write_recording(recording, tmp_path / "suite2p")
    path = tmp_path / given if isinstance(given, str) else given
    with pytest.raises(error, match=message):
        read_movie(path, **options)


def test_readers_of_traces_point_to_movies(tmp_path: Path, frames: np.ndarray) -> None:
    (tmp_path / "folder").mkdir()
    tifffile.imwrite(tmp_path / "a.tif", frames)
    tifffile.imwrite(tmp_path / "folder" / "a.tif", frames)
    np.save(tmp_path / "a.npy", frames)
    np.savez(tmp_path / "a.npz", frames=frames)
    for name in ("a.tif", "folder", "a.npy", "a.npz"):
        with pytest.raises(ValueError, match=rf"{name} holds .* read .* calgan\.read_movie"):
            read_recording(tmp_path / name, frame_rate=4)


# Writing.


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".h5", ".hdf5", ".npy"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", ">u2", "float32", "int16", "float64"])
def test_movies_come_back(tmp_path: Path, frames: np.ndarray, suffix: str, kind: str) -> None:
    values = (frames % 200).astype(kind)
    metadata = {} if suffix == ".npy" else {"indicator": "GCaMP6f", "t_start": 2.5}
    movie = Movie(values, 29.97, metadata=metadata)
    path = write_movie(movie, tmp_path / f"a{suffix}")
    assert [each.name for each in tmp_path.iterdir()] == [f"a{suffix}"]
    again = read_movie(path, 29.97 if suffix == ".npy" else None)
    holds(again, values, 29.97, again.frames.dtype)
    small = kind in ("uint8", "uint16", "float32")
    assert again.frames.dtype == (kind if small or "tif" not in suffix else again.frames.dtype)
    assert again.metadata.items() >= metadata.items()


def test_imagej_and_others_read_what_was_written(tmp_path: Path, frames: np.ndarray) -> None:
    images = pytest.importorskip("PIL.Image")
    path = write_movie(Movie(frames, 20.0), tmp_path / "a.tif")
    with tifffile.TiffFile(path) as file:
        assert file.is_imagej
        assert file.imagej_metadata["finterval"] == 0.05
        assert file.imagej_metadata["frames"] == 20
        assert len(file.pages) == 20
    with images.open(path) as stack:
        assert stack.n_frames == 20
        stack.seek(7)
        np.testing.assert_array_equal(np.asarray(stack), frames[7])


@pytest.mark.parametrize("suffix", [".tif", ".h5"])
def test_a_synthetic_movie_says_so(tmp_path: Path, frames: np.ndarray, suffix: str) -> None:
    movie = Movie(frames, 20.0, metadata={"synthetic": True})
    path = write_movie(movie, tmp_path / f"a{suffix}")
    assert b"Synthetic movie rendered by calgan" in path.read_bytes()
    assert read_movie(path).metadata["synthetic"] is True
    real = write_movie(Movie(frames, 20.0), tmp_path / f"b{suffix}")
    assert b"ynthetic" not in real.read_bytes()


def test_npy_cannot_say_that_a_movie_is_synthetic(tmp_path: Path, frames: np.ndarray) -> None:
    movie = Movie(frames, 20.0, metadata={"synthetic": True})
    with pytest.raises(ValueError, match=r"no place to say that a movie is synthetic; write \.tif"):
        write_movie(movie, tmp_path / "a.npy")


def test_metadata_without_a_place_are_named(tmp_path: Path, frames: np.ndarray) -> None:
    movie = Movie(frames, 20.0, metadata={"mask": frames[0], "animal": "m1"})
    with pytest.warns(UserWarning, match=r"has no place for these metadata of the movie: mask\."):
        path = write_movie(movie, tmp_path / "a.tif")
    assert read_movie(path).metadata["animal"] == "m1"


def test_what_cannot_be_written(tmp_path: Path, frames: np.ndarray) -> None:
    movie = Movie(frames, 20.0)
    with pytest.raises(TypeError, match=r"write_movie takes a Movie, got an array of shape"):
        write_movie(frames, tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"no movies with the suffix '\.avi'; take \.tif, \.tiff"):
        write_movie(movie, tmp_path / "a.avi")
    with pytest.raises(FileNotFoundError, match="does not exist: create it first"):
        write_movie(movie, tmp_path / "no" / "a.tif")
    write_movie(movie, tmp_path / "a.tif")
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        write_movie(movie, tmp_path / "a.tif")
    write_movie(movie[:5], tmp_path / "a.tif", overwrite=True)
    assert read_movie(tmp_path / "a.tif").n_frames == 5


def test_a_movie_that_fails_leaves_the_file_as_it_was(tmp_path: Path, frames: np.ndarray) -> None:
    class Failing:
        shape, dtype = SHAPE, np.dtype("uint16")

        def __getitem__(self, key: slice) -> np.ndarray:
            raise OSError("the disk is gone")

    write_movie(Movie(frames, 20.0), tmp_path / "a.tif")
    with pytest.raises(OSError, match="the disk is gone"):
        write_movie(Movie(Failing(), 20.0), tmp_path / "a.tif", overwrite=True)
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]
    np.testing.assert_array_equal(read_movie(tmp_path / "a.tif").frames[:], frames)


@pytest.mark.parametrize("suffix", [".tif", ".h5", ".npy"])
def test_a_movie_larger_than_memory_is_written_and_read(tmp_path: Path, suffix: str) -> None:
    code = f"""
        import resource, sys
        import numpy as np
        from calgan import Movie, read_movie, write_movie

        class Rendered:
            shape, dtype = (1000, 512, 400), np.dtype("uint16")

            def __getitem__(self, key):
                numbers = np.arange(1000, dtype=np.uint16)[key]
                return np.broadcast_to(numbers[:, None, None], (len(numbers), 512, 400))

        small = Movie(Rendered(), 10.0)[:100]
        write_movie(small, {str(tmp_path / "small")!r} + {suffix!r})
        for _ in read_movie({str(tmp_path / "small")!r} + {suffix!r}, 10.0).chunks():
            pass
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        path = write_movie(Movie(Rendered(), 10.0), {str(tmp_path / "a")!r} + {suffix!r})
        for first, chunk in read_movie(path, 10.0).chunks():
            assert chunk[0, 0, 0] == chunk[0, -1, -1] == first
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert path.stat().st_size > 400e6
        assert grown < 100_000, grown  # kB; the movie has 410 MB
        """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
