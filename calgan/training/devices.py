"""Devices, precision, and bridges between numpy and torch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import ClusterEnvironment, LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from numpy.typing import NDArray

from calgan.data.validation import check_choice

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "mixed")


@contextmanager
def preserved_rng() -> Iterator[None]:
    """Leave torch's global CPU random state as it was (layers draw from it when they are built)."""
    with torch.random.fork_rng(devices=[]):
        yield


def noise(rng: np.random.Generator, n_samples: int, size: int) -> torch.Tensor:
    """Draw standard normal noise, sample after sample from one stream.

    The first rows do not depend on how many follow, which is what makes
    ``sample(7)[:3]`` equal ``sample(3)``. The draw happens on the CPU, so a seed means the same
    on every device.
    """
    return torch.from_numpy(rng.standard_normal((n_samples, size), dtype=np.float32))


def to_numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    """Copy a tensor to a float32 array on the CPU."""
    return tensor.detach().to(device="cpu", dtype=torch.float32).numpy()


def to_tensor(array: NDArray[np.float32], device: torch.device | str = "cpu") -> torch.Tensor:
    """Hand an array to torch as float32, copying only when it must."""
    array = np.ascontiguousarray(array, dtype=np.float32)
    if not array.flags.writeable:
        array = array.copy()
    return torch.from_numpy(array).to(device, non_blocking=True)


def on_cpu(tensor: torch.Tensor, copied: bool = True) -> torch.Tensor:
    """Return a tensor on the CPU, where it may be the same one if it need not be `copied`."""
    moved = tensor.detach().cpu()
    return moved.clone() if copied and moved.data_ptr() == tensor.data_ptr() else moved


def cpu_state(module: torch.nn.Module, copied: bool = True) -> dict[str, torch.Tensor]:
    """Return a module's state dict on the CPU."""
    return {key: on_cpu(value, copied) for key, value in module.state_dict().items()}


def _has_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 in hardware; torch before 2.12 cannot say."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def resolve_precision(device: str, precision: str) -> str:
    """Return the precision that "mixed" stands for on a kind of device; others as they are."""
    if precision != "mixed":
        return precision
    if device != "cpu":
        return "16-mixed"
    return "bf16-mixed" if _has_bfloat16() else "32-true"


@contextmanager
def _quiet_fabric() -> Iterator[None]:
    """Keep Fabric from announcing precision and processes at every fit, whatever `verbose` says."""
    names = ("rank_zero", "distributed")
    loggers = [logging.getLogger(f"lightning_fabric.utilities.{name}") for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def make_fabric(
    device: str = "auto", precision: str = "32-true", place: ClusterEnvironment | None = None
) -> Fabric:
    """Open a device ("auto", "cpu", "cuda", "cuda:1", "mps") at a precision, both checked.

    At a place among processes that train together it is one of them: a CPU each, or a GPU each.
    """
    check_choice(precision, "precision", PRECISIONS)
    if isinstance(device, str) and device == "auto":
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
    # A job of SLURM may have several tasks that each train a network alone.
    more: dict[str, Any] = {"plugins": LightningEnvironment()}
    if place is not None:
        devices = (
            list(range(torch.cuda.device_count())) if kind == "cuda" else place.local_rank() + 1
        )
        more = {"strategy": DDPStrategy(cluster_environment=place)}
    with _quiet_fabric():
        fabric = Fabric(accelerator=kind, devices=devices, precision=precision, **more)  # type: ignore[arg-type]
        if place is not None:
            fabric.launch()
        return fabric
