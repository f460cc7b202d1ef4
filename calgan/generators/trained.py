"""What generators that train networks share: from windows to a model that is kept."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import math
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

import calgan
from calgan.data.validation import (
    as_seed,
    check_integer,
    check_n_neurons,
    check_real,
    check_windows,
    common_frame_rate,
    rng_from,
)
from calgan.data.windows import gather
from calgan.generators.base import SamplingMixin
from calgan.generators.files import read_model, write_model
from calgan.generators.fit_check import check_fit, progress, warn_of_constant
from calgan.generators.monitor import MIN_HELD_OUT, Tracker, split_in_time, spread
from calgan.training.devices import noise, to_numpy, to_tensor
from calgan.training.loop import (
    Check,
    TrainingState,
    clock,
    copy_on_cpu,
    final_weights,
    make_fabric,
    run_training,
)

# Independent uses of one seed.
_INIT, _TRAIN, _CHECK, _SAMPLE, _SUMMARY = range(5)
_STATISTICS_VALUES = 16_000_000  # real values that the statistics are computed from (64 MB)
_CHECK_VALUES = 8_000_000
_CHECK_WINDOWS = 128
_WARN_FROM = 100  # steps; samples after fewer need not match


class TrainedGenerator(SamplingMixin, ABC, BaseEstimator):
    """A generator of windows whose networks are trained step by step.

    A subclass has the parameters ``max_iter``, ``max_time``, ``frame_rate``, ``device``,
    ``precision``, ``warm_start``, ``verbose``, ``check_every``, ``n_iter_no_change`` and
    ``random_state``, settings (a dataclass that its parameters resolve to), networks, and a step.
    What is here is the rest: validation, the split in time, tracking, resuming, sampling, files.

    A copy trains, and the generator takes over all that the copy has learnt, at once, when it is
    done: an error before or in training leaves the former model as it was.

    See Also
    --------
    calgan.CalciumGAN : Trained against a critic.
    calgan.CalciumFlow : Trained by flow matching.

    Examples
    --------
    >>> from calgan import CalciumFlow, CalciumGAN
    >>> [issubclass(generator, TrainedGenerator) for generator in (CalciumFlow, CalciumGAN)]
    [True, True]
    """

    _settings_class: ClassVar[type]
    # Settings that the networks' shapes depend on: training cannot go on once they change.
    _widths: ClassVar[tuple[str, ...]]

    n_features_in_: int
    n_frames_in_: int
    n_channels_in_: int | None
    generator_: nn.Module
    trained_statistics_: tuple[str, ...]
    validation_baseline_: dict[str, float]
    fit_summary_: dict[str, list[Any]]
    # The parameters that every subclass has.
    max_time: float | None
    n_iter_no_change: int
    check_every: int
    frame_rate: float | None
    device: str
    precision: str
    warm_start: bool
    verbose: int | None
    random_state: Any

    # ------------------------------------------------------------------ what a subclass says

    @abstractmethod
    def _resolve(self) -> Any:
        """Return the settings that the parameters stand for, all checked."""

    @abstractmethod
    def _build_networks(self) -> dict[str, nn.Module]:
        """Build the networks for the windows' shape, "generator" among them."""

    @abstractmethod
    def _initialise(self, modules: dict[str, Any], reference: NDArray[np.float32]) -> None:
        """Give fresh networks their first weights, from the seed and real windows (m, T, F)."""

    @abstractmethod
    def _make_optimizers(self, modules: dict[str, Any]) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers of the networks."""

    @abstractmethod
    def _make_step(
        self,
        X: Any,
        train: NDArray[np.intp],
        reference: NDArray[np.float32],
        state: TrainingState,
        fabric: Any,
    ) -> Callable[[int], dict[str, float]]:
        """Return what takes the step of a number and returns its row of the history."""

    def _matched_statistics(self, settings: Any) -> tuple[str, ...]:
        """Return the statistics that the objective trains on."""
        return ()

    def _check_reference(self, reference: NDArray[np.float32]) -> None:
        """Refuse windows (m, T, F) in units that the networks cannot give back."""

    # ------------------------------------------------------------------ public verbs

    def fit(self, X: Any, y: Any = None) -> Self:
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

        Warns
        -----
        UserWarning
            If some neurons are constant; if `validation_fraction` of the windows cannot be held
            out; if training, or the check at its end, is interrupted.
        calgan.generators.fit_check.FitWarning
            If samples do not match the training windows (see `fit_summary_`) after 100 steps or
            more.
        sklearn.exceptions.ConvergenceWarning
            If training diverges: losses or weights are no longer finite numbers, or the loss ends
            far above where it began.

        Notes
        -----
        A call that fails leaves a former model as it was. So does Ctrl-C while windows are
        read; later it keeps what was learnt.
        """
        started = clock()
        X = check_windows(X, estimator=type(self).__name__)
        learner = self._learner(X, self.warm_start and hasattr(self, "generator_"))
        settings = learner.settings_
        max_iter = settings.max_iter
        if max_iter is None:
            max_iter = (settings.epochs or 1) * math.ceil(X.shape[0] / settings.batch_size)
        learner._train(X, max_iter, started)
        return self._keep(learner)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
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

        Notes
        -----
        `fit_summary_` is renewed, without a warning of samples that do not match.
        """
        started = clock()
        X = check_windows(X, estimator=type(self).__name__)
        learner = self._learner(X, hasattr(self, "generator_"))
        steps = math.ceil(X.shape[0] / learner.settings_.batch_size)
        learner._train(X, getattr(learner, "n_iter_", 0) + steps, started, warn=False)
        return self._keep(learner)

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
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a model saved by `save`.

        Parameters
        ----------
        path : str or path-like
            File written by `save`.

        Returns
        -------
        TrainedGenerator
            Of the class it is called on, fitted: it can go on training, and draws the same samples
            from the same seed (with ``random_state=None``, anew each time, as before).

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
            model.settings_ = cls._settings_class(**settings)
            for name in _FITTED:
                setattr(model, name, header["fitted"][name])
            model.trained_statistics_ = tuple(model.trained_statistics_)
            modules = model._build_networks()
            for name, module in modules.items():
                weights = tensors["kept"] if name == "generator" else tensors["weights"][name]
                module.load_state_dict(weights)
                setattr(model, f"{name}_", module.eval().requires_grad_(False))
            model._checkpoint = {
                **header["state"],
                "weights": tensors["weights"],
                "optimizers": {
                    name: {int(index): moments for index, moments in states.items()}
                    for name, states in tensors.get("optimizers", {}).items()
                },
            }
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise ValueError(
                f"{path} is a damaged model file of calgan, or one of another version: {error}"
            ) from error
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    # ------------------------------------------------------------------ the ladder of fit

    def _learner(self, X: Any, go_on: bool) -> Self:
        """Validate parameters and windows; return a copy to train, untrained unless it goes on."""
        settings = self._resolve()
        make_fabric(self.device, self.precision)  # fails before any work is lost
        if X.shape[0] < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 windows to train on, got {X.shape[0]}: "
                "use a shorter window or a smaller stride."
            )
        frame_rate = common_frame_rate(
            {"frame_rate": self.frame_rate, "X": getattr(X, "frame_rate", None)}
        )
        learner = copy.copy(self)
        if go_on:
            self._check_shape(X)
            self._check_networks(settings)
        else:
            for name in [n for n in vars(learner) if n.endswith("_") or n == "_checkpoint"]:
                delattr(learner, name)
            learner.n_features_in_ = int(X.shape[2])
            learner.n_frames_in_ = int(X.shape[1])
            learner.n_channels_in_ = int(X.shape[3]) if len(X.shape) == 4 else None
            learner.seed_ = as_seed(self.random_state)
        learner.settings_ = settings
        learner.frame_rate_ = frame_rate
        learner.trained_statistics_ = learner._matched_statistics(settings)
        return learner

    def _keep(self, learner: Self) -> Self:
        """Become a copy that has been trained: the only place where a fit changes the generator."""
        self.__dict__ = learner.__dict__  # one assignment: not even Ctrl-C leaves half of it
        return self

    def _check_training_parameters(self, settings: Any) -> None:
        """Check what the settings and parameters of all trained generators have in common."""
        check_integer(settings.batch_size, "batch_size", minimum=2)
        if settings.max_iter is not None:
            check_integer(settings.max_iter, "max_iter", minimum=1)
        for name in ("n_iter_no_change", "check_every"):
            check_integer(getattr(self, name), name)
        check_real("learning_rate", settings.learning_rate, above=0)
        check_real("ema", settings.ema, least=0, below=1)
        check_real("validation_fraction", settings.validation_fraction, least=0, below=1)
        if self.max_time is not None:
            check_real("max_time", self.max_time, above=0)
        if not (self.verbose is None or isinstance(self.verbose, (bool, np.bool_))):
            check_integer(self.verbose, "verbose", minimum=0)

    def _given(self, settings: Any) -> dict[str, Any]:
        """Return the parameters that are not None and override one of the settings."""
        names = {field.name for field in dataclasses.fields(settings)}
        params = self.get_params(deep=False)
        return {k: _plain(v) for k, v in params.items() if k in names and v is not None}

    def _step_rng(self, number: int) -> np.random.Generator:
        return rng_from(self.seed_, _TRAIN, number)

    def _init_seeds(self, n: int) -> list[int]:
        return [int(seed) for seed in rng_from(self.seed_, _INIT).integers(2**62, size=n)]

    def _train(self, X: Any, max_iter: int, started: float, *, warn: bool = True) -> None:
        settings = self.settings_
        name = f"{type(self).__name__} ({settings.name})"
        with progress(self.verbose, f"{name}: reading windows"):
            fabric = make_fabric(self.device, self.precision)
            train, held_out = split_in_time(X, settings.validation_fraction)
            reference = self._reference(X, train)
            state = self._build_state(reference, fabric)
            former = getattr(self, "validation_baseline_", None)
            self.validation_baseline_ = {}
            check = self._make_check(X, held_out, reference, state) if len(held_out) else None
            if check is None and settings.validation_fraction > 0 and former != {}:  # not told yet
                self._warn_that_nothing_is_tracked(X.shape[0], len(held_out))
            if state.step and self.validation_baseline_ != former:  # other windows, other scores
                state.forget_best()
            step = self._make_step(X, train, reference, state, fabric)
        patience = math.ceil(self.n_iter_no_change / self.check_every)
        self.stopped_ = run_training(
            state,
            step,
            max_iter=max_iter,
            max_time=self.max_time,
            started=started,
            check=check,
            check_every=self.check_every,
            patience=patience if settings.early_stopping else None,
            verbose=self.verbose,
            description=f"{name}: training",
        )
        with progress(self.verbose, f"{name}: choosing the best state"):
            self.best_iter_, weights = final_weights(state, check, self.check_every)
        # Plain modules on the CPU, and what resuming needs as plain tensors.
        self._checkpoint = state.checkpoint()
        for key, module in state.modules.items():
            setattr(self, f"{key}_", copy_on_cpu(module))
        self.generator_.load_state_dict(weights)
        self.history_ = state.history
        self.n_iter_ = state.step
        self._check_fit(X, train, warn=warn and self.n_iter_ >= _WARN_FROM)

    def _check_fit(self, X: Any, train: NDArray[np.intp], *, warn: bool) -> None:
        """Compare samples with training windows; Ctrl-C ends this, and the model is kept."""
        self.fit_summary_ = check_fit(
            X,
            lambda n: self._draw(self.generator_, n, rng_from(self.seed_, _SUMMARY)),
            type(self).__name__,
            indices=train,
            frame_rate=self.frame_rate_,
            verbose=self.verbose,
            warn=warn,
            stacklevel=5,
        )
        if self.n_channels_in_ is None and not self.fit_summary_:
            self.stopped_ = "interrupted"

    def _warn_that_nothing_is_tracked(self, n_windows: int, n_held_out: int) -> None:
        fraction = self.settings_.validation_fraction
        if n_held_out:
            why = f"the last {n_held_out} windows, held out to compare samples with, are constant"
            remedy = "choose another validation_fraction"
        elif round(fraction * n_windows) < MIN_HELD_OUT:
            why = f"of {n_windows} windows it is too few to compare with ({MIN_HELD_OUT} at least)"
            remedy = "cut more windows (a smaller stride), raise it"
        else:
            why = (
                f"of {n_windows} windows it leaves fewer than 2 to train on that do not overlap it"
            )
            remedy = "use a longer recording or shorter windows, lower it"
        warnings.warn(
            f"validation_fraction={fraction:g} has no effect, since {why}: {type(self).__name__} "
            f"tracks nothing, does not stop early and keeps its last state; {remedy}, or set it to "
            "0 to train on all windows without this warning.",
            UserWarning,
            stacklevel=4,
        )

    def _reference(self, X: Any, train: NDArray[np.intp]) -> NDArray[np.float32]:
        """Gather real windows (m, T, F), spread over the training windows, for the statistics."""
        limit = max(16, _STATISTICS_VALUES // int(np.prod(X.shape[1:])))
        reference = self._fold(gather(X, spread(train, limit)))
        self._check_reference(reference)
        if not hasattr(self, "generator_"):
            warn_of_constant(np.ptp(reference, axis=(0, 1)) == 0, stacklevel=5)
        self.fingerprint_ = hashlib.sha256(reference.tobytes()).hexdigest()
        return reference

    def _build_state(self, reference: NDArray[np.float32], fabric: Any) -> TrainingState:
        """Build networks and optimisers, fresh from the seed or as the last call left them."""
        s = self.settings_
        modules = self._build_networks()
        checkpoint = getattr(self, "_checkpoint", None)
        if checkpoint is None:
            self._initialise(modules, reference)
        for module in modules.values():
            fabric.to_device(module)
        averaged = modules["generator"]
        if s.ema > 0:
            averaged = copy_on_cpu(averaged)
            fabric.to_device(averaged)
        optimizers = self._make_optimizers(modules)
        state = TrainingState(
            modules=modules,
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
    ) -> Check | None:
        """Return a function that compares samples of the current generator with held-out windows.

        They come from the same noise at every check, so that the weights alone change. None, if
        the held-out windows are constant and there is nothing to compare.
        """
        limit = min(_CHECK_WINDOWS, max(8, _CHECK_VALUES // reference[0].size))
        real = self._fold(gather(X, spread(held_out, limit)))
        some = reference[spread(np.arange(len(reference)), 4 * limit)]
        frame_rate = self.frame_rate_ if self.n_channels_in_ is None else None
        tracker = Tracker(real, some, frame_rate)
        if not tracker.baseline:
            return None
        self.validation_baseline_ = tracker.baseline

        def check() -> tuple[float, dict[str, float]]:
            samples = self._draw(state.averaged, len(real), rng_from(self.seed_, _CHECK))
            if not np.isfinite(samples).all():
                return math.inf, {"val_score": math.inf}
            return tracker.score(samples)

        return check

    # ------------------------------------------------------------------ between fits

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

    def _check_networks(self, settings: Any) -> None:
        for name in self._widths:
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
    "validation_baseline_",
    "history_",
    "n_iter_",
    "best_iter_",
    "stopped_",
    "fingerprint_",
    "fit_summary_",
)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
