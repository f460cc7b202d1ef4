"""Noise and baseline of each neuron, and traces that are no raw traces."""

from __future__ import annotations

import numpy as np

# Deviation of a Gaussian below its median that leaves these shares of values behind.
_QUANTILE_1SD, _QUANTILE_BASELINE, _Z_BASELINE = 15.8655, 20.0, 0.8416
_QUANTILE_SCALE = 95.0
# Values exactly at the minimum, or maximum, that make a trace rectified, or saturated: their share,
# at least so many, and so many times as often as the value next to it.
_FLOOR_SHARE, _CEILING_SHARE, _FEWEST, _TIMES_NEXT = 0.05, 0.002, 5, 5
# A linear prediction from the last two frames misses half of a denoised trace by less than this, in
# standard deviations: the published recordings by 0.008 to 0.7, calcium without noise by 0.004.
_PREDICTABLE = 5e-3
_PREDICTED_FRAMES, _PREDICTIONS = 2048, 8
_NAMED_NEURONS = 10
_TYPICAL_DECAY = 0.95  # of calcium from frame to frame, where none was estimated


# Traces of a kind that OASIS is not made for: what it does with them, and what to do.
KINDS = {
    "constant": "constant: they have no spikes. Leave them out.",
    "denoised": (
        "denoised (a frame follows from those before it): no spikes are inferred for them. Take "
        "traces with their noise, such as CaImAn's C + YrA, or threshold_unit='trace'."
    ),
    "rectified": (
        "rectified (many values are exactly the minimum): their noise is estimated from the values "
        "above it. Take traces that are not clipped."
    ),
    "saturated": (
        "saturated (many values are exactly the maximum): spikes above it are missed. Leave them "
        "out if you need their spikes, or record with less gain."
    ),
}
# The same for networks, whose training data hold no such traces.
UNLIKE_GROUND_TRUTH = {
    **KINDS,
    "denoised": (
        "denoised (a frame follows from those before it), unlike all that networks learn. Take "
        "traces with their noise, such as CaImAn's C + YrA."
    ),
    "rectified": (
        "rectified (many values are exactly the minimum), unlike all that networks learn. Take "
        "traces that are not clipped."
    ),
}


def kinds_of(segments: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Which neurons of segments (t, N) are of the `KINDS`."""
    return estimate_noise_and_baseline(segments, np.full(segments[0].shape[1], _TYPICAL_DECAY))[2]


def count_and_name(which: np.ndarray) -> str:
    """Say how many neurons, and which ones: the beginning of a sentence on them."""
    numbers = np.flatnonzero(which)
    named = ", ".join(map(str, numbers[:_NAMED_NEURONS]))
    named += ", ..." if len(numbers) > _NAMED_NEURONS else ""
    return f"{len(numbers)} of {len(which)} neurons (number {named})"


def names_of_kinds(kinds: dict[str, np.ndarray], texts: dict[str, str]) -> list[str]:
    """Return a sentence on the neurons of each kind."""
    return [
        f"{count_and_name(which)} are {texts[kind]}" for kind, which in kinds.items() if which.any()
    ]


def estimate_noise_and_baseline(
    segments: list[np.ndarray], decay: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Noise deviation and baseline of each neuron, and which neurons are of the `KINDS`."""
    noise, baseline = np.zeros(len(decay)), np.zeros(len(decay))
    kinds = {kind: np.zeros(len(decay), dtype=bool) for kind in KINDS}
    # Number of frames before each one in its segment.
    before = np.concatenate([np.arange(len(segment)) for segment in segments])
    for neuron, g in enumerate(decay):
        values = np.concatenate([segment[:, neuron] for segment in segments]).astype(np.float64)
        lowest, highest = values.min(), values.max()
        rectified = _piles_up(values, lowest, _FLOOR_SHARE)
        usable = before
        if rectified:  # frames since the last value at the minimum
            at = np.arange(len(values))
            since = at - np.maximum.accumulate(np.where(values == lowest, at, -1)) - 1
            usable = np.minimum(before, since)
        later = np.flatnonzero(usable > 0)
        if later.size:
            innovations = values[later] - g * values[later - 1]
            low, middle = np.percentile(innovations, [_QUANTILE_1SD, 50.0])
            deviation = (middle - low) / np.sqrt(1.0 + g * g)
            # What float32 traces carry as rounding is not noise; one artefact sets no scale.
            if deviation > 1e-6 * np.percentile(np.abs(values), _QUANTILE_SCALE):
                noise[neuron] = deviation
        if _is_predictable(values, np.flatnonzero(usable > 1)):
            noise[neuron] = 0.0
        low = np.percentile(values, _QUANTILE_BASELINE)
        baseline[neuron] = low + _Z_BASELINE * noise[neuron]
        kinds["constant"][neuron] = lowest == highest
        if lowest < highest:
            kinds["denoised"][neuron] = noise[neuron] == 0
            kinds["rectified"][neuron] = rectified and noise[neuron] > 0
            kinds["saturated"][neuron] = _piles_up(values, highest, _CEILING_SHARE)
    return noise, baseline, kinds


def _piles_up(values: np.ndarray, edge: float, share: float) -> bool:
    """Tell whether a share of values lies exactly at the edge of their range, as clipping does."""
    inside = values[values != edge]
    n_at_edge = len(values) - len(inside)
    if n_at_edge < max(_FEWEST, share * len(values)) or inside.size == 0:
        return False
    following = inside[np.argmin(np.abs(inside - edge))]
    return bool(n_at_edge >= _TIMES_NEXT * np.count_nonzero(inside == following))


def _is_predictable(values: np.ndarray, frames: np.ndarray) -> bool:
    """Tell whether half of the frames follow from the two before them: there is no noise."""
    frames = frames[:: -(-len(frames) // _PREDICTED_FRAMES) or 1]
    spread = np.clip(values, *np.percentile(values, [1.0, 99.0])).std()  # without artefacts
    if len(frames) < _FEWEST * _PREDICTIONS or spread == 0:
        return False
    scaled = (values - values.mean()) / spread
    past = np.column_stack([np.ones(len(frames)), scaled[frames - 1], scaled[frames - 2]])
    wanted = scaled[frames]
    kept = np.ones(len(frames), dtype=bool)
    for _ in range(_PREDICTIONS):  # spikes cannot be predicted: the better half decides
        weights = np.linalg.lstsq(past[kept], wanted[kept], rcond=None)[0]
        missed = np.abs(wanted - past @ weights)
        middle = float(np.median(missed))
        if middle < _PREDICTABLE:
            return bool(weights[1] > 0.1)  # it decays, and does not alternate
        kept = missed <= middle
    return False
