"""Layers of the published networks: phase shuffle and normalisation over channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calgan.generators.gan.objectives import input_gradient

LEAKY_SLOPE = 0.3
_EPSILON = 1e-3


def _source(length: int, shift: int, device: torch.device) -> Tensor:
    """Steps that activations come from when they are shifted, gaps filled by reflection."""
    index = torch.arange(length, device=device) + shift
    return length - 1 - (length - 1 - index.abs()).abs()


def phase_shuffle(x: Tensor, shift: int, dim: int = -1) -> Tensor:
    """Shift activations along an axis by |shift| < L, filling the gap by reflection.

    The edge is not repeated: a shift of +1 turns ``1 2 ... 8 9`` into ``2 3 ... 9 8``
    (Donahue, McAuley & Puckette, "Adversarial Audio Synthesis", ICLR 2019, arXiv:1802.04208).
    """
    return x.index_select(dim, _source(x.shape[dim], shift, x.device)) if shift else x


def phase_shuffle_back(gradient: Tensor, shift: int, dim: int = -1) -> Tensor:
    """Return the gradient at the input of `phase_shuffle` from that at its output."""
    if shift == 0:
        return gradient
    source = _source(gradient.shape[dim], shift, gradient.device)
    return torch.zeros_like(gradient).index_add(dim, source, gradient)


class Critic(nn.Module):
    """What training asks of a critic; a subclass says how it judges windows."""

    value_scale = 1.0  # what its values grow with, for windows of this shape

    def draw_shifts(self, rng: np.random.Generator) -> tuple[Any, ...]:
        """Draw what one call does at random."""
        return ()

    def standardised(self, windows: Tensor) -> Tensor:
        """Return windows (M, T, F) in the units that `judge` takes: as they are."""
        return windows

    def judge(self, windows: Tensor, shifts: Any = ()) -> Tensor:
        """Score standardised windows; higher is more real."""
        raise NotImplementedError

    def forward(self, windows: Tensor, shifts: Any = ()) -> Tensor:
        """Score windows; higher is more real."""
        return self.judge(self.standardised(windows), shifts)

    def judge_both(self, real: Tensor, fake: Tensor, *shifts: Any) -> tuple[Tensor, Tensor]:
        """Score real and generated windows, each with shifts of its own."""
        return self(real, shifts[0]), self(fake, shifts[1])

    def input_gradient(self, windows: Tensor, shifts: Any = ()) -> Tensor:
        """Return the gradient of each standardised window's score, to be derived once more."""
        return input_gradient(lambda windows: self.judge(windows, shifts), windows)


class PublishedCritic(Critic):
    """A critic that judges windows in the units of its data: convolutions, then a linear layer.

    A subclass says how windows become images (M, C, H, W), which are in the channels-last order of
    memory: convolutions are fastest there. Its convolutions know their way back, `back`.
    """

    convs: Any  # nn.ModuleList
    head: nn.Linear

    def _to_images(self, windows: Tensor) -> Tensor:
        """Turn windows (M, T, F) into images."""
        raise NotImplementedError

    def _to_windows(self, images: Tensor) -> Tensor:
        """Turn images into windows (M, T, F)."""
        raise NotImplementedError

    def _shift(self, x: Tensor, shift: Any, *, back: bool = False) -> Tensor:
        """Shift activations as one layer's phase shuffle does, or gradients back."""
        raise NotImplementedError

    def judge(self, windows: Tensor, shifts: Any = ()) -> Tensor:
        """Score windows (M, T, F); `shifts` are phase shifts a layer."""
        return self._judge(windows, [shifts])

    def judge_both(self, real: Tensor, fake: Tensor, *shifts: Any) -> tuple[Tensor, Tensor]:
        """Score real and generated windows in one pass, each with shifts of its own."""
        on_real, on_fake = self._judge(torch.cat([real, fake]), shifts).chunk(2)
        return on_real, on_fake

    def _judge(self, windows: Tensor, shifts: Sequence[Any]) -> Tensor:
        """Score windows, as many equal parts of them as there are shifts."""
        x = self._to_images(windows)
        for i in range(len(self.convs)):
            x = F.leaky_relu(self.convs[i](x), LEAKY_SLOPE)
            if i < len(shifts[0]):
                parts = zip(x.chunk(len(shifts)), shifts, strict=True)
                x = torch.cat([self._shift(part, each[i]) for part, each in parts])
        # Keras flattens (time, neurons, channels).
        return self.head(x.permute(0, 2, 3, 1).flatten(1)).squeeze(1).float()

    def input_gradient(self, windows: Tensor, shifts: Any = ()) -> Tensor:
        """Return the gradient (M, T, F) of each window's score.

        The layers are linear but for the slopes of their activations, which do not change with the
        weights: the gradient is written down as layers in reverse. Autograd finds the same, and
        derives it with twice the work.
        """
        with torch.no_grad():
            x, sizes, slopes = self._to_images(windows), [], []
            for i in range(len(self.convs)):
                sizes.append(tuple(x.shape[2:]))
                x = self.convs[i](x)
                slopes.append((x > 0).to(x.dtype).mul_(1.0 - LEAKY_SLOPE).add_(LEAKY_SLOPE))
                x = x * slopes[-1]
                if i < len(shifts):
                    x = self._shift(x, shifts[i])
        weight = self.head.weight.view(1, *x.shape[2:], x.shape[1]).permute(0, 3, 1, 2)
        gradient = weight.expand(len(x), -1, -1, -1)
        for i in reversed(range(len(self.convs))):
            if i < len(shifts):
                gradient = self._shift(gradient, shifts[i], back=True)
            gradient = (gradient * slopes[i]).contiguous(memory_format=torch.channels_last)
            gradient = self.convs[i].back(gradient, sizes[i])
        return self._to_windows(gradient).float()


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of ``(M, C, ...)`` at each position."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_channels, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (M, C, ...)."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class ChannelAffine(nn.Module):
    """Scale and shift of each channel: a `ChannelNorm` without its normalisation."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift x (M, C, ...)."""
        shape = (-1, *[1] * (x.ndim - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)


def channel_norm(n_channels: int, *, last: bool = False) -> nn.Module:
    """Return a `ChannelNorm`, or its scale and shift alone where it would leave nothing.

    Normalised, one channel is constant whatever the input. Two are functions of one another, which
    inside a network costs some freedom, but in its `last` layer ties all that comes out together.
    """
    fewest = 3 if last else 2
    return ChannelNorm(n_channels) if n_channels >= fewest else ChannelAffine(n_channels)
