"""The container of a model file: safetensors whose metadata hold JSON and a checksum of it all."""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
import warnings
from collections.abc import Callable
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
# What brings the model (JSON) and tensors of one version to the next, and says what it changed.
MIGRATIONS: dict[int, Callable[[Any, dict[str, Any]], str]] = {}

_MOST_HEADER = 2**20  # bytes
# The checksum's 64 hex digits follow; JSON within JSON, so that its quotes are escaped.
_MARK = rb"\"sha256\": \""
_ZEROS = b"0" * 64
_KEYS = {"format", "format_version", "sha256", "calgan_version", "model"}
_DTYPES = {"b1": "BOOL", "u1": "U8", "u4": "U32", "u8": "U64", "i4": "I32", "i8": "I64"} | {
    "f4": "F32",
    "f8": "F64",
}


class ModelFileError(ValueError):
    """Says, without the file's name, why a file does not hold a model, or cannot."""


def shorten(value: Any) -> str:
    """Return a value as text of at most 60 characters."""
    text = reprlib.Repr().repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def write(path: str | os.PathLike[str], model: Any, arrays: dict[str, NDArray[Any]]) -> None:
    """Write a model (JSON) and its arrays to a file, which appears once it is complete."""
    path = check_target(path)
    text = json.dumps(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "sha256": _ZEROS.decode(),
            "calgan_version": calgan.__version__,
            "model": model,
        },
        allow_nan=False,
    )
    entries: dict[str, Any] = {"__metadata__": {"calgan": text}}
    parts: list[Any] = []
    end = 0
    # Large items first, so that each begins at a multiple of its size.
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        array = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
        parts.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        offsets = [end, end + array.nbytes]
        dtype = _DTYPES[array.dtype.str[1:]]
        entries[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": offsets}
        end += array.nbytes
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > _MOST_HEADER:
        raise ValueError(
            f"the model has too many parts for one file: its header is {len(header)} bytes long, "
            f"and {_MOST_HEADER} is the limit."
        )
    digest = hashlib.sha256()
    with replaced(path) as temporary, open(temporary, "r+b") as file:
        for part in [len(header).to_bytes(8, "little"), header, *parts]:
            digest.update(part)
            file.write(part)
        file.seek(8 + header.index(_MARK) + len(_MARK))
        file.write(digest.hexdigest().encode())


def read(path: Path) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Read a model (JSON) and its arrays; errors of the operating system pass."""
    with open(path, "rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(_MOST_HEADER, os.fstat(file.fileno()).st_size - 8):
            raise _foreign()
        header = file.read(length)
        said = _said_by(header)
        _check_version(said)
        _check_sum(file, start + header, said)
    if set(said) != _KEYS:
        raise ModelFileError(
            f"is no calgan model: its header has the fields {shorten(sorted(said))}"
        )
    with safe_open(path, framework="numpy") as tensors:
        arrays = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    return _migrated(said, arrays), arrays


def _said_by(header: bytes) -> dict[str, Any]:
    """Return the JSON in the metadata of a safetensors header."""
    entries = strict_json(header)
    metadata = entries.get("__metadata__") if isinstance(entries, dict) else None
    text = metadata.get("calgan") if isinstance(metadata, dict) else None
    said = strict_json(text) if isinstance(text, str) else None
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise _foreign()
    return said


def _check_version(said: dict[str, Any]) -> None:
    version = said.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ModelFileError(f"is no calgan model: its format_version is {shorten(version)}")
    if version > FORMAT_VERSION:
        by = shorten(said.get("calgan_version"))
        raise ModelFileError(f"was saved by a newer calgan ({by}): upgrade calgan to load it")
    if any(old not in MIGRATIONS for old in range(version, FORMAT_VERSION)):
        raise ModelFileError(
            f"has format_version {version}, of a calgan that was never released: fit the model "
            "again and save it"
        )


def _check_sum(file: BinaryIO, start: bytes, said: dict[str, Any]) -> None:
    at = start.find(_MARK) + len(_MARK)
    written = start[at : at + len(_ZEROS)]
    digest = hashlib.sha256(start[:at] + _ZEROS + start[at + len(_ZEROS) :])
    while chunk := file.read(2**20):
        digest.update(chunk)
    if digest.hexdigest().encode() != written or said.get("sha256") != written.decode():
        raise ModelFileError(
            "is damaged: its checksum does not match its content; save it again or copy it again"
        )


def _migrated(said: dict[str, Any], arrays: dict[str, Any]) -> Any:
    """Bring the model of an older format to this one, with a word of what was changed."""
    model = said["model"]
    for version in range(said["format_version"], FORMAT_VERSION):
        changed = MIGRATIONS[version](model, arrays)
        if changed:
            warnings.warn(
                f"The model was saved by calgan {shorten(said['calgan_version'])}: {changed}.",
                UserWarning,
                stacklevel=4,
            )
    return model


def strict_json(text: str | bytes) -> Any:
    """Read JSON that has no key twice, and no number that is none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(pairs)
        if len(read) < len(pairs):
            raise ModelFileError("is no calgan model: its header has a field twice")
        return read

    def refuse(number: str) -> None:
        raise ModelFileError(f"is no calgan model: its header holds {number}")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except ModelFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise _foreign() from error


def _foreign() -> ModelFileError:
    return ModelFileError(
        "is no calgan model: calgan.load reads files that the save of a Pipeline or generator wrote"
    )
