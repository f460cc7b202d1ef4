"""The training loop, written once: state, stopping, checks, progress, devices and precision."""

from __future__ import annotations

import copy
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from lightning_fabric import Fabric
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from tqdm.auto import tqdm

from calgan.training.devices import cpu_state

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "mixed")

# A loss that ends this many times above where it began has diverged.
_DIVERGED = 5.0
_LOSS_STEPS = 20  # the median loss of so many steps is a beginning, or an end

# A check returns a score (lower is better) and named figures for the history.
Check = Callable[[], tuple[float, dict[str, float]]]


def _has_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 in hardware; torch before 2.12 cannot say."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def resolve_precision(device: str, precision: str) -> str:
    """Return the precision that "mixed" stands for on a kind of device; others as they are.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
        Kind of device.
    precision : str
        Name of the arithmetic, as `make_fabric` takes it.

    Returns
    -------
    precision : str
        For "mixed": "16-mixed" on a GPU, "bf16-mixed" on a CPU that has it, else "32-true".

    Examples
    --------
    >>> resolve_precision("cuda", "mixed")
    '16-mixed'
    >>> resolve_precision("cpu", "32-true")
    '32-true'
    """
    if precision != "mixed":
        return precision
    if device != "cpu":
        return "16-mixed"
    return "bf16-mixed" if _has_bfloat16() else "32-true"


@contextmanager
def _quiet_fabric() -> Iterator[None]:
    """Keep Fabric from announcing the precision at every fit, whatever `verbose` says."""
    logger = logging.getLogger("lightning_fabric.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def make_fabric(device: str = "auto", precision: str = "32-true") -> Fabric:
    """Open one device at a precision.

    Parameters
    ----------
    device : str, default="auto"
        "auto" (CUDA when there is one, else the CPU), "cpu", "cuda", "cuda:1", "mps".
    precision : {"32-true", "bf16-mixed", "16-mixed", "mixed"}, default="32-true"
        Lightning Fabric's name of the arithmetic; "mixed" picks one, see `resolve_precision`.

    Returns
    -------
    lightning_fabric.Fabric

    Raises
    ------
    ValueError
        If the device is absent or unknown, or the precision unknown or not for that device.

    Examples
    --------
    >>> make_fabric("cpu").device
    device(type='cpu')
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}, got {precision!r}.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = str(device).partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdigit()):
        raise ValueError(
            f"device must be 'auto', 'cpu', 'cuda', 'cuda:<number>' or 'mps', got {device!r}."
        )
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={device!r} was asked for, but {torch.cuda.device_count()} CUDA devices are "
            "visible here: use device='cpu' or 'auto'."
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ValueError("device='mps' was asked for, but is not available: use device='cpu'.")
    if kind == "cpu" and precision == "16-mixed":
        raise ValueError(
            "precision='16-mixed' needs a GPU: on a CPU use 'bf16-mixed' or '32-true'."
        )
    precision = resolve_precision(kind, precision)
    devices: Any = [int(number or 0)] if kind == "cuda" else 1
    with _quiet_fabric():
        return Fabric(accelerator=kind, devices=devices, precision=precision)  # type: ignore[arg-type]


@dataclass
class TrainingState:
    """All that training changes, and all that resuming needs.

    Every random draw of step ``i`` comes from the seed and ``i``, so no generator's state is here.

    Attributes
    ----------
    modules : dict of str to torch.nn.Module
        Networks in training, "generator" among them.
    optimizers : dict of str to torch.optim.Optimizer
        Their optimisers.
    averaged : torch.nn.Module
        Moving average of the generator's weights, or the generator itself.
    history : list of dict
        One row a step.
    best_score : float
        Lowest score of a check so far, infinity before the first.
    best_step : int
        Step of that check.
    best_weights : dict of str to Tensor or None
        Weights of `averaged` at that step, on the CPU.
    final_check : bool
        Whether the last row holds a check off the schedule.
    """

    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    averaged: nn.Module  # the moving average of the generator's weights, or the generator itself
    history: list[dict[str, Any]] = field(default_factory=list)  # one row a step
    best_score: float = float("inf")
    best_step: int = 0
    best_weights: dict[str, Tensor] | None = None
    final_check: bool = False  # whether the last row holds a check off the schedule
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

    def checkpoint(self) -> dict[str, Any]:
        """Copy to the CPU what `resume` needs, the history apart: numbers, and nested tensors."""
        weights = {name: cpu_state(module) for name, module in self.modules.items()}
        if self.averaged is not self.modules["generator"]:
            weights["averaged"] = cpu_state(self.averaged)
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
                    index: {k: v.detach().cpu().clone() for k, v in moments.items()}
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

    def _parts(self) -> list[Any]:
        return [*self.modules.values(), self.averaged, *self.optimizers.values()]


def clock() -> float:
    """Return the seconds that `max_time` counts, from an arbitrary moment.

    Returns
    -------
    float

    Examples
    --------
    >>> clock() <= clock()
    True
    """
    return time.monotonic()


def loss_has_risen(history: list[dict[str, Any]]) -> bool:
    """Tell whether the loss is far above where it began.

    The median "loss" of the last 20 steps is compared with that of the first 20: more than 5 times
    that is far above. Nothing is told of fewer than 40 steps, of a loss that begins at 0 or below,
    and of rows without a "loss": the losses of adversaries do not measure how good a generator is.

    Parameters
    ----------
    history : list of dict
        One row a step.

    Returns
    -------
    bool

    Examples
    --------
    >>> loss_has_risen([{"loss": 2.0}] * 30 + [{"loss": 11.0}] * 30)
    True
    >>> loss_has_risen([{"critic_loss": 2.0}] * 30 + [{"critic_loss": 11.0}] * 30)
    False
    """
    if len(history) < 2 * _LOSS_STEPS or "loss" not in history[0]:
        return False
    parts = history[:_LOSS_STEPS], history[-_LOSS_STEPS:]
    first, last = (median(row["loss"] for row in rows) for rows in parts)
    return 0 < _DIVERGED * first < last


@torch.no_grad()
def update_average(averaged: nn.Module, module: nn.Module, step: int, decay: float) -> None:
    """Move the averaged weights towards the current ones, faster in the first steps.

    Parameters
    ----------
    averaged, module : torch.nn.Module
        Average, changed in place, and the network in training; nothing is done if they are one.
    step : int
        Steps taken before this one.
    decay : float
        Largest weight of the old average, in [0, 1).

    Examples
    --------
    >>> from torch import nn
    >>> average, current = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(average.weight), nn.init.ones_(current.weight)
    >>> update_average(average, current, step=0, decay=0.99)
    >>> round(average.weight.item(), 3)
    0.9
    """
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
) -> str:
    """Take steps until one of the limits, keeping the best state; return why it stopped.

    Training that diverges ends with a warning, in the state of the last look, which is taken every
    `check_every` steps, with a check or without. It diverges if losses or weights are no longer
    finite numbers, or if its loss ends far above where it began (see `loss_has_risen`; states in
    which it is far above are not looked at).

    Parameters
    ----------
    state : TrainingState
        Changed in place.
    train_step : callable
        Takes the step's number, trains one step, returns a history row.
    max_iter : int
        Total number of steps, those already taken included.
    max_time : float, default=None
        Limit in seconds, counted from `started`. One step is taken even if it has passed.
    started : float, default=None
        Moment on the `clock` from which `max_time` counts; None is that of this call.
    check : callable, default=None
        Judges the current state; called every `check_every` steps and at the end.
    check_every : int, default=50
        Steps between checks.
    patience : int, default=None
        Checks without improvement after which to stop; None never stops early.
    verbose : int, default=None
        0 is silent, 1 shows a progress bar, None shows it on a terminal only.
    description : str, default="training"
        Label of the progress bar.

    Returns
    -------
    reason : {"max_iter", "max_time", "early stopping", "diverged", "interrupted"}

    Examples
    --------
    >>> from torch import nn
    >>> network = nn.Linear(1, 1)
    >>> state = TrainingState({"generator": network}, {}, network)
    >>> run_training(state, lambda number: {"loss": 1 / (number + 1)}, max_iter=2)
    'max_iter'
    >>> state.history
    [{'step': 1, 'loss': 1.0}, {'step': 2, 'loss': 0.5}]
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
    hidden = None if verbose is None else verbose < 1  # None: hidden unless on a terminal
    bar = tqdm(total=max_iter, initial=state.step, desc=description, unit="step", disable=hidden)

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
        while state.step < max_iter:
            if max_time is not None and clock() - started >= max_time and state.step > n_before:
                reason = "max_time"
                break
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
                elif (
                    patience is not None and state.step - state.best_step >= patience * check_every
                ):
                    reason = "early stopping"
                    bar.update()
                    break
            bar.update()
        if reason != "diverged" and loss_has_risen(state.history):
            reason = diverged("its loss ended far above where it began")
    except KeyboardInterrupt:
        reason = "interrupted"
        warnings.warn(
            f"Training was interrupted after {state.step} of {max_iter} steps; what was learnt is "
            "kept. Call fit again with warm_start=True to go on.",
            UserWarning,
            stacklevel=4,
        )
    finally:
        bar.close()
    return reason


def final_weights(state: TrainingState, check: Check | None, check_every: int) -> tuple[int, dict]:
    """Return the step and weights to keep: the best of all checks, one at the end included.

    Parameters
    ----------
    state : TrainingState
        After `run_training`; its last row gets the figures of a check off the schedule.
    check : callable or None
        As for `run_training`.
    check_every : int
        Steps between checks.

    Returns
    -------
    step : int
        Step that the weights are of.
    weights : dict of str to Tensor
        Weights of ``state.averaged``, on the CPU.

    Examples
    --------
    >>> from torch import nn
    >>> network = nn.Linear(1, 1)
    >>> state = TrainingState({"generator": network}, {}, network)
    >>> final_weights(state, None, 50)[0]
    0
    """
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
    """Return a plain copy of a module on the CPU, in evaluation mode and without gradients.

    Parameters
    ----------
    module : torch.nn.Module
        On any device.

    Returns
    -------
    torch.nn.Module
        The copy.

    Examples
    --------
    >>> from torch import nn
    >>> any(p.requires_grad for p in copy_on_cpu(nn.Linear(2, 2)).parameters())
    False
    """
    return copy.deepcopy(module).to("cpu").eval().requires_grad_(False)
