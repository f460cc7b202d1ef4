"""Scorers for scikit-learn's searches: how like held-out data are a generator's samples?"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from calgan.data.random_windows import read_source
from calgan.data.sampling import generator_of, sample
from calgan.data.validation import (
    as_seed,
    check_choice,
    check_integer,
    common_frame_rate,
    rng_from,
    shown,
)
from calgan.data.windows import share_of_frames
from calgan.metrics.population import correlation_matrix_agreement, population_count_kl
from calgan.metrics.spikes import correlation_kl, firing_rate_kl, van_rossum_kl
from calgan.spikes.deconvolvers import fitted_to
from calgan.spikes.oasis import OasisDeconvolver

_MAX_SAMPLES = 500


@dataclass(frozen=True)
class _Compared:
    """Real and synthetic windows, with spikes inferred alike."""

    real: np.ndarray
    synthetic: np.ndarray
    real_spikes: np.ndarray
    synthetic_spikes: np.ndarray
    frame_rate: float


# Higher is better for every one of them, as scikit-learn's searches want it.
_STATISTICS: dict[str, Callable[[_Compared], float]] = {
    "firing_rate": lambda c: -firing_rate_kl(c.real_spikes, c.synthetic_spikes, c.frame_rate),
    "correlation": lambda c: -correlation_kl(c.real_spikes, c.synthetic_spikes, c.frame_rate),
    "van_rossum": lambda c: -van_rossum_kl(c.real_spikes, c.synthetic_spikes, c.frame_rate),
    "population_count": lambda c: -population_count_kl(c.real_spikes, c.synthetic_spikes),
    "correlation_matrix": lambda c: correlation_matrix_agreement(c.real, c.synthetic).r,
}


def _compare(
    estimator: Any,
    X: Any,
    n_samples: int | None,
    frame_rate: float | None,
    deconvolver: Any,
    random_state: Any,
) -> _Compared:
    """Sample the estimator and infer the spikes of the samples and of as many real windows."""
    seed = as_seed(random_state)
    n_asked = (
        _MAX_SAMPLES if n_samples is None else check_integer(n_samples, "n_samples", minimum=2)
    )
    synthetic = np.asarray(sample(estimator, n_asked, random_state=seed), dtype=np.float32)
    source = read_source(X, synthetic.shape[1], name="X")
    _warn_of_leak(estimator, X)
    if n_samples is None:  # only now is the window known, and with it the number of real windows
        synthetic = synthetic[: max(2, len(source.starts))]
    if source.n_neurons != synthetic.shape[2]:
        raise ValueError(
            f"X has {source.n_neurons} neurons, but the samples have {synthetic.shape[2]}; score "
            "on the neurons the generator was fitted on."
        )
    if not np.isfinite(synthetic).all():
        raise ValueError(
            "the samples hold NaN or infinite values, so training has diverged; try a smaller "
            "learning rate."
        )
    known = {"frame_rate": frame_rate, "X": source.frame_rate}
    rate = common_frame_rate(known, needed_by="the scorer")
    starts = source.starts
    if len(starts) > len(synthetic):
        starts = np.sort(rng_from(seed, 1).choice(starts, len(synthetic), replace=False))
    real = np.asarray(source.frames[starts[:, None] + np.arange(source.window)])
    if deconvolver is None:
        deconvolver = OasisDeconvolver()
    with warnings.catch_warnings():
        # Silent neurons matter where they leave a score undefined: that is said then.
        warnings.simplefilter("ignore", UserWarning)
        deconvolver = fitted_to(deconvolver, source.segments, rate, whole=True)
    return _Compared(
        real, synthetic, deconvolver.transform(real), deconvolver.transform(synthetic), rate
    )


def _warn_of_leak(estimator: Any, X: Any) -> None:
    """Warn if windows that the generator was fitted on hold frames of X."""
    shared = share_of_frames(X, getattr(generator_of(estimator), "_frames_used_", {}))
    if shared > 0:
        warnings.warn(
            f"{100 * shared:.3g} % of the test frames lie in windows that the generator was fitted "
            "on, so that copies of them score well; split windows with "
            "calgan.model_selection.BlockedKFold, not with KFold.",
            UserWarning,
            stacklevel=4,
        )


@dataclass(frozen=True)
class Scorer:
    """Scores the samples of an estimator, as scikit-learn's searches call it; see `make_scorer`."""

    statistic: str | None = None
    n_samples: int | None = None
    frame_rate: float | None = None
    deconvolver: Any = None
    random_state: Any = 0

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float | dict[str, float]:
        """Return the score, or a dict of all scores, of a fitted generator, pipeline or search."""
        compared = _compare(
            estimator, X, self.n_samples, self.frame_rate, self.deconvolver, self.random_state
        )
        names = list(_STATISTICS) if self.statistic is None else [self.statistic]
        scores = {name: float(_STATISTICS[name](compared)) for name in names}
        undefined = [name for name in names if np.isnan(scores[name])]
        if undefined:
            warnings.warn(
                f"the score of {', '.join(undefined)} is NaN: X, or the samples, hold too few "
                "neurons that vary or spike, or too short windows, for it to be defined.",
                UserWarning,
                stacklevel=2,
            )
        return scores if self.statistic is None else scores[self.statistic]


def make_scorer(
    statistic: str | None = None,
    *,
    n_samples: int | None = None,
    frame_rate: float | None = None,
    deconvolver: Any = None,
    random_state: Any = 0,
) -> Scorer:
    """Return a scorer of generators for one statistic of their samples, or for all of them.

    The scorer is called as ``scorer(estimator, X)``, as scikit-learn's searches do, with anything
    that `calgan.sample` can sample and with held-out windows or recordings. It samples the
    estimator, infers spikes in real and synthetic windows alike, and returns a score: higher is
    better.

    Parameters
    ----------
    statistic : {"firing_rate", "correlation", "van_rossum", "population_count", \
            "correlation_matrix"} or None, default=None
        The smoothed divergence of `calgan.metrics` in nats, with its sign changed; for
        ``"correlation_matrix"`` the correlation of the two matrices' entries. None scores all of
        them: the scorer returns a dict, and the search's ``refit`` names the one that decides.
    n_samples : int, default=None
        Windows to sample, and most real windows to compare them with. None takes as many as the
        real data hold (of a recording: at every start), at most 500.
    frame_rate : float, default=None
        Frames per second (Hz). None takes that of the data.
    deconvolver : object with ``transform``, default=None
        Used as it is if fitted, else fitted on the real data that the scorer is given; one that was
        trained on known spikes is adapted to them. None is an `OasisDeconvolver`.
    random_state : int, default=0
        Seed of the samples: the same estimator always gets the same score.

    Returns
    -------
    callable
        The scorer.

    Raises
    ------
    ValueError
        If there is no such statistic.
    TypeError
        If `deconvolver` has no ``transform``.

    Warns
    -----
    UserWarning
        By the scorer: if windows of a `Windower` hold frames that the generator was fitted on (as
        plain K-fold gives them), or if a score is undefined.

    Notes
    -----
    A divergence depends on the numbers of windows: compare scores of one search only, and judge
    the winner with `calgan.evaluate`. A score that is undefined, such as those of spikes in a
    silent fold, is NaN, and scikit-learn then ranks no candidate by it: let ``refit`` name one that
    is defined in all folds. `calgan.model_selection.search_table` leaves such folds out.

    ``firing_rate_scorer``, ``correlation_scorer``,
    ``van_rossum_scorer`` and, for all statistics, ``calcium_scorer`` are scorers with the defaults.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from calgan import make_calcium_pipeline
    >>> from calgan.metrics import make_scorer
    >>> from calgan.model_selection import BlockedKFold
    >>> search = GridSearchCV(
    ...     make_calcium_pipeline(window=64, frame_rate=10.0),
    ...     {"generator__max_iter": [6, 12]},
    ...     scoring=make_scorer(n_samples=200),
    ...     refit="van_rossum",
    ...     cv=BlockedKFold(3),
    ... )
    """
    if statistic is not None:
        check_choice(statistic, "statistic", _STATISTICS)
    if not (deconvolver is None or hasattr(deconvolver, "transform")):
        raise TypeError(
            f"deconvolver must be an OasisDeconvolver or None, got {shown(deconvolver)}, which has "
            "no transform."
        )
    return Scorer(statistic, n_samples, frame_rate, deconvolver, random_state)


firing_rate_scorer = make_scorer("firing_rate")
correlation_scorer = make_scorer("correlation")
van_rossum_scorer = make_scorer("van_rossum")
calcium_scorer = make_scorer()
