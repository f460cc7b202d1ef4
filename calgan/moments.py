"""CalciumMoments: a latent model of calcium traces, fitted by the simulated method of moments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calgan._torch import noise, preserved_rng, to_tensor
from calgan._validation import check_integer, is_lazy, rng_from
from calgan.calcium_fit import fit_deconvolver
from calgan.moment_matching import MATCHED_MOMENTS, MomentMatching, RunningMeans
from calgan.moment_start import level_rates, start_generator
from calgan.networks import LatentGenerator, Standardiser, latent_time_scales, seeded_init
from calgan.spike_factors import fit_spike_factors
from calgan.stretches import uninterrupted_stretches
from calgan.trained_generator import TrainedGenerator
from calgan.training import TrainingState, update_average

# Where no frame rate is known: it bounds decay times, and sets bins of 5 frames.
_NOMINAL_RATE = 10.0
_SLOWING = 200  # steps after which the step size has fallen to a half
_WARM_UP = 20
_START, _END = 100, 101  # streams of random numbers that `TrainedGenerator` does not use


@dataclass(frozen=True)
class MomentSettings:
    """Settings that `CalciumMoments` trains by: its parameters, checked, and what they leave open.

    Parameters
    ----------
    n_factors, hidden : int
        Widths of the network.
    batch_size : int
        Windows generated a step.
    learning_rate : float
        Step size of Adam.
    betas : tuple of float
        Its moment decays.
    ema : float
        Decay of the moving average of the weights.
    clip_norm : float
        Largest gradient norm of a step.
    max_iter, epochs : int or None
        Length of the training.
    validation_fraction : float
        Share of the windows that is held out.
    early_stopping : bool
        Whether to stop when the checks no longer improve.
    name : str
        What the progress bar says.

    Examples
    --------
    >>> MomentSettings().n_factors
    8
    """

    n_factors: int = 8
    hidden: int = 64
    batch_size: int = 32
    learning_rate: float = 2e-3
    betas: tuple[float, float] = (0.5, 0.99)
    ema: float = 0.998
    clip_norm: float = 5.0
    max_iter: int | None = 600
    epochs: int | None = None
    validation_fraction: float = 0.0
    early_stopping: bool = False
    name: str = "method of moments"


@dataclass(frozen=True)
class MomentSteps:
    """What a step of the simulated method of moments needs, the state included.

    Attributes
    ----------
    settings : MomentSettings
        Step size, batch.
    state : TrainingState
        Networks "generator" and "running" (means of moments), changed in place.
    fabric : lightning_fabric.Fabric
        Device and precision.
    matching : MomentMatching
        The objective.
    rng_of_step : callable
        Random generator of a step, by its number.
    """

    settings: MomentSettings
    state: TrainingState
    fabric: Any
    matching: MomentMatching
    rng_of_step: Callable[[int], np.random.Generator]

    def __call__(self, number: int) -> dict[str, float]:
        """Take one step; return a row of the history."""
        s = self.settings
        generator: Any = self.state.modules["generator"]
        running: Any = self.state.modules["running"]
        inputs = noise(self.rng_of_step(number), s.batch_size, generator.noise_size)
        with self.fabric.autocast():
            windows, fired = generator.windows_and_spikes(inputs.to(self.fabric.device))
        if not windows.isfinite().all():  # no spikes can be inferred: training has diverged
            return {"loss": math.nan}
        terms = self.matching(windows.float(), running, fired.float())
        loss = torch.stack(list(terms.values())).sum()
        optimizer = self.state.optimizers["generator"]
        # A function of the step alone, so that training goes on as if it had never stopped.
        factor = min(1.0, (number + 1) / _WARM_UP) / (1 + number / _SLOWING)
        fresh = generator.parameter_groups(s.learning_rate)
        for group, start in zip(optimizer.param_groups, fresh, strict=True):
            group["lr"] = factor * start["lr"]
        optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(
            generator, optimizer, max_norm=s.clip_norm, error_if_nonfinite=False
        )
        optimizer.step()
        update_average(self.state.averaged, generator, number, s.ema)
        return {"loss": float(loss.detach())} | {k: float(v.detach()) for k, v in terms.items()}


class CalciumMoments(TrainedGenerator):
    r"""Latent model of calcium traces, fitted by the simulated method of moments.

    A network of latent Gaussian factors drives neurons whose events are seen as calcium (see
    `calgan.networks.LatentGenerator`). It starts from a log-Gaussian factor model of the inferred
    spikes (`calgan.spike_factors.fit_spike_factors`), and is trained until windows it generates
    have the moments of the training windows, in units of their standard errors: distributions of
    values, rises, window means and rates, third moments, power spectra, covariances of traces and
    of spikes (a neuron's own too), population activity (see
    `calgan.moment_matching.MomentMatching`). In the end, the mean rate is brought to the real one
    (`calgan.moment_start.level_rates`). There is no critic. It is the default of
    `calgan.make_calcium_pipeline`; ``benchmarks/fidelity`` compares.
    Every step uses all training windows, through their moments, so that `partial_fit` takes as
    many steps as a pass of batches would. Memory grows with the square of the number of neurons.

    Parameters
    ----------
    max_iter : int, default=600
        Training steps in total.
    max_time : float, default=None
        Limit of the training in seconds; whichever of the two comes first ends it. The start
        (inferring spikes, factors, calibration) and the end (mean rate) are not counted: half a
        minute for a hundred neurons, more than in proportion for many.
    n_factors : int, default=8
        Number of latent factors, each at six time scales.
    hidden : int, default=64
        Width of the network through which factors act other than linearly.
    batch_size : int, default=32
        Windows generated a step.
    learning_rate : float, default=2e-3
        Adam's first step size; it falls as ``1 / (1 + step / 200)``.
    ema : float, default=0.998
        Decay of the moving average of the weights a step; 0 leaves it out.
    validation_fraction : float, default=0.0
        Share of the windows, the last in time, held out to track statistics while it trains;
        training windows that overlap them are left out. 0 trains on all windows and tracks nothing.
    early_stopping : bool, default=False
        Stop after `n_iter_no_change` steps without improvement of the tracked statistics. The best
        state is kept whenever there is a validation split.
    n_iter_no_change : int, default=500
        Steps without improvement after which to stop.
    check_every : int, default=100
        Steps between two looks at the tracked statistics, each of which samples.
    frame_rate : float, default=None
        Frames per second (Hz); None takes that of the windows (a ``WindowView`` of a ``Recording``
        knows it). It bounds the decay times that are tried and sets half-second bins; without one,
        10 Hz is taken for that.
    device : str, default="auto"
        "auto", "cpu", "cuda", "cuda:<number>" or "mps". What is kept after ``fit`` is on the CPU.
    precision : {"32-true", "bf16-mixed", "16-mixed", "mixed"}, default="32-true"
        Arithmetic of the network; moments are float32 always.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last state until `max_iter` steps are done in total.
    verbose : int, default=None
        1 shows a progress bar, 0 does not, None does on a terminal.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initialisation, training and, by default, sampling.

    Attributes
    ----------
    generator_ : torch.nn.Module
        Trained network on the CPU.
    running_ : torch.nn.Module
        Running means of the moments, from which training goes on.
    history_ : list of dict
        One row a step: "step", "loss" and its terms, one for each kind of moment: 0 where they
        agree, r for differences of r standard errors, if r is large.
    n_iter_ : int
        Steps taken.
    best_iter_ : int
        Step whose weights `generator_` has.
    stopped_ : str
        Why training ended: "max_iter", "max_time", "early stopping", "interrupted" or "diverged".
    validation_floor_ : dict
        Tracked statistics of training windows against validation windows.
    trained_statistics_ : tuple of str
        What it is trained on, as `calgan.evaluate` marks it.
    settings_ : MomentSettings
        The settings in force.
    n_features_in_, n_frames_in_ : int
        Neurons N and frames T of a window.
    n_channels_in_ : None
        It takes windows of traces only.
    frame_rate_ : float or None
        Frame rate (Hz), where known.
    seed_ : int
        Seed in force.
    fingerprint_ : str
        SHA-256 of the training windows, evenly thinned out where they are many.

    See Also
    --------
    CalciumGAN : Trained against a critic.
    DichotomizedGaussianCalcium : A baseline without training.

    References
    ----------
    McFadden, D. (1989). A method of simulated moments for estimation of discrete response models
    without numerical integration. Econometrica, 57(5), 995-1026. https://doi.org/10.2307/1913621

    Examples
    --------
    >>> from calgan import CalciumMoments, Windower
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> windows = Windower(32).fit_transform(recording)
    >>> model = CalciumMoments(max_iter=2, hidden=8, random_state=0).fit(windows)
    >>> model.sample(3).shape
    (3, 32, 5)
    """

    _settings_class = MomentSettings
    _widths = ("n_factors", "hidden")

    def __init__(
        self,
        max_iter: int = 600,
        *,
        max_time: float | None = None,
        n_factors: int = 8,
        hidden: int = 64,
        batch_size: int = 32,
        learning_rate: float = 2e-3,
        ema: float = 0.998,
        validation_fraction: float = 0.0,
        early_stopping: bool = False,
        n_iter_no_change: int = 500,
        check_every: int = 100,
        frame_rate: float | None = None,
        device: str = "auto",
        precision: str = "32-true",
        warm_start: bool = False,
        verbose: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.max_time = max_time
        self.n_factors = n_factors
        self.hidden = hidden
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.ema = ema
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.check_every = check_every
        self.frame_rate = frame_rate
        self.device = device
        self.precision = precision
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def _resolve(self) -> MomentSettings:
        check_integer(self.max_iter, "max_iter", minimum=1)
        settings = MomentSettings(**self._given(MomentSettings()))
        self._check_training_parameters(settings)
        check_integer(settings.n_factors, "n_factors", minimum=1)
        check_integer(settings.hidden, "hidden", minimum=1)
        return settings

    def _build_networks(self) -> dict[str, nn.Module]:
        s = self.settings_
        with preserved_rng():
            generator = LatentGenerator(
                self.n_frames_in_, self.n_features_in_, n_factors=s.n_factors, hidden=s.hidden
            )
        return {"generator": generator, "running": RunningMeans()}

    def _initialise(self, modules: dict[str, Any], reference: NDArray[np.float32]) -> None:
        generator = modules["generator"]
        seeded_init(generator, self._init_seeds(1)[0])
        generator.units.load_state_dict(Standardiser.of(reference).state_dict())

    def _make_optimizers(self, modules: dict[str, Any]) -> dict[str, torch.optim.Optimizer]:
        s = self.settings_
        groups = modules["generator"].parameter_groups(s.learning_rate)
        return {"generator": torch.optim.Adam(groups, s.learning_rate, betas=s.betas)}

    def _make_step(
        self,
        X: Any,
        train: NDArray[np.intp],
        reference: NDArray[np.float32],
        state: TrainingState,
        fabric: Any,
    ) -> MomentSteps:
        frame_rate = self.frame_rate_ or _NOMINAL_RATE
        stretches = uninterrupted_stretches(X[train] if is_lazy(X) else reference)
        # Windows that overlap are not independent, however many there are.
        n_apart = sum(map(len, stretches)) // self.n_frames_in_ if is_lazy(X) else len(reference)
        running: Any = state.modules["running"]
        running.use_for(int(self.fingerprint_[:15], 16))
        units: Any = Standardiser.of(reference).to(fabric.device)
        real = units.standardise(to_tensor(reference, fabric.device))
        factors = None
        if state.step == 0:
            n_factors, scales = self.settings_.n_factors, latent_time_scales(self.n_frames_in_)
            factors = fit_spike_factors(stretches, frame_rate, n_factors, scales)
            deconvolver = factors.calcium.deconvolver
        else:
            deconvolver = fit_deconvolver(stretches, frame_rate)
        matching = MomentMatching(units, real, deconvolver, frame_rate, max(n_apart, 2))
        if factors is not None:
            generator: Any = state.modules["generator"]
            start_generator(generator, factors, matching, real, rng_from(self.seed_, _START))
            state.averaged.load_state_dict(generator.state_dict())
        return MomentSteps(self.settings_, state, fabric, matching, rng_of_step=self._step_rng)

    def _finish(self, step: MomentSteps) -> None:
        generator: Any = self.generator_
        generator.to(step.fabric.device)
        rng = rng_from(self.seed_, _END)
        try:
            level_rates(generator, step.matching, rng, batch_size=self.settings_.batch_size)
        except KeyboardInterrupt:
            self.stopped_ = "interrupted"  # what was learnt is kept
        generator.cpu()

    def _matched_statistics(self, settings: MomentSettings) -> tuple[str, ...]:
        return MATCHED_MOMENTS

    def _check_reference(self, reference: NDArray[np.float32]) -> None:
        if self.n_channels_in_ is not None:
            raise ValueError(
                "CalciumMoments takes windows of traces (M, T, N), got encoded windows with "
                f"{self.n_channels_in_} channels: leave the encoder out, or use CalciumGAN."
            )
