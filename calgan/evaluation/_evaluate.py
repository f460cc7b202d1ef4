"""`evaluate`: draw windows, infer spikes, compute every statistic beside its yardsticks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from calgan.data.random_windows import WindowSource, check_same_neurons, read_source
from calgan.data.recording import ARBITRARY
from calgan.data.sampling import generator_of
from calgan.data.validation import common_frame_rate, rng_from
from calgan.evaluation._compared import Banks, context_of, draw_windows, kept_for_figures, spreads
from calgan.evaluation._controls import CONTROLS
from calgan.evaluation._memorisation import memorisation_figure
from calgan.evaluation._result import Evaluation
from calgan.evaluation._settings import (
    FEW_SAMPLES,
    MIN_SAMPLES,
    Settings,
    check_samples,
    check_settings,
    find_overlap,
)
from calgan.evaluation._statistic import Statistic, make_row
from calgan.evaluation._verdict import conclude
from calgan.evaluation.statistics import INFOS, Measure, make_measures
from calgan.evaluation.statistics.bootstrap import (
    BlockSums,
    draw_values,
    replicate_values,
    resampling_weights,
    sum_by_block,
)
from calgan.evaluation.statistics.windows import TwoSample, judge_windows
from calgan.metrics import bin_frames_for, correlation_kl, firing_rate_kl, van_rossum_kl
from calgan.metrics.groups import GROUPS

_MIN_BLOCKS = 3


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
    n_jobs: int | None = -1,
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
        What the model was fitted on. Without it the train-test baseline, the replay control and
        the memorisation figure are not available.
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
    n_jobs : int, default=-1
        Threads; -1 takes all cores, None one. The numbers do not depend on it.

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
    settings = check_settings(
        protocol, controls, n_windows, n_splits, n_bootstrap, random_state, n_jobs
    )
    samples = check_samples(synthetic)
    window = samples.shape[1]
    held_out = read_source(real, window, name="real")
    training = None if train is None else read_source(train, window, name="train")
    check_same_neurons(held_out, samples, training)
    rates = {"frame_rate": frame_rate, "real": held_out.frame_rate}
    rates["train"] = training.frame_rate if training else None
    rate = common_frame_rate(rates, needed_by="evaluate")
    shared, remarks = find_overlap(held_out, training, protocol)
    n = min(settings.n_windows, len(samples))
    if n < FEW_SAMPLES:
        warnings.warn(
            f"synthetic holds {n} windows to compare; below {FEW_SAMPLES} histograms are coarse "
            "and baselines high, so sample more (500 is a good number).",
            UserWarning,
            stacklevel=2,
        )
    if protocol == "thesis":
        n = min(n, max(len(held_out.starts), MIN_SAMPLES))
    settings = replace(
        settings, n_windows=n, frame_rate=rate, trained_on=_trained_statistics(model)
    )
    with threadpool_limits(1):  # threads of linear algebra would wait for each other
        drawn = draw_windows(held_out, training, samples, settings)
    banks = drawn.banks
    remarks += drawn.remarks
    if window < 2 * bin_frames_for(settings.frame_rate):
        remarks.append(
            f"There are no spike correlations: a window of {window} frames does not hold two bins "
            "of half a second; sample longer windows."
        )
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
    used = settings if has_intervals else replace(settings, n_bootstrap=0)
    statistics = _published(banks, used) if protocol == "thesis" else []
    with threadpool_limits(1):
        measures = make_measures(context_of(banks, used), published=protocol == "blocked")
    tasks: list[Callable[[], Any]] = [
        partial(_of_sums, banks, measures, used),
        partial(judge_windows, held_out, training, drawn.samples, used),
    ]
    if training is not None:
        bank = banks["train"]
        tasks.append(
            partial(
                memorisation_figure,
                samples,
                training,
                held_out,
                lambda n: bank.traces(bank.lists["replay"][0][:n]),
                rng_from(settings.seed, 3),
                n_bootstrap,
            )
        )
    with threadpool_limits(1):
        parallel = joblib.Parallel(settings.n_jobs, require="sharedmem")
        of_sums, of_windows, *rest = parallel(joblib.delayed(task)() for task in tasks)
    memorisation = rest[0] if rest else None
    statistics += of_sums
    if of_windows is not None:
        statistics += _of_windows(of_windows, used)
        if of_windows.n_folds == 1:
            remarks.append(
                "There is no classifier: a recording is too short to be cut into two segments "
                "that hold a window each."
            )
    order = list(GROUPS)
    statistics.sort(key=lambda row: order.index(row.group))
    generator = generator_of(model)
    trained_on = settings.trained_on or frozenset()
    known = {name for info in INFOS.values() for name in (info.name, *info.trained_by)}
    meta = {
        "n_splits": n_splits,
        "n_bootstrap": n_bootstrap,
        "random_state": settings.seed,
        "n_samples": len(samples),
        "n_real_frames": sum(map(len, held_out.segments)),
        "n_real_windows": held_out.n_independent,
        "n_real_blocks": banks["real"].n_blocks,
        "n_train_frames": training and sum(map(len, training.segments)),
        "n_train_windows": training and training.n_independent,
        "has_intervals": has_intervals,
        "spike_inference": drawn.inference,
        "controls": list(settings.controls),
        "controls_from": "real" if training is None else "train",
        "dichotomized_gaussian": drawn.gaussian,
        "trained_on_statistics": None if settings.trained_on is None else sorted(trained_on),
        "trained_on_others": sorted(trained_on - known),
        "best_iter": getattr(generator, "best_iter_", None),
        "remarks": remarks,
        "shared_frames": shared,
        "n_folds": of_windows and of_windows.n_folds,
        **spreads(banks),
    }
    windows, spikes = kept_for_figures(banks, settings)
    return Evaluation(
        statistics=tuple(statistics),
        memorisation=memorisation,
        conclusion=conclude(statistics, memorisation, meta, protocol),
        protocol=protocol,
        n_windows=n,
        window=window,
        frame_rate=settings.frame_rate,
        roi_ids=_roi_ids(held_out, training),
        units=held_out.units or (training and training.units) or ARBITRARY,
        windows=windows,
        spikes=spikes,
        classifier_scores={} if of_windows is None else of_windows.scores,
        history=list(getattr(generator, "history_", None) or []),
        meta=meta,
    )


def _of_sums(banks: Banks, measures: list[Measure], settings: Settings) -> list[Statistic]:
    """Return the rows of the statistics that are functions of sums over windows."""
    sums: dict[str, list[BlockSums]] = {}
    for name, bank in banks.items():
        draws = {name: name not in CONTROLS}
        if name == "train" and "replay" in settings.controls:
            draws["replay"] = False
        sums.update(sum_by_block(bank, measures, draws, settings.n_jobs))
    rng = rng_from(settings.seed, 2)
    weights = {
        name: resampling_weights(banks[name].n_blocks, settings.n_bootstrap, rng)
        for name in ("real", "synthetic", "train")
        if name in banks
    }
    rows = []
    for position, measure in enumerate(measures):
        real, *others = ((name, each[position]) for name, each in sums.items())
        values = {name: draw_values(measure, real[1], other).mean(axis=1) for name, other in others}
        replicates = {
            name: replicate_values(measure, real[1], other, weights["real"], weights[name])
            for name, other in others
            if name in weights and settings.n_bootstrap
        }
        for i, info in enumerate(measure.infos):
            rows.append(
                make_row(
                    info,
                    {name: float(each[i]) for name, each in values.items()},
                    {name: each[i] for name, each in replicates.items()},
                    settings,
                )
            )
    return rows


def _of_windows(found: TwoSample, settings: Settings) -> list[Statistic]:
    """Return the rows of whole windows, without those that need folds if there are none."""
    return [
        make_row(
            INFOS[key],
            {name: each[key] for name, each in found.values.items()},
            {name: each[key] for name, each in found.replicates.items()},
            settings,
        )
        for key, value in found.values["synthetic"].items()
        if np.isfinite(value) or "classifier" not in key
    ]


def _published(banks: Banks, settings: Settings) -> list[Statistic]:
    """Return the three published divergences by the published estimators, without intervals.

    Of the first draw alone: they bin every window by itself, which takes its time.
    """
    divergences = {
        "firing_rate_kl": firing_rate_kl,
        "correlation_kl": correlation_kl,
        "van_rossum_kl": van_rossum_kl,
    }
    real = banks["real"]
    if real.window < 2 * bin_frames_for(settings.frame_rate):
        del divergences["correlation_kl"]
    if real.frames.shape[1] == 1:
        divergences = {"firing_rate_kl": firing_rate_kl}
    sides = {name: (name, name) for name in banks if name != "real"}
    if "train" in banks and "replay" in settings.controls:
        sides["replay"] = ("train", "replay")
    mine = real.spikes(real.lists["real"][0])
    found: dict[str, dict[str, float]] = {name: {} for name in divergences}
    for side, (bank, key) in sides.items():
        other = banks[bank].spikes(banks[bank].lists[key][0])
        for name, divergence in divergences.items():
            found[name][side] = divergence(mine, other, settings.frame_rate, protocol="thesis")
    return [make_row(INFOS[name], values, {}, settings) for name, values in found.items()]


def _trained_statistics(model: Any) -> frozenset[str] | None:
    """Return what the model's objective matches, None if there is no telling."""
    names = getattr(generator_of(model), "trained_statistics_", None)
    return None if names is None else frozenset(names)


def _roi_ids(real: WindowSource, train: WindowSource | None) -> np.ndarray:
    """Return the neurons' ids, counted from 0 where no recording has any."""
    for source in (real, train):
        if source is not None and source.roi_ids is not None:
            return np.asarray(source.roi_ids)
    return np.arange(real.n_neurons)
