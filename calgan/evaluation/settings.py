"""The settings of an evaluation, and the checks of what `evaluate` is given."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from calgan.data.random_windows import WindowSource
from calgan.data.validation import as_seed, check_choice, check_integer, check_windows
from calgan.evaluation._controls import CONTROLS

MIN_SAMPLES = 8
_MIN_WINDOW = 8
FEW_SAMPLES = 100
_MIN_BOOTSTRAP = 20
# Samples that are larger than the real values by this factor are refused.
_MAX_SIZE = 1e6
# Windows on either side unless the user says otherwise, by protocol.
_N_WINDOWS = {"blocked": 500, "thesis": 1000}


@dataclass(frozen=True)
class Settings:
    """The choices of an evaluation: `n_windows` on either side are compared `n_splits` times.

    ``trained_on`` holds what the model's objective matches, None if there is no telling.
    """

    protocol: str
    controls: tuple[str, ...]
    n_windows: int
    n_splits: int
    n_bootstrap: int
    seed: int
    n_jobs: int
    frame_rate: float = np.nan
    trained_on: frozenset[str] | None = None


def check_settings(
    protocol: str,
    controls: Any,
    n_windows: int | None,
    n_splits: int,
    n_bootstrap: int,
    random_state: Any,
    n_jobs: int | None,
) -> Settings:
    """Return the settings that a user asked for."""
    check_choice(protocol, "protocol", ("blocked", "thesis"))
    controls = _check_controls(controls)
    n_bootstrap = check_integer(n_bootstrap, "n_bootstrap", minimum=0)
    if 0 < n_bootstrap < _MIN_BOOTSTRAP:
        raise ValueError(
            f"n_bootstrap={n_bootstrap} is too few for an interval; pass at least "
            f"{_MIN_BOOTSTRAP}, or 0 for no intervals."
        )
    most = _N_WINDOWS[protocol] if n_windows is None else n_windows
    return Settings(
        protocol,
        controls,
        check_integer(most, "n_windows", minimum=MIN_SAMPLES),
        check_integer(n_splits, "n_splits"),
        n_bootstrap,
        as_seed(random_state),
        1 if n_jobs is None else -1 if n_jobs == -1 else check_integer(n_jobs, "n_jobs"),
    )


def entry_of(name: str) -> str:
    """Return what the user calls samples of this name: the argument, or its entry."""
    return name if name == "synthetic" else f"synthetic[{name!r}]"


def check_samples(synthetic: Any, name: str = "synthetic") -> np.ndarray:
    """Return synthetic windows as an array (n, T, N); too few or too short ones are refused."""
    name = entry_of(name)
    shape = np.shape(synthetic) if hasattr(synthetic, "shape") else None
    if shape is not None and len(shape) != 3:
        raise ValueError(
            f"{name} must be windows of shape (n, T, N), but it is {len(shape)}-D with shape "
            f"{tuple(shape)}; pass what sample(n) returns."
        )
    samples: np.ndarray = np.asarray(
        check_windows(synthetic, name=name, estimator="evaluate", encoded=False)
    )
    if len(samples) < MIN_SAMPLES:
        raise ValueError(
            f"{name} holds {len(samples)} windows, too few to compare distributions; sample at "
            f"least {MIN_SAMPLES} (500 is a good number)."
        )
    if samples.shape[1] < _MIN_WINDOW:
        raise ValueError(
            f"{name} has windows of {samples.shape[1]} frames, but correlations and spectra "
            f"need at least {_MIN_WINDOW}; sample longer windows."
        )
    return samples


def check_size(samples: dict[str, np.ndarray], real: WindowSource) -> None:
    """Refuse samples of quite another size: the generator has diverged, or the units differ."""
    most = float(np.abs(real.frames).max())
    for name, each in samples.items():
        largest = max(abs(float(each.min())), abs(float(each.max())))
        if largest > _MAX_SIZE * most:
            raise ValueError(
                f"{name} holds values of up to {largest:.2g}, but real of up to {most:.2g}: the "
                "generator has diverged, or its samples are in other units."
            )


def check_model(model: Any, name: str | None = None) -> None:
    """Refuse a model that is not fitted: it tells nothing of its samples."""
    if model is None or not hasattr(model, "fit"):
        return
    try:
        check_is_fitted(model)
    except NotFittedError:
        called = "model" if name is None else f"models[{name!r}]"
        raise NotFittedError(
            f"{called} is a {type(model).__name__} that is not fitted; pass the fitted one that "
            "the samples were drawn from."
        ) from None


def check_deconvolver(deconvolver: Any, n_neurons: int) -> None:
    """Refuse what infers no spikes, or was fitted on other neurons."""
    if deconvolver is None:
        return
    if not hasattr(deconvolver, "transform"):
        raise TypeError(
            f"deconvolver must have a transform that infers spikes from windows, got "
            f"{type(deconvolver).__name__}; pass an OasisDeconvolver, or None."
        )
    seen = getattr(deconvolver, "n_features_in_", n_neurons)
    if seen != n_neurons:
        raise ValueError(
            f"deconvolver was fitted on {seen} neurons, but real has {n_neurons}; fit it on the "
            "training recording that is compared."
        )


def varying_neurons(
    real: WindowSource, train: WindowSource | None, samples: dict[str, np.ndarray]
) -> tuple[np.ndarray, list[str]]:
    """Return which neurons (N,) vary in the recordings, and what to say of the others.

    A neuron that is constant in a recording has no statistics to compare, and is warned of.
    """
    varies, texts = np.ones(real.n_neurons, dtype=bool), []
    for name, source in (("real", real), ("train", train)):
        if source is None:
            continue
        first = source.segments[0][0]
        here = np.zeros(source.n_neurons, dtype=bool)
        for segment in source.segments:
            here |= (segment != first).any(axis=0)
        if not here.any():
            raise ValueError(
                f"every neuron of {name} is constant, so there is nothing to compare; check that "
                "the recording holds traces."
            )
        if not here.all():
            texts.append(f"{list_neurons(~here)} of {name} {_are(~here)} constant and left out.")
        varies &= here
    if not varies.any():
        raise ValueError(
            "every neuron is constant in real or in train; there is nothing to compare."
        )
    if texts:
        warnings.warn(" ".join(texts), UserWarning, stacklevel=4)
    for name, windows in samples.items():
        constant = (windows == windows[:1, :1]).all(axis=(0, 1)) & varies
        if constant.any():
            texts.append(f"{list_neurons(constant)} of {name} {_are(constant)} constant.")
    return varies, texts


def list_neurons(chosen: np.ndarray) -> str:
    """Name the neurons chosen by their numbers, at most ten of them."""
    numbers = np.flatnonzero(chosen)
    listed = ", ".join(map(str, numbers[:10])) + (" ..." if len(numbers) > 10 else "")
    return f"Neuron {listed}" if len(numbers) == 1 else f"{len(numbers)} neurons ({listed})"


def _are(chosen: np.ndarray) -> str:
    return "is" if chosen.sum() == 1 else "are"


def _check_controls(controls: Any) -> tuple[str, ...]:
    """Return the controls asked for, each once, in the order of the table."""
    known = ", ".join(map(repr, CONTROLS))
    if isinstance(controls, str) or not isinstance(controls, Iterable):
        raise TypeError(
            f"controls must be an iterable of names out of {known}, got {controls!r}; pass "
            "controls=() for none."
        )
    names = list(controls)
    for name in names:
        if name not in CONTROLS:
            raise ValueError(f"controls holds {name!r}, but the controls are {known}.")
    return tuple(name for name in CONTROLS if name in names)


def find_overlap(
    real: WindowSource, train: WindowSource | None, protocol: str
) -> tuple[float, list[str]]:
    """Return the share of held-out frames that occur in the training recording, and a remark."""
    if train is None:
        return 0.0, []
    seen = {key for segment in train.segments for key in _frame_keys(segment)}
    keys = [key for segment in real.segments for key in _frame_keys(segment)]
    shared = sum(key in seen for key in keys) / max(1, len(keys))
    if shared <= 0.01:
        return shared, []
    text = (
        f"{100 * shared:.0f} % of the frames of real occur in train: it is not held out, "
        "so baselines and memorisation mean little"
    )
    if protocol == "thesis":
        return shared, [f"{text}, as with the published split."]
    text += "; split with train_test_blocks."
    warnings.warn(text, UserWarning, stacklevel=4)
    return shared, [text]


def _frame_keys(segment: np.ndarray) -> list[int]:
    """Return a hash of every eight frames in a row, flat segments left out."""
    span = _MIN_WINDOW
    moves = np.any(np.diff(segment, axis=0) != 0, axis=1)
    return [
        hash(np.asarray(segment[start : start + span]).tobytes())
        for start in range(len(segment) - span + 1)
        if moves[start : start + span - 1].any()
    ]
