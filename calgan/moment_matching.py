"""Simulated method of moments: generated windows are brought to the moments of real ones."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from calgan._torch import to_numpy
from calgan.calcium_fit import lone_events
from calgan.deconvolution import OasisDeconvolver
from calgan.metrics import bin_frames_for
from calgan.networks import Standardiser
from calgan.shrinkage import chance_errors, shrink_pairs

MATCHED_MOMENTS = (
    "marginals",
    "increments",
    "event_rises",
    "third_moments",
    "power_spectrum",
    "covariance",
    "lagged_covariance",
    "population_mean",
    "window_means",
    "firing_rate",
    "population_count",
    "spike_correlation_matrix",
    "spike_memory",
)
"""What `MomentMatching` trains on, under the names that the reports use."""

_LEVELS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 0.997, 0.999, 0.9997)
_RATE_LEVELS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.97)
_N_COUNT_LEVELS = 12
_BIN_COUNTS = (1.0, 2.0, 3.0)  # spikes
_BIN_LAGS = (0, 1, 2, 4, 8)  # bins
_N_BANDS, _SINGLE = 24, 16  # of powers of the population; frequencies that are bands of their own
_N_RISE_LEVELS = 6
_RISE_LAGS = (1, 3)  # frames
_N_COMPONENTS = 8
_BEND, _BEND_THIRD = 4.0, 8.0  # standard deviations
_THIRD_LAGS = (1, 2, 4, 8, 16)  # frames
N_BLOCKS = 16
"""Contiguous blocks of windows that standard errors come from, where there are as many."""
_FOR_ERRORS = 400  # windows that errors of covariances are from, at least
_MEMORY = 0.9  # of the running means, a step
_JUMP_FRAMES = 4
_POWER_FLOOR = 1e-3
_LEAST_VARIANCE = 1e-3  # of a moment, beside the mean of its kind


class Target(NamedTuple):
    """A moment of real windows.

    Attributes
    ----------
    value : Tensor
        Its value; logarithms of powers.
    error : Tensor
        Its standard error, from contiguous blocks of the recording.
    """

    value: Tensor
    error: Tensor


class RunningMeans(nn.Module):
    """Means of moments over the last steps: a state of the training, kept as a buffer.

    Examples
    --------
    >>> running = RunningMeans()
    >>> running.swap(torch.tensor([2.0])).item(), running.swap(torch.tensor([4.0])).item()
    (2.0, 2.0)
    >>> round(running.values.item(), 2)
    2.2
    """

    values: Tensor
    origin: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("values", torch.empty(0))
        self.register_buffer("origin", torch.zeros((), dtype=torch.int64))

    def swap(self, new: Tensor) -> Tensor:
        """Take in new values and return the means of those before, or the first values."""
        new = new.detach()
        if self.values.shape != new.shape:
            self.values = new.clone()
        old = self.values
        self.values = torch.lerp(new, old, _MEMORY)
        return old

    def use_for(self, origin: int) -> None:
        """Forget what was measured beside other real windows, told apart by a number."""
        if int(self.origin) != origin:
            self.origin.fill_(origin)
            self.values = self.values[:0].clone()

    def _load_from_state_dict(self, state: dict, prefix: str, *args: object) -> None:
        # How many moments there are depends on the windows, which a file knows and this does not.
        values = state.get(f"{prefix}values")
        if values is not None:
            self.values = torch.empty_like(values, device=self.values.device)
        super()._load_from_state_dict(state, prefix, *args)


class MomentMatching:
    r"""Compares the moments of generated windows with those of real ones.

    The objective is that of the simulated method of moments [1]_: squared differences of moments
    over their squared standard errors, a mean for each kind of moment. Distributions enter by
    ``E max(x - q, 0)`` at quantiles q of the real values, second moments by covariances across
    frames, with large values bent down, and by power spectra of neurons and of the population,
    third moments by products across frames. Spikes are inferred in generated windows by the same
    fitted OASIS as in real ones: their counts in windows and in bins of half a second,
    autocovariances, and covariances of bins and of whole windows, and the variance between windows
    of all neurons together. As their gradient counts that of the spikes that the generator put
    there (a straight-through estimate): what is asked of spikes moves neither the noise of traces,
    nor amplitudes, nor decays.

    Three things keep the gradient honest. Moments of a batch are noisy, and squaring the noise
    would reward samples that vary less: the difference is that of running means over the steps
    before, which are independent of the batch that the gradient comes from. Differences far off
    count as their root, so that no kind of moment drowns the others. And the covariances of
    different neurons are shrunk to what is likely [2]_, given how large they are by chance: where
    most pairs have nothing in common and a few much, the latter keep what they have
    (:func:`~calgan.shrinkage.shrink_pairs`).

    Parameters
    ----------
    units : Standardiser
        Units of the windows.
    windows : Tensor of shape (M, T, N)
        Real windows in those units (standardised), in the order of time; at least 2.
    deconvolver : OasisDeconvolver
        Fitted to the traces (in the units of the recording).
    frame_rate : float
        Frames per second (Hz).
    n_apart : int or None, default=None
        How many windows share no frame, at least 2; None means that none of them do.

    Attributes
    ----------
    targets : dict of str to Target
        The moments of the real windows.
    n_blocks : int
        Contiguous blocks that errors come from: at most 16, `n_apart` and the number of windows.
    n_apart : int
        How many windows share no frame.

    References
    ----------
    .. [1] McFadden, D. (1989). A method of simulated moments for estimation of discrete response
       models without numerical integration. Econometrica, 57(5), 995-1026.
       https://doi.org/10.2307/1913621
    .. [2] Jiang, W., and Zhang, C.-H. (2009). General maximum likelihood empirical Bayes
       estimation of normal means. The Annals of Statistics, 37(4), 1647-1684.
       https://doi.org/10.1214/08-AOS638

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Windower
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> deconvolver = OasisDeconvolver().fit(recording)
    >>> windows = np.array(Windower(32, stride=8).fit_transform(recording))
    >>> units = Standardiser.of(windows)
    >>> real = units.standardise(torch.from_numpy(windows))
    >>> matching = MomentMatching(units, real, deconvolver, 10.0, n_apart=600 // 32)
    >>> same = matching(torch.from_numpy(windows), RunningMeans())
    >>> other = matching(torch.from_numpy(0.5 * windows), RunningMeans())
    >>> bool(sum(same.values()) < sum(other.values()))
    True
    """

    def __init__(
        self,
        units: Standardiser,
        windows: Tensor,
        deconvolver: OasisDeconvolver,
        frame_rate: float,
        n_apart: int | None = None,
    ) -> None:
        self.units, self.deconvolver = units, deconvolver
        _, self.n_frames, self.n_neurons = windows.shape
        device = windows.device

        def tensor(values: NDArray[np.float64]) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        self.decay = tensor(deconvolver.decay_)
        self.kernel = _jump_filter(self.decay)
        # Bins short beside a window, so that short windows have several.
        self.bin_frames = min(bin_frames_for(frame_rate), max(1, self.n_frames // 4))
        half = self.n_frames // 2
        self.lags = sorted({lag for lag in (0, 4, half) if lag < self.n_frames})
        self.rise_lags = [lag for lag in _RISE_LAGS if lag < self.n_frames]
        self.bin_lags = [lag for lag in _BIN_LAGS if lag < self.n_frames // self.bin_frames]
        self.bands = _bands(self.n_frames // 2 + 1, device)
        self.third_lags = [lag for lag in _THIRD_LAGS if lag < self.n_frames]
        self._set_scales(windows)
        self.least_error = 1.0 / (len(windows) * self.n_frames)
        self.n_apart = len(windows) if n_apart is None else n_apart
        self.n_blocks = min(self.n_apart, N_BLOCKS, len(windows))
        spikes = self.spikes(windows)
        shrunk = self._shrunk(windows, spikes)
        self.pattern = shrunk.get("covariance")
        self.power = self._power(windows)
        whole = self.moments(windows, spikes)
        parts = (part.tensor_split(self.n_blocks) for part in (windows, spikes))
        blocks = [self.moments(*block) for block in zip(*parts, strict=True)]
        self.targets = {
            name: self._target(name, value, torch.stack([block[name] for block in blocks]))
            for name, value in whole.items()
        }
        for name, value in shrunk.items():
            self.targets[name] = self.targets[name]._replace(value=value)
        if self.pattern is not None:  # what is asked for, seen along itself: 1, or 0 if it is 0
            pooled = self.targets["covariance_pooled"]
            along = _along(self.pattern, self.pattern)
            self.targets["covariance_pooled"] = pooled._replace(value=along)

    def __call__(
        self, windows: Tensor, running: RunningMeans, fired: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compare windows (M, T, N), in the units of the recording; return the terms of the loss.

        A term is 0 where moments agree, about r^2 / 2 where they differ by r standard errors with
        small r, and about r with large r. `fired` (M, T, N), the spikes that the windows were made
        from, gives inferred spikes its gradient; without it they have none.
        """
        standardised = self.units.standardise(windows)
        spikes = self.spikes(standardised)
        if fired is not None:
            spikes = spikes + (fired - fired.detach())
        found = self.moments(standardised, spikes)
        sizes = [value.numel() for value in found.values()]
        before = running.swap(torch.cat([value.detach().flatten() for value in found.values()]))
        terms = {}
        for (name, value), mean in zip(found.items(), before.split(sizes), strict=True):
            target = self.targets[name]
            mean = mean.view_as(value) + (value - value.detach())
            difference = (_scaled(name, mean) - target.value) / target.error
            terms[name] = torch.sqrt(1 + difference.square().mean()) - 1
        return terms

    def moments(self, windows: Tensor, spikes: Tensor | None = None) -> dict[str, Tensor]:
        """Compute the moments of standardised windows (M, T, N), of single neurons and pooled.

        What neurons have in common is known more precisely than any of them alone: the mean over
        neurons of how window rates are distributed is a moment of its own, so are those of third
        moments, of relative powers and of variances of window rates, and the projection of the
        covariance matrix on the one that is asked for. Spikes are inferred, unless they are given.
        """
        found = self._single(windows, self.spikes(windows) if spikes is None else spikes)
        if self.n_neurons > 1:
            found["third_moments_pooled"] = found["third_moments"].mean(1)
            # Relative, and no logarithm: that of a batch's power is lower than that of many.
            power = found["power_spectrum"]
            found["power_spectrum_pooled"] = (power / self.power).mean(1)
            found["window_rates_pooled"] = found["window_rates"].mean(1)
        if self.pattern is not None:
            found["covariance_pooled"] = _along(found["covariance"], self.pattern)
        return found

    def _single(self, windows: Tensor, spikes: Tensor) -> dict[str, Tensor]:
        frames = windows.flatten(0, 1)
        found = {
            "mean": frames.mean(0),
            "variance": frames.square().mean(0),
            "marginals": _excess(frames, self.levels["marginals"]),
            "components": _excess(frames @ self.axes, self.levels["components"]),
            "window_means": _excess(windows.mean(1), self.levels["window_means"]),
        }
        for lag in self.rise_lags:
            found[f"rises_{lag}"] = _excess(self._rises(windows, lag), self.levels[f"rises_{lag}"])
        found["third_moments"] = self._third_moments(windows)
        found["power_spectrum"] = self._power(windows)
        rates, binned = spikes.mean(1), self._binned(spikes)
        found["firing_rate"] = rates.mean(0)
        counts = (self.bin_frames * binned).flatten(0, 1)
        found["bin_counts"] = _excess(counts, self.levels["bin_counts"])
        bent_bins = self._bent_bins(binned)
        found["spike_memory"] = torch.stack([_memory(bent_bins, lag) for lag in self.bin_lags])
        found["window_rates"] = _excess(rates, self.levels["window_rates"])
        # Of all neurons together, and not bent: bursts are most of it.
        apart = (rates - self.rate).square().mean(0)
        found["window_variance_pooled"] = (apart.sum() / self.window_spread.square().sum())[None]
        if self.n_neurons > 1:
            for name, (early, late) in self._of_pairs(windows, spikes).items():
                found[name] = _product(early, late)
            mean = windows.mean(2).flatten()[:, None]
            found["population_mean"] = _excess(mean, self.levels["population_mean"])
            count = spikes.sum(2).flatten()[:, None]
            found["population_count"] = _excess(count, self.levels["population_count"])
            for name, values, level, scale in (
                ("mean", windows, self.population[0], 1.0),
                ("count", spikes, *self.population[1:]),
            ):
                wave = torch.fft.rfft((values.mean(2) - level) / scale, dim=1)
                power = wave.abs().square().mean(0) / self.n_frames
                found[f"power_spectrum_{name}"] = (self.bands @ power + _POWER_FLOOR)[:, None]
        return found

    def _of_pairs(self, windows: Tensor, spikes: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Return what covariances of neurons are products of, each (M, t, N), earlier and later."""
        # Bent covariances are precise, the others are what correlations are made of.
        found = {"covariance": (windows, windows)}
        flat = bent(windows) - self.centre
        for lag in self.lags:
            found[f"covariance_{lag}"] = flat[:, : self.n_frames - lag], flat[:, lag:]
        bins = self._bent_bins(self._binned(spikes))
        found["spike_covariance"] = bins, bins
        whole = bent((spikes.mean(1) - self.rate) / self.window_spread)[:, None]
        found["window_covariance"] = whole, whole
        return found

    def _shrunk(self, windows: Tensor, spikes: Tensor) -> dict[str, Tensor]:
        """Return the covariances of real windows, those of different neurons shrunk."""
        if self.n_neurons < 2:
            return {}

        # Where windows overlap, few of them have nearly all that there is.
        n_some = max(_FOR_ERRORS, 2 * self.n_apart)
        some = slice(None, None, -(-len(windows) // n_some))
        found = {}
        for name, (early, late) in self._of_pairs(windows, spikes).items():
            scale = (early.square().mean((0, 1)) * late.square().mean((0, 1))).pow(0.25)
            errors = chance_errors(to_numpy(early[some]), to_numpy(late[some]), self.n_blocks)
            value = shrink_pairs(to_numpy(_product(early, late)), *errors, to_numpy(scale))
            found[name] = torch.as_tensor(value, dtype=windows.dtype, device=windows.device)
        return found

    def _power(self, windows: Tensor) -> Tensor:
        centred = windows - windows.mean(1, keepdim=True)
        power = torch.fft.rfft(centred, dim=1).abs().square().mean(0)[1:] / self.n_frames
        return power + _POWER_FLOOR

    def spikes(self, windows: Tensor) -> Tensor:
        """Infer spikes (M, T, N) of standardised windows; they have no gradient."""
        traces = self.units.restore(windows).detach().cpu().numpy()
        return torch.from_numpy(self.deconvolver.transform(traces)).to(windows.device)

    @torch.no_grad()
    def lone_jumps(self, windows: Tensor, spikes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean jump at spikes that stand alone, and their number, each (N,)."""
        lone = torch.from_numpy(lone_events(spikes.cpu())).to(windows.device)
        number = lone.sum((0, 1))
        total = torch.where(lone, self._jumps(windows), 0.0).sum((0, 1))
        return total / number.clamp(min=1), number

    def _jumps(self, windows: Tensor) -> Tensor:
        edge = (_JUMP_FRAMES, _JUMP_FRAMES - 1)
        padded = F.pad(windows.transpose(1, 2), edge, mode="replicate")
        return F.conv1d(padded, self.kernel[:, None], groups=self.n_neurons).transpose(1, 2)

    def _set_scales(self, windows: Tensor) -> None:
        """Read from real windows the levels of distributions, centres and axes."""
        frames = windows.flatten(0, 1)
        flat = bent(frames)
        self.centre = flat.mean(0)
        covariance = (flat - self.centre).T @ (flat - self.centre) / len(flat)
        variances, axes = torch.linalg.eigh(covariance)
        k = min(_N_COMPONENTS, self.n_neurons)
        self.axes = axes[:, -k:] / variances[-k:].clamp(min=1e-6).sqrt()
        spikes = self.spikes(windows)
        binned = self._binned(spikes).flatten(0, 1)
        self.rate, self.spread = binned.mean(0), binned.std(0).clamp(min=1e-3)
        self.window_spread = spikes.mean(1).std(0).clamp(min=1e-3)
        totals = spikes.mean(2)
        least = 1 / (self.n_neurons * math.sqrt(totals.numel()))  # one spike among all
        self.population = windows.mean(), totals.mean(), totals.std().clamp(min=least)
        # Bins of one frame hold one spike at most.
        in_bins = torch.tensor(_BIN_COUNTS[: self.bin_frames - 1] or (0.0,), device=windows.device)
        counts = torch.linspace(0, float(spikes.sum(2).max()), _N_COUNT_LEVELS + 1)[:-1]
        self.levels = {
            "marginals": _quantiles(frames, _LEVELS),
            "components": _quantiles(frames @ self.axes, _LEVELS),
            "window_means": _quantiles(windows.mean(1), _LEVELS),
            "population_mean": _quantiles(windows.mean(2).flatten()[:, None], _LEVELS),
            "window_rates": _quantiles(spikes.mean(1), _RATE_LEVELS),
            "bin_counts": in_bins[:, None].expand(-1, self.n_neurons),
            "population_count": counts[:, None].to(windows.device),
        }
        for lag in self.rise_lags:
            rises = self._rises(windows, lag)
            middle = rises.median(0).values
            noise = 1.4826 * (rises - middle).abs().median(0).values
            low = middle + 1.5 * noise
            high = torch.maximum(_quantiles(rises, (0.9995,))[0], low + 2 * noise)
            steps = torch.linspace(0, 0.9, _N_RISE_LEVELS, device=windows.device)[:, None]
            self.levels[f"rises_{lag}"] = low + steps * (high - low)

    def _third_moments(self, windows: Tensor) -> Tensor:
        """Skewness, and products across lags: rises are steep, and decays are not, (1 + 2 L, N)."""
        flat = bent(windows, _BEND_THIRD)
        square = flat.square()
        products = [(square * flat).mean((0, 1))]
        for lag in self.third_lags:
            products.append((square[:, lag:] * flat[:, :-lag]).mean((0, 1)))
            products.append((square[:, :-lag] * flat[:, lag:]).mean((0, 1)))
        return torch.stack(products)

    def _rises(self, windows: Tensor, lag: int) -> Tensor:
        """Return what calcium that only decays would not explain, (M (T - lag), N)."""
        return (windows[:, lag:] - self.decay**lag * windows[:, :-lag]).flatten(0, 1)

    def _bent_bins(self, binned: Tensor) -> Tensor:
        return bent((binned - self.rate) / self.spread)

    def _binned(self, spikes: Tensor) -> Tensor:
        n = self.n_frames // self.bin_frames * self.bin_frames
        return spikes[:, :n].unflatten(1, (-1, self.bin_frames)).mean(2)

    def _target(self, name: str, whole: Tensor, blocks: Tensor) -> Target:
        value, parts = _scaled(name, whole), _scaled(name, blocks)
        variance = parts.var(0) / len(parts)
        # Few blocks tell little of a single moment, and nothing of a level that one alone exceeds:
        # half of it is what the other levels of the neuron say, or the other moments of the kind.
        usual = variance.mean(0, keepdim=True) if name in self.levels else variance.mean()
        variance = 0.5 * variance + 0.5 * usual
        if name in self.levels:  # a neuron without events would seem exactly known, and drown all
            variance = variance.clamp(min=_LEAST_VARIANCE * float(variance.mean()))
        # Nothing is known better than one event in one frame would tell.
        return Target(value, variance.sqrt() + self.least_error)


def _jump_filter(decay: Tensor) -> Tensor:
    """Return what estimates jumps (N, frames): calcium now, less what remains of that before."""
    steps = torch.arange(_JUMP_FRAMES, device=decay.device)[:, None]
    after = decay**steps
    after = after / after.square().sum(0)
    # Fitted to the frames before, the calcium they leave is this one; no power overflows.
    return torch.cat([-(decay**_JUMP_FRAMES) * after, after]).T.contiguous()


def bent(values: Tensor, at: float = _BEND) -> Tensor:
    """Bend large values down: fourth moments govern how noisy covariances are.

    Parameters
    ----------
    values : Tensor
        Standardised values, of any shape.
    at : float, default=4.0
        The limit that they approach, in standard deviations.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import torch
    >>> from calgan.moment_matching import bent
    >>> [round(value, 3) for value in bent(torch.tensor([0.1, 3.0, 99.0])).tolist()]
    [0.1, 2.541, 4.0]
    """
    return at * torch.tanh(values / at)


def _along(covariance: Tensor, pattern: Tensor) -> Tensor:
    """Return the projection (1,) of what is off the diagonal on that of a pattern, (N, N)."""
    pattern = pattern.clone().fill_diagonal_(0.0)
    return ((pattern * covariance).sum() / pattern.square().sum().clamp(min=1e-12))[None]


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean over windows and frames of products of features (M, T, N), (N, N)."""
    return a.flatten(0, 1).T @ b.flatten(0, 1) / math.prod(a.shape[:2])


def _memory(values: Tensor, lag: int) -> Tensor:
    """Return the autocovariance (N,) of features (M, T, N)."""
    return (values[:, lag:] * values[:, : values.shape[1] - lag]).mean((0, 1))


def _bands(n_frequencies: int, device: torch.device) -> Tensor:
    """Return what takes the means of powers in bands, (B, F): low frequencies one by one."""
    wide = np.geomspace(_SINGLE, max(n_frequencies, _SINGLE), _N_BANDS - _SINGLE + 1)
    edges = np.unique(np.minimum([*range(_SINGLE), *wide.round().astype(int)], n_frequencies))
    bands = torch.zeros(len(edges) - 1, n_frequencies, device=device)
    for row, low, high in zip(bands, edges[:-1], edges[1:], strict=True):
        row[low:high] = 1.0 / float(high - low)
    return bands


def _excess(values: Tensor, levels: Tensor) -> Tensor:
    """Return E max(x - q, 0) of values (K, F) at levels (J, F), (J, F)."""
    return torch.stack([F.relu(values - level).mean(0) for level in levels])


def _quantiles(values: Tensor, at: tuple[float, ...]) -> Tensor:
    """Return quantiles (J, F) of values (K, F)."""
    ranks = [round(share * (len(values) - 1)) for share in at]
    return values.sort(0).values[ranks]


def _scaled(name: str, moment: Tensor) -> Tensor:
    logarithmic = "power_spectrum" in name and not name.endswith("_pooled")
    return moment.log() if logarithmic else moment
