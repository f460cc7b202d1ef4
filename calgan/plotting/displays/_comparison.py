"""What the displays compare: windows of each group, with spikes inferred alike when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from calgan.data.drawing import (
    WindowSource,
    check_same_neurons,
    draw_from_recording,
    read_source,
)
from calgan.data.sampling import sample
from calgan.data.validation import (
    as_seed,
    check_integer,
    check_windows,
    common_frame_rate,
    is_lazy,
    rng_from,
)
from calgan.metrics import bin_frames_for
from calgan.plotting._style import Groups
from calgan.spikes.oasis import OasisDeconvolver

# Pairs times windows that a statistic of pairs is computed of: enough for smooth histograms.
_MAX_PAIR_VALUES = 4_000_000

Array = NDArray[Any]


class Comparison:
    """Windows of each group, and what the figures need to know about them.

    Parameters
    ----------
    windows : dict of str to ndarray of shape (M, T, N)
        Windows of "real", "synthetic" and, where there are any, "train" and the controls.
    frame_rate : float or None
        Frames per second (Hz); None raises when a figure asks for it.
    spikes : dict of str to ndarray of shape (M, T, N), default=None
        Spikes of the same windows; None infers them when a figure asks for them.
    deconvolver : OasisDeconvolver, default=None
        What infers them, fitted or to be fitted on `fit_on`.
    fit_on : object, default=None
        Real data that an unfitted deconvolver is fitted on.
    roi_ids : sequence of length N, default=None
        Ids of the neurons; their indices by default.
    units : str, default=None
        Units of the traces.
    """

    def __init__(
        self,
        windows: dict[str, Array],
        frame_rate: float | None,
        *,
        spikes: dict[str, Array] | None = None,
        deconvolver: Any = None,
        fit_on: Any = None,
        roi_ids: Sequence[Any] | Array | None = None,
        units: str | None = None,
    ) -> None:
        self.windows = windows
        self.known_rate = frame_rate
        self.given_spikes = spikes
        self.deconvolver = deconvolver
        self.fit_on = fit_on
        self.roi_ids = None if roi_ids is None else list(roi_ids)
        self.units = units or "a.u."
        self.window, self.n_neurons = windows["real"].shape[1:]

    @property
    def frame_rate(self) -> float:
        """Frames per second (Hz)."""
        if self.known_rate is None:
            raise ValueError(
                "no frame rate is known: real is a bare array, so pass frame_rate=... (Hz) or a "
                "Recording."
            )
        return self.known_rate

    @cached_property
    def spikes(self) -> dict[str, Array]:
        """Spikes of every group's windows, one deconvolver for all of them."""
        if self.given_spikes is not None:
            return self.given_spikes
        deconvolver = self.deconvolver
        if deconvolver is None:
            deconvolver = OasisDeconvolver(self.frame_rate).fit(self.fit_on)
        elif not hasattr(deconvolver, "decay_"):
            deconvolver = clone(deconvolver).set_params(frame_rate=self.frame_rate)
            deconvolver.fit(self.fit_on)
        return {
            group: (deconvolver.transform(windows) > 0).astype(np.float32)
            for group, windows in self.windows.items()
        }

    @property
    def bin_frames(self) -> int:
        """Frames in half a second, at most a window."""
        return min(bin_frames_for(self.frame_rate), self.window)

    def shown(self, values: dict[str, Array], *groups: str) -> dict[str, Array]:
        """Those of `groups` that there are, in this order."""
        return {group: values[group] for group in groups if group in values}

    def few(self, values: dict[str, Array], *groups: str) -> dict[str, Array]:
        """Like `shown`, of so many windows that a value for each pair of neurons fits memory."""
        n_pairs = max(self.n_neurons * (self.n_neurons - 1) // 2, 1)
        most = max(_MAX_PAIR_VALUES // n_pairs, 2)
        return {group: array[:most] for group, array in self.shown(values, *groups).items()}

    def need_pairs(self, what: str) -> None:
        """Refuse one neuron, of which there are no pairs."""
        if self.n_neurons < 2:
            raise ValueError(f"{what} compares pairs of neurons, but there is only one neuron.")


def compare_samples(
    real: Any,
    synthetic: Any,
    *,
    frame_rate: float | None,
    train: Any,
    spikes: Any,
    deconvolver: Any,
    random_state: Any,
    asker: str,
) -> Comparison:
    """Return the comparison of real and synthetic windows; see `ComparisonDisplay.from_samples`."""
    if deconvolver is not None and not hasattr(deconvolver, "transform"):
        raise TypeError(
            f"deconvolver must be an OasisDeconvolver, got {type(deconvolver).__name__}."
        )
    samples = np.asarray(check_windows(synthetic, name="synthetic", estimator=asker, encoded=False))
    rng = rng_from(as_seed(random_state), 0)
    source = _source(real, samples, "real", asker)
    train_source = None if train is None else _source(train, samples, "train", asker)
    check_same_neurons(source, samples, train_source)
    sources = [each for each in (source, train_source) if each is not None]
    windows = {"real": _windows(real, source, len(samples), "real", rng), "synthetic": samples}
    if train_source is not None:
        windows["train"] = _windows(train, train_source, len(samples), "train", rng)
    return Comparison(
        windows,
        _known_rate(frame_rate, source, train_source, deconvolver),
        spikes=None if spikes is None else _given_spikes(spikes, windows, _is_array(real)),
        deconvolver=deconvolver,
        fit_on=sources[-1].segments,
        roi_ids=next((s.roi_ids for s in sources if s.roi_ids is not None), None),
        units=next((s.units for s in sources if s.units), None),
    )


def compare_estimator(
    estimator: Any,
    X: Any,
    *,
    n_samples: int,
    random_state: Any,
    **rest: Any,
) -> Comparison:
    """Return the comparison of real windows with samples of a fitted estimator."""
    n_samples = check_integer(n_samples, "n_samples")
    if hasattr(estimator, "fit"):  # a search would otherwise be said to be unable to sample
        check_is_fitted(estimator)
    seed = None if random_state is None else as_seed(random_state)
    synthetic = sample(estimator, n_samples, random_state=seed)
    return compare_samples(X, synthetic, random_state=seed, **rest)


def compare_evaluation(evaluation: Any) -> Comparison:
    """Return the windows and spikes that an evaluation has kept, as a comparison."""
    check_evaluation(evaluation)
    groups = [name for name, windows in evaluation.windows.items() if windows is not None]
    return Comparison(
        {name: np.asarray(evaluation.windows[name]) for name in groups},
        float(evaluation.frame_rate),
        spikes={name: np.asarray(evaluation.spikes[name]) for name in groups},
        roi_ids=evaluation.roi_ids,
        units=evaluation.units,
    )


def check_evaluation(evaluation: Any) -> None:
    """Refuse what is no evaluation."""
    if not all(hasattr(evaluation, name) for name in ("statistics", "windows", "spikes")):
        raise TypeError(
            f"evaluation must be what calgan.evaluate returns, got {type(evaluation).__name__}."
        )


def _is_array(X: Any) -> bool:
    return not is_lazy(X) and getattr(X, "ndim", None) == 3


def _source(X: Any, samples: Array, name: str, asker: str) -> WindowSource:
    """Read real data: windows are taken as they are, of anything else they can be cut."""
    width = samples.shape[1]
    if not _is_array(X):
        return read_source(X, width, name=name)
    windows = np.asarray(check_windows(X, name=name, estimator=asker, encoded=False))
    if windows.shape[1] != width:
        raise ValueError(
            f"{name} holds windows of {windows.shape[1]} frames, but the synthetic windows have "
            f"{width}; pass windows of one width, or the recording itself."
        )
    return WindowSource(
        frames=windows.reshape(-1, windows.shape[2]),
        starts=np.arange(len(windows)) * width,
        groups=np.zeros(len(windows), dtype=int),
        window=width,
        frame_rate=None,
        roi_ids=None,
        units=None,
        segments=list(windows),
    )


def _windows(X: Any, source: WindowSource, n: int, name: str, rng: np.random.Generator) -> Array:
    """Return the windows of an array or a short view, else `n` windows at random starts."""
    if _is_array(X) or (is_lazy(X) and len(source.starts) <= n):
        return np.asarray(source.frames[source.starts[:, None] + np.arange(source.window)])
    bank = draw_from_recording(source, (name,), n, 1, rng)
    return bank.traces(bank.lists[name][0])


def _known_rate(
    frame_rate: float | None, real: WindowSource, train: WindowSource | None, deconvolver: Any
) -> float | None:
    """Return the one frame rate that the inputs agree on, None if none of them tells it."""
    fitted = getattr(deconvolver, "frame_rate_", None)
    own = getattr(deconvolver, "frame_rate", None) if fitted is None else fitted
    known = {"frame_rate": frame_rate, "real": real.frame_rate}
    known["train"] = train.frame_rate if train else None
    return common_frame_rate({**known, "the deconvolver": own})


def _given_spikes(spikes: Any, windows: dict[str, Array], real_is_array: bool) -> dict[str, Array]:
    """Return the spikes that the caller passed, checked against their windows."""
    if not real_is_array or "train" in windows:
        raise ValueError(
            "spikes=(real_spikes, synthetic_spikes) belong to two arrays of windows; pass real as "
            "an array (M, T, N) and leave train out, or leave spikes out and have them inferred."
        )
    if not isinstance(spikes, (tuple, list)) or len(spikes) != 2:
        raise ValueError(
            "spikes must be a pair (real_spikes, synthetic_spikes) of arrays (M, T, N), got "
            f"{type(spikes).__name__}."
        )
    result = {}
    for (name, array), given in zip(windows.items(), spikes, strict=True):
        if np.shape(given) != array.shape:
            raise ValueError(
                f"the spikes of the {name} windows have shape {np.shape(given)}, but the windows "
                f"have shape {array.shape}; pass one value a frame and neuron."
            )
        result[name] = np.asarray(check_windows(given, name=f"{name} spikes", encoded=False))
    return result


def check_neurons(neurons: Any, n_neurons: int) -> NDArray[np.intp] | None:
    """Return indices of neurons as an array, None for None; anything out of range is refused."""
    if neurons is None:
        return None
    indices = np.atleast_1d(np.asarray(neurons))
    if indices.ndim != 1 or indices.size == 0 or indices.dtype.kind not in "iu":
        raise ValueError(
            f"neurons must be an index or a list of indices of neurons, got {neurons!r}."
        )
    outside = indices[(indices < 0) | (indices >= n_neurons)]
    if outside.size:
        raise ValueError(
            f"neuron {outside[0]} is out of range: there are {n_neurons} neurons, numbered 0 to "
            f"{n_neurons - 1}."
        )
    return indices.astype(np.intp)


def pick_windows(windows: Groups, spikes: Groups | None, window: int | None) -> dict[str, int]:
    """Return which window of each group is shown: `window`, or the one of median spike count.

    Without spikes the standard deviation of the window's traces ranks the windows.
    """
    positions = {}
    for group, array in windows.items():
        values = np.asarray(array)
        if window is None:
            if spikes is None:
                amount = values.std(axis=(1, 2))
            else:
                amount = np.asarray(spikes[group]).sum(axis=(1, 2))
            positions[group] = int(np.argsort(amount, kind="stable")[len(amount) // 2])
            continue
        positions[group] = check_integer(window, "window", minimum=0)
        if positions[group] >= len(values):
            raise ValueError(
                f"window {window} is out of range: there are {len(values)} {group} windows, "
                f"numbered 0 to {len(values) - 1}."
            )
    return positions
