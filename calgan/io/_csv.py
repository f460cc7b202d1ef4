"""CSV and TSV files with a column for each neuron, SpikeFinder's and Inscopix's among them."""

from __future__ import annotations

import contextlib
import gzip
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import few, needs, say
from calgan.io._frame import is_index, read_table
from calgan.io._options import ReadOptions

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_EMPTY = {"", "nan", "na", "n/a", "null", "none", "inf", "-inf"}
_SPIKEFINDER = re.compile(r"(.*(?:train|test)\.)(calcium|spikes)(\.csv(?:\.gz)?)", re.IGNORECASE)
_SPIKEFINDER_RATE = 100.0  # Hz


def recognises(path: Path) -> bool:
    """Tell a table of text by its suffix."""
    return path.is_file() and path.name.lower().endswith(_SUFFIXES)


def read(path: Path, options: ReadOptions) -> Recording:
    """Read the traces of a table; a column of times tells the frame rate."""
    pandas = needs("pandas", "reading CSV files")
    found = _SPIKEFINDER.fullmatch(path.name)
    if found is None:
        names, values, accepted = _table(pandas, path)
        return read_table(names, values, options, accepted=accepted)
    pair = {kind: path.with_name(found[1] + kind + found[3]) for kind in ("calcium", "spikes")}
    if not pair["calcium"].is_file():
        raise ValueError(f"{path} has no traces beside it: {pair['calcium'].name} is missing.")
    names, values, _ = _table(pandas, pair["calcium"])
    spikes = None
    if pair["spikes"].is_file():
        spikes = _table(pandas, pair["spikes"])[1]
        if spikes.shape != values.shape:
            raise ValueError(
                f"{path}: its traces have shape {values.shape}, but its spikes {spikes.shape}: "
                "they belong to different recordings."
            )
    return read_table(names, values, options, frame_rate=_SPIKEFINDER_RATE, spikes=spikes)


def _table(pandas: Any, path: Path) -> tuple[list[Any], np.ndarray, np.ndarray | None]:
    """Return names of columns (None: no header), numbers (T, N), and which ROIs are accepted."""
    numbered, encoding = _head(path)
    head = [line for _, line in numbered]
    if not head:
        raise ValueError(f"{path} is empty.")
    last = head[-1]
    separator = next((sep for sep in ("\t", ";", ",") if sep in last), None)
    if separator is None:
        separator = r"\s+" if len(last.split()) > 1 else ","
    rows = [
        re.split(separator, line) if separator == r"\s+" else line.split(separator) for line in head
    ]
    rows = [[field.strip().strip("\"'") for field in row] for row in rows]
    decimal = "," if separator != "," and re.search(r"\d,\d", last) else "."
    n_header = 0
    while n_header < min(3, len(rows) - 1) and _is_header(rows[n_header], rows[-1]):
        n_header += 1
    if n_header == 0 and len(rows) > 1 and _is_numbering(rows[0], rows[1]):
        n_header = 1
    try:
        frame = pandas.read_csv(
            path,
            sep=separator,
            header=None,
            skiprows=[number for number, _ in numbered[:n_header]],
            decimal=decimal,
            comment="#",
            encoding=encoding,
            skipinitialspace=True,
            low_memory=False,
        )
    except (ValueError, EOFError, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        raise ValueError(f"{path} is no table with a column for each neuron ({error}).") from error
    n_columns = frame.shape[1]
    names: list[Any] = [*rows[0], *[""] * n_columns][:n_columns] if n_header else [None] * n_columns
    if n_header and len(rows[0]) == n_columns - 1:
        names = ["", *rows[0]]  # a column of row names has no header
    accepted = None
    if n_header > 1 and {f.lower() for f in rows[1][1:]} <= {"accepted", "rejected", "undecided"}:
        accepted = np.array([f.lower() != "rejected" for f in rows[1]])
        names[0] = rows[1][0]  # Inscopix: " Time(s)/Cell Status"
    numbers: list[np.ndarray] = []
    kept, text = [], []
    for column in frame.columns:
        values = frame[column]
        if values.dtype.kind not in "biuf":
            values = _as_seconds(pandas, values) if column == 0 or is_index(names[column]) else None
        if values is None:
            text.append(column if names[column] in (None, "") else names[column])
        else:
            numbers.append(np.asarray(values, dtype=float))
            kept.append(column)
    if not kept:
        raise ValueError(f"{path} holds no column of numbers.")
    if text:
        say(f"{path}: columns that do not hold numbers alone were left out: {few(text)}.")
    if accepted is not None:
        accepted = accepted[kept]
    return [names[i] for i in kept], np.column_stack(numbers), accepted


def _head(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Return the first lines of a file that are no comments, with numbers, and its encoding."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb") as file:
            raw = file.read(1 << 20)
    except (gzip.BadGzipFile, EOFError) as error:
        raise ValueError(f"{path} is damaged, or no gzip file.") from error
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding, errors="strict" if len(raw) < 1 << 20 else "ignore")
    except UnicodeDecodeError:
        encoding = "latin-1"
        text = raw.decode(encoding)
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines()[:50])
        if line.strip() and line[0] != "#"
    ]
    return lines[:20], encoding


def _is_number(field: str) -> bool:
    try:
        float(field.replace(",", "."))
    except ValueError:
        return field.lower() in _EMPTY
    return True


def _is_header(row: list[str], last: list[str]) -> bool:
    """Tell a row with text where the last row has a number, or text in a row of another length."""
    text = [not _is_number(field) for field in row]
    if len(row) != len(last):
        return any(text)
    return any(t and _is_number(other) for t, other in zip(text, last, strict=True))


def _is_numbering(first: list[str], second: list[str]) -> bool:
    """Tell a header of whole numbers in order, as pandas writes it, from a row of values."""
    numbered = first[1:] if first[0] == "" else first  # a column of row names has no name
    if not all(re.fullmatch(r"\d+", field) for field in numbered) or len(first) < 2:
        return False
    numbers = np.array([int(field) for field in numbered])
    return bool((np.diff(numbers) == 1).all()) and first != second


def _as_seconds(pandas: Any, values: Any) -> Any:
    """Return dates or lengths of time as seconds from the first; None if they are none."""
    for convert in (pandas.to_timedelta, pandas.to_datetime):
        with warnings.catch_warnings(), contextlib.suppress(ValueError, TypeError):
            warnings.simplefilter("ignore", UserWarning)  # dates of no common form are tried too
            times = convert(values)
            return (times - times.iloc[0]).dt.total_seconds()
    return None
