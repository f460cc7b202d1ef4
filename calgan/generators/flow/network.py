"""A velocity field over windows, and the generator that follows it from noise to data."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calgan.training.layers import MIN_STEPS, Standardiser

_TIME_FEATURES = 64


def _groups(channels: int) -> int:
    return math.gcd(channels, 8)


class _Block(nn.Module):
    """A residual block of two convolutions over time, modulated by the flow's time."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.before = nn.GroupNorm(_groups(channels), channels)
        self.first = nn.Conv1d(channels, channels, kernel_size, padding=padding)
        self.modulation = nn.Linear(channels, 2 * channels)
        self.between = nn.GroupNorm(_groups(channels), channels)
        self.second = nn.Conv1d(channels, channels, kernel_size, padding=padding)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.modulation(time)[:, :, None].chunk(2, dim=1)
        y = self.first(F.silu(self.before(x)))
        y = self.between(y) * (1 + scale) + shift
        return x + self.second(F.silu(y))


class FlowGenerator(nn.Module):
    """A 1-D U-Net that predicts velocities, and samples by following them.

    Windows in standardised units are moved along straight lines between noise (time 0) and data
    (time 1); the network predicts the velocity of a point on its way (Liu, Gong & Liu, ICLR 2023).
    `forward` solves the differential equation from noise by Heun's method.
    """

    def __init__(
        self,
        n_frames: int,
        n_features: int,
        *,
        channels: int = 96,
        kernel_size: int = 5,
        max_depth: int = 2,
        n_steps: int = 12,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(
                "kernel_size must be odd, so that a convolution keeps the number of frames, got "
                f"{kernel_size}: use {kernel_size + 1}."
            )
        depth = 0
        while (
            depth < max_depth
            and n_frames % 2 ** (depth + 1) == 0
            and (n_frames // 2 ** (depth + 1) >= MIN_STEPS)
        ):
            depth += 1
        self.n_frames, self.n_features, self.n_steps = n_frames, n_features, n_steps
        self.noise_size = n_frames * n_features
        self.units = Standardiser(n_features)
        self.embed = nn.Sequential(
            nn.Linear(_TIME_FEATURES, channels), nn.SiLU(), nn.Linear(channels, channels)
        )
        padding = kernel_size // 2
        self.inlet = nn.Conv1d(n_features, channels, kernel_size, padding=padding)
        self.down = nn.ModuleList(_Block(channels, kernel_size) for _ in range(depth))
        self.shrink = nn.ModuleList(
            nn.Conv1d(channels, channels, 4, stride=2, padding=1) for _ in range(depth)
        )
        self.middle = nn.ModuleList(_Block(channels, kernel_size) for _ in range(2))
        self.merge = nn.ModuleList(nn.Conv1d(2 * channels, channels, 1) for _ in range(depth))
        self.up = nn.ModuleList(_Block(channels, kernel_size) for _ in range(depth))
        self.last = nn.GroupNorm(_groups(channels), channels)
        self.outlet = nn.Conv1d(channels, n_features, kernel_size, padding=padding)

    @torch.no_grad()
    def start(self) -> None:
        """Start residual branches and the velocity at zero, in place."""
        for block in (*self.down, *self.middle, *self.up):
            nn.init.zeros_(block.second.weight)
            nn.init.zeros_(block.second.bias)
        nn.init.zeros_(self.outlet.weight)
        nn.init.zeros_(cast(Tensor, self.outlet.bias))

    def velocity(self, x: Tensor, time: Tensor) -> Tensor:
        """Predict the velocity of points x (M, F, T), in standardised units, at times (M,)."""
        steps = torch.arange(_TIME_FEATURES // 2, device=x.device, dtype=torch.float32)
        angles = 1000.0 * time[:, None] * torch.exp(-math.log(1e4) * steps / len(steps))
        embedding = F.silu(self.embed(torch.cat([angles.sin(), angles.cos()], dim=1)))
        x = self.inlet(x)
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            x = block(x, embedding)
            skips.append(x)
            x = shrink(x)
        for block in self.middle:
            x = block(x, embedding)
        for block, merge in zip(self.up, self.merge, strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="linear", align_corners=False)
            x = block(merge(torch.cat([x, skips.pop()], dim=1)), embedding)
        return self.outlet(F.silu(self.last(x)))

    def forward(self, noise: Tensor) -> Tensor:
        """Turn noise (M, noise_size) into windows (M, T, F) in the units of the training data."""
        x = noise.view(len(noise), self.n_features, self.n_frames)
        step = 1.0 / self.n_steps
        for i in range(self.n_steps):
            now = torch.full((len(x),), i * step, device=x.device)
            slope = self.velocity(x, now).float()
            ahead = self.velocity(x + step * slope, now + step).float()
            x = x + 0.5 * step * (slope + ahead)
        return self.units.restore(x.transpose(1, 2))
