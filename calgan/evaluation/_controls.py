"""The controls of a comparison, and the dichotomized Gaussian among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calgan.data.random_windows import WindowSource
from calgan.data.windows import cut_windows
from calgan.generators.dichotomized_gaussian.estimator import (
    DichotomizedGaussianCalcium,
    fit_generator,
)

CONTROLS = {"replay": "replay", "shuffled": "shuffled", "dichotomized_gaussian": "DG"}
"""Controls, in the order of the table, and the heads of their columns."""

CONTROL_LEGENDS = {
    "replay": "replay: training windows in place of synthetic ones",
    "shuffled": "shuffled: each neuron taken from another window",
    "dichotomized_gaussian": "DG: a dichotomized Gaussian, right in the rates of spikes, their "
    "correlations within a frame, and on average their course over up to 2 s; in nothing else",
}

# The published model has no memory: its spike trains are far from any real ones in van Rossum's
# distance, and easily beaten. Memory costs nothing, so the control has it.
_LAG_SECONDS = 2.0
_MAX_LAGS = 60


def lags_for(frame_rate: float, window: int) -> int:
    """Return the control's frames of memory: 2 s, but at most 60 frames and half a window."""
    return min(max(1, round(_LAG_SECONDS * frame_rate)), _MAX_LAGS, window // 2)


@dataclass(frozen=True)
class GaussianWindows:
    """Windows (n, T, N) of a dichotomized Gaussian, None where it cannot be fitted.

    Remarks say why, or what the fit warned of; facts, how well it matches its spikes.
    """

    samples: np.ndarray | None
    remarks: list[str]
    facts: dict[str, Any] = field(default_factory=dict)


def sample_dichotomized_gaussian(
    source: WindowSource, n: int, frame_rate: float, rng: np.random.Generator
) -> GaussianWindows:
    """Fit the dichotomized Gaussian to every window of a recording and draw n windows from it."""
    model = DichotomizedGaussianCalcium(
        frame_rate,
        n_lags=lags_for(frame_rate, source.window),
        random_state=int(rng.integers(2**31)),
    )
    # What the control has to say of itself is no warning about the user's samples. Nor may a thread
    # catch warnings: filters are those of all threads.
    try:
        texts = fit_generator(model, cut_windows(source.segments, source.window))
        samples = np.asarray(model.sample(n), dtype=np.float32)
        if not np.isfinite(samples).all():
            raise ValueError("its samples are not finite.")
    except (ValueError, ArithmeticError, RuntimeError) as error:
        why = f"There is no dichotomized Gaussian to compare with: {error}"
        return GaussianWindows(None, [why])
    spikes = model.spike_model_
    return GaussianWindows(
        samples,
        [f"Of the dichotomized Gaussian: {text}" for text in texts],
        {
            "repaired": bool(spikes.repaired_),
            "max_deviation": float(spikes.max_deviation_),
            "max_lag_deviation": float(spikes.max_lag_deviation_),
            "n_lags": model.n_lags,
        },
    )
