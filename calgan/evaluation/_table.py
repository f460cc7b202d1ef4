"""The table of an evaluation: rows and cells, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calgan.evaluation._controls import CONTROLS
from calgan.evaluation._format import NAN, show, show_interval
from calgan.evaluation._statistic import Statistic
from calgan.metrics.groups import GROUPS

NOT_AVAILABLE = "not available (pass train=)"
_TOO_SHORT = "recording too short"
_LABEL_WIDTH = 33
# Characters of a column's values and of its intervals; text shows none of the synthetic windows.
_WIDTHS = ((10, 0), (9, 19), (7, 15))
_CONTROL_WIDTHS = (9, 0)


@dataclass(frozen=True)
class Cell:
    """A number, its interval, and over how many columns it goes."""

    text: str
    interval: str = ""
    n_columns: int = 1
    is_judged: bool = False


@dataclass(frozen=True)
class Row:
    """A statistic, or another quantity, and its cells."""

    label: str
    cells: tuple[Cell, ...]
    unit: str = ""
    better: str = ""
    is_trained_on: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under headings, below the heads of the columns."""

    heads: tuple[Cell, ...]
    groups: Mapping[str, Sequence[Row]]

    @property
    def n_columns(self) -> int:
        """Columns that the widest row needs, with that of the labels."""
        rows = (row for group in self.groups.values() for row in group)
        return 1 + max(sum(cell.n_columns for cell in row.cells) for row in rows)


def reasons(statistics: Iterable[Statistic]) -> list[str]:
    """Return a line that says which rows are undefined, and why; none if all are defined."""
    found = [f"{row.label}: {row.reason}" for row in statistics if row.reason]
    return [f"n/a: {'; '.join(found)}."] if found else []


def statistics_table(statistics: Iterable[Statistic], controls: Sequence[str]) -> Table:
    """Return the table of the statistics."""
    groups: dict[str, list[Row]] = {}
    for group, title in GROUPS.items():
        rows = [_statistic_row(row, controls) for row in statistics if row.group == group]
        groups |= {title: rows} if rows else {}
    interval = "95 % interval"
    heads = [Cell("synthetic", interval), Cell("baseline", interval), Cell("ratio", interval)]
    heads += [Cell(CONTROLS.get(name, name)) for name in controls]
    return Table(tuple(heads), groups)


def _statistic_row(row: Statistic, controls: Sequence[str]) -> Row:
    """Return a statistic's row: a single cell where there is nothing to compare with."""
    cells = [Cell(show(row.value), show_interval(row.value_interval), is_judged=True)]
    if row.baseline is None:
        # The replay control needs the training recording as the baseline does.
        cells.append(Cell(NOT_AVAILABLE, n_columns=2 + ("replay" in controls)))
        controls = [name for name in controls if name != "replay"]
    else:
        cells.append(Cell(show(row.baseline), show_interval(row.baseline_interval)))
        cells.append(judged(row))
    values = (row.controls.get(name) for name in controls)
    cells += [Cell(NAN if value is None else show(value)) for value in values]
    return Row(row.label, tuple(cells), row.unit, row.better, row.trained_on)


def judged(row: Statistic) -> Cell:
    """Return the ratio, or a signed difference where that is what the statistic is judged by."""
    if row.judged_by != "difference" or row.difference is None:
        text = NAN if row.ratio is None else show(row.ratio, 2)
        return Cell(text, show_interval(row.ratio_interval), is_judged=True)
    text = show(row.difference, 2)
    text = text if text.startswith("-") or not text[0].isdigit() else f"+{text}"
    return Cell(text, show_interval(row.difference_interval), is_judged=True)


def copying_table(memorisation: Mapping[str, Any] | None) -> Table:
    """Return the table of the memorisation figure and of the membership test."""
    figure = "Memorisation (distance to training windows over distance to held-out windows)"
    if memorisation is None:
        return Table((), {figure: [Row("synthetic", (Cell(NOT_AVAILABLE),))]})

    def row(label: str, value: float | None, interval: Sequence[float] | None = None) -> Row:
        text = _TOO_SHORT if value is None else show(value)
        return Row(label, (Cell(text, show_interval(interval), is_judged=True),))

    second = memorisation.get("second_held_out_interval")
    groups = {
        figure: [
            row("synthetic", memorisation["value"], memorisation.get("interval")),
            row("replay control", memorisation["replay"]),
            row("a second held-out segment", memorisation["second_held_out"], second),
            row("other training segments (drift)", memorisation.get("drift")),
        ]
    }
    membership = memorisation.get("membership")
    if membership is not None:
        title = (
            "Membership (are training windows nearer to the samples than held-out windows? "
            "0.5: no, 1: always)"
        )
        groups[title] = [
            row("synthetic", membership["value"]),
            row("replay control", membership["replay"]),
            row("other training segments (drift)", membership["drift"]),
        ]
    return Table((), groups)


def as_text(table: Table, widths: Sequence[tuple[int, int]] | None = None) -> list[str]:
    """Return the lines of a table, of at most 120 columns unless there are other `widths`."""
    widths = widths or (*_WIDTHS, *(_CONTROL_WIDTHS for _ in table.heads[len(_WIDTHS) :]))
    lines: list[str] = []
    for title, rows in table.groups.items():
        lines += ["", title] if lines else [title]
        if len(lines) == 1 and table.heads:
            lines.append(_line("", table.heads, widths))
        for row in rows:
            label = f"  {row.label}{f' [{row.unit}]' if row.unit else ''}"
            label += (" ^" if row.better == "higher" else "") + (" *" if row.is_trained_on else "")
            lines.append(_line(label, row.cells, widths if table.heads else ((10, 20),)))
    return lines


def _line(label: str, cells: Sequence[Cell], widths: Sequence[tuple[int, int]]) -> str:
    """Return a line in which each number ends at its place, whatever stands before it."""
    line, end, column = label.ljust(_LABEL_WIDTH), _LABEL_WIDTH, 0
    for cell in cells:
        mine = widths[column : column + cell.n_columns]
        if cell.n_columns > 1:
            end += sum(map(sum, mine))
            line += cell.text.center(end - len(line))
        else:
            (of_value, of_interval) = mine[0]
            line += f" {cell.text}".rjust(end + of_value - len(line))
            line += f" {cell.interval}" if of_interval and cell.interval else ""
            end += of_value + of_interval
        column += cell.n_columns
    return line.rstrip()
