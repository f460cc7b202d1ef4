"""Movies: what is taken and refused, and that what lies in a file is read only when needed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.format import open_memmap

from calgan import Movie, Recording
from calgan.data.movie import check_movie

SHAPE = (12, 5, 7)


def frames(dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, SHAPE).astype(dtype)


def in_file(folder: Path, kind: str) -> Any:
    """Return the frames as an array that lies in a file."""
    if kind == "npy":
        np.save(folder / "a.npy", frames())
        return np.load(folder / "a.npy", mmap_mode="r")
    if kind == "hdf5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(folder / "a.h5", "w") as file:
            file["mov"] = frames()
        return h5py.File(folder / "a.h5")["mov"]
    zarr = pytest.importorskip("zarr")
    return zarr.create_array(str(folder / "a.zarr"), data=frames(), chunks=(5, 5, 7))


KINDS = ("npy", "hdf5", "zarr")


def test_what_a_movie_says() -> None:
    movie = Movie(frames(), 4, metadata={"indicator": "GCaMP6f"})
    assert movie.shape == SHAPE
    assert movie.n_frames == len(movie) == 12
    assert movie.frame_rate == 4.0
    assert movie.duration == 3.0
    assert movie.metadata == {"indicator": "GCaMP6f"}
    assert repr(movie) == "Movie(12 frames of 5 x 7 pixels, uint16, 4 Hz, 3.0 s)"
    assert repr(Movie(frames(), 4, metadata={"synthetic": True})).endswith("3.0 s, synthetic)")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", ">u2", "float32", "float64", "bool"])
def test_frames_keep_their_type_until_they_are_read(dtype: str) -> None:
    movie = Movie(frames(dtype), 4.0)
    assert movie.frames.dtype == dtype
    assert np.asarray(movie).dtype == np.float32
    np.testing.assert_array_equal(np.asarray(movie), frames(dtype))
    for _, chunk in movie.chunks():
        assert chunk.dtype == np.float32


def test_a_movie_is_read_only() -> None:
    movie = Movie(frames(), 4.0, metadata={"a": 1})
    with pytest.raises(AttributeError, match="a Movie is read-only"):
        movie.frame_rate = 3.0
    with pytest.raises(AttributeError, match="a Movie is read-only"):
        del movie.frames
    with pytest.raises(ValueError, match="read-only"):
        movie.frames[0] = 1
    with pytest.raises(TypeError):
        movie.metadata["a"] = 2


def test_chunks_are_the_callers_own() -> None:
    movie = Movie(frames("float32"), 4.0)
    for _, chunk in movie.chunks():
        chunk[:] = -1
    np.testing.assert_array_equal(movie.frames, frames("float32"))


@given(
    size=st.integers(1, 15), start=st.integers(-13, 11), length=st.integers(1, 14), data=st.data()
)
def test_chunks_of_a_slice_are_the_slice(
    size: int, start: int, length: int, data: st.DataObject
) -> None:
    stop = data.draw(st.none() | st.just(start + length))
    expected = frames()[start:stop]
    if len(expected) == 0:
        with pytest.raises(ValueError, match="holds no frame of this movie of 12 frames"):
            Movie(frames(), 4.0)[start:stop]
        return
    part = Movie(frames(), 4.0)[start:stop]
    np.testing.assert_array_equal(part.frames, expected)
    pieces = list(part.chunks(size))
    np.testing.assert_array_equal(np.concatenate([chunk for _, chunk in pieces]), expected)
    assert [first for first, _ in pieces] == list(range(0, len(expected), size))


def test_a_slice_starts_later() -> None:
    movie = Movie(frames(), 4.0, metadata={"t_start": 10.0, "synthetic": True})
    assert movie[6:].metadata == {"t_start": 11.5, "synthetic": True}
    assert movie[:6].metadata["t_start"] == 10.0


@pytest.mark.parametrize("key", [3, [1, 2], slice(None, None, 2), (slice(3), 0)])
def test_other_indices_are_refused(key: Any) -> None:
    with pytest.raises(TypeError, match=r"sliced by frames as movie\[start:stop\]"):
        Movie(frames(), 4.0)[key]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_in_a_file_are_those_in_memory(tmp_path: Path, kind: str) -> None:
    movie, expected = Movie(in_file(tmp_path, kind), 4.0), frames()
    assert not isinstance(movie.frames, np.ndarray)
    assert (movie.shape, movie.frames.dtype) == (SHAPE, np.uint16)
    assert movie.frames.nbytes == expected.nbytes
    np.testing.assert_array_equal(np.asarray(movie), expected)
    np.testing.assert_array_equal(np.concatenate([c for _, c in movie.chunks(5)]), expected)
    keys: list[Any] = [
        *(3, -1, slice(2, 9), slice(None, None, 3), [4, 1, 1, 7], expected[:, 0, 0] > 90),
        *((slice(2, 9), 3, 4), (slice(None), slice(1, 3), slice(2, 5)), (5, 2), (..., 2)),
        *((slice(None), [1, 2], [3, 4]), slice(4, 4), ([2, 3], ..., 1)),
    ]
    part = movie[1:11]
    for key in keys:
        np.testing.assert_array_equal(movie.frames[key], expected[key], err_msg=str(key))
        if not isinstance(key, np.ndarray):
            np.testing.assert_array_equal(part.frames[key], expected[1:11][key], err_msg=str(key))
    with pytest.raises(IndexError):
        movie.frames[12]


@pytest.mark.parametrize("kind", [*KINDS, "memory"])
def test_a_pickle_gives_the_same_frames(tmp_path: Path, kind: str) -> None:
    movie = Movie(frames() if kind == "memory" else in_file(tmp_path, kind), 4.0)[2:]
    again = pickle.loads(pickle.dumps(movie))
    np.testing.assert_array_equal(np.asarray(again), frames()[2:])
    assert repr(again) == repr(movie)


def test_a_pickle_names_the_file(tmp_path: Path) -> None:
    open_memmap(tmp_path / "a.npy", "w+", "f4", (100, 50, 60)).flush()
    movie = Movie(np.load(tmp_path / "a.npy", mmap_mode="r"), 4.0)
    pickled = pickle.dumps(movie)
    assert len(pickled) < 2000
    (tmp_path / "a.npy").unlink()
    with pytest.raises(OSError, match=r"a\.npy, in which the data lie, cannot be read any more"):
        pickle.loads(pickled)


def test_a_file_may_be_closed_meanwhile(tmp_path: Path) -> None:
    dataset = in_file(tmp_path, "hdf5")
    movie = Movie(dataset, 4.0)
    dataset.file.close()
    np.testing.assert_array_equal(movie[3:5].frames[:], frames()[3:5])


def test_an_array_of_a_closed_file_is_refused(tmp_path: Path) -> None:
    dataset = in_file(tmp_path, "hdf5")
    dataset.file.close()
    with pytest.raises(ValueError, match="HDF5 file of the array was closed: open it again"):
        Movie(dataset, 4.0)


def test_other_frames_keep_rate_and_metadata() -> None:
    movie = Movie(frames(), 4.0, metadata={"indicator": "GCaMP6f"})
    other = movie.with_frames(frames()[:6, 1:] * 2.0)
    assert repr(other) == "Movie(6 frames of 4 x 7 pixels, float64, 4 Hz, 1.5 s)"
    assert other.metadata == movie.metadata
    assert check_movie(frames()).with_frames(frames()).frame_rate is None
    with pytest.raises(ValueError, match="frames must be a movie of shape"):
        movie.with_frames(frames()[0])


def test_a_slice_reads_no_other_frames() -> None:
    class Counting:
        shape, dtype = SHAPE, np.dtype("uint16")
        read: list[tuple[int, int]] = []

        def __getitem__(self, key: slice) -> np.ndarray:
            self.read.append((key.start, key.stop))
            return frames()[key]

    source = Counting()
    part = Movie(source, 4.0)[4:9]
    assert source.read == []
    assert [first for first, _ in part.chunks(3)] == [0, 3]
    assert source.read == [(4, 7), (7, 9)]


def test_what_memory_does_not_hold_is_refused() -> None:
    class Huge:
        shape, dtype = (10**9, 1000, 1000), np.dtype("uint16")

        def __getitem__(self, key: slice) -> np.ndarray:
            raise AssertionError("was read")

    with pytest.raises(MemoryError, match=r"10+ frames were asked for.*movie\.chunks\(\)"):
        np.asarray(Movie(Huge(), 4.0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_nan_is_named_when_it_is_read(value: float) -> None:
    values = frames("float64")
    values[7, 3, 2] = value
    movie = Movie(values, 4.0)  # reads nothing
    pieces = movie.chunks(5)
    next(pieces)
    with pytest.raises(ValueError, match=r"NaN or infinity.* in frame 7 at pixel x = 2, y = 3"):
        next(pieces)


def test_large_values_that_are_finite_pass() -> None:
    values = np.full(SHAPE, 3e38, dtype=np.float32)
    np.testing.assert_array_equal(next(Movie(values, 4.0).chunks())[1], values)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("movie.tif", TypeError, r"the path 'movie\.tif': read the file with calgan\.read_movie"),
        (Path("movie.tif"), TypeError, r"read the file with calgan\.read_movie"),
        (np.zeros((5, 6)), ValueError, r"2-D with shape \(5, 6\); pass frames\[None\]"),
        (np.zeros((9, 5, 6, 3)), ValueError, r"if it is in colour, pass one colour, such as"),
        (np.zeros((9, 4, 5, 6)), ValueError, r"one colour, channel or plane, such as frames\[:, 0"),
        (np.zeros((9, 2, 5, 6)), ValueError, r"one channel or plane, such as frames\[:, 0\]"),
        (np.zeros((2, 9, 2, 5, 6)), ValueError, r"5-D.*pass one \(frames, rows, columns\) array"),
        (np.zeros((0, 5, 6)), ValueError, r"is empty: its shape \(0, 5, 6\)"),
        (np.zeros((9, 5, 0)), ValueError, r"is empty"),
        (np.zeros((9, 5, 6), dtype=complex), ValueError, "Complex data not supported"),
        (np.full((9, 5, 6), "a"), TypeError, "must hold real numbers"),
        (None, TypeError, "must be an array of real numbers, got NoneType"),
        (Recording(np.zeros((9, 5)), 4.0), TypeError, "got a Recording, which holds traces"),
    ],
)
def test_what_is_no_movie_is_refused(given: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        Movie(given, 4.0)


@pytest.mark.parametrize("rate", [None, "10", 0, -3.0, np.nan, True])
def test_frame_rates_are_checked(rate: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"frame_rate must be a.*\(Hz\)"):
        Movie(frames(), rate)


def test_metadata_must_be_a_mapping() -> None:
    with pytest.raises(TypeError, match="metadata must be a mapping"):
        Movie(frames(), 4.0, metadata=[1])


def test_shapes_that_look_turned_are_named() -> None:
    with pytest.warns(UserWarning, match=r"last axis is time, pass np\.moveaxis\(frames, -1, 0\)"):
        Movie(np.zeros((32, 32, 100)), 4.0)
    with pytest.warns(UserWarning, match="if it is one image in colour"):
        Movie(np.zeros((48, 64, 3)), 4.0)


def test_check_movie_takes_movies_and_arrays() -> None:
    movie = Movie(frames(), 4.0)
    assert check_movie(movie) is movie
    bare = check_movie(frames())
    assert bare.frame_rate is None
    assert repr(bare[2:]) == "Movie(10 frames of 5 x 7 pixels, uint16)"
    with pytest.raises(ValueError, match=r"has no frame rate.*pass Movie\(frames, frame_rate\)"):
        _ = bare.duration
    with pytest.raises(ValueError, match=r"train must be a movie of shape"):
        check_movie(np.zeros((4, 5)), "train")
    assert Movie(bare, 4.0).frame_rate == 4.0
