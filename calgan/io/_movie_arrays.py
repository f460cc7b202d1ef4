"""Movies in arrays with names (npz, HDF5, zarr, MATLAB v7.3), in npy files, and in NWB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calgan.data.movie import Movie
from calgan.data.stored import source_of
from calgan.io import _npz, _zarr
from calgan.io._build import few, needs, say
from calgan.io._hdf5 import as_text, holds, open_hdf5
from calgan.io._movie_tiff import pieces
from calgan.io._named import RATES, is_plain, key
from calgan.io._npy import mapped

_NAME = "movie"  # of the array that `write_hdf5` writes
_SERIES = ("TwoPhotonSeries", "OnePhotonSeries", "ImageSeries")
_GAP = 1.75  # intervals between frames: longer ones are gaps

Found = tuple[Any, float | None, dict[str, Any]]  # frames, rate (Hz) and what else is known


def read_npy(path: Path) -> Found:
    """Map the frames of an npy file."""
    frames = mapped(path)
    if frames.ndim != 3:
        raise ValueError(f"{path} holds {_no_movie(frames.shape)}")
    return frames, None, {}


def read_npz(path: Path, variable: str | None) -> Found:
    """Read the frames of an npz file into memory."""
    with _npz.opened(path) as file:
        names = [name for name in file.namelist() if name.endswith(".npy")]
        arrays = {name.removesuffix(".npy"): _npz.Member(file, name, path) for name in names}
        if _npz.MARK in arrays:
            raise ValueError(f"{path} holds a recording and no movie: read it with read_recording.")
        name, rate, known = _choose(arrays, {}, path, variable)
        return np.asarray(arrays[name]), rate, known


def read_hdf5(path: Path, variable: str | None) -> Found:
    """Leave the frames in an HDF5 file; those of MATLAB change their axes."""
    with open_hdf5(path, "HDF5") as file:
        arrays: dict[str, Any] = {}

        def visit(name: str, item: Any) -> None:
            if getattr(item, "shape", None) is not None:  # groups and empty ones have none
                arrays[name.replace("/", ".")] = item

        file.visititems(visit)
        wanted = None if variable is None else variable.strip("/").replace("/", ".")
        name, rate, known = _choose(arrays, file.attrs, path, wanted)
        array = arrays[name]
        turned = "MATLAB_class" in array.attrs  # (H, W, T), written from its end
        source = source_of(array)
        return (Swapped(source) if turned else source), rate, known


def read_zarr(path: Path, variable: str | None) -> Found:
    """Leave the frames in a zarr folder."""
    arrays, attributes = _zarr.arrays_in(path)
    wanted = None if variable is None else variable.strip("/").replace("/", ".")
    name, rate, known = _choose(arrays, attributes, path, wanted)
    return arrays[name], rate, known


def is_nwb(path: Path) -> bool:
    """Tell NWB by its suffix, or by what an HDF5 file holds."""
    return path.suffix.lower() == ".nwb" or holds(path, "nwb_version")


def read_nwb(path: Path, variable: str | None) -> Found:
    """Leave the frames of an image series in an NWB file, which holds them as (T, W, H)."""
    with open_hdf5(path, "NWB") as file:
        found: dict[str, Any] = {}

        def visit(name: str, item: Any) -> None:
            kind = as_text(getattr(item, "attrs", {}).get("neurodata_type", ""))
            if kind in _SERIES and getattr(item.get("data"), "shape", None) is not None:
                found[name] = item

        file.visititems(visit)
        name = _series(found, path, variable)
        series = found[name]
        data = series["data"]
        if "external_file" in series and 0 in data.shape:
            outside = few(as_text(each) for each in series["external_file"][()])
            raise ValueError(
                f"{path} does not hold the frames of {name}, but names their file: {outside}; read "
                "that one."
            )
        if data.ndim != 3:
            raise ValueError(f"{path}: {name} holds {_no_movie(data.shape)}")
        rate, t_start = _timing(series, path)
        known = {"variable": name} | ({"t_start": t_start} if t_start else {})
        return Swapped(source_of(data)), rate, known


def _series(found: Mapping[str, Any], path: Path, variable: str | None) -> str:
    """Return the name of the series of images that was named, or of the only one."""
    shown = few(f"{name} {item['data'].shape}" for name, item in found.items()) or "none"
    if variable is not None:
        wanted = f"/{variable.strip('/')}"
        named = [name for name in found if f"/{name}".endswith(wanted)]
        if len(named) == 1:
            return named[0]
        how = f"{len(named)} series" if named else "no series"
        raise ValueError(f"{path} has {how} of images {variable!r}; it has: {shown}.")
    photons = [
        n for n, each in found.items() if as_text(each.attrs["neurodata_type"]) != "ImageSeries"
    ]
    names = photons or list(found)
    if len(names) == 1:
        return names[0]
    if not names:
        raise ValueError(
            f"{path} holds no movie (TwoPhotonSeries, OnePhotonSeries or ImageSeries); traces are "
            "read by read_recording."
        )
    raise ValueError(f"{path} holds several movies: {shown}. Name one with variable=...")


def _timing(series: Any, path: Path) -> tuple[float | None, float]:
    """Return rate (Hz) and time of the first frame (s) of a series."""
    start = series.get("starting_time")
    if start is not None:
        rate, first = float(start.attrs.get("rate", np.nan)), float(start[()])
        first = first if np.isfinite(first) else 0.0
        if 0 < rate < np.inf:
            return rate, first
    times = series.get("timestamps")
    if times is not None and times.ndim == 1 and len(times) > 1:
        times = np.asarray(times[()], dtype=float)
        steps = np.diff(times)
        usual = float(np.nanmedian(steps))
        if usual > 0:
            if not (steps < _GAP * usual).all() or not (steps > 0).all():
                say(
                    f"{path}: the time stamps have gaps or go back, but a movie counts frames as "
                    "evenly spaced."
                )
            return float(f"{1 / usual:.6g}"), float(times[0]) if np.isfinite(times[0]) else 0.0
    plane = series.get("imaging_plane")
    rate = np.nan if plane is None or "imaging_rate" not in plane else plane["imaging_rate"][()]
    return (float(rate) if 0 < rate < np.inf else None), 0.0


def _choose(
    arrays: Mapping[str, Any], attributes: Mapping[str, Any], path: Path, variable: str | None
) -> tuple[str, float | None, dict[str, Any]]:
    """Return the name of the array that is a movie, its rate, and what attributes say."""
    shown = few(f"{name} {tuple(array.shape)}" for name, array in arrays.items()) or "nothing"
    movies = [n for n, array in arrays.items() if len(array.shape) == 3 and _is_real(array)]
    if variable is not None:
        if variable not in arrays:
            raise ValueError(f"{path} has no array {variable!r}; it holds {shown}.")
        if variable not in movies:
            raise ValueError(f"{path}: {variable} holds {_no_movie(arrays[variable].shape)}")
    elif len(movies) != 1:
        if movies:
            several = few(f"{name} {tuple(arrays[name].shape)}" for name in movies)
            raise ValueError(
                f"{path} holds several arrays that may be movies, {several}: choose with "
                f"variable={movies[0]!r}."
            )
        raise ValueError(
            f"{path} holds no movie (frames, rows, columns): it holds {shown}; traces are read by "
            "read_recording."
        )
    name = movies[0] if variable is None else variable
    known = dict(attributes) | dict(getattr(arrays[name], "attrs", {}))
    known = {n: as_text(v) if isinstance(v, bytes) else v for n, v in known.items()}
    known = {n: v for n, v in known.items() if is_plain(v)}
    rates = [value for n, value in known.items() if key(n) in RATES]
    for other, array in arrays.items():
        if key(other) in RATES and np.prod(array.shape, dtype=int) == 1 and _is_real(array):
            rates.append(np.ravel(np.asarray(array[()] if hasattr(array, "attrs") else array))[0])
    rate = next((float(r) for r in rates if not isinstance(r, str) and 0 < r < np.inf), None)
    plain = {n: v.item() if isinstance(v, np.generic) else v for n, v in known.items()}
    metadata = {n: v for n, v in plain.items() if key(n) not in RATES and "MATLAB" not in n}
    return name, rate, metadata | {"variable": name}


def _is_real(array: Any) -> bool:
    return getattr(array.dtype, "kind", "O") in "biuf"


def _no_movie(shape: tuple[int, ...]) -> str:
    """Return what is said of an array that is no movie."""
    said = f"an array of shape {tuple(shape)}, but a movie is (frames, rows, columns)"
    if len(shape) == 2:
        return f"{said}; traces are read by read_recording."
    if len(shape) == 4:
        return f"{said}: open it yourself, and pass one channel or plane to Movie."
    return f"{said}."


class Swapped:
    """Frames in a file that holds them as (T, W, H)."""

    def __init__(self, source: Any) -> None:
        self._source, self.dtype = source, source.dtype
        self.shape = (source.shape[0], source.shape[2], source.shape[1])

    def __getitem__(self, key: slice) -> np.ndarray:
        return np.asarray(self._source[key]).swapaxes(1, 2)


def write_hdf5(movie: Movie, path: Path, note: dict[str, Any], description: str) -> None:
    """Write the array "movie" with attributes."""
    h5py = needs("h5py", "writing HDF5")
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(_NAME, movie.shape, movie.frames.dtype)
        first = 0
        for piece in pieces(movie, movie.frames.dtype):
            dataset[first : first + len(piece)] = piece
            first += len(piece)
        dataset.attrs["description"] = description
        for name, value in note.items():
            dataset.attrs[name] = value


def write_npy(movie: Movie, path: Path, note: dict[str, Any], description: str) -> None:
    """Write the frames alone."""
    dtype = movie.frames.dtype
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": movie.shape,
    }
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces(movie, dtype):
            file.write(piece.data)
