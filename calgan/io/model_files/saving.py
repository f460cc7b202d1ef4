"""Files of models: safetensors with a JSON header; loading runs no code from them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Self

from calgan.io.model_files import _container
from calgan.io.model_files._container import ModelFileError, checksum_of, shorten
from calgan.io.model_files._fields import Context, FieldError
from calgan.io.model_files._models import class_named, migrate, pack, unpack

__all__ = ["SavingMixin", "checksum_of", "load", "write"]


class SavingMixin:
    """Saves a fitted model as one file, and loads it; ``_models.py`` says what it holds."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the fitted model, with its training state if it has one, as one file.

        Parameters
        ----------
        path : str or path-like
            File to write, such as ``"model.calgan"``. An existing one is replaced once the new one
            is complete.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        TypeError
            If a step is none of calgan's (pipelines only).
        ValueError
            If a parameter is not what it may be.
        OSError
            If the file cannot be written.

        See Also
        --------
        calgan.load : Loads any model.
        """
        write(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a model of this class saved by `save`.

        Parameters
        ----------
        path : str or path-like
            File written by `save`.

        Returns
        -------
        model
            Fitted: it draws the same samples from the same seed (with ``random_state=None``, anew
            each time), and goes on training where it can.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If the file is no model of this class, or is damaged.

        See Also
        --------
        calgan.load : Loads any model.
        """
        return _load(path, cls)


def write(path: str | os.PathLike[str], model: Any, learnt: dict[str, Any] | None = None) -> str:
    """Save a model, or what it has learnt so far, as one file; return its checksum."""
    file = Context({})
    try:
        said = pack(model, file, learnt=learnt)
    except FieldError as error:
        raise ValueError(f"{type(model).__name__} cannot be saved: {error}.") from None
    return _container.write(path, said, file.arrays)


def load(path: str | os.PathLike[str]) -> Any:
    """Load a model saved by the ``save`` of a `Pipeline`, generator or `SpikeInferenceNetwork`.

    Loading runs no code from the file.

    Parameters
    ----------
    path : str or path-like
        File of a model, such as ``"model.calgan"``.

    Returns
    -------
    model
        What was saved, fitted: it draws the same samples from the same seed (with
        ``random_state=None``, anew each time), and goes on training where it can.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the file is no model, is damaged, or was saved by a newer calgan.

    Examples
    --------
    >>> import calgan
    >>> recording, _ = calgan.datasets.make_recording(60.0, n_neurons=4, random_state=0)
    >>> model = calgan.make_calcium_pipeline(window=32, max_iter=1, random_state=0).fit(recording)
    >>> model.save("model.calgan")  # doctest: +SKIP
    >>> calgan.load("model.calgan").sample(3).shape  # doctest: +SKIP
    (3, 32, 4)
    """
    return _load(path, object)


def _load(path: str | os.PathLike[str], cls: type) -> Any:
    path = Path(path)
    try:
        said, arrays = _container.read(path)
        changed = migrate(said, arrays)
        found = class_named(said["model"]["class"])
        if not issubclass(found, cls):
            raise ModelFileError(f"holds a {found.__name__}, not a {cls.__name__}")
        model = unpack(said["model"], Context(arrays))
        if arrays:
            raise FieldError(f"there is no field for its tensor {shorten(min(arrays))}")
    except (OSError, MemoryError, ImportError):
        raise
    except ModelFileError as error:
        raise ValueError(f"{path} {error}.") from None
    except Exception as error:  # whatever the numbers in a file make of a constructor
        why = str(error) if isinstance(error, ValueError) else repr(error)
        why = " ".join(why.split())[:300].rstrip(".")
        raise ValueError(f"{path} is no calgan model: {why}.") from error
    if changed:
        warnings.warn(f"{path} was saved by an older calgan: {'; '.join(changed)}.", stacklevel=3)
    return model
