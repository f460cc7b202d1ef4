"""`evaluate`: draw windows, infer spikes, compute every statistic beside its yardsticks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from calgan.data.drawing import (
    WindowBank,
    WindowSource,
    check_same_neurons,
    draw_from_recording,
    draw_from_samples,
    read_source,
)
from calgan.data.validation import as_seed, check_integer, common_frame_rate, rng_from
from calgan.evaluation._bootstrap import (
    BlockSums,
    centred_interval,
    draw_values,
    replicate_values,
    resampling_weights,
    shifted_interval,
    sum_by_block,
)
from calgan.evaluation._checks import (
    MIN_SAMPLES,
    check_controls,
    check_samples,
    find_overlap,
)
from calgan.evaluation._dichotomized import sample_dichotomized_gaussian
from calgan.evaluation._memorisation import memorisation_figure
from calgan.evaluation._result import Evaluation
from calgan.evaluation._statistic import CONTROLS, Statistic
from calgan.evaluation._verdict import conclude
from calgan.evaluation.statistics import _measures
from calgan.evaluation.statistics import _two_sample as two_sample
from calgan.evaluation.statistics._base import Context, Measure, StatisticInfo
from calgan.evaluation.statistics._events import holds_events
from calgan.evaluation.statistics._two_sample import TwoSample, judge_windows
from calgan.metrics import (
    bin_frames_for,
    correlation_kl,
    firing_rate,
    firing_rate_kl,
    van_rossum_kl,
)
from calgan.metrics.groups import GROUPS
from calgan.spikes.oasis import OasisDeconvolver, infer_spikes

_MIN_BLOCKS = 3
_FEW_SAMPLES = 100
# Windows on either side unless the user says otherwise, by protocol.
_N_WINDOWS = {"blocked": 500, "thesis": 1000}
# Published inference: decay a frame and threshold at 24 Hz; elsewhere the same in seconds, and the
# threshold in units of the noise (0.55 at the published simulation's 0.3).
_THESIS_FRAME_RATE = 24.0
_THESIS_DECAY, _THESIS_THRESHOLD = 0.95, 0.55
_THESIS_TAU, _THESIS_NOISE = 0.812, 0.3
# What figures need, and no more: windows of a long recording would fill the memory.
_KEPT_VALUES = 16_000_000
_CONTEXT_VALUES = 4_000_000

Infer = Callable[[np.ndarray], np.ndarray]


def evaluate(
    real: Any,
    synthetic: Any,
    *,
    train: Any = None,
    frame_rate: float | None = None,
    protocol: str = "blocked",
    random_state: Any = None,
    model: Any = None,
    controls: Iterable[str] = tuple(CONTROLS),
    n_windows: int | None = None,
    n_splits: int = 3,
    n_bootstrap: int = 200,
) -> Evaluation:
    """Judge synthetic windows against a held-out recording, beside what real data scores.

    Every statistic of held-out against synthetic windows stands beside its train-test baseline
    (held-out against training windows, as many of them, on the same bins) and three controls:
    replayed training windows, neuron-shuffled windows, and windows of a dichotomized Gaussian.
    Classifiers say whether whole windows can be told from held-out ones. A memorisation figure says
    whether the samples lie nearer to the training recording than to the held-out one.

    Parameters
    ----------
    real : Recording, array-like of shape (T, N), list of these, (S, T, N) trials or WindowView
        Held-out traces: frames that the model never saw, at least a window away from those it
        did, as `calgan.model_selection.train_test_blocks` splits them.
    synthetic : array-like of shape (n, T, N)
        Synthetic windows in the units of `real`: at least 8, and a warning below 100.
    train : like `real`, default=None
        What the model was fitted on. Without it baselines, replay and memorisation are not
        available.
    frame_rate : float, default=None
        Frames per second (Hz). None takes that of `real` or `train`.
    protocol : {"blocked", "thesis"}, default="blocked"
        ``"thesis"`` replaces spike inference and the three published divergences by the published
        estimators, for comparison with the published table only. The windows of
        `calgan.model_selection.thesis_split` go with it.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the windows drawn; None draws a fresh one, kept in ``meta["random_state"]``.
    model : fitted generator, pipeline or search, default=None
        Where the samples come from: marks the statistics it was trained on and adds its training
        curves to the report.
    controls : iterable of str, default=("replay", "shuffled", "dichotomized_gaussian")
        Which controls to compute. The dichotomized Gaussian (`calgan.DichotomizedGaussianCalcium`,
        with a memory of 2 s, but at most 60 frames and half a window) is fitted on `train`, or on
        `real` without it. The other numbers do not depend on the choice.
    n_windows : int, default=None
        Most windows on either side of a comparison; fewer if there are fewer samples. None is
        500, and the published 1,000 with ``protocol="thesis"``, which then draws no window of
        `real` twice.
    n_splits : int, default=3
        Draws of windows that are averaged.
    n_bootstrap : int, default=200
        Resamplings of contiguous blocks behind each interval.

    Returns
    -------
    Evaluation
        Prints as a table; see `Evaluation.to_html` for the report.

    Raises
    ------
    ValueError
        If the inputs differ in neurons, hold NaN, are too short or too few, or no frame rate is
        known.

    Warns
    -----
    UserWarning
        If there are fewer than 100 samples, or frames of `real` occur in `train` (which
        ``protocol="thesis"`` says in a remark, as it is the point of that split).

    Notes
    -----
    Windows are drawn at random starts. Spikes are inferred window by window with an
    `OasisDeconvolver` that is fitted on `train` (on `real` without it) and then frozen. Intervals
    resample contiguous blocks of both recordings, each at least one window long; those of the
    classifiers resample the windows they are tried on, not those they are fitted on. See the user
    guide, *Evaluating samples*.

    Examples
    --------
    >>> from calgan import evaluate
    >>> from calgan.datasets import make_process
    >>> process = make_process(n_neurons=6, random_state=0)
    >>> train, _ = process.sample_recording(120.0, random_state=1)
    >>> test, _ = process.sample_recording(60.0, random_state=2)
    >>> synthetic, _ = process.sample_windows(100, 40, random_state=3)
    >>> evaluation = evaluate(test, synthetic, train=train, random_state=0)
    >>> bool(evaluation["correlation_matrix_r"].value > 0.5)
    True
    """
    if protocol not in ("blocked", "thesis"):
        raise ValueError(f"protocol must be 'blocked' or 'thesis', got {protocol!r}.")
    chosen = check_controls(controls)
    most = _N_WINDOWS[protocol] if n_windows is None else n_windows
    most = check_integer(most, "n_windows", minimum=MIN_SAMPLES)
    n_splits = check_integer(n_splits, "n_splits")
    n_bootstrap = check_integer(n_bootstrap, "n_bootstrap", minimum=0)
    seed = as_seed(random_state)
    samples = check_samples(synthetic)
    width = samples.shape[1]
    real_source = read_source(real, width, name="real")
    train_source = None if train is None else read_source(train, width, name="train")
    check_same_neurons(real_source, samples, train_source)
    rates = {"frame_rate": frame_rate, "real": real_source.frame_rate}
    rates["train"] = train_source.frame_rate if train_source else None
    rate = common_frame_rate(rates, needed_by="evaluate")
    shared, remarks = find_overlap(real_source, train_source, protocol)
    n = min(most, len(samples))
    if n < _FEW_SAMPLES:
        warnings.warn(
            f"synthetic holds {n} windows to compare; below {_FEW_SAMPLES} histograms are coarse "
            "and baselines high, so sample more (500 is a good number).",
            UserWarning,
            stacklevel=2,
        )
    if protocol == "thesis":
        n = min(n, max(len(real_source.starts), MIN_SAMPLES))

    fitted_on = real_source if train_source is None else train_source
    infer, inference = _spike_inference(protocol, rate, fitted_on, train_source is None)
    once = protocol == "thesis"
    banks = _draw(real_source, train_source, samples, n, n_splits, seed, infer, once)
    gaussian = modelled = None
    if "shuffled" in chosen:
        name = "other" if train_source is None else "train"
        bank = banks["real" if train_source is None else "train"]
        banks["shuffled"] = bank.shuffled(name, rng_from(seed, 1))
    if "dichotomized_gaussian" in chosen:
        rng = rng_from(seed, 4)
        gaussian = sample_dichotomized_gaussian(fitted_on, n, rate, rng)
        remarks += gaussian.remarks
        modelled = gaussian.samples
        if gaussian.samples is not None:
            name = "dichotomized_gaussian"
            bank = draw_from_samples(gaussian.samples, n, n_splits, rng, name=name)
            banks[name] = bank.with_spikes(infer)
            if train_source is None:
                remarks.append(
                    "The dichotomized Gaussian was fitted on the held-out recording itself, which "
                    "flatters it (pass train=)."
                )
    context = _context(banks, rate, n)
    has_correlations = width >= 2 * bin_frames_for(rate)
    if not has_correlations:
        remarks.append(
            f"There are no spike correlations: a window of {width} frames does not hold two bins "
            "of half a second; sample longer windows."
        )
    measures = _make_measures(context, protocol, has_correlations)
    sums = _summarise(banks, measures, chosen)
    trained_on = _trained_statistics(model)
    has_intervals = (
        n_bootstrap > 0
        and min(bank.n_blocks for name, bank in banks.items() if name not in CONTROLS)
        >= _MIN_BLOCKS
    )
    if n_bootstrap and not has_intervals:
        remarks.append(
            f"There are no intervals: a recording holds fewer than {_MIN_BLOCKS} blocks as long as "
            "a window to resample."
        )
    statistics: list[Statistic] = []
    if protocol == "thesis":
        statistics += _published(banks, rate, trained_on, has_correlations, chosen)
    rng = rng_from(seed, 2)
    weights = {
        "real": resampling_weights(banks["real"].n_blocks, n_bootstrap, rng),
        "synthetic": resampling_weights(banks["synthetic"].n_blocks, n_bootstrap, rng),
        "train": resampling_weights(
            banks["train"].n_blocks if "train" in banks else 1, n_bootstrap, rng
        ),
    }
    for position, measure in enumerate(measures):
        parts = {name: each[position] for name, each in sums.items()}
        statistics += _rows(measure, parts, weights if has_intervals else None, trained_on, chosen)
    of_windows = judge_windows(
        real_source,
        train_source,
        {"synthetic": samples} | ({} if modelled is None else {"dichotomized_gaussian": modelled}),
        n=n,
        n_draws=n_splits,
        frame_rate=rate,
        controls=chosen,
        n_bootstrap=n_bootstrap if has_intervals else 0,
        seed=seed,
    )
    if of_windows is not None:
        statistics += _window_rows(of_windows, trained_on, chosen)
        if of_windows.n_folds == 1:
            remarks.append(
                "There is no classifier: a recording is too short to be cut into two segments "
                "that hold a window each."
            )
    order = {name: i for i, name in enumerate(GROUPS)}
    statistics.sort(key=lambda row: order[row.group])

    windows, spikes = _kept(banks, chosen)
    memorisation = None
    if train_source is not None:
        bank = banks["train"]
        replay = bank.lists["replay"][0]
        memorisation = memorisation_figure(
            samples,
            train_source,
            real_source,
            lambda n: bank.traces(replay[:n]),
            rng_from(seed, 3),
            n_bootstrap,
        )
    infos = [*(info for measure in _ALL for info in measure.infos), *two_sample.INFOS]
    known = {name for info in infos for name in info.trained_by}
    names = {info.name for info in infos}
    meta = {
        "n_splits": n_splits,
        "n_bootstrap": n_bootstrap,
        "random_state": seed,
        "n_samples": len(samples),
        "n_real_frames": sum(map(len, real_source.segments)),
        "n_real_windows": real_source.n_independent,
        "n_real_blocks": banks["real"].n_blocks,
        "n_train_frames": train_source and sum(map(len, train_source.segments)),
        "n_train_windows": train_source and train_source.n_independent,
        "has_intervals": has_intervals,
        "spike_inference": inference,
        "controls": list(chosen),
        "controls_from": "real" if train_source is None else "train",
        "dichotomized_gaussian": gaussian and (gaussian.facts or None),
        "trained_on_statistics": None if trained_on is None else sorted(trained_on),
        "trained_on_others": sorted((trained_on or frozenset()) - known - names),
        "best_iter": getattr(_generator(model), "best_iter_", None),
        "remarks": remarks,
        "shared_frames": shared,
        "n_folds": of_windows and of_windows.n_folds,
        **_spreads(banks),
    }
    return Evaluation(
        statistics=tuple(statistics),
        memorisation=memorisation,
        conclusion=conclude(statistics, memorisation, meta, protocol),
        protocol=protocol,
        n_windows=n,
        window=width,
        frame_rate=rate,
        roi_ids=_roi_ids(real_source, train_source),
        units=real_source.units or (train_source and train_source.units) or "a.u.",
        windows=windows,
        spikes=spikes,
        classifier_scores={} if of_windows is None else of_windows.scores,
        history=list(getattr(_generator(model), "history_", None) or []),
        meta=meta,
    )


_ALL = (*_measures.PUBLISHED, *_measures.POPULATION, *_measures.TRACE)


def _spike_inference(
    protocol: str, rate: float, source: WindowSource, from_real: bool
) -> tuple[Infer, str]:
    """Return how spikes are inferred in windows, and a line that says so."""
    where = "held-out recording" if from_real else "training recording"
    if protocol == "thesis" and np.isclose(rate, _THESIS_FRAME_RATE, rtol=0.02):

        def infer(windows: np.ndarray) -> np.ndarray:
            amplitudes = infer_spikes(
                windows, decay=_THESIS_DECAY, baseline=0.0, threshold=_THESIS_THRESHOLD
            )
            return amplitudes >= 0.5

        return infer, (
            f"OASIS with g = {_THESIS_DECAY}, s_min = {_THESIS_THRESHOLD}, window by window"
        )
    deconvolver = OasisDeconvolver(rate)
    if protocol == "thesis":
        decay = np.exp(-1.0 / (_THESIS_TAU * rate))
        # The deconvolver's unit of noise is that of a lone spike's amplitude.
        threshold = _THESIS_THRESHOLD / _THESIS_NOISE / np.sqrt(1.0 - decay**2)
        deconvolver.set_params(decay_time=_THESIS_TAU, threshold=threshold)
    deconvolver.fit(source.segments)
    how = (
        f"a decay time of {_THESIS_TAU} s and a threshold of "
        f"{_THESIS_THRESHOLD / _THESIS_NOISE:.2f} noise deviations"
        if protocol == "thesis"
        else "decay, noise and threshold of each neuron"
    )
    return deconvolver.transform, f"OASIS with {how} from the {where}, window by window"


def _draw(
    real: WindowSource,
    train: WindowSource | None,
    samples: np.ndarray,
    n: int,
    n_splits: int,
    seed: int,
    infer: Infer,
    once: bool,
) -> dict[str, WindowBank]:
    """Return the windows of the recordings and the samples with their spikes."""
    names: tuple[str, ...] = ("real",) if train is not None else ("real", "other")
    rng = rng_from(seed, 0)
    banks = {
        "real": draw_from_recording(real, names, n, n_splits, rng, once=once).with_spikes(infer),
        "synthetic": draw_from_samples(samples, n, n_splits, rng).with_spikes(infer),
    }
    if train is not None:
        # The replay is drawn even if it was not asked for: the memorisation figure replays it.
        bank = draw_from_recording(train, ("train", "replay"), n, n_splits, rng, once=once)
        banks["train"] = bank.with_spikes(infer)
    return banks


def _context(banks: dict[str, WindowBank], rate: float, n: int) -> Context:
    """Return some real windows of either recording, from which edges and scales are read."""
    sides = [
        (banks[name], banks[name].lists[name][0]) for name in ("real", "train") if name in banks
    ]
    bank = banks["real"]
    n_neurons = bank.frames.shape[1]
    size = max(bank.window * n_neurons, n_neurons * (n_neurons - 1) // 2)
    most = int(np.clip(_CONTEXT_VALUES // size, 20, n))
    picks = [(bank, draw[:: max(1, -(-len(draw) // most))]) for bank, draw in sides]
    # One rate a neuron and window: of a few windows there would be too few values to bin.
    parts = [(bank, draw[i : i + most]) for bank, draw in sides for i in range(0, len(draw), most)]
    return Context(
        traces=np.concatenate([bank.traces(index) for bank, index in picks]),
        spikes=np.concatenate([bank.spikes(index) for bank, index in picks]),
        frame_rate=rate,
        n_windows=n,
        rates=np.concatenate([firing_rate(bank.spikes(index), rate) for bank, index in parts]),
    )


def _make_measures(context: Context, protocol: str, has_correlations: bool) -> list[Measure]:
    published = () if protocol == "thesis" else _measures.PUBLISHED
    kinds: list[Any] = [*published, *_measures.POPULATION, *_measures.TRACE]
    if context.n_neurons == 1:
        kinds = [kind for kind in kinds if kind not in _measures.NEEDS_PAIRS]
    if not has_correlations:
        kinds = [kind for kind in kinds if kind not in _measures.NEEDS_BINS]
    if not holds_events(context.window, context.frame_rate):
        kinds.remove(_measures.EventShapes)
    return [kind(context) for kind in kinds]


def _summarise(
    banks: dict[str, WindowBank], measures: Sequence[Measure], controls: Sequence[str]
) -> dict[str, list[BlockSums]]:
    sums: dict[str, list[BlockSums]] = {}
    for name, bank in banks.items():
        kept = {name: name not in CONTROLS}
        if name == "train" and "replay" in controls:
            kept["replay"] = False
        sums.update(sum_by_block(bank, measures, kept))
    return sums


def _rows(
    measure: Measure,
    sums: dict[str, BlockSums],
    weights: dict[str, np.ndarray] | None,
    trained_on: frozenset[str] | None,
    controls: Sequence[str],
) -> list[Statistic]:
    """Return a measure's rows of the table."""
    values = {
        name: draw_values(measure, sums["real"], other).mean(axis=1)
        for name, other in sums.items()
        if name != "real"
    }
    replicates: dict[str, np.ndarray] = {}
    if weights is not None:
        replicates = {
            name: replicate_values(
                measure, sums["real"], sums[name], weights["real"], weights[name]
            )
            for name in ("synthetic", "train")
            if name in sums
        }
    rows = []
    for position, info in enumerate(measure.infos):
        rows.append(
            _row(
                info,
                {name: float(value[position]) for name, value in values.items()},
                {name: each[position] for name, each in replicates.items()},
                trained_on,
                controls,
            )
        )
    return rows


def _row(
    info: StatisticInfo,
    values: dict[str, float],
    replicates: dict[str, np.ndarray],
    trained_on: frozenset[str] | None,
    controls: Sequence[str],
) -> Statistic:
    def excess(value: Any) -> Any:
        return 1.0 - value if info.better == "higher" else value

    value, baseline = values["synthetic"], values.get("train")
    by_difference = info.judged_by == "difference"
    intervals = {
        name: shifted_interval(values[name], each, info.limits)
        if by_difference
        else centred_interval(values[name], each, better=info.better)
        for name, each in replicates.items()
    }
    ratio = ratio_interval = difference_interval = None
    if baseline is not None and by_difference:
        if "train" in replicates:
            gaps = replicates["synthetic"] - replicates["train"]
            difference_interval = shifted_interval(value - baseline, gaps)
    elif baseline is not None:
        lowest = excess(baseline)
        ratio = float(excess(value) / lowest) if lowest > 0 else float("inf")
        if np.isnan(value + baseline):
            ratio = float("nan")
        if "train" in replicates and np.isfinite(ratio):
            denominator = excess(replicates["train"])
            usable = denominator > 0
            if usable.any():
                ratios = excess(replicates["synthetic"])[usable] / denominator[usable]
                ratio_interval = centred_interval(ratio, ratios)
    return Statistic(
        name=info.name,
        label=info.label,
        group=info.group,
        value=value,
        value_interval=intervals.get("synthetic"),
        baseline=baseline,
        baseline_interval=intervals.get("train"),
        ratio=ratio,
        ratio_interval=ratio_interval,
        controls={name: values.get(name) for name in controls},
        trained_on=bool((trained_on or frozenset()) & {info.name, *info.trained_by}),
        better=info.better,
        unit=info.unit,
        judged_by=info.judged_by,
        difference_interval=difference_interval,
    )


def _window_rows(
    found: TwoSample, trained_on: frozenset[str] | None, controls: Sequence[str]
) -> list[Statistic]:
    """Return the rows of whole windows, without those that need folds if there are none."""
    return [
        _row(
            info,
            {name: each[info.name] for name, each in found.values.items()},
            {name: each[info.name] for name, each in found.replicates.items()},
            trained_on,
            controls,
        )
        for info in two_sample.INFOS
        if np.isfinite(found.values["synthetic"][info.name]) or "classifier" not in info.name
    ]


def _published(
    banks: dict[str, WindowBank],
    rate: float,
    trained_on: frozenset[str] | None,
    has_correlations: bool,
    controls: Sequence[str],
) -> list[Statistic]:
    """Return the three published divergences by the published estimators, without intervals.

    Of the first draw alone: they bin every window by itself, which takes its time.
    """
    divergences = {
        "firing_rate_kl": firing_rate_kl,
        "correlation_kl": correlation_kl,
        "van_rossum_kl": van_rossum_kl,
    }
    if not has_correlations:
        del divergences["correlation_kl"]
    sides = {name: (name, name) for name in banks if name != "real"}
    if "train" in banks and "replay" in controls:
        sides["replay"] = ("train", "replay")
    one_neuron = banks["real"].frames.shape[1] == 1
    infos = {info.name: info for kind in _measures.PUBLISHED for info in kind.infos}
    found: dict[str, dict[str, float]] = {name: {} for name in divergences}
    real = banks["real"].spikes(banks["real"].lists["real"][0])
    for side, (bank, key) in sides.items():
        other = banks[bank].spikes(banks[bank].lists[key][0])
        for name, divergence in divergences.items():
            if not (one_neuron and name != "firing_rate_kl"):
                found[name][side] = divergence(real, other, rate, protocol="thesis")
    return [
        _row(infos[name], values, {}, trained_on, controls)
        for name, values in found.items()
        if values
    ]


def _kept(
    banks: dict[str, WindowBank], controls: Sequence[str]
) -> tuple[dict[str, np.ndarray | None], dict[str, np.ndarray | None]]:
    """Return the windows and spikes of the first draw, or as many as figures need."""
    drawn = [name for name in controls if name != "replay"]
    windows: dict[str, np.ndarray | None] = dict.fromkeys(["train", *drawn])
    spikes: dict[str, np.ndarray | None] = dict.fromkeys(["train", *drawn])
    for name in banks:
        bank = banks[name]
        most = max(MIN_SAMPLES, _KEPT_VALUES // (bank.window * bank.frames.shape[1]))
        index = bank.lists[name][0][:most]
        windows[name], spikes[name] = bank.traces(index), bank.spikes(index)
    return windows, spikes


def _spreads(banks: dict[str, WindowBank]) -> dict[str, float]:
    """Return what tells a collapsed generator: spreads relative to real ones, silent trains."""

    def spreads(name: str) -> tuple[np.ndarray, np.ndarray, float]:
        bank = banks[name]
        assert bank.packed is not None
        index = bank.lists[name][0][:100]
        traces = bank.traces(index)
        silent = 1.0 - float(bank.packed[index].any(axis=1).mean())
        return traces.std(axis=(0, 1)), traces.mean(axis=1).std(axis=0), silent

    (real_sd, real_window_sd, real_silent) = spreads("real")
    (sd, window_sd, silent) = spreads("synthetic")

    def relative(mine: np.ndarray, theirs: np.ndarray) -> float:
        usable = theirs > 0
        return float(np.median(mine[usable] / theirs[usable])) if usable.any() else 1.0

    return {
        "relative_sd": relative(sd, real_sd),
        "relative_window_sd": relative(window_sd, real_window_sd),
        "silent_real": real_silent,
        "silent_synthetic": silent,
    }


def _generator(model: Any) -> Any:
    """Return the generator inside a search or pipeline."""
    if hasattr(model, "best_estimator_"):
        return _generator(model.best_estimator_)
    if hasattr(model, "steps"):
        return _generator(model.steps[-1][1])
    return model


def _trained_statistics(model: Any) -> frozenset[str] | None:
    """Return what the model's objective matches, None if there is no telling."""
    names = getattr(_generator(model), "trained_statistics_", None)
    return None if names is None else frozenset(names)


def _roi_ids(real: WindowSource, train: WindowSource | None) -> np.ndarray:
    for source in (real, train):
        if source is not None and source.roi_ids is not None:
            return np.asarray(source.roi_ids)
    return np.arange(real.n_neurons)
