"""MomentMatching: laws that hold whichever moments there are."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calgan import OasisDeconvolver, Recording, Windower
from calgan.datasets import make_process, make_recording
from calgan.moment_matching import (
    MomentMatching,
    RunningMeans,
    Target,
    _bands,
    _jump_filter,
)
from calgan.networks import Standardiser

RATE = 10.0


def matching_of(windows: np.ndarray, **deconvolver_changes: np.ndarray) -> MomentMatching:
    deconvolver = OasisDeconvolver(RATE).fit(windows)
    for name, value in deconvolver_changes.items():
        setattr(deconvolver, name, value)
    units = Standardiser.of(windows)
    return MomentMatching(units, units.standardise(torch.from_numpy(windows)), deconvolver, RATE)


def compare(matching: MomentMatching, windows: np.ndarray) -> dict[str, float]:
    terms = matching(torch.from_numpy(windows), RunningMeans())
    return {name: float(term) for name, term in terms.items()}


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    recording, _ = make_recording(100.0, n_neurons=5, random_state=0)
    return np.array(Windower(32, stride=8).fit_transform(recording))


@pytest.fixture(scope="module")
def matching(windows: np.ndarray) -> MomentMatching:
    return matching_of(windows)


def remembering(matching: MomentMatching, windows: Tensor) -> RunningMeans:
    """Return running means that hold the moments of some windows."""
    running = RunningMeans()
    with torch.no_grad():
        matching(windows, running)
    return running


# What it compares


def test_training_windows_have_their_own_moments(
    windows: np.ndarray, matching: MomentMatching
) -> None:
    terms = compare(matching, windows)
    assert set(terms) == set(matching.targets)
    # Covariances of different neurons are shrunk on purpose, to within their errors.
    assert all(term == pytest.approx(0, abs=1e-4) for k, term in terms.items() if "cov" not in k)
    assert all(term < 0.5 for term in terms.values())
    for target in matching.targets.values():
        assert target.value.isfinite().all()
        assert target.value.shape == target.error.shape
        assert (target.error > 0).all()


@pytest.mark.parametrize("r", [0.05, 1.0, 300.0])
def test_a_term_counts_standard_errors(
    windows: np.ndarray, matching: MomentMatching, r: float
) -> None:
    shifted = copy.copy(matching)
    shifted.targets = {
        name: Target(target.value + r * target.error, target.error)
        for name, target in matching.targets.items()
        if "cov" not in name
    }
    found = matching.moments(matching.units.standardise(torch.from_numpy(windows)))
    shifted.moments = lambda *_: {name: found[name] for name in shifted.targets}  # type: ignore[method-assign]
    for term in compare(shifted, windows).values():
        assert term == pytest.approx(math.sqrt(1 + r**2) - 1, rel=0.05, abs=1e-4)


def of_one_neuron_at_a_time(windows: np.ndarray) -> np.ndarray:
    """Take each neuron from another window: nothing is left of what they share."""
    n = windows.shape[2]
    return np.stack([np.roll(windows[:, :, i], 17 * i, axis=0) for i in range(n)], axis=2)


CHANGES = {
    "level": lambda x: x + 0.1 * x.std((0, 1)),
    "scale": lambda x: 1.3 * x,
    "half as many events": lambda x: x * (np.arange(len(x)) % 2)[:, None, None],
    "frames in reverse": lambda x: x[:, ::-1].copy(),
    "frames in any order": lambda x: np.random.default_rng(0).permuted(x, axis=1),
    "neurons apart": of_one_neuron_at_a_time,
    "neurons exchanged": lambda x: np.roll(x, 1, axis=2),
    "smooth": lambda x: (x + np.roll(x, 1, axis=1)) / 2,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_notices_what_is_changed(
    change: Callable[[np.ndarray], np.ndarray], windows: np.ndarray, matching: MomentMatching
) -> None:
    same = sum(compare(matching, windows).values())
    changed = change(windows).astype(np.float32)
    assert sum(compare(matching, changed).values()) > same + 1


def test_units_do_not_matter(windows: np.ndarray, matching: MomentMatching) -> None:
    scale = np.array([1e-3, 1, 7, 1e3, 1e6], dtype=np.float32)
    offset = scale * np.array([0, -5, 2, 9, 1], dtype=np.float32)
    fake = CHANGES["neurons apart"](windows) * np.float32(1.2)
    in_units = matching_of(scale * windows + offset)
    plain = compare(matching, fake)
    other = compare(in_units, scale * fake + offset)
    assert other == pytest.approx(plain, rel=0.05, abs=0.02)


def test_the_order_of_neurons_does_not_matter(
    windows: np.ndarray, matching: MomentMatching
) -> None:
    order = np.array([3, 1, 4, 0, 2])
    fake = np.float32(1.2) * windows
    terms, permuted = (
        compare(m, f)
        for m, f in [(matching, fake), (matching_of(windows[..., order]), fake[..., order])]
    )
    for name, term in terms.items():
        if name != "components":  # principal axes, whose sign means nothing
            assert permuted[name] == pytest.approx(term, rel=0.02, abs=0.01)


def test_one_neuron_has_no_population(windows: np.ndarray, matching: MomentMatching) -> None:
    one = matching_of(windows[..., :1])
    terms = compare(one, windows[..., :1])
    assert all(term == pytest.approx(0, abs=1e-4) for term in terms.values())
    assert len(terms) < len(matching.targets)
    assert not any("population" in name or "covariance" in name for name in terms)
    assert sum(compare(one, 1.3 * windows[..., :1]).values()) > 1


@pytest.mark.parametrize("shape", [(2, 16, 2), (2, 17, 1), (3, 19, 3), (20, 33, 2)])
def test_few_short_windows_will_do(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    terms = compare(matching_of(x), x)
    assert all(math.isfinite(term) for term in terms.values())


def test_a_neuron_without_events_is_not_known_exactly(windows: np.ndarray) -> None:
    # Uniform noise never reaches the threshold: its rate is 0 in every block.
    quiet = windows.copy()
    quiet[..., 0] = np.random.default_rng(0).uniform(-1, 1, quiet.shape[:2])
    matching = matching_of(quiet)
    spikes = matching.deconvolver.transform(quiet).sum((0, 1))
    assert spikes[0] == 0
    assert (spikes[1:] > 0).all()
    for name, (_, error) in matching.targets.items():
        if error.shape[-1] == 5:
            assert error.max() / error[..., 0].min() < 1000, name
    # One event of it in 30 windows is no catastrophe beside what it would be for another neuron.
    quiet[::30, 16, 0] += 8
    assert matching.deconvolver.transform(quiet)[..., 0].sum() > 0
    assert max(compare(matching, quiet).values()) < 20


def test_a_constant_neuron_teaches_nothing(windows: np.ndarray) -> None:
    constant = windows.copy()
    constant[..., 2] = 7.0
    with pytest.warns(UserWarning, match="constant"):
        matching = matching_of(constant)
    x = torch.from_numpy(constant).requires_grad_()
    terms = matching(x, RunningMeans())
    torch.stack(list(terms.values())).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


# Third moments


def bent(x: np.ndarray) -> np.ndarray:
    return 8 * np.tanh(x / 8)


def test_third_moments_are_products_across_lags(
    windows: np.ndarray, matching: MomentMatching
) -> None:
    x = matching.units.standardise(torch.from_numpy(windows))
    found = matching.moments(x)["third_moments"].numpy()
    y = bent(x.numpy().astype(np.float64))
    expected = [(y**3).mean((0, 1))]
    for lag in (1, 2, 4, 8, 16):
        early, late = y[:, :-lag], y[:, lag:]
        expected += [(late**2 * early).mean((0, 1)), (early**2 * late).mean((0, 1))]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    # Rises are steep: large values follow small ones, and decay.
    assert (found[2::2] > found[1::2])[:3].all()


def test_reversed_time_swaps_the_third_moments(
    windows: np.ndarray, matching: MomentMatching
) -> None:
    x = matching.units.standardise(torch.from_numpy(windows))
    forwards, backwards = (matching.moments(part)["third_moments"] for part in (x, x.flip(1)))
    torch.testing.assert_close(backwards[0], forwards[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(backwards[1::2], forwards[2::2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(backwards[2::2], forwards[1::2], rtol=1e-4, atol=1e-5)
    # Second moments of single neurons are the same either way.
    terms = compare(matching, windows[:, ::-1].copy())
    assert min(terms["third_moments"], terms["third_moments_pooled"]) > 0.02
    assert terms["power_spectrum"] == pytest.approx(0, abs=1e-3)


def test_third_moments_of_short_windows_have_fewer_lags() -> None:
    x = np.random.default_rng(0).standard_normal((6, 9, 2)).astype(np.float32)
    matching = matching_of(x)
    moments = matching.moments(matching.units.standardise(torch.from_numpy(x)))
    assert moments["third_moments"].shape == (1 + 2 * 4, 2)  # 1, 2, 4 and 8 frames


def test_pooled_moments_are_means_over_neurons(
    windows: np.ndarray, matching: MomentMatching
) -> None:
    moments = matching.moments(matching.units.standardise(torch.from_numpy(windows)))
    third, power = (moments[name].numpy() for name in ("third_moments", "power_spectrum"))
    np.testing.assert_allclose(moments["third_moments_pooled"], third.mean(1), rtol=1e-5)
    # Relative to the real power: neurons with much of it do not outvote the others.
    np.testing.assert_allclose(
        moments["power_spectrum_pooled"], (power / matching.power.numpy()).mean(1), rtol=1e-4
    )
    rates = moments["window_rates"].numpy().mean(1)
    np.testing.assert_allclose(moments["window_rates_pooled"], rates, rtol=1e-5)
    single, pooled = (matching.targets[f"third_moments{end}"] for end in ("", "_pooled"))
    np.testing.assert_allclose(pooled.value, single.value.mean(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(matching.targets["power_spectrum_pooled"].value, 1, rtol=1e-5)
    # ... known more precisely than those of single neurons.
    assert pooled.error.mean() < 0.8 * single.error.mean()


# Spikes in bins, and in windows


def spikes_and_bins(
    windows: np.ndarray, matching: MomentMatching
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return inferred spikes (M, T, N), their numbers in bins of 5 frames, and the moments."""
    spikes = np.asarray(matching.deconvolver.transform(windows), dtype=np.float64)
    assert matching.bin_frames == 5  # half a second
    bins = np.stack([spikes[:, t : t + 5].sum(1) for t in range(0, 30, 5)], axis=1)
    moments = matching.moments(matching.units.standardise(torch.from_numpy(windows)))
    return spikes, bins, {name: value.numpy() for name, value in moments.items()}


def test_numbers_of_spikes_in_bins(windows: np.ndarray, matching: MomentMatching) -> None:
    _, bins, found = spikes_and_bins(windows, matching)
    expected = np.zeros((3, 5))
    for k in (1, 2, 3):
        for neuron in range(5):
            numbers = bins[..., neuron].ravel()
            expected[k - 1, neuron] = sum(max(n - k, 0) for n in numbers) / len(numbers)
    assert (expected[:2].max(1) > 0).all()
    np.testing.assert_allclose(found["bin_counts"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("n_frames", "levels"), [(16, [1, 2, 3]), (12, [1, 2]), (8, [1]), (7, [0])]
)
def test_narrow_bins_have_room_for_fewer_spikes(n_frames: int, levels: list[int]) -> None:
    x = np.random.default_rng(0).standard_normal((20, n_frames, 2)).astype(np.float32)
    matching = matching_of(x)
    assert matching.bin_frames == n_frames // 4
    found = matching.levels["bin_counts"].numpy()
    np.testing.assert_array_equal(found, np.array(levels)[:, None] * np.ones((1, 2)))


def test_memory_of_spikes(windows: np.ndarray, matching: MomentMatching) -> None:
    _, bins, found = spikes_and_bins(windows, matching)
    rates = bins / 5
    z = (rates - rates.mean((0, 1))) / rates.std((0, 1), ddof=1)
    z = 4 * np.tanh(z / 4)
    expected = [(z[:, lag:] * z[:, : 6 - lag]).mean((0, 1)) for lag in (0, 1, 2, 4)]  # of 6 bins
    np.testing.assert_allclose(found["spike_memory"], expected, rtol=1e-3, atol=1e-4)


def test_rates_of_windows_vary_together(windows: np.ndarray, matching: MomentMatching) -> None:
    spikes, bins, found = spikes_and_bins(windows, matching)
    rates = spikes.mean(1)
    z = 4 * np.tanh((rates - bins.mean((0, 1)) / 5) / rates.std(0, ddof=1) / 4)
    np.testing.assert_allclose(found["window_covariance"], z.T @ z / len(z), rtol=1e-3, atol=1e-4)
    # Bins see what is within windows too.
    assert np.abs(found["window_covariance"] - found["spike_covariance"]).max() > 0.1


@pytest.mark.parametrize("n_frequencies", [1, 2, 9, 15, 16, 17, 18, 33, 65, 129, 1025])
def test_bands_cover_each_frequency_once(n_frequencies: int) -> None:
    bands = _bands(n_frequencies, torch.device("cpu")).numpy()
    np.testing.assert_allclose(bands.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal((bands > 0).sum(0), 1)
    assert len(bands) <= 24
    # In the order of frequencies, each contiguous, the lowest 15 alone, none narrower than before.
    band = bands.argmax(0)
    assert (np.diff(band) >= 0).all()
    np.testing.assert_array_equal(band[:15], np.arange(min(15, n_frequencies)))
    # The last may be cut off by the highest frequency.
    assert (np.diff(np.bincount(band))[:-1] >= -1).all()


def test_power_spectra_of_the_population() -> None:
    recording, _ = make_recording(100.0, n_neurons=5, random_state=0)
    windows = np.array(Windower(48, stride=12).fit_transform(recording))
    matching = matching_of(windows)
    fake = (1.1 * CHANGES["neurons apart"](windows) + 0.2).astype(np.float32)
    bands = matching.bands.double().numpy()
    assert len(bands) < 25  # of frequencies

    def oracle(values: np.ndarray) -> np.ndarray:
        t = np.arange(48)
        power = [
            (np.abs(values @ np.exp(-2j * np.pi * f * t / 48)) ** 2).mean() / 48 for f in range(25)
        ]
        return bands @ power + 1e-3

    def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = matching.units.standardise(torch.from_numpy(x)).double().numpy().mean(2)
        return mean, np.asarray(matching.deconvolver.transform(x), dtype=np.float64).mean(2)

    real, mine = parts(windows), parts(fake)
    found = matching.moments(matching.units.standardise(torch.from_numpy(fake)))
    # In deviations from the real mean: what is always there has a power at frequency 0.
    expected = {
        "mean": oracle(mine[0] - real[0].mean()),
        "count": oracle((mine[1] - real[1].mean()) / real[1].std(ddof=1)),
    }
    for name, values in expected.items():
        moment = found[f"power_spectrum_{name}"].numpy()
        assert moment.shape == (len(bands), 1)
        np.testing.assert_allclose(moment[:, 0], values, rtol=1e-3)


# Jumps


def test_jumps_at_lone_spikes(windows: np.ndarray, matching: MomentMatching) -> None:
    x = matching.units.standardise(torch.from_numpy(windows))
    jumps, numbers = (part.numpy() for part in matching.lone_jumps(x, matching.spikes(x)))
    spikes = np.asarray(matching.deconvolver.transform(windows))
    kernel = matching.kernel.double().numpy()
    for neuron in range(5):
        seen = []
        for m, t in np.argwhere(spikes[..., neuron] > 0):
            if not 4 <= t < 32 - 4:
                continue
            if np.count_nonzero(spikes[m, t - 4 : t + 5, neuron]) > 1:
                continue
            # Calcium of this frame and of the next three, less what is left of the four before.
            seen.append(kernel[neuron] @ x[m, t - 4 : t + 4, neuron].double().numpy())
        assert numbers[neuron] == len(seen) > 5
        assert jumps[neuron] == pytest.approx(np.mean(seen), rel=1e-4)
    assert (jumps > 0).all()


def test_jumps_where_no_spike_is_alone(matching: MomentMatching) -> None:
    at_rest = np.tile(matching.deconvolver.baseline_, (3, 32, 1)).astype(np.float32)
    x = matching.units.standardise(torch.from_numpy(at_rest))
    jumps, numbers = matching.lone_jumps(x, matching.spikes(x))
    assert (numbers == 0).all()
    assert (jumps == 0).all()


# Gradients


def loss_and_gradient(
    matching: MomentMatching, base: Tensor, running: RunningMeans
) -> tuple[float, Tensor]:
    """Return the loss of scaled and shifted windows, and its gradient in scale and shift."""
    theta = torch.tensor([[1.1] * 5, [0.05] * 5], requires_grad=True)
    terms = matching(theta[0] * base + theta[1], copy.deepcopy(running))
    loss = torch.stack(list(terms.values())).sum()
    loss.backward()
    assert theta.grad is not None
    return loss.item(), theta.grad


def test_the_gradient_is_unbiased(windows: np.ndarray, matching: MomentMatching) -> None:
    # That of a batch is the mean of its halves': batches of any size have the same expectation.
    # Squared differences of a batch's own moments would fail, by what noise adds to them.
    x = torch.from_numpy(windows)
    running = remembering(matching, 0.7 * x[40:60])
    whole, halves = x[:16], (x[:8], x[8:16])
    loss, gradient = loss_and_gradient(matching, whole, running)
    parts = [loss_and_gradient(matching, half, running) for half in halves]
    assert [value for value, _ in parts] == pytest.approx([loss, loss])  # that of steps before
    mean = (parts[0][1] + parts[1][1]) / 2
    torch.testing.assert_close(mean, gradient, rtol=1e-3, atol=1e-3 * float(gradient.abs().max()))
    assert (parts[0][1] - parts[1][1]).abs().max() > 0.05 * gradient.abs().max()


def test_spikes_are_those_of_the_deconvolver(windows: np.ndarray, matching: MomentMatching) -> None:
    x = matching.units.standardise(torch.from_numpy(windows))
    traces = matching.units.restore(x).numpy()
    expected = matching.deconvolver.transform(traces)
    assert 0 < expected.mean() < 0.5
    np.testing.assert_array_equal(matching.spikes(x), expected)
    assert not matching.spikes(x.requires_grad_()).requires_grad


def test_spikes_have_the_gradient_of_those_that_the_windows_were_made_from(
    windows: np.ndarray, matching: MomentMatching
) -> None:
    x = torch.from_numpy(windows)
    running = remembering(matching, x)
    others = copy.copy(matching)
    others.targets = {  # more spikes are wanted of the first neuron
        name: target._replace(value=target.value + torch.eye(5)[0])
        for name, target in matching.targets.items()
        if name == "firing_rate"
    }
    moments = matching.moments
    others.moments = lambda *args: {"firing_rate": moments(*args)["firing_rate"]}  # type: ignore[method-assign]
    running.values = moments(matching.units.standardise(x))["firing_rate"]
    fired = torch.zeros_like(x, requires_grad=True)
    (term,) = others(x, running, fired).values()
    (without,) = others(x, copy.deepcopy(running)).values()
    assert term.item() == pytest.approx(without.item(), rel=0.1)  # means of the steps have moved
    term.backward()
    assert fired.grad is not None
    # By as much in every frame: what there is of spikes is not what it depends on.
    assert (fired.grad[..., 0] < 0).all()
    torch.testing.assert_close(fired.grad[..., 0], fired.grad[:1, :1, 0].expand(x.shape[:2]))
    assert not fired.grad[..., 1:].any()


def test_spikes_teach_no_noise(windows: np.ndarray, matching: MomentMatching) -> None:
    x = torch.from_numpy(windows).requires_grad_()
    terms = matching(x, remembering(matching, 0.7 * x.detach()), torch.zeros_like(x))
    spikes = ("firing_rate", "bin_counts", "spike_", "window_rates", "window_v", "population_count")
    told = {name: term.requires_grad for name, term in terms.items()}
    assert {name for name, has in told.items() if not has} == {
        name for name in terms if name.startswith(spikes)
    } | {"window_covariance", "power_spectrum_count"}


def test_the_pooled_variance_of_window_rates_is_that_of_all_neurons(
    windows: np.ndarray, matching: MomentMatching
) -> None:
    standardised = matching.units.standardise(torch.from_numpy(windows))
    rates = matching.spikes(standardised).numpy().mean(1)
    (found,) = matching.moments(standardised)["window_variance_pooled"]
    n = len(windows)  # the recording's own, but for the degree of freedom of its means
    assert float(found) == pytest.approx((n - 1) / n, rel=1e-3)
    (apart,) = matching.moments(standardised[:9])["window_variance_pooled"]
    expected = (
        np.square(rates[:9] - matching.rate.numpy()).mean(0).sum() / rates.var(0, ddof=1).sum()
    )
    assert float(apart) == pytest.approx(expected, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.floats(-60, -0.005), st.floats(-3, 3), st.floats(0, 2))
def test_jumps_are_estimated_by_least_squares(log_decay: float, before: float, jump: float) -> None:
    # Calcium `before` that decays, and a jump: exactly the jump is found, at any decay.
    decay = torch.tensor([math.exp(log_decay)])
    (kernel,) = _jump_filter(decay)
    half = len(kernel) // 2
    steps = torch.arange(half)
    past = before * decay**steps
    now = (past[-1] * decay + jump) * decay**steps
    found = kernel @ torch.cat([past, now])
    assert float(found) == pytest.approx(jump, abs=1e-4)
    # Of all unbiased estimates from these frames alone, those of least variance.
    design = np.exp(log_decay * np.arange(half))
    np.testing.assert_allclose(kernel[half:], design / (design @ design), rtol=1e-4, atol=1e-30)


def test_decays_within_a_frame_have_gradients(windows: np.ndarray) -> None:
    matching = matching_of(windows, decay_=np.full(5, math.exp(-50.0)))
    x = torch.from_numpy(windows).requires_grad_()
    torch.stack(list(matching(x, RunningMeans()).values())).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


# Shrinkage


def correlation_of(covariance: np.ndarray) -> np.ndarray:
    spread = np.sqrt(np.diag(covariance))
    return covariance / np.outer(spread, spread)


def test_covariances_that_are_asked_for_are_nearer_the_process() -> None:
    process = make_process(60, frame_rate=RATE, random_state=0)
    recording = process.sample_recording(600.0, random_state=1)[0]
    windows = np.array(Windower(64, stride=16).fit_transform(recording))
    matching = matching_of(windows)
    fresh = process.sample_windows(2000, 64, random_state=2)[0].reshape(-1, 60)
    truth, seen = np.corrcoef(fresh.T), np.corrcoef(windows.reshape(-1, 60).T)
    asked = correlation_of(matching.targets["covariance"].value.double().numpy())
    unrelated = (truth < 0.03) & ~np.eye(60, dtype=bool)
    related = (truth > 0.25) & ~np.eye(60, dtype=bool)
    # What is there by chance has gone for the most part, and what is not has stayed.
    assert np.abs(asked[unrelated]).mean() < 0.6 * np.abs(seen[unrelated]).mean()
    assert asked[related].mean() > 0.9 * seen[related].mean()
    assert np.square(asked - truth).mean() < 0.85 * np.square(seen - truth).mean()


def off_diagonal(matrix: Tensor) -> Tensor:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]


def test_what_is_asked_for_is_asked_for_along_itself(
    windows: np.ndarray, matching: MomentMatching
) -> None:
    asked = off_diagonal(matching.targets["covariance"].value)
    found = matching.moments(matching.units.standardise(torch.from_numpy(windows)))
    along = (off_diagonal(found["covariance"]) @ asked) / (asked @ asked)
    torch.testing.assert_close(found["covariance_pooled"], along[None])
    # Of what is asked for itself, it is 1.
    wanted = matching.targets["covariance_pooled"].value
    torch.testing.assert_close(wanted, torch.ones(1))


@pytest.mark.filterwarnings("ignore:2 of 3 neurons are constant")
def test_one_neuron_beside_silent_ones_misses_nothing() -> None:
    windows = np.zeros((40, 32, 3), dtype=np.float32)
    recording, _ = make_recording(100.0, n_neurons=1, random_state=0)
    windows[:, :, 0] = np.array(Windower(32, stride=20).fit_transform(recording))[:40, :, 0]
    assert sum(compare(matching_of(windows), windows).values()) < 0.1


def test_errors_of_long_recordings_are_from_all_of_them() -> None:
    rng = np.random.default_rng(0)
    windows = rng.standard_normal((2000, 16, 12)).astype(np.float32)
    matching = matching_of(windows)
    asked = off_diagonal(matching.targets["covariance"].value)
    seen = off_diagonal(torch.from_numpy(np.corrcoef(windows.reshape(-1, 12).T)).float())
    # Nothing is shared, and errors are 1 / 32,000: of every fifth window they were five times that.
    assert asked.square().mean() < 0.3 * seen.square().mean()


def test_windows_that_overlap_say_as_much_as_those_that_do_not() -> None:
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((16000, 12)).astype(np.float32)
    every = np.array(Windower(16, stride=4).fit_transform(Recording(frames, RATE)))
    apart = np.array(Windower(16, stride=16).fit_transform(Recording(frames, RATE)))
    found = []
    for windows, n_apart in ((every, 1000), (apart, None)):
        units = Standardiser.of(apart)
        real = units.standardise(torch.from_numpy(windows))
        deconvolver = OasisDeconvolver(RATE).fit(apart)
        matching = MomentMatching(units, real, deconvolver, RATE, n_apart)
        assert matching.n_blocks == 16
        asked = off_diagonal(matching.targets["covariance"].value)
        found.append(float(asked.square().mean()))
    seen = float(off_diagonal(torch.from_numpy(np.corrcoef(frames.T))).square().mean())
    assert max(found) < 0.3 * seen


def test_variances_are_not_shrunk(windows: np.ndarray, matching: MomentMatching) -> None:
    found = matching.moments(matching.units.standardise(torch.from_numpy(windows)))
    for name in ("covariance", "covariance_0", "spike_covariance", "window_covariance"):
        diagonal = matching.targets[name].value.diagonal()
        torch.testing.assert_close(diagonal, found[name].diagonal(), rtol=1e-5, atol=1e-6)


# Running means


def test_running_means_are_those_before_the_batch() -> None:
    running = RunningMeans()
    first, second, third = (torch.full((3,), v) for v in (1.0, 2.0, 5.0))
    torch.testing.assert_close(running.swap(first), first)
    torch.testing.assert_close(running.swap(second), first)
    before = running.values.clone()
    assert (before > first).all()
    assert (before < second).all()
    torch.testing.assert_close(running.swap(third), before)
    torch.testing.assert_close(running.swap(torch.ones(2)), torch.ones(2))  # other moments
    values = torch.ones(3, requires_grad=True)
    assert not running.swap(values).requires_grad


def test_running_means_settle_at_the_mean() -> None:
    rng = np.random.default_rng(0)
    running = RunningMeans()
    for _ in range(300):
        old = running.swap(torch.from_numpy(3 + rng.standard_normal(2000)))
    assert float(old.mean()) == pytest.approx(3, abs=0.05)
    assert float(old.std()) < 0.5  # of many batches, not of one


def test_running_means_are_a_state() -> None:
    running, other = RunningMeans(), RunningMeans()
    running.swap(torch.arange(4.0))
    for _ in range(2):  # whatever it holds
        assert not other.load_state_dict(running.state_dict()).missing_keys
        torch.testing.assert_close(other.values, running.values)
        running.swap(torch.arange(6.0))
    with pytest.raises(RuntimeError, match="Missing key"):
        RunningMeans().load_state_dict({})


def test_running_means_of_other_windows_are_forgotten() -> None:
    running = RunningMeans()
    running.use_for(1)
    running.swap(torch.tensor([1.0]))
    running.use_for(1)
    assert running.swap(torch.tensor([9.0])).item() == 1.0
    running.use_for(2)
    assert running.swap(torch.tensor([5.0])).item() == 5.0


def test_batches_of_real_windows_are_on_target(
    windows: np.ndarray, matching: MomentMatching
) -> None:
    # Training compares means of moments over batches: no moment may depend on how large these are.
    real = matching.units.standardise(torch.from_numpy(windows))
    real = real[: len(real) // 4 * 4]
    whole = matching.moments(real)
    batches = [matching.moments(part) for part in real.tensor_split(len(real) // 4)]
    for name, value in whole.items():
        mean = torch.stack([batch[name] for batch in batches]).mean(0)
        torch.testing.assert_close(mean, value, rtol=1e-3, atol=1e-4, msg=name)
