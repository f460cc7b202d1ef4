"""Displays of a training run and of an evaluation as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from sklearn.utils.validation import check_is_fitted

from calgan.plotting._headline import plot_headline
from calgan.plotting._training import plot_training_curves
from calgan.plotting.displays._base import Display, place_panels
from calgan.plotting.displays._comparison import check_evaluation


class TrainingDisplay(Display):
    """Losses and validation statistics over the training steps.

    Parameters
    ----------
    history : sequence of mapping
        Rows such as ``CalciumGAN.history_`` holds.
    best_step : int, default=None
        Step whose weights were kept, marked by a vertical line.

    Attributes
    ----------
    axes_ : ndarray of Axes
        A panel a quantity, after `plot`.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    calgan.plotting.plot_training_curves : What draws them.

    Examples
    --------
    >>> from calgan.plotting import TrainingDisplay
    >>> rows = [{"step": s, "critic_loss": 1.0 / s} for s in range(1, 9)]
    >>> TrainingDisplay(rows, best_step=8).plot().axes_[0].get_title()
    'critic loss'
    """

    def __init__(
        self, history: Sequence[Mapping[str, Any]], *, best_step: int | None = None
    ) -> None:
        self.history = history
        self.best_step = best_step

    @classmethod
    def from_estimator(cls, estimator: Any, **options: Any) -> Self:
        """Draw the training of a fitted generator, pipeline or search.

        Parameters
        ----------
        estimator : generator, pipeline or search
            A fitted generator with a ``history_``, or what ends in one.
        **options
            Options of `plot`.

        Returns
        -------
        display : TrainingDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it keeps no history.
        """
        check_is_fitted(estimator)
        generator = estimator
        while hasattr(generator, "best_estimator_") or hasattr(generator, "steps"):
            if hasattr(generator, "best_estimator_"):
                generator = generator.best_estimator_
            else:
                generator = generator.steps[-1][1]
        history = getattr(generator, "history_", None)
        if not history:
            raise ValueError(
                f"{type(generator).__name__} keeps no training history (history_), so there are "
                "no curves to draw."
            )
        return cls(list(history), best_step=getattr(generator, "best_iter_", None)).plot(**options)

    @classmethod
    def from_evaluation(cls, evaluation: Any, **options: Any) -> Self:
        """Draw the training of the model that an evaluation was given.

        Parameters
        ----------
        evaluation : Evaluation
            What `calgan.evaluate` returned.
        **options
            Options of `plot`.

        Returns
        -------
        display : TrainingDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If it is no evaluation.
        ValueError
            If the evaluation was made without ``model=``, or the model keeps no history.
        """
        check_evaluation(evaluation)
        if not evaluation.history:
            raise ValueError(
                "evaluation holds no training history: evaluate with model=, a model that was "
                "trained in steps."
            )
        return cls(evaluation.history, best_step=evaluation.meta.get("best_iter")).plot(**options)

    def plot(
        self,
        *,
        max_panels: int = 12,
        ax: Axes | None = None,
        figure: FigureBase | None = None,
    ) -> Self:
        """Draw a panel for each quantity.

        Parameters
        ----------
        max_panels : int, default=12
            Largest number of panels.
        ax : matplotlib Axes, default=None
            Axes whose place in their figure the panels share.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw otherwise; a new figure by default.

        Returns
        -------
        self : TrainingDisplay
            The display, with ``axes_`` and ``figure_``.
        """
        place = plot_training_curves(
            self.history,
            best_step=self.best_step,
            max_panels=max_panels,
            figure=place_panels(ax, figure),
        )
        return self._drawn_in(place, own=ax is None and figure is None)


class HeadlineDisplay(Display):
    """How far every statistic of an evaluation is from its baseline, with the controls.

    Parameters
    ----------
    statistics : iterable of Statistic
        Rows of an evaluation.

    Attributes
    ----------
    axes_ : ndarray of Axes
        The chart, after `plot`.
    figure_ : matplotlib Figure
        The figure it is part of.

    See Also
    --------
    calgan.plotting.plot_headline : What draws it.
    calgan.evaluate : What makes an evaluation.

    Examples
    --------
    >>> from calgan import evaluate
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import HeadlineDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> train, _ = process.sample_recording(60.0, random_state=1)
    >>> test, _ = process.sample_recording(60.0, random_state=2)
    >>> synthetic, _ = process.sample_windows(100, 32, random_state=3)
    >>> evaluation = evaluate(test, synthetic, train=train, random_state=0, n_bootstrap=0)
    >>> HeadlineDisplay.from_evaluation(evaluation).axes_.size
    1
    """

    def __init__(self, statistics: Iterable[Any]) -> None:
        self.statistics = statistics

    @classmethod
    def from_evaluation(cls, evaluation: Any, **options: Any) -> Self:
        """Draw the headline of an evaluation.

        Parameters
        ----------
        evaluation : Evaluation
            What `calgan.evaluate` returned, with ``train=``.
        **options
            Options of `plot`.

        Returns
        -------
        display : HeadlineDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If it is no evaluation.
        ValueError
            If it was made without ``train=``, so that there are no baselines.
        """
        check_evaluation(evaluation)
        return cls(evaluation.statistics).plot(**options)

    def plot(self, *, ax: Axes | None = None, figure: FigureBase | None = None) -> Self:
        """Draw a line a statistic: its distance as a multiple of the baseline.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes whose place in their figure the chart takes.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw otherwise; a new figure by default.

        Returns
        -------
        self : HeadlineDisplay
            The display, with ``axes_`` and ``figure_``.
        """
        place = plot_headline(self.statistics, figure=place_panels(ax, figure))
        return self._drawn_in(place, own=ax is None and figure is None)
