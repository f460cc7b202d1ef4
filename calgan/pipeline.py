"""Pipelines that sample: `Pipeline` and `make_calcium_pipeline`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import sklearn.pipeline
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

import calgan
from calgan.data.ordering import NeuronSorter
from calgan.data.recording import Recording
from calgan.data.sampling import sample, transformers_of
from calgan.data.scaling import MinMaxScaler
from calgan.data.spectral import FFTEncoder
from calgan.data.windows import Windower
from calgan.generators.base import check_filename, count_frames, offered_if, write_recording
from calgan.generators.gan.recipes import RECIPES, get_recipe

__all__ = ["VARIANTS", "Pipeline", "make_calcium_pipeline", "variant_grid"]


def _last_step_samples(pipeline: Pipeline) -> bool:
    last = pipeline.steps[-1][1]
    return hasattr(last, "sample") or hasattr(last, "best_estimator_")


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


def _components_back(pipeline: Pipeline) -> Callable[[Bunch], Bunch]:
    """Return what brings components (..., T, N) of the last step to the recording's units."""
    steps = list(transformers_of(pipeline.steps[:-1]))
    for name, step in steps:  # before the draw
        if not isinstance(step, (MinMaxScaler, NeuronSorter)):
            raise TypeError(
                f"pipeline step {name!r} ({type(step).__name__}) changes windows in a way that "
                "calcium and spikes cannot be taken back through; MinMaxScaler and NeuronSorter "
                "are the steps that can: take it out, or draw traces alone with sample(n)."
            )
    return partial(_take_back, steps=[step for _, step in reversed(steps)])


def _take_back(drawn: Bunch, *, steps: list[Any]) -> Bunch:
    """Take components back through scalers and sorters, the last of them first."""
    drawn = Bunch(**drawn)
    for step in steps:
        if isinstance(step, NeuronSorter):
            for name in ("traces", "calcium", "spikes", "rates", "amplitudes"):
                if drawn[name] is not None:
                    drawn[name] = step.inverse_transform(drawn[name])
            continue
        drawn.traces = step.inverse_transform(drawn.traces)
        lo, hi = step.feature_range
        # Calcium has a zero of its own: it is stretched, and not shifted.
        per_unit = (step.data_max_ - step.data_min_) / (hi - lo)
        for name in ("calcium", "amplitudes"):
            if drawn[name] is not None:
                drawn[name] = (drawn[name] * per_unit).astype(np.float32)
    return drawn


def _origin(pipeline: sklearn.pipeline.Pipeline) -> dict[str, Any]:
    """Return what the first step that knows says of the recording a pipeline was fitted on."""
    known: dict[str, Any] = {}
    for name in ("frame_rate", "roi_ids", "units", "positions"):
        values = (getattr(step, f"{name}_", None) for step in _leaves(pipeline))
        known[name] = next((value for value in values if value is not None), None)
    return known


def _leaves(pipeline: sklearn.pipeline.Pipeline) -> Iterator[Any]:
    """Yield the steps in order, those of nested pipelines in place of these."""
    for step in [*(step for _, step in pipeline.steps[:-1]), _last_step(pipeline)]:
        if isinstance(step, sklearn.pipeline.Pipeline):
            yield from _leaves(step)
        else:
            yield step


class Pipeline(sklearn.pipeline.Pipeline):
    """A scikit-learn pipeline that ends in a generator and samples.

    It is ``sklearn.pipeline.Pipeline`` with four more verbs, which answer in the units of the
    recording, where the generator by itself (``pipeline[-1].sample(n)``) answers in the scaler's if
    there is one: `sample`, and `sample_components`, `iter_recording` and `sample_recording` where
    the generator has them. Parameters, attributes and every other method are those of that class.

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
    make_calcium_pipeline : The pipeline for a recording, with its usual steps.
    sample : The same for a stock scikit-learn pipeline or a search.

    Examples
    --------
    >>> from calgan import CalciumGAN, MinMaxScaler, Pipeline, Windower
    >>> model = Pipeline(
    ...     [("windower", Windower(64)), ("scaler", MinMaxScaler()), ("generator", CalciumGAN())]
    ... )
    >>> model.set_params(generator__max_iter=10)[-1].max_iter
    10
    """

    @available_if(_last_step_samples)
    def sample(
        self, n_samples: int = 1, *, random_state: int | np.random.RandomState | None = None
    ) -> np.ndarray:
        """Draw samples in the units of the recording that the pipeline was fitted on.

        Parameters
        ----------
        n_samples : int, default=1
            Number of windows to draw.
        random_state : int, RandomState instance or None, default=None
            Seed of the draw; None falls back on the generator's own.

        Returns
        -------
        windows : ndarray of shape (n_samples, n_frames, n_neurons), dtype float32
            Independent windows; they are never stitched together.

        Raises
        ------
        TypeError
            If a step before the generator is not invertible.
        """
        return sample(self, n_samples, random_state=random_state)

    @offered_if(_last_step_has("sample_components"))
    def sample_components(self, n_samples: int = 1, *, random_state: Any = None) -> Bunch:
        """Draw windows together with what lies behind them, in the units of the recording.

        Parameters
        ----------
        n_samples : int, default=1
            Number of windows to draw.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None falls back on the generator's own.

        Returns
        -------
        components : sklearn.utils.Bunch
            Arrays (n_samples, T, N), or None for what the generator does not have. ``traces`` are
            those that `sample` draws from the same seed; ``calcium`` and ``amplitudes`` are in
            their units, above the baseline; ``spikes`` are counts, and ``rates`` in Hz;
            ``factors`` (n_samples, T, K) are as the generator has them.

        Raises
        ------
        AttributeError
            If the generator does not know what lies behind its windows.
        TypeError
            If a step before the generator is neither a `MinMaxScaler` nor a `NeuronSorter`.

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
        >>> model.sample_components(3).calcium.shape
        (3, 32, 5)
        """
        back = _components_back(self)
        return back(_last_step(self).sample_components(n_samples, random_state=random_state))

    @offered_if(_last_step_has("iter_recording"))
    def iter_recording(
        self,
        duration: Any = None,
        *,
        n_frames: Any = None,
        chunk: int = 4096,
        random_state: Any = None,
    ) -> Iterator[Bunch]:
        """Draw one stationary recording piece by piece, in constant memory.

        Parameters
        ----------
        duration : float or list of float, default=None
            Length (s). A list gives independent trials, one after another.
        n_frames : int or list of int, default=None
            Length in frames, in place of `duration`.
        chunk : int, default=4096
            Frames a piece; the last piece of a trial may be shorter. What is drawn does not depend
            on it.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None falls back on the generator's own.

        Returns
        -------
        pieces : iterator of sklearn.utils.Bunch
            Consecutive components, as in `sample_components`, of shape (t, N) and (t, K).

        Raises
        ------
        AttributeError
            If the generator makes windows of one length only.
        TypeError
            If a step before the generator is neither a `MinMaxScaler` nor a `NeuronSorter`; if a
            length or `chunk` is not a number.
        ValueError
            If not exactly one of `duration` and `n_frames` is given, or a length is not finite and
            positive; if `duration` is given and no frame rate is known.

        Examples
        --------
        >>> from calgan import DichotomizedGaussianCalcium, Pipeline, Windower
        >>> from calgan.datasets import make_recording
        >>> recording, _ = make_recording(120.0, n_neurons=5, random_state=0)
        >>> steps = [("windower", Windower(32)), ("generator", DichotomizedGaussianCalcium())]
        >>> model = Pipeline(steps).fit(recording)
        >>> [len(piece.traces) for piece in model.iter_recording(1000.0, random_state=0)]
        [4096, 4096, 1808]
        """
        generator, back = self._generator(), _components_back(self)
        frame_rate = _origin(self)["frame_rate"]
        lengths = count_frames(duration, n_frames, frame_rate, type(generator).__name__)
        pieces = _last_step(self).iter_recording(
            n_frames=lengths, chunk=chunk, random_state=random_state
        )
        return map(back, pieces)

    @offered_if(_last_step_has("sample_recording"))
    def sample_recording(
        self,
        duration: Any = None,
        *,
        n_frames: Any = None,
        random_state: Any = None,
        filename: str | os.PathLike[str] | None = None,
    ) -> Recording:
        """Draw one stationary recording of any length, marked synthetic.

        It is drawn in one piece: windows are never stitched together.

        Parameters
        ----------
        duration : float or list of float, default=None
            Length (s). A list gives independent trials, which become segments of the recording.
        n_frames : int or list of int, default=None
            Length in frames, in place of `duration`.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None falls back on the generator's own. The first trials do not depend
            on how many follow.
        filename : str or path-like, default=None
            A ``.npy`` file that the traces are written to piece by piece, for recordings that
            memory does not hold; it appears when it is complete, and replaces an existing one. The
            recording then keeps a memory map of it, and components are not kept.

        Returns
        -------
        recording : Recording
            With the frame rate, ids, units and positions of the recording that the pipeline was
            fitted on. Its ``metadata`` hold ``"synthetic"`` (True), ``"generator"`` (the class's
            name), ``"calgan_version"`` and, without `filename`, ``"components"``: what
            `sample_components` gives but the traces, of shape (T, N) and (T, K).

        Raises
        ------
        AttributeError
            If the generator makes windows of one length only.
        FileNotFoundError, IsADirectoryError
            If `filename` lies in a folder that does not exist, or is a folder.
        TypeError
            If a step before the generator is neither a `MinMaxScaler` nor a `NeuronSorter`; if a
            length is not a number.
        ValueError
            If not exactly one of `duration` and `n_frames` is given, or a length is not finite and
            positive; if no frame rate is known.

        Examples
        --------
        >>> from calgan import DichotomizedGaussianCalcium, Pipeline, Windower
        >>> from calgan.datasets import make_recording
        >>> recording, _ = make_recording(120.0, n_neurons=5, random_state=0)
        >>> steps = [("windower", Windower(32)), ("generator", DichotomizedGaussianCalcium())]
        >>> synthetic = Pipeline(steps).fit(recording).sample_recording(600.0, random_state=0)
        >>> synthetic
        Recording(6000 frames x 5 neurons, 10 Hz, 600.0 s, dF/F, synthetic)
        >>> synthetic.metadata["components"].spikes.shape
        (6000, 5)
        """
        name, origin = type(self._generator()).__name__, _origin(self)
        lengths = count_frames(duration, n_frames, origin["frame_rate"], name, rate_needed=True)
        path = check_filename(filename)
        pieces = self.iter_recording(n_frames=lengths, random_state=random_state)
        return write_recording(pieces, lengths, **origin, generator=name, path=path)

    def _generator(self) -> Any:
        *_, generator = _leaves(self)
        check_is_fitted(generator)
        return generator


# What each variant sets besides the recipe; the rest is as the steps' constructors have it.
_VARIANTS: dict[str, dict[str, Any]] = {
    "1d": {},
    "1d-no-shuffle": {"generator__phase_shuffle": 0},
    "2d": {"generator__architecture": "wavegan2d"},
    "2d-sorted": {"generator__architecture": "wavegan2d", "sorter": NeuronSorter()},
    "2d-fft": {"generator__architecture": "wavegan2d", "encoder": FFTEncoder("full")},
    "2d-fft-packed": {"generator__architecture": "wavegan2d", "encoder": FFTEncoder("packed")},
}
VARIANTS = tuple(_VARIANTS)

# The class of generator, by recipe.
_GENERATORS = {
    "factor-model": "CalciumFactorModel",
    "flow": "CalciumFlow",
    **dict.fromkeys(RECIPES, "CalciumGAN"),
}


def _check_variant(variant: str) -> None:
    if not isinstance(variant, str) or variant not in _VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}.")


def _pipeline_params(variant: str, recipe: str) -> dict[str, Any]:
    """Return the parameters of a pipeline that a variant and a recipe stand for."""
    _check_variant(variant)
    if not isinstance(recipe, str) or recipe not in _GENERATORS:
        raise ValueError(f"recipe must be one of {', '.join(_GENERATORS)}, got {recipe!r}.")
    if recipe in RECIPES:
        return _variant_params(variant, recipe)
    if variant != "1d":
        raise ValueError(
            f"variant {variant!r} is one of CalciumGAN's networks, which recipe={recipe!r} does "
            'not have: take variant "1d", or one of the recipes '
            f"{', '.join(sorted(RECIPES))}."
        )
    if recipe == "factor-model":  # it is fitted to each neuron in that neuron's own units
        return {"scaler": "passthrough"}
    return {"scaler__per_neuron": True}


def _variant_params(variant: str, recipe: str) -> dict[str, Any]:
    """Return every parameter that tells the variants of a recipe of CalciumGAN apart."""
    _check_variant(variant)
    settings = get_recipe(recipe)
    params = {
        "sorter": "passthrough",
        "encoder": "passthrough",
        "scaler__per_neuron": not settings.global_range,
        "generator__recipe": recipe,
        "generator__architecture": None,
        "generator__phase_shuffle": None,
        **_VARIANTS[variant],
    }
    return {
        name: clone(value) if hasattr(value, "get_params") else value
        for name, value in params.items()
    }


def variant_grid(
    variants: Sequence[str] | str = VARIANTS, *, recipe: str = "thesis"
) -> list[dict[str, list[Any]]]:
    """Return the grid that makes a search try variants of CalciumGAN in one pipeline.

    Parameters
    ----------
    variants : sequence of str, default=all
        Variants, as `make_calcium_pipeline` names them.
    recipe : {"thesis", "compact", "relativistic"}, default="thesis"
        Recipe that they are trained by.

    Returns
    -------
    grid : list of dict
        One dict a variant, for ``GridSearchCV(pipeline, grid)`` with a pipeline that
        `make_calcium_pipeline` made by a recipe of `CalciumGAN` (that of the default has no scaler
        whose range a variant could set). Generators are searched over as steps:
        ``{"generator": [CalciumFactorModel(), CalciumGAN()]}``. Add further parameters to a dict to
        cross them with its variant; add the lists of two recipes to search over both. What a dict
        sets, ``phase_shuffle`` among it, overrides what the pipeline had. With "compact" and
        "relativistic", whose critics have no phase shuffle, "1d" and "1d-no-shuffle" are the same.

    Raises
    ------
    ValueError
        If a variant or the recipe is unknown, or no variant is named.

    Examples
    --------
    >>> from calgan.pipeline import variant_grid
    >>> grid = variant_grid(["1d", "1d-no-shuffle", "2d", "2d-fft"])
    >>> [params["encoder"] for params in grid]
    [['passthrough'], ['passthrough'], ['passthrough'], [FFTEncoder()]]
    """
    names = [variants] if isinstance(variants, str) else list(variants)
    if not names:
        raise ValueError(f"variants is empty: name at least one of {', '.join(VARIANTS)}.")
    return [
        {name: [value] for name, value in _variant_params(variant, recipe).items()}
        for variant in names
    ]


def make_calcium_pipeline(
    variant: str = "1d",
    *,
    window: int,
    stride: int | None = None,
    recipe: str | None = None,
    frame_rate: float | None = None,
    random_state: int | np.random.RandomState | None = None,
    **generator_params: Any,
) -> Pipeline:
    """Make the pipeline that learns a recording and samples windows of it.

    Its steps are always named ``windower``, ``sorter``, ``encoder`` (both ``"passthrough"`` unless
    they are set, for instance to `NeuronSorter` and `FFTEncoder`), ``scaler`` (``"passthrough"``
    with "factor-model") and ``generator``, so that a grid reads ``generator__max_iter`` or
    ``encoder``.

    Parameters
    ----------
    variant : str, default="1d"
        - "1d": convolutions along time, with the neurons as channels;
        - "1d-no-shuffle": the same, without phase shuffle in the thesis's critic;
        - "2d": convolutions along time and across neurons;
        - "2d-sorted": the same, with similar neurons made neighbours by `NeuronSorter`;
        - "2d-fft", "2d-fft-packed": 2-D, on windows encoded by `FFTEncoder`.
    window : int
        Length of the windows, in frames.
    stride : int or None, default=None
        Frames between the starts of successive training windows. None takes every start (1):
        windows are lazy, networks are trained on random ones, and "factor-model" reads each frame
        once, so that skipping starts saves little.
    recipe : {"factor-model", "flow", "compact", "relativistic", "thesis"} or None, default=None
        The generator and its settings. "factor-model" is `CalciumFactorModel` and "flow"
        `CalciumFlow`, both for variant "1d" only; the others are recipes of `CalciumGAN`. None
        takes "factor-model" for "1d", which needs seconds on a laptop, and the published "thesis"
        for the others, which are variants of the published system.
    frame_rate : float or None, default=None
        Frames per second (Hz). None takes that of the `Recording` given to ``fit``; a generator
        that needs it refuses a bare array without it.
    random_state : int, RandomState instance or None, default=None
        Seed of the generator, for training and sampling.
    **generator_params : dict
        Further parameters of the generator that `recipe` names, such as ``max_iter`` or
        ``max_time``.

    Returns
    -------
    pipeline : Pipeline
        Unfitted. ``recipe="thesis"`` scales all neurons by one global range, as published;
        "factor-model" scales nothing, so that ``pipeline[-1].sample()`` is in the recording's
        units, too; every other recipe scales each neuron by its own range.

    Raises
    ------
    ValueError
        If `variant` or `recipe` is unknown, or the recipe or a parameter contradicts the variant.
    TypeError
        If a parameter in `generator_params` is not one of the generator's.

    See Also
    --------
    variant_grid : Search over variants of `CalciumGAN`.
    CalciumFactorModel, CalciumFlow, CalciumGAN : The generators.

    References
    ----------
    B. M. Li, "Synthesising Realistic Calcium Imaging Data of Neuronal Populations using Deep
    Generative Models", MScR thesis, University of Edinburgh, 2020.

    Examples
    --------
    >>> from calgan import make_calcium_pipeline
    >>> model = make_calcium_pipeline("1d", window=64, random_state=0, max_iter=6)
    >>> [name for name, _ in model.steps]
    ['windower', 'sorter', 'encoder', 'scaler', 'generator']
    >>> model[-1]
    CalciumFactorModel(max_iter=6, random_state=0)
    >>> make_calcium_pipeline("1d", window=64, recipe="relativistic")[-1]
    CalciumGAN(recipe='relativistic')
    """
    if recipe is None:
        recipe = "factor-model" if variant == "1d" else "thesis"
    params = _pipeline_params(variant, recipe)
    kind = _GENERATORS[recipe]
    # Resolved here, so that torch is loaded for a generator that needs it, and for no other.
    generator = getattr(calgan, kind)(frame_rate=frame_rate, random_state=random_state)
    unknown = sorted(set(generator_params) - set(generator.get_params(deep=False)))
    if unknown:
        raise TypeError(
            f"{kind} has no parameter {', '.join(map(repr, unknown))}: see {kind}'s documentation "
            f"for those it has, or take another recipe than {recipe!r}"
            + (
                ", the default: filters, critics and devices belong to recipes of CalciumGAN."
                if recipe == "factor-model"
                else "."
            )
        )
    for name, value in generator_params.items():
        fixed = _VARIANTS[variant].get(f"generator__{name}", value)
        if value != fixed:
            raise ValueError(
                f"variant {variant!r} has {name}={fixed!r}, but {name}={value!r} was given: leave "
                "it out, or take another variant."
            )
    pipeline = Pipeline(
        [
            ("windower", Windower(window, stride=1 if stride is None else stride)),
            ("sorter", "passthrough"),
            ("encoder", "passthrough"),
            ("scaler", MinMaxScaler()),
            ("generator", generator),
        ]
    )
    pipeline.set_params(**params)
    generator.set_params(**generator_params)
    return pipeline
