"""Generator and critic networks, as plain ``nn.Module`` classes.

All take and return windows as ``(M, T, F)``, where the features F are the neurons, or each
neuron's channels one after the other; the transpose to torch's channel-first layout happens
inside. No network draws random numbers: noise and phase shifts are arguments, so that one seed in
the training loop governs everything.
"""

from __future__ import annotations

from calgan.networks._build import build_networks
from calgan.networks._calcium import CalciumGenerator, CompactCritic
from calgan.networks._critics import PatchCritic
from calgan.networks._flow import FlowGenerator
from calgan.networks._layers import (
    ChannelNorm,
    Standardiser,
    exponential_filter,
    phase_shuffle,
    seeded_init,
    strided_depth,
)
from calgan.networks._wavegan import WaveGANCritic, WaveGANGenerator
from calgan.networks._wavegan2d import WaveGAN2DCritic, WaveGAN2DGenerator

__all__ = [
    "CalciumGenerator",
    "ChannelNorm",
    "CompactCritic",
    "FlowGenerator",
    "PatchCritic",
    "Standardiser",
    "WaveGAN2DCritic",
    "WaveGAN2DGenerator",
    "WaveGANCritic",
    "WaveGANGenerator",
    "build_networks",
    "exponential_filter",
    "phase_shuffle",
    "seeded_init",
    "strided_depth",
]
