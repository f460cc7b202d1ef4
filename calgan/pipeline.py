"""Pipelines that sample: `Pipeline` and `make_calcium_pipeline`."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import sklearn.pipeline
from sklearn.base import clone
from sklearn.utils import Bunch

import calgan
from calgan.data.ordering import NeuronSorter
from calgan.data.sampling import check_steps, is_invertible, sample, transformers_of
from calgan.data.scaling import MinMaxScaler
from calgan.data.windows import Windower
from calgan.generators.base import SamplingMixin, offered_if
from calgan.generators.recordings import ORIGIN, components_back
from calgan.io.model_files.saving import SavingMixin

__all__ = ["Pipeline", "make_calcium_pipeline"]


def _last_step(pipeline: sklearn.pipeline.Pipeline) -> Any:
    """Return the generator or pipeline that a pipeline ends in, of a search its best."""
    last = pipeline.steps[-1][1]
    return getattr(last, "best_estimator_", last)


def _last_step_has(method: str) -> Callable[[Any], str | None]:
    """Return what says why the last step has no such method; None if it has."""

    def why_not(pipeline: Any) -> str | None:
        try:
            getattr(_last_step(pipeline), method)
        except AttributeError as error:  # a generator's own sentence
            return str(error)
        return None

    return why_not


def _leaves(pipeline: sklearn.pipeline.Pipeline) -> Iterator[Any]:
    """Yield the steps in order, those of nested pipelines in place of these."""
    for step in [*(step for _, step in pipeline.steps[:-1]), _last_step(pipeline)]:
        if isinstance(step, sklearn.pipeline.Pipeline):
            yield from _leaves(step)
        else:
            yield step


def _before_generator(pipeline: sklearn.pipeline.Pipeline) -> Iterator[tuple[str, Any]]:
    """Yield the names and steps that samples go back through, if the last step samples at all."""
    last = _last_step(pipeline)
    if isinstance(last, sklearn.pipeline.Pipeline):
        yield from transformers_of(pipeline.steps[:-1])
        yield from _before_generator(last)
    elif hasattr(getattr(last, "estimator", last), "sample"):
        yield from transformers_of(pipeline.steps[:-1])


class Pipeline(SamplingMixin, SavingMixin, sklearn.pipeline.Pipeline):
    """A scikit-learn pipeline that ends in a generator and samples.

    It is ``sklearn.pipeline.Pipeline`` with methods that answer in the units of the recording:
    `sample`, and `sample_components`, `iter_recording` and `sample_recording` where the generator
    has them. Samples go back through the steps before the generator, the last first, except the
    `Windower`: windows are never stitched together. `save` writes a file that `calgan.load` reads.

    Parameters
    ----------
    steps : list of (str, estimator)
        Transformers in order, and a generator as the last step.
    transform_input : list of str or None, default=None
        As in ``sklearn.pipeline.Pipeline``.
    memory : str, joblib.Memory or None, default=None
        As in ``sklearn.pipeline.Pipeline``.
    verbose : bool, default=False
        Whether to print the time each step takes to fit.

    See Also
    --------
    make_calcium_pipeline : The pipeline for a recording.
    sample : The same for a stock scikit-learn pipeline or a search.

    Examples
    --------
    >>> from calgan import DichotomizedGaussianCalcium, MinMaxScaler, Pipeline, Windower
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(120.0, n_neurons=5, random_state=0)
    >>> steps = [
    ...     ("windower", Windower(32)),
    ...     ("scaler", MinMaxScaler(per_neuron=True)),
    ...     ("generator", DichotomizedGaussianCalcium(random_state=0)),
    ... ]
    >>> model = Pipeline(steps).fit(recording)
    >>> model.sample(3).shape
    (3, 32, 5)
    >>> model.sample_components(3).calcium.shape
    (3, 32, 5)
    >>> model.sample_recording(600.0, random_state=0)
    Recording(6000 frames x 5 neurons, 10 Hz, 600.0 s, dF/F, synthetic)
    >>> [len(piece.traces) for piece in model.iter_recording(1000.0, random_state=0)]
    [4096, 4096, 1808]
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the steps one after another, each to what the one before it makes.

        Parameters
        ----------
        X : Recording, array-like (T, N) or (M, T, N), list of trials, or WindowView
            What the first step takes.
        y : None
            A generator has no use for it and refuses it.
        **params : dict
            As in ``sklearn.pipeline.Pipeline``.

        Returns
        -------
        Pipeline
            The fitted pipeline.

        Raises
        ------
        TypeError
            If a step before the generator takes no windows; nothing is fitted then.

        Warns
        -----
        UserWarning
            If a step before the generator is not invertible, so that `sample` is refused.
        """
        self._validate_params()  # of scikit-learn: that there are steps
        steps = list(_before_generator(self)) if self.steps else []
        check_steps(steps)
        for name, step in steps:
            if hasattr(step, "transform") and not is_invertible(step):
                warnings.warn(
                    f"pipeline step {name!r} ({type(step).__name__}) is not invertible, so that "
                    "this pipeline cannot sample: sample its last step and work in that step's own "
                    "units, or take the step out.",
                    UserWarning,
                    stacklevel=2,
                )
        return super().fit(X, y, **params)

    @offered_if(_last_step_has("sample"), like=SamplingMixin.sample)
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:  # noqa: D102
        return sample(self, n_samples, random_state=random_state)

    @offered_if(_last_step_has("sample_components"), like=SamplingMixin.sample_components)
    def sample_components(  # noqa: D102
        self, n_samples: int = 1, *, random_state: Any = None
    ) -> Bunch:
        steps = self._undone()
        drawn = _last_step(self).sample_components(n_samples, random_state=random_state)
        return components_back(drawn, steps)

    def _why_no_recording(self) -> str | None:
        return _last_step_has("sample_recording")(self)

    def _iter_trials(self, lengths: list[int], chunk: int, random_state: Any) -> Iterator[Bunch]:
        steps, generator = self._undone(), _last_step(self)
        pieces = generator.iter_recording(n_frames=lengths, chunk=chunk, random_state=random_state)
        return (components_back(piece, steps) for piece in pieces)

    def _undone(self) -> list[Any]:
        """Return the steps that components go back through, all of which must let them."""
        steps = list(transformers_of(self.steps[:-1]))
        for name, step in steps:  # before the draw
            if not isinstance(step, (MinMaxScaler, NeuronSorter)):
                raise TypeError(
                    f"pipeline step {name!r} ({type(step).__name__}) changes windows in a way that "
                    "calcium and spikes cannot be taken back through; MinMaxScaler and "
                    "NeuronSorter are the steps that can: take it out, or draw traces alone with "
                    "sample(n)."
                )
        return [step for _, step in steps]

    def _origin(self) -> dict[str, Any]:
        steps = list(_leaves(self))
        known: dict[str, Any] = {"generator": type(steps[-1]).__name__}
        for name in ORIGIN:
            values = (getattr(step, f"{name}_", None) for step in steps)
            known[name] = next((value for value in values if value is not None), None)
        return known


# Resolved on use, so that torch is loaded for a generator that needs it, and for no other.
_GENERATORS = {
    "factor_model": "CalciumFactorModel",
    "gan": "CalciumGAN",
    "flow": "CalciumFlow",
    "dichotomized_gaussian": "DichotomizedGaussianCalcium",
}


def make_calcium_pipeline(
    generator: Any = "factor_model",
    *,
    window: int,
    stride: int | None = None,
    frame_rate: float | None = None,
    random_state: int | np.random.RandomState | None = None,
    **generator_params: Any,
) -> Pipeline:
    """Make the pipeline that learns a recording and samples windows of it.

    Its two steps are named ``windower`` and ``generator``, so that a grid reads
    ``generator__max_iter``. Every generator learns and samples in the recording's units.

    Parameters
    ----------
    generator : {"factor_model", "gan", "flow", "dichotomized_gaussian"} or estimator, \
            default="factor_model"
        `CalciumFactorModel`, which needs seconds on a laptop, `CalciumGAN`, `CalciumFlow` or
        `DichotomizedGaussianCalcium`; or an unfitted generator, of which a clone is taken.
    window : int
        Length of the windows, in frames.
    stride : int or None, default=None
        Frames between the starts of successive training windows. None takes every start (1):
        windows are lazy, so that skipping starts saves little.
    frame_rate : float or None, default=None
        Frames per second (Hz). None takes that of the `Recording` given to ``fit``. The factor
        model and the dichotomized Gaussian refuse a bare array without it.
    random_state : int, RandomState instance or None, default=None
        Seed of the generator, for training and sampling.
    **generator_params : dict
        Further parameters of the generator, such as ``max_iter``, or ``variant`` of `CalciumGAN`.

    Returns
    -------
    pipeline : Pipeline
        Unfitted.

    Raises
    ------
    ValueError
        If there is no generator of that name.
    TypeError
        If `generator` is neither a name nor an estimator; if a parameter is not the generator's.

    See Also
    --------
    CalciumFactorModel, CalciumFlow, CalciumGAN, DichotomizedGaussianCalcium : The generators.

    Examples
    --------
    >>> from calgan import make_calcium_pipeline
    >>> model = make_calcium_pipeline(window=64, random_state=0, max_iter=6)
    >>> [name for name, _ in model.steps]
    ['windower', 'generator']
    >>> model[-1]
    CalciumFactorModel(max_iter=6, random_state=0)

    A search over the published system and its variants, to be fitted on windows:

    >>> from sklearn.model_selection import GridSearchCV
    >>> from calgan.metrics import correlation_scorer
    >>> from calgan.model_selection import BlockedKFold
    >>> variants = ["1d", "1d-no-shuffle", "2d", "2d-sorted", "2d-fft", "2d-fft-packed"]
    >>> search = GridSearchCV(
    ...     make_calcium_pipeline("gan", window=64),
    ...     {"generator__variant": variants},
    ...     scoring=correlation_scorer,
    ...     cv=BlockedKFold(3),
    ... )
    """
    if isinstance(generator, str):
        if generator not in _GENERATORS:
            names = ", ".join(map(repr, _GENERATORS))
            raise ValueError(f"generator must be {names} or an estimator, got {generator!r}.")
        made = getattr(calgan, _GENERATORS[generator])()
    elif isinstance(generator, type) or not hasattr(generator, "get_params"):
        raise TypeError(
            f"generator must be one of {', '.join(map(repr, _GENERATORS))}, or an unfitted "
            f"estimator (an instance), got {generator!r}."
        )
    else:
        # A clone would share the files that it writes, were it not the one that is fitted.
        files = {name: getattr(generator, name, None) for name in ("checkpoint", "log")}
        files = {name: path for name, path in files.items() if path is not None}
        made = clone(copy.copy(generator).set_params(**dict.fromkeys(files))).set_params(**files)
    given = {"frame_rate": frame_rate, "random_state": random_state}
    params = {name: value for name, value in given.items() if value is not None} | generator_params
    unknown = sorted(set(params) - set(made.get_params()))
    if unknown:
        kind = type(made).__name__
        raise TypeError(
            f"{kind} has no parameter {', '.join(map(repr, unknown))}: see {kind}'s documentation "
            "for those it has, or take another generator."
        )
    made.set_params(**params)
    windower = Windower(window, stride=1 if stride is None else stride)
    return Pipeline([("windower", windower), ("generator", made)])
