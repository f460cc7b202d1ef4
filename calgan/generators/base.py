"""Drawing from generators: windows, what lies behind them, and recordings of any length."""

from __future__ import annotations

import functools
import math
import numbers
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import MethodType
from typing import Any, TypeVar, cast

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

import calgan
from calgan.data.recording import Recording
from calgan.data.validation import as_seed, check_integer, rng_from

__all__ = [
    "COMPONENTS",
    "SamplingMixin",
    "check_filename",
    "count_frames",
    "offered_if",
    "rechunk",
    "write_recording",
]

COMPONENTS = ("traces", "calcium", "spikes", "rates", "factors", "amplitudes")
# Independent uses of one seed; `TrainedGenerator.sample` draws windows from the same stream.
_WINDOWS, _RECORDING = 3, 5
_UNKNOWN_UNITS = "a.u."

_Method = TypeVar("_Method", bound=Callable[..., Any])


class _Offered:
    """Method that an instance has unless there is a reason against it."""

    def __init__(self, method: Callable[..., Any], why_not: Callable[[Any], str | None]) -> None:
        self.method = method
        self.why_not = why_not
        functools.update_wrapper(cast(Any, self), method)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self.method
        reason = self.why_not(instance)
        if reason is not None:
            raise AttributeError(reason)
        return MethodType(self.method, instance)


def offered_if(why_not: Callable[[Any], str | None]) -> Callable[[_Method], _Method]:
    """Offer a method to the instances that nothing speaks against.

    scikit-learn's ``available_if`` does the same, and hides the reason behind a sentence of its
    own.

    Parameters
    ----------
    why_not : callable
        Takes the instance and returns None, or the sentence that says why it has no such method.

    Returns
    -------
    callable
        Decorator of the method: ``hasattr`` is False where there is a reason, and the
        AttributeError of a call is the reason.

    Examples
    --------
    >>> from calgan.generators.base import offered_if
    >>> class Door:
    ...     locked = True
    ...
    ...     @offered_if(lambda door: "The door is locked." if door.locked else None)
    ...     def open(self):
    ...         return "open"
    >>> door = Door()
    >>> hasattr(door, "open")
    False
    >>> door.locked = False
    >>> door.open()
    'open'
    """

    def decorate(method: _Method) -> _Method:
        return cast(_Method, _Offered(method, why_not))

    return decorate


class SamplingMixin:
    """Draws from a fitted generator: windows, their components, recordings of any length.

    A subclass says how it draws, by one or two methods that take a random generator:

    - ``_draw_components(n_samples, rng)`` returns a `sklearn.utils.Bunch` of arrays (n, T, ...)
      for n windows of `n_frames_in_` frames. The first windows must not depend on how many follow.
    - ``_iter_components(n_frames, rng, chunk)`` yields consecutive pieces (t, ...) of one
      stationary recording of `n_frames` frames, in constant memory: states are carried over from
      piece to piece. Pieces may be of any length (`chunk` is what the caller asks for, and
      `rechunk` cuts them to it); what they hold must not depend on `chunk`.

    `sample` follows from the first (or from ``_draw_traces(n_samples, rng)``, where a subclass has
    a cheaper way to the traces alone). A method that a subclass has no hook for does not exist
    (``hasattr`` is False), and the AttributeError says why in one sentence.

    A bunch of components has the fields

    ==========  ==========  ============================================================
    traces      (..., N)    what `sample` returns, float32
    calcium     (..., N)    traces without noise, above the baseline, in units of the traces
    spikes      (..., N)    spikes a frame (counts)
    rates       (..., N)    expected spikes a second (Hz)
    factors     (..., K)    latent variables that neurons share
    amplitudes  (..., N)    calcium that the spikes of a frame add: filtered, it is the calcium
    ==========  ==========  ============================================================

    and those that a generator does not have are None.

    Attributes
    ----------
    n_frames_in_ : int
        Frames T of a window.
    frame_rate_ : float or None
        Frame rate (Hz).
    roi_ids_, units_ : ndarray of shape (N,), str
        Of recordings; a subclass may have them. Without them neurons are numbered and units are
        "a.u.".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from sklearn.utils import Bunch
    >>> from calgan.generators.base import SamplingMixin
    >>> class Clock(SamplingMixin, BaseEstimator):
    ...     def __init__(self, random_state=None):
    ...         self.random_state = random_state
    ...
    ...     def fit(self, X, y=None):
    ...         self.n_frames_in_, self.frame_rate_ = X.shape[1], 10.0
    ...         return self
    ...
    ...     def _iter_components(self, n_frames, rng, chunk):
    ...         time = np.arange(n_frames, dtype=np.float32)[:, None]
    ...         yield Bunch(traces=time, calcium=time)
    >>> clock = Clock().fit(np.zeros((3, 8, 1)))
    >>> recording = clock.sample_recording(60.0)
    >>> recording
    Recording(600 frames x 1 neurons, 10 Hz, 60.0 s, a.u., synthetic)
    >>> recording.metadata["components"].calcium.shape
    (600, 1)
    >>> hasattr(clock, "sample_components")
    False
    """

    n_frames_in_: int
    random_state: Any

    # ------------------------------------------------------------------ what a subclass says

    def _draw_components(self, n_samples: int, rng: np.random.Generator) -> Bunch:
        """Draw windows and what lies behind them, arrays (n, T, ...)."""
        raise NotImplementedError

    def _iter_components(
        self, n_frames: int, rng: np.random.Generator, chunk: int
    ) -> Iterator[Bunch]:
        """Yield consecutive pieces of one stationary recording, arrays (t, ...)."""
        raise NotImplementedError

    def _draw_traces(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the traces of windows alone, from the same numbers as `_draw_components`."""
        return self._draw_components(n_samples, rng).traces

    def _why_no_components(self) -> str | None:
        """Return why `sample_components` does not exist, or None."""
        if type(self)._draw_components is not SamplingMixin._draw_components:
            return None
        return (
            f"{type(self).__name__} draws traces and knows no calcium or spikes behind them: take "
            "the traces from sample(n), or fit CalciumFactorModel to know the spikes."
        )

    def _why_no_recording(self) -> str | None:
        """Return why `sample_recording` does not exist, or None."""
        if type(self)._iter_components is not SamplingMixin._iter_components:
            return None
        width = getattr(self, "n_frames_in_", None)
        windows = "windows of one length" if width is None else f"windows of {width} frames"
        return (
            f"{type(self).__name__}'s network makes {windows} and no other length: sample windows "
            "with sample(n), or fit CalciumFactorModel for recordings of any length."
        )

    # ------------------------------------------------------------------ public verbs

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        """Draw synthetic windows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of windows. The first windows do not depend on how many follow.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None takes the estimator's own.

        Returns
        -------
        windows : ndarray of shape (n_samples, T, N), float32
            In the units of the windows that it was fitted on: behind a scaler in a pipeline, in the
            scaler's.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `n_samples` is not positive.
        """
        check_is_fitted(self)
        n_samples = check_integer(n_samples, "n_samples")
        return self._draw_traces(n_samples, rng_from(self._seed(random_state), _WINDOWS))

    @offered_if(lambda self: self._why_no_components())
    def sample_components(self, n_samples: int = 1, *, random_state: Any = None) -> Bunch:
        """Draw synthetic windows together with what lies behind them.

        Parameters
        ----------
        n_samples : int, default=1
            Number of windows. The first windows do not depend on how many follow.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None takes the estimator's own.

        Returns
        -------
        components : sklearn.utils.Bunch
            Arrays ``traces``, ``calcium``, ``spikes``, ``rates`` (Hz) and ``amplitudes`` of shape
            (n_samples, T, N), and ``factors`` of shape (n_samples, T, K); None for what the
            generator does not have. The traces are those that `sample` draws from the same seed.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `n_samples` is not positive.
        """
        check_is_fitted(self)
        n_samples = check_integer(n_samples, "n_samples")
        drawn = self._draw_components(n_samples, rng_from(self._seed(random_state), _WINDOWS))
        return Bunch(**{name: drawn.get(name) for name in COMPONENTS})

    @offered_if(lambda self: self._why_no_recording())
    def iter_recording(
        self,
        duration: Any = None,
        *,
        n_frames: Any = None,
        chunk: int = 4096,
        random_state: Any = None,
    ) -> Iterator[Bunch]:
        """Draw one stationary recording piece by piece, in constant memory.

        Parameters
        ----------
        duration : float or list of float, default=None
            Length (s). A list gives independent trials, one after another.
        n_frames : int or list of int, default=None
            Length in frames, in place of `duration`.
        chunk : int, default=4096
            Frames a piece; the last piece of a trial may be shorter. What is drawn does not depend
            on it.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None takes the estimator's own.

        Returns
        -------
        pieces : iterator of sklearn.utils.Bunch
            Consecutive components as in `sample_components`, of shape (t, N) and (t, K).

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        TypeError
            If a length or `chunk` is not a number.
        ValueError
            If not exactly one of `duration` and `n_frames` is given, or a length is not finite and
            positive; if `duration` is given and no frame rate is known.
        """
        check_is_fitted(self)
        lengths = count_frames(duration, n_frames, self._known_frame_rate(), type(self).__name__)
        chunk = check_integer(chunk, "chunk")
        seed = self._seed(random_state)
        return (
            piece
            for trial, length in enumerate(lengths)
            for piece in rechunk(
                self._iter_components(length, rng_from(seed, _RECORDING, trial), chunk), chunk
            )
        )

    @offered_if(lambda self: self._why_no_recording())
    def sample_recording(
        self,
        duration: Any = None,
        *,
        n_frames: Any = None,
        random_state: Any = None,
        filename: str | os.PathLike[str] | None = None,
    ) -> Recording:
        """Draw one stationary recording of any length, marked synthetic.

        Parameters
        ----------
        duration : float or list of float, default=None
            Length (s). A list gives independent trials, which become segments of the recording.
        n_frames : int or list of int, default=None
            Length in frames, in place of `duration`.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None takes the estimator's own. The first trials do not depend on how
            many follow.
        filename : str or path-like, default=None
            A ``.npy`` file that the traces are written to piece by piece, for recordings that
            memory does not hold; it appears when it is complete, and replaces an existing one. The
            recording then keeps a memory map of it, and components are not kept.

        Returns
        -------
        recording : Recording
            Traces in the units of the windows that the generator was fitted on. Its ``metadata``
            hold ``"synthetic"`` (True), ``"generator"`` (the class's name), ``"calgan_version"``
            and, without `filename`, ``"components"``: what `sample_components` gives but the
            traces, of shape (T, N) and (T, K).

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        FileNotFoundError, IsADirectoryError
            If `filename` lies in a folder that does not exist, or is a folder.
        TypeError
            If a length is not a number.
        ValueError
            If not exactly one of `duration` and `n_frames` is given, or a length is not finite and
            positive; if no frame rate is known.
        """
        check_is_fitted(self)
        name, frame_rate = type(self).__name__, self._known_frame_rate()
        lengths = count_frames(duration, n_frames, frame_rate, name, rate_needed=True)
        path = check_filename(filename)
        return write_recording(
            self.iter_recording(n_frames=lengths, random_state=random_state),
            lengths,
            frame_rate=cast(float, frame_rate),
            roi_ids=getattr(self, "roi_ids_", None),
            units=getattr(self, "units_", None),
            generator=name,
            path=path,
        )

    def _seed(self, random_state: Any) -> int:
        return as_seed(self.random_state if random_state is None else random_state)

    def _known_frame_rate(self) -> float | None:
        return getattr(self, "frame_rate_", None)


def rechunk(pieces: Iterable[Bunch], chunk: int) -> Iterator[Bunch]:
    """Cut consecutive pieces of a recording anew, whatever their lengths.

    Parameters
    ----------
    pieces : iterable of sklearn.utils.Bunch
        Components as arrays (t, ...), ``traces`` among them, or None.
    chunk : int
        Frames a piece.

    Yields
    ------
    piece : sklearn.utils.Bunch
        The same frames, `chunk` a piece but for the last; views where a piece lies within one of
        the given ones.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.utils import Bunch
    >>> from calgan.generators.base import rechunk
    >>> pieces = (Bunch(traces=np.zeros((5, 2))) for _ in range(2))
    >>> [len(piece.traces) for piece in rechunk(pieces, 4)]
    [4, 4, 2]
    """
    held: list[Bunch] = []
    n_held = 0
    for piece in pieces:
        length, first = len(piece.traces), 0
        while first < length:
            last = min(length, first + chunk - n_held)
            held.append(_frames(piece, slice(first, last)))
            n_held += last - first
            first = last
            if n_held == chunk:
                yield _joined(held)
                held, n_held = [], 0
    if held:
        yield _joined(held)


def _frames(piece: Bunch, frames: slice) -> Bunch:
    return Bunch(
        **{name: None if piece.get(name) is None else piece[name][frames] for name in COMPONENTS}
    )


def _joined(pieces: list[Bunch]) -> Bunch:
    if len(pieces) == 1:
        return pieces[0]
    return Bunch(
        **{
            name: None if first is None else np.concatenate([piece[name] for piece in pieces])
            for name, first in pieces[0].items()
        }
    )


def count_frames(
    duration: Any,
    n_frames: Any,
    frame_rate: float | None,
    name: str,
    *,
    rate_needed: bool = False,
) -> list[int]:
    """Return the lengths of a recording's trials in frames, checked.

    Parameters
    ----------
    duration : float, list of float or None
        Lengths (s).
    n_frames : int, list of int or None
        Lengths in frames; one of the two is None.
    frame_rate : float or None
        Frames per second (Hz), None where it is not known.
    name : str
        What messages call the generator.
    rate_needed : bool, default=False
        Whether lengths in frames need a frame rate too.

    Returns
    -------
    lengths : list of int
        Frames of each trial.

    Raises
    ------
    TypeError
        If a length is not a number.
    ValueError
        If both or none of the two are given; if a list is empty; if a length is not finite and
        positive; if no frame rate is known.

    Examples
    --------
    >>> from calgan.generators.base import count_frames
    >>> count_frames([60.0, 0.25], None, 10.0, "Model")
    [600, 2]
    """
    if (duration is None) == (n_frames is None):
        given = "neither" if duration is None else "both"
        raise ValueError(
            f"a recording's length is duration=... (seconds) or n_frames=..., got {given} of them."
        )
    if frame_rate is None and (rate_needed or n_frames is None):
        raise ValueError(
            f"{name} knows no frame rate, which a recording needs: fit it on a Recording or its "
            "windows, or with frame_rate=... (Hz)."
        )
    what, value = ("n_frames", n_frames) if duration is None else ("duration", duration)
    several = isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0
    values = list(value) if several else [value]
    if not values:
        raise ValueError(f"{what} is an empty list; give the length of one trial at least.")
    if n_frames is not None:
        return [check_integer(length, "n_frames") for length in values]
    return [_frames_of(seconds, cast(float, frame_rate)) for seconds in values]


def _frames_of(duration: Any, frame_rate: float) -> int:
    if isinstance(duration, (bool, np.bool_)) or not isinstance(duration, numbers.Real):
        raise TypeError(f"duration must be a number of seconds, got {duration!r}.")
    seconds = float(duration)
    if not math.isfinite(seconds) or round(seconds * frame_rate) < 1:
        raise ValueError(
            f"duration must be finite and hold at least one frame at {frame_rate:g} Hz, got "
            f"{seconds:g} s."
        )
    return round(seconds * frame_rate)


def check_filename(filename: str | os.PathLike[str] | None) -> Path | None:
    """Return the path of a file to write, None for None.

    Parameters
    ----------
    filename : str, path-like or None
        File to write.

    Returns
    -------
    path : pathlib.Path or None
        The same.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If it lies in a folder that does not exist, or is a folder.
    TypeError
        If it is no path.

    Examples
    --------
    >>> from calgan.generators.base import check_filename
    >>> check_filename("traces.npy").name
    'traces.npy'
    """
    if filename is None:
        return None
    if not isinstance(filename, (str, os.PathLike)):
        raise TypeError(f"filename must be a path such as 'traces.npy', got {filename!r}.")
    path = Path(filename)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a .npy file in it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} does not exist: create it first.")
    return path


def write_recording(
    pieces: Iterable[Bunch],
    lengths: list[int],
    *,
    frame_rate: float,
    roi_ids: np.ndarray | None = None,
    units: str | None = None,
    positions: Any = None,
    generator: str,
    path: Path | None = None,
) -> Recording:
    """Put the pieces of a drawn recording together, in memory or in a file.

    Parameters
    ----------
    pieces : iterable of sklearn.utils.Bunch
        Consecutive components, trial after trial.
    lengths : list of int
        Frames of each trial.
    frame_rate : float
        Frames per second (Hz).
    roi_ids : ndarray of shape (N,), default=None
        Ids of the neurons; None numbers them.
    units : str, default=None
        Units of the traces, "a.u." if None.
    positions : array-like of shape (N, 2) or (N, 3), default=None
        Centres of the neurons.
    generator : str
        Class name of the generator.
    path : pathlib.Path, default=None
        A ``.npy`` file for the traces.

    Returns
    -------
    recording : Recording
        Marked synthetic; with its components if there is no file.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.utils import Bunch
    >>> from calgan.generators.base import write_recording
    >>> pieces = [Bunch(traces=np.zeros((30, 2), np.float32))] * 2
    >>> write_recording(pieces, [40, 20], frame_rate=10.0, generator="Zeros").segments.tolist()
    [[0, 40], [40, 60]]
    """
    metadata: dict[str, Any] = {
        "synthetic": True,
        "generator": generator,
        "calgan_version": calgan.__version__,
    }
    if positions is not None:
        metadata["positions"] = positions
    if path is None:
        components = _in_memory(pieces, sum(lengths))
        traces = components.pop("traces")
        metadata["components"] = components
    else:
        traces = _in_file(pieces, sum(lengths), path)
    stops = np.cumsum(lengths)
    with warnings.catch_warnings():
        # A short recording may well hold fewer frames than neurons.
        warnings.simplefilter("ignore", UserWarning)
        return Recording(
            traces,
            frame_rate,
            roi_ids=roi_ids,
            units=_UNKNOWN_UNITS if units is None else units,
            segments=np.column_stack([stops - lengths, stops]),
            metadata=metadata,
        )


def _in_memory(pieces: Iterable[Bunch], n_frames: int) -> Bunch:
    """Gather components (T, ...), read-only."""
    gathered: dict[str, np.ndarray | None] = {}
    first = 0
    for piece in pieces:
        frames = slice(first, first + len(piece.traces))
        for name in COMPONENTS:
            part = piece.get(name)
            if name not in gathered:
                shape = None if part is None else (n_frames, *part.shape[1:])
                gathered[name] = None if shape is None else np.empty(shape, part.dtype)
            if part is not None:
                gathered[name][frames] = part  # type: ignore[index]
        first = frames.stop
    for array in gathered.values():
        if array is not None:
            array.flags.writeable = False
    return Bunch(**gathered)


def _in_file(pieces: Iterable[Bunch], n_frames: int, path: Path) -> np.ndarray:
    """Write traces to a .npy file as they come, under a temporary name; return its memory map."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # Written and not mapped: a full disk is then an error, and no crash.
        with open(handle, "wb") as file:
            for first, piece in enumerate(pieces):
                if first == 0:
                    shape = (n_frames, piece.traces.shape[1])
                    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(piece.traces, dtype="<f4").data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return np.load(path, mmap_mode="r")
