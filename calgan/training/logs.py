"""The history of a training, written row by row to a table or for TensorBoard."""

from __future__ import annotations

import contextlib
import csv
import os
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from calgan.data.files import replaced
from calgan.data.validation import check_target, shown

History = list[dict[str, Any]]


class Log:
    """A history as it grows; a subclass says where it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.has_failed = False

    def add(self, history: History, *, stacklevel: int = 2) -> None:
        """Write the last row; training does not end for want of disk, and one warning says so."""
        if self.has_failed:
            return
        try:
            self._add(history)
        except OSError as error:
            self.has_failed = True
            warnings.warn(
                f"The history is no longer written to {self.path}: {error.strerror or error}. "
                "Training goes on, and history_ will have it.",
                UserWarning,
                stacklevel=stacklevel,
            )

    def close(self, history: History) -> None:
        """Write what changed of the last row, and close the file."""

    def flush(self) -> None:
        """Write what waits in memory."""

    def _add(self, history: History) -> None:
        raise NotImplementedError


class _Table(Log):
    """A CSV file, which has a column for each quantity that a row of the history may have."""

    def __init__(self, path: Path, history: History, later: list[str]) -> None:
        super().__init__(path)
        if path.exists():
            with open(path, encoding="utf-8", errors="replace") as file:
                start = file.read(5)
            if start not in ("", "step,"):
                raise ValueError(
                    f"log={str(path)!r} is no history of a training, and would be replaced: "
                    "choose another name."
                )
        self.later, self.columns = later, list[str]()
        if history or not path.exists():  # else a former table stays until there is a first row
            self._write_all(history)

    def _write_all(self, history: History) -> None:
        names = dict.fromkeys(name for row in history for name in row)
        if history:
            names |= dict.fromkeys(self.later)
        # Figures of checks come last; a history that was loaded has its names in another order.
        self.columns = sorted(names, key=lambda n: (n.startswith("val_"), n != "step", n))
        with replaced(self.path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            if self.columns:
                writer.writeheader()
            writer.writerows(history)

    def _add(self, history: History) -> None:
        if history[-1].keys() - set(self.columns):
            self._write_all(history)
            return
        with open(self.path, "a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(history[-1])

    def close(self, history: History) -> None:
        """Write it anew: a last check may have come, and rows may have gone."""
        if history and not self.has_failed:
            with contextlib.suppress(OSError):
                self._write_all(history)


class _Events(Log):
    """A folder of events for TensorBoard."""

    def __init__(self, folder: Path, history: History) -> None:
        super().__init__(folder)
        from torch.utils.tensorboard import SummaryWriter

        # What a run that was killed wrote of later steps is not shown.
        self.writer = SummaryWriter(str(folder), purge_step=len(history) + 1)
        self.last: dict[str, Any] = {}

    def _add(self, history: History) -> None:
        self.last = dict(history[-1])
        for name, value in self.last.items():
            if name != "step":
                self.writer.add_scalar(name, value, self.last["step"])

    def flush(self) -> None:
        """Write what waits in memory."""
        self.writer.flush()

    def close(self, history: History) -> None:
        """Write a last check that came after its row."""
        if history and history[-1]["step"] == self.last.get("step"):
            for name in history[-1].keys() - self.last.keys():
                self.writer.add_scalar(name, history[-1][name], self.last["step"])
        self.writer.close()


@contextlib.contextmanager
def logged(path: Any, history: History, later: list[str]) -> Iterator[Log | None]:
    """Log a history while it grows, in place; `later` names quantities that rows may have later."""
    if path is None:
        yield None
        return
    log = _Table(Path(path), history, later) if _is_table(path) else _Events(Path(path), history)
    try:
        yield log
    finally:
        log.close(history)


def check_log(path: Any) -> None:
    """Refuse what is neither None, nor the name of a table, nor that of a folder."""
    if path is None:
        return
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            "log must be None, a file such as 'history.csv', or a folder for TensorBoard, got "
            f"{shown(path)}."
        )
    if _is_table(path):
        check_target(path)
    elif Path(path).is_file():
        raise NotADirectoryError(
            f"log={str(path)!r} is a file: name one that ends in .csv, or a folder for TensorBoard."
        )
    elif find_spec("tensorboard") is None:
        raise ImportError(
            f"log={str(path)!r} is a folder for TensorBoard, which is not installed: pip install "
            "'calgan[tensorboard]', or name a file that ends in .csv."
        )


def _is_table(path: Any) -> bool:
    return Path(path).suffix.lower() == ".csv"
