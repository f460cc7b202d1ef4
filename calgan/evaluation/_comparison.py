"""Several generators side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from calgan.evaluation._format import show, show_interval, wrap
from calgan.evaluation._frame import statistics_frame
from calgan.evaluation._html import render
from calgan.evaluation._result import Evaluation
from calgan.evaluation._summary import Summary, SummaryRow
from calgan.evaluation._table import Cell, Row, Table, as_text, judged, reasons
from calgan.metrics.groups import GROUPS

# Characters of a name at most and at least, and of all columns of numbers.
_NAME_WIDTH, _LIGHT_WIDTH, _COLUMNS_WIDTH = 14, 10, 87
_LEGEND = (
    "baseline: held-out against training windows. Columns: distance of a generator's windows over "
    "that baseline (1 - r where higher is better, marked ^), 1 is as close as real data; with a "
    "sign: the difference to a baseline that may be 0. *: this generator was trained on it."
)


@dataclass(frozen=True, eq=False)
class Comparison(Mapping[str, Evaluation]):
    """Several generators against one held-out recording; made by `calgan.compare`.

    Printing it gives each generator's verdict and one table. It is a mapping:
    ``comparison["name"]`` is the `Evaluation` of one generator. All share their baselines.

    Parameters
    ----------
    evaluations : dict of str to Evaluation
        The evaluation of each generator, by name.

    See Also
    --------
    calgan.compare : Makes it.
    calgan.plotting.HeadlineDisplay.from_comparison : Draws it.

    Examples
    --------
    >>> from calgan import compare
    >>> from calgan.datasets import make_process
    >>> process = make_process(n_neurons=6, random_state=0)
    >>> train, _ = process.sample_recording(120.0, random_state=1)
    >>> test, _ = process.sample_recording(60.0, random_state=2)
    >>> first, _ = process.sample_windows(100, 40, random_state=3)
    >>> comparison = compare({"true": first, "half": 0.5 * first}, test, train=train,
    ...                      random_state=0)
    >>> list(comparison)
    ['true', 'half']
    >>> comparison["true"].n_windows
    100
    """

    evaluations: dict[str, Evaluation]

    def __getitem__(self, name: str) -> Evaluation:
        if name not in self.evaluations:
            known = ", ".join(map(repr, self.evaluations))
            raise KeyError(f"no generator is called {name!r}; there are {known}.")
        return self.evaluations[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.evaluations)

    def __len__(self) -> int:
        return len(self.evaluations)

    def to_frame(self) -> Any:
        """Return every number as a data frame.

        Returns
        -------
        pandas.DataFrame
            Rows by ``generator`` and ``statistic``; columns as in `Evaluation.to_frame`.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        tables = {name: each.statistics for name, each in self.items()}
        return statistics_frame(tables, ["generator", "statistic"])

    def to_dict(self) -> dict[str, Any]:
        """Return every number and sentence, without the arrays, as plain Python values.

        Returns
        -------
        dict
            `Evaluation.to_dict` of each generator, by name.
        """
        return {name: each.to_dict() for name, each in self.items()}

    def __repr__(self) -> str:
        return f"Comparison of {len(self)} generators: {', '.join(self)}"

    def __str__(self) -> str:
        summaries, table = self._summaries(), self._table()
        width = max(map(len, self))
        first = next(iter(self.values()))
        lines = [
            f"{len(self)} generators against one held-out recording: {first.n_windows} windows of "
            f"{first.window} frames, {first.n_neurons} neurons",
            "",
        ]
        for name, summary in summaries.items():
            lines += wrap(summary.sentence, f"{name:{width}}  ")
        lines.append("")
        columns = zip(table.heads, *(row.cells for row in table.groups["Verdicts"]), strict=True)
        lengths = [max(7, *(len(cell.text) for cell in column)) for column in columns]
        gap = 2 if sum(lengths) + 2 * len(lengths) <= _COLUMNS_WIDTH else 1
        lines += as_text(table, [(length + gap, 0) for length in lengths])
        lines += ["", *wrap(_LEGEND)]
        lines += [line for text in self._reasons() for line in wrap(text)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return render(
            "comparison.html",
            summaries=self._summaries(),
            table=self._table(),
            legend=[_LEGEND, *self._reasons()],
        )

    def _summaries(self) -> dict[str, Summary]:
        """Return the verdicts by name."""
        return {name: each.summary() for name, each in self.items()}

    def _reasons(self) -> list[str]:
        """Return a line of undefined rows for each generator that has any."""
        found = {name: reasons(each.statistics) for name, each in self.items()}
        return [f"{name}: {text}" for name, texts in found.items() for text in texts]

    def _table(self) -> Table:
        """Return a column a generator, below the groups' lights."""
        width = min(_NAME_WIDTH, max(_LIGHT_WIDTH, (_COLUMNS_WIDTH - 10) // len(self) - 2))
        start = width // 2
        # Names of one family differ in their ends.
        names = [
            name if len(name) <= width else f"{name[:start]}…{name[start + 1 - width :]}"
            for name in self
        ]
        first = next(iter(self.values()))
        groups: dict[str, list[Row]] = {"Verdicts": self._lights()}
        for group, title in GROUPS.items():
            rows = [self._row(row.name) for row in first.statistics if row.group == group]
            groups |= {title: rows} if rows else {}
        return Table((Cell("baseline"), *map(Cell, names)), groups)

    def _lights(self) -> list[Row]:
        """Return the light of each group and generator."""

        def cell(row: SummaryRow) -> Cell:
            return Cell(f"{row.symbol} {row.light if row.name == 'copying' else row.status}")

        by_group = zip(*(summary.rows for summary in self._summaries().values()), strict=True)
        return [Row(rows[0].label, (Cell(""), *map(cell, rows))) for rows in by_group]

    def _row(self, name: str) -> Row:
        """Return the ratios of a statistic, beside its baseline."""
        found = [each[name] for each in self.values()]
        first = found[0]
        cells = [Cell(show(first.baseline), show_interval(first.baseline_interval))]
        for row in found:
            cell = judged(row) if first.baseline is not None else Cell(show(row.value))
            mark = "*" if row.trained_on else ""
            cells.append(Cell(cell.text + mark, cell.interval, is_judged=True))
        return Row(first.label, tuple(cells), first.unit, first.better)
