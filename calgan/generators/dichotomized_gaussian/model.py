"""DichotomizedGaussian: spikes with the marginals and pairwise covariances of the data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from scipy.signal import lfilter
from scipy.special import ndtri
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_info, threadpool_limits

from calgan.data.validation import (
    as_real_array,
    check_choice,
    check_integer,
    refuse_target,
    rng_from,
)
from calgan.generators.dichotomized_gaussian.latent import (
    check_symmetric,
    count_covariance,
    count_variance,
    durbin_levinson,
    latent_correlation,
    nearest_correlation,
    nearest_count_correlation,
    pair_sums,
    solve_sums,
    square_root,
    threshold_pairs_of,
)
from calgan.generators.dichotomized_gaussian.moments import (
    autocovariance_of,
    check_counts,
    check_lags,
    moments,
    read_spikes,
)
from calgan.io.model_files.saving import SavingMixin

_SAMPLE = 0
_BLOCK = 4096  # bins drawn at a time, always as many: the rounding of a product depends on its size
_EXACT_NEURONS = 300
_EIGENVALUE_TOLERANCE = 1e-8
_DIAGONAL_TOLERANCE = 0.1
_LAG_TOLERANCE = 1e-6  # of a mean autocorrelation, above which a repair is told


class DichotomizedGaussian(SavingMixin, BaseEstimator):
    r"""Spikes with the marginals and pairwise covariances of the data, and no other structure.

    A latent Gaussian vector is drawn for each time bin, and neuron i counts how many of its
    thresholds :math:`\gamma_{ik}` its latent variable exceeds: one threshold gives binary spikes,
    more give counts of any distribution. The thresholds follow from the marginals, the latent
    correlations from the covariances of the spikes [1]_. (They are not the same: spikes at a few
    per cent of the bins with correlation 0.1 need a latent correlation of 0.3 to 0.4.)

    Where no dichotomized Gaussian has the wanted covariances, the latent correlation matrix comes
    out indefinite. Then the nearest correlation matrix takes its place [2]_, improved until the
    correlations of the spikes (not of the latent variables) are nearest to those wanted.
    Of more than 300 neurons both steps end early. `repaired_` and `max_deviation_` say so, and a
    warning does.

    Parameters
    ----------
    marginals : {"auto", "binary", "counts"}, default="auto"
        "binary": spikes are 0 or 1. "counts": whole numbers, whose distribution is kept neuron by
        neuron. "auto": binary if the data are.
    n_lags : int, default=0
        Number of lags (in bins) up to which spikes are correlated in time as in the data; 0 makes
        bins independent. See Notes.
    random_state : int, RandomState, Generator or None, default=None
        Seed of `sample`.

    Attributes
    ----------
    thresholds_ : ndarray of shape (N, K)
        Thresholds on the latent variables; infinite where a neuron never reaches that count.
    latent_correlation_ : ndarray of shape (N, N)
        Correlation matrix of the latent Gaussian, after any repair.
    mean_ : ndarray of shape (N,)
        Mean count a bin, kept exactly.
    covariance_ : ndarray of shape (N, N)
        Covariance that was aimed at.
    repaired_ : bool
        Whether the latent correlations (in space or in time) had to be changed.
    max_deviation_ : float
        Largest absolute difference between the correlation of two neurons' spikes as they are drawn
        and the one aimed at; computed, not simulated.
    n_clipped_ : int
        Pairs whose covariance no spikes with these marginals can have.
    latent_autocorrelation_ : ndarray of shape (n_lags,)
        Autocorrelation of each latent variable at these lags, after any repair.
    max_lag_deviation_ : float
        As `max_deviation_`, for the mean autocovariance over the mean variance; 0 without lags.
    n_features_in_ : int
        Number of neurons N.
    n_frames_in_ : int or None
        Frames T of a window, None if fitted on bins or moments.

    Raises
    ------
    ValueError
        By `fit`, if the data are not spikes, or there are not enough of them; by `fit_moments`, if
        moments contradict one another.

    Warns
    -----
    UserWarning
        By both, if covariances had to be clipped or the latent correlations repaired.

    See Also
    --------
    DichotomizedGaussianCalcium : Calcium traces on top of such spikes.

    Notes
    -----
    *Time*. Each latent variable is an autoregressive process of order `n_lags`; all have the same
    autocorrelation :math:`a(\tau)`, and the latent correlation of neurons i and j at a lag is
    :math:`R_{ij} \, a(\tau)`, which is positive definite whenever R and a are. Matched exactly: the
    marginals, all covariances within a bin, and the autocovariance averaged over neurons at lags 1
    to `n_lags`. Implied, not matched: each single neuron's autocovariance, covariances of two
    neurons at a lag, and all lags beyond, where the process is the most random one with these
    autocorrelations.

    *Short recordings*. Two sparse neurons that were never seen to spike together ask for the most
    negative correlation that there is, and many such pairs contradict one another: repairs are then
    the rule, and not large.

    References
    ----------
    .. [1] Macke, J. H., Berens, P., Ecker, A. S., Tolias, A. S., and Bethge, M. (2009). Generating
       spike trains with specified correlation coefficients. Neural Computation, 21(2), 397-423.
       https://doi.org/10.1162/neco.2008.02-08-713
    .. [2] Higham, N. J. (2002). Computing the nearest correlation matrix - a problem from finance.
       IMA Journal of Numerical Analysis, 22(3), 329-343. https://doi.org/10.1093/imanum/22.3.329

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import DichotomizedGaussian
    >>> covariance = np.array([[0.09, 0.02], [0.02, 0.16]])
    >>> model = DichotomizedGaussian(random_state=0).fit_moments([0.1, 0.2], covariance)
    >>> spikes = model.sample(100_000)
    >>> spikes.shape, spikes.mean(axis=0).round(2)
    ((100000, 2), array([0.1, 0.2], dtype=float32))
    >>> np.cov(spikes.T)[0, 1].round(3)
    np.float64(0.02)
    """

    def __init__(
        self, marginals: str = "auto", *, n_lags: int = 0, random_state: Any = None
    ) -> None:
        self.marginals = marginals
        self.n_lags = n_lags
        self.random_state = random_state

    def fit(self, spikes: Any, y: Any = None) -> DichotomizedGaussian:
        """Learn from spikes.

        Parameters
        ----------
        spikes : array-like of shape (T, N) or (M, T, N), Recording or WindowView
            Spikes a bin: 0 and 1, or whole counts. Of a `Recording` the segments are read. Frames
            that a `WindowView` without transforms covers several times count once.
        y : None
            It is refused: there is nothing to learn from it.

        Returns
        -------
        self : DichotomizedGaussian
            The fitted model.

        Raises
        ------
        ValueError
            If there are values that are no counts (no 0 or 1 for "binary"), or not more bins in a
            row than `n_lags`.
        """
        refuse_target(y, self)
        for message in self._fit_spikes(spikes):
            warnings.warn(message, UserWarning, stacklevel=2)
        return self

    def _fit_spikes(self, spikes: Any) -> list[str]:
        """Fit to spikes, and return what there is to warn of."""
        n_lags = self._check_parameters()
        parts, n_frames = read_spikes(spikes)
        check_lags(n_lags, max(part.shape[1] for part in parts), "spikes")
        top = check_counts(parts, self.marginals)
        exceedance, covariance = moments(parts, max(top, 1))
        autocovariance = autocovariance_of(parts, exceedance.sum(axis=1), n_lags)
        messages = self._fit(exceedance, covariance, autocovariance)
        self.n_frames_in_ = n_frames
        return messages

    def fit_moments(
        self, mean: ArrayLike, covariance: ArrayLike, *, autocovariance: ArrayLike = ()
    ) -> DichotomizedGaussian:
        """Take the moments of binary spikes as given.

        Parameters
        ----------
        mean : array-like of shape (N,)
            Probability of a spike in a bin.
        covariance : array-like of shape (N, N)
            Covariance matrix of the spikes in a bin. Its diagonal is ``mean * (1 - mean)``.
        autocovariance : array-like of shape (n_lags,), default=()
            Mean over neurons of the autocovariance at lags 1 to `n_lags`.

        Returns
        -------
        self : DichotomizedGaussian
            The fitted model; `sample` draws bins.

        Raises
        ------
        ValueError
            If a mean is no probability, the matrix is not symmetric, its diagonal contradicts the
            means, or there are not `n_lags` autocovariances; if `marginals` is "counts".

        Examples
        --------
        >>> from calgan import DichotomizedGaussian
        >>> model = DichotomizedGaussian().fit_moments([0.5, 0.5], [[0.25, 0.125], [0.125, 0.25]])
        >>> model.latent_correlation_.round(4)
        array([[1.    , 0.7071],
               [0.7071, 1.    ]])
        """
        n_lags = self._check_parameters()
        if self.marginals == "counts":
            raise ValueError(
                "a mean does not tell how counts are distributed; fit spikes, or use "
                "marginals='binary'."
            )
        mean = np.atleast_1d(as_real_array(mean, "mean")).astype(np.float64)
        if mean.ndim != 1 or not ((mean >= 0) & (mean <= 1)).all():
            raise ValueError(
                "mean must hold one probability of a spike a neuron, within [0, 1]; to learn "
                "counts, fit spikes."
            )
        return self._fit_given(mean[:, None], covariance, autocovariance, n_lags)

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        """Draw spikes.

        Parameters
        ----------
        n_samples : int, default=1
            Number of bins if it was fitted on bins or moments, of windows if on windows. The first
            ones do not depend on how many follow.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None takes the estimator's own.

        Returns
        -------
        spikes : ndarray of shape (n_samples, N) or (n_samples, T, N), float32
            Spikes a bin. Bins follow one another in time; windows are independent.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `n_samples` is not positive.
        """
        check_is_fitted(self)
        n_samples = check_integer(n_samples, "n_samples")
        rng = rng_from(self.random_state if random_state is None else random_state, _SAMPLE)
        if self.n_frames_in_ is None:
            return self._draw_bins(n_samples, rng)
        return self._draw_windows(n_samples, self.n_frames_in_, rng)

    def iter_windows(
        self, n_samples: int, n_frames: int, rng: np.random.Generator
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Draw windows of any length, a batch at a time.

        Parameters
        ----------
        n_samples : int
            Number of windows.
        n_frames : int
            Bins a window, whatever it was fitted on.
        rng : numpy.random.Generator
            Source of the noise; it may advance beyond what the windows need.

        Yields
        ------
        first : int
            Number of the first window of the batch.
        spikes : ndarray of shape (m, n_frames, N), float32
            Spikes a bin.
        """
        check_is_fitted(self)
        step = max(1, _BLOCK // n_frames)
        root = square_root(self.latent_correlation_).astype(np.float32)
        for first in range(0, n_samples, step):
            latent = self._colour(self._draw_noise(step, n_frames, root, rng), None)
            yield first, self._dichotomize(latent[: n_samples - first])

    def iter_bins(self, n_bins: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Draw bins that follow one another in time, a block at a time.

        Parameters
        ----------
        n_bins : int
            Number of bins.
        rng : numpy.random.Generator
            Source of the noise; it may advance beyond what the bins need.

        Yields
        ------
        spikes : ndarray of shape (t, N), float32
            Spikes a bin. The blocks continue one another: latent variables are carried over.
        """
        check_is_fitted(self)
        root, past = square_root(self.latent_correlation_).astype(np.float32), None
        n_lags = len(self.latent_autocorrelation_)
        block = max(_BLOCK, n_lags)  # each needs all of its past
        for first in range(0, n_bins, block):
            latent = self._colour(self._draw_noise(1, block, root, rng), past)
            past = latent[:, block - n_lags :]
            yield self._dichotomize(latent[0, : n_bins - first])

    # ------------------------------------------------------------------ fitting

    def _check_parameters(self) -> int:
        check_choice(self.marginals, "marginals", ("auto", "binary", "counts"))
        return check_integer(self.n_lags, "n_lags", minimum=0)

    def _fit_given(
        self,
        exceedance: np.ndarray,
        covariance: ArrayLike,
        autocovariance: ArrayLike,
        n_lags: int,
    ) -> DichotomizedGaussian:
        """Check given moments, and fit them."""
        covariance = check_symmetric(covariance, "covariance")
        if len(covariance) != len(exceedance):
            raise ValueError(
                f"covariance is for {len(covariance)} neurons, but the marginals for "
                f"{len(exceedance)}."
            )
        variance = count_variance(-ndtri(exceedance))
        given = np.diag(covariance)
        wrong = np.abs(given - variance) > _DIAGONAL_TOLERANCE * variance + 1e-9
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"the diagonal of covariance must hold the variances that follow from the marginals"
                f", but neuron {first} has {given[first]:.4g} instead of {variance[first]:.4g}; "
                "only the covariances of two neurons are free."
            )
        lags = np.atleast_1d(as_real_array(autocovariance, "autocovariance")).astype(np.float64)
        if lags.shape != (n_lags,) or not np.isfinite(lags).all():
            raise ValueError(
                f"autocovariance must hold one finite number for each of n_lags={n_lags} lags, got "
                f"shape {lags.shape}."
            )
        covariance = covariance.copy()
        np.fill_diagonal(covariance, variance)
        for message in self._fit(exceedance, covariance, lags):
            warnings.warn(message, UserWarning, stacklevel=3)
        self.n_frames_in_ = None
        return self

    def _fit(
        self, exceedance: np.ndarray, covariance: np.ndarray, autocovariance: np.ndarray
    ) -> list[str]:
        """Fit to P(count > k), (N, K), and covariances; return what there is to warn of."""
        messages = []
        self.n_features_in_ = len(exceedance)
        self.thresholds_ = -ndtri(exceedance)
        self.mean_ = exceedance.sum(axis=1)
        self.covariance_ = covariance
        latent, self.n_clipped_ = latent_correlation(self.thresholds_, covariance)
        if self.n_clipped_:
            messages.append(
                f"{self.n_clipped_} of {len(latent) * (len(latent) - 1) // 2} pairs of neurons "
                "have a covariance that no spikes with these marginals can have; the nearest "
                "possible one takes its place."
            )
        smallest = float(eigh(latent, eigvals_only=True, subset_by_index=(0, 0))[0])
        self.repaired_ = smallest < -_EIGENVALUE_TOLERANCE
        if self.repaired_:
            # The time of a step grows as the cube of the number of neurons.
            exactly = len(latent) <= _EXACT_NEURONS
            # Threads that share small matrices wait for each other longer than they work.
            many = exactly and any(pool["num_threads"] > 1 for pool in threadpool_info())
            with threadpool_limits(1) if many else nullcontext():
                latent = nearest_correlation(latent, tol=1e-8 if exactly else 1e-2)
                latent = nearest_count_correlation(
                    self.thresholds_, covariance, latent, max_iter=100 if exactly else 25
                )
        self.latent_correlation_ = latent
        self.max_deviation_ = self._deviation()
        if self.repaired_:
            messages.append(
                "no dichotomized Gaussian has exactly these covariances (smallest eigenvalue of "
                f"the latent correlations {smallest:.3g}); the nearest possible ones take their "
                "place, and correlations of spikes differ from those wanted by at most "
                f"{self.max_deviation_:.3g}."
            )
        return messages + self._fit_time(autocovariance)

    def _deviation(self) -> float:
        """Largest difference of a correlation as drawn from the one aimed at."""
        achieved = count_covariance(self.thresholds_, self.latent_correlation_)
        deviation = np.sqrt(np.diag(achieved))
        scale = np.outer(deviation, deviation)
        difference = np.abs(achieved - self.covariance_)
        np.fill_diagonal(difference, 0.0)
        return float((difference / np.where(scale > 0, scale, np.inf)).max())

    def _fit_time(self, autocovariance: np.ndarray) -> list[str]:
        """Fit the latent autocorrelation; return what there is to warn of."""
        n_lags = len(autocovariance)
        varying = np.flatnonzero(count_variance(self.thresholds_) > 0)
        wanted = np.zeros(n_lags)
        self.max_lag_deviation_ = 0.0
        if n_lags and len(varying):
            # All neurons are one group: the sum of their autocovariances has one root a lag.
            h, k, _ = threshold_pairs_of(self.thresholds_[varying], self.thresholds_[varying])
            group = np.zeros(len(h), dtype=np.intp)
            total = count_variance(self.thresholds_).sum()
            sums = autocovariance * self.n_features_in_
            for lag in range(n_lags):
                wanted[lag] = solve_sums(h, k, group, sums[[lag]], np.array([total]))[0][0]
        self.latent_autocorrelation_, self._predictors, self._innovations = durbin_levinson(wanted)
        if n_lags and len(varying):
            angles = np.arcsin(self.latent_autocorrelation_)
            achieved = [pair_sums(h, k, group, angles[[lag]])[0] for lag in range(n_lags)]
            self.max_lag_deviation_ = float(np.abs(achieved - sums).max() / total)
        # Either could not be had: a single lag (it was clipped), or all of them together.
        if self.max_lag_deviation_ <= _LAG_TOLERANCE and np.allclose(
            wanted, self.latent_autocorrelation_, atol=1e-9
        ):
            return []
        self.repaired_ = True
        return [
            "no dichotomized Gaussian has exactly these autocovariances; the nearest possible "
            "ones, lag after lag, take their place, and the mean autocorrelation of spikes differs "
            f"by at most {self.max_lag_deviation_:.3g}."
        ]

    def _to_save(self) -> dict[str, Any]:
        """Return what was learnt, with the predictors of all lags in one array."""
        return {**vars(self), "_predictors": np.concatenate(self._predictors)}

    def _take_saved(self, values: dict[str, Any]) -> None:
        """Take what `_to_save` gave."""
        n_lags = len(values["latent_autocorrelation_"])
        ends = np.cumsum(np.arange(n_lags + 1))
        if len(values["_predictors"]) != ends[-1] or len(values["_innovations"]) != n_lags + 1:
            raise ValueError("its predictors are not those of its lags")
        values["_predictors"] = np.split(values["_predictors"], ends[:-1])
        self.__dict__.update(values)

    # ------------------------------------------------------------------ sampling

    def _draw_bins(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return np.concatenate(list(self.iter_bins(n, rng)))

    def _draw_windows(self, n: int, n_frames: int, rng: np.random.Generator) -> np.ndarray:
        spikes = np.empty((n, n_frames, self.n_features_in_), dtype=np.float32)
        for first, windows in self.iter_windows(n, n_frames, rng):
            spikes[first : first + len(windows)] = windows
        return spikes

    def _draw_noise(
        self, n: int, n_frames: int, root: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        shape = (n * n_frames, self.n_features_in_)
        noise = rng.standard_normal(shape, dtype=np.float32) @ root.T
        return noise.reshape(n, n_frames, self.n_features_in_)

    def _colour(self, noise: np.ndarray, past: np.ndarray | None) -> np.ndarray:
        """Turn noise (n, T, N), white in time, into the latent process; go on from its past."""
        n_lags = len(self.latent_autocorrelation_)
        if n_lags == 0:
            return noise
        latent = noise.astype(np.float64)
        start = 0
        if past is None:  # the first frames are drawn from the stationary law, one by one
            start = min(n_lags, noise.shape[1])
            for t in range(start):
                latent[:, t] *= np.sqrt(self._innovations[t])
                latent[:, t] += np.einsum("u,nuk->nk", self._predictors[t], latent[:, :t][:, ::-1])
            past = latent[:, :start]
        if start < noise.shape[1]:
            weights = self._predictors[n_lags]
            backwards = past[:, ::-1]
            state = np.stack(
                [
                    np.einsum("u,nuk->nk", weights[m:], backwards[:, : n_lags - m])
                    for m in range(n_lags)
                ],
                axis=1,
            )
            gain = [np.sqrt(self._innovations[n_lags])]
            latent[:, start:], _ = lfilter(
                gain, np.r_[1.0, -weights], latent[:, start:], axis=1, zi=state
            )
        return latent

    def _dichotomize(self, latent: np.ndarray) -> np.ndarray:
        spikes = np.zeros(latent.shape, dtype=np.float32)
        for threshold in self.thresholds_.T.astype(latent.dtype):
            spikes += latent > threshold
        return spikes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def fit_spikes(model: DichotomizedGaussian, spikes: Any) -> list[str]:
    """Fit to spikes, and return what there is to warn of: threads must not warn."""
    return model._fit_spikes(spikes)
