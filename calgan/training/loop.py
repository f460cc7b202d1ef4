"""The training loop, written once: state, stopping, checks and progress."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from calgan.data.progress import progress
from calgan.training.devices import cpu_state, on_cpu
from calgan.training.interrupts import whole_steps
from calgan.training.ranks import Ranks

# A loss that ends this many times above where it began has diverged.
_DIVERGED = 5.0
_LOSS_STEPS = 20  # the median loss of so many steps is a beginning, or an end

# A check returns a score (lower is better) and named figures for the history.
Check = Callable[[], tuple[float, dict[str, float]]]


@dataclass
class TrainingState:
    """All that training changes, and all that resuming needs.

    Every random draw of step ``i`` comes from the seed and ``i``, so no generator's state is here.
    """

    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    averaged: nn.Module  # the moving average of the generator's weights, or the generator itself
    history: list[dict[str, Any]] = field(default_factory=list)  # one row a step
    best_score: float = float("inf")
    best_step: int = 0
    best_weights: dict[str, Tensor] | None = None
    final_check: bool = False  # whether the last row holds a check off the schedule
    is_whole: bool = True  # not while a step is taken, with its check
    precision: Any = None  # Fabric's plugin, whose loss scale float16 training adapts

    @property
    def step(self) -> int:
        """Number of steps taken."""
        return len(self.history)

    def forget_best(self) -> None:
        """Start to look for the best state afresh, from here on."""
        self.best_score, self.best_step, self.best_weights = math.inf, self.step, None

    def is_finite(self) -> bool:
        """Tell whether the losses of the last step and all weights are numbers."""
        weights = [p.detach() for module in self.modules.values() for p in module.parameters()]
        losses = self.history[-1].values()
        return all(map(math.isfinite, losses)) and bool(get_total_norm(weights).isfinite())

    def checkpoint(self, *, copied: bool = True) -> dict[str, Any]:
        """Return on the CPU what `resume` needs, the history apart: numbers, and nested tensors.

        What is not `copied` changes with the next step, and takes no memory of its own on a CPU.
        """
        weights = {name: cpu_state(module, copied) for name, module in self.modules.items()}
        if self.averaged is not self.modules["generator"]:
            weights["averaged"] = cpu_state(self.averaged, copied)
        if self.best_weights is not None:
            weights["best"] = self.best_weights
        return {
            "best_score": self.best_score if math.isfinite(self.best_score) else None,
            "best_step": self.best_step,
            "final_check": self.final_check,
            "loss_scale": {} if self.precision is None else self.precision.state_dict(),
            "weights": weights,
            "optimizers": {
                name: {
                    index: {k: on_cpu(v, copied) for k, v in moments.items()}
                    for index, moments in optimizer.state_dict()["state"].items()
                }
                for name, optimizer in self.optimizers.items()
            },
        }

    def resume(self, checkpoint: dict[str, Any], history: list[dict[str, Any]]) -> None:
        """Go on from a checkpoint, which is left as it is; settings may differ, widths may not."""
        weights = checkpoint["weights"]
        for name, module in self.modules.items():
            module.load_state_dict(weights[name])
        if self.averaged is not self.modules["generator"]:
            self.averaged.load_state_dict(weights.get("averaged", weights["generator"]))
        for name, optimizer in self.optimizers.items():
            groups = optimizer.state_dict()["param_groups"]  # step sizes may have been changed
            # Before the first step there are none; they are changed in place.
            moments = copy.deepcopy(checkpoint["optimizers"].get(name, {}))
            optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.history = [dict(row) for row in history]  # the last row may be changed
        if checkpoint["best_score"] is not None:
            self.best_score = checkpoint["best_score"]
        self.best_step = checkpoint["best_step"]
        self.best_weights = weights.get("best")
        self.final_check = checkpoint["final_check"]
        # Empty unless both runs are float16 on a GPU; the precision may have been changed.
        if checkpoint["loss_scale"] and self.precision is not None and self.precision.state_dict():
            self.precision.load_state_dict(checkpoint["loss_scale"])

    def snapshot(self) -> tuple[int, list[dict[str, Any]]]:
        """Copy what `go_back` needs."""
        return self.step, copy.deepcopy([part.state_dict() for part in self._parts()])

    def go_back(self, snapshot: tuple[int, list[dict[str, Any]]]) -> None:
        """Return to a snapshot; the best state, which is no younger, stays."""
        step, parts = snapshot
        for part, contents in zip(self._parts(), parts, strict=True):
            part.load_state_dict(contents)
        del self.history[step:]
        self.is_whole = True

    def _parts(self) -> list[Any]:
        return [*self.modules.values(), self.averaged, *self.optimizers.values()]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Parts that a step of training needs; a subclass says how to take it.

    Processes that train together draw the same numbers and take the losses of their shares.
    """

    settings: Any
    state: TrainingState  # changed in place
    fabric: Any  # device and precision
    ranks: Ranks  # the processes that take each step together
    size: int  # windows in a batch, which the processes share
    train: NDArray[np.intp]  # indices of the windows to train on
    batch: Callable[[NDArray[np.intp]], Tensor]  # gathers windows (m, T, F) by their indices
    rng_of_step: Callable[[int], np.random.Generator]  # draws of a step depend on its number alone

    def __call__(self, number: int) -> dict[str, float]:
        """Take the step of that number; return its row of the history."""
        return self.ranks.mean(self.take(number))

    def take(self, number: int) -> dict[str, float]:
        """Take the step on this process's share; return the share's row of the history."""
        raise NotImplementedError

    def descend(self, name: str, loss: Tensor, clip_norm: float = 0.0) -> None:
        """Take a step of one network's optimiser down a loss."""
        optimizer = self.state.optimizers[name]
        optimizer.zero_grad()
        self.fabric.backward(loss)
        self.ranks.average_gradients(self.state.modules[name])
        if clip_norm > 0:
            self.fabric.clip_gradients(
                self.state.modules[name], optimizer, max_norm=clip_norm, error_if_nonfinite=False
            )
        optimizer.step()


def clock() -> float:
    """Return the seconds that `max_time` counts, from an arbitrary moment."""
    return time.monotonic()


def loss_has_risen(history: list[dict[str, Any]]) -> bool:
    """Tell whether the loss is far above where it began.

    The median "loss" of the last 20 steps is compared with that of the first 20: more than 5 times
    that is far above. Nothing is told of fewer than 40 steps, of a loss that begins at 0 or below,
    and of rows without a "loss": the losses of adversaries do not measure how good a generator is.
    """
    if len(history) < 2 * _LOSS_STEPS or "loss" not in history[0]:
        return False
    parts = history[:_LOSS_STEPS], history[-_LOSS_STEPS:]
    first, last = (median(row["loss"] for row in rows) for rows in parts)
    return 0 < _DIVERGED * first < last


@torch.no_grad()
def update_average(averaged: nn.Module, module: nn.Module, step: int, decay: float) -> None:
    """Move the averaged weights towards the current ones, faster in the first steps."""
    if averaged is module:
        return
    weight = 1 - min(decay, (1 + step) / (10 + step))
    for old, new in zip(averaged.parameters(), module.parameters(), strict=True):
        old.lerp_(new, weight)


def run_training(
    state: TrainingState,
    train_step: Callable[[int], dict[str, float]],
    *,
    max_iter: int,
    max_time: float | None = None,
    started: float | None = None,
    check: Check | None = None,
    check_every: int = 50,
    patience: int | None = None,
    verbose: int | None = None,
    description: str = "training",
    resumable: bool = True,
    ranks: Ranks | None = None,
    after_step: Callable[[], None] | None = None,
) -> str:
    """Take steps until one of the limits, keeping the best state; return why it stopped.

    The first Ctrl-C ends it after the step that is being taken, its check and what comes
    `after_step`, so that going on is as if there had been none; the second ends it at once.

    Training that diverges ends with a warning, in the state of the last look, which is taken every
    `check_every` steps, with a check or without. It diverges if losses or weights are no longer
    finite numbers, or if its loss ends far above where it began (see `loss_has_risen`; states in
    which it is far above are not looked at).
    """
    if started is None:
        started = clock()
    if state.final_check:  # an uninterrupted run would not have made it
        row = state.history[-1]
        state.history[-1] = {k: v for k, v in row.items() if not k.startswith("val_")}
        state.final_check = False
    reason = "max_iter"
    good = state.snapshot()
    n_before = state.step
    bar = progress(verbose, description, max_iter, initial=state.step, unit="step")

    def diverged(what: str) -> str:
        last = state.step
        state.go_back(good)
        warnings.warn(
            f"Training diverged at step {last}: {what}. It ended in the state of step "
            f"{state.step}; use a smaller learning_rate (of a critic, critic_learning_rate).",
            ConvergenceWarning,
            stacklevel=5,
        )
        return "diverged"

    try:
        with whole_steps(bool if ranks is None else ranks.interrupted) as between_steps:
            while state.step < max_iter:
                # At the start of a step, so that a run that is taken up stops where it would have.
                waited = state.step - state.best_step if state.step % check_every == 0 else 0
                if check is not None and patience is not None and waited >= patience * check_every:
                    reason = "early stopping"
                    break
                if max_time is not None:
                    is_over = clock() - started >= max_time and state.step > n_before
                    if is_over if ranks is None else ranks.any(is_over):
                        reason = "max_time"
                        break
                state.is_whole = False
                row = train_step(state.step)
                state.history.append({"step": state.step + 1, **row})
                if not state.is_finite():
                    reason = diverged("losses or weights are no longer finite numbers")
                    break
                is_look = state.step % check_every == 0 and not loss_has_risen(state.history)
                if is_look:
                    good = state.snapshot()
                if check is not None and state.step % check_every == 0:
                    score, figures = check()
                    state.history[-1].update(figures)
                    bar.set_postfix({"score": f"{score:.3g}"}, refresh=False)
                    if is_look and score < state.best_score:
                        state.best_score, state.best_step = score, state.step
                        state.best_weights = cpu_state(state.averaged)
                state.is_whole = True
                bar.update()
                if after_step is not None:
                    after_step()
                between_steps()
        if reason != "diverged" and loss_has_risen(state.history):
            reason = diverged("its loss ended far above where it began")
    except KeyboardInterrupt:
        reason = "interrupted"
        warnings.warn(
            f"Training was interrupted after {state.step} of {max_iter} steps; what was learnt is "
            f"kept.{' Call fit again with warm_start=True to go on.' if resumable else ''}",
            UserWarning,
            stacklevel=4,
        )
    finally:
        bar.close()
    return reason


def final_weights(state: TrainingState, check: Check | None, check_every: int) -> tuple[int, dict]:
    """Return the step and weights to keep: the best of all checks, one at the end included."""
    last = cpu_state(state.averaged)
    if check is None or state.step == 0:
        return state.step, last
    if state.step % check_every:
        try:
            score, figures = check()
        except KeyboardInterrupt:  # a second Ctrl-C: the check is given up, not the training
            score, figures = math.inf, {}
        state.history[-1].update(figures)
        state.final_check = True
        if score < state.best_score:
            return state.step, last
    if state.best_weights is None:  # every check failed to give a number
        return state.step, last
    return state.best_step, state.best_weights


def copy_on_cpu(module: nn.Module) -> nn.Module:
    """Return a plain copy of a module on the CPU, in evaluation mode and without gradients."""
    return copy.deepcopy(module).to("cpu").eval().requires_grad_(False)
