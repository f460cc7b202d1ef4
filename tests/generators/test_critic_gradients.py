"""Gradients that the published critics write down, against those that autograd finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from calgan.generators.gan.layers import PublishedCritic
from calgan.generators.gan.objectives import gradient_penalty, input_gradient
from calgan.generators.gan.wavegan import WaveGANCritic
from calgan.generators.gan.wavegan2d import WaveGAN2DCritic
from calgan.training.layers import seeded_init

CRITICS: dict[str, Any] = {
    "1d": lambda: (WaveGANCritic(64, 9, filters=3), (64, 9)),
    "1d, not shuffled": lambda: (WaveGANCritic(48, 2, filters=2, phase_shuffle=0), (48, 2)),
    "2d": lambda: (WaveGAN2DCritic(128, 17, filters=2, phase_shuffle=3), (128, 17)),
    "2d, odd length": lambda: (WaveGAN2DCritic(66, 9, filters=2, kernel_size=7), (66, 9)),
    "2d, two channels": lambda: (WaveGAN2DCritic(64, 8, 2, filters=2), (64, 16)),
}


@pytest.fixture(params=CRITICS)
def critic(request: Any) -> tuple[PublishedCritic, tuple[int, int]]:
    network, shape = CRITICS[request.param]()
    seeded_init(network, 0)
    return network.double(), shape


def windows_of(shape: tuple[int, int], seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(4, *shape, generator=rng, dtype=torch.float64)


def test_the_gradient_at_the_input_is_that_of_autograd(critic: Any) -> None:
    network, shape = critic
    windows = windows_of(shape, 0)
    for seed in range(3):
        shifts = network.draw_shifts(np.random.default_rng(seed))
        found = network.input_gradient(windows, shifts)
        expected = input_gradient(lambda x, s=shifts: network.judge(x, s), windows)
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-7)


def test_the_penalty_moves_the_weights_as_with_autograd(critic: Any) -> None:
    network, shape = critic
    shifts = network.draw_shifts(np.random.default_rng(1))
    sides = windows_of(shape, 1), windows_of(shape, 2), torch.linspace(0, 1, 4).double()
    gradients = []
    for gradient_at in (
        lambda x: network.input_gradient(x, shifts),
        lambda x: input_gradient(lambda w: network.judge(w, shifts), x),
    ):
        network.zero_grad()
        gradient_penalty(gradient_at, *sides).backward()
        gradients.append([p.grad for p in network.parameters() if p.dim() > 1])
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-9)


def test_both_sides_in_one_pass_score_as_apart(critic: Any) -> None:
    network, shape = critic
    rng = np.random.default_rng(2)
    sides, shifts = [windows_of(shape, k) for k in (3, 4)], [network.draw_shifts(rng)] * 2
    shifts[1] = network.draw_shifts(rng)
    for found, side, own in zip(network.judge_both(*sides, *shifts), sides, shifts, strict=True):
        torch.testing.assert_close(found, network(side, own))
