"""The outcome of an evaluation: numbers, controls, and how they print."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from calgan.data.files import replaced
from calgan.data.validation import check_target, check_text
from calgan.evaluation._controls import CONTROL_LEGENDS, CONTROLS
from calgan.evaluation._format import plain, wrap
from calgan.evaluation._frame import statistics_frame
from calgan.evaluation._html import render
from calgan.evaluation._statistic import Statistic
from calgan.evaluation._summary import Summary, summarise
from calgan.evaluation._table import (
    NOT_AVAILABLE,
    Table,
    as_text,
    copying_table,
    reasons,
    statistics_table,
)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How far synthetic windows are from a held-out recording; made by `calgan.evaluate`.

    Printing it gives a summary and the table; ``evaluation["correlation_kl"]`` is one `Statistic`.

    Attributes
    ----------
    statistics : tuple of Statistic
        Every statistic, in the order of the table.
    memorisation : dict or None
        ``"value"``: distance of samples to the nearest training windows over that to as many
        held-out windows (median); ``"interval"``; ``"replay"``, ``"second_held_out"`` and
        ``"drift"``: what replayed training windows, a second held-out segment and real windows of
        other training segments score (None where the recording is too short), the second with
        ``"second_held_out_interval"``; ``"share_copied"``: share of samples nearer to a replay than
        to new data, and ``"share_copied_interval"``; ``"membership"``: how well training windows
        are told from held-out ones by their distance to the nearest sample (an area under the
        curve, see `calgan.metrics.membership_auc`), as a dict of ``"value"``, ``"replay"``,
        ``"drift"`` and ``"beyond_drift_interval"`` of the difference of value and drift;
        ``"n_samples"``, ``"n_reference"``: windows compared. None without a training recording.
    conclusion : tuple of str
        Plain sentences: what the summary leaves out, and what to keep in mind.
    protocol : {"blocked", "thesis"}
        How the statistics were estimated.
    n_windows : int
        Windows on either side of each comparison.
    window : int
        Frames a window.
    frame_rate : float
        Frames per second (Hz).
    roi_ids : ndarray of shape (N,)
        Ids of the neurons.
    units : str
        Units of the traces.
    windows : dict of str to ndarray of shape (m, T, N)
        Windows kept for figures: ``"real"`` (held-out), ``"synthetic"``, ``"train"`` (None without
        a training recording), ``"shuffled"`` and ``"dichotomized_gaussian"`` (None where it could
        not be fitted), the last two if they were asked for.
    spikes : dict of str to ndarray of shape (m, T, N)
        The spikes inferred in these windows, 0 or 1, under the same keys.
    classifier_scores : dict of str to ndarray of shape (2, D, k, m)
        What the classifier says of held-out windows (first) and of those of each group, in D draws
        of m windows in each of k folds: log odds of being no held-out window, by a classifier that
        did not see the fold. Empty where the recordings are too short for one.
    history : list of dict
        Training history of the model, empty without ``model=``.
    meta : dict
        What else is needed to repeat the comparison: numbers of frames and draws, the seed, what
        the spikes were inferred with, shares of silent trains, remarks.

    See Also
    --------
    calgan.evaluate : Makes it.

    Examples
    --------
    >>> from calgan import evaluate
    >>> from calgan.datasets import make_process
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(100, 40, random_state=2)
    >>> evaluation = evaluate(test, synthetic, random_state=0)
    >>> print(evaluation.summary().sentence)
    Whether the samples are good cannot be told without a training recording: pass train=.
    >>> sorted(evaluation.to_dict()["statistics"][0]["controls"])
    ['dichotomized_gaussian', 'replay', 'shuffled']
    """

    statistics: tuple[Statistic, ...]
    memorisation: dict[str, Any] | None
    conclusion: tuple[str, ...]
    protocol: str
    n_windows: int
    window: int
    frame_rate: float
    roi_ids: np.ndarray
    units: str
    windows: dict[str, np.ndarray | None]
    spikes: dict[str, np.ndarray | None]
    classifier_scores: dict[str, np.ndarray] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Statistic:
        for statistic in self.statistics:
            if statistic.name == name:
                return statistic
        known = ", ".join(statistic.name for statistic in self.statistics)
        raise KeyError(f"no statistic is called {name!r}; there are {known}.")

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return len(self.roi_ids)

    @property
    def has_train(self) -> bool:
        """Whether a training recording was passed, so that there are baselines."""
        return self.memorisation is not None

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the controls that were asked for, in the order of the table."""
        names = dict.fromkeys(name for row in self.statistics for name in row.controls)
        known = [name for name in CONTROLS if name in names]
        return (*known, *(name for name in names if name not in CONTROLS))

    def to_dict(self) -> dict[str, Any]:
        """Return every number and sentence, without the arrays, as plain Python values.

        Returns
        -------
        dict
            Fit for ``json.dumps``; a number that is not finite becomes None.
        """
        return {
            "protocol": self.protocol,
            "n_windows": self.n_windows,
            "window": self.window,
            "frame_rate": plain(self.frame_rate),
            "n_neurons": self.n_neurons,
            "roi_ids": plain(self.roi_ids),
            "units": self.units,
            "statistics": [statistic.to_dict() for statistic in self.statistics],
            "memorisation": plain(self.memorisation),
            "conclusion": list(self.conclusion),
            "meta": plain(self.meta),
        }

    def to_frame(self) -> Any:
        """Return the statistics as a data frame.

        Returns
        -------
        pandas.DataFrame
            A row a statistic, indexed by name. ``value``, ``baseline``, ``ratio`` and
            ``difference`` have their 95 % intervals beside them (``value_low``, ``value_high`` and
            so on); each control has a column.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> from calgan import evaluate
        >>> from calgan.datasets import make_process
        >>> process = make_process(n_neurons=5, random_state=0)
        >>> test, _ = process.sample_recording(60.0, random_state=1)
        >>> synthetic, _ = process.sample_windows(100, 40, random_state=2)
        >>> frame = evaluate(test, synthetic, random_state=0).to_frame()
        >>> frame.loc["isi_mean_rmse", "unit"]
        's'
        """
        return statistics_frame({"": self.statistics}, ["statistic"])

    def summary(self) -> Summary:
        """Return the verdict: a sentence, a few lines, and a light for each group of statistics.

        A statistic is off if its value lies beyond the 95 % interval of its baseline, and the
        interval of its ratio above 1.25 (that of a difference above 0, of an area under the curve
        above 0.05). It is better than real data if that interval lies below 1 (a difference: below
        0). The light of a group is that of its worst statistic. Without a training recording
        that shares no frames with the held-out one, or intervals, nothing is told.

        Returns
        -------
        Summary
            Prints as at most five lines and a small table. ``sentence`` is the verdict; ``lines``
            compare with two controls, and count the statistics that the model was trained on;
            ``rows`` are the five groups, each with ``name`` (``"published"``, ``"population"``,
            ``"trace"``, ``"window"`` or ``"copying"``), ``status`` (``"better"``, ``"as close"``,
            ``"off"`` or ``"not told"``), ``light`` (the status in words) and ``text`` (its worst
            statistic).

        Examples
        --------
        >>> from calgan import evaluate
        >>> from calgan.datasets import make_process
        >>> process = make_process(n_neurons=5, random_state=0)
        >>> test, _ = process.sample_recording(60.0, random_state=1)
        >>> synthetic, _ = process.sample_windows(100, 40, random_state=2)
        >>> evaluate(test, synthetic, random_state=0).summary().sentence
        'Whether the samples are good cannot be told without a training recording: pass train=.'
        """
        return summarise(self)

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        title: str | None = None,
        figures: str | os.PathLike[str] | None = None,
        verbose: int | None = None,
    ) -> Path:
        """Write one self-contained HTML file with the summary, the figures and the table.

        A file that is there already is replaced only once the new one is complete.

        Parameters
        ----------
        path : str or path-like
            File to write.
        title : str, default=None
            Heading of the report.
        figures : str or path-like, default=None
            Folder to which the figures are written as images, too. It is made if need be.
        verbose : int, default=None
            Whether to show which figure is drawn: 1 does, 0 does not, None does on a terminal.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        IsADirectoryError, FileNotFoundError
            If `path` is a folder, or lies in a folder that does not exist.
        NotADirectoryError
            If `figures` is a file.
        TypeError
            If a path is none, or the title is not text.
        """
        # The report draws: it is looked up only now, and matplotlib with it.
        from calgan.evaluation import report

        path = check_target(path)
        title = None if title is None else check_text(title, "title", "Our recording")
        with replaced(path) as temporary:
            page = report.build_html(self, title=title, figures_folder=figures, verbose=verbose)
            Path(temporary).write_text(page, encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return (
            f"Evaluation({len(self.statistics)} statistics of {self.n_windows} windows of "
            f"{self.window} frames x {self.n_neurons} neurons, protocol={self.protocol!r})"
        )

    def __str__(self) -> str:
        lines = [str(self.summary()), ""]
        lines += [line for text in self._heading() for line in wrap(text)]
        for table in self._tables():
            lines += ["", *as_text(table)]
        lines += ["", *(line for text in self._legend() for line in wrap(text))]
        lines += ["", "In words"] if self.conclusion else []
        lines += [line for text in self.conclusion for line in wrap(text, "- ")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return render(
            "evaluation.html",
            summary=self.summary(),
            heading=self._heading(),
            tables=self._tables(),
            legend=self._legend(),
            conclusion=self.conclusion,
        )

    def _tables(self) -> tuple[Table, Table]:
        """Return the statistics and what is known of copies."""
        return statistics_table(self.statistics, self.controls), copying_table(self.memorisation)

    def _heading(self) -> list[str]:
        """Return the lines that say what was compared."""
        seconds = self.window / self.frame_rate
        meta = self.meta
        published = (
            " (published estimators, for comparison with the published table only)"
            if self.protocol == "thesis"
            else ""
        )
        train = (
            f"training recording {meta['n_train_frames']} frames ({meta['n_train_windows']})"
            if self.has_train
            else f"training recording {NOT_AVAILABLE}"
        )
        return [
            f"Synthetic against held-out recording, protocol {self.protocol!r}{published}",
            f"{self.n_windows} windows of {self.window} frames ({seconds:.3g} s at "
            f"{self.frame_rate:.4g} Hz) on either side, {self.n_neurons} neurons"
            + (f", mean of {meta['n_draws']} draws" if meta["n_draws"] > 1 else ""),
            f"held-out recording {meta['n_real_frames']} frames ({meta['n_real_windows']} windows "
            f"side by side), {train}",
        ]

    def _legend(self) -> list[str]:
        """Return the sentences that say how the table is read."""
        controls = [CONTROL_LEGENDS[name] for name in CONTROLS if name in self.controls]
        texts = [
            "baseline: train-test baseline, held-out against training windows; ratio: distance of "
            "the synthetic windows over that baseline (1 - r where higher is better, marked ^), 1 "
            "is as close as real data; with a sign: the difference to a baseline that may be 0. "
            "Units, where there are any, follow the name.",
            *(["; ".join(controls) + "."] if controls else []),
            *reasons(self.statistics),
        ]
        trained = self.meta.get("trained_on_statistics")
        if trained is None:
            texts.append("Pass model= to mark the statistics that the model was trained on (*).")
        elif any(statistic.trained_on for statistic in self.statistics):
            texts.append("* the model was trained on this statistic, or on one that determines it.")
        else:
            texts.append("The model was trained on none of these statistics.")
        return texts
