"""The dichotomized Gaussian as a control: right in rates, correlations and their course in time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calgan.data.drawing import WindowSource
from calgan.data.windows import cut_windows
from calgan.generators.dichotomized_gaussian.estimator import DichotomizedGaussianCalcium

# The published model has no memory: its spike trains are far from any real ones in van Rossum's
# distance, and easily beaten. Memory costs nothing, so the control has it.
_LAG_SECONDS = 2.0
_MAX_LAGS = 60


def lags_for(frame_rate: float, window: int) -> int:
    """Return the control's frames of memory: 2 s, but at most 60 frames and half a window."""
    return min(max(1, round(_LAG_SECONDS * frame_rate)), _MAX_LAGS, window // 2)


@dataclass(frozen=True)
class GaussianWindows:
    """Windows of a dichotomized Gaussian, or why there are none.

    Attributes
    ----------
    samples : ndarray of shape (n, T, N), float32, or None
        Windows in the units of the recording; None where the model cannot be fitted.
    remarks : list of str
        Why it cannot be fitted, or what the fit warned of.
    facts : dict
        Whether the latent correlations (in space or in time) were repaired, by how much the
        correlations and the mean autocorrelations of the spikes miss those of the recording at
        most, and the frames of memory. Empty without samples.
    """

    samples: np.ndarray | None
    remarks: list[str]
    facts: dict[str, Any] = field(default_factory=dict)


def sample_dichotomized_gaussian(
    source: WindowSource, n: int, frame_rate: float, rng: np.random.Generator
) -> GaussianWindows:
    """Fit the dichotomized Gaussian to a recording and draw windows from it.

    Parameters
    ----------
    source : WindowSource
        Recording to fit; segments shorter than a window are left out.
    n : int
        Windows to draw.
    frame_rate : float
        Frames per second (Hz).
    rng : numpy.random.Generator
        Source of the seed of the draws.

    Returns
    -------
    GaussianWindows
    """
    model = DichotomizedGaussianCalcium(
        frame_rate,
        n_lags=lags_for(frame_rate, source.window),
        random_state=int(rng.integers(2**31)),
    )
    # What the control has to say of itself is no warning about the user's samples.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            samples = np.asarray(
                model.fit(cut_windows(source.segments, source.window)).sample(n), dtype=np.float32
            )
            if not np.isfinite(samples).all():
                raise ValueError("its samples are not finite.")
        except (ValueError, ArithmeticError, RuntimeError) as error:
            why = f"There is no dichotomized Gaussian to compare with: {error}"
            return GaussianWindows(None, [why])
    texts = dict.fromkeys(str(each.message) for each in caught)
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
