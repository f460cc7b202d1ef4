"""Reading and writing movies."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

import calgan
from calgan.data.files import replaced
from calgan.data.movie import Movie
from calgan.data.validation import (
    check_boolean,
    check_frame_rate,
    check_integer,
    check_target,
    check_text,
    shown,
)
from calgan.io import _movie_arrays, _movie_tiff, _suite2p, _zarr
from calgan.io._build import frame_rate_of, say
from calgan.io._formats import VIDEOS, check_source
from calgan.io._hdf5 import is_hdf5
from calgan.io._named import is_plain

_UNSAID = {"format", "source", "variable", "description"}  # what a file says of itself
_WRITERS = {
    **dict.fromkeys((".tif", ".tiff"), _movie_tiff.write),
    **dict.fromkeys((".h5", ".hdf5"), _movie_arrays.write_hdf5),
    ".npy": _movie_arrays.write_npy,
}


def read_movie(
    path: str | os.PathLike[str],
    frame_rate: float | None = None,
    *,
    variable: str | None = None,
    channel: int | None = None,
) -> Movie:
    """Read a movie from a file or folder; its frames stay there until they are needed.

    Parameters
    ----------
    path : str or path-like
        TIFF file (stacks, ImageJ, ScanImage, OME and BigTIFF) or folder of TIFF files, which are
        joined in the order of the numbers in their names; npy or npz; HDF5, MATLAB v7.3 or zarr
        with one 3-D array; or NWB with one series of images.
    frame_rate : float or None, default=None
        Frames per second (Hz), for files that do not say it. It replaces the rate of the file.
    variable : str or None, default=None
        Name of the array or series, where there are several.
    channel : int or None, default=None
        Number of the channel from 0, for TIFF files with several.

    Returns
    -------
    movie : Movie
        Frames (T, H, W), in the type of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PermissionError
        If the file cannot be read.
    TypeError
        If an argument is of another type than it must be.
    ImportError
        If a library is missing that the format needs.
    ValueError
        If the file is of no format that calgan reads, is damaged, is in colour, holds no movie,
        several of them, several channels or planes, or no frame rate.

    Warns
    -----
    UserWarning
        If `frame_rate` differs from that of the file, or time stamps have gaps.

    See Also
    --------
    write_movie : Write a movie.
    read_recording : Read traces.

    Notes
    -----
    Frames of npz and of compressed files take memory or time: a copy that `write_movie` makes is
    read faster. MATLAB and NWB files hold columns before rows, which are exchanged as they are
    read. The rate is read from ImageJ's frame interval, ScanImage's ``scanFrameRate``, OME's
    ``TimeIncrement``, NWB's rate or time stamps, and from attributes and numbers such as
    ``frame_rate`` and ``fs``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from calgan import Movie, read_movie, write_movie
    >>> movie = Movie(np.zeros((60, 32, 48), dtype=np.uint16), 10.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_movie(movie, Path(folder) / "movie.tif")
    ...     read_movie(path)
    Movie(60 frames of 32 x 48 pixels, uint16, 10 Hz, 6.0 s)
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"path must be the name of a file or folder, got {shown(path)}; make a movie of an "
            "array with Movie(frames, frame_rate)."
        )
    if frame_rate is not None:
        frame_rate = check_frame_rate(frame_rate)
    if variable is not None:
        check_text(variable, "variable", "mov")
    if channel is not None:
        channel = check_integer(channel, "channel", minimum=0)
    path = check_source(path)
    format = _format_of(path)
    if channel is not None and format != "tiff":
        raise ValueError(f"channel chooses in TIFF files, and {path} is none: leave it out.")
    if variable is not None and format in ("tiff", "npy"):
        raise ValueError(
            f"{path} has no arrays with names, so variable chooses nothing: leave it out."
        )
    if format == "tiff":
        frames, rate, known = _movie_tiff.read(path, channel)
    elif format == "npy":
        frames, rate, known = _movie_arrays.read_npy(path)
    else:
        frames, rate, known = getattr(_movie_arrays, f"read_{format}")(path, variable)
    rate = frame_rate_of(rate, frame_rate, str(path), "read_movie")
    metadata = {k: v for k, v in known.items() if k not in ("format", "source", "frame_rate")}
    try:
        return Movie(frames, rate, metadata={**metadata, "format": format, "source": str(path)})
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from error


def _format_of(path: Path) -> str:
    """Return the format of a movie's file or folder, or say what to do with it."""
    suffix = path.suffix.lower()
    if path.is_dir():
        if _zarr.recognises(path):
            return "zarr"
        if _movie_tiff.files_in(path):
            return "tiff"
        if _suite2p.recognises(path):
            raise ValueError(
                f"{path} is a folder of suite2p, which holds traces: read it with read_recording, "
                "or its movie from the files that suite2p was given."
            )
        raise ValueError(f"The folder {path} holds no TIFF files, and is no zarr folder.")
    if suffix in VIDEOS:
        raise ValueError(
            f"{path} is a video, which calgan does not read: make a folder of TIFF files of it "
            f"with ffmpeg -i {path.name} -pix_fmt gray -compression_algo raw frames/%06d.tif, and "
            "read that."
        )
    if _movie_tiff.is_tiff(path):
        return "tiff"
    if suffix in (".npy", ".npz"):
        return suffix[1:]
    if _movie_arrays.is_nwb(path):
        return "nwb"
    if is_hdf5(path):
        return "hdf5"
    if suffix == ".mat":
        raise ValueError(f"{path} is of an older version of MATLAB: save it with the flag -v7.3.")
    raise ValueError(
        f"{path} is of no format of movies that calgan reads (TIFF, npy, npz, HDF5, MATLAB v7.3, "
        "zarr, NWB): load its frames yourself, and pass Movie(frames, frame_rate)."
    )


def write_movie(movie: Movie, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a movie to a file that other programs read, piece by piece.

    A synthetic movie is marked in the description of the file.

    Parameters
    ----------
    movie : Movie
        Movie to write. It may be larger than memory.
    path : str or path-like
        File to write: ``.tif`` or ``.tiff``, ``.h5`` or ``.hdf5``, or ``.npy``.
    overwrite : bool, default=False
        Whether to replace an existing file.

    Returns
    -------
    path : pathlib.Path
        File that was written. It appears when it is complete.

    Raises
    ------
    TypeError
        If `movie` is no Movie, or `path` no path.
    FileExistsError
        If the file exists and `overwrite` is False.
    FileNotFoundError
        If the folder does not exist.
    IsADirectoryError
        If a folder has the name of the file.
    PermissionError
        If the folder cannot be written to.
    ImportError
        If a library is missing that the format needs.
    ValueError
        If calgan writes no movies with such a suffix, or an npy file is to hold a synthetic movie.

    Warns
    -----
    UserWarning
        If the file has no place for some of the metadata.

    See Also
    --------
    read_movie : Read it back.

    Notes
    -----
    A TIFF is a stack of ImageJ with its frame interval, of uint8 and uint16 as they are and of
    float32 for all other types. Above 4 GB, it is a BigTIFF. An HDF5 file has the array ``movie``
    with attributes. An npy file holds frames alone, and no frame rate.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from calgan import Movie, read_movie, write_movie
    >>> movie = Movie(np.arange(24.0).reshape(2, 3, 4), 10.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_movie(movie, Path(folder) / "movie.h5")
    ...     bool((read_movie(path).frames[:] == movie.frames).all())
    True
    """
    if not isinstance(movie, Movie) or movie.frame_rate is None:
        raise TypeError(
            f"write_movie takes a Movie, got {shown(movie)}: make one with Movie(frames, "
            "frame_rate)."
        )
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be the name of a file, got {shown(path)}.")
    path = Path(path).expanduser()
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise ValueError(
            f"{path}: calgan writes no movies with the suffix {path.suffix!r}; take "
            f"{', '.join(_WRITERS)}."
        )
    synthetic = movie.metadata.get("synthetic") is True
    if synthetic and writer is _movie_arrays.write_npy:
        raise ValueError(
            f"{path}: an npy file has no place to say that a movie is synthetic; write .tif or .h5."
        )
    if not check_boolean(overwrite, "overwrite") and path.exists():
        raise FileExistsError(f"{path} exists: choose another name, or pass overwrite=True.")
    target = check_target(path)
    note = {k: v for k, v in movie.metadata.items() if is_plain(v) and k not in _UNSAID}
    note = {k: v.item() if isinstance(v, np.generic) else v for k, v in note.items()}
    lost = [k for k in movie.metadata if k not in note and k not in _UNSAID]
    if writer is _movie_arrays.write_npy:
        lost = [k for k in movie.metadata if k not in _UNSAID]
    if lost:
        say(f"{path} has no place for these metadata of the movie: {', '.join(map(str, lost))}.")
    what = "Synthetic movie rendered" if synthetic else "Movie written"
    nobody = " No animal was recorded." if synthetic else ""
    description = f"{what} by calgan {calgan.__version__}.{nobody}"
    with replaced(target) as temporary:
        writer(movie, Path(temporary), note | {"frame_rate": movie.frame_rate}, description)
    return target
