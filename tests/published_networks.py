"""Parts that the tests of the published networks share."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def keras_dense(x: np.ndarray, layer: nn.Linear) -> np.ndarray:
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.3 * x)


def scrambled(net: nn.Module) -> nn.Module:
    """Give all weights, biases and norms included, values that no initialisation has."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=rng))
    return net


def shuffle_slowly(values: list[int], shift: int) -> list[int]:
    """Shift one step at a time, reading past an edge by reflection at the edge's value."""
    last = len(values) - 1
    result = []
    for position in range(len(values)):
        source = position + shift
        while not 0 <= source <= last:
            source = -source if source < 0 else 2 * last - source
        result.append(values[source])
    return result
