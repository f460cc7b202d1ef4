"""CalciumGAN: an adversarial network that learns windows of a calcium-imaging recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from calgan.data.validation import check_integer, check_real, check_windows
from calgan.generators.base import offered_if
from calgan.generators.gan import objectives
from calgan.generators.gan.build import build_networks
from calgan.generators.gan.compact import CalciumGenerator
from calgan.generators.gan.recipes import Recipe, get_recipe
from calgan.generators.gan.steps import LOSSES, AdversarialSteps
from calgan.generators.trained import TrainedGenerator
from calgan.training.devices import preserved_rng, to_numpy, to_tensor
from calgan.training.layers import Standardiser, seeded_init
from calgan.training.loop import TrainingState

_SCORE_VALUES = 8_000_000


class _SideBySide(nn.Module):
    """A network's windows and their components as one array, which is drawn as windows are."""

    names = ("traces", "calcium", "spikes", "amplitudes")

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.noise_size = network.noise_size

    def forward(self, noise: Tensor) -> Tensor:
        components = self.network.components(noise)  # type: ignore[operator]
        return torch.cat([components[name] for name in self.names], dim=2)


class CalciumGAN(TrainedGenerator):
    """Generative adversarial network over windows of calcium traces.

    Three recipes. ``"thesis"`` is the published system to the letter: WaveGAN networks with phase
    shuffle, a Wasserstein loss with gradient penalty, five critic steps, 400 passes. ``"compact"``
    suits small recordings on a CPU in minutes: a generator with an explicit calcium decoder
    (events, exponential decay, measurement noise), a small critic, and a statistics-matching term;
    what that term trains on is listed in ``trained_statistics_``, so that a report can mark it.
    ``"relativistic"`` trains the same generator against a stronger critic: windows are judged in
    pairs, the critic's gradient is penalised at real and at generated windows, and the term matches
    spectra and covariances alone.

    Parameters
    ----------
    recipe : {"compact", "relativistic", "thesis"}, default="compact"
        Named settings; the parameters below that are None take its values.
    architecture : {"calcium", "calcium-patches", "wavegan", "wavegan2d"}, default=None
        Networks, at the widths they were designed with; None takes the recipe's, "calcium" for
        "compact", "calcium-patches" (the same generator, another critic) for "relativistic" and
        "wavegan" for "thesis". "wavegan2d" is the thesis's 2-D variant, which convolves over time
        and neurons, and keeps the channels of encoded windows apart. The weights of "compact" and
        "relativistic" were chosen with their own networks alone.
    max_iter : int, default=None
        Generator steps in total; None: 400 passes for "thesis", 1000 for the others.
    max_time : float, default=None
        Limit in seconds, counted from the first line of ``fit``; whichever of the two comes first
        ends the training. One step is taken in any case, and the checks at the end are made.
    batch_size : int, default=None
        Windows a batch; an odd number is rounded up.
    filters : int, default=None
        Channel unit of the networks.
    noise_size : int, default=None
        Latent width.
    phase_shuffle : int, default=None
        Largest phase shift in the thesis's critics, in steps (and, in 2-D, in neurons); 0 leaves
        it out.
    learning_rate, critic_learning_rate : float, default=None
        Adam's step sizes.
    n_critic : int, default=None
        Critic steps a generator step.
    loss : {"wasserstein", "relativistic"}, default=None
        Adversarial loss; the gradient penalty that belongs to it comes with it.
    gradient_penalty : float, default=None
        Weight of the gradient penalty; weights of the two losses do not compare.
    adversarial : float, default=None
        Weight of the critic in the generator's loss; 0 leaves its gradient out.
    matching : float, default=None
        Weight of the statistics matching; 0 leaves it out.
    ema : float, default=None
        Decay of the moving average of the generator's weights a step; 0 leaves it out.
    validation_fraction : float, default=None
        Share of the windows, the last in time, held out to track statistics while it trains;
        training windows that overlap them are left out. 0 trains on all windows and tracks nothing,
        and so, with a warning, does a share that is fewer than 8 windows.
    early_stopping : bool, default=None
        Stop after `n_iter_no_change` steps without improvement of the tracked statistics. The best
        state is kept whenever there is a validation split.
    n_iter_no_change : int, default=500
        Generator steps without improvement after which to stop.
    check_every : int, default=50
        Generator steps between two looks at the tracked statistics.
    frame_rate : float, default=None
        Frames per second (Hz), for the spike statistics that are tracked; None takes that of the
        windows (a ``WindowView`` of a ``Recording`` knows it), and tracks trace statistics only
        when they have none.
    device : str, default="auto"
        "auto", "cpu", "cuda", "cuda:<number>" or "mps". What is kept after ``fit`` is on the CPU.
    precision : {"32-true", "bf16-mixed", "16-mixed", "mixed"}, default="32-true"
        Arithmetic of the networks; penalties and losses are float32 always. "mixed" is float16
        with loss scaling on a GPU, bfloat16 on a CPU that has it, else float32.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last state until `max_iter` steps are done in total.
    verbose : int, default=None
        1 shows a progress bar, 0 does not, None does on a terminal.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initialisation, training and, by default, sampling.

    Attributes
    ----------
    generator_, critic_ : torch.nn.Module
        Trained networks on the CPU; the generator's weights are those of the best check.
    history_ : list of dict
        One row a generator step: "step", "critic_loss", "gradient_penalty", "generator_loss",
        "matching"; rows of checks have "val_score" and one ``val_...`` figure a statistic, each
        with its baseline (training windows against validation windows) in `validation_baseline_`.
    n_iter_ : int
        Generator steps taken.
    best_iter_ : int
        Step whose weights `generator_` has.
    stopped_ : str
        Why training ended: "max_iter", "max_time", "early stopping", "interrupted", or "diverged",
        in which case it went back to the last look at finite weights. An adversary's losses do not
        tell how good a generator is: where statistics are tracked, the best state is kept.
    validation_baseline_ : dict
        Tracked statistics of training windows against validation windows.
    fit_summary_ : dict
        Samples against training windows, for each neuron: "sd_ratio" and "rate_ratio", lists of N
        ratios of standard deviations and of inferred rates, and "mismatched", the numbers of the
        neurons that do not match. Empty for encoded windows, and if the check was interrupted. See
        `calgan.generators.fit_check.compare_with_training`.
    trained_statistics_ : tuple of str
        Statistics that the objective trains on; empty for the thesis's recipe.
    settings_ : Recipe
        The recipe with the overriding parameters in place.
    n_features_in_, n_frames_in_ : int
        Neurons N and frames T of a window.
    n_channels_in_ : int or None
        Channels C of encoded windows; None for traces.
    frame_rate_ : float or None
        Frame rate (Hz), where known.
    seed_ : int
        Seed in force.
    fingerprint_ : str
        SHA-256 of the training windows, evenly thinned out where they are many.

    References
    ----------
    Li, "Synthesising Realistic Calcium Imaging Data of Neuronal Populations using Deep Generative
    Models", MScR thesis, University of Edinburgh, 2020.
    Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, arXiv:1704.00028.
    Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024,
    arXiv:2501.05441.
    Donahue et al., "Adversarial Audio Synthesis", ICLR 2019, arXiv:1802.04208.

    Examples
    --------
    >>> from calgan import CalciumGAN, Windower
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> windows = Windower(32).fit_transform(recording)
    >>> gan = CalciumGAN(max_iter=2, random_state=0).fit(windows)
    >>> gan.sample(3).shape
    (3, 32, 5)
    """

    _settings_class = Recipe
    # All widths, but for the phase shuffle, which no weight's shape depends on.
    _widths = (
        "architecture",
        "filters",
        "kernel_size",
        "critic_kernel_size",
        "noise_size",
        "max_depth",
    )

    def __init__(
        self,
        recipe: str = "compact",
        *,
        architecture: str | None = None,
        max_iter: int | None = None,
        max_time: float | None = None,
        batch_size: int | None = None,
        filters: int | None = None,
        noise_size: int | None = None,
        phase_shuffle: int | None = None,
        learning_rate: float | None = None,
        critic_learning_rate: float | None = None,
        n_critic: int | None = None,
        loss: str | None = None,
        gradient_penalty: float | None = None,
        adversarial: float | None = None,
        matching: float | None = None,
        ema: float | None = None,
        validation_fraction: float | None = None,
        early_stopping: bool | None = None,
        n_iter_no_change: int = 500,
        check_every: int = 50,
        frame_rate: float | None = None,
        device: str = "auto",
        precision: str = "32-true",
        warm_start: bool = False,
        verbose: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.recipe = recipe
        self.architecture = architecture
        self.max_iter = max_iter
        self.max_time = max_time
        self.batch_size = batch_size
        self.filters = filters
        self.noise_size = noise_size
        self.phase_shuffle = phase_shuffle
        self.learning_rate = learning_rate
        self.critic_learning_rate = critic_learning_rate
        self.n_critic = n_critic
        self.loss = loss
        self.gradient_penalty = gradient_penalty
        self.adversarial = adversarial
        self.matching = matching
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

    @offered_if(lambda self: self._why_no_components())
    def sample_components(self, n_samples: int = 1, *, random_state: Any = None) -> Bunch:
        """Draw synthetic windows together with what the network makes them of.

        The networks with a calcium decoder ("calcium" and "calcium-patches") have it, on windows of
        traces; others do not have this method.

        Parameters
        ----------
        n_samples : int, default=1
            Number of windows. The first windows do not depend on how many follow.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None takes the estimator's own.

        Returns
        -------
        components : sklearn.utils.Bunch
            Arrays (n_samples, T, N), float32. ``traces`` are those that `sample` draws from the
            same seed. ``spikes`` are the network's events before their gain: they are no counts,
            and their scale means nothing beyond one neuron of one model. ``amplitudes`` are the
            events with their gain, in units of the traces. ``calcium`` is without noise and above
            the baseline: amplitudes filtered by an exponential decay and then by an exponential
            rise, both started before the window. ``rates`` and ``factors`` are None.

        Raises
        ------
        AttributeError
            If the network has no calcium decoder.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `n_samples` is not positive.

        Examples
        --------
        >>> from calgan import CalciumGAN, Windower
        >>> from calgan.datasets import make_recording
        >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
        >>> windows = Windower(32).fit_transform(recording)
        >>> gan = CalciumGAN(max_iter=2, random_state=0).fit(windows)
        >>> gan.sample_components(3).calcium.shape
        (3, 32, 5)
        """
        return super().sample_components(n_samples, random_state=random_state)

    def _draw_components(self, n_samples: int, rng: np.random.Generator) -> Bunch:
        drawn = self._draw(_SideBySide(self.generator_), n_samples, rng)
        names = _SideBySide.names
        return Bunch(**dict(zip(names, np.split(drawn, len(names), axis=2), strict=True)))

    def _why_no_components(self) -> str | None:
        settings = getattr(self, "settings_", None)
        if settings is None:  # `check_is_fitted` says so
            return None
        if settings.architecture.startswith("calcium") and self.n_channels_in_ is None:
            return None
        kind = "windows of traces" if self.n_channels_in_ is None else "encoded windows"
        return (
            f"CalciumGAN's {settings.architecture!r} network makes {kind} and knows no calcium or "
            "spikes behind them: sample windows with sample(n), or take an architecture with a "
            "calcium decoder ('calcium') on windows that are not encoded, or CalciumFactorModel."
        )

    def score_samples(self, X: Any) -> NDArray[np.float32]:
        """Return the critic's value of each window; it is no likelihood.

        Values have no zero and no unit. They rank windows by how real the critic at the end of the
        training thinks they are, and compare within one fitted model only.

        Parameters
        ----------
        X : WindowView or array-like of shape (M, T, N) or (M, T, N, C)
            Windows.

        Returns
        -------
        values : ndarray of shape (M,), float32
        """
        check_is_fitted(self, "critic_")
        X = check_windows(X, estimator=type(self).__name__)
        self._check_shape(X)
        step = int(np.clip(_SCORE_VALUES // np.prod(X.shape[1:]), 1, 256))
        with torch.no_grad():
            values = [
                to_numpy(self.critic_(self._batch(X, np.arange(i, min(i + step, X.shape[0])))))
                for i in range(0, X.shape[0], step)
            ]
        return np.concatenate(values)

    def _resolve(self) -> Recipe:
        """Return the recipe with the parameters that override it, all checked."""
        recipe = get_recipe(self.recipe, self.architecture)
        settings = dataclasses.replace(recipe, **self._given(recipe))
        self._check_training_parameters(settings)
        minima = {"filters": 1, "noise_size": 1, "phase_shuffle": 0, "n_critic": 1}
        for name, minimum in minima.items():
            check_integer(getattr(settings, name), name, minimum=minimum)
        if settings.loss not in LOSSES:
            raise ValueError(f"loss must be None or one of {LOSSES}, got {settings.loss!r}.")
        check_real("critic_learning_rate", settings.critic_learning_rate, above=0)
        check_real("gradient_penalty", settings.gradient_penalty, least=0)
        check_real("adversarial", settings.adversarial, least=0)
        check_real("matching", settings.matching, least=0)
        return settings

    def _build_networks(self) -> dict[str, nn.Module]:
        with preserved_rng():
            generator, critic = build_networks(
                self.settings_,
                self.n_frames_in_,
                self.n_features_in_,
                self.n_channels_in_,
            )
        return {"generator": generator, "critic": critic}

    def _initialise(self, modules: dict[str, Any], reference: NDArray[np.float32]) -> None:
        generator, critic = modules["generator"], modules["critic"]
        for module, seed in zip((generator, critic), self._init_seeds(2), strict=True):
            seeded_init(module, seed)
        if isinstance(generator, CalciumGenerator):
            units = Standardiser.of(reference)
            for network in (generator, critic):
                network.units.load_state_dict(units.state_dict())
            generator.start_from(units.standardise(to_tensor(reference)))

    def _make_optimizers(self, modules: dict[str, Any]) -> dict[str, torch.optim.Optimizer]:
        s = self.settings_
        generator, critic = modules["generator"], modules["critic"]
        groups = generator.parameter_groups(s.learning_rate)
        return {
            "generator": torch.optim.Adam(groups, s.learning_rate, betas=s.betas),
            "critic": torch.optim.Adam(critic.parameters(), s.critic_learning_rate, betas=s.betas),
        }

    def _make_step(
        self,
        X: Any,
        train: NDArray[np.intp],
        reference: NDArray[np.float32],
        state: TrainingState,
        fabric: Any,
    ) -> AdversarialSteps:
        match = None
        if self.settings_.matching > 0:
            match = self._make_matching(reference, fabric.device)
        return AdversarialSteps(
            self.settings_,
            state,
            fabric,
            train,
            batch=lambda indices: self._batch(X, indices),
            match=match,
            rng_of_step=self._step_rng,
        )

    def _matched_statistics(self, settings: Recipe) -> tuple[str, ...]:
        matches = settings.matching > 0 and self.n_channels_in_ is None
        if not matches:
            return ()
        if settings.matched == "second-order":
            return objectives.SECOND_ORDER_STATISTICS
        return objectives.MATCHED_STATISTICS

    def _check_reference(self, reference: NDArray[np.float32]) -> None:
        if not self.settings_.architecture.startswith("calcium"):
            low, high = float(reference.min()), float(reference.max())
            if low < -1e-3 or high > 1 + 1e-3:
                raise ValueError(
                    f"architecture={self.settings_.architecture!r} ends in a sigmoid and needs "
                    "windows scaled to [0, 1], "
                    f"got values from {low:.4g} to {high:.4g}: put a MinMaxScaler before it (as "
                    "make_calcium_pipeline does)."
                )

    def _make_matching(
        self, reference: NDArray[np.float32], device: torch.device
    ) -> Callable[[Tensor], Tensor]:
        units = Standardiser.of(reference).to(device)
        targets = objectives.matching_targets(units.standardise(to_tensor(reference, device)))

        second_order = self.settings_.matched == "second-order"
        compare = (
            objectives.second_order_matching if second_order else objectives.statistics_matching
        )

        def match(windows: Tensor) -> Tensor:
            terms = compare(units.standardise(windows), targets)
            return torch.stack(list(terms.values())).sum()

        return match
