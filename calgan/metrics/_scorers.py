"""Scorers for scikit-learn's searches: how like held-out data are a generator's samples?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from calgan.data.drawing import read_source
from calgan.data.sampling import sample
from calgan.data.validation import as_seed, check_integer, common_frame_rate, rng_from
from calgan.metrics._population import correlation_matrix_agreement, population_count_kl
from calgan.metrics._spike_divergence import correlation_kl, firing_rate_kl, van_rossum_kl
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
    seed = as_seed(random_state)
    n_asked = (
        _MAX_SAMPLES if n_samples is None else check_integer(n_samples, "n_samples", minimum=2)
    )
    synthetic = np.asarray(sample(estimator, n_asked, random_state=seed), dtype=np.float32)
    source = read_source(X, synthetic.shape[1], name="X")
    if n_samples is None:  # only now is the width known, and with it the number of real windows
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
        deconvolver = OasisDeconvolver(rate).fit(source.segments)
    elif not hasattr(deconvolver, "decay_"):
        deconvolver = clone(deconvolver).set_params(frame_rate=rate).fit(source.segments)
    return _Compared(
        real, synthetic, deconvolver.transform(real), deconvolver.transform(synthetic), rate
    )


@dataclass(frozen=True)
class SpikeScorer:
    """Score a generator by one statistic of its samples against held-out windows.

    Called as ``scorer(estimator, X)``, as scikit-learn's searches do. The estimator is sampled,
    spikes are inferred in real and synthetic windows alike, and a divergence is returned with its
    sign changed: higher is better.

    Parameters
    ----------
    statistic : {"firing_rate", "correlation", "van_rossum", "population_count", \
            "correlation_matrix"}, default="firing_rate"
        The negated smoothed divergence of `calgan.metrics`; for ``"correlation_matrix"`` the
        correlation of the two matrices' entries.
    n_samples : int, default=None
        Windows to sample, and most real windows to compare them with. None takes as many as the
        real data hold (of a recording: at every start), at most 500.
    frame_rate : float, default=None
        Frames per second (Hz). None takes that of the data.
    deconvolver : OasisDeconvolver, default=None
        Used as it is if fitted, else fitted on the real data that are handed to the scorer. None
        is a default one.
    random_state : int, default=0
        Seed of the samples, so that the same estimator always gets the same score.

    Notes
    -----
    A divergence depends on the numbers of windows: compare scores of one search only, and judge
    the winner with `calgan.evaluate`.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.metrics import SpikeScorer
    >>> class Process:
    ...     def __init__(self, process):
    ...         self.process = process
    ...     def sample(self, n_samples=1, *, random_state=None):
    ...         return self.process.sample_windows(n_samples, 30, random_state=random_state)[0]
    >>> generator = Process(make_process(n_neurons=4, random_state=0))
    >>> recording, _ = generator.process.sample_recording(60.0, random_state=1)
    >>> score = SpikeScorer("van_rossum", n_samples=100)(generator, recording)
    >>> -0.5 < score <= 0
    True
    """

    statistic: str = "firing_rate"
    n_samples: int | None = None
    frame_rate: float | None = None
    deconvolver: Any = None
    random_state: Any = 0

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Return the score of a fitted generator, pipeline or search on held-out windows.

        Parameters
        ----------
        estimator : generator, pipeline or search
            Anything that `calgan.sample` can sample.
        X : WindowView, array-like of shape (M, T, N), Recording or list of segments
            Real windows, or recordings from which windows are drawn.
        y : None
            Ignored.

        Returns
        -------
        float
            Higher is better.
        """
        if self.statistic not in _STATISTICS:
            raise ValueError(
                f"statistic must be one of {', '.join(map(repr, _STATISTICS))}, got "
                f"{self.statistic!r}."
            )
        compared = _compare(
            estimator, X, self.n_samples, self.frame_rate, self.deconvolver, self.random_state
        )
        return float(_STATISTICS[self.statistic](compared))


@dataclass(frozen=True)
class MultiScorer:
    """Score a generator by every statistic of `SpikeScorer` at once, sampling it once.

    Pass it as ``scoring`` to ``GridSearchCV`` and name the statistic that decides as ``refit``.

    Parameters
    ----------
    n_samples : int, default=None
        Windows to sample, and most real windows to compare them with. None takes as many as the
        real data hold (of a recording: at every start), at most 500.
    frame_rate : float, default=None
        Frames per second (Hz). None takes that of the data.
    deconvolver : OasisDeconvolver, default=None
        Used as it is if fitted, else fitted on the real data that are handed to the scorer. None
        is a default one.
    random_state : int, default=0
        Seed of the samples, so that the same estimator always gets the same scores.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from calgan import make_calcium_pipeline
    >>> from calgan.metrics import calcium_scorer
    >>> search = GridSearchCV(
    ...     make_calcium_pipeline(window=64, frame_rate=10.0),
    ...     {"generator__max_iter": [6, 12]},
    ...     scoring=calcium_scorer,
    ...     refit="van_rossum",
    ... )
    """

    n_samples: int | None = None
    frame_rate: float | None = None
    deconvolver: Any = None
    random_state: Any = 0

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> dict[str, float]:
        """Return the scores of a fitted generator, pipeline or search on held-out windows.

        Parameters
        ----------
        estimator : generator, pipeline or search
            Anything that `calgan.sample` can sample.
        X : WindowView, array-like of shape (M, T, N), Recording or list of segments
            Real windows, or recordings from which windows are drawn.
        y : None
            Ignored.

        Returns
        -------
        dict of str to float
            Keys as in `SpikeScorer`; higher is better for each.
        """
        compared = _compare(
            estimator, X, self.n_samples, self.frame_rate, self.deconvolver, self.random_state
        )
        return {name: float(score(compared)) for name, score in _STATISTICS.items()}


def make_scorer(statistic: str | None = None, **params: Any) -> SpikeScorer | MultiScorer:
    """Return a scorer for one statistic, or for all of them.

    Parameters
    ----------
    statistic : str or None, default=None
        See `SpikeScorer`; None gives a `MultiScorer`.
    **params : dict
        The scorer's other parameters.

    Returns
    -------
    SpikeScorer or MultiScorer

    Examples
    --------
    >>> from calgan.metrics import make_scorer
    >>> make_scorer("correlation", frame_rate=24.0).frame_rate
    24.0
    """
    return MultiScorer(**params) if statistic is None else SpikeScorer(statistic, **params)


firing_rate_scorer = SpikeScorer("firing_rate")
correlation_scorer = SpikeScorer("correlation")
van_rossum_scorer = SpikeScorer("van_rossum")
calcium_scorer = MultiScorer()
