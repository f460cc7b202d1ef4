"""The networks of a variant, for windows of a shape."""

from __future__ import annotations

from typing import Any

from torch import nn

from calgan.generators.gan.compact import CalciumGenerator, CompactCritic
from calgan.generators.gan.patch_critic import PatchCritic
from calgan.generators.gan.variants import Variant
from calgan.generators.gan.wavegan import WaveGANCritic, WaveGANGenerator
from calgan.generators.gan.wavegan2d import WaveGAN2DCritic, WaveGAN2DGenerator
from calgan.training.layers import strided_depth


def build_networks(
    settings: Variant, n_frames: int, n_neurons: int, n_channels: int | None = None
) -> tuple[nn.Module, nn.Module]:
    """Build generator and critic for windows (T, N) or (T, N, C); C is None for traces.

    2-D networks keep the channels apart, the others take them for further features (N C).
    """
    s = settings
    strided_depth(n_frames, s.max_depth, frames=2 if s.layout == "packed" else 1)  # or a refusal
    n_features = n_neurons * (n_channels or 1)
    made: dict[str, Any] = {"kernel_size": s.kernel_size, "max_depth": s.max_depth}
    judged: dict[str, Any] = {"kernel_size": s.critic_kernel_size, "max_depth": s.max_depth}
    if s.network.startswith("compact"):
        critic_class = CompactCritic if s.network == "compact" else PatchCritic
        made |= {"latent": s.noise_size, "decoder": n_channels is None}
        return (
            CalciumGenerator(n_frames, n_features, channels=s.filters, **made),
            critic_class(n_frames, n_features, channels=s.filters, **judged),
        )
    made |= {"filters": s.filters, "noise_size": s.noise_size}
    judged |= {"filters": s.filters, "phase_shuffle": s.phase_shuffle}
    if s.network == "wavegan2d":
        channels = n_channels or 1
        return (
            WaveGAN2DGenerator(n_frames, n_neurons, channels, **made),
            WaveGAN2DCritic(n_frames, n_neurons, channels, **judged),
        )
    return (
        WaveGANGenerator(n_frames, n_features, **made),
        WaveGANCritic(n_frames, n_features, **judged),
    )
