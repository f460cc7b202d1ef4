"""Input checks shared by every module: one clear sentence for whatever is wrong."""

from __future__ import annotations

import math
import numbers
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np

from calgan.data.stored import StoredTraces, as_stored

# Bounds the temporary of a finiteness check, so that a memory-mapped recording is never read whole.
_CHUNK_VALUES = 1 << 22
_LONGEST_TEXT = 80  # letters of a value in a message


def shown(value: Any) -> str:
    """A value as a message shows it: in one line, an array by its shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def check_frame_rate(frame_rate: Any, *, name: str = "frame_rate") -> float:
    """Return a frame rate (Hz) as a positive finite float."""
    value = frame_rate
    if isinstance(value, np.ndarray) and value.ndim == 0:  # as np.load returns a saved scalar
        value = value.item()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"{name} must be a number of frames per second (Hz), got {shown(value)} of type "
            f"{type(value).__name__}."
        )
    try:
        value = float(value)
    except OverflowError:  # an integer of hundreds of digits
        value = math.inf
    if not math.isfinite(value) or value <= 0:
        raise ValueError(
            f"{name} must be a positive, finite number of frames per second (Hz), got {value!r}."
        )
    return value


@overload
def common_frame_rate(known: Mapping[str, Any]) -> float | None: ...


@overload
def common_frame_rate(known: Mapping[str, Any], *, needed_by: str) -> float: ...


def common_frame_rate(known: Mapping[str, Any], *, needed_by: str = "") -> float | None:
    """Return the first frame rate (Hz) of `known`, {who: rate or None}, which must not differ.

    None if nobody knows one, unless `needed_by` names who cannot do without.
    """
    rates = {
        who: check_frame_rate(rate, name=who) for who, rate in known.items() if rate is not None
    }
    if not rates:
        if needed_by:
            raise ValueError(
                f"{needed_by} needs a frame rate, and no input has one; pass frame_rate=... (Hz) "
                "or a Recording."
            )
        return None
    first, rate = next(iter(rates.items()))
    for who, other in rates.items():
        if not math.isclose(rate, other, rel_tol=1e-3):
            raise ValueError(
                f"frame rates differ: {first} says {rate:g} Hz and {who} {other:g} Hz; correct "
                "the wrong one, or resample one recording."
            )
    return rate


def check_integer(value: Any, name: str, *, minimum: int = 1) -> int:
    """Return `value` as an int no smaller than `minimum`; booleans and floats are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"{name} must be an integer of at least {minimum}, got {shown(value)} of type "
            f"{type(value).__name__}."
        )
    if value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {int(value)}.")
    return int(value)


def check_real(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
) -> float:
    """Return `value` as a finite float with value > above, value >= least, value < below."""
    bounds = {"above": above, "at least": least, "below": below}
    good = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    good = good and abs(value) <= sys.float_info.max  # NaN is not
    good = good and (above is None or value > above) and (least is None or value >= least)
    good = good and (below is None or value < below)
    if not good:
        said = " and ".join(
            f"{word} {limit:g}" for word, limit in bounds.items() if limit is not None
        )
        raise ValueError(f"{name} must be a finite number {said}, got {shown(value)}.")
    return float(value)


def check_choice(value: Any, name: str, choices: Iterable[str]) -> str:
    """Return `value`, which must be one of a few words."""
    words = list(choices)
    if not isinstance(value, str) or value not in words:
        *first, last = map(repr, words)
        allowed = f"{', '.join(first)} or {last}" if first else last
        raise ValueError(f"{name} must be {allowed}, got {shown(value)}.")
    return value


def check_text(value: Any, name: str, example: str) -> str:
    """Return `value`, which must be text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text such as {example!r}, got {shown(value)}.")
    return value


def check_boolean(value: Any, name: str) -> bool:
    """Return `value` as a bool; numbers are refused."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {shown(value)}.")
    return bool(value)


def check_target(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that can be written, or refuse it."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"a file name must be a path such as 'traces.npy', got {shown(path)}.")
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file in it.")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no file that can be replaced: choose another name.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} does not exist: create it first.")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"The folder {path.parent} cannot be written to: choose another.")
    return path


def check_recording(
    X: Any, *, name: str = "X", check_orientation: bool = True, finite: bool = True
) -> np.ndarray:
    """Return a recording as a float32 array (T, N), all of it finite unless `finite` is False.

    A float32 array or memory map is returned as it is, and what is too large for memory as
    `StoredTraces`. More neurons than frames, as in an array
    that is ROI-first, give a warning if `check_orientation`.
    """
    stored: Any = as_stored(X, name)
    array: np.ndarray = as_real_array(X, name) if stored is None else stored
    if array.ndim != 2:
        hint = (
            "Reshape your data with X[:, None] if it is one neuron's trace"
            if array.ndim == 1
            else "pass one (frames, neurons) array"
        )
        raise ValueError(
            f"{name} must be a recording of shape (frames, neurons), but it is {array.ndim}-D "
            f"with shape {array.shape}; {hint}."
        )
    n_frames, n_neurons = array.shape
    if n_neurons == 0:
        # The wording up to the colon is what scikit-learn's own estimator checks look for.
        raise ValueError(
            f"{name} has 0 feature(s) (shape={array.shape}) while a minimum of 1 is required: "
            "a recording is (frames, neurons) with at least one neuron."
        )
    if n_frames == 0:
        raise ValueError(
            f"{name} is empty: its shape {array.shape} holds 0 frames (axis 0); "
            "pass at least one frame."
        )
    if check_orientation:
        warn_if_roi_first(n_frames, n_neurons, name=name)
    if not finite:
        return _as_float32(array)
    return _as_finite_float32(array, name, axes=("frame", "neuron"))


def warn_if_roi_first(n_frames: int, n_neurons: int, *, name: str = "X") -> None:
    """Warn, naming both axes, when a recording has more neurons than frames."""
    if n_neurons > n_frames:
        warnings.warn(
            f"{name} has more neurons (axis 1: {n_neurons}) than frames (axis 0: {n_frames}); "
            "recordings are (frames, neurons), so pass the transpose if yours is ROI-first.",
            UserWarning,
            stacklevel=3,
        )


def check_windows(
    X: Any, *, name: str = "X", estimator: str = "CalciumGAN", encoded: bool = True
) -> Any:
    """Return windows (M, T, N), or (M, T, N, C) if `encoded`, as a finite float32 array.

    A `WindowView` is returned as it is: its frames were checked when it was made.
    """
    X = as_trials(X)
    lazy, trials = is_lazy(X), _are_trials(X)
    array = X if lazy or trials else as_real_array(X, name)
    expected = "(M, T, N) or encoded (M, T, N, C)" if encoded else "(M, T, N)"
    if trials or array.ndim == 2:
        given = f"a list of {len(X)} trials" if trials else f"2-D with shape {tuple(array.shape)}"
        raise ValueError(
            f"{estimator} takes windows of shape {expected}, but {name} is {given}; cut the "
            "recording into windows with Windower(window), or use "
            "make_calcium_pipeline(window=...), which does so."
        )
    if array.ndim not in ((3, 4) if encoded else (3,)):
        raise ValueError(
            f"{estimator} takes windows of shape {expected}, but {name} is {array.ndim}-D with "
            f"shape {tuple(array.shape)}; Reshape your data, or make windows with Windower(window)."
        )
    if array.shape[2] == 0:
        raise ValueError(
            f"each window of {name} has 0 feature(s) (shape={tuple(array.shape[1:])}) while a "
            "minimum of 1 is required: features are neurons."
        )
    if 0 in array.shape:
        raise ValueError(
            f"{name} is empty: its shape {tuple(array.shape)} has an axis of length 0; "
            f"{estimator} needs at least one window and one frame."
        )
    if lazy:
        return X
    return _as_finite_float32(array, name, axes=("window", "frame", "neuron", "channel"))


def _are_trials(X: Any) -> bool:
    """Tell whether X is a list of recordings, or of 2-D arrays that differ in shape."""
    if not isinstance(X, (list, tuple)):
        return False
    shapes = [getattr(part, "shape", ()) for part in X]
    unequal = all(len(shape) == 2 for shape in shapes) and len(set(shapes)) > 1
    return unequal or any(hasattr(part, "segment_traces") for part in X)


def is_lazy(X: Any) -> bool:
    """Tell whether `X` is a lazy view of windows (`calgan.data.windows.WindowView`)."""
    # By its verbs and not by its class: this layer lies below the windows module.
    return hasattr(X, "gather") and hasattr(X, "iter_batches") and hasattr(X, "shape")


def check_n_neurons(n_neurons: int, estimator: Any, *, name: str = "X") -> None:
    """Refuse another number of neurons than a fitted estimator's ``n_features_in_``."""
    if n_neurons != estimator.n_features_in_:
        raise ValueError(
            f"{name} has {n_neurons} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input; features are neurons, so pass data "
            "of the neurons it was fitted on."
        )


def check_neurons(neurons: Any, n_neurons: int, *, name: str) -> np.ndarray:
    """Return the numbers of chosen neurons, given by a slice, numbers or a boolean mask."""
    chosen: Any = neurons if isinstance(neurons, slice) else np.atleast_1d(np.asarray(neurons))
    flags = ""
    if not isinstance(chosen, slice) and chosen.size == 0:
        chosen = slice(0)  # an empty list has no integer type
    elif np.shape(chosen) == (n_neurons,) and set(np.unique(chosen)) <= {0, 1}:
        flags = "; for flags of 0 and 1, pass a boolean mask such as flags == 1"
    try:
        index = np.arange(n_neurons)[chosen]
        if index.ndim != 1:
            raise IndexError("a table of neurons")
    except IndexError as error:
        raise IndexError(
            f"{name} takes numbers of neurons from 0 to {n_neurons - 1}, or one boolean for each "
            f"of the {n_neurons}, got {shown(neurons)}{flags}."
        ) from error
    if index.size == 0:
        raise ValueError(f"{name} was given no neuron; keep at least one.")
    if len(np.unique(index)) != index.size:
        raise ValueError(f"{name} was given the same neuron twice; name each neuron once{flags}.")
    return index


def check_same_rois(roi_ids: np.ndarray, expected: np.ndarray, *, name: str, of: str) -> None:
    """Refuse ROI ids of one recording that are not those of another."""
    if not np.array_equal(roi_ids, expected):
        raise ValueError(
            f"the roi_ids of {name} are not those of {of}; select the same neurons, in the same "
            "order."
        )


def as_trials(X: Any) -> Any:
    """Return a MATLAB cell array, an object array of arrays (T_i, N), as a list; others as is."""
    if isinstance(X, np.ndarray) and X.dtype == object and 0 < X.size == max(X.shape, default=0):
        parts = list(X.flat)
        if all(len(getattr(part, "shape", ())) == 2 for part in parts):
            return parts
    return X


def refuse_target(y: Any, estimator: Any) -> None:
    """Refuse a target y, of which a generator learns nothing."""
    if y is not None:
        raise ValueError(
            f"{type(estimator).__name__} learns from X alone and has no use for y: call fit(X)."
        )


def as_real_array(X: Any, name: str) -> np.ndarray:
    """Return `X` as an array of real numbers, whatever its dimensions; nothing else is checked.

    A real array is returned as it is, an object array of numbers as float64.
    """
    if hasattr(X, "toarray"):
        raise TypeError(f"{name} is a sparse matrix; pass the dense array {name}.toarray().")
    if X is None or isinstance(X, (str, bytes, Mapping, set)):
        raise TypeError(f"{name} must be an array of real numbers, got {type(X).__name__}.")
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} has {np.ma.count_masked(X)} masked entries; fill them (or leave those frames "
            "out) first."
        )
    try:
        array = X if isinstance(X, np.memmap) else np.asarray(X)
    except ValueError as error:
        raise ValueError(
            f"{name} is ragged: its entries have different lengths, so it is not one array "
            f"({error})."
        ) from error
    if array.dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: {name} has dtype {array.dtype}; pass real numbers."
        )
    if array.dtype.kind == "O":
        if array.ndim == 0:
            raise TypeError(f"{name} must be an array of real numbers, got {type(X).__name__}.")
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise TypeError(
                f"{name} must hold real numbers, but it is an object array with an entry that is "
                f"none ({error}); pass a float array."
            ) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} must hold real numbers, but its dtype is {array.dtype}; pass a float array."
        )
    return array


def as_plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numpy's numbers as Python's, in dicts too."""
    if isinstance(value, dict):
        return {key: as_plain(each) for key, each in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def as_seed(random_state: Any) -> int:
    """Return a non-negative integer seed; numpy's global generator is never touched.

    An int is the seed itself, None draws fresh entropy, and a numpy Generator or RandomState gives
    one drawn integer (and so advances).
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63 - 1))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, (bool, np.bool_)) or not isinstance(random_state, numbers.Integral):
        raise TypeError(
            "random_state must be None, a non-negative integer, a numpy Generator or a "
            f"RandomState, got {shown(random_state)}."
        )
    if random_state < 0:
        raise ValueError(f"random_state must not be negative, got {int(random_state)}.")
    return int(random_state)


def rng_from(random_state: Any, *stream: int) -> np.random.Generator:
    """Return a numpy Generator for one use (`stream`, non-negative integers) of a seed."""
    # spawn_key, and not a list of numbers: there [7] and [7, 0] are the same seed.
    return np.random.default_rng(np.random.SeedSequence(as_seed(random_state), spawn_key=stream))


def _as_float32(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # overflow becomes infinity, which is reported where it counts
        return array if array.dtype == np.float32 else array.astype(np.float32)


def _as_finite_float32(array: np.ndarray, name: str, *, axes: tuple[str, ...]) -> np.ndarray:
    result = _as_float32(array)
    check_finite(result, name, axes=axes, given=array)
    return result


def check_finite(
    array: np.ndarray,
    name: str,
    *,
    axes: tuple[str, ...] = ("frame", "neuron"),
    given: np.ndarray | None = None,
    ranges: Any = None,
    advice: str = "interpolate or leave out those frames or neurons",
) -> None:
    """Refuse NaN and infinity in the frame `ranges` of an array; None means all of it.

    `given` is what the array was before it became float32.
    """
    n_bad, first, value = 0, None, 0.0
    ranges = [(0, len(array))] if ranges is None else ranges
    if isinstance(array, StoredTraces):
        if array.is_finite:
            return
        good, _ = array.finite()
        ranges = [(a, b) for a, b in ranges if not good[a:b].all()]
    for start, stop in ranges:
        for offset, chunk in _chunks(array, start, stop):
            finite = np.isfinite(chunk)
            if finite.all():
                continue
            if first is None:
                index = np.argwhere(~finite)[0]
                value = float(chunk[tuple(index)])
                first = (int(index[0] + offset), *(int(i) for i in index[1:]))
            n_bad += int(np.count_nonzero(~finite))
    if first is not None:
        where = ", ".join(f"{axis} {i}" for axis, i in zip(axes, first, strict=False))
        cause = ""
        if given is not None and math.isinf(value) and abs(given[first]) != math.inf:
            cause = ", where the value is too large for float32"
        raise ValueError(
            f"{name} contains NaN or infinity in {n_bad} of {array.size} values, the first "
            f"({value}) at {where}{cause}; {advice}."
        )


def _chunks(array: np.ndarray, start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
    step = max(1, _CHUNK_VALUES // max(1, math.prod(array.shape[1:])))
    for offset in range(start, stop, step):
        yield offset, array[offset : min(offset + step, stop)]
