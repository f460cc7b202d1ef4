"""How much of what is inferred from a recording is still inferred when noise is added to it."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calgan.data.correlation import column_correlations, varies
from calgan.data.progress import progress
from calgan.data.recording import Recording
from calgan.data.validation import (
    as_real_array,
    as_seed,
    check_finite,
    check_integer,
    check_real,
    check_recording,
    check_same_rois,
    common_frame_rate,
    rng_from,
    shown,
)
from calgan.spikes._noise import count_and_name
from calgan.spikes.deconvolvers import fitted_to

Floats = NDArray[np.float64]

HALF = 0.5
_LEVELS = (4.0, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25)
_LEAST_LEVEL = 1e-3  # below, float32 traces hold little but noise
_FEWEST_BINS = 3
_N_BOOTSTRAP = 2000
_INTERVAL = (0.025, 0.975)


@dataclass(frozen=True, eq=False, repr=False)
class NoiseStudy:
    """What `noise_study` found at L levels, from the largest down, for N neurons."""

    deconvolver: str
    levels: Floats  # (L,)
    correlation: Floats  # (L, N)
    truth: Floats | None  # (L + 1, N), the first without added noise
    bin_width: float  # s
    roi_ids: NDArray[Any]  # (N,)

    @property
    def mean(self) -> Floats:
        """Mean correlation over neurons (L,)."""
        return mean_over_neurons(self.correlation)[0]

    @property
    def mean_interval(self) -> Floats:
        """95 % interval (2, L) of the mean."""
        return mean_over_neurons(self.correlation)[1]

    @property
    def half_point(self) -> float:
        """SNR at which the mean falls to half."""
        return float(_known(_crossings(self.levels, self.mean)))

    @property
    def half_point_interval(self) -> tuple[float, float]:
        """95 % interval of the half point."""
        drawn = _crossings(self.levels, _resampled_means(self.correlation))
        if not drawn.size:
            return np.nan, np.nan
        # Some may lie beyond the levels, at 0 or infinity: no quantile lies between two of them.
        low, high = _known(np.quantile(drawn, _INTERVAL, method="inverted_cdf"))
        return float(low), float(high)

    @property
    def half_points(self) -> Floats:
        """SNR at which the curve of each neuron falls to half (N,)."""
        return _known(_crossings(self.levels, self.correlation))

    @property
    def falls(self) -> Floats:
        """Fall of the mean per octave between neighbouring levels (L - 1,)."""
        return np.diff(self.mean) / np.diff(np.log2(self.levels))

    @property
    def steepest_octave(self) -> tuple[float, float]:
        """The octave (SNR, half of it) in which the mean falls most."""
        x, y = np.log2(self.levels[::-1]), self.mean[::-1]
        # The fall is piecewise linear in the octave's place: it is largest with an end at a level.
        tops = np.concatenate([x, x + 1.0])
        tops = tops[(tops - 1.0 >= x[0] - 1e-9) & (tops <= x[-1] + 1e-9)]
        if not tops.size or np.isnan(y).any():
            return np.nan, np.nan
        top = tops[np.argmax(np.interp(tops, x, y) - np.interp(tops - 1.0, x, y))]
        return float(2.0**top), float(2.0 ** (top - 1.0))

    def to_frame(self) -> Any:
        """Return a pandas data frame with a row a level and neuron; no added noise is infinite."""
        try:
            import pandas as pd
        except ImportError:
            raise ImportError(
                "to_frame needs pandas; install it with: pip install pandas."
            ) from None
        levels = [np.inf, *self.levels.tolist()]
        itself = np.where(np.isnan(self.correlation[:1]), np.nan, 1.0)
        columns = {"correlation": np.concatenate([itself, self.correlation]).ravel()}
        if self.truth is not None:
            columns["truth"] = self.truth.ravel()
        rows = pd.MultiIndex.from_product([levels, self.roi_ids.tolist()], names=["snr", "neuron"])
        return pd.DataFrame(columns, index=rows)

    def __repr__(self) -> str:
        low, high = self.half_point_interval
        top, bottom = self.steepest_octave
        return (
            f"NoiseStudy({self.deconvolver}, {len(self.roi_ids)} neurons, bins of "
            f"{self.bin_width:.3g} s: half at SNR {self.half_point:.2g} [{low:.2g}, {high:.2g}], "
            f"steepest from {top:.2g} to {bottom:.2g})"
        )


def noise_study(
    deconvolver: Any,
    recording: Any,
    levels: Sequence[float] = _LEVELS,
    *,
    spikes: ArrayLike | Recording | None = None,
    frame_rate: float | None = None,
    bin_width: float | None = None,
    n_repeats: int = 3,
    random_state: Any = None,
    verbose: int | None = None,
) -> NoiseStudy:
    r"""Correlate the spikes inferred from a recording with those inferred after noise is added.

    For each signal-to-noise ratio (SNR) of `levels`, Gaussian white noise of standard deviation
    :math:`\sigma_i / \mathrm{SNR}` is added to each neuron's trace, whose own standard deviation
    over its segments is :math:`\sigma_i`. The number is the Pearson correlation, over time bins,
    of what the deconvolver infers from the recording as it is with what it infers then.

    Parameters
    ----------
    deconvolver : object with ``transform``
        Turns traces (T, N) into spikes (T, N), such as an `OasisDeconvolver`. One that is not
        fitted is cloned and fitted anew on the recording as it is and on each noisy one: it then
        knows how much noise there is. One that was trained on known spikes is adapted to them. A
        fitted one is used as it is.
    recording : Recording or array-like of shape (T, N)
        Traces.
    levels : sequence of float
        Signal-to-noise ratios, at least 0.001; by default 4, 2, 1.4, 1, 0.7, 0.5, 0.35 and 0.25.
    spikes : array-like or Recording of shape (T, N), default=None
        True number of spikes in each frame, if known.
    frame_rate : float, default=None
        Frames per second (Hz). None takes that of `recording` or `deconvolver`.
    bin_width : float, default=None
        Width (s) of the bins that spikes are summed in, rounded to whole frames, at least one.
        None is one frame. Wider bins average noise out: compare studies of one width.
    n_repeats : int, default=3
        Draws of the noise, whose correlations are averaged. All levels share a draw, scaled.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the noise. A neuron's noise depends on the seed and its ROI id alone.
    verbose : int, default=None
        0 shows no progress, 1 does, and None on a terminal only.

    Returns
    -------
    study : NoiseStudy
        An object with the attributes

        - ``levels`` (L,), from the largest to the smallest;
        - ``correlation`` (L, N), with the spikes inferred without added noise;
        - ``truth`` (L + 1, N), with the true spikes, its first row without added noise; None if
          they were not given;
        - ``bin_width`` (s), the one used; ``roi_ids`` (N,); ``deconvolver``, its name;
        - ``mean`` (L,) of ``correlation`` over neurons, and ``mean_interval`` (2, L);
        - ``half_point``, the SNR at which ``mean`` first falls to 0.5, from the largest level
          down, by linear interpolation on the logarithm of SNR; ``half_point_interval``; and
          ``half_points`` (N,) of each neuron's curve. NaN is a point beyond the levels;
        - ``falls`` (L - 1,) of ``mean`` per octave (factor of 2) between neighbouring levels;
        - ``steepest_octave``, the SNR and half of it between which ``mean`` falls most; NaN if the
          levels span less than an octave.

        Intervals hold 95 % of 2,000 bootstrap samples of the neurons. ``to_frame()`` returns the
        correlations as a pandas data frame.

    Raises
    ------
    TypeError
        If `deconvolver` has no ``transform``, or other input is no number.
    ValueError
        If no frame rate is known; if no neuron varies, or nothing that varies is inferred; if the
        inferred spikes are of another shape than the traces, or NaN; if `spikes` are of another
        shape, frame rate or ROI ids than the traces; if there are fewer than three bins.

    Warns
    -----
    UserWarning
        One that names neurons without a correlation (NaN at all levels): their traces, what is
        inferred without added noise, or their true spikes are constant. Where what is inferred
        from noisy traces is constant, the correlation counts as 0.

    See Also
    --------
    calgan.plotting.NoiseStudyDisplay : The figure of one study or several.

    Notes
    -----
    A real recording has noise of its own. Its SNR here is the ratio of its standard deviation,
    own noise included, to the *added* noise, so SNRs of different recordings are comparable only
    as far as their own noise is.

    The traces themselves, taken for spikes in bins of one frame, have
    :math:`r = \mathrm{SNR} / \sqrt{1 + \mathrm{SNR}^2}`: a half point of 0.58, and the steepest
    fall per octave at 0.71.

    Examples
    --------
    >>> from calgan import OasisDeconvolver, noise_study
    >>> from calgan.datasets import make_recording
    >>> recording, spikes = make_recording(100.0, n_neurons=8, random_state=0)
    >>> study = noise_study(OasisDeconvolver(), recording, spikes=spikes, random_state=0)
    >>> study.correlation.shape, study.truth.shape, study.bin_width
    ((8, 8), (9, 8), 0.1)
    >>> low, high = study.half_point_interval
    >>> bool(low < study.half_point < high)
    True
    """
    snr = _check_levels(levels)
    n_repeats, seed = check_integer(n_repeats, "n_repeats"), as_seed(random_state)
    source = _Source(deconvolver, recording, frame_rate)
    bins = _Bins(source.ranges, source.frame_rate, bin_width)
    true = None if spikes is None else bins(_check_spikes(spikes, source))
    correlation = np.zeros((len(snr), source.n_neurons))
    truth = np.zeros((len(snr) + 1, source.n_neurons))
    with progress(verbose, "noise_study", 1 + n_repeats * len(snr)) as bar:
        clean = bins(source.infer())
        if not varies(clean).any():
            raise ValueError(
                f"{source.name} infers nothing that varies from the recording as it is, so there "
                "is nothing to correlate with; check its settings and the traces."
            )
        if true is not None:
            truth[0] = _correlate(true, clean)
        bar.update()
        for repeat in range(n_repeats):
            noise = source.draw_noise(seed, repeat)
            for row, level in enumerate(snr):
                found = bins(source.infer(noise / np.float32(level)))
                correlation[row] += _correlate(clean, found) / n_repeats
                if true is not None:
                    truth[1 + row] += _correlate(true, found) / n_repeats
                bar.update()
    _warn_of_undefined(clean, true)
    return NoiseStudy(
        source.name,
        snr,
        correlation,
        None if true is None else truth,
        bins.width,
        source.roi_ids,
    )


class _Source:
    """A recording, or an array, from which a deconvolver infers spikes."""

    def __init__(self, deconvolver: Any, recording: Any, frame_rate: float | None) -> None:
        if isinstance(deconvolver, type) or not callable(getattr(deconvolver, "transform", None)):
            raise TypeError(
                "deconvolver must be an object with a transform that infers spikes, such as "
                f"OasisDeconvolver(), got {shown(deconvolver)}."
            )
        self.deconvolver, self.name = deconvolver, type(deconvolver).__name__
        self.recording = recording if isinstance(recording, Recording) else None
        if self.recording is None:
            self.traces = check_recording(recording, name="recording")
            self.roi_ids = np.arange(self.traces.shape[1])
            self.ranges = [(0, len(self.traces))]
        else:
            self.traces, self.roi_ids = self.recording.traces, self.recording.roi_ids
            self.ranges = [(start, stop) for start, stop in self.recording.segments.tolist()]
        own = getattr(deconvolver, "frame_rate_", None) or getattr(deconvolver, "frame_rate", None)
        known = {
            "frame_rate": frame_rate,
            "recording": None if self.recording is None else self.recording.frame_rate,
            "deconvolver": own,
        }
        self.frame_rate = common_frame_rate(known, needed_by="noise_study")
        inside = np.concatenate([self.traces[start:stop] for start, stop in self.ranges])
        self.varies = varies(inside)
        if not self.varies.any():
            raise ValueError(
                "every trace of recording is constant, so there is nothing to infer; pass one with "
                "neurons that vary."
            )
        self.deviation = np.where(self.varies, inside.std(axis=0, dtype=np.float64), 0.0)
        self.n_neurons = len(self.deviation)

    def draw_noise(self, seed: int, repeat: int) -> NDArray[np.float32]:
        """Return white noise (T, N) of the deviations of the traces."""
        noise = np.empty(self.traces.shape, dtype=np.float32)
        for neuron, roi in enumerate(self.roi_ids):
            rng = rng_from(seed, repeat, zlib.crc32(str(roi).encode()))
            noise[:, neuron] = rng.standard_normal(len(noise), np.float32)
        noise *= self.deviation.astype(np.float32)
        return noise

    def infer(self, noise: NDArray[np.float32] | None = None) -> Floats:
        """Return what is inferred (T, N) from the traces as they are, or with noise added."""
        traces = self.traces if noise is None else self.traces + noise
        X = traces if self.recording is None else self.recording.with_traces(traces)
        with warnings.catch_warnings():
            if noise is not None:  # what there is to say of the neurons was said of the recording
                warnings.simplefilter("ignore", UserWarning)
            found = fitted_to(self.deconvolver, X, self.frame_rate).transform(X)
        what = f"what {self.name} infers"
        array = as_real_array(found.traces if isinstance(found, Recording) else found, what)
        if array.shape != traces.shape:
            raise ValueError(
                f"{what} has shape {array.shape}, but the traces have {traces.shape}: its "
                "transform must return a number for each frame and neuron."
            )
        # Of a constant trace there need not be spikes.
        spikes = np.where(self.varies, array, 0.0)
        check_finite(spikes, what, ranges=self.ranges, advice="use another deconvolver")
        return spikes


class _Bins:
    """Sums in bins of whole frames, none of which crosses the border of a segment."""

    def __init__(
        self, ranges: list[tuple[int, int]], frame_rate: float, width: float | None
    ) -> None:
        self.n_frames = 1
        if width is not None:
            width = check_real("bin_width", width, above=0.0)
            self.n_frames = max(1, round(min(width * frame_rate, 1e9)))
        self.width = self.n_frames / frame_rate
        self.ranges = [
            (start, start + (stop - start) // self.n_frames * self.n_frames)
            for start, stop in ranges
        ]
        n_bins = sum(stop - start for start, stop in self.ranges) // self.n_frames
        if n_bins < _FEWEST_BINS:
            raise ValueError(
                f"the segments of recording hold {n_bins} bins of {self.width:.3g} s, too few to "
                f"correlate; pass at least {_FEWEST_BINS}, or a smaller bin_width."
            )

    def __call__(self, values: NDArray[Any]) -> Floats:
        kept = np.concatenate([values[start:stop] for start, stop in self.ranges])
        parts = kept.reshape(-1, self.n_frames, values.shape[1])
        return np.asarray(parts.sum(axis=1, dtype=np.float64))


def mean_over_neurons(values: ArrayLike) -> tuple[Floats, Floats]:
    """Mean (L,) of values (L, N) over the neurons that have them, and its 95 % interval (2, L)."""
    values = np.asarray(values, dtype=np.float64)
    known = values[:, ~np.isnan(values).any(axis=0)]
    if not known.shape[1]:
        return np.full(len(values), np.nan), np.full((2, len(values)), np.nan)
    drawn = _resampled_means(values)
    if not drawn.size:
        return known.mean(axis=1), np.full((2, len(values)), np.nan)
    return known.mean(axis=1), np.quantile(drawn, _INTERVAL, axis=1)


def _resampled_means(values: Floats) -> Floats:
    """Means (L, B) of bootstrap samples of the neurons; B is 0 where there are fewer than two."""
    known = values[:, ~np.isnan(values).any(axis=0)]
    n = known.shape[1]
    if n < 2:
        return np.empty((len(values), 0))
    return known @ (rng_from(0).multinomial(n, np.full(n, 1.0 / n), _N_BOOTSTRAP).T / n)


def _crossings(levels: Floats, curves: Floats) -> Floats:
    """SNR at which curves (L, ...) first fall to half; 0 below the levels, infinite above them."""
    x, below = np.log2(levels), curves <= HALF
    first = np.argmax(below, axis=0)
    last = np.maximum(first - 1, 0)
    at, before = (
        np.take_along_axis(curves, index[np.newaxis], axis=0)[0] for index in (first, last)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (before - HALF) / (before - at)
        found = 2.0 ** (x[last] + share * (x[first] - x[last]))
    found = np.where(first == 0, np.where(at == HALF, levels[0], np.inf), found)
    found = np.where(below.any(axis=0), found, 0.0)
    return np.where(np.isnan(curves).any(axis=0), np.nan, found)


def _known(snr: Floats) -> Floats:
    """Return signal-to-noise ratios, NaN in place of those beyond the levels."""
    return np.where((snr > 0) & (snr < np.inf), snr, np.nan)


def _correlate(reference: Floats, found: Floats) -> Floats:
    """Pearson correlations (N,): NaN where the reference is constant, 0 where only the other is."""
    r = column_correlations(reference, found)
    return np.where(varies(reference) & ~varies(found), 0.0, r)


def _check_levels(levels: Any) -> Floats:
    """Return the levels, from the largest down."""
    if isinstance(levels, (str, bytes)) or not np.iterable(levels):
        raise TypeError(f"levels must be a list of signal-to-noise ratios, got {shown(levels)}.")
    found = [check_real("each of levels", level, least=_LEAST_LEVEL) for level in levels]
    if not found or len(set(found)) < len(found):
        raise ValueError(
            f"levels must hold at least one signal-to-noise ratio, each once, got {shown(levels)}."
        )
    return np.array(sorted(found, reverse=True))


def _check_spikes(spikes: Any, source: _Source) -> NDArray[Any]:
    """Return true spikes (T, N)."""
    array = as_real_array(spikes, "spikes")
    if array.shape != source.traces.shape:
        raise ValueError(
            f"spikes must hold the number of spikes in each frame of each neuron, "
            f"{source.traces.shape}, got shape {array.shape}."
        )
    if isinstance(spikes, Recording):
        common_frame_rate({"recording": source.frame_rate, "spikes": spikes.frame_rate})
        if source.recording is not None:
            check_same_rois(spikes.roi_ids, source.roi_ids, name="spikes", of="recording")
    check_finite(array, "spikes", ranges=source.ranges, advice="leave those frames out")
    return array


def _warn_of_undefined(clean: Floats, true: Floats | None) -> None:
    """Warn of neurons that have no correlation."""
    silent = ~varies(clean)
    said = []
    if silent.any():
        said.append(
            f"{count_and_name(silent)} have no correlation (NaN): their traces, or what is "
            "inferred from these without added noise, are constant."
        )
    if true is not None and (silent := ~varies(true)).any():
        said.append(
            f"{count_and_name(silent)} have no correlation with true spikes (NaN): these are "
            "constant."
        )
    if said:
        warnings.warn(" ".join(said), UserWarning, stacklevel=3)
