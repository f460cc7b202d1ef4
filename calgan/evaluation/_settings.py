"""The settings of an evaluation, and the checks of what `evaluate` is given."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from calgan.data.random_windows import WindowSource
from calgan.data.validation import as_seed, check_integer, check_windows
from calgan.evaluation._controls import CONTROLS

MIN_SAMPLES = 8
_MIN_WINDOW = 8
FEW_SAMPLES = 100
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
    if protocol not in ("blocked", "thesis"):
        raise ValueError(f"protocol must be 'blocked' or 'thesis', got {protocol!r}.")
    controls = _check_controls(controls)
    most = _N_WINDOWS[protocol] if n_windows is None else n_windows
    return Settings(
        protocol,
        controls,
        check_integer(most, "n_windows", minimum=MIN_SAMPLES),
        check_integer(n_splits, "n_splits"),
        check_integer(n_bootstrap, "n_bootstrap", minimum=0),
        as_seed(random_state),
        1 if n_jobs is None else -1 if n_jobs == -1 else check_integer(n_jobs, "n_jobs"),
    )


def check_samples(synthetic: Any) -> np.ndarray:
    """Return synthetic windows as an array (n, T, N); too few or too short ones are refused."""
    shape = np.shape(synthetic) if hasattr(synthetic, "shape") else None
    if shape is not None and len(shape) != 3:
        raise ValueError(
            f"synthetic must be windows of shape (n, T, N), but it is {len(shape)}-D with shape "
            f"{tuple(shape)}; pass what sample(n) returns."
        )
    samples: np.ndarray = np.asarray(
        check_windows(synthetic, name="synthetic", estimator="evaluate", encoded=False)
    )
    if len(samples) < MIN_SAMPLES:
        raise ValueError(
            f"synthetic holds {len(samples)} windows, too few to compare distributions; sample at "
            f"least {MIN_SAMPLES} (500 is a good number)."
        )
    if samples.shape[1] < _MIN_WINDOW:
        raise ValueError(
            f"synthetic has windows of {samples.shape[1]} frames, but correlations and spectra "
            f"need at least {_MIN_WINDOW}; sample longer windows."
        )
    return samples


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
    warnings.warn(text, UserWarning, stacklevel=3)
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
