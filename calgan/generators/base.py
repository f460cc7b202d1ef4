"""The sampling that every generator has: windows, their components, and recordings."""

from __future__ import annotations

import copy
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from types import MethodType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from calgan.data.recording import Recording
from calgan.data.validation import as_seed, check_integer, check_target, rng_from
from calgan.generators.recordings import (
    COMPONENTS,
    ORIGIN,
    count_frames,
    rechunk,
    write_recording,
)

_WINDOWS, _RECORDING = 3, 5  # independent uses of one seed
_CHUNK = 4096  # frames

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


def fingerprint_of(parts: list[np.ndarray]) -> str:
    """Return the SHA-256 of training traces, as float32."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part, dtype=np.float32).data)
    return digest.hexdigest()


def offered_if(
    why_not: Callable[[Any], str | None], *, like: Callable[..., Any] | None = None
) -> Callable[[_Method], _Method]:
    """Offer a method to the instances that nothing speaks against.

    `why_not` takes the instance and returns None, or the sentence that says why it has no such
    method: ``hasattr`` is then False, and the AttributeError of a call is that sentence. The method
    may have its docstring from one that it is `like`.
    """

    def decorate(method: _Method) -> _Method:
        method.__doc__ = method.__doc__ if like is None else like.__doc__
        return cast(_Method, _Offered(method, why_not))

    return decorate


class SamplingMixin:
    """Draws from a fitted generator: windows, their components, recordings of any length.

    A subclass says how it draws, by one or two methods that take a random generator:

    - ``_draw_components(n_samples, rng)`` returns a `sklearn.utils.Bunch` of arrays (n, T, ...)
      for n windows of `n_frames_in_` frames. The first windows must not depend on how many follow.
    - ``_iter_components(n_frames, rng, chunk)`` yields consecutive pieces (t, ...) of one
      stationary recording of `n_frames` frames, in constant memory. Pieces may be of any length
      (`rechunk` cuts them to `chunk` frames); what they hold must not depend on `chunk`.

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
        window = getattr(self, "n_frames_in_", None)
        windows = "windows of one length" if window is None else f"windows of {window} frames"
        return (
            f"{type(self).__name__}'s network makes {windows} and no other length: sample windows "
            "with sample(n), or fit CalciumFactorModel for recordings of any length."
        )

    if not TYPE_CHECKING:  # attributes keep their types

        def __getattr__(self, name: str) -> Any:
            """Lead those who look for ``score`` to the scorers."""
            if name != "score":
                return object.__getattribute__(self, name)  # raises what it raised before
            raise AttributeError(
                f"{type(self).__name__} has no score of its own: take a scorer, as in "
                "calgan.metrics.correlation_scorer(model, X) or "
                "GridSearchCV(..., scoring=calgan.metrics.correlation_scorer)."
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
            Independent windows in the units of the data that it was fitted on. The last step of a
            pipeline by itself answers in scaled units ("a.u.") if a scaler is in front of it, the
            pipeline in those of the recording. Of encoded windows (n_samples, T, N, C).

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        TypeError
            If a step before the generator is not invertible (pipelines only).
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
            generator does not have. The traces are those that `sample` draws from the same seed;
            calcium and amplitudes are in their units, above the baseline.

        Raises
        ------
        AttributeError
            If the generator does not know what lies behind its windows.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        TypeError
            If a step before the generator is no `MinMaxScaler` or `NeuronSorter` (pipelines only).
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
        chunk: int = _CHUNK,
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
            If a length or `chunk` is not a number; as for `sample_components`.
        ValueError
            If not exactly one of `duration` and `n_frames` is given, or a length is not finite and
            positive; if `duration` is given and no frame rate is known.
        """
        check_is_fitted(self)
        origin = self._origin()
        lengths = count_frames(duration, n_frames, origin["frame_rate"], origin["generator"])
        return self._iter_trials(lengths, check_integer(chunk, "chunk"), random_state)

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
            hold ``"synthetic"`` (True), ``"generator"`` (the class's name), ``"calgan_version"``,
            ``"model"`` (the fingerprint of the training data) and, without `filename`,
            ``"components"``: those of `sample_components`, of shape (T, N) and (T, K), without the
            traces.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        FileNotFoundError, IsADirectoryError
            If `filename` lies in a folder that does not exist, or is a folder.
        TypeError
            If a length is not a number; as for `sample_components`.
        ValueError
            If not exactly one of `duration` and `n_frames` is given, or a length is not finite and
            positive; if no frame rate is known.
        """
        check_is_fitted(self)
        origin = self._origin()
        lengths = count_frames(
            duration, n_frames, origin["frame_rate"], origin["generator"], rate_needed=True
        )
        path = None if filename is None else check_target(filename)
        pieces = self._iter_trials(lengths, _CHUNK, random_state)
        return write_recording(pieces, lengths, path=path, **origin)

    def _iter_trials(self, lengths: list[int], chunk: int, random_state: Any) -> Iterator[Bunch]:
        """Return pieces of `chunk` frames of independent trials, one trial after another."""
        seed = self._seed(random_state)
        return (
            piece
            for trial, length in enumerate(lengths)
            for piece in rechunk(
                self._iter_components(length, rng_from(seed, _RECORDING, trial), chunk), chunk
            )
        )

    def _origin(self) -> dict[str, Any]:
        """Return what `write_recording` needs to know of the recording that was learnt."""
        known = {name: getattr(self, f"{name}_", None) for name in ORIGIN}
        return known | {"generator": type(self).__name__}

    def _unfitted(self) -> Self:
        """Return a copy that has learnt nothing."""
        other = copy.copy(self)
        for name in [n for n in vars(other) if n.endswith("_") or n == "_checkpoint"]:
            delattr(other, name)
        return other

    def _seed(self, random_state: Any) -> int:
        return as_seed(self.random_state if random_state is None else random_state)
