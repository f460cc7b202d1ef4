"""Models as one safetensors file with a JSON header: loading runs no code from the file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

FORMAT = "calgan-model"
FORMAT_VERSION = 1


def _flat(tensors: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    for key, value in tensors.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}/")
        else:  # an array, or a tensor of torch; safetensors refuses shared memory
            yield f"{prefix}{key}", np.asarray(value).copy()


def _nested(tensors: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in tensors.items():
        *folders, name = key.split("/")
        place = result
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = value
    return result


def write_model(
    path: str | os.PathLike[str], header: dict[str, Any], tensors: dict[str, Any]
) -> None:
    """Write a model file under a temporary name, then rename it.

    Parameters
    ----------
    path : str or path-like
        File to write; an existing one is replaced only once the new one is complete.
    header : dict
        JSON-able description.
    tensors : dict
        Arrays or tensors on the CPU, in dicts nested as deeply as is convenient.

    Raises
    ------
    IsADirectoryError, FileNotFoundError
        If `path` is a folder, or lies in none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import torch
    >>> from calgan.generators.files import read_model, write_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.safetensors"
    ...     write_model(path, {"class": "Mine"}, {"weights": {"bias": torch.zeros(2)}})
    ...     header, tensors = read_model(path, "Mine")
    >>> header["class"], tensors["weights"]["bias"].tolist()
    ('Mine', [0.0, 0.0])
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder: give the name of a file to save the model to."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} does not exist: create it first.")
    text = json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **header})
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        save_file(
            dict(_flat(tensors)),
            temporary,
            metadata={"calgan": text},
        )
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_model(
    path: str | os.PathLike[str], kind: str, *, framework: str = "pt"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a model file that holds a model of class `kind`.

    Parameters
    ----------
    path : str or path-like
        File written by `write_model`.
    kind : str
        Class name that the header must state.
    framework : {"pt", "numpy"}, default="pt"
        What weights are returned as: tensors of torch or arrays.

    Returns
    -------
    header : dict
    tensors : dict
        Weights, nested as they were.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no model of calgan, of another class, damaged, or of a newer format.

    Examples
    --------
    >>> from calgan.generators.files import read_model
    >>> read_model("nowhere.safetensors", "CalciumGAN")
    Traceback (most recent call last):
    FileNotFoundError: There is no model file at nowhere.safetensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no model file at {path}.")
    foreign = f"{path} is no model saved by calgan: load() reads files written by {kind}.save()."
    try:
        with safe_open(path, framework=framework) as file:
            text = (file.metadata() or {}).get("calgan")
            if text is None:
                raise ValueError(foreign)
            header = json.loads(text)
            tensors = _nested({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise ValueError(f"{foreign} ({type(error).__name__}: it may be damaged.)") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(foreign)
    if header["format_version"] > FORMAT_VERSION:
        raise ValueError(
            f"{path} was saved by a newer calgan ({header.get('calgan_version')}): upgrade calgan."
        )
    if header.get("class") != kind:
        raise ValueError(f"{path} holds a {header.get('class')}, not a {kind}.")
    return header, tensors
