"""Relative fluorescence dF/F from raw traces, and frames that no neuron made."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.data.validation import check_real, check_recording, common_frame_rate

_CHUNK_VALUES = 1 << 23
_STEPS = 12  # baselines a window; those of the frames between are interpolated
_LEAST = 0.1  # of the uncorrected baseline: what neuropil may leave of it
_SD = 1.4826  # standard deviation over the median absolute deviation of a Gaussian
_ABSURD, _ODD = 1000.0, 100.0  # noise: a value that is no fluorescence, alone or not
_SHARED, _RARE = 2.0, 6.0  # median jump: over the noise, and over its own deviation
_BACK, _FEW = 0.7, 10.0  # a jump back over the jump; jumps of few neurons are larger by chance
_SOME, _MANY = 5, 20  # neurons that a shared artefact needs, and a long one
_NAMED = 5  # neurons that a message names


def delta_f_over_f(
    fluorescence: Any,
    frame_rate: float | None = None,
    *,
    neuropil: Any = None,
    neuropil_coefficient: float = 0.7,
    percentile: float = 8.0,
    window: float | None = 60.0,
) -> Any:
    r"""Return dF/F, the relative change of fluorescence from a running baseline.

    .. math:: \Delta F / F = (F - r F_\mathrm{neuropil} - F_0) / F_0

    The baseline F0 of a frame is a low percentile of the corrected frames F - r Fneuropil of its
    segment within half a window of it. It is computed at 12 frames a window and interpolated.

    Parameters
    ----------
    fluorescence : Recording or array-like of shape (T, N)
        Raw fluorescence. NaN is a missing value.
    frame_rate : float, default=None
        Frames per second (Hz); a Recording knows its own.
    neuropil : array-like of shape (T, N), default=None
        Fluorescence of the neuropil around each cell.
    neuropil_coefficient : float, default=0.7
        Share r of the neuropil that is subtracted.
    percentile : float, default=8.0
        Percentile of the frames that is their baseline, from 0 to 100.
    window : float or None, default=60.0
        Window of the baseline (s); None takes one baseline a segment.

    Returns
    -------
    Recording or ndarray of shape (T, N), float32
        The same kind as `fluorescence`; a Recording is NaN outside its segments.

    Raises
    ------
    ValueError
        If an argument does not fit, or if most baselines are not above the noise, as in dF/F.

    Warns
    -----
    UserWarning
        If F0 is below the noise of a neuron, or below a tenth of the baseline before the neuropil
        was subtracted. F0 is then the larger of these, so that dF/F stays finite.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.io import delta_f_over_f
    >>> fluorescence = np.full((600, 2), 100.0)
    >>> fluorescence[300:305, 0] = 150.0
    >>> delta_f_over_f(fluorescence, frame_rate=10.0).max(axis=0)
    array([0.5, 0. ], dtype=float32)
    """
    recording = fluorescence if isinstance(fluorescence, Recording) else None
    if recording is None:
        traces = check_recording(
            fluorescence, name="fluorescence", check_orientation=False, finite=False
        )
        segments = np.array([[0, len(traces)]])
    else:
        traces, segments = recording.traces, recording.segments
    rates = {
        "frame_rate": frame_rate,
        "fluorescence": None if recording is None else recording.frame_rate,
    }
    r = check_real("neuropil_coefficient", neuropil_coefficient, least=0.0)
    check_real("percentile", percentile, least=0.0, below=100.0 + 1e-9)
    n_around = len(traces)  # frames on either side that a baseline is taken from
    if window is not None:
        rate = common_frame_rate(rates, needed_by="a running baseline")
        n_around = round(check_real("window", window, above=0.0) * rate / 2)
        if n_around < 1:
            raise ValueError(
                f"window must hold at least two frames, but {window:g} s at {rate:g} Hz hold "
                f"{window * rate:.2g}; pass a longer one in seconds."
            )
    around = None
    if neuropil is not None:
        around = check_recording(neuropil, name="neuropil", check_orientation=False, finite=False)
        if around.shape != traces.shape:
            raise ValueError(
                f"neuropil must have the shape {traces.shape} of the fluorescence, got "
                f"{around.shape}."
            )
    out = np.full(traces.shape, np.nan, dtype=np.float32)
    n_neurons = traces.shape[1]
    raised, dim = np.zeros(n_neurons, dtype=bool), np.zeros(n_neurons, dtype=bool)
    size = max(1, _CHUNK_VALUES // len(traces))
    for first in range(0, n_neurons, size):
        part = slice(first, first + size)
        raw = np.ascontiguousarray(traces[:, part].T)
        cell = raw if around is None else raw - np.float32(r) * around[:, part].T
        noise = _noise(cell, segments)[:, None]
        f0, before = np.full(raw.shape, np.nan, np.float32), np.full(raw.shape, np.nan, np.float32)
        for start, stop in segments:
            f0[:, start:stop] = _baseline(cell[:, start:stop], percentile, n_around)
            if around is not None:
                before[:, start:stop] = _percentile(raw[:, start:stop], percentile)[:, None]
        least = noise if around is None else np.fmax(noise, _LEAST * before)
        raised[part] = (f0 < least).any(axis=1)
        dim[part] = _median(f0 if around is None else before) <= noise[:, 0]
        out[:, part] = ((cell - f0) / np.maximum(f0, least)).T
    ids = np.arange(n_neurons) if recording is None else recording.roi_ids
    if 2 * dim.sum() > n_neurons:
        raise ValueError(
            f"fluorescence looks like dF/F or z-scores already: the baselines of {dim.sum()} of "
            f"{n_neurons} neurons are not above their noise; use it as it is, or add the offset "
            "that was subtracted."
        )
    if raised.any():
        names = [str(name) for name in ids[raised]]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        warnings.warn(
            f"the baseline of {len(names)} of {n_neurons} neurons is at times below their noise or "
            "below a tenth of what it is before the neuropil is subtracted, and was raised to "
            f"that; their dF/F is too small: {', '.join(names[:_NAMED])}{more}.",
            UserWarning,
            stacklevel=2,
        )
    return out if recording is None else recording.with_traces(out, units="dF/F")


def find_artefacts(recording: Recording, *, most: float = 1.0) -> np.ndarray:
    """Find frames whose values no neuron made, such as movement, flashes and saturated values.

    Two things are artefacts. The traces of most neurons, at least five, jump together and jump back
    within `most` seconds: calcium rises fast, but does not fall so. Or one neuron has an absurd
    value, 1000 times its noise; 100 times is enough in a single frame that no neighbour resembles.
    Do not use it on denoised traces: they have no noise, and their transients are taken for
    artefacts.

    Parameters
    ----------
    recording : Recording
        Recording to search.
    most : float, default=1.0
        Longest shared artefact (s). Of fewer than 20 neurons, bursts resemble longer artefacts,
        and single frames alone are searched.

    Returns
    -------
    ndarray of shape (T,), bool
        True for each frame of an artefact; False outside the segments.

    Raises
    ------
    TypeError
        If `recording` is no Recording.

    See Also
    --------
    calgan.Recording.without_frames : Leave these frames out.

    Examples
    --------
    >>> from calgan.datasets import make_recording
    >>> from calgan.io import find_artefacts
    >>> recording, _ = make_recording(60.0, n_neurons=10, random_state=0)
    >>> traces = recording.traces.copy()
    >>> traces[100] += 2.0
    >>> artefacts = find_artefacts(recording.with_traces(traces))
    >>> artefacts.nonzero()
    (array([100]),)
    >>> recording.without_frames(artefacts).segments.tolist()
    [[0, 100], [101, 600]]
    """
    if not isinstance(recording, Recording):
        raise TypeError(
            f"find_artefacts takes a Recording, got {type(recording).__name__}: make one with "
            "Recording(traces, frame_rate)."
        )
    n_most = max(1, round(check_real("most", most, above=0.0) * recording.frame_rate))
    if recording.n_neurons < _MANY:
        n_most = 1
    traces, n_neurons = recording.traces, recording.n_neurons
    found = np.zeros(recording.n_frames, dtype=bool)
    noise = np.empty(n_neurons)
    size = max(1, _CHUNK_VALUES // len(traces))
    for first in range(0, n_neurons, size):
        part = slice(first, first + size)
        x = np.ascontiguousarray(traces[:, part].T)
        noise[part] = _noise(x, recording.segments)
        rest = _median(np.concatenate([x[:, a:b] for a, b in recording.segments], axis=1))
        for start, stop in recording.segments:
            size_of = np.abs(x[:, start:stop] - rest[:, None]) / noise[part, None]
            around = np.pad(size_of, ((0, 0), (1, 1)))
            alone = size_of > 10 * np.maximum(around[:, :-2], around[:, 2:])
            found[start:stop] |= ((size_of > _ABSURD) | (alone & (size_of > _ODD))).any(axis=0)
    for start, stop in recording.segments if n_neurons >= _SOME else ():
        up, down = _shared_jumps(traces[start:stop], noise)
        for out, back in ((up, down), (down, up)):
            for t in np.flatnonzero(out):
                ends = np.flatnonzero(back[t + 1 : t + 1 + n_most] >= _BACK * out[t])
                if len(ends):
                    found[start + t + 1 : start + t + 2 + ends[0]] = True
    return found


def _shared_jumps(traces: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sizes of jumps of most neurons after each frame (T - 1,), up and down; 0 for none."""
    step = max(1, _CHUNK_VALUES // traces.shape[1])
    share = 10.0 if len(noise) < _MANY else 25.0  # of the neurons that need not jump
    jumps = []
    for first in range(0, len(traces) - 1, step):
        z = np.diff(traces[first : first + step + 1], axis=0) / noise
        jumps.append(np.percentile(z, [share, 50.0, 100.0 - share], axis=1))
    low, middle, high = np.concatenate(jumps, axis=1) if jumps else np.zeros((3, 0))
    if not len(middle):
        return middle, middle
    least = max(_SHARED, _FEW / np.sqrt(len(noise)), _RARE * _SD * float(np.median(np.abs(middle))))
    up = np.where((middle > least) & (low > _SHARED / 2), middle, 0.0)
    down = np.where((-middle > least) & (-high > _SHARED / 2), -middle, 0.0)
    return up, down


def _median(x: np.ndarray) -> np.ndarray:
    """Return the median (n,) of the values (n, T) that are not NaN."""
    return _percentile(x, 50.0)


def _percentile(x: np.ndarray, percentile: float) -> np.ndarray:
    """Return a percentile (n,) of the values (n, T) that are not NaN, as numpy interpolates it."""
    last = x.shape[1] - 1
    if np.isnan(x.max()):
        ordered = np.sort(x, axis=1)  # NaN comes last
        place = percentile / 100 * np.maximum(last - np.isnan(x).sum(axis=1), 0)
        low, rows = place.astype(int), np.arange(len(x))
        first, second = ordered[rows, low], ordered[rows, np.minimum(low + 1, last)]
    else:  # twice as fast
        place = percentile / 100 * last
        low = int(place)
        ordered = np.partition(x, low, axis=1)
        first = ordered[:, low]
        second = ordered[:, low + 1 :].min(axis=1) if low < last else first
    share = place - low
    return np.where(share > 0, first + share * (second - first), first)


def _baseline(x: np.ndarray, percentile: float, around: int) -> np.ndarray:
    """Return the running percentile (n, T) of traces (n, T) over `around` frames on each side."""
    n_frames = x.shape[1]
    if around >= n_frames:
        return _percentile(x, percentile)[:, None]
    centres = np.append(np.arange(0, n_frames - 1, max(1, 2 * around // _STEPS)), n_frames - 1)
    y = np.stack(
        [_percentile(x[:, max(0, c - around) : c + around + 1], percentile) for c in centres],
        axis=1,
    ).astype(np.float32)
    frames = np.arange(n_frames)
    left = np.clip(np.searchsorted(centres, frames, side="right") - 1, 0, len(centres) - 2)
    share = ((frames - centres[left]) / (centres[left + 1] - centres[left])).astype(np.float32)
    return y[:, left] + share * (y[:, left + 1] - y[:, left])


def _noise(x: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Return the noise (n,) of traces (n, T): the robust deviation of differences of frames.

    Where most differences are 0, the standard deviation of the trace; 1 for a constant.
    """
    steps = [np.abs(np.diff(x[:, start:stop], axis=1)) for start, stop in segments]
    inside = np.concatenate([x[:, start:stop] for start, stop in segments], axis=1)
    differences = np.concatenate(steps, axis=1)
    noise = np.zeros(len(x))
    if differences.shape[1]:
        noise = _SD / np.sqrt(2) * _median(differences)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a neuron without any value
        deviation = np.nanstd(inside, axis=1)
    noise = np.where(noise > 0, noise, deviation)
    return np.where(noise > 0, noise, 1.0)
