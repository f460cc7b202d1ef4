"""Spikes from calcium traces: OASIS with parameters that are learnt once and then frozen."""

from __future__ import annotations

import sys
import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import ArrayLike
from scipy import fft
from scipy.ndimage import uniform_filter1d
from sklearn.utils.validation import check_is_fitted

from calgan.data.recording import Recording
from calgan.data.transformer import Transformer
from calgan.data.validation import check_choice, check_frame_rate, common_frame_rate
from calgan.data.windows import segments_of
from calgan.spikes._noise import KINDS, estimate_noise_and_baseline, names_of_kinds

if TYPE_CHECKING:
    from neo import SpikeTrain

# Range of decay times (s) of calcium indicators; an estimate outside it is not one.
_DECAY_TIME_RANGE = (0.1, 4.0)
_DEFAULT_DECAY_TIME = 1.0
_LEAST_DECAY = 0.1  # frames; calcium that decays faster cannot be seen to decay
# Slower changes than this (s) are drift: they say nothing about an indicator's decay.
_DRIFT_TIME = 20.0
_BATCH_WINDOWS = 256
_MIN_FRAMES = 4


def infer_spikes(
    traces: ArrayLike,
    *,
    decay: ArrayLike,
    baseline: ArrayLike = 0.0,
    threshold: ArrayLike = 0.55,
) -> np.ndarray:
    """Infer spike amplitudes (..., T, N) from traces with OASIS, each trace by itself.

    The calcium c minimises |y - b - c|^2 / 2, with s_t = c_t - g c_{t-1} either 0 or at least the
    threshold. Decay g in (0, 1), baseline b and threshold are numbers or (N,); an infinite
    threshold gives no spikes. The published values are g = 0.95 (24 Hz) and a threshold of 0.55.
    The first frame never holds a spike.
    """
    return _oasis(traces, decay, baseline, threshold, with_calcium=False)[1]


def infer_calcium(
    traces: ArrayLike,
    *,
    decay: ArrayLike,
    baseline: ArrayLike = 0.0,
    threshold: ArrayLike = 0.55,
) -> tuple[np.ndarray, np.ndarray]:
    """Infer calcium and spike amplitudes, (..., T, N) each, as `infer_spikes` does.

    Calcium is the trace without baseline and noise; its first frame may hold what earlier spikes
    have left over.
    """
    calcium, spikes = _oasis(traces, decay, baseline, threshold, with_calcium=True)
    return calcium, spikes


def _oasis(
    traces: ArrayLike,
    decay: ArrayLike,
    baseline: ArrayLike,
    threshold: ArrayLike,
    *,
    with_calcium: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return calcium (empty unless asked for) and spikes."""
    from oasis.oasis_methods import oasisAR1

    traces = np.asarray(traces)
    if traces.ndim < 2:
        raise ValueError(
            f"traces must be (..., frames, neurons), got shape {traces.shape}; "
            "one trace is trace[:, np.newaxis]."
        )
    n_neurons = traces.shape[-1]
    decay = _per_neuron(decay, n_neurons, "decay")
    baseline = _per_neuron(baseline, n_neurons, "baseline")
    threshold = _per_neuron(threshold, n_neurons, "threshold")
    if not ((decay > 0) & (decay < 1)).all():
        raise ValueError(
            "decay must lie between 0 and 1 (the factor by which calcium decays in one frame), "
            f"got {decay[~((decay > 0) & (decay < 1))][0]}."
        )
    if not (threshold >= 0).all():
        raise ValueError(f"threshold must not be negative, got {threshold.min()}.")
    spikes = np.zeros(traces.shape, dtype=np.float32)
    calcium = np.zeros(traces.shape if with_calcium else 0, dtype=np.float32)
    neurons = [
        (neuron, decay[neuron], threshold[neuron])
        for neuron in np.flatnonzero(np.isfinite(threshold)).tolist()
    ]
    n_frames = traces.shape[-2]
    found = np.zeros((2, n_neurons, n_frames), dtype=np.float32)
    for index in np.ndindex(traces.shape[:-2]):
        # Neurons first, contiguous, and a copy: OASIS takes one float64 trace at a time.
        windows = np.array(traces[index].T, dtype=np.float64, order="C")
        windows -= baseline[:, np.newaxis]
        if not np.isfinite(windows).all():
            raise ValueError("traces hold NaN or infinite values; interpolate or remove them.")
        for neuron, g, s_min in neurons:
            found[:, neuron] = oasisAR1(windows[neuron], g, 0.0, s_min)
        spikes[index] = found[1].T
        if with_calcium:
            calcium[index] = found[0].T
    return calcium, spikes


def to_spike_trains(spikes: ArrayLike, frame_rate: float, t_start: float = 0.0) -> list[Any]:
    """Turn spikes (T, N) into one neo.SpikeTrain a neuron; of windows (M, T, N), a list each.

    Whole numbers are counts, whose spikes follow each other at equal intervals; of amplitudes, each
    above 0 is a spike. Frame k is at t_start + k / frame_rate (s); a train ends one frame after its
    last frame.
    """
    import quantities as pq
    from neo import SpikeTrain

    spikes = np.asarray(spikes)
    frame_rate = check_frame_rate(frame_rate)
    if spikes.ndim == 3:
        return [to_spike_trains(window, frame_rate, t_start) for window in spikes]
    if spikes.ndim != 2:
        raise ValueError(
            f"spikes must be (frames, neurons) or (windows, frames, neurons), got shape "
            f"{spikes.shape}."
        )
    t_stop = t_start + len(spikes) / frame_rate
    # Amplitudes say of no number of spikes.
    counts = spikes if np.array_equal(spikes, np.rint(spikes)) else spikes > 0
    trains: list[SpikeTrain] = [
        SpikeTrain(
            t_start + _times(train.astype(np.intp)) / frame_rate,
            t_start=t_start * pq.s,
            t_stop=t_stop * pq.s,
            units=pq.s,
        )
        for train in np.maximum(counts, 0).T
    ]
    return trains


def _times(counts: np.ndarray) -> np.ndarray:
    """Times, in frames, of counts (T,): the first at the start of its frame."""
    frames = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(frames)) - np.repeat(np.cumsum(counts) - counts, counts)
    return frames + rank / counts[frames]


class OasisDeconvolver(Transformer):
    r"""Infer spikes from calcium traces with OASIS, its parameters learnt per neuron by `fit`.

    Fit it once, on real training data, and transform real and synthetic data with the same
    parameters: spikes are then inferred alike. Each trace (each window of windowed data) is
    deconvolved by itself. Not invertible.

    Parameters
    ----------
    frame_rate : float, default=None
        Frames per second (Hz). None takes that of the `Recording` or windows given to `fit`.
    decay_time : float, default=None
        Time constant of the indicator's decay in seconds. None estimates it for each neuron.
    threshold : float, default=3.0
        Smallest spike, in units of `threshold_unit`.
    threshold_unit : {"noise", "trace"}, default="noise"
        ``"noise"``: in standard errors of the amplitude of an isolated spike,
        :math:`\sigma \sqrt{1 - g^2}` for noise :math:`\sigma` and decay ``g`` a frame (a slow decay
        shows a spike in many frames), which makes a threshold mean the same at any frame rate.
        ``"trace"``: in units of the traces.
    output : {"events", "amplitudes"}, default="events"
        ``"events"``: 1 in frames with a spike, else 0; ``"amplitudes"``: in units of the traces.
        A `Recording` of spikes has the units "events", or those of the traces.
    n_jobs : int, default=None
        Processes for `transform`, as in joblib; None is 1.

    Attributes
    ----------
    decay_ : ndarray of shape (N,)
        Factor by which calcium decays in one frame.
    decay_time_ : ndarray of shape (N,)
        Time constant of the decay in seconds.
    baseline_ : ndarray of shape (N,)
        Fluorescence without calcium.
    noise_ : ndarray of shape (N,)
        Standard deviation of the noise of a frame; 0 for neurons without noise.
    threshold_ : ndarray of shape (N,)
        Smallest spike in units of the traces; infinite for neurons without noise.
    n_features_in_ : int
        Number of neurons N.
    roi_ids_ : ndarray of shape (N,) or None
        ROI ids of the data seen by `fit`; data with other ids are refused. ``feature_names_in_``
        are the column names, if `fit` saw a data frame.
    frame_rate_ : float
        Frames per second (Hz).

    Raises
    ------
    ValueError
        By `fit`, if no frame rate is known, if `frame_rate` is not that of the data, if they hold
        fewer than 4 frames, or if `decay_time` is less than a tenth of a frame or longer than they.

    Warns
    -----
    UserWarning
        By `fit`, one that names neurons whose traces are constant or denoised, for which no spikes
        are inferred, rectified or saturated.

    Notes
    -----
    *Decay*: least-squares ratio of successive autocovariances at lags from one frame (white noise
    is at lag 0 only) to one second, after a running mean over 20 s has been removed; limited to
    0.1 to 4 s. Neurons whose autocorrelation is within chance take the median of the others.
    Removing drift lowers the estimate, bursts of spikes raise it: on the recordings of [2]_ it is
    0.9 of the best decay time in the median, with half of them between 0.7 and 1.2 (at 2.2 Hz
    between 0.6 and 1.3).

    *Noise*: of the innovations :math:`y_t - g y_{t-1}`, in which decays cancel and spikes only ever
    add, the distance from the 16th percentile up to the median, divided by
    :math:`\sqrt{1 + g^2}`. Unlike estimates from high frequencies or first differences, it does
    not take decays for noise when they last only a few frames. Of a rectified trace, frames at the
    minimum are left out.

    *Kinds of traces*: a trace is rectified if at least 5 % of its values, saturated if at least
    0.2 %, are exactly its minimum, or maximum. It is denoised if a linear prediction from the last
    two frames misses half of the frames by less than 0.5 % of its standard deviation.

    *Baseline*: the 20th percentile of the trace plus its distance from the mean of Gaussian noise.

    *Threshold*: the default was chosen on 76 recordings with known spikes [2]_, at up to 30 Hz
    and thinned to 10, 5 and 2.2 Hz. At each of these rates the correlation of events with spikes
    in half-second bins is within 0.01 of the best threshold's (0.71, 0.68, 0.65 and 0.56); a lower
    one finds more of the spikes at low rates, and more that are none.
    ``benchmarks/deconvolution_threshold.py`` makes the table.

    References
    ----------
    .. [1] Friedrich, J., Zhou, P., and Paninski, L. (2017). Fast online deconvolution of calcium
       imaging data. PLOS Computational Biology, 13(3), e1005423.
       https://doi.org/10.1371/journal.pcbi.1005423
    .. [2] Rupprecht, P., et al. (2021). A database and deep learning toolbox for noise-optimized,
       generalized spike inference from calcium imaging. Nature Neuroscience, 24, 1324-1337.
       https://doi.org/10.1038/s41593-021-00895-5

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import OasisDeconvolver
    >>> rng = np.random.default_rng(0)
    >>> spikes = rng.random((2000, 3)) < 0.02
    >>> calcium = np.zeros((2000, 3))
    >>> for t in range(1, 2000):
    ...     calcium[t] = 0.9 * calcium[t - 1] + spikes[t]
    >>> traces = calcium + 0.1 * rng.normal(size=calcium.shape)
    >>> deconvolver = OasisDeconvolver(frame_rate=10.0).fit(traces)
    >>> deconvolver.noise_.round(1)
    array([0.1, 0.1, 0.1])
    >>> bool(np.mean(deconvolver.transform(traces) == spikes) > 0.98)
    True
    """

    frame_rate_: float

    def __init__(
        self,
        frame_rate: float | None = None,
        *,
        decay_time: float | None = None,
        threshold: float = 3.0,
        threshold_unit: str = "noise",
        output: str = "events",
        n_jobs: int | None = None,
    ) -> None:
        self.frame_rate = frame_rate
        self.decay_time = decay_time
        self.threshold = threshold
        self.threshold_unit = threshold_unit
        self.output = output
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> OasisDeconvolver:
        """Learn decay, baseline, noise and threshold of each neuron.

        Parameters
        ----------
        X : Recording, array-like (T, N) or (M, T, N), list of trials, or WindowView
            Traces. Frames that a `WindowView` covers several times count once.
        y : None
            Ignored.

        Returns
        -------
        self : OasisDeconvolver
            The fitted deconvolver.
        """
        for text in self._fit(X, check_orientation=True):
            warnings.warn(text, UserWarning, stacklevel=2)
        return self

    def _fit(self, X: Any, *, check_orientation: bool) -> list[str]:
        """Fit, and return what there is to warn of."""
        self._check_parameters()
        read = self._read(X, encoded=False, check_orientation=check_orientation)
        known = {"frame_rate": self.frame_rate, "X": read.frame_rate}
        frame_rate = common_frame_rate(known, needed_by="OasisDeconvolver")
        segments = segments_of(read.data)
        n_frames = sum(map(len, segments))
        if n_frames < _MIN_FRAMES:
            raise ValueError(
                f"X holds {n_frames} frames (n_samples={n_frames}), too few to learn from; "
                f"pass at least {_MIN_FRAMES}."
            )
        if self.decay_time is not None:
            _check_decay_time(float(self.decay_time), frame_rate, n_frames)
        self._learn(X, read)
        self.frame_rate_ = frame_rate
        if self.decay_time is None:
            self.decay_time_ = _estimate_decay_time(segments, frame_rate)
        else:
            self.decay_time_ = np.full(self.n_features_in_, float(self.decay_time))
        self.decay_ = np.exp(-1.0 / (frame_rate * self.decay_time_))
        self.noise_, self.baseline_, kinds = estimate_noise_and_baseline(segments, self.decay_)
        if self.threshold_unit == "noise":
            self.threshold_ = self.threshold * self.noise_ * np.sqrt(1.0 - self.decay_**2)
        else:
            self.threshold_ = np.full(self.n_features_in_, float(self.threshold))
        without_spikes = kinds["constant"]
        if self.threshold_unit == "noise":
            without_spikes = without_spikes | kinds["denoised"]
        else:  # an absolute threshold needs no noise
            del kinds["denoised"], kinds["rectified"]
        self.threshold_[without_spikes] = np.inf
        text = " ".join(names_of_kinds(kinds, KINDS))
        return [text] if text else []

    def transform(self, X: Any) -> Any:
        """Infer spikes with the parameters that `fit` learnt.

        Parameters
        ----------
        X : Recording, array-like (T, N) or (M, T, N), list of trials, or WindowView
            Traces of the neurons seen by `fit`, at the same frame rate.

        Returns
        -------
        Recording, ndarray shaped like X, float32, or list of these
            Spikes: the same kind as X, an array for a view. Frames outside a Recording's segments
            hold 0.
        """
        read = self._check(X, encoded=False)
        common_frame_rate({"X": read.frame_rate, "the data of fit": self.frame_rate_})
        return self._spikes_of(read.data)

    def _spikes_of(self, data: Any) -> Any:
        if isinstance(data, list):
            return [self._spikes_of(trial) for trial in data]
        if isinstance(data, Recording):
            spikes = np.zeros(data.shape, dtype=np.float32)
            inferred = self._infer(data.segment_traces())
            for (start, stop), part in zip(data.segments, inferred, strict=True):
                spikes[start:stop] = part
            return data.with_traces(spikes, "events" if self.output == "events" else None)
        if data.ndim == 2:
            return self._infer([data])[0]
        starts = range(0, len(data), _BATCH_WINDOWS)
        return np.concatenate(self._infer(data[at : at + _BATCH_WINDOWS] for at in starts))

    def to_spike_trains(self, spikes: ArrayLike, t_start: float = 0.0) -> list[Any]:
        """Turn spikes into neo spike trains at the fitted frame rate.

        Parameters
        ----------
        spikes : array-like of shape (T, N) or (M, T, N)
            Spikes as `transform` returns them.
        t_start : float, default=0.0
            Time of the first frame in seconds.

        Returns
        -------
        trains : list of neo.SpikeTrain, or list of such lists
            See :func:`to_spike_trains`.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import OasisDeconvolver
        >>> traces = np.random.default_rng(0).normal(size=(100, 2))
        >>> deconvolver = OasisDeconvolver(frame_rate=10.0, decay_time=0.5).fit(traces)
        >>> trains = deconvolver.to_spike_trains(deconvolver.transform(traces))
        >>> len(trains), float(trains[0].t_stop)
        (2, 10.0)
        """
        check_is_fitted(self)
        return to_spike_trains(spikes, self.frame_rate_, t_start)

    def _infer(self, parts: Any) -> list[np.ndarray]:
        """Spikes of each part (an array or lazy view), in processes if `n_jobs` says so."""
        parameters = {
            "decay": self.decay_,
            "baseline": self.baseline_,
            "threshold": self.threshold_,
        }
        binary = self.output == "events"
        if effective_n_jobs(self.n_jobs) == 1:
            return [_infer_part(part, binary, parameters) for part in parts]
        return Parallel(n_jobs=self.n_jobs)(
            delayed(_infer_part)(part, binary, parameters) for part in parts
        )

    def _check_parameters(self) -> None:
        check_choice(self.threshold_unit, "threshold_unit", ("noise", "trace"))
        check_choice(self.output, "output", ("events", "amplitudes"))
        threshold, decay_time = self.threshold, self.decay_time
        if not isinstance(threshold, Real) or isinstance(threshold, bool):
            raise TypeError(f"threshold must be a number, got {threshold!r}.")
        if not 0 <= threshold <= sys.float_info.max:
            raise ValueError(f"threshold must be a finite number, not negative, got {threshold!r}.")
        if isinstance(decay_time, bool) or not isinstance(decay_time, Real | None):
            raise TypeError(f"decay_time must be a number of seconds or None, got {decay_time!r}.")
        if decay_time is not None and not 0 < decay_time <= sys.float_info.max:
            raise ValueError(
                f"decay_time must be a positive number of seconds or None, got {decay_time!r}."
            )


def _check_decay_time(decay_time: float, frame_rate: float, n_frames: int) -> None:
    """Refuse a decay that no frame shows, or that the data are too short to show."""
    frame, duration = 1.0 / frame_rate, n_frames / frame_rate
    if decay_time < _LEAST_DECAY * frame:
        wrong = f"much shorter than a frame ({frame:.3g} s at {frame_rate:g} Hz)"
    elif decay_time > duration:
        wrong = f"longer than X ({duration:.3g} s at {frame_rate:g} Hz)"
    else:
        return
    raise ValueError(
        f"decay_time={decay_time:g} s is {wrong}: give the indicator's decay time in seconds, such "
        "as 0.5, or None to estimate it."
    )


def fit_deconvolver(deconvolver: OasisDeconvolver, segments: list[np.ndarray]) -> list[str]:
    """Fit to segments (t, N), and return what there is to warn of: threads must not warn."""
    return deconvolver._fit(segments, check_orientation=False)


def _infer_part(part: Any, binary: bool, parameters: dict[str, np.ndarray]) -> np.ndarray:
    spikes = infer_spikes(part, **parameters)
    # OASIS returns 0 or at least the threshold, but for rounding: whatever it kept is a spike.
    return (spikes > 0).astype(np.float32) if binary else spikes


def _per_neuron(value: ArrayLike, n_neurons: int, name: str) -> np.ndarray:
    array = np.asarray(value, dtype=np.float64)
    if array.shape not in ((), (n_neurons,)):
        raise ValueError(
            f"{name} must be a number or one for each of {n_neurons} neurons, got shape "
            f"{array.shape}."
        )
    return np.broadcast_to(array, (n_neurons,))


def _autocovariance(segments: list[np.ndarray], max_lag: int, smooth: int) -> np.ndarray:
    """Autocovariance (max_lag + 1, N) pooled over segments, slow drift removed."""
    n_neurons = segments[0].shape[1]
    products, pairs = np.zeros((max_lag + 1, n_neurons)), np.zeros(max_lag + 1)
    for segment in segments:
        centred = segment.astype(np.float64)
        centred -= uniform_filter1d(centred, min(smooth, len(centred)), axis=0)
        lags = min(max_lag + 1, len(centred))
        padded = fft.next_fast_len(len(centred) + max_lag, real=True)
        spectrum = fft.rfft(centred, n=padded, axis=0)
        power = spectrum.real**2 + spectrum.imag**2
        products[:lags] += fft.irfft(power, n=padded, axis=0)[:lags]
        pairs[:lags] += len(centred) - np.arange(lags)
    return products / np.maximum(pairs, 1)[:, np.newaxis]


def _estimate_decay_time(segments: list[np.ndarray], frame_rate: float) -> np.ndarray:
    """Decay time (s) of each neuron from the ratios of successive autocovariances."""
    n_lags = max(3, round(frame_rate))
    smooth = max(3, round(_DRIFT_TIME * frame_rate))
    covariance = _autocovariance(segments, n_lags + 1, smooth)
    early, late = covariance[1:-1], covariance[2:]
    power = (early**2).sum(axis=0)
    ratio = (early * late).sum(axis=0) / np.where(power > 0, power, 1.0)
    limits = np.exp(-1.0 / (frame_rate * np.array(_DECAY_TIME_RANGE)))
    decay_time = -1.0 / (frame_rate * np.log(np.clip(ratio, *limits)))
    # Two standard errors of the autocorrelation of white noise: below, there is no decay to see.
    chance = 2.0 * covariance[0] / np.sqrt(sum(map(len, segments)))
    seen = covariance[1] > chance
    fallback = np.median(decay_time[seen]) if seen.any() else _DEFAULT_DECAY_TIME
    return np.where(seen, decay_time, fallback)
