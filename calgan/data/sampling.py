"""Samples of any estimator or pipeline, in the units of the recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import sklearn.pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from calgan.data.windows import Windower


def sample(
    estimator: Any, n_samples: int = 1, *, random_state: int | np.random.RandomState | None = None
) -> np.ndarray:
    """Draw samples from a fitted generator, pipeline or search, in the units of its training data.

    A pipeline samples its last step and takes the result back through the ``inverse_transform`` of
    the steps before it, last to first. Only the `Windower` is left out: samples are independent
    windows, and are never stitched together. The last step by itself, ``pipeline[-1].sample(n)``,
    answers in the units that it was trained in, which are the scaler's if there is one.

    Parameters
    ----------
    estimator : generator, sklearn.pipeline.Pipeline or search
        A fitted generator, a pipeline that ends in one, or a search over either (anything with a
        ``best_estimator_``, such as ``GridSearchCV``).
    n_samples : int, default=1
        Number of windows to draw.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw; None falls back on the generator's own.

    Returns
    -------
    windows : ndarray of shape (n_samples, n_frames, n_neurons), dtype float32
        Samples in the units of the data that `estimator` was fitted on.

    Raises
    ------
    TypeError
        If `estimator` cannot sample, or if a step before the generator is not invertible or takes
        no windows.

    See Also
    --------
    Pipeline : A pipeline with this function as its method.

    Examples
    --------
    A stock scikit-learn pipeline will do, as will any estimator that has ``sample``:

    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from sklearn.pipeline import Pipeline
    >>> from calgan import MinMaxScaler, Windower, sample
    >>> class Replay(BaseEstimator):
    ...     def fit(self, X, y=None):
    ...         self.windows_ = np.asarray(X)
    ...         return self
    ...     def sample(self, n_samples=1, *, random_state=None):
    ...         return self.windows_[:n_samples]
    >>> recording = np.arange(40, dtype=np.float32).reshape(20, 2)
    >>> steps = [("windower", Windower(4)), ("scaler", MinMaxScaler()), ("generator", Replay())]
    >>> sample(Pipeline(steps).fit(recording), 2)[1, :, 0]
    array([2., 4., 6., 8.], dtype=float32)
    """
    if hasattr(estimator, "best_estimator_"):
        return sample(estimator.best_estimator_, n_samples, random_state=random_state)
    if not isinstance(estimator, sklearn.pipeline.Pipeline):
        if not hasattr(estimator, "sample"):
            raise TypeError(
                f"{type(estimator).__name__} cannot sample: pass a fitted generator such as "
                "CalciumGAN, a pipeline that ends in one, or a search over either, fitted with "
                "refit=True."
            )
        return estimator.sample(n_samples, random_state=random_state)

    transformers = list(transformers_of(estimator.steps[:-1]))
    check_steps(transformers)
    for name, transformer in transformers:  # before the draw: it may take minutes
        if not is_invertible(transformer):
            raise TypeError(
                f"pipeline step {name!r} ({type(transformer).__name__}) is not invertible, so "
                "samples cannot be brought back to the units of the recording: take the step out "
                "of the pipeline, or sample its last step and work in that step's own units."
            )
    windows = sample(estimator.steps[-1][1], n_samples, random_state=random_state)
    for _, transformer in reversed(transformers):
        windows = transformer.inverse_transform(windows)
    return np.asarray(windows)


def transformers_of(steps: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the steps that samples go back through, those of nested pipelines included."""
    for name, step in steps:
        if isinstance(step, sklearn.pipeline.Pipeline):
            yield from transformers_of(step.steps)
        elif step not in (None, "passthrough") and not isinstance(step, Windower):
            yield name, step


def check_steps(steps: Iterable[tuple[str, Any]]) -> None:
    """Refuse steps, in front of a generator, that take no windows, in which samples come back."""
    for name, step in steps:
        # The tags of other classes than scikit-learn's are seldom more than the default.
        if not type(step).__module__.startswith("sklearn.") or get_tags(step).no_validation:
            continue
        if not get_tags(step).input_tags.three_d_array:
            raise TypeError(
                f"pipeline step {name!r} ({type(step).__name__}) takes 2-D arrays and no windows "
                "(M, T, N), so that samples could not go back through it: take the step out, or "
                "scale with calgan.MinMaxScaler(per_neuron=True)."
            )


def is_invertible(transformer: Any) -> bool:
    """Tell whether samples can go back through a step."""
    # FunctionTransformer without an inverse_func takes the identity for the inverse of anything.
    if isinstance(transformer, FunctionTransformer):
        return transformer.func is None or transformer.inverse_func is not None
    return hasattr(transformer, "inverse_transform")


def generator_of(estimator: Any) -> Any:
    """The generator at the end of a search or pipeline."""
    if hasattr(estimator, "best_estimator_"):
        return generator_of(estimator.best_estimator_)
    return generator_of(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator
