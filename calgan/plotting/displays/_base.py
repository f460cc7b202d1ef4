"""What all displays share: how they are made, where they draw, and how a notebook shows them."""

from __future__ import annotations

import base64
import inspect
import io
from abc import ABC, abstractmethod
from typing import Any, Self, cast

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray

from calgan.plotting.displays._comparison import (
    Comparison,
    compare_estimator,
    compare_evaluation,
    compare_samples,
)

_DPI = 110


class Display(ABC):
    """A figure and the numbers behind it: `plot` draws, and keeps where it drew."""

    figure_: Figure
    ax_: Axes
    axes_: NDArray[Any]
    _own_figure = False

    @abstractmethod
    def plot(self) -> Self:
        """Draw the figure."""

    def _drawn_on(self, ax: Axes, given: Axes | None) -> Self:
        """Remember the one panel that was drawn."""
        self.ax_ = ax
        self.figure_ = _root(ax.figure)
        self._own_figure = given is None
        return self

    def _drawn_in(self, place: FigureBase, own: bool) -> Self:
        """Remember the panels that were drawn, colour bars left out."""
        axes = cast("list[Axes]", place.axes)
        panels = [ax for ax in axes if ax.get_label() != "<colorbar>"]
        self.axes_ = np.empty(len(panels), dtype=object)
        self.axes_[:] = panels
        self.figure_ = _root(place)
        self._own_figure = own
        return self

    def _repr_png_(self) -> bytes | None:
        # A figure of the caller's is shown by whoever made it, and once is enough.
        if not self._own_figure:
            return None
        buffer = io.BytesIO()
        with mpl.style.context("default"):
            self.figure_.savefig(buffer, format="png", dpi=_DPI)
        return buffer.getvalue()

    def _repr_html_(self) -> str | None:
        png = self._repr_png_()
        if png is None:
            return None
        code = base64.b64encode(png).decode("ascii")
        return f'<img alt="{type(self).__name__}" src="data:image/png;base64,{code}"/>'


class ComparisonDisplay(Display):
    """A display of real beside synthetic windows."""

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_samples: int = 500,
        frame_rate: float | None = None,
        train: Any = None,
        deconvolver: Any = None,
        random_state: Any = None,
        **options: Any,
    ) -> Self:
        """Sample a fitted estimator, compare the samples with real data, and draw.

        Parameters
        ----------
        estimator : generator, pipeline or search
            Anything fitted that `calgan.sample` can sample.
        X : Recording, array-like of shape (T, N), list of these, (M, T, N) windows or WindowView
            Real data, best held out.
        n_samples : int, default=500
            Windows to sample.
        frame_rate, train, deconvolver, **options
            See `from_samples`.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the samples and of the real windows drawn; None samples with the estimator's
            own.

        Returns
        -------
        display : Display
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator cannot sample, or there is no such option.
        ValueError
            As `from_samples`.
        """
        given, drawing = cls._read_options(options)
        comparison = compare_estimator(
            estimator,
            X,
            n_samples=n_samples,
            frame_rate=frame_rate,
            train=train,
            spikes=None,
            deconvolver=deconvolver,
            random_state=random_state,
            asker=cls.__name__,
        )
        return cls._of(comparison, **given).plot(**drawing)

    @classmethod
    def from_samples(
        cls,
        real: Any,
        synthetic: Any,
        *,
        frame_rate: float | None = None,
        train: Any = None,
        spikes: Any = None,
        deconvolver: Any = None,
        random_state: Any = None,
        **options: Any,
    ) -> Self:
        """Compare synthetic windows with real data, and draw.

        Parameters
        ----------
        real : (M, T, N) windows, Recording, array-like of shape (T, N), list of these or WindowView
            Real data, best held out. An array of windows is taken as it is; of anything else as
            many windows are drawn, at random starts, as there are synthetic ones.
        synthetic : array-like of shape (K, T, N)
            Synthetic windows, in the units of `real`.
        frame_rate : float, default=None
            Frames per second (Hz). None takes that of `real`, `train` or `deconvolver`.
        train : like `real`, default=None
            What the model was fitted on. Figures show it as the baseline: what real data score.
        spikes : tuple of array-like, default=None
            ``(real_spikes, synthetic_spikes)`` of two arrays of windows, in their shapes. None
            infers them where the figure needs any.
        deconvolver : OasisDeconvolver, default=None
            What infers spikes: used as it is if fitted, else fitted on `train` (on `real` without
            it). None is a default one.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the windows drawn.
        **options
            Options of the class and of its `plot`, such as ``ax``.

        Returns
        -------
        display : Display
            The display, drawn.

        Raises
        ------
        TypeError
            If there is no such option.
        ValueError
            If windows differ in width or neurons, hold NaN, or no frame rate is known.
        """
        given, drawing = cls._read_options(options)
        comparison = compare_samples(
            real,
            synthetic,
            frame_rate=frame_rate,
            train=train,
            spikes=spikes,
            deconvolver=deconvolver,
            random_state=random_state,
            asker=cls.__name__,
        )
        return cls._of(comparison, **given).plot(**drawing)

    @classmethod
    def from_evaluation(cls, evaluation: Any, **options: Any) -> Self:
        """Draw from the windows and spikes that an evaluation has kept.

        Parameters
        ----------
        evaluation : Evaluation
            What `calgan.evaluate` returned.
        **options
            Options of the class and of its `plot`, such as ``ax``.

        Returns
        -------
        display : Display
            The display, drawn.

        Raises
        ------
        TypeError
            If it is no evaluation, or there is no such option.
        """
        given, drawing = cls._read_options(options)
        return cls._of(compare_evaluation(evaluation), **given).plot(**drawing)

    @classmethod
    @abstractmethod
    def _of(cls, comparison: Comparison) -> Self:
        """Compute what the figure shows. Further keywords are options of the constructors."""

    @classmethod
    def _read_options(cls, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Split options into those of `_of` and of `plot`, before anything slow is done."""
        of = [name for name in inspect.signature(cls._of).parameters if name != "comparison"]
        plot = [name for name in inspect.signature(cls.plot).parameters if name != "self"]
        for name in options:
            if name not in (*of, *plot):
                raise TypeError(
                    f"{cls.__name__} has no option {name!r}; its options are "
                    f"{', '.join([*of, *plot])}."
                )
        return (
            {name: value for name, value in options.items() if name in of},
            {name: value for name, value in options.items() if name in plot},
        )


def place_panels(ax: Axes | None, figure: FigureBase | None) -> Figure | None:
    """Return where several panels are drawn: `figure`, or the place of `ax`, None for a new figure.

    The axes are left where they are, empty and invisible, so that their figure keeps its grid.
    """
    if ax is None:
        return cast("Figure | None", figure)
    if figure is not None:
        raise ValueError("pass either ax or figure, not both.")
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be matplotlib Axes, got {type(ax).__name__}; a figure goes in figure=."
        )
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax has no place in a grid that several panels could share; make it with "
            "figure.subplots or figure.add_subplot, or pass figure=."
        )
    ax.set_axis_off()
    # Sub-figures draw as figures do; the plot functions ask for no more.
    return cast("Figure", ax.figure.add_subfigure(place))


def _root(figure: Any) -> Figure:
    return cast("Figure", figure.figure)
