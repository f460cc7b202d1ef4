"""What samples are compared with: windows of the recordings and controls, and their statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from calgan.data.random_windows import (
    MAX_CONTROL_WINDOWS,
    WindowBank,
    WindowSource,
    draw_from_recording,
    draw_from_samples,
)
from calgan.data.validation import rng_from
from calgan.evaluation._controls import GaussianWindows, sample_dichotomized_gaussian
from calgan.evaluation._statistic import Statistic, make_row
from calgan.evaluation._threads import Threads
from calgan.evaluation.settings import MIN_SAMPLES, Settings
from calgan.evaluation.statistics import INFOS, Context, make_measures
from calgan.evaluation.statistics.bootstrap import (
    MIN_BLOCKS,
    RESAMPLED,
    BlockSums,
    draw_values,
    replicate_values,
    resampling_weights,
    sum_by_block,
)
from calgan.evaluation.statistics.definition import MAX_PAIRED_NEURONS
from calgan.evaluation.statistics.folds import (
    FoldedWindows,
    count_folds,
    fold_recording,
    fold_samples,
    fold_shuffled,
)
from calgan.evaluation.statistics.windows import WindowComparison
from calgan.metrics import (
    bin_frames_for,
    correlation_kl,
    firing_rate,
    firing_rate_kl,
    van_rossum_kl,
)
from calgan.spikes.deconvolvers import fitted_to, missing_step
from calgan.spikes.oasis import OasisDeconvolver, infer_spikes

# Published inference: decay a frame and threshold at 24 Hz; elsewhere the same in seconds, and the
# threshold in units of the noise (0.55 at the published simulation's 0.3).
_THESIS_FRAME_RATE = 24.0
_THESIS_DECAY, _THESIS_THRESHOLD = 0.95, 0.55
_THESIS_TAU, _THESIS_NOISE = 0.812, 0.3
# What figures need, and no more: windows of a long recording would fill the memory.
_KEPT_VALUES = 5_000_000
_CONTEXT_VALUES = 1_000_000
_PROCESS_VALUES = 50_000_000
# Windows a side that a classifier gets: more would settle nothing, fewer if they are large.
_MAX_CLASSIFIED, _MIN_CLASSIFIED = 500, 250
_MAX_CLASSIFIED_VALUES = 25_000_000

Infer = Callable[[np.ndarray], np.ndarray]


@dataclass
class Group:
    """What held-out windows score against those of a group: values and replicates by statistic."""

    values: dict[str, float] = field(default_factory=dict)
    replicates: dict[str, np.ndarray] = field(default_factory=dict)
    scores: np.ndarray | None = None


class Reference:
    """Held-out and training windows and controls, with which any samples can be compared.

    Every group of windows is drawn from a stream of its own, so that no number depends on which
    controls there are, or on which samples are compared.
    """

    def __init__(
        self,
        real: WindowSource,
        train: WindowSource | None,
        settings: Settings,
        deconvolver: Any,
        varies: np.ndarray,
        threads: Threads,
    ) -> None:
        self.real, self.train, self.settings, self.threads = real, train, settings, threads
        self.remarks: list[str] = []
        self.gaussian: dict[str, Any] | None = None
        self.infer, self.inference = _spike_inference(
            settings,
            train or real,
            deconvolver,
            varies,
            "held-out" if train is None else "training",
        )
        self.is_oasis = deconvolver is None or isinstance(deconvolver, OasisDeconvolver)
        self._gaussian = self._start_gaussian()
        self.banks = self._draw()
        self._check_intervals()
        self.context = self._read_context()
        self.measures = make_measures(self.context, published=settings.protocol == "blocked")
        packed = self.banks["real"].packed
        self.has_spikes = packed is not None and bool(packed.any())
        folded = self._fold()
        self.sums = self._sum(self.banks)
        self.groups = self._compare(self.banks, self.sums, folded)

    def _start_gaussian(self) -> Callable[[], GaussianWindows] | None:
        """Begin to fit and sample the dichotomized Gaussian, if it was asked for."""
        if "dichotomized_gaussian" not in self.settings.controls:
            return None
        source, rng = self.train or self.real, rng_from(self.settings.seed, 4)
        n = min(self.settings.n_windows, MAX_CONTROL_WINDOWS)
        rate = self.settings.frame_rate
        return self.threads.start(sample_dichotomized_gaussian, source, n, rate, rng)

    def _add_gaussian(self) -> None:
        """Compare the dichotomized Gaussian as the other controls, when it is ready."""
        settings, name = self.settings, "dichotomized_gaussian"
        if self._gaussian is None:
            return
        gaussian, self._gaussian = self._gaussian(), None
        self.remarks += gaussian.remarks
        if gaussian.samples is None:
            return
        self.gaussian = gaussian.facts
        rng = rng_from(settings.seed, 4, 1)
        bank = draw_from_samples(gaussian.samples, settings.n_windows, 1, rng, name=name)
        self.banks[name] = bank = self._infer(bank)
        shape, rng = (1, *self.fold_shape[1:]), rng_from(settings.seed, 5, 2)
        folded = fold_samples(gaussian.samples, shape, settings.frame_rate, rng)
        self.groups |= self._compare({name: bank}, self._sum({name: bank}), {name: folded})
        if self.train is None:
            self.remarks.append(
                "The dichotomized Gaussian was fitted on the held-out recording itself, which "
                "flatters it (pass train=)."
            )

    def _draw(self) -> dict[str, WindowBank]:
        """Draw windows of the recordings and shuffled ones, and infer their spikes."""
        settings, train = self.settings, self.train
        n, seed = settings.n_windows, settings.seed
        # The published protocol takes every window once.
        most = {"n_distinct": n} if settings.protocol == "thesis" else {}
        rng, names = rng_from(seed, 0, 0), {"real": settings.n_splits}
        banks = {"real": draw_from_recording(self.real, names, n, rng, **most)}
        if train is not None:
            # Replays are drawn even if not asked for: the memorisation figure needs them.
            names = {"train": settings.n_splits, "replay": 1}
            rng = rng_from(seed, 0, 1)
            banks["train"] = draw_from_recording(train, names, n, rng, **most)
        banks = {name: self._infer(bank) for name, bank in banks.items()}
        if "shuffled" in settings.controls:
            bank = banks.get("train")
            if bank is None:
                # Shuffled, the windows compared would still have their single neurons in common.
                rng = rng_from(seed, 0, 1)
                bank = self._infer(draw_from_recording(self.real, {"train": 1}, n, rng, **most))
            banks["shuffled"] = bank.shuffled("train", rng_from(seed, 1))
        return banks

    def _infer(self, bank: WindowBank) -> WindowBank:
        """Infer spikes, in processes where there are so many values that these pay."""
        n_values = bank.n_windows * bank.window * self.real.n_neurons
        # Any other deconvolver need not be one that processes can be handed.
        alone = self.threads.n_jobs == 1 or not self.is_oasis
        if alone or n_values < _PROCESS_VALUES:
            return bank.with_spikes(self.infer)
        return bank.with_spikes(self.infer, self.threads.in_processes)

    def _check_intervals(self) -> None:
        """Leave the bootstrap out where a recording holds too few blocks."""
        blocks = [self.banks[name].n_blocks for name in RESAMPLED if name in self.banks]
        self.has_intervals = self.settings.n_bootstrap > 0 and min(blocks) >= MIN_BLOCKS
        if self.settings.n_bootstrap and not self.has_intervals:
            self.remarks.append(
                f"There are no intervals: a recording holds fewer than {MIN_BLOCKS} blocks as "
                "long as a window to resample."
            )
            self.settings = replace(self.settings, n_bootstrap=0)

    def _read_context(self) -> Context:
        """Read scales and edges from some real windows of either recording."""
        settings, bank = self.settings, self.banks["real"]
        n, n_neurons = settings.n_windows, self.real.n_neurons
        n_paired = min(n_neurons, MAX_PAIRED_NEURONS)
        paired = np.arange(n_neurons)
        if n_paired < n_neurons:
            paired = np.sort(rng_from(settings.seed, 9).choice(n_neurons, n_paired, replace=False))
            self.remarks.append(
                f"Statistics of pairs of neurons are those of {n_paired} neurons drawn at random "
                f"out of {n_neurons}."
            )
        sides = [
            (self.banks[name], self.banks[name].lists[name][0])
            for name in ("real", "train")
            if name in self.banks
        ]
        size = max(bank.window * n_neurons, n_paired * (n_paired - 1) // 2)
        most = int(np.clip(_CONTEXT_VALUES // size, 20, n))
        picks = [(bank, draw[:: max(1, -(-len(draw) // most))]) for bank, draw in sides]
        # One rate a neuron and window: of a few windows there would be too few values to bin.
        parts = [(bank, draw[i : i + most]) for bank, draw in sides for i in range(0, n, most)]
        rates = [firing_rate(bank.spikes(index), settings.frame_rate) for bank, index in parts]
        if bank.window < 2 * bin_frames_for(settings.frame_rate):
            self.remarks.append(
                f"There are no spike correlations: a window of {bank.window} frames does not hold "
                "two bins of half a second; sample longer windows."
            )
        if n_neurons == 1:
            self.remarks.append("There are no statistics of pairs: there is one neuron.")
        return Context(
            np.concatenate([bank.traces(index) for bank, index in picks]),
            np.concatenate([bank.spikes(index) for bank, index in picks]),
            settings.frame_rate,
            n,
            np.concatenate(rates),
            paired,
        )

    def _fold(self) -> dict[str, FoldedWindows]:
        """Draw windows in folds for the statistics of whole windows."""
        settings, real, train = self.settings, self.real, self.train
        fitting = _MAX_CLASSIFIED_VALUES // (real.window * real.n_neurons)
        n = min(settings.n_windows, int(np.clip(fitting, _MIN_CLASSIFIED, _MAX_CLASSIFIED)))
        rate = settings.frame_rate
        sources = [source for source in (real, train) if source is not None]
        n_folds = count_folds(sources, n)
        if n_folds == 1:
            self.remarks.append(
                "There is no classifier: a recording is too short to be cut into two segments "
                "that hold a window each."
            )
        shape = (n_folds, n // n_folds)

        def rng(number: int) -> np.random.Generator:
            return rng_from(settings.seed, 5, number)

        draws = {"real": settings.n_splits}
        tasks: list[Callable[[], dict[str, FoldedWindows]]]
        tasks = [partial(fold_recording, real, draws, shape, rate, rng(0))]
        if train is not None:
            # Replays are drawn even if not asked for: scales are read from both.
            draws = {"train": settings.n_splits, "replay": 1}
            tasks.append(partial(fold_recording, train, draws, shape, rate, rng(3)))
        if "shuffled" in settings.controls:
            tasks.append(lambda: {"shuffled": fold_shuffled(sources[-1], *shape, rate, rng(4))})
        folded: dict[str, FoldedWindows] = {}
        found = self.threads("features of windows", lambda task: task(), [(t,) for t in tasks])
        for each in found:
            folded |= each
        if "replay" not in settings.controls:
            folded.pop("replay", None)
        n_draws = max(len(folded[name].draws) for name in ("real", "train") if name in folded)
        self.fold_shape = (n_draws, *shape)
        self.comparison = WindowComparison(
            folded.pop("real"),
            folded.get("train"),
            n_neurons=real.n_neurons,
            window=real.window,
            n_bootstrap=settings.n_bootstrap,
            seed=settings.seed,
        )
        return folded

    def compare(
        self, samples: np.ndarray, settings: Settings
    ) -> tuple[WindowBank, list[Statistic], dict[str, np.ndarray]]:
        """Return the windows drawn of samples (M, T, N), their rows, and scores of all groups."""
        name = "synthetic"
        rng = rng_from(settings.seed, 0, 2)
        bank = draw_from_samples(samples, settings.n_windows, settings.n_splits, rng)
        bank = self._infer(bank)
        folded = fold_samples(
            samples, self.fold_shape, settings.frame_rate, rng_from(settings.seed, 5, 1)
        )
        found = self._compare({name: bank}, self._sum({name: bank}), {name: folded})[name]
        self._add_gaussian()
        groups = {name: found, **self.groups}
        rows = []
        for info in INFOS.values():
            if (key := info.name) in found.values:
                values = {n: g.values[key] for n, g in groups.items() if key in g.values}
                drawn = {n: g.replicates[key] for n, g in groups.items() if key in g.replicates}
                rows.append(make_row(info, values, drawn, settings))
        scores = {n: g.scores for n, g in groups.items() if g.scores is not None}
        return bank, rows, scores

    def _sum(self, banks: Mapping[str, WindowBank]) -> dict[str, list[BlockSums]]:
        return sum_by_block(banks, self.measures, self.context, self.threads)

    def _compare(
        self,
        banks: Mapping[str, WindowBank],
        sums: Mapping[str, list[BlockSums]],
        folded: Mapping[str, FoldedWindows],
    ) -> dict[str, Group]:
        """Compare the held-out windows with those of groups, by every statistic."""
        names = [name for name in sums if name != "real"]
        tasks = [(name, i, sums[name][i]) for name in names for i in range(len(self.measures))]
        groups = {name: Group() for name in names}
        found = self.threads("intervals", self._of_sums, tasks)
        for (name, position, _), (values, replicates) in zip(tasks, found, strict=True):
            for info, value, each in zip(
                self.measures[position].infos, values, replicates, strict=True
            ):
                groups[name].values[info.name] = float(value)
                if name in RESAMPLED and self.settings.n_bootstrap:
                    groups[name].replicates[info.name] = each
        if self.settings.protocol == "thesis":
            self._add_published(banks, groups)
        for name, result in self.comparison.compare(folded, self.threads).items():
            groups[name].scores = result.scores
            groups[name].replicates |= result.replicates
            groups[name].values |= {
                key: value
                for key, value in result.values.items()
                if np.isfinite(value) or "classifier" not in key
            }
        return groups

    def _of_sums(self, name: str, position: int, other: BlockSums) -> tuple[np.ndarray, np.ndarray]:
        """Return the statistics of one measure, and replicates (statistics, R) of them."""
        measure, settings = self.measures[position], self.settings
        n = settings.n_bootstrap if name in RESAMPLED else 0
        if measure.of_spikes and not self.has_spikes:
            return np.full(len(measure.infos), np.nan), np.full((len(measure.infos), n), np.nan)
        real = self.sums["real"][position]
        values = draw_values(measure, real, other).mean(axis=1)
        if n == 0:
            return values, np.empty((len(values), 0))
        weights = [
            resampling_weights(
                side.n.shape[1], n, rng_from(settings.seed, 2, RESAMPLED.index(each))
            )
            for side, each in ((real, "real"), (other, name))
        ]
        return values, replicate_values(measure, real, other, *weights)

    def _add_published(self, banks: Mapping[str, WindowBank], groups: Mapping[str, Group]) -> None:
        """Add the three published divergences by the published estimators, without intervals.

        Of the first draw alone: they bin every window by itself, which takes its time.
        """
        divergences = {
            "firing_rate_kl": firing_rate_kl,
            "correlation_kl": correlation_kl,
            "van_rossum_kl": van_rossum_kl,
        }
        real, rate = self.banks["real"], self.settings.frame_rate
        if real.window < 2 * bin_frames_for(rate):
            del divergences["correlation_kl"]
        if self.real.n_neurons == 1:
            divergences = {"firing_rate_kl": firing_rate_kl}
        mine = real.spikes(real.lists["real"][0])
        for bank in banks.values():
            for name in bank.lists:
                if name in groups:
                    other = bank.spikes(bank.lists[name][0])
                    groups[name].values |= {
                        key: divergence(mine, other, rate, protocol="thesis")
                        for key, divergence in divergences.items()
                    }

    def kept_for_figures(
        self, synthetic: WindowBank
    ) -> tuple[dict[str, np.ndarray | None], dict[str, np.ndarray | None]]:
        """Return windows and spikes of the first draw, at most as many as figures need."""
        drawn = [name for name in self.settings.controls if name != "replay"]
        windows: dict[str, np.ndarray | None] = dict.fromkeys(["train", *drawn])
        spikes: dict[str, np.ndarray | None] = dict.fromkeys(["train", *drawn])
        for name, bank in {**self.banks, "synthetic": synthetic}.items():
            most = max(MIN_SAMPLES, _KEPT_VALUES // (bank.window * bank.frames.shape[1]))
            index = bank.lists[name][0][:most]
            windows[name] = bank.traces(index)
            spikes[name] = bank.spikes(index).astype(np.float32)
        return windows, spikes

    def spreads(self, synthetic: WindowBank) -> dict[str, float]:
        """Return what tells a collapsed generator: spreads relative to real ones, silent trains."""

        def spread(bank: WindowBank, name: str) -> tuple[np.ndarray, np.ndarray, float]:
            index = bank.lists[name][0][:100]
            traces = bank.traces(index)
            silent = 1.0 - float(bank.spikes(index).any(axis=1).mean())
            return traces.std(axis=(0, 1)), traces.mean(axis=1).std(axis=0), silent

        def relative(mine: np.ndarray, theirs: np.ndarray) -> float:
            usable = theirs > 0
            return float(np.median(mine[usable] / theirs[usable])) if usable.any() else 1.0

        real_sd, real_window_sd, real_silent = spread(self.banks["real"], "real")
        sd, window_sd, silent = spread(synthetic, "synthetic")
        return {
            "relative_sd": relative(sd, real_sd),
            "relative_window_sd": relative(window_sd, real_window_sd),
            "silent_real": real_silent,
            "silent_synthetic": silent,
        }


@dataclass(frozen=True)
class _OfAllNeurons:
    """Infers spikes of some neurons by a deconvolver that was fitted on all of them."""

    deconvolver: Any
    neurons: np.ndarray

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        every = np.zeros((*windows.shape[:2], len(self.neurons)), windows.dtype)
        every[:, :, self.neurons] = windows
        return np.asarray(self.deconvolver.transform(every))[:, :, self.neurons]


def _spike_inference(
    settings: Settings, source: WindowSource, deconvolver: Any, varies: np.ndarray, where: str
) -> tuple[Infer, str]:
    """Return how spikes are inferred in windows, and a line that says so."""
    if deconvolver is not None:
        name = type(deconvolver).__name__
        step = missing_step(deconvolver)
        deconvolver = fitted_to(deconvolver, source.segments, settings.frame_rate, whole=True)
        if step is None:
            return _OfAllNeurons(deconvolver, varies), f"the {name} given, window by window"
        how = "fitted on" if step == "fit" else "adapted to"
        return deconvolver.transform, f"{name}, {how} the {where} recording, window by window"
    is_thesis, rate = settings.protocol == "thesis", settings.frame_rate
    if is_thesis and np.isclose(rate, _THESIS_FRAME_RATE, rtol=0.02):
        return _infer_as_published, (
            f"OASIS with g = {_THESIS_DECAY}, s_min = {_THESIS_THRESHOLD}, window by window"
        )
    deconvolver = OasisDeconvolver(rate)
    how = "decay, noise and threshold of each neuron"
    if is_thesis:
        decay = np.exp(-1.0 / (_THESIS_TAU * rate))
        # The deconvolver's unit of noise is that of an isolated spike's amplitude.
        threshold = _THESIS_THRESHOLD / _THESIS_NOISE / np.sqrt(1.0 - decay**2)
        deconvolver.set_params(decay_time=_THESIS_TAU, threshold=threshold)
        how = (
            f"a decay time of {_THESIS_TAU} s and a threshold of "
            f"{_THESIS_THRESHOLD / _THESIS_NOISE:.2f} noise deviations"
        )
    deconvolver.fit(source.segments)
    return deconvolver.transform, (f"OASIS with {how} from the {where} recording, window by window")


def _infer_as_published(windows: np.ndarray) -> np.ndarray:
    """Return spikes by the published constants."""
    found = infer_spikes(windows, decay=_THESIS_DECAY, baseline=0.0, threshold=_THESIS_THRESHOLD)
    return found >= 0.5
