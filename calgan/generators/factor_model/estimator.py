"""CalciumFactorModel, the default generator."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from calgan.data.progress import progress
from calgan.data.validation import (
    as_seed,
    check_integer,
    check_real,
    check_windows,
    common_frame_rate,
    refuse_target,
    rng_from,
)
from calgan.data.windows import frames_used, segments_of
from calgan.generators.base import SamplingMixin, fingerprint_of
from calgan.generators.factor_model.calibration import calibrate
from calgan.generators.factor_model.initial_fit import initial_model
from calgan.generators.factor_model.model import FactorModel, Simulation, simulate
from calgan.generators.fit_check import check_fit, warn_of_constant
from calgan.io.model_files.saving import SavingMixin
from calgan.spikes.calcium_decay import fit_calcium, without_artefacts

_INITIAL, _CALIBRATION, _CHECK = range(3)  # independent uses of one seed
_RUN_VALUES = 2_000_000  # simulated side by side
_MIN_FRAMES = 16
# What the calibration brings to the recording's, as `calgan.evaluate` names it.
_MATCHED = (
    "firing_rate",
    "spike_correlation_matrix",
    "covariance",
    "lagged_covariance",
    "marginals",
)


class CalciumFactorModel(SamplingMixin, SavingMixin, BaseEstimator):
    r"""Latent factors drive spikes, spikes are filtered into calcium, and noise is added.

    For neuron n at frame t, with independent random variables:

    .. math::

        \log \lambda_n(t) &= b_n + \sum_k w_{nk} \, x_k(t) + u_n(t) \\
        s_n(t) &\sim \mathrm{Poisson}(\lambda_n(t)) \\
        a_n(t) &= \min\{A_n \, [1 + \kappa_n (s_n(t) - 1)], \, M_n\}
                  \text{ if } s_n(t) > 0 \text{, else } 0 \\
        c_n(t) &= g_n \, c_n(t - 1) + a_n(t) \\
        y_n(t) &= \beta_n + c_n(t) + \sigma_n \, \varepsilon_n(t)

    Each of the K factors x is a sum of smooth Gaussian processes at six time scales, from one frame
    to a window. Slow changes u (Gaussian, four windows) belong to one neuron, and b sets its mean
    rate. :math:`\lambda` is the expected number of spikes in a frame (20 at most), s their number.
    They add the calcium a: A is the amplitude of one spike, :math:`\kappa` the growth with further
    spikes, and M the largest amplitude (the indicator saturates). Calcium c decays by g. The
    baseline :math:`\beta` and noise make the trace y. Neurons share a part of the noise
    :math:`\varepsilon`, as they share neuropil, and that part lasts for frames.

    The fit has two steps and no gradients. Moments of the events that OASIS infers give the initial
    model: covariances of counts are covariances of log rates, exponentiated [1]_. Inference misses
    and misplaces spikes. So indirect inference [2]_ follows: a round simulates traces, infers the
    same statistics in them, and moves each parameter by what its statistic misses, in later rounds
    by less. Memory is linear in the number of neurons. So is time, but for one step, which takes
    the logarithm of each pair's covariance.

    Parameters
    ----------
    n_factors : int, default=8
        Number of factors K. No more are used than covariances determine (5 neurons: 2; 10: 6).
    max_iter : int, default=12
        Rounds of the calibration.
    max_time : float, default=None
        Limit of `fit` in seconds, from its first line. The initial fit and one round are always
        made, and samples checked in the end.
    frame_rate : float, default=None
        Frames per second (Hz); None takes that of the windows (a ``WindowView`` of a ``Recording``
        knows it). `fit` refuses windows without one.
    verbose : int, default=None
        1 shows progress, 0 does not, None does on a terminal.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the calibration and, by default, of sampling.

    Attributes
    ----------
    model_ : FactorModel
        Parameters, arrays by neuron; times in frames.
    history_ : list of dict
        One row a round: "step", and the median over neurons of what each statistic misses.
    n_iter_ : int
        Rounds taken.
    stopped_ : str
        Why the calibration ended: "max_iter", "max_time" or "interrupted".
    fit_summary_ : dict
        Standard deviations and inferred rates of samples beside those of the training windows, by
        neuron (see `FitWarning`).
    trained_statistics_ : tuple of str
        What it is calibrated on, as `calgan.evaluate` marks it.
    n_features_in_, n_frames_in_ : int
        Neurons N and frames T of a window.
    frame_rate_ : float
        Frame rate (Hz).
    units_, roi_ids_ : str, ndarray of shape (N,), or None
        Units and ids of the recording, where the windows know them.
    seed_ : int
        Seed in force.
    fingerprint_ : str
        SHA-256 of the training traces.

    See Also
    --------
    CalciumGAN : Trained against a critic.
    DichotomizedGaussianCalcium : A baseline without latent factors.

    References
    ----------
    .. [1] Krumin, M., and Shoham, S. (2009). Generation of spike trains with controlled auto- and
       cross-correlation functions. Neural Computation, 21(6), 1642-1664.
       https://doi.org/10.1162/neco.2009.08-08-847
    .. [2] Gourieroux, C., Monfort, A., and Renault, E. (1993). Indirect inference. Journal of
       Applied Econometrics, 8(S1), S85-S118. https://doi.org/10.1002/jae.3950080507

    Examples
    --------
    >>> from calgan import CalciumFactorModel, Windower
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(120.0, n_neurons=5, random_state=0)
    >>> windows = Windower(32).fit_transform(recording)
    >>> model = CalciumFactorModel(max_iter=3, random_state=0).fit(windows)
    >>> model.sample(4).shape
    (4, 32, 5)
    >>> truth = model.sample_components(4)
    >>> truth.spikes.shape, truth.factors.shape
    ((4, 32, 5), (4, 32, 8))
    >>> model.sample_recording(60.0)
    Recording(600 frames x 5 neurons, 10 Hz, 60.0 s, dF/F, synthetic)
    """

    n_features_in_: int
    n_frames_in_: int
    frame_rate_: float
    seed_: int
    model_: FactorModel
    history_: list[dict[str, float]]
    n_iter_: int
    stopped_: str
    fit_summary_: dict[str, list[Any]]
    fingerprint_: str

    def __init__(
        self,
        n_factors: int = 8,
        *,
        max_iter: int = 12,
        max_time: float | None = None,
        frame_rate: float | None = None,
        verbose: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_factors = n_factors
        self.max_iter = max_iter
        self.max_time = max_time
        self.frame_rate = frame_rate
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the model to windows of traces.

        Parameters
        ----------
        X : WindowView or array-like of shape (M, T, N)
            Windows of at least 16 frames. Frames that a view covers several times count once.
        y : None
            It is refused: there is nothing to learn from it.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is a 2-D recording, is encoded, holds NaN or inf, has fewer than 2 windows or too
            short ones; if no frame rate is known; if a parameter is out of range.

        Warns
        -----
        UserWarning
            If neurons are constant; if the calibration is interrupted (what was fitted is kept).
            An interrupt before the initial fit is done is a KeyboardInterrupt: there is nothing to
            keep, and a former fit stays as it was.
        FitWarning
            If samples of some neurons do not match the training windows: it names them.
        """
        began = time.monotonic()
        refuse_target(y, self)
        name = type(self).__name__
        check_integer(self.n_factors, "n_factors")
        check_integer(self.max_iter, "max_iter")
        if self.max_time is not None:
            check_real("max_time", self.max_time, above=0)
        X = check_windows(X, estimator=name, encoded=False)
        n_windows, n_frames, n_neurons = X.shape
        if n_windows < 2:
            raise ValueError(
                f"{name} needs at least 2 windows to learn from, got {n_windows}: use a shorter "
                "window or a smaller stride."
            )
        if n_frames < _MIN_FRAMES:
            raise ValueError(
                f"{name} needs windows of at least {_MIN_FRAMES} frames, got {n_frames}: use a "
                "longer window."
            )
        learner = self._unfitted()
        learner.frame_rate_ = common_frame_rate(
            {"frame_rate": self.frame_rate, "X": getattr(X, "frame_rate", None)}, needed_by=name
        )
        learner.n_frames_in_, learner.n_features_in_ = int(n_frames), int(n_neurons)
        learner._frames_used_ = frames_used(X)
        learner.units_ = getattr(X, "units", None)
        learner.roi_ids_ = getattr(X, "roi_ids", None)
        learner.seed_ = as_seed(self.random_state)
        with progress(self.verbose, f"{name}: reading windows"):
            parts = [np.asarray(part, dtype=np.float32) for part in segments_of(X)]
            learner.fingerprint_ = fingerprint_of(parts)
        low, high = (f([f(part, axis=0) for part in parts], axis=0) for f in (np.min, np.max))
        warn_of_constant(low == high, stacklevel=3)
        learner._calibrate(parts, began)
        learner.fit_summary_ = check_fit(
            X,
            lambda n: learner._draw_traces(n, rng_from(learner.seed_, _CHECK)),
            name,
            frame_rate=learner.frame_rate_,
            verbose=self.verbose,
            stacklevel=3,
        )
        if not learner.fit_summary_:
            learner.stopped_ = "interrupted"
        self.__dict__ = learner.__dict__  # one assignment: a fit that fails changes nothing
        return self

    @property
    def trained_statistics_(self) -> tuple[str, ...]:
        """Statistics that the calibration brings to the recording's."""
        return _MATCHED

    def _calibrate(self, parts: list[np.ndarray], began: float) -> None:
        name = type(self).__name__
        with progress(self.verbose, f"{name}: inferring spikes"):
            parts = without_artefacts(parts)
            calcium = fit_calcium(parts, self.frame_rate_)
        with progress(self.verbose, f"{name}: fitting factors"):
            rng = rng_from(self.seed_, _INITIAL)
            self.model_ = initial_model(calcium, self.n_factors, self.n_frames_in_, rng)
        self.history_, self.n_iter_, self.stopped_ = [], 0, "max_iter"
        rng = rng_from(self.seed_, _CALIBRATION)
        rounds = calibrate(self.model_, parts, calcium, self.n_frames_in_, int(rng.integers(2**62)))
        try:
            with progress(self.verbose, f"{name}: calibrating", self.max_iter) as bar:
                for model, missed in rounds:
                    self.model_ = model
                    self.history_.append({"step": len(self.history_) + 1, **missed})
                    self.n_iter_ = len(self.history_)
                    bar.update()
                    if self.n_iter_ >= self.max_iter:
                        break
                    if self.max_time is not None and time.monotonic() - began >= self.max_time:
                        self.stopped_ = "max_time"
                        break
        except KeyboardInterrupt:
            self.stopped_ = "interrupted"
            warnings.warn(
                f"{name} was interrupted after {self.n_iter_} of {self.max_iter} rounds of its "
                "calibration; what was fitted is kept.",
                UserWarning,
                stacklevel=4,
            )
        self.model_ = _without_spikes(self.model_, calcium.noise == 0)

    # ------------------------------------------------------------------ sampling

    def _runs(self, n_samples: int, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield windows that are simulated side by side, some at a time."""
        simulation, lead = Simulation(self.model_, rng), self.model_.burn_in
        per_window = (self.n_frames_in_ + lead) * self.n_features_in_
        size = int(np.clip(_RUN_VALUES // per_window, 1, 256))
        for first in range(0, n_samples, size):
            simulation.restart(min(size, n_samples - first))
            run = simulation.advance(lead + self.n_frames_in_)
            yield {name: part[:, lead:] for name, part in run.items()}

    def _draw_traces(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        windows = np.empty((n_samples, self.n_frames_in_, self.n_features_in_), dtype=np.float32)
        first = 0
        for run in self._runs(n_samples, rng):
            windows[first : first + len(run["traces"])] = run["traces"]
            first += len(run["traces"])
        return windows

    def _draw_components(self, n_samples: int, rng: np.random.Generator) -> Bunch:
        runs = list(self._runs(n_samples, rng))
        return self._bunch({name: np.concatenate([run[name] for run in runs]) for name in runs[0]})

    def _iter_components(
        self, n_frames: int, rng: np.random.Generator, chunk: int
    ) -> Iterator[Bunch]:
        return map(self._bunch, simulate(self.model_, n_frames, rng))

    def _bunch(self, components: dict[str, np.ndarray]) -> Bunch:
        rates = components["rates"] * np.float32(self.frame_rate_)
        return Bunch(**{**components, "rates": rates})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _without_spikes(model: FactorModel, which: np.ndarray) -> FactorModel:
    """Return a model in which some neurons, the constant ones, never spike."""
    return dataclasses.replace(model, log_rate=np.where(which, -np.inf, model.log_rate))
