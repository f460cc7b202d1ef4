"""CalciumGAN: a Wasserstein GAN that learns windows of a calcium-imaging recording."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

import calgan
from calgan import objectives
from calgan._torch import noise, preserved_rng, to_numpy, to_tensor
from calgan._validation import (
    as_seed,
    check_frame_rate,
    check_integer,
    check_n_neurons,
    check_real,
    check_windows,
    rng_from,
)
from calgan.adversarial import AdversarialSteps
from calgan.networks import (
    CalciumGenerator,
    CompactCritic,
    Standardiser,
    build_networks,
    seeded_init,
)
from calgan.persistence import read_model, write_model
from calgan.recipes import ARCHITECTURES, Recipe, get_recipe
from calgan.tracking import Tracker, split_in_time, spread
from calgan.training import (
    Check,
    TrainingState,
    copy_on_cpu,
    final_weights,
    make_fabric,
    run_training,
)
from calgan.windows import gather

# Independent uses of one seed.
_INIT, _TRAIN, _CHECK, _SAMPLE = range(4)
_STATISTICS_VALUES = 16_000_000  # real values that the statistics are computed from (64 MB)
_CHECK_VALUES = 8_000_000
_CHECK_WINDOWS = 128


class CalciumGAN(BaseEstimator):
    """Wasserstein GAN with gradient penalty over windows of calcium traces.

    Two recipes. ``"thesis"`` is the published system to the letter: WaveGAN networks with phase
    shuffle, five critic steps, days of training. ``"compact"`` suits small recordings on a CPU in
    minutes: a generator with an explicit calcium decoder (events, exponential decay, measurement
    noise), a small critic, and a statistics-matching term; what that term trains on is listed in
    ``trained_statistics_``, so that a report can mark it.

    Parameters
    ----------
    recipe : {"compact", "thesis"}, default="compact"
        Named settings; the parameters below that are None take its values.
    architecture : {"calcium", "wavegan", "wavegan2d"}, default=None
        Networks, at the widths they were designed with; None takes the recipe's, "calcium" for
        "compact" and "wavegan" for "thesis". "wavegan2d" is the thesis's 2-D variant, which
        convolves over time and neurons, and keeps the channels of encoded windows apart.
    max_iter : int, default=None
        Generator steps in total; None: 1000 for "compact", 400 passes for "thesis".
    max_time : float, default=None
        Limit of the training in seconds; whichever of the two comes first ends it.
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
    gradient_penalty : float, default=None
        Weight of the gradient penalty.
    adversarial : float, default=None
        Weight of the critic in the generator's loss; 0 leaves its gradient out.
    matching : float, default=None
        Weight of the statistics matching; 0 leaves it out.
    ema : float, default=None
        Decay of the moving average of the generator's weights a step; 0 leaves it out.
    validation_fraction : float, default=None
        Share of the windows, the last in time, held out to track statistics while it trains;
        training windows that overlap them are left out. 0 trains on all windows and tracks nothing.
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
        with its floor (training windows against validation windows) in `validation_floor_`.
    n_iter_ : int
        Generator steps taken.
    best_iter_ : int
        Step whose weights `generator_` has.
    stopped_ : str
        Why training ended: "max_iter", "max_time", "early stopping", "interrupted", or "diverged",
        in which case it went back to the last look at finite weights.
    validation_floor_ : dict
        Tracked statistics of training windows against validation windows.
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

    # ------------------------------------------------------------------ public verbs

    def fit(self, X: Any, y: Any = None) -> CalciumGAN:
        """Train on windows.

        Parameters
        ----------
        X : WindowView or array-like of shape (M, T, N) or (M, T, N, C)
            Windows; channels of an encoding are treated as further features.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is a 2-D recording, holds NaN or inf, has too few or too short windows, a width
            that the network cannot halve often enough, or (for the thesis's sigmoid) values outside
            [0, 1]; if a parameter is out of range.
        """
        X = check_windows(X, estimator=type(self).__name__)
        go_on = self.warm_start and hasattr(self, "generator_")
        settings = self._start(X, go_on)
        max_iter = settings.max_iter
        if max_iter is None:
            max_iter = (settings.epochs or 1) * math.ceil(X.shape[0] / settings.batch_size)
        self._train(X, max_iter)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> CalciumGAN:
        """Go on training for one pass over windows, from where the last call ended.

        Parameters
        ----------
        X : WindowView or array-like of shape (M, T, N) or (M, T, N, C)
            Windows, shaped like those of earlier calls.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As for `fit`, and if the windows' shape differs from that of earlier calls.
        """
        X = check_windows(X, estimator=type(self).__name__)
        settings = self._start(X, hasattr(self, "generator_"))
        steps = math.ceil(X.shape[0] / settings.batch_size)
        self._train(X, getattr(self, "n_iter_", 0) + steps)
        return self

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> NDArray[np.float32]:
        """Draw synthetic windows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of windows. The first windows do not depend on how many follow.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None takes the estimator's own.

        Returns
        -------
        windows : ndarray of shape (n_samples, T, N) or (n_samples, T, N, C), float32
            In the units of the windows that it was fitted on.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `n_samples` is not positive.
        """
        check_is_fitted(self, "generator_")
        n_samples = check_integer(n_samples, "n_samples")
        rng = rng_from(self.random_state if random_state is None else random_state, _SAMPLE)
        return self._unfold(self._draw(self.generator_, n_samples, rng))

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
        step = int(np.clip(_CHECK_VALUES // np.prod(X.shape[1:]), 1, 256))
        with torch.no_grad():
            values = [
                to_numpy(self.critic_(self._batch(X, np.arange(i, min(i + step, X.shape[0])))))
                for i in range(0, X.shape[0], step)
            ]
        return np.concatenate(values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the fitted model, its training state included, as one safetensors file.

        Parameters
        ----------
        path : str or path-like
            File to write.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        """
        check_is_fitted(self, "generator_")
        params = self.get_params(deep=False)
        if not (params["random_state"] is None or isinstance(params["random_state"], int)):
            params["random_state"] = self.seed_  # a generator object cannot be written down
        header = {
            "class": type(self).__name__,
            "calgan_version": calgan.__version__,
            "params": {key: _plain(value) for key, value in params.items()},
            "settings": dataclasses.asdict(self.settings_),
            "fitted": {name: getattr(self, name) for name in _FITTED},
            "state": {k: self._checkpoint[k] for k in _CHECKPOINT_NUMBERS},
        }
        tensors = {
            "kept": self.generator_.state_dict(),
            "weights": self._checkpoint["weights"],
            "optimizers": self._checkpoint["optimizers"],
        }
        write_model(path, header, tensors)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CalciumGAN:
        """Load a model saved by `save`.

        Parameters
        ----------
        path : str or path-like
            File written by `save`.

        Returns
        -------
        CalciumGAN
            Fitted; it draws the same samples and can go on training.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is no model of this class.
        """
        header, tensors = read_model(path, cls.__name__)
        try:
            model = cls(**header["params"])
            settings = dict(header["settings"], betas=tuple(header["settings"]["betas"]))
            model.settings_ = Recipe(**settings)
            for name in _FITTED:
                setattr(model, name, header["fitted"][name])
            model.trained_statistics_ = tuple(model.trained_statistics_)
            model.generator_, model.critic_ = model._build_networks()
            model.generator_.load_state_dict(tensors["kept"])
            model.critic_.load_state_dict(tensors["weights"]["critic"])
            model._checkpoint = {
                **header["state"],
                "weights": tensors["weights"],
                "optimizers": {
                    name: {int(index): moments for index, moments in states.items()}
                    for name, states in tensors.get("optimizers", {}).items()
                },
            }
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise ValueError(f"{path} is a damaged model file of calgan: {error}.") from error
        for module in (model.generator_, model.critic_):
            module.eval().requires_grad_(False)
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    # ------------------------------------------------------------------ the ladder of fit

    def _start(self, X: Any, go_on: bool) -> Recipe:
        """Validate parameters and windows; forget the last training unless it goes on."""
        settings = self._resolve()
        make_fabric(self.device, self.precision)  # fails before any work is lost
        if X.shape[0] < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 windows to train on, got {X.shape[0]}: "
                "use a shorter window or a smaller stride."
            )
        frame_rate = getattr(X, "frame_rate", None)
        if self.frame_rate is not None:
            given = check_frame_rate(self.frame_rate)
            if frame_rate is not None and not math.isclose(given, frame_rate, rel_tol=1e-3):
                raise ValueError(
                    f"X was recorded at {frame_rate:g} Hz, but {type(self).__name__} has "
                    f"frame_rate={given:g}; leave it None, or correct one of them."
                )
            frame_rate = given
        if go_on:
            self._check_shape(X)
            self._check_networks(settings)
        else:
            self.n_features_in_ = int(X.shape[2])
            self.n_frames_in_ = int(X.shape[1])
            self.n_channels_in_ = int(X.shape[3]) if len(X.shape) == 4 else None
            self.seed_ = as_seed(self.random_state)
            self._forget()
        self.settings_ = settings
        self.frame_rate_ = frame_rate
        matches = settings.matching > 0 and self.n_channels_in_ is None
        self.trained_statistics_: tuple[str, ...] = objectives.MATCHED_STATISTICS if matches else ()
        return settings

    def _forget(self) -> None:
        for name in ("generator_", "critic_", "history_", "n_iter_", "_checkpoint"):
            if hasattr(self, name):
                delattr(self, name)

    def _resolve(self) -> Recipe:
        """Return the recipe with the parameters that override it, all checked."""
        recipe = get_recipe(self.recipe, self.architecture)
        names = {f.name for f in dataclasses.fields(Recipe)} - {"name", "architecture"}
        params = self.get_params(deep=False)
        given = {k: _plain(v) for k, v in params.items() if k in names and v is not None}
        settings = dataclasses.replace(recipe, **given)
        minima = {"batch_size": 2, "filters": 1, "noise_size": 1, "phase_shuffle": 0, "n_critic": 1}
        for name, minimum in minima.items():
            check_integer(getattr(settings, name), name, minimum=minimum)
        if settings.max_iter is not None:
            check_integer(settings.max_iter, "max_iter", minimum=1)
        for name in ("n_iter_no_change", "check_every"):
            check_integer(getattr(self, name), name)
        check_real("learning_rate", settings.learning_rate, above=0)
        check_real("critic_learning_rate", settings.critic_learning_rate, above=0)
        check_real("gradient_penalty", settings.gradient_penalty, least=0)
        check_real("adversarial", settings.adversarial, least=0)
        check_real("matching", settings.matching, least=0)
        check_real("ema", settings.ema, least=0, below=1)
        check_real("validation_fraction", settings.validation_fraction, least=0, below=1)
        if self.max_time is not None:
            check_real("max_time", self.max_time, above=0)
        return settings

    def _train(self, X: Any, max_iter: int) -> None:
        settings = self.settings_
        fabric = make_fabric(self.device, self.precision)
        train, held_out = split_in_time(X, settings.validation_fraction)
        reference = self._reference(X, train)
        state = self._build_state(reference, fabric)
        match = self._make_matching(reference, fabric.device) if settings.matching > 0 else None
        former = getattr(self, "validation_floor_", None)
        self.validation_floor_: dict[str, float] = {}
        check = self._make_check(X, held_out, reference, state) if len(held_out) else None
        if state.step and self.validation_floor_ != former:  # other windows: scores do not compare
            state.forget_best()

        step = AdversarialSteps(
            settings,
            state,
            fabric,
            train,
            batch=lambda indices: self._batch(X, indices),
            match=match,
            rng_of_step=lambda number: rng_from(self.seed_, _TRAIN, number),
        )
        patience = max(1, self.n_iter_no_change // self.check_every)
        self.stopped_ = run_training(
            state,
            step,
            max_iter=max_iter,
            max_time=self.max_time,
            check=check,
            check_every=self.check_every,
            patience=patience if settings.early_stopping else None,
            verbose=self.verbose,
            description=f"CalciumGAN ({settings.name})",
        )
        self.best_iter_, weights = final_weights(state, check, self.check_every)
        self._keep(state, weights)

    def _reference(self, X: Any, train: NDArray[np.intp]) -> NDArray[np.float32]:
        """Gather real windows (m, T, F), spread over the training windows, for the statistics."""
        limit = max(16, _STATISTICS_VALUES // int(np.prod(X.shape[1:])))
        reference = self._fold(gather(X, spread(train, limit)))
        if self.settings_.architecture != "calcium":
            low, high = float(reference.min()), float(reference.max())
            if low < -1e-3 or high > 1 + 1e-3:
                raise ValueError(
                    f"architecture={self.settings_.architecture!r} ends in a sigmoid and needs "
                    "windows scaled to [0, 1], "
                    f"got values from {low:.4g} to {high:.4g}: put a MinMaxScaler before it (as "
                    "make_calcium_pipeline does)."
                )
        silent = np.flatnonzero(np.ptp(reference, axis=(0, 1)) == 0)
        if len(silent) and not hasattr(self, "generator_"):
            names = ", ".join(map(str, silent[:5])) + (", ..." if len(silent) > 5 else "")
            warnings.warn(
                f"{len(silent)} of {reference.shape[2]} features are constant in the training "
                f"windows (index {names}): silent neurons teach the network nothing, so drop them, "
                "e.g. with Recording.select.",
                UserWarning,
                stacklevel=4,
            )
        self.fingerprint_ = hashlib.sha256(reference.tobytes()).hexdigest()
        return reference

    def _make_matching(
        self, reference: NDArray[np.float32], device: torch.device
    ) -> Callable[[Tensor], Tensor]:
        units = Standardiser.of(reference).to(device)
        targets = objectives.matching_targets(units.standardise(to_tensor(reference, device)))

        def match(windows: Tensor) -> Tensor:
            terms = objectives.statistics_matching(units.standardise(windows), targets)
            return torch.stack(list(terms.values())).sum()

        return match

    def _build_networks(self) -> tuple[nn.Module, nn.Module]:
        """Build the two networks for the windows' shape, not yet initialised from the seed."""
        with preserved_rng():
            return build_networks(
                self.settings_,
                self.n_frames_in_,
                self.n_features_in_,
                self.n_channels_in_,
            )

    def _build_state(self, reference: NDArray[np.float32], fabric: Any) -> TrainingState:
        """Build networks and optimisers, fresh from the seed or as the last call left them."""
        s = self.settings_
        generator: Any
        critic: Any
        generator, critic = self._build_networks()
        checkpoint = getattr(self, "_checkpoint", None)
        if checkpoint is None:
            seeds = rng_from(self.seed_, _INIT).integers(2**62, size=2)
            seeded_init(generator, int(seeds[0]))
            seeded_init(critic, int(seeds[1]))
            if isinstance(generator, CalciumGenerator) and isinstance(critic, CompactCritic):
                units = Standardiser.of(reference)
                for network in (generator, critic):
                    network.units.load_state_dict(units.state_dict())
                generator.start_from(units.standardise(to_tensor(reference)))
        fabric.to_device(generator)
        fabric.to_device(critic)
        averaged = generator
        if s.ema > 0:
            averaged = copy_on_cpu(generator)
            fabric.to_device(averaged)
        groups = generator.parameter_groups(s.learning_rate)
        optimizers: dict[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(groups, s.learning_rate, betas=s.betas),
            "critic": torch.optim.Adam(critic.parameters(), s.critic_learning_rate, betas=s.betas),
        }
        state = TrainingState(
            modules={"generator": generator, "critic": critic},
            optimizers=optimizers,
            averaged=averaged,
            precision=fabric.strategy.precision,
        )
        if checkpoint is not None:
            state.resume(checkpoint, self.history_)
        state.optimizers = {k: fabric.setup_optimizers(v) for k, v in optimizers.items()}
        return state

    def _make_check(
        self,
        X: Any,
        held_out: NDArray[np.intp],
        reference: NDArray[np.float32],
        state: TrainingState,
    ) -> Check:
        """Return a function that compares samples of the current generator with held-out windows.

        They come from the same noise at every check, so that the weights alone change.
        """
        limit = min(_CHECK_WINDOWS, max(8, _CHECK_VALUES // reference[0].size))
        real = self._fold(gather(X, spread(held_out, limit)))
        some = reference[spread(np.arange(len(reference)), 4 * limit)]
        frame_rate = self.frame_rate_ if self.n_channels_in_ is None else None
        tracker = Tracker(real, some, frame_rate)
        self.validation_floor_ = tracker.floor

        def check() -> tuple[float, dict[str, float]]:
            samples = self._draw(state.averaged, len(real), rng_from(self.seed_, _CHECK))
            if not np.isfinite(samples).all():
                return math.inf, {"val_score": math.inf}
            return tracker.score(samples)

        return check

    # ------------------------------------------------------------------ between fits

    def _keep(self, state: TrainingState, weights: dict[str, Tensor]) -> None:
        """Keep plain modules on the CPU, and what resuming needs as plain tensors."""
        self._checkpoint = state.checkpoint()
        self.generator_ = copy_on_cpu(state.modules["generator"])
        self.generator_.load_state_dict(weights)
        self.critic_ = copy_on_cpu(state.modules["critic"])
        self.history_ = state.history
        self.n_iter_ = state.step

    @torch.no_grad()
    def _draw(
        self, generator: Any, n_samples: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        size = int(generator.noise_size)
        device = next(generator.parameters()).device
        per_window = size + self.n_frames_in_ * self.n_features_in_
        step = int(np.clip(_CHECK_VALUES // per_window, 1, 256))
        return np.concatenate(
            [
                to_numpy(generator(noise(rng, min(step, n_samples - i), size).to(device)))
                for i in range(0, n_samples, step)
            ]
        )

    def _check_shape(self, X: Any) -> None:
        check_n_neurons(int(X.shape[2]), self)
        channels = int(X.shape[3]) if len(X.shape) == 4 else None
        if X.shape[1] != self.n_frames_in_ or channels != self.n_channels_in_:
            axes = (self.n_frames_in_, self.n_features_in_, self.n_channels_in_)
            raise ValueError(
                f"Windows have shape {tuple(X.shape[1:])}, but this {type(self).__name__} was "
                f"fitted on windows of shape {tuple(n for n in axes if n is not None)}: cut and "
                "encode them alike."
            )

    def _check_networks(self, settings: Recipe) -> None:
        for name in ("architecture", *ARCHITECTURES["calcium"]):
            if name == "phase_shuffle":  # no weight's shape depends on it
                continue
            old, new = getattr(self.settings_, name), getattr(settings, name)
            if old != new:
                raise ValueError(
                    f"Training goes on with the networks it has, but {name} changed from {old!r} "
                    f"to {new!r}: call fit with warm_start=False to start again."
                )

    def _batch(self, X: Any, indices: NDArray[np.intp]) -> Tensor:
        return to_tensor(self._fold(gather(X, indices)))

    @staticmethod
    def _fold(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Treat the channels of an encoding as further features: (m, T, N, C) -> (m, T, N C)."""
        return windows.reshape(*windows.shape[:2], -1)

    def _unfold(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.n_channels_in_ is None:
            return windows
        return windows.reshape(*windows.shape[:2], self.n_features_in_, self.n_channels_in_)


_CHECKPOINT_NUMBERS = ("best_score", "best_step", "final_check", "loss_scale")
_FITTED = (
    "n_features_in_",
    "n_frames_in_",
    "n_channels_in_",
    "seed_",
    "frame_rate_",
    "trained_statistics_",
    "validation_floor_",
    "history_",
    "n_iter_",
    "best_iter_",
    "stopped_",
    "fingerprint_",
)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
