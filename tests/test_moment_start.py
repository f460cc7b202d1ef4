"""Where the method of moments starts: nearer to the real windows than what was inferred."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.signal import lfilter
from torch import Tensor

from calgan import moment_start as module
from calgan.datasets import make_recording
from calgan.moment_matching import MomentMatching
from calgan.moment_start import (
    _SKEW_ERROR,
    _Amplitudes,
    _amplitudes,
    _beyond,
    _half_usual,
    _missed_amplitudes,
    _missed_memory,
    _missed_scales,
    _missed_slow,
    _missed_standing,
    _shared_memory,
    _sizes,
    _skew,
    _trusted,
    _trusted_skew,
    level_rates,
    start_generator,
)
from calgan.networks import LatentGenerator, Standardiser, latent_time_scales, seeded_init
from calgan.spike_factors import SpikeFactors, fit_spike_factors

RATE = 10.0


class Case(NamedTuple):
    """What a start needs."""

    shape: tuple[int, int]
    units: Standardiser
    factors: SpikeFactors
    matching: MomentMatching
    real: Tensor


def case_of(traces: np.ndarray, n_frames: int = 32, stride: int = 4) -> Case:
    """Fit factors and moments to traces (T, N)."""
    starts = range(0, len(traces) - n_frames + 1, stride)
    windows = np.stack([traces[first : first + n_frames] for first in starts])
    units = Standardiser.of(windows)
    factors = fit_spike_factors([traces], RATE, 3, latent_time_scales(n_frames))
    real = units.standardise(torch.from_numpy(windows))
    matching = MomentMatching(units, real, factors.calcium.deconvolver, RATE, n_apart=8)
    return Case((n_frames, traces.shape[1]), units, factors, matching, real)


def started(case: Case, seed: int = 0, *, calibrated: bool = True) -> LatentGenerator:
    net = LatentGenerator(*case.shape, n_factors=3, hidden=4)
    seeded_init(net, 0)
    net.units.load_state_dict(case.units.state_dict())
    with pytest.MonkeyPatch.context() as patch:
        if not calibrated:
            patch.setattr(module, "_calibrate", lambda *_: None)
        rng = np.random.default_rng(seed)
        start_generator(net, case.factors, case.matching, case.real, rng)
    return net


def windows_of(case: Case, net: LatentGenerator, n: int) -> Tensor:
    """Generate standardised windows, of the same noise at every call."""
    noise = torch.randn(n, net.noise_size, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        return case.matching.units.standardise(net(noise))


def moments_of(case: Case, net: LatentGenerator, n: int = 500) -> dict[str, Tensor]:
    return case.matching.moments(windows_of(case, net, n))


def all_finite(net: LatentGenerator) -> bool:
    noise = torch.randn(20, net.noise_size, generator=torch.Generator().manual_seed(9))
    tensors = [value for name, value in net.state_dict().items() if name != "period"]
    return all(bool(value.isfinite().all()) for value in (*tensors, net(noise)))


@pytest.fixture(scope="module")
def traces() -> np.ndarray:
    return make_recording(240.0, n_neurons=8, random_state=0)[0].traces


@pytest.fixture(scope="module")
def case(traces: np.ndarray) -> Case:
    return case_of(traces)


# --- what it comes nearer to ------------------------------------------------------------------


def misses(case: Case, net: LatentGenerator) -> np.ndarray:
    """Return by what mean rates, traces and spike covariances are missed, (3,)."""
    real = {name: target.value for name, target in case.matching.targets.items()}
    found = moments_of(case, net)
    rates = (found["firing_rate"] / real["firing_rate"]).log()
    loadings = net.linear.weight.detach().flatten(1)
    pattern = (loadings @ loadings.T).fill_diagonal_(0.0)
    mine, theirs = ((m["spike_covariance"] * pattern).sum() for m in (found, real))
    means = (found["mean"] - real["mean"]).mean()
    return np.array([float(x) for x in (rates.mean(), means, mine / theirs - 1)])


def test_a_calibrated_start_is_near_the_real_windows(case: Case) -> None:
    # It makes up for what is wrong, as tests below say; here it has nothing to spoil either.
    after = [misses(case, started(case, seed)) for seed in range(8)]
    rates, means, covariances = np.mean(after, axis=0)
    assert abs(rates) < 0.06
    assert abs(covariances) < 0.18
    assert abs(means) < 0.06  # of a standard deviation


def with_factors(case: Case, **changes: Any) -> Case:
    return case._replace(factors=dataclasses.replace(case.factors, **changes))


@pytest.mark.parametrize("factor", [0.5, 1.8])
def test_rates_of_a_start_are_corrected(case: Case, factor: float) -> None:
    rates, probabilities = factor * case.factors.rates, factor * case.factors.probabilities
    wrong = with_factors(case, rates=rates, probabilities=probabilities)
    before = misses(wrong, started(wrong, calibrated=False))[0]
    after = np.mean([misses(wrong, started(wrong, seed))[0] for seed in range(4)])
    assert abs(after) < 0.3 * abs(before)


@pytest.mark.parametrize("offset", [-0.3, 0.3])
def test_baselines_of_a_start_are_corrected(
    case: Case, offset: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate, nets = module._calibrate, []

    def off(net: LatentGenerator, *args: Any) -> None:
        with torch.no_grad():
            net.baseline.add_(offset)
        nets.append(copy.deepcopy(net))
        calibrate(net, *args)

    right = started(case).baseline.detach()
    monkeypatch.setattr(module, "_calibrate", off)
    nets.append(started(case))
    before, after = ((net.baseline.detach() - right).mean() for net in nets)
    assert abs(before) > 0.25
    assert abs(after) < 0.2 * abs(before)


@pytest.mark.parametrize("factor", [0.5, 1.4])
def test_correlations_of_a_start_are_corrected(case: Case, factor: float) -> None:
    wrong = with_factors(case, loadings=factor * case.factors.loadings)
    before = misses(wrong, started(wrong, calibrated=False))[2]
    after = [misses(wrong, started(wrong, seed))[2] for seed in range(2)]
    assert abs(before) > 0.4
    assert abs(np.mean(after)) < 0.75 * abs(before)


@pytest.mark.parametrize("factor", [0.75, 1.3])
def test_amplitudes_of_a_start_are_corrected(case: Case, factor: float) -> None:
    def jumps_in(windows: Tensor) -> Tensor:
        return case.matching.lone_jumps(windows, case.matching.spikes(windows))[0]

    real = jumps_in(case.real)
    wrong = with_factors(case, amplitudes=factor * case.factors.amplitudes)
    missed = []
    for calibrated in (False, True):
        net = started(wrong, calibrated=calibrated)
        missed.append((jumps_in(windows_of(case, net, 400)) / real).log().abs().median())
    assert missed[1] < 0.6 * missed[0]


@pytest.mark.parametrize(
    ("name", "value", "left"), [("growth", 3.0, 0.3), ("spread", 0.03, 0.5), ("spread", 0.8, 0.5)]
)
def test_how_amplitudes_vary_at_the_start_is_corrected(
    case: Case, name: str, value: float, left: float
) -> None:
    wrong = with_factors(case, **{name: np.full(8, value)})

    def median(net: LatentGenerator) -> float:
        return float(torch.nn.functional.softplus(getattr(net, name).detach()).median())

    before = median(started(wrong, calibrated=False))
    right, after = (np.mean([median(started(c, seed)) for seed in range(3)]) for c in (case, wrong))
    assert abs(after - right) < left * abs(before - right)


def test_missed_amplitudes_have_their_signs() -> None:
    n = np.full(3, 200.0)
    sizes = np.ones(3), np.full(3, 0.1), n, np.full(3, 1.2), np.ones(3), n
    real = _Amplitudes(
        *sizes, baseline=np.zeros(3), noise=np.ones(3), skew=np.zeros(3), left=np.zeros((1, 9, 3))
    )
    # The last has too few lone events to tell, and takes what the others miss but for its growth.
    mine = real._replace(
        lone=np.array([0.8, 0.8, 9.0]),
        jumps=np.array([0.9, 0.9, 0.1]),
        every=np.array([0.9, 0.9, 9.0]),
        spread=np.array([0.2, 0.2, 5.0]),
    )
    few = np.array([200.0, 200.0, 1.0])
    gain, growth, spread = _missed_amplitudes(real._replace(n_lone=few), mine, torch.ones(3))
    np.testing.assert_allclose(gain, -0.5 * np.log(0.8 * 0.9), rtol=1e-5)
    missed = 6.0 * (np.log(1.2 / 0.9) - np.log(1 / 0.8))
    np.testing.assert_allclose(growth, [missed * 200 / 230] * 2 + [0.0], rtol=1e-5)
    np.testing.assert_allclose(spread, -0.1, rtol=1e-5)
    nothing = _missed_amplitudes(real._replace(n_lone=0 * n), mine, torch.ones(3))
    assert not any(bool(part.any()) for part in nothing)


@pytest.mark.parametrize("factor", [0.75, 1.3])
def test_noise_of_a_start_is_corrected(case: Case, factor: float) -> None:
    calcium = case.factors.calcium
    wrong = with_factors(case, calcium=calcium._replace(noise=factor * calcium.noise))
    # Calcium is smooth beside its noise.
    real = case.real.diff(n=2, dim=1).abs().flatten(0, 1).median(0).values
    missed = []
    for calibrated in (False, True):
        net = started(wrong, calibrated=calibrated)
        windows = windows_of(case, net, 200)
        found = windows.diff(n=2, dim=1).abs().flatten(0, 1).median(0).values
        missed.append(float((found / real).log().abs().mean()))
    assert missed[0] > 0.15
    assert missed[1] < 0.4 * missed[0]


def recording_with(noise: np.ndarray) -> np.ndarray:
    """Make traces of lone events and of noise (T, N) of variance 1."""
    rng = np.random.default_rng(0)
    calcium = lfilter([1.0], [1.0, -0.8], rng.random(noise.shape) < 0.04, axis=0)
    return (calcium + 0.15 * noise).astype(np.float32)


@pytest.mark.parametrize("skews", [[0.01] * 6, [0.3] * 6, [0.02, 0.1, 0.15, 0.2, 0.3, 0.4]])
def test_a_start_has_noise_as_skewed_as_the_recording(skews: list[float]) -> None:
    law = stats.lognorm(np.array(skews))
    noise = np.exp(np.array(skews) * np.random.default_rng(1).standard_normal((2400, 6)))
    noise = (noise - law.mean()) / law.std()
    found = torch.nn.functional.softplus(started(case_of(recording_with(noise))).skew.detach())
    assert float(found.median()) == pytest.approx(np.median(skews), abs=0.06)
    np.testing.assert_allclose(found, skews, atol=0.1)


def residual_covariance(case: Case, windows: Tensor) -> float:
    """Return the mean covariance of neurons in what events leave, in units of its variance."""
    matching, calcium = case.matching, case.factors.calcium
    left = _amplitudes(matching, windows, matching.spikes(windows), calcium).left.reshape(
        -1, windows.shape[2]
    )
    return float(np.cov(left.T)[np.triu_indices(left.shape[1], 1)].mean())


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.4])
def test_noise_that_neurons_share_is_corrected(factor: float) -> None:
    rng = np.random.default_rng(3)
    shared = lfilter([0.6], [1.0, -0.8], rng.standard_normal((4800, 1)), axis=0)
    noise = np.sqrt(0.7) * rng.standard_normal((4800, 6)) + np.sqrt(0.3) * shared
    case = case_of(recording_with(noise), n_frames=64)
    noise = case.factors.noise
    # Some is taken for calcium.
    assert 0.15 < np.square(noise.loadings).sum(axis=1).mean() < 0.35
    if factor:
        case = with_factors(case, noise=noise._replace(loadings=factor * noise.loadings))
    else:  # noise that there is not
        case = case_of(recording_with(rng.standard_normal((4800, 6))), n_frames=64)
        case = with_factors(case, noise=noise)
    real, before, after = (
        residual_covariance(case, windows)
        for windows in (
            case.real[::8],
            *(windows_of(case, started(case, calibrated=c), 300) for c in (False, True)),
        )
    )
    assert abs(before - real) > 0.06
    assert abs(after - real) < 0.65 * abs(before - real)


def test_time_scales_of_a_start_are_corrected(case: Case) -> None:
    # Assemblies wax and wane within seconds: factors without any memory are wrong.
    total = np.square(case.factors.loadings).sum(2, keepdims=True)
    loadings = np.sqrt(total * np.array([0.9, 0.02, 0.02, 0.02, 0.02, 0.02]))
    wrong = with_factors(case, loadings=loadings)

    def lasting(windows: Tensor) -> float:
        counts = case.matching.spikes(windows).sum(2)
        counts = counts - counts.mean()
        return float((counts[:, 4:] * counts[:, :-4]).mean() / counts.square().mean())

    real = lasting(case.real)
    before, after = (
        lasting(windows_of(case, started(wrong, calibrated=c), 400)) for c in (False, True)
    )
    assert before < 0.5 * real
    assert abs(after - real) < 0.6 * abs(before - real)


def test_a_seed_is_one_start_and_another_is_another(case: Case) -> None:
    a, b, c = (started(case, seed).state_dict() for seed in (0, 0, 1))
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, rtol=0, atol=0)
    assert not torch.equal(c["linear.bias"], a["linear.bias"])


def test_global_random_states_are_left_alone(case: Case) -> None:
    net = started(case, calibrated=False)
    states = torch.random.get_rng_state(), np.random.get_state()
    start_generator(net, case.factors, case.matching, case.real, np.random.default_rng(0))
    torch.testing.assert_close(torch.random.get_rng_state(), states[0], rtol=0, atol=0)
    kind, keys, *position = states[1]
    kind_after, keys_after, *position_after = np.random.get_state()
    assert (kind_after, position_after) == (kind, position)
    np.testing.assert_array_equal(keys_after, keys)


def test_units_and_loadings_patterns_stay(case: Case) -> None:
    net, plain = started(case), started(case, calibrated=False)
    torch.testing.assert_close(net.units.scale, case.units.scale)
    # Loadings of a neuron are multiplied by one number at each time scale.
    shape = (case.shape[1], 3, len(net.time_scales))
    a, b = (x.linear.weight.detach()[:, : len(x.log_time)].reshape(shape) for x in (net, plain))
    torch.testing.assert_close(
        torch.nn.functional.normalize(a), torch.nn.functional.normalize(b), rtol=1e-4, atol=1e-5
    )
    for name in ("decay", "rise", "slow", "slow_time", "gumbel"):
        torch.testing.assert_close(getattr(net, name), getattr(plain, name))


# --- where it ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("off", [-0.3, 0.4])
def test_the_mean_rate_is_levelled_by_one_factor(case: Case, off: float) -> None:
    net = started(case)
    net.adjust(log_rate=off)
    real = case.matching.targets["firing_rate"].value
    before = {name: value.clone() for name, value in net.state_dict().items()}
    missed = []
    for _ in range(2):
        found = moments_of(case, net, 2000)["firing_rate"]
        missed.append(float((found.mean() / real.mean()).log()))
        level_rates(net, case.matching, np.random.default_rng(0))
    assert abs(missed[0]) > 0.2
    assert abs(missed[1]) < 0.25 * abs(missed[0])
    changed = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"linear.bias"}
    by = net.linear.bias.detach() - before["linear.bias"]
    torch.testing.assert_close(by, by.mean().expand(8), rtol=1e-3, atol=1e-5)


def test_levelling_does_not_depend_on_how_windows_are_batched(case: Case) -> None:
    nets = [started(case) for _ in range(2)]
    for net, size in zip(nets, (32, 7), strict=True):
        level_rates(net, case.matching, np.random.default_rng(0), n_windows=60, batch_size=size)
    torch.testing.assert_close(nets[0].linear.bias, nets[1].linear.bias, rtol=1e-3, atol=1e-3)


def test_levelling_leaves_a_generator_alone_that_has_diverged(case: Case) -> None:
    net = started(case)
    with torch.no_grad():
        net.baseline.fill_(torch.nan)
    before = net.linear.bias.detach().clone()
    level_rates(net, case.matching, np.random.default_rng(0), n_windows=40)
    torch.testing.assert_close(net.linear.bias.detach(), before, rtol=0, atol=0)


def test_levelling_goes_no_further_than_a_factor_of_two(case: Case) -> None:
    net = started(case)
    with torch.no_grad():
        net.linear.bias.sub_(30.0)
    before = net.linear.bias.detach().clone()
    level_rates(net, case.matching, np.random.default_rng(0), n_windows=40)
    assert 0.3 < float((net.linear.bias.detach() - before).mean()) < 0.7


# --- odd windows ------------------------------------------------------------------------------


def test_one_neuron_can_be_started(traces: np.ndarray) -> None:
    case = case_of(traces[:, :1])
    net = started(case)
    assert all_finite(net)
    # What neurons share is not touched.
    plain = started(case, calibrated=False)
    for name in ("linear.weight", "standing", "normalisation"):
        value, before = (x.state_dict()[name] for x in (net, plain))
        torch.testing.assert_close(value, before, rtol=1e-5, atol=1e-5, msg=name)
    real = case.matching.targets["firing_rate"].value
    rates = [moments_of(case, started(case, seed), 2000)["firing_rate"] for seed in range(4)]
    assert float((torch.stack(rates).mean() / real).log().abs()) < 0.2
    assert float((torch.stack(rates) / real).log().abs().max()) < 0.4


@pytest.mark.parametrize("kind", ["constant", "silent"])
def test_a_neuron_without_events_does_not_break_the_start(traces: np.ndarray, kind: str) -> None:
    some = traces[:1200, :4].copy()
    some[:, 1] = 2.0 if kind == "constant" else np.random.default_rng(0).uniform(-1, 1, 1200)
    case = case_of(some)
    real = case.matching.targets["firing_rate"].value
    assert float(real[1]) < 0.01
    net = started(case)
    assert all_finite(net)
    found = moments_of(case, net)["firing_rate"]
    others = [0, 2, 3]
    assert float((found[others] / real[others]).log().abs().max()) < 0.4
    assert found[1] < real[1] + 0.002  # noise has some, too
    assert found[1] < 0.8 * found[others].min()


def test_nothing_but_silence_can_be_started() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (600, 3)).astype(np.float32)
    case = case_of(noise)
    assert all_finite(started(case))


@pytest.mark.parametrize("n_neurons", [1, 3])
def test_the_shortest_windows_can_be_started(traces: np.ndarray, n_neurons: int) -> None:
    assert all_finite(started(case_of(traces[:400, :n_neurons], n_frames=16)))


# --- parts ------------------------------------------------------------------------------------


def test_sizes_of_lone_and_of_all_events() -> None:
    events = np.zeros((2, 40, 3), dtype=np.float32)
    events[0, [10, 20, 22], 0] = 1.0, 2.0, 4.0
    events[1, 30, 0] = 5.0
    events[1, [10, 11], 1] = 1.0, 2.0
    lone, spread, n_lone, every = _sizes(events)
    np.testing.assert_array_equal(n_lone, [2, 0, 0])
    np.testing.assert_allclose(lone, [3.0, 0.0, 0.0])
    np.testing.assert_allclose(spread, [np.var(np.log([1.0, 5.0])), 0.0, 0.0])
    np.testing.assert_allclose(every, [np.sqrt(46 / 4), np.sqrt(2.5), 0.0])


def test_the_skew_of_noise_is_read_from_its_quantiles() -> None:
    rng = np.random.default_rng(0)
    skews = np.array([0.0, 0.1, 0.3])
    left = np.exp(skews * rng.standard_normal((40, 2000, 3)))
    left[..., 0] = rng.standard_normal((40, 2000))
    left[:, ::100] = 50.0  # events that were missed
    np.testing.assert_allclose(_skew(left), skews, atol=0.05)
    np.testing.assert_allclose(_skew(-left[:, 1::100]), -skews, atol=0.06)
    np.testing.assert_array_equal(_skew(np.zeros((2, 9, 1))), 0)


def test_skews_are_trusted_by_how_many_frames_they_are_from() -> None:
    noise = np.ones(5)
    noise[4] = 0.0  # no noise, no skew: it is no part of the usual one
    skew = np.array([0.1, 0.2, 0.2, 0.3, 0.0])
    none = np.zeros(5)
    seen = _Amplitudes(none, none, none, none, none, none, none, noise, skew, np.zeros((1, 9, 5)))
    np.testing.assert_allclose(_trusted_skew(seen, 1e6), skew, atol=0.01)
    np.testing.assert_allclose(_trusted_skew(seen, 10.0)[:4], 0.2)
    some = _trusted_skew(seen, 1.44 / 0.05**2)  # errors of 0.05, half of the variance
    np.testing.assert_allclose(some[:4], [0.15, 0.2, 0.2, 0.25])
    silent = seen._replace(noise=none)
    np.testing.assert_array_equal(_trusted_skew(silent, 10.0), skew)


def test_the_error_of_a_skew_is_that_of_gaussian_noise() -> None:
    left = np.random.default_rng(0).standard_normal((1, 900, 400))
    assert float(_skew(left).std()) == pytest.approx(_SKEW_ERROR / np.sqrt(900), rel=0.1)


def test_what_errors_explain_becomes_the_median() -> None:
    missed = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4])
    torch.testing.assert_close(_trusted(missed, torch.zeros(5)), missed)
    torch.testing.assert_close(_trusted(missed, torch.ones(5)), torch.full((5,), 0.2))
    # Errors of both sides: half of the variance is theirs.
    half = _trusted(missed, torch.full((5,), float(np.sqrt(0.02 / 4))))
    torch.testing.assert_close(half, 0.2 + 0.5 * (missed - 0.2))
    torch.testing.assert_close(
        _trusted(torch.full((3,), 9.0), torch.ones(3)), torch.full((3,), 0.7)
    )


def real_moments(case: Case) -> dict[str, Tensor]:
    return case.matching.moments(case.real)


def test_what_the_real_windows_have_is_not_missed(case: Case) -> None:
    found = real_moments(case)
    torch.testing.assert_close(_missed_memory(case.matching, found), torch.zeros(8))
    torch.testing.assert_close(_missed_standing(case.matching, found), torch.zeros(8))
    torch.testing.assert_close(_missed_slow(case.matching, found), torch.zeros(1))
    net, spikes = started(case, calibrated=False), case.matching.spikes(case.real)
    one = torch.ones(len(net.time_scales))
    for part in (spikes, 2 * spikes, spikes - 0.3):  # their shape alone is compared
        factors = _missed_scales(net, case.matching, spikes, part, one)
        torch.testing.assert_close(factors, one, rtol=1e-3, atol=1e-3)


def test_what_is_missed_has_its_sign(case: Case) -> None:
    matching = case.matching
    # Spikes with a fifth of the memory; a hundredth of the variance between windows, or much more.
    found = real_moments(case)
    found["spike_memory"] = 0.2 * found["spike_memory"]
    assert float(_missed_memory(matching, found).median()) > 0.1
    for factor, sign in ((0.01, 1), (20.0, -1)):
        found = real_moments(case)
        found["window_covariance"] = factor * found["window_covariance"]
        assert sign * float(_missed_standing(matching, found).median()) > 0.01
        found["power_spectrum_count"] = factor * found["power_spectrum_count"]
        assert sign * float(_missed_slow(matching, found)) > 1.0


def test_factors_that_are_seen_to_last_too_long_are_made_faster(case: Case) -> None:
    net, spikes = started(case, calibrated=False), case.matching.spikes(case.real)
    generator = torch.Generator().manual_seed(0)
    shuffled = spikes[:, torch.randperm(spikes.shape[1], generator=generator)]
    # Shuffled frames keep what neurons share within a frame, and nothing else.
    one = torch.ones(len(net.time_scales))
    faster = _missed_scales(net, case.matching, shuffled, spikes, one)
    slower = _missed_scales(net, case.matching, spikes, shuffled, one)
    assert faster[0] > 1.1 > 0.8 > faster.min()
    assert slower[0] < 0.8 < 1.1 < slower.max()


def test_time_scales_stay_where_the_recording_says_little(case: Case) -> None:
    net = started(case, calibrated=False)
    spikes, rng = case.matching.spikes(case.real), torch.Generator().manual_seed(0)
    one = torch.ones(len(net.time_scales))
    # Neurons that share nothing have no time scales.
    apart = torch.stack(
        [part[torch.randperm(len(part), generator=rng)] for part in spikes.unbind(2)], dim=2
    )
    few = _missed_scales(net, case.matching, apart[::10], spikes, one)
    assert float((few.log().abs()).mean()) < 0.5
    # What was multiplied before is taken back where little asks for it.
    some, others = spikes[::20], spikes[10::20]
    kept, taken = (_missed_scales(net, case.matching, some, others, k * one) for k in (1, 3))
    assert not torch.equal(kept, one)
    assert bool((taken <= kept + 1e-6).all())
    assert float(taken.log().mean()) < float(kept.log().mean()) - 0.1


@pytest.mark.parametrize("lag", [0, 3])
def test_shared_memory_is_that_of_pairs(lag: int) -> None:
    rng = np.random.default_rng(0)
    spikes, axes = rng.standard_normal((4, 12, 5)), rng.standard_normal((5, 3))
    expected = 0.0
    for i in range(5):
        for j in range(5):
            if i != j:
                together = np.mean(spikes[:, : 12 - lag, i] * spikes[:, lag:, j])
                expected += (axes[i] @ axes[j]) * together
    found = _shared_memory(torch.from_numpy(spikes), torch.from_numpy(axes), [lag])
    np.testing.assert_allclose(found, [expected], rtol=1e-10)


def test_neurons_that_come_and_go_get_standing_noise(traces: np.ndarray) -> None:
    # Each fires in some stretches of 128 frames, four windows long, and not in the others.
    rng = np.random.default_rng(0)
    on = np.repeat(rng.random((len(traces) // 128 + 1, 8)) < 0.5, 128, axis=0)[: len(traces)]
    spikes = rng.random(traces.shape) < 0.12 * on
    calcium = lfilter([1.0], [1.0, -0.8], spikes, axis=0)
    moving = (calcium + 0.15 * rng.standard_normal(traces.shape)).astype(np.float32)
    case = case_of(moving)
    target = case.matching.targets["window_covariance"].value.diagonal()

    def missed_by(net: LatentGenerator) -> float:
        found = moments_of(case, net, 3000)["window_covariance"]
        return float((target - found.diagonal()).mean())

    before = missed_by(started(case, calibrated=False))
    nets = [started(case, seed) for seed in range(6)]
    for net in nets:
        standing = torch.nn.functional.softplus(net.standing.detach()).square()
        assert float(standing.median()) > 0.02
    assert before > 0.05
    assert np.mean([abs(missed_by(net)) for net in nets]) < 0.75 * before


def test_populations_that_keep_their_pace_are_normalised(traces: np.ndarray) -> None:
    # Two halves fire in stretches of 24 frames: in turns, or at the same time.
    rng = np.random.default_rng(0)
    first = rng.random((len(traces) // 24 + 1, 1)) < 0.5
    normalisations = []
    for second in (~first, first):
        halves = np.repeat(np.repeat(np.hstack([first, second]), 4, axis=1), 24, axis=0)
        spikes = rng.random(traces.shape) < 0.15 * halves[: len(traces)]
        calcium = lfilter([1.0], [1.0, -0.8], spikes, axis=0)
        case = case_of((calcium + 0.15 * rng.standard_normal(traces.shape)).astype(np.float32))
        normalisations.append(float(started(case).normalisation.detach()))
    in_turns, together = normalisations
    assert in_turns > 0.2
    assert together < in_turns - 0.1


def test_beyond_is_what_half_an_error_leaves() -> None:
    missed = torch.tensor([-3.0, -1.0, -0.4, 0.0, 0.4, 1.0, 3.0])
    error = torch.tensor([1.0, 2.0, 1.0, 1.0, 1.0, 0.0, 4.0])
    expected = torch.tensor([-2.5, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    torch.testing.assert_close(_beyond(missed, error), expected, rtol=0, atol=1e-6)


def test_half_usual_is_half_way_to_the_median() -> None:
    missed = torch.tensor([-9.0, 0.1, 0.2, 0.4, 9.0])
    expected = torch.tensor([-0.25, 0.15, 0.2, 0.3, 0.45])  # none beyond 0.7
    torch.testing.assert_close(_half_usual(missed), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("n_frames", "n_neurons", "seed"), [(16, 5, 0), (32, 5, 0), (32, 2, 0)])
def test_starts_of_short_recordings_do_not_blow_up(
    n_frames: int, n_neurons: int, seed: int
) -> None:
    traces = make_recording(60.0, n_neurons=n_neurons, random_state=seed)[0].traces
    short = case_of(traces, n_frames)
    net = started(short)
    with torch.no_grad():
        windows = net(torch.randn(256, net.noise_size, generator=torch.Generator().manual_seed(1)))
    assert (windows.numpy().std((0, 1)) < 3 * traces.std(0)).all()
