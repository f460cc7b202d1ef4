"""A critic of stationary windows: it judges patches of single neurons and of the population."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calgan.generators.gan.layers import Critic
from calgan.training.layers import Standardiser

_SLOPE = 0.2
_NEURON_CHANNELS = 8


def _patches(x: Tensor, size: int, step: int) -> Tensor:
    """Cut overlapping patches along axis 1, in a last axis; half as many zeros at either end."""
    edge = (size - step) // 2
    padding = [0] * (2 * (x.ndim - 2)) + [edge, edge]
    return F.pad(x, padding).unfold(1, size, step)


def _pooled(x: Tensor) -> Tensor:
    """Return mean and root mean square of features (M, S, ..., C) over axis 1."""
    return torch.cat([x.mean(1), (x.square().mean(1) + 1e-3).sqrt()], dim=-1)


class PatchCritic(Critic):
    """A critic that judges what happens in patches of a window, not where in it.

    Patches of each neuron are seen through filters that all neurons share. From there one part
    goes on with single neurons, the other mixes the neurons and goes on to coarser scales; both end
    in means over time, so that no frame has weights of its own. While it trains, each call sees a
    random segment of the windows, by which single ones are harder to remember. All layers are
    products of matrices with overlapping patches, whose second derivatives are cheaper on a CPU
    than those of convolutions.
    """

    def __init__(
        self,
        n_frames: int,
        n_neurons: int,
        *,
        channels: int = 64,
        kernel_size: int = 8,
        max_depth: int = 3,
    ) -> None:
        super().__init__()
        self.n_frames = n_frames
        self.shortest = min(n_frames, max(2 * kernel_size, round(n_frames / 2)))
        c, self.kernel_size = _NEURON_CHANNELS, kernel_size
        halvings = int(math.log2(max(1, n_frames // (2 * kernel_size))))
        self.value_scale = math.sqrt(n_frames * n_neurons)
        self.units = Standardiser(n_neurons)
        self.stem = nn.Linear(kernel_size, c)
        self.forms = nn.Linear(4 * c, 2 * c)
        self.single = nn.Linear(4 * c, 2 * c)
        # Neurons differ in what is usual for them, and in what it says.
        self.own_bias = nn.Parameter(torch.zeros(n_neurons, 2 * c))
        self.own_weight = nn.Parameter(torch.zeros(n_neurons, 4 * c))
        self.mix = nn.Linear(n_neurons * c, channels)
        self.coarser = nn.ModuleList(
            nn.Linear(4 * channels, channels) for _ in range(min(max_depth - 1, halvings))
        )
        self.population = nn.Linear(2 * channels, channels)
        self.head = nn.Linear(channels, 1)

    def draw_shifts(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Draw the segment of the windows, first frame and end, that one call sees."""
        step = self.kernel_size // 2
        length = int(rng.integers(self.shortest, self.n_frames + 1)) // step * step
        start = int(rng.integers(self.n_frames - length + 1))
        return start, start + length

    def standardised(self, windows: Tensor) -> Tensor:
        """Return windows in the units that `judge` takes, in which every neuron counts alike."""
        return self.units.standardise(windows)

    def judge(self, windows: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Score standardised windows (M, T, N); `shifts` are first frame and end of a segment."""
        windows = windows[:, slice(*shifts)] if shifts else windows
        size = self.kernel_size
        x = F.leaky_relu(self.stem(_patches(windows, size, size // 2)), _SLOPE)  # (M, S, N, c)
        forms = F.leaky_relu(self.forms(_patches(x, 4, 2).flatten(3)), _SLOPE)
        single = F.leaky_relu(self.single(_pooled(forms)) + self.own_bias, _SLOPE)  # (M, N, 2c)
        single = torch.cat([single, _pooled(x)], dim=-1)
        alone = (single * self.own_weight).sum(dim=(1, 2))
        mixed = F.leaky_relu(self.mix(x.flatten(2)), _SLOPE)  # (M, S, channels)
        for layer in self.coarser:
            mixed = F.leaky_relu(layer(_patches(mixed, 4, 2).flatten(2)), _SLOPE)
        together = self.head(F.leaky_relu(self.population(_pooled(mixed)), _SLOPE))
        return (alone + together.squeeze(1)).float()
