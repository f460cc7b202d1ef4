"""DichotomizedGaussianCalcium: calcium traces of dichotomized-Gaussian spikes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.signal import lfilter
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Bunch

from calgan.data.validation import (
    as_seed,
    check_integer,
    check_windows,
    common_frame_rate,
    refuse_target,
    rng_from,
)
from calgan.data.windows import cut_windows, frames_used, segments_of
from calgan.generators.base import SamplingMixin, fingerprint_of
from calgan.generators.dichotomized_gaussian.model import DichotomizedGaussian, fit_spikes
from calgan.generators.dichotomized_gaussian.moments import check_lags
from calgan.generators.fit_check import check_fit
from calgan.io.model_files.saving import SavingMixin
from calgan.spikes.calcium_decay import burn_in_frames
from calgan.spikes.oasis import OasisDeconvolver, fit_deconvolver

_SUMMARY = 2  # of the uses of one seed; the draws are `SamplingMixin`'s
_MATCHED = ("firing_rate", "spike_correlation_matrix")
# Short recordings are nearly always repaired a little: `spike_model_` says by how much.
_LARGE_DEVIATION = 0.1


class DichotomizedGaussianCalcium(SamplingMixin, SavingMixin, BaseEstimator):
    r"""Calcium traces of spikes that have the data's rates and pairwise correlations, and no more.

    The classical baseline: spikes are inferred from the windows with OASIS, a
    `DichotomizedGaussian` takes over their means and covariances [1]_, and its spikes
    :math:`s_i(t)` are turned into calcium, :math:`c_i(t) = g_i c_i(t - 1) + a_i s_i(t)`, and the
    trace :math:`b_i + c_i(t)` plus white noise of standard deviation :math:`\sigma_i`. Decay,
    baseline and noise are those that the deconvolver found, and the amplitude is the mean of those
    it inferred.

    A model worth training should beat it on whatever is not matched here: structure in time (all of
    it with ``n_lags=0``), correlations of more than two neurons, amplitudes that vary.

    Parameters
    ----------
    frame_rate : float, default=None
        Frames per second (Hz). None takes that of the windows (a `WindowView` of a `Recording`
        knows it).
    n_lags : int, default=0
        Number of lags (in frames) up to which spikes are correlated in time as in the data; 0 makes
        frames independent, as published. See `DichotomizedGaussian`.
    deconvolver : OasisDeconvolver, default=None
        Infers the spikes; a clone of it is fitted. None takes ``OasisDeconvolver()``.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the draws; `fit` is not random.

    Attributes
    ----------
    spike_model_ : DichotomizedGaussian
        The fitted model of the spikes; its `repaired_` and `max_deviation_` say how near it comes
        to the covariances of the inferred spikes.
    deconvolver_ : OasisDeconvolver
        The fitted deconvolver.
    amplitudes_ : ndarray of shape (N,)
        Mean amplitude of a neuron's inferred spikes, in units of the windows; 0 without spikes.
    fit_summary_ : dict
        Samples against training windows, for each neuron: "sd_ratio" and "rate_ratio", lists of N
        ratios of standard deviations and of inferred rates, and "mismatched", the numbers of the
        neurons that do not match (see `FitWarning`). Empty if the check was interrupted.
    trained_statistics_ : tuple of str
        Statistics that it matches by construction: "firing_rate", "spike_correlation_matrix" and,
        with lags, "spike_autocovariance".
    n_features_in_, n_frames_in_ : int
        Neurons N and frames T of a window.
    frame_rate_ : float
        Frame rate (Hz).
    roi_ids_, units_ : ndarray of shape (N,) or None, str or None
        Ids of the neurons and units of the traces, where the windows know them.
    fingerprint_ : str
        SHA-256 of the training traces.

    Raises
    ------
    ValueError
        By `fit`, if X is a 2-D recording or holds NaN or inf, or if no frame rate is known.

    Warns
    -----
    UserWarning
        By `fit`, if neurons are constant, or if the spikes' correlations are missed by more than
        0.1. Neurons whose standard deviation it misses are listed in `fit_summary_` only.

    See Also
    --------
    DichotomizedGaussian : The model of the spikes.

    Notes
    -----
    Spikes are inferred once a frame where X is a `WindowView`, from the whole segments that its
    windows cover, also through transforms that treat each frame by itself, such as `MinMaxScaler`.
    Windows in an array, or of transforms that do not, are deconvolved one by one.

    Amplitudes do not vary, so that standard deviations of samples are smaller than those of the
    windows wherever those of the events vary much.

    Every window, and every recording of `sample_recording`, starts from stationary calcium: frames
    before it are drawn too, and left out. Components are the spikes (0 or 1 a frame), the calcium
    that they add (`amplitudes_` each), the calcium, and the rates (Hz), which are constant; there
    are no factors. With lags, the latent variables of a recording go on from frame to frame, so
    that a recording is as long as one likes and has no borders within.

    References
    ----------
    .. [1] Macke, J. H., Berens, P., Ecker, A. S., Tolias, A. S., and Bethge, M. (2009). Generating
       spike trains with specified correlation coefficients. Neural Computation, 21(2), 397-423.
       https://doi.org/10.1162/neco.2008.02-08-713

    Examples
    --------
    >>> from calgan import DichotomizedGaussianCalcium, Windower
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(120.0, n_neurons=5, random_state=0)
    >>> windows = Windower(32).fit_transform(recording)
    >>> baseline = DichotomizedGaussianCalcium(random_state=0).fit(windows)
    >>> baseline.sample(3).shape
    (3, 32, 5)
    >>> baseline.sample_components(3).spikes.shape
    (3, 32, 5)
    >>> baseline.sample_recording(600.0)
    Recording(6000 frames x 5 neurons, 10 Hz, 600.0 s, dF/F, synthetic)
    """

    def __init__(
        self,
        frame_rate: float | None = None,
        *,
        n_lags: int = 0,
        deconvolver: OasisDeconvolver | None = None,
        random_state: Any = None,
    ) -> None:
        self.frame_rate = frame_rate
        self.n_lags = n_lags
        self.deconvolver = deconvolver
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> DichotomizedGaussianCalcium:
        """Infer spikes from windows of traces and take over their moments.

        Parameters
        ----------
        X : WindowView or array-like of shape (M, T, N)
            Windows of traces.
        y : None
            It is refused: there is nothing to learn from it.

        Returns
        -------
        self : DichotomizedGaussianCalcium
            The fitted generator.

        Raises
        ------
        ValueError
            If X is a 2-D recording, holds NaN or inf, or has no frame rate, or one that is not
            `frame_rate`; if no uninterrupted segment of frames is longer than `n_lags`.
        TypeError
            If `deconvolver` is not an `OasisDeconvolver`, or `n_lags` is not an integer.
        """
        refuse_target(y, self)
        X = check_windows(X, estimator=type(self).__name__, encoded=False)
        seed = as_seed(self.random_state)
        for text in self._fit(X):
            warnings.warn(text, UserWarning, stacklevel=2)
        self.fit_summary_ = check_fit(
            X,
            lambda n: self.sample(n, random_state=rng_from(seed, _SUMMARY)),
            type(self).__name__,
            frame_rate=self.frame_rate_,
            warn=False,  # amplitudes that do not vary make standard deviations too small
            stacklevel=3,
        )
        return self

    def _fit(self, X: Any) -> list[str]:
        """Fit to windows, and return what there is to warn of."""
        n_lags = check_integer(self.n_lags, "n_lags", minimum=0)
        if not isinstance(self.deconvolver, (OasisDeconvolver, type(None))):
            raise TypeError(
                "deconvolver must be an OasisDeconvolver (an instance) or None, got "
                f"{self.deconvolver!r}."
            )
        known = {"frame_rate": self.frame_rate, "X": getattr(X, "frame_rate", None)}
        known["deconvolver"] = getattr(self.deconvolver, "frame_rate", None)
        frame_rate = common_frame_rate(known, needed_by=type(self).__name__)
        segments = segments_of(X)
        check_lags(n_lags, max(map(len, segments)), "the windows")
        deconvolver = OasisDeconvolver() if self.deconvolver is None else clone(self.deconvolver)
        deconvolver.set_params(output="amplitudes", frame_rate=frame_rate)
        model = DichotomizedGaussian("binary", n_lags=n_lags)
        messages = fit_deconvolver(deconvolver, segments)
        inferred = deconvolver.transform(segments)
        spikes = [(part > 0).astype(np.float32) for part in inferred]
        repairs = fit_spikes(model, cut_windows(spikes, X.shape[1]))
        if max(model.max_deviation_, model.max_lag_deviation_) > _LARGE_DEVIATION:
            messages += repairs
        self.n_features_in_, self.n_frames_in_ = int(X.shape[2]), int(X.shape[1])
        self._frames_used_ = frames_used(X)
        self.frame_rate_ = frame_rate
        self.fingerprint_ = fingerprint_of(segments)
        self.roi_ids_, self.units_ = getattr(X, "roi_ids", None), getattr(X, "units", None)
        self.deconvolver_, self.spike_model_ = deconvolver, model
        n_spikes = np.sum([part.sum(axis=0) for part in spikes], axis=0)
        total = np.sum([part.sum(axis=0, dtype=np.float64) for part in inferred], axis=0)
        self.amplitudes_ = total / np.maximum(n_spikes, 1)
        return messages

    @property
    def trained_statistics_(self) -> tuple[str, ...]:
        """Statistics that it matches by construction."""
        in_time = (
            ("spike_autocovariance",) if len(self.spike_model_.latent_autocorrelation_) else ()
        )
        return (*_MATCHED, *in_time)

    def _draw_components(self, n_samples: int, rng: np.random.Generator) -> Bunch:
        shape = (n_samples, self.n_frames_in_, self.n_features_in_)
        names = ("traces", "calcium", "spikes", "amplitudes")
        drawn = Bunch(**{name: np.empty(shape, dtype=np.float32) for name in names})
        for which, batch in self._iter_windows(n_samples, rng):
            for name in names:
                drawn[name][which] = batch[name]
        drawn["rates"] = np.broadcast_to(self._mean_rates(), shape)
        return drawn

    def _draw_traces(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        shape = (n_samples, self.n_frames_in_, self.n_features_in_)
        traces = np.empty(shape, dtype=np.float32)
        for which, batch in self._iter_windows(n_samples, rng):
            traces[which] = batch.traces
        return traces

    def _iter_windows(
        self, n_samples: int, rng: np.random.Generator
    ) -> Iterator[tuple[slice, Bunch]]:
        """Yield batches of windows, each of which starts from stationary calcium."""
        of_spikes, of_noise = rng.spawn(2)
        burn_in = burn_in_frames(self.deconvolver_.decay_)
        n_frames = burn_in + self.n_frames_in_
        for first, spikes in self.spike_model_.iter_windows(n_samples, n_frames, of_spikes):
            amplitudes = spikes * self.amplitudes_.astype(np.float32)
            calcium, _ = _filter(amplitudes, self.deconvolver_.decay_)
            parts = [part[:, burn_in:] for part in (calcium, spikes, amplitudes)]
            yield slice(first, first + len(spikes)), self._observe(*parts, rng=of_noise)

    def _iter_components(
        self, n_frames: int, rng: np.random.Generator, chunk: int
    ) -> Iterator[Bunch]:
        # In the spike model's blocks, whatever the chunk: their rounding depends on their length.
        of_spikes, of_noise = rng.spawn(2)
        to_skip, state = burn_in_frames(self.deconvolver_.decay_), None
        rates = self._mean_rates()
        for spikes in self.spike_model_.iter_bins(to_skip + n_frames, of_spikes):
            amplitudes = spikes * self.amplitudes_.astype(np.float32)
            calcium, state = _filter(amplitudes, self.deconvolver_.decay_, state)
            parts = [part[to_skip:] for part in (calcium, spikes, amplitudes)]
            to_skip = max(0, to_skip - len(spikes))
            piece = self._observe(*parts, rng=of_noise)
            yield Bunch(**piece, rates=np.broadcast_to(rates, piece.spikes.shape))

    def _observe(
        self,
        calcium: np.ndarray,
        spikes: np.ndarray,
        amplitudes: np.ndarray,
        *,
        rng: np.random.Generator,
    ) -> Bunch:
        """Add baseline and noise to calcium (..., N)."""
        baseline = self.deconvolver_.baseline_.astype(np.float32)
        traces = rng.standard_normal(calcium.shape, dtype=np.float32)
        traces *= self.deconvolver_.noise_.astype(np.float32)
        traces += baseline + calcium
        return Bunch(traces=traces, calcium=calcium, spikes=spikes, amplitudes=amplitudes)

    def _mean_rates(self) -> np.ndarray:
        """Return each neuron's rate (Hz), float32."""
        return (self.spike_model_.mean_ * self.frame_rate_).astype(np.float32)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def fit_generator(generator: DichotomizedGaussianCalcium, X: Any) -> list[str]:
    """Fit to windows without a check of samples, and return what there is to warn of."""
    return generator._fit(X)


def _filter(
    amplitudes: np.ndarray, decay: np.ndarray, state: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the calcium (..., t, N) of amplitudes, float32, and the state to go on from (..., N).

    The state is what is left of the calcium of the frames before.
    """
    calcium = np.empty(amplitudes.shape, dtype=np.float32)
    after = np.zeros(amplitudes.shape[:-2] + amplitudes.shape[-1:]) if state is None else state
    if amplitudes[..., 0, :].size < amplitudes.shape[-2]:  # few long traces: neuron by neuron
        after = after.copy()
        for i, factor in enumerate(decay):
            calcium[..., i], last = lfilter(
                [1.0], [1.0, -factor], amplitudes[..., i], axis=-1, zi=after[..., i, None]
            )
            after[..., i] = last[..., 0]
        return calcium, after
    for t in range(amplitudes.shape[-2]):
        calcium[..., t, :] = after
        calcium[..., t, :] += amplitudes[..., t, :]
        after = decay * (after + amplitudes[..., t, :])
    return calcium, after
