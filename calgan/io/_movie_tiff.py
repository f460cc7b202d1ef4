"""Movies in TIFF files: stacks, hyperstacks of ImageJ, ScanImage, OME, and folders of files."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from calgan.data.movie import Movie
from calgan.data.stored import source_of
from calgan.io._build import few, needs

SUFFIXES = {".tif", ".tiff", ".btf", ".tf8"}
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two of BigTIFF
_OURS = "calgan"  # key of the note
_LARGEST = 2**32 - 2**26  # bytes of frames in a TIFF that is no BigTIFF
_SECONDS = {"ms": 1e-3, "msec": 1e-3, "min": 60.0, "µs": 1e-6, "us": 1e-6}  # others are seconds
_RATES = (  # of ScanImage 3, 4, 5 and later
    re.compile(r"\bstate\.acq\.frameRate\s*=\s*([\d.eE+-]+)"),
    re.compile(r"\bSI[\d.]*\.(?:hRoiManager\.)?scanFrameRate\s*=\s*([\d.eE+-]+)"),
)
_MOST_CHANNELS = 4
_PIECE = 1 << 23  # values that are written at a time


def is_tiff(path: Path) -> bool:
    """Tell a TIFF file by its suffix or its first bytes."""
    if path.suffix.lower() in SUFFIXES:
        return path.is_file()
    try:
        with open(path, "rb") as file:
            return file.read(4) in _MAGIC
    except OSError:
        return False


def files_in(folder: Path) -> list[Path]:
    """Return the TIFF files of a folder, in natural order: 2 comes before 10."""
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def read(path: Path, channel: int | None) -> tuple[Any, float | None, dict[str, Any]]:
    """Return the frames of a file or of a folder of files, their rate and what is known."""
    tifffile = _library("reading TIFF")
    if path.is_file():
        return _read_file(tifffile, path, channel, alone=True)
    parts: list[Any] = []
    for file in files_in(path):
        frames, found, metadata = _read_file(tifffile, file, channel, alone=False)
        if not parts:
            rate, known = found, metadata
        elif frames.shape[1:] != parts[0].shape[1:] or frames.dtype != parts[0].dtype:
            raise ValueError(
                f"the files of {path} differ: {file.name} holds frames {_said(frames)}, but the "
                f"first file {_said(parts[0])}; keep the files of one movie in the folder."
            )
        parts.append(frames)
    return _Joined(parts), rate, known


def _said(frames: Any) -> str:
    return f"of {frames.shape[1]} x {frames.shape[2]} pixels, {frames.dtype}"


def _library(what: str) -> ModuleType:
    return needs("tifffile", what, "'calgan[movies]'")


def _read_file(
    tifffile: ModuleType, path: Path, channel: int | None, *, alone: bool
) -> tuple[Any, float | None, dict[str, Any]]:
    """Return frames, rate and metadata. Of many files, none is mapped or stays open."""
    with _opened(tifffile, path) as file:
        said = _scanimage(file)
        axes, shape, one_series = _axes(file, path, said)
        pages = _pages(axes, shape, path, channel)
        rate, known = _rate(file, said), _note(file)
        page = file.pages.first
        offset = file.series[0].dataoffset if one_series else None
        if offset is not None and offset + _n_bytes(shape, page.dtype) > path.stat().st_size:
            raise ValueError(_cut(path))
        dtype, byteorder = page.dtype, file.byteorder
    if offset is not None and alone:
        n_pages = int(np.prod(shape[:-2], dtype=int))
        mapped = np.memmap(path, dtype.newbyteorder(byteorder), "r", offset, (n_pages, *shape[-2:]))
        return source_of(mapped[pages.start : pages.stop : pages.step]), rate, known
    frames = _Pages(path, pages, shape[-2:], dtype, one_series=one_series)
    if alone or len(pages) > 1:
        frames[:1], frames[len(pages) - 1 :]  # what is cut off, or cannot be decompressed
    if not alone:
        frames.close()
    return frames, rate, known


def _n_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return int(np.prod(shape, dtype=int)) * dtype.itemsize


def _cut(path: Path) -> str:
    return f"{path} is damaged or cut off: it promises more frames than it holds; copy it again."


@contextlib.contextmanager
def _opened(tifffile: ModuleType, path: Path) -> Iterator[Any]:
    """Open a TIFF file; what is damaged in it, which tifffile only logs, is said in a sentence."""
    log, messages = logging.getLogger("tifffile"), _Messages()
    log.addHandler(messages)
    propagate, log.propagate = log.propagate, False
    try:
        with _tiff_file(tifffile, path) as file:
            yield file
    except tifffile.TiffFileError as error:
        raise ValueError(f"{path} is no TIFF file, or is damaged: {error}.") from error
    except (MemoryError, OSError):
        raise
    except Exception as error:  # tifffile trusts what files say
        if str(path) in str(error):  # a refusal of calgan
            raise
        raise ValueError(f"{path} is no TIFF file, or is damaged or cut off.") from error
    finally:
        log.removeHandler(messages)
        log.propagate = propagate
    if any("invalid page offset" in message for message in messages.held):
        raise ValueError(_cut(path))


def _tiff_file(tifffile: ModuleType, path: str | Path) -> Any:
    """Open a TIFF file.

    Where the pages of old ScanImage files lie, tifffile guesses, and misses the last one. It need
    not unless their offsets are too large for a TIFF.
    """
    if os.path.getsize(path) < 2**31 and not _is_big(path):
        return tifffile.TiffFile(path, is_scanimage=False)
    return tifffile.TiffFile(path)


def _is_big(path: str | Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) in _MAGIC[2:]


class _Messages(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.held.append(record.getMessage())


def _axes(file: Any, path: Path, said: str) -> tuple[str, tuple[int, ...], bool]:
    """Return axes and shape of the frames, and whether they are the only series of the file."""
    if said:
        return *_axes_of_scanimage(file, said), False
    if len(_shaped(file).get("shape", ())) == 2 and len(file.pages) > 1:
        # Frames that tifffile added one by one; it takes long to list them as series.
        return "IYX", (len(file.pages), *file.pages.first.shape), False
    series = file.series
    if len(series) == 1:
        return series[0].axes, series[0].shape, True
    # Frames, or pieces of the movie, that were added one by one.
    kinds = {(each.axes[-2:], each.shape[-2:], each.dtype) for each in series}
    if len(kinds) > 1:
        shapes = few(" x ".join(map(str, each.shape)) for each in series)
        raise ValueError(
            f"{path} holds {len(series)} series that differ ({shapes}): save the movie in a file "
            "of its own."
        )
    axes, size, _ = kinds.pop()
    return f"I{axes}", (len(file.pages), *size), False


def _pages(axes: str, shape: tuple[int, ...], path: Path, channel: int | None) -> range:
    """Return the numbers of the pages that are the frames of one channel."""
    lengths = dict(zip(axes, shape, strict=True))
    shown = ", ".join(f"{axis} = {length}" for axis, length in lengths.items())
    if not axes.endswith("YX"):
        raise ValueError(
            f"{path} is in colour (axes {shown}): convert it to grey values first, such as with "
            "Image > Type > 16-bit in ImageJ."
        )
    outer = axes[:-2]
    if len(outer) == 1 and lengths[outer] > _MOST_CHANNELS:
        outer = "T"  # tifffile calls the frames of ImageJ channels, unless it is told their axes
    n_channels = lengths["C"] if "C" in outer else 1
    others = [axis for axis in outer if axis != "C"]
    if len(others) > 1:
        raise ValueError(
            f"{path} holds more than one plane (axes {shown}), but a movie is (frames, rows, "
            "columns): save each plane in a file of its own."
        )
    if channel is None and n_channels > 1:
        frames = "" if others else "; if these are its frames, correct its properties in ImageJ"
        raise ValueError(
            f"{path} holds {n_channels} channels (axes {shown}): choose one with channel=0 to "
            f"channel={n_channels - 1}{frames}."
        )
    channel = 0 if channel is None else channel
    if channel >= n_channels:
        raise ValueError(
            f"channel must be less than {n_channels}, the number of channels of {path}, got "
            f"{channel}."
        )
    n_frames = int(np.prod(shape[:-2], dtype=int)) // n_channels
    if outer.startswith("C"):  # channel after channel
        return range(channel * n_frames, (channel + 1) * n_frames)
    return range(channel, n_frames * n_channels, n_channels)


def _scanimage(file: Any) -> str:
    """Return what ScanImage says of its settings, "" of other files."""
    page = file.pages.first
    if not page.is_scanimage:
        return ""
    settings = (file.scanimage_metadata or {}).get("FrameData") or {}
    lines = [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join([*lines, page.software, page.description])


def _axes_of_scanimage(file: Any, said: str) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape by the settings: tifffile takes all files for complete."""

    def numbers(name: str) -> list[int]:
        found = re.search(rf"\b{name}\s*=\s*(.*)", said)
        return [] if found is None else [int(n) for n in re.findall(r"\d+", found[1])]

    n_channels = max(1, len(numbers(r"hChannels\.channelSave")))
    n_planes = 1
    if re.search(r"\bh(?:StackManager|FastZ)\.enable\s*=\s*(?:1|[tT]rue)", said):
        found = numbers(r"hStackManager\.actualNumSlices") or numbers(r"hStackManager\.numSlices")
        n_planes = max(1, *found[:1]) if found else 1
    n_frames = len(file.pages) // (n_channels * n_planes)
    lengths = {"T": n_frames, "Z": n_planes, "C": n_channels}
    kept = {axis: n for axis, n in lengths.items() if axis == "T" or n > 1}
    return "".join(kept) + "YX", (*kept.values(), *file.pages.first.shape)


def _rate(file: Any, said: str) -> float | None:
    """Return the frame rate (Hz) that a file tells."""
    for pattern in _RATES:
        if found := pattern.search(said):
            return _positive(found[1])
    if file.is_imagej:
        known = file.imagej_metadata or {}
        return _inverse(known.get("finterval"), str(known.get("tunit", "s")))
    if file.is_ome:
        held = file.ome_metadata or ""
        step = re.search(r'\bTimeIncrement="([^"]+)"', held)
        unit = re.search(r'\bTimeIncrementUnit="([^"]+)"', held)
        return None if step is None else _inverse(step[1], "s" if unit is None else unit[1])
    return _positive(_note(file).get("frame_rate"))


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < np.inf else None


def _inverse(interval: Any, unit: str) -> float | None:
    """Return a rate (Hz) by the interval of frames, to as many digits as intervals are exact."""
    seconds = _positive(interval)
    if seconds is None:
        return None
    return float(f"{1 / (seconds * _SECONDS.get(unit.strip().lower(), 1.0)):.9g}")


def _note(file: Any) -> dict[str, Any]:
    """Return what `write` noted."""
    if file.is_imagej:
        held = (file.imagej_metadata or {}).get("Info", "")
    else:
        held = _shaped(file).get("Info", "")
    found = re.search(rf"^{_OURS} = (.*)$", str(held), re.MULTILINE)
    if found is None:
        return {}
    try:
        note = json.loads(found[1])
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _shaped(file: Any) -> dict[str, Any]:
    """Return what tifffile notes in the first page of its own files."""
    text = file.pages.first.description
    if not text.startswith('{"shape":'):
        return {}
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}


class _Pages:
    """Frames of a TIFF file that are read page by page. A pickle names the file."""

    def __init__(
        self, path: Path, pages: range, size: tuple[int, ...], dtype: Any, *, one_series: bool
    ) -> None:
        self._path, self._pages, self._series = os.path.abspath(path), pages, one_series
        self.shape, self.dtype = (len(pages), *map(int, size)), np.dtype(dtype)
        self._file: Any = None

    def __getitem__(self, key: slice) -> np.ndarray:
        first, last, _ = key.indices(len(self._pages))
        if last <= first:
            return np.empty((0, *self.shape[1:]), dtype=self.dtype)
        pages = list(self._pages[first:last])
        try:
            if self._file is None:
                self._file = _tiff_file(_library("reading TIFF"), self._path)
            values = self._file.asarray(key=pages, series=0 if self._series else None)
            return values.reshape(len(pages), *self.shape[1:])
        except (MemoryError, ImportError):
            raise
        except OSError as error:
            raise OSError(f"{self._path} cannot be read any more: {error}.") from error
        except Exception as error:
            if "imagecodecs" in str(error):
                raise ImportError(
                    f"{self._path} is compressed, and reading it needs imagecodecs: pip install "
                    "imagecodecs."
                ) from error
            raise ValueError(
                f"{self._path} is damaged: frames {first} to {last - 1} cannot be read ({error})."
            ) from error

    def close(self) -> None:
        """Close the file, which the next read opens again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None}

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()


class _Joined:
    """Frames of several files, one after the other; one file is open at a time."""

    def __init__(self, parts: list[_Pages]) -> None:
        self._parts = parts
        self._edges = np.concatenate([[0], np.cumsum([part.shape[0] for part in parts])])
        self.shape, self.dtype = (int(self._edges[-1]), *parts[0].shape[1:]), parts[0].dtype
        self._open = parts[0]

    def __getitem__(self, key: slice) -> np.ndarray:
        first, last, _ = key.indices(self.shape[0])
        out = np.empty((max(0, last - first), *self.shape[1:]), dtype=self.dtype)
        i = int(np.searchsorted(self._edges, first, side="right")) - 1
        while first < last:
            part, start = self._parts[i], int(self._edges[i])
            stop = min(last, int(self._edges[i + 1]))
            if part is not self._open:
                self._open.close()
                self._open = part
            out[len(out) - (last - first) :][: stop - first] = part[first - start : stop - start]
            first, i = stop, i + 1
        return out


def write(movie: Movie, path: Path, note: dict[str, Any], description: str) -> None:
    """Write a stack that ImageJ reads, or a BigTIFF if it is larger than ImageJ's can be."""
    tifffile = _library("writing TIFF")
    dtype = _dtype_of(movie)
    large = _n_bytes(movie.shape, dtype) > _LARGEST
    text = f"{description}\n{_OURS} = {json.dumps(note)}"
    metadata: dict[str, Any] = {"Info": text, "description": description}
    if not large:
        interval = 1 / note["frame_rate"]
        metadata |= {"axes": "TYX", "finterval": interval, "fps": note["frame_rate"]}
    with tifffile.TiffWriter(path, bigtiff=large, imagej=not large) as file:
        file.write(
            (frame for piece in pieces(movie, dtype) for frame in piece),
            shape=movie.shape,
            dtype=dtype,
            photometric="minisblack",
            software="calgan",
            metadata=metadata,
        )


def _dtype_of(movie: Movie) -> np.dtype:
    """Return a type that ImageJ reads: the movie's own, or float32."""
    dtype = movie.frames.dtype
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    return np.dtype(dtype.newbyteorder("=") if dtype.str[1:] in ("u1", "u2") else np.float32)


def pieces(movie: Movie, dtype: np.dtype) -> Iterator[np.ndarray]:
    """Yield the frames of a movie in pieces that memory holds."""
    step = max(1, _PIECE // (movie.shape[1] * movie.shape[2]))
    for first in range(0, movie.n_frames, step):
        yield np.ascontiguousarray(movie.frames[first : first + step], dtype=dtype)
