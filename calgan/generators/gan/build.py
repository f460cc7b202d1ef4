"""Networks for a recipe and a shape of windows."""

from __future__ import annotations

from typing import Any

from torch import nn

from calgan.generators.gan.compact import CalciumGenerator, CompactCritic
from calgan.generators.gan.critics import PatchCritic
from calgan.generators.gan.recipes import Recipe
from calgan.generators.gan.wavegan import WaveGANCritic, WaveGANGenerator
from calgan.generators.gan.wavegan2d import WaveGAN2DCritic, WaveGAN2DGenerator


def build_networks(
    settings: Recipe, n_frames: int, n_neurons: int, n_channels: int | None = None
) -> tuple[nn.Module, nn.Module]:
    """Build generator and critic for windows of a shape, as a recipe wants them.

    Parameters
    ----------
    settings : Recipe
        Architecture and widths.
    n_frames, n_neurons : int
        Shape (T, N) of a window.
    n_channels : int, default=None
        Channels C of encoded windows; None for traces. 2-D networks keep the channels apart,
        the others take the features (N C).

    Returns
    -------
    generator, critic : torch.nn.Module

    Examples
    --------
    >>> from calgan.generators.gan.recipes import get_recipe
    >>> generator, critic = build_networks(get_recipe("compact"), 64, 10)
    """
    s = settings
    n_features = n_neurons * (n_channels or 1)
    made: dict[str, Any] = {"kernel_size": s.kernel_size, "max_depth": s.max_depth}
    judged: dict[str, Any] = {"kernel_size": s.critic_kernel_size, "max_depth": s.max_depth}
    if s.architecture in ("calcium", "calcium-patches"):
        critic_class = CompactCritic if s.architecture == "calcium" else PatchCritic
        return (
            CalciumGenerator(
                n_frames,
                n_features,
                channels=s.filters,
                latent=s.noise_size,
                decoder=n_channels is None,
                **made,
            ),
            critic_class(n_frames, n_features, channels=s.filters, **judged),
        )
    made |= {"filters": s.filters, "noise_size": s.noise_size}
    judged |= {"filters": s.filters, "phase_shuffle": s.phase_shuffle}
    if s.architecture == "wavegan2d":
        channels = n_channels or 1
        return (
            WaveGAN2DGenerator(n_frames, n_neurons, channels, **made),
            WaveGAN2DCritic(n_frames, n_neurons, channels, **judged),
        )
    return (
        WaveGANGenerator(n_frames, n_features, **made),
        WaveGANCritic(n_frames, n_features, **judged),
    )
