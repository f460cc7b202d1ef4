"""Files of models: safetensors with a JSON header; loading runs no code from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from calgan.generators import _container
from calgan.generators._container import ModelFileError, shorten
from calgan.generators._fields import Context
from calgan.generators._models import pack, unpack


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
        file = Context({}, type(self).__name__)
        try:
            model = pack(self, "", file)
        except ModelFileError as wrong:
            raise ValueError(f"{type(self).__name__} cannot be saved: {wrong}.") from None
        _container.write(path, model, file.arrays)

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


def load(path: str | os.PathLike[str]) -> Any:
    """Load a model saved by the ``save`` of a `Pipeline` or generator.

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
        kind = said.get("class") if isinstance(said, dict) else said
        if cls is not object and kind != cls.__name__:
            raise ModelFileError(
                f"holds a {kind}, not a {cls.__name__}: calgan.load reads any model"
            )
        model = unpack(said, "", Context(arrays))
        if arrays:
            raise ModelFileError(f"is no calgan model: it has no tensor {shorten(min(arrays))}")
    except (OSError, MemoryError, ImportError):
        raise
    except ModelFileError as wrong:
        raise ValueError(f"{path} {wrong}.") from None
    except Exception as error:  # of a file that was made to be no model
        raise ValueError(f"{path} is no calgan model: {shorten(str(error))}.") from error
    return model
