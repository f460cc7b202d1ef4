"""The container of a model file: safetensors whose metadata hold JSON, and a checksum of it all."""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

import calgan
from calgan.data.files import replaced
from calgan.data.validation import check_target

FORMAT = "calgan-model"
FORMAT_VERSION = 3
_OLDEST_VERSION = 3  # that `MIGRATIONS` bring to the present one
DTYPES = {
    **{"b1": "BOOL", "u1": "U8", "u4": "U32", "u8": "U64", "i4": "I32", "i8": "I64"},
    **{"f4": "F32", "f8": "F64"},
}

_MOST_HEADER = 2**20  # bytes; arrays are no part of it
# The 64 hex digits of the checksum follow, in JSON within JSON: its quotes are escaped.
_MARK = rb"\"sha256\": \""
_ZEROS = b"0" * 64
_KEYS = {"format", "format_version", "sha256", "calgan_version", "model"}
_TEXT = reprlib.Repr()
_TEXT.maxstring = _TEXT.maxother = 60


class ModelFileError(ValueError):
    """Says of a file, in a sentence that begins with its name, why it cannot be loaded."""


def shorten(value: Any) -> str:
    """Return a value as text of at most 60 characters."""
    text = _TEXT.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def write(path: str | os.PathLike[str], model: Any, arrays: dict[str, NDArray[Any]]) -> str:
    """Write a model (JSON) and its arrays to a file, which appears once complete; return its sum.

    Arrays are written from where they lie: nothing is copied.
    """
    path = check_target(path)
    said = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sha256": _ZEROS.decode(),
        "calgan_version": calgan.__version__,
        "model": model,
    }
    entries: dict[str, Any] = {"__metadata__": {"calgan": json.dumps(said, allow_nan=False)}}
    parts: list[Any] = []
    end = 0
    # Large items first, so that each begins at a multiple of its size.
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        array = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
        parts.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        dtype, offsets = DTYPES[array.dtype.str[1:]], [end, end + array.nbytes]
        entries[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": offsets}
        end += array.nbytes
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > _MOST_HEADER:
        raise ValueError(
            f"The model has too many parts for one file: its header is {len(header)} bytes long, "
            f"and may have {_MOST_HEADER}."
        )
    digest = hashlib.sha256()
    with replaced(path) as temporary, open(temporary, "r+b") as file:
        for part in [len(header).to_bytes(8, "little"), header, *parts]:
            digest.update(part)
            file.write(part)
        file.seek(8 + header.index(_MARK) + len(_MARK))
        file.write(digest.hexdigest().encode())
    return digest.hexdigest()


def checksum_of(path: Path) -> str | None:
    """Return the checksum that a file states, None if there is no file that states one."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            return str(_said_in(file.read(min(length, _MOST_HEADER))).get("sha256"))
    except (OSError, ModelFileError):
        return None


def read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what the metadata say, the model among it, and arrays; errors of the system pass."""
    with open(path, "rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(_MOST_HEADER, os.fstat(file.fileno()).st_size - 8):
            raise _foreign()
        header = file.read(length)
        said = _said_in(header)
        _check_version(said)
        _check_sum(file, start + header, said)
        by = said.get("calgan_version")
        if set(said) != _KEYS or not isinstance(said["model"], dict) or not isinstance(by, str):
            raise ModelFileError(f"is no calgan model: its metadata are {shorten(said)}")
        with safe_open(path, framework="numpy") as tensors:
            arrays = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
        if not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
            raise ModelFileError("was replaced while it was read: load it again")
    return said, arrays


def _foreign() -> ModelFileError:
    return ModelFileError(
        "is no calgan model: calgan.load reads files that the save of one of calgan's models wrote"
    )


def _said_in(header: bytes) -> dict[str, Any]:
    """Return the JSON in the metadata of a safetensors header."""
    entries = _json(header)
    metadata = entries.get("__metadata__") if isinstance(entries, dict) else None
    text = metadata.get("calgan") if isinstance(metadata, dict) else None
    said = _json(text) if isinstance(text, str) else None
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise _foreign()
    return said


def _json(text: str | bytes) -> Any:
    """Read JSON in which no name comes twice, and no number is NaN or infinite."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ModelFileError("is no calgan model: a name comes twice in its header")
        return found

    def refuse(number: str) -> None:
        raise ModelFileError(f"is no calgan model: its header holds {number}")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except ModelFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise _foreign() from error


def _check_version(said: dict[str, Any]) -> None:
    version = said.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ModelFileError(f"is no calgan model: its format_version is {shorten(version)}")
    if version < _OLDEST_VERSION:
        raise ModelFileError(
            f"is in format {version}, which no released calgan wrote: fit the model again and save "
            "it"
        )
    if version > FORMAT_VERSION:
        by = shorten(said.get("calgan_version"))
        raise ModelFileError(f"was saved by a newer calgan ({by}): upgrade calgan to load it")


def _check_sum(file: BinaryIO, start: bytes, said: dict[str, Any]) -> None:
    """Compare the checksum with that of the file, in which its own digits are taken for zeros."""
    at = start.find(_MARK) + len(_MARK)
    written, after = start[at : at + len(_ZEROS)], start[at + len(_ZEROS) :]
    digest = hashlib.sha256(start[:at] + _ZEROS + after)
    while chunk := file.read(2**20):
        digest.update(chunk)
    if digest.hexdigest().encode() != written or said.get("sha256") != written.decode():
        raise ModelFileError(
            "is damaged: its checksum does not match its content; save it again or copy it again"
        )
