"""Layers of the published networks: phase shuffle and normalisation over channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

LEAKY_SLOPE = 0.3
_EPSILON = 1e-3


def phase_shuffle(x: Tensor, shift: int, dim: int = -1) -> Tensor:
    """Shift activations along an axis by |shift| < L, filling the gap by reflection.

    The edge is not repeated: a shift of +1 turns ``1 2 ... 8 9`` into ``2 3 ... 9 8``
    (Donahue, McAuley & Puckette, "Adversarial Audio Synthesis", ICLR 2019, arXiv:1802.04208).
    """
    if shift == 0:
        return x
    last = x.shape[dim] - 1
    index = torch.arange(last + 1, device=x.device) + shift
    return x.index_select(dim, last - (last - index.abs()).abs())


class PublishedCritic(nn.Module):
    """A critic that judges windows in the units of its data."""

    value_scale = 1.0

    def standardised(self, windows: Tensor) -> Tensor:
        """Return windows as they are."""
        return windows

    def judge(self, windows: Tensor, shifts: Any = ()) -> Tensor:
        """Score windows as `forward` does."""
        return self(windows, shifts)


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
