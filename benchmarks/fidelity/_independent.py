"""How well a classifier tells independent windows from held-out ones, though they are as trained.

Training windows come from a few segments of time. No classifier that has seen some of these knows
the levels in the others, so that it finds little that tells them from held-out windows. Windows of
a generator have no segments: all have the levels of the whole training recording, which a
classifier learns from some of them and finds again in the others. Independent Gaussian draws of the
features, with the mean and the covariance that those of the training windows have, are such windows
of a generator that is right in both. What they score is a reference for samples, and no bound: a
linear classifier finds little else than means and covariances, but features are no Gaussians.
"""

from __future__ import annotations

import numpy as np

from calgan import Recording
from calgan.data.random_windows import WindowSource, read_source
from calgan.data.validation import rng_from
from calgan.evaluation._threads import Threads
from calgan.evaluation.statistics.folds import FoldedWindows, count_folds, fold_recording
from calgan.evaluation.statistics.windows import WindowComparison

AREAS = ("classifier_auc", "shape_classifier_auc")


def independent_areas(
    train: Recording, test: Recording, window: int, *, n: int, n_draws: int, seed: int
) -> dict[str, float]:
    """Return the areas of classifiers between held-out windows and independent draws of features.

    Parameters
    ----------
    train, test : Recording
        Where means and covariances of features are from, and the held-out part.
    window : int
        Frames a window.
    n : int
        Most windows on either side.
    n_draws : int
        Draws of windows that are averaged.
    seed : int
        Seed of all draws.

    Returns
    -------
    dict
        ``classifier_auc`` and ``shape_classifier_auc``, as `calgan.evaluate` has them.
    """
    sources: list[WindowSource] = [
        read_source(part, window, name=name) for part, name in ((test, "real"), (train, "train"))
    ]
    n_folds = count_folds(sources, n)
    if n_folds < 2:
        raise ValueError(
            f"no two folds of windows of {window} frames fit into each part: use shorter windows."
        )
    shape = n_folds, n // n_folds
    held_out, trained = (
        fold_recording(
            source, {"drawn": n_draws}, shape, train.frame_rate, rng_from(seed, 7, stream)
        )["drawn"]
        for stream, source in enumerate(sources)
    )
    comparison = WindowComparison(
        held_out, None, n_neurons=train.n_neurons, window=window, n_bootstrap=0, seed=seed
    )
    drawn = independent(trained, window, rng_from(seed, 7, 2))
    found = comparison.compare({"independent": drawn}, Threads(1, 0))
    if not found:
        raise ValueError("nothing varies among the held-out windows: choose another split.")
    return {name: found["independent"].values[name] for name in AREAS}


def independent(windows: FoldedWindows, window: int, rng: np.random.Generator) -> FoldedWindows:
    """Draw features independently, with the mean and covariance of those of windows.

    Parameters
    ----------
    windows : FoldedWindows
        Features of windows of a recording.
    window : int
        Frames of a window.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    FoldedWindows
        As many draws, folds and windows a fold, none twice.
    """
    centre = windows.table.mean(axis=0)
    # As many directions as there are windows or features, whichever are fewer.
    _, sizes, axes = np.linalg.svd(windows.table - centre, full_matrices=False)
    n = windows.draws.size
    scores = rng.standard_normal((n, len(sizes))) * sizes / np.sqrt(len(windows.table))
    index = np.arange(n)
    blocks = np.zeros(n, dtype=int)
    return FoldedWindows(
        centre + scores @ axes, index.reshape(windows.draws.shape), blocks, window * index
    )
