"""Latent generators with a known start, and what their noise turns into, for tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from calgan.networks import LatentGenerator, seeded_init
from calgan.networks import _latent as module
from calgan.trace_noise import N_SHARED, TraceNoise

EULER = 0.5772156649


def latent(n_frames: int = 32, n_neurons: int = 5, n_factors: int = 3) -> LatentGenerator:
    net = LatentGenerator(n_frames, n_neurons, n_factors=n_factors, hidden=4)
    seeded_init(net, 0)
    return net


def gaussian(n_samples: int, net: LatentGenerator, seed: int = 0) -> Tensor:
    return torch.randn(n_samples, net.noise_size, generator=torch.Generator().manual_seed(seed))


def starting_from(net: LatentGenerator, **changes: Any) -> LatentGenerator:
    """Start a network from spikes of known rates and loadings."""
    n, s = net.n_neurons, len(net.time_scales)
    k = len(net.log_time) // s
    rng = np.random.default_rng(0)
    loadings = rng.standard_normal((n, k, s))
    loadings *= np.sqrt(rng.uniform(0.1, 0.9, n) / np.square(loadings).sum((1, 2)))[:, None, None]
    start = {
        "decay": np.full(n, 0.8),
        "rise": np.full(n, 0.05),
        "baseline": np.linspace(-1, 1, n),
        "noise": np.full(n, 0.1),
        "shared_noise": TraceNoise(np.zeros((n, N_SHARED)), np.full(N_SHARED, 5.0)),
        "rates": np.geomspace(0.01, 0.3, n),
        "amplitudes": np.ones(n),
        "growth": np.full(n, 0.5),
        "spread": np.full(n, 0.1),
        "loadings": loadings,
        "private": np.ones(n),
        "own_variance": np.zeros(n),
        "own_time": 8.0,
        "period": math.inf,
        "rhythm": np.zeros((n, 2)),
    }
    start |= changes
    variance = np.square(start["loadings"]).sum((1, 2)) + np.square(start["rhythm"]).sum(1)
    start["variance"] = variance + start["own_variance"]
    nodes, weights = np.polynomial.hermite_e.hermegauss(31)
    relative = np.exp(np.sqrt(start["variance"])[:, None] * nodes - start["variance"][:, None] / 2)
    fired = -np.expm1(-start["rates"][:, None] * relative) @ weights / weights.sum()
    start.setdefault("probabilities", fired)
    net.asked = start
    net.start_from(**{name: value for name, value in start.items() if name != "variance"})
    return net


def no_loadings(net: LatentGenerator) -> np.ndarray:
    s = len(net.time_scales)
    return np.zeros((net.n_neurons, len(net.log_time) // s, s))


def poisson(net: LatentGenerator) -> LatentGenerator:
    """Make all private noise Gumbel's, and log rates those of the Poisson process."""
    log_rates = np.log(net.asked["rates"]) - 0.5 * net.asked["variance"]
    with torch.no_grad():
        net.gumbel.fill_(30.0)
        net.linear.bias.copy_(torch.from_numpy(log_rates + EULER))
    return net


def gaussian_only(net: LatentGenerator) -> LatentGenerator:
    with torch.no_grad():
        net.gumbel.fill_(-30.0)
    return net


def events_of(net: LatentGenerator, noise: Tensor) -> Tensor:
    """Return the events (M, N, L) that `forward` makes calcium of, but for the first frame."""
    caught = []

    def spy(events: Tensor, *decays: Tensor) -> Tensor:
        if len(decays) == 2 and decays[0] is not decays[1]:  # decay and rise: no factor
            caught.append(events)
        return exponential_filter(events, *decays)

    exponential_filter = module.exponential_filter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "exponential_filter", spy)
        net(noise)
    (events,) = caught
    return events[..., 1:]


def counts_of(net: LatentGenerator, noise: Tensor) -> Tensor:
    with torch.no_grad():
        return (events_of(net, noise) > 0).double()


def factors_of(net: LatentGenerator, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the linear map takes and gives, (M, C, L) and (M, N, L)."""
    caught = []
    handle = net.linear.register_forward_hook(lambda _, x, y: caught.append((x[0], y)))
    with torch.no_grad():
        net(noise)
    handle.remove()
    ((x, y),) = caught
    return x.double(), y.double()
