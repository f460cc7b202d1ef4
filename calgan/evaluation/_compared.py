"""The windows that `evaluate` compares: drawn, with their spikes, controls and spreads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calgan.data.random_windows import (
    WindowBank,
    WindowSource,
    draw_from_recording,
    draw_from_samples,
)
from calgan.data.validation import rng_from
from calgan.evaluation._controls import sample_dichotomized_gaussian
from calgan.evaluation._settings import MIN_SAMPLES, Settings
from calgan.evaluation.statistics import Context
from calgan.metrics import firing_rate
from calgan.spikes.oasis import OasisDeconvolver, infer_spikes

# Published inference: decay a frame and threshold at 24 Hz; elsewhere the same in seconds, and the
# threshold in units of the noise (0.55 at the published simulation's 0.3).
_THESIS_FRAME_RATE = 24.0
_THESIS_DECAY, _THESIS_THRESHOLD = 0.95, 0.55
_THESIS_TAU, _THESIS_NOISE = 0.812, 0.3
# What figures need, and no more: windows of a long recording would fill the memory.
_KEPT_VALUES = 16_000_000
_CONTEXT_VALUES = 4_000_000

Infer = Callable[[np.ndarray], np.ndarray]
Banks = dict[str, WindowBank]


@dataclass(frozen=True)
class Drawn:
    """Banks of windows by group, the samples of whole-window statistics, and what to say of them.

    ``inference`` says how spikes were inferred; ``gaussian`` holds facts of that control.
    """

    banks: Banks
    samples: dict[str, np.ndarray]
    inference: str
    gaussian: dict[str, Any] | None = None
    remarks: list[str] = field(default_factory=list)


def draw_windows(
    real: WindowSource, train: WindowSource | None, samples: np.ndarray, settings: Settings
) -> Drawn:
    """Draw the windows of recordings, samples and controls, each group from a stream of its own."""
    fitted_on, where = (real, "held-out") if train is None else (train, "training")
    infer, inference = _spike_inference(settings, fitted_on, f"{where} recording")
    n, n_splits, once = settings.n_windows, settings.n_splits, settings.protocol == "thesis"
    rng = rng_from(settings.seed, 0)
    names: tuple[str, ...] = ("real",) if train is not None else ("real", "other")
    banks = {
        "real": draw_from_recording(real, names, n, n_splits, rng, once=once),
        "synthetic": draw_from_samples(samples, n, n_splits, rng),
    }
    if train is not None:
        # Replays are drawn even if not asked for: the memorisation figure needs them.
        banks["train"] = draw_from_recording(
            train, ("train", "replay"), n, n_splits, rng, once=once
        )
    banks = {name: bank.with_spikes(infer, settings.n_jobs) for name, bank in banks.items()}
    if "shuffled" in settings.controls:
        bank, name = (banks["real"], "other") if train is None else (banks["train"], "train")
        banks["shuffled"] = bank.shuffled(name, rng_from(settings.seed, 1))
    if "dichotomized_gaussian" not in settings.controls:
        return Drawn(banks, {"synthetic": samples}, inference)
    rng = rng_from(settings.seed, 4)
    gaussian = sample_dichotomized_gaussian(fitted_on, n, settings.frame_rate, rng)
    if gaussian.samples is None:
        return Drawn(banks, {"synthetic": samples}, inference, remarks=gaussian.remarks)
    name, remarks = "dichotomized_gaussian", list(gaussian.remarks)
    bank = draw_from_samples(gaussian.samples, n, n_splits, rng, name=name)
    banks[name] = bank.with_spikes(infer, settings.n_jobs)
    if train is None:
        remarks.append(
            "The dichotomized Gaussian was fitted on the held-out recording itself, which "
            "flatters it (pass train=)."
        )
    both = {"synthetic": samples, name: gaussian.samples}
    return Drawn(banks, both, inference, gaussian.facts, remarks)


def _spike_inference(settings: Settings, source: WindowSource, where: str) -> tuple[Infer, str]:
    """Return how spikes are inferred in windows, and a line that says so."""
    is_thesis, rate = settings.protocol == "thesis", settings.frame_rate
    if is_thesis and np.isclose(rate, _THESIS_FRAME_RATE, rtol=0.02):

        def infer(windows: np.ndarray) -> np.ndarray:
            amplitudes = infer_spikes(
                windows, decay=_THESIS_DECAY, baseline=0.0, threshold=_THESIS_THRESHOLD
            )
            return amplitudes >= 0.5

        return infer, (
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
    return deconvolver.transform, f"OASIS with {how} from the {where}, window by window"


def context_of(banks: Banks, settings: Settings) -> Context:
    """Return some real windows of either recording, from which edges and scales are read."""
    sides = [
        (banks[name], banks[name].lists[name][0]) for name in ("real", "train") if name in banks
    ]
    bank, n = banks["real"], settings.n_windows
    n_neurons = bank.frames.shape[1]
    size = max(bank.window * n_neurons, n_neurons * (n_neurons - 1) // 2)
    most = int(np.clip(_CONTEXT_VALUES // size, 20, n))
    picks = [(bank, draw[:: max(1, -(-len(draw) // most))]) for bank, draw in sides]
    # One rate a neuron and window: of a few windows there would be too few values to bin.
    parts = [(bank, draw[i : i + most]) for bank, draw in sides for i in range(0, len(draw), most)]
    rates = [firing_rate(bank.spikes(index), settings.frame_rate) for bank, index in parts]
    return Context(
        traces=np.concatenate([bank.traces(index) for bank, index in picks]),
        spikes=np.concatenate([bank.spikes(index) for bank, index in picks]),
        frame_rate=settings.frame_rate,
        n_windows=n,
        rates=np.concatenate(rates),
    )


def kept_for_figures(
    banks: Banks, settings: Settings
) -> tuple[dict[str, np.ndarray | None], dict[str, np.ndarray | None]]:
    """Return the windows and spikes of the first draw, or as many as figures need."""
    drawn = [name for name in settings.controls if name != "replay"]
    windows: dict[str, np.ndarray | None] = dict.fromkeys(["train", *drawn])
    spikes: dict[str, np.ndarray | None] = dict.fromkeys(["train", *drawn])
    for name, bank in banks.items():
        most = max(MIN_SAMPLES, _KEPT_VALUES // (bank.window * bank.frames.shape[1]))
        index = bank.lists[name][0][:most]
        windows[name], spikes[name] = bank.traces(index), bank.spikes(index)
    return windows, spikes


def spreads(banks: Banks) -> dict[str, float]:
    """Return what tells a collapsed generator: spreads relative to real ones, silent trains."""

    def spread(name: str) -> tuple[np.ndarray, np.ndarray, float]:
        bank = banks[name]
        assert bank.packed is not None
        index = bank.lists[name][0][:100]
        traces = bank.traces(index)
        silent = 1.0 - float(bank.packed[index].any(axis=1).mean())
        return traces.std(axis=(0, 1)), traces.mean(axis=1).std(axis=0), silent

    def relative(mine: np.ndarray, theirs: np.ndarray) -> float:
        usable = theirs > 0
        return float(np.median(mine[usable] / theirs[usable])) if usable.any() else 1.0

    real_sd, real_window_sd, real_silent = spread("real")
    sd, window_sd, silent = spread("synthetic")
    return {
        "relative_sd": relative(sd, real_sd),
        "relative_window_sd": relative(window_sd, real_window_sd),
        "silent_real": real_silent,
        "silent_synthetic": silent,
    }
