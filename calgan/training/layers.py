"""Parts that networks share: depth, initialisation, units."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

MIN_STEPS = 8  # steps that must be left after the last strided layer


def strided_depth(n_steps: int, max_depth: int = 5, *, frames: int = 1) -> int:
    """Return the number of stride-2 layers, at most `max_depth`, that leave at least 8 steps.

    Each step stands for so many `frames` of a window, in which messages count.
    """
    if n_steps < 2 * MIN_STEPS:
        raise ValueError(
            f"Windows of {frames * n_steps} frames are too short for the network: use a window of "
            f"at least {2 * MIN_STEPS * frames} frames."
        )
    depth = min(max_depth, int(math.log2(n_steps / MIN_STEPS)))
    step = 2**depth
    if n_steps % step:
        low = n_steps // step * step
        # The next length up may cross into one more halving; walk to the first that is valid.
        high = low + step
        while high % 2 ** min(max_depth, int(math.log2(high / MIN_STEPS))):
            high += step
        raise ValueError(
            f"A window of {frames * n_steps} frames cannot be halved {depth} times by the network: "
            f"use a multiple of {frames * step}, the nearest being {frames * low} and "
            f"{frames * high} frames."
        )
    return depth


_GLOROT = (nn.Conv1d, nn.ConvTranspose1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def seeded_init(module: nn.Module, seed: int) -> None:
    """Initialise kernels Glorot-uniform and biases 0, as Keras does, in place from a seed."""
    generator = torch.Generator().manual_seed(seed)  # global random state is not touched
    for layer in module.modules():
        if isinstance(layer, _GLOROT):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Standardiser(nn.Module):
    """Mean and scale of each feature of the training data, kept as buffers.

    Features that never change have scale 0: they are generated as their constant.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    @classmethod
    def of(cls, data: np.ndarray) -> Standardiser:
        """Return the mean and scale of each feature of data (M, T, F)."""
        units = cls(data.shape[2])
        mean = data.mean(axis=(0, 1), dtype=np.float64)
        scale = data.std(axis=(0, 1), dtype=np.float64)
        scale[np.ptp(data, axis=(0, 1)) == 0] = 0.0  # exactly, whatever the rounding
        units.set(torch.from_numpy(mean), torch.from_numpy(scale))
        return units

    def set(self, mean: Tensor, scale: Tensor) -> None:
        """Take mean and scale (F,) in place."""
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def standardise(self, data: Tensor) -> Tensor:
        """Bring data (M, T, F) to mean 0 and variance 1."""
        return (data - self.mean) / torch.where(self.scale > 0, self.scale, 1.0)

    def restore(self, data: Tensor) -> Tensor:
        """Undo `standardise`."""
        return data * self.scale + self.mean
