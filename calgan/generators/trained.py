"""Generators that train networks: from windows to a model that is kept."""

from __future__ import annotations

import copy
import hashlib
import math
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from torch import nn

from calgan.data.progress import progress
from calgan.data.validation import (
    as_seed,
    check_boolean,
    check_integer,
    check_n_neurons,
    check_real,
    check_windows,
    common_frame_rate,
    refuse_target,
    rng_from,
)
from calgan.data.windows import frames_used, gather
from calgan.generators.base import SamplingMixin
from calgan.generators.checkpoints import Checkpoint
from calgan.generators.docstrings import ATTRIBUTES, PARAMETERS
from calgan.generators.fit_check import check_fit, warn_of_constant
from calgan.generators.monitor import Tracker, split_in_time, spread, warn_of_no_tracking
from calgan.generators.settings import TrainingSettings
from calgan.io.model_files.saving import SavingMixin
from calgan.training.checkpoints import as_tensors, checked_tensors
from calgan.training.devices import cpu_state, make_fabric, noise, to_numpy, to_tensor
from calgan.training.interrupts import uninterrupted
from calgan.training.logs import check_log, logged
from calgan.training.loop import (
    Check,
    Steps,
    TrainingState,
    clock,
    copy_on_cpu,
    final_weights,
    loss_has_risen,
    run_training,
)
from calgan.training.processes import check_devices, together
from calgan.training.ranks import Place, Ranks

# Independent uses of one seed.
_INIT, _TRAIN, _CHECK, _SUMMARY = 0, 1, 2, 4  # 3: `SamplingMixin`'s windows
_STATISTICS_VALUES = 16_000_000  # real values that the statistics are computed from (64 MB)
_CHECK_VALUES = 8_000_000
_CHECK_WINDOWS = 128
_CHECK_PAIRS = 16_000_000  # of neurons, in all windows of a check: 128 MB as float64
_WARN_FROM = 100  # steps; samples after fewer need not match


class _Fitted:
    n_features_in_: int
    n_frames_in_: int
    n_channels_in_: int | None
    units_: str | None
    roi_ids_: NDArray[Any] | None
    settings_: Any
    encoding_: Pipeline
    generator_: nn.Module
    validation_baseline_: dict[str, float]
    fit_summary_: dict[str, list[Any]]


# A dataclass: the fields are the parameters of the constructor, declared once for all subclasses.
@dataclass(eq=False, repr=False, kw_only=True)
class TrainedGenerator(_Fitted, SamplingMixin, SavingMixin, ABC, BaseEstimator):
    """A generator of windows whose networks are trained step by step.

    A subclass has settings, an encoding of windows, networks, and a step. The rest is shared:
    validation, the split in time, tracking, resuming, sampling, files.

    A copy trains, and the generator takes over all that the copy has learnt, at once, when it is
    done: an error before or in training leaves the former model as it was.
    """

    max_iter: int | None = None
    max_time: float | None = None
    batch_size: int | None = None
    filters: int | None = None
    learning_rate: float | None = None
    validation_fraction: float | None = None
    frame_rate: float | None = None
    device: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    warm_start: bool = False
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: float = 300.0
    log: str | os.PathLike[str] | None = None
    verbose: int | None = None
    random_state: Any = None
    settings: dict[str, Any] | None = None

    # Settings that the networks' shapes depend on: training cannot go on once they change.
    _widths: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        doc = (cls.__doc__ or "").replace("\n    {parameters}\n", PARAMETERS)
        cls.__doc__ = doc.replace("\n    {attributes}\n", ATTRIBUTES)

    # ------------------------------------------------------------------ what a subclass says

    @abstractmethod
    def _default_settings(self) -> TrainingSettings:
        """Return the settings that parameters override."""

    @abstractmethod
    def _steps(self) -> Pipeline:
        """Return the steps, not fitted, that bring windows to what the network learns."""

    @abstractmethod
    def _build_networks(self) -> dict[str, nn.Module]:
        """Build the networks for the shape of encoded windows, "generator" among them."""

    @abstractmethod
    def _initialise(self, modules: dict[str, Any], reference: NDArray[np.float32]) -> None:
        """Give fresh networks their first weights, from the seed and real windows (m, T, F)."""

    @abstractmethod
    def _make_optimizers(self, modules: dict[str, Any]) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers of the networks."""

    @abstractmethod
    def _make_step(self, reference: NDArray[np.float32], **parts: Any) -> Steps:
        """Return what takes a step, of the parts that all `Steps` have."""

    @property
    def trained_statistics_(self) -> tuple[str, ...]:
        """Statistics that the objective trains on."""
        return ()

    # ------------------------------------------------------------------ public verbs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on windows.

        Parameters
        ----------
        X : WindowView or array-like of shape (M, T, N) or (M, T, N, C)
            Windows; channels of an encoding are treated as further features.
        y : None
            It is refused: there is nothing to learn from it.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is a 2-D recording, holds NaN or inf, has too few windows, or windows that are too
            short or that the network cannot halve often enough; if a parameter or setting is out of
            range; if the file `checkpoint` holds another training, or no model.
        OSError
            If the files `checkpoint` and `log` cannot be written when training begins.
        ImportError
            If `log` is a folder, and TensorBoard is not installed.

        Warns
        -----
        UserWarning
            If some neurons are constant; if `validation_fraction` of the windows cannot be held
            out; if training, or the check at its end, is interrupted; if a checkpoint or the log
            could not be written (once: training goes on).
        FitWarning
            If samples do not match the training windows after 100 steps (see `fit_summary_`).
        sklearn.exceptions.ConvergenceWarning
            If training diverges (see `stopped_`), or did so in the checkpoint taken up.

        Notes
        -----
        A call that fails leaves a former model as it was. So does Ctrl-C while a single process
        reads windows; later it keeps what was learnt.
        """
        started = clock()
        refuse_target(y, self)
        X = check_windows(X, estimator=type(self).__name__)
        go_on = check_boolean(self.warm_start, "warm_start") and hasattr(self, "generator_")
        learner = self._learner(X, go_on)
        settings = learner.settings_
        max_iter = settings.max_iter
        if max_iter is None:
            max_iter = (settings.epochs or 1) * math.ceil(X.shape[0] / settings.batch_size)
        file = Checkpoint.of(self)
        if file is not None:
            learner = file.taken_up(learner, max_iter)
        train = learner._train if self.devices == 1 else learner._train_together
        return self._keep(train(X, max_iter, started, file))

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Go on training for one pass over windows, from where the last call ended.

        Parameters
        ----------
        X : WindowView or array-like of shape (M, T, N) or (M, T, N, C)
            Windows, shaped like those of earlier calls.
        y : None
            It is refused: there is nothing to learn from it.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As for `fit`, if the windows' shape differs from that of earlier calls, and if the file
            `checkpoint` is not an earlier state of this generator.

        Notes
        -----
        `fit_summary_` is renewed, without a warning of samples that do not match.
        """
        started = clock()
        refuse_target(y, self)
        X = check_windows(X, estimator=type(self).__name__)
        learner = self._learner(X, hasattr(self, "generator_"))
        steps = math.ceil(X.shape[0] / learner.settings_.batch_size)
        file = Checkpoint.of(self)
        if file is not None:
            file.check_former(learner)
        max_iter = getattr(learner, "n_iter_", 0) + steps
        train = learner._train if self.devices == 1 else learner._train_together
        return self._keep(train(X, max_iter, started, file, warn=False))

    def __sklearn_clone__(self) -> Self:
        """Refuse a clone that would write to the same files."""
        for name in ("checkpoint", "log"):
            if (path := getattr(self, name)) is not None:
                raise ValueError(
                    f"{type(self).__name__}({name}={str(path)!r}) cannot be cloned, for a search "
                    f"or another training: clones would all write to that file. Set {name}=None, "
                    "and name a file again for the one that is fitted last."
                )
        return super().__sklearn_clone__()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    # ------------------------------------------------------------------ the ladder of fit

    def _learner(self, X: Any, go_on: bool) -> Self:
        """Validate parameters and windows; return a copy to train, untrained unless it goes on."""
        params = self.get_params(deep=False)
        settings = self._default_settings().overridden(params, self.settings, type(self).__name__)
        if self.max_time is not None:
            check_real("max_time", self.max_time, above=0)
        if not (self.verbose is None or isinstance(self.verbose, (bool, np.bool_))):
            check_integer(self.verbose, "verbose", minimum=0)
        make_fabric(self.device, self.precision)  # fails before any work is lost
        check_devices(self.devices, self.device)
        check_log(self.log)
        if X.shape[0] < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 windows to train on, got {X.shape[0]}: "
                "use a shorter window or a smaller stride."
            )
        n_train = len(split_in_time(X, settings.validation_fraction)[0])
        settings.check_shared(self.devices, n_train, type(self).__name__)
        frame_rate = common_frame_rate(
            {"frame_rate": self.frame_rate, "X": getattr(X, "frame_rate", None)}
        )
        learner = copy.copy(self) if go_on else self._unfitted()
        if go_on:
            self._check_shape(X)
            self._check_networks(settings)
        else:
            learner.n_features_in_ = int(X.shape[2])
            learner.n_frames_in_ = int(X.shape[1])
            learner.n_channels_in_ = int(X.shape[3]) if len(X.shape) == 4 else None
            learner.seed_ = as_seed(self.random_state)
        learner.settings_ = settings
        learner.frame_rate_ = frame_rate
        learner.units_, learner.roi_ids_ = getattr(X, "units", None), getattr(X, "roi_ids", None)
        learner._frames_used_ = frames_used(X)
        return learner

    def _keep(self, learner: Self) -> Self:
        """Become a copy that has been trained: the only place where a fit changes the generator."""
        self.__dict__ = learner.__dict__  # one assignment: not even Ctrl-C leaves half of it
        return self

    def _init_seeds(self, n: int) -> list[int]:
        return [int(seed) for seed in rng_from(self.seed_, _INIT).integers(2**62, size=n)]

    def _train_together(self, *arguments: Any, **options: Any) -> Self:
        """Train in several processes; return what was trained."""
        params = self.get_params(deep=False)
        learner = together(self.devices, partial(self._train, *arguments, **options))
        learner.__dict__.update(params)  # the objects themselves, and no copies
        return learner

    def _train(
        self,
        X: Any,
        max_iter: int,
        started: float,
        file: Checkpoint | None,
        *,
        warn: bool = True,
        place: Place | None = None,
    ) -> Self:
        ranks = Ranks(fabric := make_fabric(self.device, self.precision, place), place)
        self.__dict__.update(
            ranks.of_first(self.__dict__)
        )  # a seed that was drawn, a file taken up
        file = ranks.of_first(file)
        writes = file if ranks.is_first else None
        if not ranks.is_first:
            self.verbose, self.log = 0, None
        settings = self.settings_
        name = f"{type(self).__name__} ({settings.name})"
        with progress(self.verbose, f"{name}: reading windows"):
            train, held_out = split_in_time(X, settings.validation_fraction)
            if not hasattr(self, "encoding_"):
                self.encoding_ = self._steps().fit(X)
            encoded = self.encoding_.transform(X)
            reference = self._reference(X, train)
            ranks.check_alike(self.fingerprint_)
            if file is not None:
                file.check_windows(self.fingerprint_)
            state = self._build_state(reference, fabric)
            ranks.make_alike([*state.modules.values(), state.averaged])
            former = getattr(self, "validation_baseline_", None)
            self.validation_baseline_ = {}
            check = self._make_check(encoded, held_out, reference, state) if len(held_out) else None
            self.validation_baseline_ = ranks.of_first(self.validation_baseline_)
            if check is None and settings.validation_fraction > 0 and former != {}:  # not told yet
                warn_of_no_tracking(
                    type(self).__name__, settings.validation_fraction, X.shape[0], len(held_out)
                )
            if state.step and self.validation_baseline_ != former:  # other windows, other scores
                state.forget_best()
            step = self._make_step(
                reference,
                settings=settings,
                state=state,
                fabric=fabric,
                ranks=ranks,
                size=settings.batch_of(len(train)),
                train=train,
                batch=lambda indices: to_tensor(self._fold(gather(encoded, indices))),
                rng_of_step=lambda number: rng_from(self.seed_, _TRAIN, number),
            )
        if file is not None and file.is_taken_up:
            said = f"{name}: going on from step {file.step} in {file.path}"
            progress(self.verbose, said).close()
        ended = None if file is None else file.ended
        patience = math.ceil(settings.n_iter_no_change / settings.check_every)
        figures = ["score", *self.validation_baseline_] if check is not None else []
        with logged(self.log, state.history, [f"val_{each}" for each in figures]) as log:
            if writes is not None:
                writes.start(self, self._learnt_so_far(state))

            def after_step() -> None:
                if log is not None:
                    log.add(state.history, stacklevel=6)
                # A state that is about to be given up is none to take up.
                if writes is not None and writes.is_due() and not loss_has_risen(state.history):
                    if log is not None:
                        log.flush()
                    writes.update(self, state.step, self._learnt_so_far(state), stacklevel=5)

            self.stopped_ = run_training(
                state,
                step,
                max_iter=state.step if ended else max_iter,
                max_time=self.max_time,
                started=started,
                check=(check := check and partial(ranks.by_first, check)),
                check_every=settings.check_every,
                patience=patience if settings.early_stopping else None,
                verbose=self.verbose,
                description=f"{name}: training",
                ranks=ranks,
                after_step=after_step,
            )
            with progress(self.verbose, f"{name}: choosing the best state"):
                self.best_iter_, weights = final_weights(state, check, settings.check_every)
        self.stopped_ = ended or self.stopped_
        with uninterrupted():  # what was learnt would be lost in the middle of it
            # Plain modules on the CPU, and what resuming needs as plain tensors.
            self._checkpoint = state.checkpoint()
            for key, module in state.modules.items():
                setattr(self, f"{key}_", copy_on_cpu(module))
            self.generator_.load_state_dict(weights)
            self.history_ = state.history
            self.n_iter_ = state.step
            self.fit_summary_ = {}
            if writes is not None and not ended and state.is_whole:
                writes.update(self, self.n_iter_, stacklevel=3)
        if ranks.is_first:
            self._check_fit(X, train, warn=warn and self.n_iter_ >= _WARN_FROM)
        self.fit_summary_, self.stopped_ = ranks.of_first((self.fit_summary_, self.stopped_))
        return self

    def _check_fit(self, X: Any, train: NDArray[np.intp], *, warn: bool) -> None:
        """Compare samples with training windows; Ctrl-C ends this, and the model is kept."""
        self.fit_summary_ = check_fit(
            X,
            lambda n: self._draw_traces(n, rng_from(self.seed_, _SUMMARY)),
            type(self).__name__,
            indices=train,
            frame_rate=self.frame_rate_,
            verbose=self.verbose,
            warn=warn,
            stacklevel=5,
        )
        if self.n_channels_in_ is None and not self.fit_summary_:
            self.stopped_ = "interrupted"

    def _reference(self, X: Any, train: NDArray[np.intp]) -> NDArray[np.float32]:
        """Gather real windows, spread over the training windows, and encode them (m, T, F)."""
        limit = max(16, _STATISTICS_VALUES // math.prod(self._encoded_shape))
        windows = gather(X, spread(train, limit))
        if not hasattr(self, "generator_"):
            warn_of_constant(np.ptp(windows, axis=(0, 1)).ravel() == 0, stacklevel=5)
        self.fingerprint_ = hashlib.sha256(windows.tobytes()).hexdigest()
        return self._fold(self.encoding_.transform(windows))

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
        encoded: Any,
        held_out: NDArray[np.intp],
        reference: NDArray[np.float32],
        state: TrainingState,
    ) -> Check | None:
        """Return a function that compares samples of the current generator with held-out windows.

        Samples come from the same noise at every check. None if the held-out windows are constant,
        so that there is nothing to compare.
        """
        frame_rate = self.frame_rate_ if len(self._encoded_shape) == 2 else None
        limit = min(_CHECK_WINDOWS, max(8, _CHECK_VALUES // reference[0].size))
        if frame_rate is not None:  # spikes are compared pair by pair
            limit = min(limit, max(8, 2 * _CHECK_PAIRS // reference.shape[2] ** 2))
        real = self._fold(gather(encoded, spread(held_out, limit)))
        some = reference[spread(np.arange(len(reference)), 4 * limit)]
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
        """Draw encoded windows (n, T, F)."""
        size = int(generator.noise_size)
        device = next(generator.parameters()).device
        step = int(np.clip(_CHECK_VALUES // (size + math.prod(self._encoded_shape)), 1, 256))
        return np.concatenate(
            [
                to_numpy(generator(noise(rng, min(step, n_samples - i), size).to(device)))
                for i in range(0, n_samples, step)
            ]
        )

    def _draw_traces(self, n_samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
        drawn = self._draw(self.generator_, n_samples, rng)
        if not np.isfinite(drawn).all():  # what a step would refuse to take back
            channels = () if self.n_channels_in_ is None else (self.n_channels_in_,)
            shape = (n_samples, self.n_frames_in_, self.n_features_in_, *channels)
            return np.full(shape, np.nan, dtype=np.float32)
        return self.encoding_.inverse_transform(drawn.reshape(n_samples, *self._encoded_shape))

    @property
    def _encoded_shape(self) -> tuple[int, ...]:
        """Shape (T, N) or (T, N, C) of one encoded window."""
        channels = () if self.n_channels_in_ is None else (self.n_channels_in_,)
        shape: tuple[int, ...] = (self.n_frames_in_, self.n_features_in_, *channels)
        for _, step in self.encoding_.steps:
            shape = getattr(step, "_code", shape)
        return shape

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

    @staticmethod
    def _fold(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Treat the channels of an encoding as further features: (m, T, N, C) -> (m, T, N C)."""
        return windows.reshape(*windows.shape[:2], -1)

    # ------------------------------------------------------------------ files

    def _to_save(self) -> dict[str, Any]:
        """Return what was learnt: of networks and optimisers their tensors."""
        return self._with_networks(self._checkpoint, self.generator_.state_dict())

    def _learnt_so_far(self, state: TrainingState) -> dict[str, Any]:
        """Return what `_to_save` would if training ended now, the samples unchecked."""
        kept = state.best_weights
        return self._with_networks(
            state.checkpoint(copied=False),
            cpu_state(state.averaged, copied=False) if kept is None else kept,
            history_=state.history,
            n_iter_=state.step,
            best_iter_=state.step if kept is None else state.best_step,
            stopped_="checkpoint",
            fit_summary_={},
        )

    def _with_networks(
        self, checkpoint: dict[str, Any], kept: dict[str, Any], **learnt: Any
    ) -> dict[str, Any]:
        training = dict(checkpoint)
        networks = {name: training.pop(name) for name in ("weights", "optimizers")}
        networks["kept"] = kept
        known = {k: v for k, v in vars(self).items() if not isinstance(v, nn.Module)}
        return {**known, **learnt, "training": training, "networks": networks}

    def _take_saved(self, values: dict[str, Any]) -> None:
        """Take what `_to_save` gave, if its tensors are those that the settings ask for."""
        training, networks = values.pop("training"), as_tensors(values.pop("networks"))
        self.__dict__.update(values)
        self.settings_.checked()
        if not all(hasattr(step, "inverse_transform") for _, step in self.encoding_.steps):
            raise ValueError("its encoding has no inverse")
        if len(self.history_) != self.n_iter_:
            raise ValueError("its history has not a row for each step")
        with torch.device("meta"):  # takes no memory, whatever the sizes
            planned = self._build_networks()
            optimizers = self._make_optimizers(planned)
        self._checkpoint = {**training, **checked_tensors(networks, planned, optimizers)}
        for name, module in self._build_networks().items():
            weights = networks["kept" if name == "generator" else "weights"]
            module.load_state_dict(weights if name == "generator" else weights[name])
            setattr(self, f"{name}_", module.eval().requires_grad_(False))
