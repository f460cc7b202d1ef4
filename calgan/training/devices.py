"""Bridges between numpy, scikit-learn seeds and torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray


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


def cpu_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copy a module's state dict to the CPU."""
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}
