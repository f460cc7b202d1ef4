"""A small honest generator, and dishonest ones: what the generator contract is itself tested on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from calgan.data.validation import (
    as_seed,
    check_integer,
    check_n_neurons,
    check_windows,
    refuse_target,
    rng_from,
)
from calgan.data.windows import gather
from calgan.generators import fit_check
from calgan.generators.base import SamplingMixin


class NoiseGenerator(BaseEstimator):
    """Learn the mean and spread of windows from random batches, and sample Gaussian noise."""

    def __init__(
        self,
        *,
        max_iter: int = 20,
        max_time: float | None = None,
        batch_size: int = 4,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.max_iter = max_iter
        self.max_time = max_time
        self.batch_size = batch_size
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        began = time.monotonic()
        refuse_target(y, self)
        X = check_windows(X, estimator=type(self).__name__)
        self.n_features_in_ = X.shape[2]
        self.seed_ = as_seed(self.random_state)
        self.n_iter_ = 0
        self.history_: list[dict[str, float]] = []
        self.mean_ = np.zeros(X.shape[1:], dtype=np.float32)
        self.square_ = np.zeros(X.shape[1:], dtype=np.float32)
        return self._learn(X, began)._check(X)

    def partial_fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        if not hasattr(self, "n_iter_"):
            return self.fit(X, y)
        refuse_target(y, self)
        X = check_windows(X, estimator=type(self).__name__)
        check_n_neurons(X.shape[2], self)
        return self._learn(X, time.monotonic())._check(X)

    def _learn(self, X: Any, began: float) -> NoiseGenerator:
        max_iter = check_integer(self.max_iter, "max_iter")
        try:
            for _ in range(max_iter):
                self._step(X)
                if self.max_time is not None and time.monotonic() - began > self.max_time:
                    break
        except KeyboardInterrupt:
            print("stopped; what was learnt is kept", file=sys.stderr)
        return self

    def _check(self, X: Any) -> NoiseGenerator:
        self.fit_summary_ = fit_check.check_fit(
            X, lambda n: self._draw(n, rng_from(self.seed_, 2)), type(self).__name__, warn=False
        )
        return self

    def _step(self, X: Any) -> None:
        rng = rng_from(self.seed_, 0, self.n_iter_)
        batch = gather(X, rng.integers(len(X), size=self.batch_size))
        rate = np.float32(1 / (self.n_iter_ + 1))
        self.mean_ = self.mean_ + rate * (batch.mean(axis=0) - self.mean_)
        self.square_ = self.square_ + rate * ((batch**2).mean(axis=0) - self.square_)
        self.n_iter_ += 1
        self.history_.append({"step": self.n_iter_, "mean": float(self.mean_.mean())})
        if self.verbose:
            print(f"step {self.n_iter_}", file=sys.stderr)

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        check_is_fitted(self)
        n_samples = check_integer(n_samples, "n_samples")
        return self._draw(
            n_samples, rng_from(self.seed_ if random_state is None else random_state, 1)
        )

    def _draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        noise = rng.standard_normal((n_samples, *self.mean_.shape), dtype=np.float32)
        return self.mean_ + noise * np.sqrt(np.maximum(self.square_ - self.mean_**2, 0))

    def score_samples(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = check_windows(X, estimator=type(self).__name__)
        check_n_neurons(X.shape[2], self)
        return -((gather(X) - self.mean_) ** 2).mean(axis=tuple(range(1, X.ndim)))


class ComputesInInit(NoiseGenerator):
    def __init__(self, *, max_iter: int = 20, random_state: Any = None) -> None:
        super().__init__(max_iter=max_iter, random_state=random_state)
        self.options_ = {"max_iter": max_iter}


class ChangesItsParams(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        if self.random_state is None:
            self.random_state = 0
        self.batch_size = min(self.batch_size, 2)
        return super().fit(X)


class LeaksAttributes(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        self.data = X
        return super().fit(X)


class ReturnsNothing(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> Any:
        super().fit(X)


class SamplesDoublePrecision(NoiseGenerator):
    def _draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        return super()._draw(n_samples, rng).astype(np.float64)


class SamplesInOtherUnits(NoiseGenerator):
    def _draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        return 100 + super()._draw(n_samples, rng)


class Collapsed(NoiseGenerator):
    def _draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        return np.repeat(super()._draw(1, rng), n_samples, axis=0)


class DrawDependsOnTheBatch(NoiseGenerator):
    def _draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        windows = super()._draw(n_samples, rng)
        return windows - windows.mean(axis=0) + self.mean_


class DrawsInFramesFirst(NoiseGenerator):
    def _draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        frames = [
            rng.standard_normal((n_samples, *self.mean_.shape[1:])) for _ in range(len(self.mean_))
        ]
        return (self.mean_ + np.stack(frames, axis=1)).astype(np.float32)


class AdvancesWithEveryDraw(NoiseGenerator):
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        self.draws_ = getattr(self, "draws_", 0) + 1
        return super().sample(
            n_samples, random_state=self.draws_ if random_state is None else random_state
        )


class IgnoresTheSeedOfADraw(NoiseGenerator):
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        return super().sample(n_samples)


class FitsAtRandom(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        super().fit(X)
        self.mean_ = self.mean_ + np.random.default_rng().standard_normal(self.mean_.shape).astype(
            np.float32
        )
        return self


class UsesTheGlobalGenerator(NoiseGenerator):
    def _draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        return super()._draw(n_samples, np.random.default_rng(np.random.randint(2**31)))


class SeedsTheGlobalGenerator(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        np.random.seed(0)
        return super().fit(X)


class BuildsTorchLayers(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        import torch

        torch.nn.Linear(2, 2)
        return super().fit(X)


class ForgetsItsSeedInAPickle(NoiseGenerator):
    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "seed_": 12345}


class HoldsALambda(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        self.link_ = lambda x: x
        return super().fit(X)


class WritesToItsInput(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        if isinstance(X, np.ndarray) and X.ndim == 3 and X.flags.writeable:
            X -= X.mean(axis=0)
        return super().fit(X)


class CountsNoSteps(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        super().fit(X)
        self.n_iter_ = self.max_iter * 2
        return self


class KeepsNoHistory(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        super().fit(X)
        self.history_ = []
        return self


class PartialFitStartsAgain(NoiseGenerator):
    def partial_fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        return self.fit(X)


class FitDoesNotStartAgain(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        return super().partial_fit(X) if hasattr(self, "n_iter_") else super().fit(X)


class LosesWhatItLearntOnInterrupt(NoiseGenerator):
    def _learn(self, X: Any, began: float) -> NoiseGenerator:
        for _ in range(self.max_iter):
            self._step(X)
        return self


class LosesTheModelWhenItsCheckIsInterrupted(NoiseGenerator):
    def _check(self, X: Any) -> NoiseGenerator:
        windows = gather(X)
        samples = self._draw(len(windows), rng_from(self.seed_, 2))
        self.fit_summary_ = fit_check.compare_with_training(windows, samples)
        return self


class NeverLooksAtItself(NoiseGenerator):
    def _check(self, X: Any) -> NoiseGenerator:
        return self


class CountsTimeFromItsFirstStep(NoiseGenerator):
    def _learn(self, X: Any, began: float) -> NoiseGenerator:
        return super()._learn(X, time.monotonic())


class NeverSaysAnything(NoiseGenerator):
    def _step(self, X: Any) -> None:
        verbose, self.verbose = self.verbose, 0
        super()._step(X)
        self.verbose = verbose


class AlwaysTalks(NoiseGenerator):
    def _step(self, X: Any) -> None:
        print("step")
        super()._step(X)


class TakesRecordings(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        X = np.asarray(X, dtype=np.float32)
        return super().fit(X[:, None, :] if X.ndim == 2 else X)


class TakesAnyTarget(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        return super().fit(X)


class TakesNaN(NoiseGenerator):
    def fit(self, X: Any, y: Any = None) -> NoiseGenerator:
        return super().fit(np.nan_to_num(np.asarray(X, dtype=np.float32)))


class SamplesAnyNumber(NoiseGenerator):
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        return super().sample(max(1, int(n_samples)), random_state=random_state)


class SamplesUnfitted(NoiseGenerator):
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        if not hasattr(self, "mean_"):
            return np.zeros((n_samples, 1, 1), dtype=np.float32)
        return super().sample(n_samples, random_state=random_state)


class StopsByTimeElsewhere(NoiseGenerator):
    def _learn(self, X: Any, began: float) -> NoiseGenerator:
        super()._learn(X, began)
        if self.max_time is not None:
            self.mean_ = self.mean_ + 1
        return self


class NoiseRecorder(SamplingMixin, NoiseGenerator):
    """Draw noise around a mean frame by frame, with its components; honest, and built upon."""

    frame_rate_ = 10.0

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        return SamplingMixin.sample(self, n_samples, random_state=random_state)

    def _draw_components(self, n_samples: int, rng: np.random.Generator) -> Bunch:
        traces = self._draw(n_samples, rng)
        zeros = np.zeros_like(traces)
        return Bunch(traces=traces, calcium=zeros, spikes=zeros, amplitudes=zeros)

    def _iter_components(
        self, n_frames: int, rng: np.random.Generator, chunk: int
    ) -> Iterator[Bunch]:
        mean = self.mean_.mean(axis=0)
        for first in range(0, n_frames, chunk):
            noise = rng.standard_normal((min(chunk, n_frames - first), len(mean)))
            yield Bunch(traces=(mean + 0.1 * noise).astype(np.float32))


class ComponentsOfAnotherDraw(NoiseRecorder):
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        return NoiseGenerator.sample(self, n_samples, random_state=random_state)


class RecordingDependsOnTheChunk(NoiseRecorder):
    def _iter_components(
        self, n_frames: int, rng: np.random.Generator, chunk: int
    ) -> Iterator[Bunch]:
        return super()._iter_components(n_frames, np.random.default_rng(chunk), chunk)


class DoesNotSayWhyNot(NoiseGenerator):
    @property
    def sample_recording(self) -> Any:
        raise AttributeError("no")
