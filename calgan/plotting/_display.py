"""What all displays share: how they are made, where they draw, and how a notebook shows them."""

from __future__ import annotations

import base64
import inspect
import io
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self, cast

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from calgan.data.sampling import sample
from calgan.data.validation import as_seed, check_integer
from calgan.plotting.compared_windows import (
    ComparedWindows,
    check_evaluation,
    compare_evaluation,
    compare_samples,
)
from calgan.plotting.style import new_figure, styled

_DPI = 110


class Display(ABC):
    """A figure and the numbers behind it."""

    figure_: Figure
    axes_: NDArray[Any]
    ax_: Axes
    _one_panel: ClassVar[bool] = False
    _own_figure = False

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; the panels of a figure of several share its place. None makes a figure.

        Returns
        -------
        self : Display
            The display, with ``figure_`` and the panels ``axes_`` (a single one is ``ax_``, too).
        """
        return self._plot(ax)

    def _plot(self, ax: Axes | None, **options: Any) -> Self:
        """Draw with `options` of `_draw`, and keep what was drawn on."""
        with styled():
            place = self._place(ax)
            self._draw(place, **options)
        if self._one_panel:
            self.ax_, panels = place, [place]
        else:
            panels = [panel for panel in place.axes if panel.get_label() != "<colorbar>"]
        self.axes_ = np.empty(len(panels), dtype=object)
        self.axes_[:] = panels
        self.figure_ = place.figure.figure  # of a sub-figure, too
        self._own_figure = ax is None
        return self

    @abstractmethod
    def _draw(self, *args: Any, **options: Any) -> None:
        """Draw on the axes (one panel) or the figure (several) of the first argument."""

    def _place(self, ax: Axes | None) -> Any:
        """Axes for one panel; for several a figure, or a sub-figure in the place of `ax`."""
        if ax is None:
            figure = new_figure()
            return figure.add_subplot() if self._one_panel else figure
        if not isinstance(ax, Axes):
            raise TypeError(
                f"ax must be matplotlib Axes, got {type(ax).__name__}; of a figure pass "
                "figure.add_subplot()."
            )
        if ax.figure is None or ax.name != "rectilinear":
            fault = "was removed from its figure" if ax.figure is None else f"is {ax.name}"
            raise ValueError(f"ax {fault}; pass rectilinear axes of a figure.")
        if self._one_panel:
            return ax
        place = ax.get_subplotspec()
        if place is None:
            raise ValueError(
                "ax has no place in a grid that several panels could share; make it with "
                "figure.subplots or figure.add_subplot."
            )
        ax.set_axis_off()  # it stays, so that its figure keeps the grid
        return cast("FigureBase", ax.figure).add_subfigure(place)

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


class EvaluationDisplay(Display):
    """A display that an evaluation has the numbers for."""

    @classmethod
    def from_evaluation(cls, evaluation: Any, **options: Any) -> Self:
        """Draw from the numbers that an evaluation has kept.

        Parameters
        ----------
        evaluation : Evaluation
            Result of `calgan.evaluate`.
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
        ValueError
            If the evaluation lacks what the figure shows, such as a train-test baseline.
        """
        given, drawing = cls._read_options(options)
        check_evaluation(evaluation)
        return cls._of(cls._read(evaluation), **given).plot(**drawing)

    @classmethod
    def _read(cls, evaluation: Any) -> Any:
        """What `_of` takes of an evaluation."""
        return evaluation

    @classmethod
    @abstractmethod
    def _of(cls, source: Any) -> Self:
        """Take the numbers of the figure. Further keywords are options of the constructors."""

    @classmethod
    def _read_options(cls, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Split options into those of `_of` and of `plot`, before anything slow is done."""
        _, *of = inspect.signature(cls._of).parameters
        plot = [name for name in inspect.signature(cls.plot).parameters if name != "self"]
        for name in options:
            if name not in (*of, *plot):
                raise TypeError(
                    f"{cls.__name__} has no option {name!r}; its options are "
                    f"{', '.join([*of, *plot])}."
                )
        given = {name: value for name, value in options.items() if name in of}
        return given, {name: value for name, value in options.items() if name in plot}


class ComparisonDisplay(EvaluationDisplay):
    """A display of real beside synthetic windows."""

    @classmethod
    def _read(cls, evaluation: Any) -> ComparedWindows:
        return compare_evaluation(evaluation)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_samples: int = 500,
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
        random_state : int, RandomState, Generator or None, default=None
            Seed of the samples and of the real windows; None samples with the estimator's own.
        **options
            ``frame_rate``, ``train``, ``deconvolver`` and other options of `from_samples`.

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
        given = ("frame_rate", "train", "deconvolver")
        cls._read_options({name: x for name, x in options.items() if name not in given})
        n_samples = check_integer(n_samples, "n_samples")
        if hasattr(estimator, "fit"):  # a search would otherwise be said to be unable to sample
            check_is_fitted(estimator)
        seed = None if random_state is None else as_seed(random_state)
        synthetic = sample(estimator, n_samples, random_state=seed)
        return cls.from_samples(X, synthetic, random_state=seed, **options)

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
            Recording that the model was fitted on: the train-test baseline.
        spikes : tuple of array-like, default=None
            ``(real_spikes, synthetic_spikes)`` of two arrays of windows, in their shapes. None
            infers them where the figure needs any.
        deconvolver : OasisDeconvolver, default=None
            Used as it is if fitted, else fitted on `train` (on `real` without it). None is a
            default one.
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
            If windows differ in frames or neurons, hold NaN, or no frame rate is known.
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
        )
        return cls._of(comparison, **given).plot(**drawing)
