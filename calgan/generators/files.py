"""Files of generators: models as safetensors with a JSON header; loading runs no code from them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from sklearn.utils.validation import check_is_fitted

import calgan
from calgan.data.files import replaced
from calgan.data.validation import check_target
from calgan.generators.settings import plain

FORMAT = "calgan-model"
FORMAT_VERSION = 2


class SavingMixin:
    """Saves a fitted generator as one file, and loads it.

    A subclass names the fitted attributes that JSON can hold in ``_fitted``, and says the rest by
    `_state` and `_restore`.
    """

    _fitted: ClassVar[tuple[str, ...]]

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what else was fitted: as JSON can hold it, and arrays in nested dicts."""
        raise NotImplementedError

    def _restore(self, state: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Take what `_state` gave; the attributes of ``_fitted`` are set."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the fitted model, with its training state if it has one, as one safetensors file.

        Parameters
        ----------
        path : str or path-like
            File to write.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        IsADirectoryError, FileNotFoundError
            If `path` is a folder, or lies in a folder that does not exist.
        """
        check_is_fitted(self)
        model: Any = self
        params = model.get_params(deep=False)
        if not (params["random_state"] is None or isinstance(params["random_state"], int)):
            params["random_state"] = model.seed_  # a generator object cannot be written down
        state, arrays = self._state()
        header = {
            "class": type(self).__name__,
            "calgan_version": calgan.__version__,
            "params": plain(params),
            "fitted": {name: getattr(self, name) for name in self._fitted},
            "state": state,
        }
        write_model(path, header, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a model saved by `save`.

        Parameters
        ----------
        path : str or path-like
            File written by `save`.

        Returns
        -------
        generator
            Of the class it is called on, fitted: it draws the same samples from the same seed (with
            ``random_state=None``, anew each time), and goes on training where it can.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is no model of this class.
        """
        header, arrays = read_model(path, cls.__name__)
        try:
            model = cls(**header["params"])
            for name in cls._fitted:
                setattr(model, name, header["fitted"][name])
            model._restore(header["state"], arrays)
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise ValueError(
                f"{path} is a damaged model file of calgan, or one of another version: {error}"
            ) from error
        return model


def split_fitted(step: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fitted attributes of a transformer: those for a JSON header, and numbers."""
    learnt = {name: value for name, value in vars(step).items() if name.endswith("_")}
    arrays = {k: v for k, v in learnt.items() if np.asarray(v).dtype.kind in "biuf"}
    texts = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in learnt.items()}
    return {name: text for name, text in texts.items() if name not in arrays}, arrays


def join_fitted(step: Any, texts: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Give a transformer the fitted attributes that `split_fitted` took from another."""
    for name, text in texts.items():
        setattr(step, name, np.array(text) if isinstance(text, list) else text)
    for name, value in arrays.items():
        setattr(step, name, value[()])


def _flat(arrays: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    for key, value in arrays.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}/")
        else:  # an array, or a tensor of torch; safetensors refuses shared memory
            yield f"{prefix}{key}", np.asarray(value).copy()


def _nested(arrays: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in arrays.items():
        *folders, name = key.split("/")
        place = result
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = value
    return result


def write_model(
    path: str | os.PathLike[str], header: dict[str, Any], arrays: dict[str, Any]
) -> None:
    """Write a model file; an existing one is replaced only once the new one is complete."""
    path = check_target(path)
    text = json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **header})
    with replaced(path) as temporary:
        save_file(dict(_flat(arrays)), temporary, metadata={"calgan": text})


def read_model(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the header and the nested arrays of a model of class `kind`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no model file at {path}.")
    foreign = f"{path} is no model saved by calgan: load() reads files written by {kind}.save()."
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("calgan")
            if text is None:
                raise ValueError(foreign)
            header = json.loads(text)
            arrays = _nested({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
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
    return header, arrays
