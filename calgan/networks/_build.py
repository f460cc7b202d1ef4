"""Networks for a recipe and a shape of windows."""

from __future__ import annotations

from typing import Any

from torch import nn

from calgan.networks._calcium import CalciumGenerator, CompactCritic
from calgan.networks._wavegan import WaveGANCritic, WaveGANGenerator
from calgan.recipes import Recipe


def build_networks(
    settings: Recipe, n_frames: int, n_features: int, *, traces: bool = True
) -> tuple[nn.Module, nn.Module]:
    """Build generator and critic for windows of a shape, as a recipe wants them.

    Parameters
    ----------
    settings : Recipe
        Architecture and widths.
    n_frames, n_features : int
        Shape (T, N) of a window.
    traces : bool, default=True
        Whether windows are traces, or coefficients of an encoding.

    Returns
    -------
    generator, critic : torch.nn.Module

    Examples
    --------
    >>> from calgan.recipes import get_recipe
    >>> generator, critic = build_networks(get_recipe("compact"), 64, 10)
    """
    sizes: dict[str, Any] = {"kernel_size": settings.kernel_size, "max_depth": settings.max_depth}
    if settings.architecture == "wavegan":
        return (
            WaveGANGenerator(
                n_frames,
                n_features,
                noise_size=settings.noise_size,
                filters=settings.filters,
                **sizes,
            ),
            WaveGANCritic(
                n_frames,
                n_features,
                filters=settings.filters,
                phase_shuffle=settings.phase_shuffle,
                **sizes,
            ),
        )
    return (
        CalciumGenerator(
            n_frames,
            n_features,
            channels=settings.filters,
            latent=settings.noise_size,
            decoder=traces,
            **sizes,
        ),
        CompactCritic(n_frames, n_features, channels=settings.filters, **sizes),
    )
