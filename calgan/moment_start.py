"""Where the simulated method of moments starts and ends: what is calibrated around training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import nnls
from torch import Tensor

from calgan._torch import noise
from calgan.calcium_fit import CalciumFit, lone_events
from calgan.deconvolution import infer_calcium
from calgan.moment_matching import MomentMatching, bent
from calgan.networks import LatentGenerator
from calgan.spike_factors import SpikeFactors, smooth_autocorrelation
from calgan.trace_noise import MOST_NOISE

_ROUNDS, _FULL_ROUNDS, _WINDOWS_A_ROUND = 10, 3, 96
_STEP = 0.7  # most statistics follow by more than what they are adjusted by
_FEW = 1e-4  # spikes a frame
_MOST = 0.7  # that is made up for in a round
# Ranges of all rounds' factors: traces that no such model explains would ask for ever more.
# Private noise never rises: where neurons fire at once, it would keep them apart.
_RANGES = {"gain": (0.3, 1.5), "private": (0.4, 1.0), "noise": (0.7, 1.4)}
_REAL_WINDOWS = 300
_LAGS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # frames
_MOST_SCALES = 3.0  # of variances at time scales, in a round
_LEAST_ERROR = 0.01  # of autocovariances, beside the variance
_TINY = 1e-9
_FEW_JUMPS, _JUMPS_DOUBT = 8, 30  # lone events
_LEAST_MEMORY = 0.05  # autocorrelation of spikes
_MOST_POWER = 4.0  # of generated traces, beside real ones
_LEVELLINGS = 3  # of baselines
_LEVELLING = 0.9  # of the mean rate: it follows by as much as it is asked for, or more
_TAILS, _TAIL = (0.05, 0.5, 0.95), 1.645  # quantiles of noise, and where they are of a Gaussian
_MOST_ASYMMETRY = 0.7  # of quantiles
_SKEW_ERROR = 1.2  # standard error of a skew from one frame
_NOISE_FACTORS = (0.2, 1.5)  # of variances that neurons share, in a round
_GROWN = 6.0  # growth to add per log ratio of event sizes: growth shows little in these


def start_generator(
    generator: LatentGenerator,
    factors: SpikeFactors,
    matching: MomentMatching,
    real: Tensor,
    rng: np.random.Generator,
) -> None:
    """Start a generator from a factor model of spikes, and bring what it misses near the real data.

    Spikes are missed, made up and misplaced where they are inferred, so that a generator with the
    inferred rates, correlations and amplitudes has others once they are inferred in its samples.
    In ten rounds, the later the smaller the steps, each of these is adjusted by what it is missed
    by in 96 windows: rates, baselines, correlations (by the pattern that is asked for), the time
    scales of what neurons share, amplitudes of spikes that stand alone, how they vary and by how
    much all are larger, noise, its skewness and what of it neurons share, autocovariances of spikes
    (by the private noise), and variances between windows, of neurons and of the population.
    All are measured alike in real and in generated windows (indirect inference [1]_), baselines,
    amplitudes and noise by events that are inferred there and what these leave. Amplitudes, their
    growth and spread, noise and private noise stay within bounds; what neurons share needs two
    neurons.

    Parameters
    ----------
    generator : LatentGenerator
        Changed in place; its `units` must be set.
    factors : SpikeFactors
        Fitted to the recording.
    matching : MomentMatching
        The objective, with the moments of the real windows.
    real : Tensor of shape (M, T, N)
        The real windows (standardised).
    rng : Generator
        Randomness of the windows.

    References
    ----------
    .. [1] Gourieroux, C., Monfort, A., and Renault, E. (1993). Indirect inference. Journal of
       Applied Econometrics, 8(S1), S85-S118. https://doi.org/10.1002/jae.3950080507

    Examples
    --------
    >>> import numpy as np, torch
    >>> from calgan import Windower
    >>> from calgan.datasets import make_recording
    >>> from calgan.moment_start import start_generator
    >>> from calgan.networks import LatentGenerator, Standardiser, latent_time_scales
    >>> recording, _ = make_recording(120.0, n_neurons=5, random_state=0)
    >>> windows = np.array(Windower(32, stride=8).fit_transform(recording))
    >>> generator = LatentGenerator(32, 5, n_factors=2)
    >>> generator.units.load_state_dict(Standardiser.of(windows).state_dict())
    <All keys matched successfully>
    >>> from calgan.moment_matching import MomentMatching, RunningMeans
    >>> from calgan.spike_factors import fit_spike_factors
    >>> factors = fit_spike_factors([recording.traces], 10.0, 2, latent_time_scales(32))
    >>> real = generator.units.standardise(torch.from_numpy(windows))
    >>> deconvolver = factors.calcium.deconvolver
    >>> matching = MomentMatching(generator.units, real, deconvolver, 10.0, n_apart=1200 // 32)
    >>> noise = torch.randn(200, generator.noise_size, generator=torch.Generator().manual_seed(0))
    >>> before = matching(generator(noise), RunningMeans())
    >>> start_generator(generator, factors, matching, real, np.random.default_rng(0))
    >>> after = matching(generator(noise), RunningMeans())
    >>> bool(sum(after.values()) < 0.5 * sum(before.values()))
    True
    """
    calcium = factors.calcium
    generator.start_from(
        decay=calcium.decay,
        rise=calcium.rise,
        baseline=calcium.baseline,
        noise=calcium.noise,
        shared_noise=factors.noise,
        probabilities=factors.probabilities,
        rates=factors.rates,
        amplitudes=factors.amplitudes,
        growth=factors.growth,
        spread=factors.spread,
        loadings=factors.loadings,
        private=factors.private,
        own_variance=factors.own_variance,
        own_time=factors.own_time,
        period=factors.period,
        rhythm=factors.rhythm,
    )
    _calibrate(generator, matching, calcium, real, rng)


@torch.no_grad()
def level_rates(
    generator: LatentGenerator,
    matching: MomentMatching,
    rng: np.random.Generator,
    *,
    n_windows: int = 2000,
    batch_size: int = 32,
) -> None:
    """Bring the mean rate of spikes that are inferred in generated windows to the real one.

    Training leaves it up to three percent off, mostly low, which is within the errors of the
    recording and thus nothing to the objective. All neurons' rates change by one factor, as those
    of single ones are not known as well: by 0.9 of what is missed of the logarithm, and by 0.63 (a
    factor of 1.9) at most.

    Parameters
    ----------
    generator : LatentGenerator
        Changed in place, on the device of the objective; left alone if training has diverged.
    matching : MomentMatching
        The objective, with the moments of the real windows.
    rng : Generator
        Randomness of the windows.
    n_windows : int, default=2000
        Windows that are generated; few are noisy where the population bursts.
    batch_size : int, default=32
        Windows generated at a time.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from calgan import CalciumMoments, Windower
    >>> from calgan.datasets import make_recording
    >>> from calgan.calcium_fit import fit_deconvolver
    >>> from calgan.moment_matching import MomentMatching
    >>> from calgan.moment_start import level_rates
    >>> recording, _ = make_recording(120.0, n_neurons=5, random_state=0)
    >>> windows = np.array(Windower(32, stride=8).fit_transform(recording))
    >>> generator = CalciumMoments(max_iter=2, random_state=0).fit(windows).generator_
    >>> real = generator.units.standardise(torch.from_numpy(windows))
    >>> deconvolver = fit_deconvolver([recording.traces], 10.0)
    >>> matching = MomentMatching(generator.units, real, deconvolver, 10.0, n_apart=1200 // 32)
    >>> generator.adjust(log_rate=-0.3)
    >>> level_rates(generator, matching, np.random.default_rng(0), n_windows=200)
    >>> noise = torch.randn(200, generator.noise_size, generator=torch.Generator().manual_seed(0))
    >>> spikes = matching.spikes(generator.units.standardise(generator(noise).detach()))
    >>> bool(abs(spikes.mean() / matching.rate.mean() - 1) < 0.15)
    True
    """
    device = generator.linear.weight.device
    total = 0.0
    for first in range(0, n_windows, batch_size):
        size = min(batch_size, n_windows - first)
        windows = generator(noise(rng, size, generator.noise_size).to(device))
        if not windows.isfinite().all():
            return
        total += float(matching.spikes(matching.units.standardise(windows)).mean()) * size
    wanted = float(matching.targets["firing_rate"].value.mean())
    missed = math.log(max(wanted, _FEW) / max(total / n_windows, _FEW))
    # What training has taken out of the ranges of a start stays there.
    cast(Tensor, generator.linear.bias).add_(_LEVELLING * min(max(missed, -_MOST), _MOST))


class _Amplitudes(NamedTuple):
    """What is inferred in windows, of each neuron (N,).

    Of events that stand alone: mean and log variance of their amplitudes, and their number; root
    mean square of the amplitudes of all; jumps at spikes that stand alone, by the inference of the
    objective, and their number; what events leave unexplained, its mean and standard deviation, and
    the standard deviation of its logarithm, shifted, that the asymmetry of its quantiles tells; and
    that itself, (M, T, N), in standard deviations of its middle half.
    """

    lone: NDArray[np.float64]
    spread: NDArray[np.float64]
    n_lone: NDArray[np.float64]
    every: NDArray[np.float64]
    jumps: NDArray[np.float64]
    n_jumps: NDArray[np.float64]
    baseline: NDArray[np.float64]
    noise: NDArray[np.float64]
    skew: NDArray[np.float64]
    left: NDArray[np.float32]


@torch.no_grad()
def _calibrate(
    generator: LatentGenerator,
    matching: MomentMatching,
    calcium: CalciumFit,
    real: Tensor,
    rng: np.random.Generator,
) -> None:
    device = generator.linear.weight.device
    scale = torch.where(matching.units.scale > 0, matching.units.scale, 1.0)
    target = {name: value.value for name, value in matching.targets.items()}
    kept = np.unique(np.linspace(0, len(real) - 1, _REAL_WINDOWS).round().astype(int))
    # Windows overlap: events of the recording are counted once.
    share = min(sum(map(len, calcium.events)) / (len(kept) * matching.n_frames), 1.0)
    some = real[torch.from_numpy(kept).to(real.device)]
    real_spikes = matching.spikes(some)
    amplitudes = _amplitudes(matching, some, real_spikes, calcium)
    amplitudes = amplitudes._replace(n_lone=share * amplitudes.n_lone)
    skew = _trusted_skew(amplitudes, share * len(kept) * matching.n_frames)
    shares = _shares(generator)
    totals = {name: torch.ones(matching.n_neurons, device=device) for name in _RANGES}
    for number in range(_ROUNDS):
        # Ever smaller steps, or the noise of the last round would stay.
        speed = min(1.0, _FULL_ROUNDS / (1 + number))
        inputs = noise(rng, _WINDOWS_A_ROUND, generator.noise_size).to(device)
        windows = generator(inputs)
        standardised = matching.units.standardise(windows)
        spikes = matching.spikes(standardised)
        found = matching.moments(standardised, spikes)
        wanted, rate = (part["firing_rate"].clamp(min=_FEW) for part in (target, found))
        changes: dict[str, Any] = {
            "log_rate": _STEP * speed * (wanted / rate).log(),
            "private": torch.exp(-_STEP * speed * _missed_memory(matching, found)),
        }
        if matching.n_neurons > 1:
            changes["coupling"] = _missed_coupling(generator, target, found) ** (0.5 * speed)
            before = _shares(generator) / shares
            missed = _missed_scales(generator, matching, real_spikes, spikes, before)
            changes["scales"] = missed ** (_STEP * speed)
            changes["standing"] = 0.5 * speed * _missed_standing(matching, found)
            changes["normalisation"] = torch.exp(0.25 * speed * _missed_slow(matching, found))
        mine = _amplitudes(matching, standardised, spikes, calcium)
        level, amount = (
            torch.as_tensor(part).to(matching.rate)
            for part in (amplitudes.baseline - mine.baseline, amplitudes.noise / mine.noise)
        )
        changes["level"] = _STEP * speed * level / scale
        changes["noise"] = amount ** (_STEP * speed)
        changes["skew"] = _STEP * speed * torch.as_tensor(skew - mine.skew).to(matching.rate)
        factors = _missed_noise(generator, amplitudes.left, mine.left)
        changes["shared_noise"] = factors ** (_STEP * speed)
        gain, growth, spread = _missed_amplitudes(amplitudes, mine, matching.rate)
        # Whatever amplitudes say, traces do not vary far more than real ones.
        bound = _MOST_POWER * target["variance"] + matching.targets["variance"].error
        excess = (bound / found["variance"].clamp(min=1e-6)).log().clamp(-_MOST, 0.0)
        changes["gain"] = torch.exp(_STEP * speed * gain)
        changes["growth"] = _STEP * speed * (growth + excess * F.softplus(generator.growth))
        changes["spread"] = _STEP * speed * spread
        for name, (low, high) in _RANGES.items():
            changes[name] = (totals[name] * changes[name]).clamp(low, high) / totals[name]
            totals[name] *= changes[name]
        generator.adjust(**changes)


def _missed_coupling(
    generator: LatentGenerator, target: dict[str, Tensor], found: dict[str, Tensor]
) -> Tensor:
    """Return what spike covariances are to be multiplied by, (N,)."""
    # Compared by the pattern that is asked for: the noise of neither has a part in that.
    loadings = generator.linear.weight.flatten(1)
    pattern = (loadings @ loadings.T).fill_diagonal_(0.0)
    real, mine = ((part["spike_covariance"] * pattern).sum(1) for part in (target, found))
    slope: Tensor = real / mine.clamp(min=1e-6)
    return slope.clamp(min=0.5, max=1.5)


def _shares(generator: LatentGenerator) -> Tensor:
    """Return shares of the time scales (S,) in what factors explain."""
    loadings = generator.linear.weight[:, : len(generator.log_time), 0].detach()
    variances = loadings.unflatten(1, (-1, len(generator.time_scales))).square().sum((0, 1))
    return (variances / variances.sum().clamp(min=_TINY)).clamp(min=_TINY)


@torch.no_grad()
def _missed_scales(
    generator: LatentGenerator,
    matching: MomentMatching,
    real: Tensor,
    mine: Tensor,
    before: Tensor,
) -> Tensor:
    """Return what shared variances at each time scale (S,) are to be multiplied by.

    Inference blurs in time what neurons share: white factors are seen as if they lasted frames.
    Variances at time scales go as far from the start's as the errors of the recording allow;
    `before` is what their shares have been multiplied by already.
    """
    lags = [lag for lag in _LAGS if lag < matching.n_frames]
    loadings = generator.linear.weight[:, : len(generator.log_time), 0]
    at_scales = loadings.unflatten(1, (-1, len(generator.time_scales)))
    pattern = (loadings @ loadings.T).fill_diagonal_(0.0)
    strengths = torch.einsum("iks,jks,ij->s", at_scales, at_scales, pattern).clamp(min=0.0)
    decays = smooth_autocorrelation(np.asarray(lags)[:, np.newaxis], generator.time_scales)
    basis = decays * strengths.cpu().double().numpy()
    blocks = [
        _shared_memory((part - real.mean((0, 1))) / matching.spread, loadings, lags)
        for part in real.tensor_split(matching.n_blocks)
    ]
    seen = np.mean(blocks, axis=0)
    found = _shared_memory((mine - mine.mean((0, 1))) / matching.spread, loadings, lags)
    now = basis.sum(axis=1)
    if min(found @ seen, found @ now) <= 0:  # nothing is shared, as far as can be seen
        return torch.ones_like(strengths)
    # How much of all there is stands elsewhere: the shape alone is compared.
    size, unit = (found @ found) / (found @ seen), (found @ now) / (now @ now)
    wanted = now + (size * seen - found) / unit
    # Few blocks tell little of a single lag; the generator's windows are as noisy.
    sizes = np.array(blocks) @ seen / (seen @ seen)
    n_others = max(len(blocks) - 1, 1)
    variance = np.square(blocks - sizes[:, np.newaxis] * seen).sum(axis=0) / n_others
    error = np.sqrt((variance.mean() + variance) / len(blocks))
    error = np.maximum(error * size / unit, _LEAST_ERROR * now[0])
    done = before.cpu().double().numpy()
    factors, _ = nnls(
        np.vstack([basis / error[:, np.newaxis], np.diag(done)]),
        np.append(wanted / error, np.ones(len(done))),
    )
    return torch.as_tensor(factors).to(real).clamp(1 / _MOST_SCALES, _MOST_SCALES)


def _shared_memory(spikes: Tensor, axes: Tensor, lags: Sequence[int]) -> NDArray[np.float64]:
    """Return autocovariances (L,) along axes (N, C) of what neurons share."""
    along, own = spikes @ axes, axes.square().sum(1)
    found = []
    for lag in lags:
        early, late = slice(None, spikes.shape[1] - lag), slice(lag, None)
        total = (along[:, early] * along[:, late]).sum(2).mean()
        found.append(total - ((spikes[:, early] * spikes[:, late]).mean((0, 1)) * own).sum())
    return torch.stack(found).cpu().double().numpy()


def _missed_memory(matching: MomentMatching, found: dict[str, Tensor]) -> Tensor:
    """Return by how much autocovariances of spikes, from one bin to the next, are missed, (N,)."""
    target = matching.targets["spike_memory"]
    real, error, mine = (part[1] for part in (target.value, target.error, found["spike_memory"]))
    real = real.clamp(min=_LEAST_MEMORY)
    missed = (real / mine.clamp(min=_LEAST_MEMORY)).log()
    return _trusted(missed, error / real)


def _missed_standing(matching: MomentMatching, found: dict[str, Tensor]) -> Tensor:
    """Return what variance of log rates (N,) is missed between windows."""
    target = matching.targets["window_covariance"]
    relative = (matching.window_spread / matching.rate.clamp(min=_FEW)).square()
    # Part of it is only a wrong mean, bent as covariances are.
    off = bent((found["firing_rate"] - matching.rate) / matching.window_spread).square()
    missed = relative * ((target.value - found["window_covariance"]).diagonal() + off)
    return _half_usual(_beyond(missed, relative * target.error.diagonal()))


def _missed_slow(matching: MomentMatching, found: dict[str, Tensor]) -> Tensor:
    """Return by how much the log variance of the number of spikes in a window is missed, (1,)."""
    target = matching.targets["power_spectrum_count"]
    _, usual, spread = matching.population
    off = matching.n_frames * ((found["firing_rate"].mean() - usual) / spread).square()
    power = (found["power_spectrum_count"][0] - off).clamp(min=1e-3)
    return _beyond(target.value[0] - power.log(), target.error[0])


def _beyond(missed: Tensor, error: Tensor) -> Tensor:
    """Return what is missed by more than half a standard error."""
    return missed.sign() * (missed.abs() - 0.5 * error).clamp(min=0.0)


def _missed_amplitudes(
    real: _Amplitudes, mine: _Amplitudes, like: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return logarithms of factors for amplitudes, more growth, and more of their spread, (N,)."""
    known = np.minimum.reduce([real.n_lone, mine.n_lone, real.n_jumps, mine.n_jumps]) >= _FEW_JUMPS
    if not known.any():
        none = torch.zeros_like(like)
        return none, none, none
    # Both inferences have a say: the start's knows the decay better, the objective's is judged by.
    gain = 0.5 * (_log_ratio(real.lone, mine.lone) + _log_ratio(real.jumps, mine.jumps))
    growth = _GROWN * (_log_ratio(real.every, mine.every) - _log_ratio(real.lone, mine.lone))
    sure = np.where(known, real.n_lone / (real.n_lone + _JUMPS_DOUBT), 0.0)
    missed = [
        sure * part + (1 - sure) * np.median(part[known])
        for part in (gain, growth, real.spread - mine.spread)
    ]
    # Neurons with few lone events keep their growth; the others go half way to the usual change.
    missed[1] = sure * (0.5 * growth + 0.5 * np.median(growth[known]))
    gains, growths, spreads = (
        torch.as_tensor(part).to(like).clamp(-_MOST, _MOST) for part in missed
    )
    return gains, growths, spreads


def _log_ratio(real: NDArray[np.float64], mine: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(real, _TINY) / np.maximum(mine, _TINY))


def _missed_noise(
    generator: LatentGenerator, real: NDArray[np.float32], mine: NDArray[np.float32]
) -> Tensor:
    """Return what variances of the noises that neurons share (J,) are to be multiplied by.

    Events that are missed or misplaced leave something in common as well: noise that is read from
    the recording would come on top of that.
    """
    loadings = generator.loadings_of_noise().cpu().double().numpy()
    square = np.square(loadings)
    seen, found = (
        np.square(left @ loadings).mean((0, 1)) - np.square(left).mean((0, 1)) @ square
        for left in (real, mine)
    )
    # What each adds to what neurons have in common.
    adds = np.square(square.sum(axis=0)) - np.square(square).sum(axis=0)
    factors = 1 + (seen - found) / np.maximum(adds, _TINY)
    return torch.as_tensor(factors).to(generator.shared_noise).clamp(*_NOISE_FACTORS)


def _half_usual(missed: Tensor) -> Tensor:
    """Bring what neurons miss (N,) half way to the median: single ones have few spikes."""
    missed = missed.clamp(-_MOST, _MOST)
    return 0.5 * missed + 0.5 * missed.median()


def _trusted(missed: Tensor, error: Tensor) -> Tensor:
    """Bring what neurons miss (N,) towards the median, by what errors (N,) explain: few spikes.

    How far neurons differ is a mean over all: a few whose errors are large decide for the others.
    """
    missed = missed.clamp(-_MOST, _MOST)
    usual = missed.median()
    doubt = 2 * error.square()  # the generator's windows are as noisy
    true = ((missed - usual).square() - doubt).mean().clamp(min=0.0)
    return usual + (missed - usual) * true / (true + doubt).clamp(min=_TINY)


def _amplitudes(
    matching: MomentMatching, standardised: Tensor, spikes: Tensor, calcium: CalciumFit
) -> _Amplitudes:
    """Infer events in windows (M, T, N), and measure them and the spikes of the objective."""
    traces = matching.units.restore(standardised).cpu().double().numpy()
    baseline = calcium.baseline
    for _ in range(_LEVELLINGS):
        explained, events = infer_calcium(
            traces, decay=calcium.decay, baseline=baseline, threshold=calcium.threshold
        )
        left = traces - explained
        # So that an error of the baseline is not taken for one of amplitudes.
        baseline = left.mean(axis=(0, 1))
    jumps, n_jumps = (
        part.cpu().double().numpy() for part in matching.lone_jumps(standardised, spikes)
    )
    noise = np.maximum(left.std(axis=(0, 1)), _TINY)
    skew = _skew(left)
    usual = np.clip(stats.iqr(left, axis=(0, 1), scale="normal"), _TINY, noise)
    left = np.clip((left - baseline) / usual, -MOST_NOISE, MOST_NOISE).astype(np.float32)
    return _Amplitudes(*_sizes(events), jumps, n_jumps, baseline, noise, skew, left)


def _skew(left: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation (N,) of log-normal noise that is as asymmetric (M, T, N).

    From quantiles: events that were missed are rare, and third moments would be theirs.
    """
    low, middle, high = np.quantile(left, _TAILS, axis=(0, 1))
    span = np.maximum(high - low, _TINY)
    asymmetry = np.clip((high + low - 2 * middle) / span, -_MOST_ASYMMETRY, _MOST_ASYMMETRY)
    return np.asarray(np.arctanh(asymmetry) * 2 / _TAIL)


def _trusted_skew(real: _Amplitudes, n_frames: float) -> NDArray[np.float64]:
    """Bring the skew of noise (N,) towards the median, the more the fewer the frames it is from."""
    known = real.noise > _TINY
    if not known.any():
        return real.skew
    usual = np.median(real.skew[known])
    # Of Gaussian noise without memory, from the quantiles' asymptotic covariances.
    error = _SKEW_ERROR**2 / n_frames
    true = max(float(np.square(real.skew[known] - usual).mean()) - error, 0.0)
    return np.asarray(usual + (real.skew - usual) * true / (true + error))


def _sizes(
    events: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return lone, spread, n_lone and every, as `_Amplitudes` has them first."""
    alone = lone_events(events)
    n_lone, n_events = alone.sum(axis=(0, 1)), np.count_nonzero(events, axis=(0, 1))

    def mean(values: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(values.sum(axis=(0, 1), dtype=np.float64) / np.maximum(n, 1))

    logs = np.log(np.where(alone, events, 1.0))
    spread = mean(np.square(logs), n_lone) - mean(logs, n_lone) ** 2
    size = np.sqrt(mean(np.square(events), n_events))
    return mean(np.where(alone, events, 0.0), n_lone), spread, n_lone.astype(np.float64), size
