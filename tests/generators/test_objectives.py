"""Objectives against hand-computed values and independent code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from calgan.generators.gan import objectives


def standard(n: int, seed: int, *, frames: int = 32, neurons: int = 4) -> torch.Tensor:
    return torch.randn(n, frames, neurons, generator=torch.Generator().manual_seed(seed))


def test_wasserstein_losses_by_hand() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -2.0])
    assert objectives.wasserstein_critic_loss(real, fake).item() == -3.0
    assert objectives.wasserstein_generator_loss(fake).item() == 1.0


def penalty_of(critic: Any, *windows_and_mix: torch.Tensor) -> torch.Tensor:
    return objectives.gradient_penalty(
        lambda windows: objectives.input_gradient(critic, windows), *windows_and_mix
    )


def test_gradient_penalty_of_a_linear_critic_is_exact() -> None:
    direction = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    penalty = penalty_of(
        lambda w: (w * direction).sum((1, 2)), standard(3, 1, frames=6, neurons=2),
        standard(3, 2, frames=6, neurons=2), torch.rand(3),
    )  # fmt: skip
    assert penalty.item() == pytest.approx((direction.norm().item() - 1) ** 2, rel=1e-5)


def test_gradient_penalty_is_taken_between_the_windows() -> None:
    # D = x^2 / 2 has gradient x: at the real end (1, norm 2) and at the fake end (0, norm 0).
    real, fake = torch.ones(1, 4, 1), torch.zeros(1, 4, 1)

    def critic(windows: torch.Tensor) -> torch.Tensor:
        return 0.5 * windows.square().sum((1, 2))

    ends = [penalty_of(critic, real, fake, torch.tensor([mix])).item() for mix in (0.0, 0.5, 1.0)]
    assert ends == pytest.approx([1.0, 0.0, 1.0])


def test_gradient_penalty_reaches_the_critics_weights() -> None:
    weight = torch.tensor(3.0, requires_grad=True)
    x = torch.ones(2, 4, 1)
    penalty_of(lambda w: weight * w.sum((1, 2)), x, x, torch.ones(2)).backward()
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx(2 * (2 * 3 - 1) * 2)  # d/dw (2 w - 1)^2


def test_relativistic_losses_agree_with_numpy() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(scale=30, size=(2, 50))  # far enough apart for exp to overflow
    tensors = torch.from_numpy(real), torch.from_numpy(fake)
    # -log of the probability that the right one of a pair is taken for real
    expected = np.mean(np.logaddexp(0, -(real - fake)))
    assert objectives.rpgan_critic_loss(*tensors).item() == pytest.approx(expected)
    expected = np.mean(np.logaddexp(0, -(fake - real)))
    assert objectives.rpgan_generator_loss(*tensors).item() == pytest.approx(expected)


def test_relativistic_losses_compare_pairs() -> None:
    # A constant that all values share says nothing, nor does another order of the pairs; another
    # pairing does.
    real, fake = torch.tensor([0.0, 3.0]), torch.tensor([1.0, -4.0])
    loss = objectives.rpgan_critic_loss(real, fake)
    assert objectives.rpgan_critic_loss(real + 7, fake + 7).item() == pytest.approx(loss.item())
    assert objectives.rpgan_critic_loss(real.flip(0), fake.flip(0)).item() == loss.item()
    assert objectives.rpgan_critic_loss(real, fake.flip(0)).item() < loss.item() - 0.1


def test_zero_centred_penalty_of_a_quadratic_critic_is_exact() -> None:
    # D = |x|^2 / 2 has gradient x; the mean is over windows, the sum over a window's values.
    windows = standard(5, 0).requires_grad_(True)
    values = 0.5 * windows.square().sum((1, 2))
    expected = 0.5 * np.mean(np.sum(windows.detach().numpy() ** 2, axis=(1, 2)))
    penalty = objectives.zero_centred_penalty(values, windows)
    assert penalty.item() == pytest.approx(expected, rel=1e-5)


def test_zero_centred_penalty_reaches_the_critics_weights() -> None:
    weight = torch.tensor(3.0, requires_grad=True)
    windows = torch.ones(2, 4, 1, requires_grad=True)
    objectives.zero_centred_penalty(weight * windows.sum((1, 2)), windows).backward()
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx(3 * 4)  # d/dw of 4 w^2 / 2


def test_quantiles_agree_with_numpy() -> None:
    values = standard(1, 0, frames=101, neurons=3)[0]
    expected = np.quantile(values.numpy(), np.linspace(0.005, 0.995, 48), axis=0)
    np.testing.assert_allclose(objectives._quantiles(values), expected, rtol=1e-4, atol=1e-5)


def test_covariance_agrees_with_numpy() -> None:
    windows = standard(50, 0)
    flat = 4 * np.tanh(windows.reshape(-1, 4).numpy() / 4)
    np.testing.assert_allclose(
        objectives._covariance(windows, 0), np.cov(flat.T, bias=True), atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("marginals", lambda w: w + 0.3),
        ("log_spectrum", lambda w: w.cumsum(1) / 5),
        ("covariance_lag_0", lambda w: w + w.mean(2, keepdim=True)),
        ("covariance_lag_1", lambda w: w + w.roll(1, dims=1).roll(1, dims=2)),
        ("population_mean", lambda w: w + w.mean(2, keepdim=True)),
        ("increments", lambda w: torch.where(w > 2, 3 * w, w)),
        ("window_means", lambda w: w + w[:, :1]),
    ],
)
def test_each_term_sees_its_statistic(name: str, change) -> None:
    targets = objectives.matching_targets(standard(2000, 0))
    other = standard(500, 1)
    same = objectives.statistics_matching(other, targets)[name]
    changed = objectives.statistics_matching(change(other), targets)[name]
    assert changed > 2 * same.abs() + 0.01


def test_covariance_term_is_unbiased() -> None:
    """On samples of the true process it is 0 in the mean, so it does not reward rigid batches."""
    targets = objectives.matching_targets(standard(20_000, 0, frames=8))
    values = np.array(
        [
            objectives.statistics_matching(standard(8, seed, frames=8), targets)[
                "covariance_lag_0"
            ].item()
            for seed in range(1, 401)
        ]
    )
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))
    plain = 20 * np.mean(
        [
            (objectives._covariance(standard(8, seed, frames=8), 0) - targets.covariances[0])
            .square()
            .mean()
            .item()
            for seed in range(1, 101)
        ]
    )
    assert plain > 10 * abs(values.mean())


def test_every_matched_statistic_is_named() -> None:
    assert len(objectives.MATCHED_STATISTICS) == len(set(objectives.MATCHED_STATISTICS)) == 6


def test_second_order_terms_are_those_of_the_whole() -> None:
    targets, windows = objectives.matching_targets(standard(50, 0)), standard(20, 1)
    whole = objectives.statistics_matching(windows, targets)
    part = objectives.second_order_matching(windows, targets)
    assert {name: part[name].item() for name in part} == {
        name: value.item() for name, value in whole.items() if name not in targets.quantiles
    }
    assert set(objectives.SECOND_ORDER_STATISTICS) < set(objectives.MATCHED_STATISTICS)


def test_one_neuron_and_few_frames_work() -> None:
    windows = standard(10, 0, frames=3, neurons=1)
    terms = objectives.statistics_matching(windows, objectives.matching_targets(windows))
    assert all(torch.isfinite(value) for value in terms.values())
    assert "covariance_lag_4" not in terms
