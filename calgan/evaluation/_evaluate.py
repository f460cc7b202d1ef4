"""`evaluate` and `compare`: check what is given, compare it, and put the outcome together."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from calgan.data.random_windows import WindowSource, check_same_neurons, read_source
from calgan.data.recording import ARBITRARY
from calgan.data.sampling import generator_of
from calgan.data.validation import common_frame_rate, rng_from
from calgan.evaluation._comparison import Comparison
from calgan.evaluation._controls import CONTROLS
from calgan.evaluation._memorisation import memorisation_figure
from calgan.evaluation._reference import Reference
from calgan.evaluation._result import Evaluation
from calgan.evaluation._threads import Threads
from calgan.evaluation._verdict import conclude
from calgan.evaluation.settings import (
    FEW_SAMPLES,
    MIN_SAMPLES,
    Settings,
    check_deconvolver,
    check_model,
    check_samples,
    check_settings,
    check_size,
    entry_of,
    find_overlap,
    varying_neurons,
)
from calgan.evaluation.statistics import INFOS
from calgan.metrics.groups import GROUPS


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
    deconvolver: Any = None,
    n_windows: int | None = None,
    n_splits: int = 3,
    n_bootstrap: int = 200,
    n_jobs: int | None = -1,
    verbose: int | None = None,
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
    deconvolver : object with ``transform``, default=None
        Infers spikes from windows (n, T, N): above 0 in frames with a spike. One that is not
        fitted is cloned and fitted on `train` (on `real` without it), one that was trained on known
        spikes is adapted to it. None is an `OasisDeconvolver`.
    n_windows : int, default=None
        Most windows on either side of a comparison; fewer if there are fewer samples. None is
        500, and the published 1,000 with ``protocol="thesis"``, which then draws no window of
        `real` twice.
    n_splits : int, default=3
        Draws of windows that are averaged.
    n_bootstrap : int, default=200
        Resamplings of contiguous blocks behind each interval: 0 for none, or at least 20.
    n_jobs : int, default=-1
        Threads (processes, to infer the spikes of many windows); -1 takes all cores, None one.
        The numbers do not depend on it.
    verbose : int, default=None
        0 shows no progress, 1 does, and None on a terminal only.

    Returns
    -------
    Evaluation
        Prints as a table; see `Evaluation.to_html` for the report.

    Raises
    ------
    ValueError
        If the inputs differ in neurons, hold NaN, are too short or too few, if no frame rate is
        known, or if no neuron varies.
    NotFittedError
        If `model` is not fitted.

    Warns
    -----
    UserWarning
        If there are fewer than 100 samples, if a neuron is constant in `real` or `train` (it is
        left out), or if frames of `real` occur in `train` (which
        ``protocol="thesis"`` says in a remark, as it is the point of that split).

    Notes
    -----
    Windows are drawn at random starts, each once before any is drawn again. Statistics of pairs of
    more than 300 neurons are those of 300 neurons drawn at random. An undefined statistic is NaN,
    with a `Statistic.reason`. Spikes are inferred window by window with an
    `OasisDeconvolver` that is fitted on `train` (on `real` without it) and then frozen. Intervals
    resample contiguous blocks of both recordings, each at least one window long; those of the
    classifiers resample the windows they are tried on, not those they are fitted on. See the user
    guide, *Judge*.

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
    samples = {"synthetic": check_samples(synthetic)}
    check_model(model)
    threads = Threads(settings.n_jobs, verbose)
    recordings = (real, train, frame_rate)
    found = _compare_all(samples, {"synthetic": model}, recordings, settings, deconvolver, threads)
    return found["synthetic"]


def compare(
    synthetic: Mapping[str, Any],
    real: Any,
    *,
    train: Any = None,
    frame_rate: float | None = None,
    protocol: str = "blocked",
    random_state: Any = None,
    models: Mapping[str, Any] | None = None,
    controls: Iterable[str] = tuple(CONTROLS),
    deconvolver: Any = None,
    n_windows: int | None = None,
    n_splits: int = 3,
    n_bootstrap: int = 200,
    n_jobs: int | None = -1,
    verbose: int | None = None,
) -> Comparison:
    """Judge the samples of several generators against one held-out recording, side by side.

    Baselines, controls, held-out windows and bins are those of one `evaluate` for all of them.

    Parameters
    ----------
    synthetic : dict of str to array-like of shape (n, T, N)
        Synthetic windows by the name of their generator. As many windows of each are compared as
        the smallest of them holds.
    real, train, frame_rate, protocol, random_state : as in `evaluate`
        The recordings and how they are compared.
    models : dict of str to fitted generator, pipeline or search, default=None
        Where the samples come from, for some or all of the names.
    controls, deconvolver, n_windows, n_splits, n_bootstrap, n_jobs, verbose : as in `evaluate`
        See there.

    Returns
    -------
    Comparison
        Prints as a table, a column a generator; ``comparison["name"]`` is the `Evaluation` of one.

    Raises
    ------
    ValueError
        If there is nothing to compare, or where `evaluate` does.
    TypeError
        If `synthetic` is no dict.

    See Also
    --------
    evaluate : The same for one generator.

    Examples
    --------
    >>> from calgan import compare
    >>> from calgan.datasets import make_process
    >>> process = make_process(n_neurons=6, random_state=0)
    >>> train, _ = process.sample_recording(120.0, random_state=1)
    >>> test, _ = process.sample_recording(60.0, random_state=2)
    >>> true, _ = process.sample_windows(100, 40, random_state=3)
    >>> noise = true[::-1].mean() + true.std() * np.random.default_rng(0).normal(size=true.shape)
    >>> comparison = compare({"true": true, "noise": noise}, test, train=train, random_state=0)
    >>> row = "spike_correlation_matrix_r"
    >>> bool(comparison["true"][row].value > comparison["noise"][row].value)
    True
    """
    settings = check_settings(
        protocol, controls, n_windows, n_splits, n_bootstrap, random_state, n_jobs
    )
    if not isinstance(synthetic, Mapping):
        raise TypeError(
            "synthetic must be a dict of samples by the name of their generator, such as "
            f"{{'gan': samples}}, got {type(synthetic).__name__}; use evaluate for one generator."
        )
    if not synthetic:
        raise ValueError("synthetic holds no samples; pass at least one entry, {'name': samples}.")
    models = dict(models or {})
    unknown = [name for name in models if name not in synthetic]
    if unknown:
        raise ValueError(f"models holds {unknown[0]!r}, of which synthetic holds no samples.")
    samples = {str(name): check_samples(each, name=name) for name, each in synthetic.items()}
    models = {str(name): model for name, model in models.items()}
    for name, model in models.items():
        check_model(model, name=name)
    threads = Threads(settings.n_jobs, verbose)
    recordings = (real, train, frame_rate)
    return Comparison(_compare_all(samples, models, recordings, settings, deconvolver, threads))


def _compare_all(
    samples: dict[str, np.ndarray],
    models: Mapping[str, Any],
    recordings: tuple[Any, Any, float | None],
    settings: Settings,
    deconvolver: Any,
    threads: Threads,
) -> dict[str, Evaluation]:
    """Evaluate samples by name, called by what a user calls."""
    real, train, frame_rate = recordings
    window = _common_window(samples)
    held_out = read_source(real, window, name="real", stacklevel=3)
    training = None
    if train is not None:
        training = read_source(train, window, name="train", stacklevel=3)
    for name, each in samples.items():
        check_same_neurons(held_out, each, training, name=entry_of(name))
    rates = {"frame_rate": frame_rate, "real": held_out.frame_rate}
    rates["train"] = training.frame_rate if training else None
    rate = common_frame_rate(rates, needed_by="evaluate")
    check_deconvolver(deconvolver, held_out.n_neurons)
    shared, remarks = find_overlap(held_out, training, settings.protocol)
    n = min(settings.n_windows, *map(len, samples.values()))
    if n < FEW_SAMPLES:
        warnings.warn(
            f"synthetic holds {n} windows to compare; below {FEW_SAMPLES} histograms are coarse "
            "and baselines high, so sample more (500 is a good number).",
            UserWarning,
            stacklevel=3,
        )
    if settings.protocol == "thesis":
        n = min(n, max(len(held_out.starts), MIN_SAMPLES))
    roi_ids = _roi_ids(held_out, training)
    varies, texts = varying_neurons(held_out, training, samples)
    remarks += texts
    check_size(samples, held_out)
    if not varies.all():
        roi_ids, held_out = roi_ids[varies], held_out.select(varies)
        training = training and training.select(varies)
        samples = {name: each[:, :, varies] for name, each in samples.items()}
    settings = replace(settings, n_windows=n, frame_rate=rate)
    with threadpool_limits(1):  # threads of linear algebra would wait for each other
        reference = Reference(held_out, training, settings, deconvolver, varies, threads)
        facts = {
            "remarks": remarks,
            "shared_frames": shared,
            "neurons_left_out": np.flatnonzero(~varies).tolist(),
        }
        return {
            name: _evaluate_one(reference, each, models.get(name), roi_ids, facts)
            for name, each in samples.items()
        }


def _evaluate_one(
    reference: Reference,
    samples: np.ndarray,
    model: Any,
    roi_ids: np.ndarray,
    facts: dict[str, Any],
) -> Evaluation:
    """Compare the samples of one generator with the reference."""
    settings, held_out, training = reference.settings, reference.real, reference.train
    settings = replace(settings, trained_on=_trained_statistics(model))
    memorisation = None
    if training is not None:
        replays = reference.banks["train"]
        memorisation = reference.threads.start(
            memorisation_figure,
            samples,
            training,
            held_out,
            lambda n: replays.traces(replays.lists["replay"][0][:n]),
            rng_from(settings.seed, 3),
            settings.n_bootstrap,
        )
    bank, statistics, scores = reference.compare(samples, settings)
    memorisation = memorisation and memorisation()
    order = list(GROUPS)
    statistics.sort(key=lambda row: order.index(row.group))
    generator = generator_of(model)
    trained_on = settings.trained_on or frozenset()
    known = {name for info in INFOS.values() for name in (info.name, *info.trained_by)}
    meta = {
        "n_draws": max(len(each[0].n) for each in reference.sums.values()),
        "n_bootstrap": settings.n_bootstrap,
        "random_state": settings.seed,
        "n_samples": len(samples),
        "n_real_frames": sum(map(len, held_out.segments)),
        "n_real_windows": held_out.n_independent,
        "n_real_blocks": reference.banks["real"].n_blocks,
        "n_train_frames": training and sum(map(len, training.segments)),
        "n_train_windows": training and training.n_independent,
        "has_intervals": reference.has_intervals,
        "spike_inference": reference.inference,
        "controls": list(settings.controls),
        "controls_from": "real" if training is None else "train",
        "dichotomized_gaussian": reference.gaussian,
        "trained_on_statistics": None if settings.trained_on is None else sorted(trained_on),
        "trained_on_others": sorted(trained_on - known),
        "best_iter": getattr(generator, "best_iter_", None),
        "n_folds": reference.comparison.n_folds,
        **facts,
        "remarks": [*facts["remarks"], *reference.remarks],
        **reference.spreads(bank),
    }
    windows, spikes = reference.kept_for_figures(bank)
    return Evaluation(
        statistics=tuple(statistics),
        memorisation=memorisation,
        conclusion=conclude(statistics, memorisation, meta, settings.protocol),
        protocol=settings.protocol,
        n_windows=settings.n_windows,
        window=held_out.window,
        frame_rate=settings.frame_rate,
        roi_ids=roi_ids,
        units=held_out.units or (training and training.units) or ARBITRARY,
        windows=windows,
        spikes=spikes,
        classifier_scores=scores,
        history=list(getattr(generator, "history_", None) or []),
        meta=meta,
    )


def _common_window(samples: Mapping[str, np.ndarray]) -> int:
    """Return the frames a window, which must be the same for all samples."""
    shapes = {name: each.shape[1] for name, each in samples.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name!r} {window}" for name, window in shapes.items())
        raise ValueError(
            f"samples of one comparison need windows of one length, but they have {listed} "
            "frames; sample windows of the same length."
        )
    return next(iter(shapes.values()))


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
