"""Tests of the shrinkage of what pairs of neurons have in common."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from calgan.shrinkage import chance_errors, shrink_pairs


def symmetric(rng: np.random.Generator, n: int) -> np.ndarray:
    half = np.triu(rng.standard_normal((n, n)))
    return half + np.triu(half, 1).T


def others(n: int) -> np.ndarray:
    return ~np.eye(n, dtype=bool)


def shrunk(value: np.ndarray, error: float, order_error: float = 0.0) -> np.ndarray:
    n = len(value)
    errors = [np.full((n, n), each) for each in (error, order_error)]
    return shrink_pairs(value, *errors, np.ones(n))


def risk(got: np.ndarray, truth: np.ndarray) -> float:
    return float(np.square(got - truth)[others(len(truth))].mean())


# Posterior means


def risks_of(n: int, spread: float, apart: float, noise: float, n_draws: int) -> tuple[float, ...]:
    """Return mean squared errors of shrunk pairs, and of the posterior means of the pairs."""
    rng = np.random.default_rng(0)
    pairs = np.stack(np.triu_indices(n, 1), axis=1)
    design = (pairs[:, :, None] == np.arange(n)).sum(1)
    # The whole posterior: one mean, shares of neurons, something of each pair.
    prior = spread**2 * np.eye(len(pairs)) + apart**2 * design @ design.T + 100.0
    best = prior - prior @ np.linalg.solve(prior + noise**2 * np.eye(len(pairs)), prior)
    found = []
    for _ in range(n_draws):
        shares = 0.1 + apart * rng.standard_normal(n)
        truth = shares[:, None] + shares + spread * symmetric(rng, n)
        seen = truth + noise * symmetric(rng, n)
        got = shrunk(seen, noise**2)
        np.testing.assert_array_equal(np.diag(got), np.diag(seen))
        found.append(risk(got, truth))
    return float(np.mean(found)), float(np.trace(best)) / len(pairs)


@pytest.mark.parametrize("n", [6, 10, 24, 60])
@pytest.mark.parametrize(("spread", "apart"), [(0.1, 0.1), (0.1, 0.0), (0.0, 0.1), (0.0, 0.0)])
def test_comes_near_the_best_there_is(n: int, spread: float, apart: float) -> None:
    noise = 0.15
    found, best = risks_of(n, spread, apart, noise, max(600 // n, 25))
    # The prior is not known, but estimated from what pairs are: of 15 pairs not well.
    assert 0.95 * best < found < best + noise**2 * (0.17 if n < 10 else 0.1 if n < 24 else 0.02)
    assert found < (0.8 if n < 10 else 0.6) * noise**2


def assemblies(n_each: int = 10, r: float = 0.4) -> np.ndarray:
    return np.kron(np.eye(6), np.full((n_each, n_each), r))


def test_few_large_values_stay_and_many_small_ones_go() -> None:
    # What linear shrinkage cannot do: it takes as much from all.
    rng = np.random.default_rng(0)
    truth, noise = assemblies(), 0.05
    got = shrunk(truth + noise * symmetric(rng, 60), noise**2)
    pairs = truth[others(60)]
    best_linear = 1 / (1 / noise**2 + 1 / pairs.var())
    assert best_linear > 0.85 * noise**2
    assert risk(got, truth) < 0.2 * noise**2
    assert np.abs(got[truth == 0]).mean() < 0.01
    assert got[(truth > 0) & others(60)].mean() == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("noise", [0.05, 0.005, 0.0005])
def test_levels_are_close_where_values_are_however_far_values_go(noise: float) -> None:
    rng = np.random.default_rng(0)
    few = np.zeros((40, 40))
    few[:3, :3] = 0.9
    for truth, bound in ((few, 0.2), (np.kron(np.eye(2), np.full((20, 20), 0.4)), 0.05)):
        got = shrunk(truth + noise * symmetric(rng, 40), noise**2)
        assert risk(got, truth) < bound * noise**2


def test_what_is_known_stays() -> None:
    for n in (2, 3, 4, 6, 20):
        value = np.random.default_rng(0).standard_normal((n, n))
        for error in (1e-12, 0.0):
            np.testing.assert_allclose(shrunk(value, error, error), value, atol=1e-6)


def test_what_is_not_known_becomes_one_mean() -> None:
    for n in (3, 4, 20):
        value = symmetric(np.random.default_rng(0), n)
        got = shrunk(value, 1e4)
        # What shares seem to be of noise alone may be left where there are many.
        left = (got - value[others(n)].mean())[others(n)]
        assert np.abs(left).max() < (0.05 if n < 5 else 0.3)
        assert got[others(n)].mean() == pytest.approx(value[others(n)].mean(), abs=0.02)


def test_a_pair_alone_keeps_its_mean() -> None:
    got = shrunk(np.array([[1.0, 0.2], [0.4, 1.0]]), 1e4, 1e4)
    np.testing.assert_allclose(got, [[1.0, 0.3], [0.3, 1.0]], atol=1e-3)


def test_shares_that_differ_stay_though_no_pair_is_known() -> None:
    rng = np.random.default_rng(0)
    shares = rng.standard_normal(40)
    truth = shares[:, None] + shares
    got = shrunk(truth + 0.5 * symmetric(rng, 40), 0.25)
    assert risk(got, truth) < 0.02  # of 0.25, and 2.0 of one mean


def test_orders_of_a_pair_are_shrunk_as_well() -> None:
    # Lagged covariances: each order has an error of its own.
    rng = np.random.default_rng(0)
    n, noise = 30, 0.15
    truth = 0.1 * rng.standard_normal((n, n))
    seen = truth + noise * rng.standard_normal((n, n))
    # Those of the mean of both, and of half their difference.
    got = shrunk(seen, noise**2 / 2, noise**2 / 2)
    best = 0.1**2 * noise**2 / (0.1**2 + noise**2)
    assert risk(got, truth) == pytest.approx(best, rel=0.15)
    same = symmetric(rng, n)
    got = shrunk(same, 0.5, 0.5)
    np.testing.assert_allclose(got, got.T, atol=1e-12)


def test_noisy_neurons_lose_more() -> None:
    rng = np.random.default_rng(0)
    truth = assemblies()
    noise = np.where(np.arange(60) % 2, 0.02, 0.4)
    error = np.outer(noise, noise)
    seen = truth + np.sqrt(error) * symmetric(rng, 60)
    got = shrink_pairs(seen, error, 0 * error, np.ones(60))
    alike = shrunk(seen, float(error[others(60)].mean()))
    assert risk(got, truth) < 0.7 * risk(alike, truth)


@given(st.floats(1e-3, 1e3), st.integers(0, 5))
def test_units_of_neurons_do_not_matter(unit: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    value = 0.2 * rng.standard_normal((8, 8))
    scale = rng.uniform(0.5, 2.0, 8)
    error = np.full((8, 8), 0.02)
    units = np.outer(unit * scale, unit * scale)
    want = units * shrink_pairs(value, error, error, np.ones(8))
    got = shrink_pairs(units * value, units**2 * error, units**2 * error, unit * scale)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9 * unit**2)


@given(st.integers(0, 20), st.permutations(range(7)))
def test_the_order_of_neurons_does_not_matter(seed: int, order: list[int]) -> None:
    rng = np.random.default_rng(seed)
    value = rng.standard_normal((7, 7))
    error, order_error = (np.square(symmetric(rng, 7)) + 0.1 for _ in range(2))
    scale = rng.uniform(0.5, 2.0, 7)
    at = np.ix_(order, order)
    want = shrink_pairs(value, error, order_error, scale)[at]
    got = shrink_pairs(value[at], error[at], order_error[at], scale[order])
    np.testing.assert_allclose(got, want, atol=1e-8)


def test_neurons_that_never_change_are_left_out() -> None:
    rng = np.random.default_rng(0)
    value = symmetric(rng, 8)
    scale = np.where(np.arange(8) == 3, 0.0, 1.0)
    value[3] = value[:, 3] = 0.0
    error = np.full((8, 8), 0.5) * np.outer(scale, scale)
    got = shrink_pairs(value, error, error, scale)
    assert np.isfinite(got).all()
    assert (got[3] == 0).all()
    rest = np.delete(np.arange(8), 3)
    want = shrunk(value[np.ix_(rest, rest)], 0.5, 0.5)
    np.testing.assert_allclose(got[np.ix_(rest, rest)], want)
    np.testing.assert_array_equal(shrink_pairs(value, error, error, 0 * scale), value)


def test_many_pairs_are_shrunk_in_parts() -> None:
    rng = np.random.default_rng(0)
    n, noise = 220, 0.05  # 24,090 pairs
    truth = np.kron(np.eye(22), np.full((10, 10), 0.4))
    got = shrunk(truth + noise * symmetric(rng, n), noise**2)
    assert risk(got, truth) < 0.1 * noise**2


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (10, 41)])
def test_a_pair_that_stands_out_keeps_its_value_among_many(pair: tuple[int, int]) -> None:
    # One cell that was taken for two: the prior is fitted to every other pair alone.
    noise = 0.01
    value = noise * symmetric(np.random.default_rng(0), 260)
    value[pair] = value[pair[::-1]] = 0.95
    got = shrunk(value, noise**2)
    assert np.isfinite(got).all()
    assert got[pair] == pytest.approx(0.95, abs=0.03)


# Errors by chance


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_errors_are_those_of_unrelated_neurons(memory: float) -> None:
    rng = np.random.default_rng(0)

    def draw() -> np.ndarray:
        white = rng.standard_normal((4000, 6)) * np.sqrt(1 - memory**2)
        return lfilter([1.0], [1.0, -memory], white, axis=0).reshape(100, 40, 6)

    # Of many recordings, as an oracle.
    products = [np.einsum("mti,mtj->ij", x, x) / 4000 for x in (draw() for _ in range(150))]
    want = np.square(products)[:, others(6)].mean()
    found = [chance_errors(x, x, 16) for x in (draw() for _ in range(10))]
    assert np.mean([error[others(6)].mean() for error, _ in found]) == pytest.approx(want, rel=0.15)
    assert max(part.max() for _, part in found) < 1e-20


def test_errors_leave_out_what_neurons_share() -> None:
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((200, 20, 1))
    x = 0.9 * shared + 0.1 * rng.standard_normal((200, 20, 4))
    error, _ = chance_errors(x, x, 20)
    # The covariance is .81, its error that of neurons as active at other times.
    assert error[others(4)].mean() == pytest.approx(0.82**2 / 4000, rel=0.5)


def test_lagged_products_have_errors_of_their_order() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 12, 5))
    error, order_error = chance_errors(x[:, :-4], x[:, 4:], 20)
    for part in (error, order_error):
        assert part[others(5)].mean() == pytest.approx(0.5 / 3200, rel=0.3)
        np.testing.assert_allclose(part, part.T)


def test_means_of_features_say_nothing_of_errors() -> None:
    x = np.random.default_rng(0).standard_normal((60, 12, 5))
    for got, want in zip(chance_errors(x + 2, x - 3, 16), chance_errors(x, x, 16), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-15)


def test_half_the_shifts_say_what_all_do() -> None:
    # More than half a recording later is less than half, with the two neurons exchanged.
    x = np.random.default_rng(0).standard_normal((64, 12, 5))
    x -= x.mean((0, 1))
    flat = x.reshape(-1, 5)
    every = [flat.T @ np.roll(x, 4 * k, axis=0).reshape(-1, 5) / len(flat) for k in range(1, 16)]
    want = np.square(every).mean(0)
    error, _ = chance_errors(x, x, 16)
    # The middle one is its own counterpart: one of fifteen, here one of eight.
    middle = np.square(every[7])
    np.testing.assert_allclose(error, (15 * want + middle) / 16)


@pytest.mark.parametrize("n_blocks", [1, 5])
def test_blocks_are_refused_that_there_are_not(n_blocks: int) -> None:
    with pytest.raises(ValueError, match=rf"n_blocks must be 2 to 4, .*, got {n_blocks}"):
        chance_errors(np.zeros((4, 8, 3)), np.zeros((4, 8, 3)), n_blocks)
