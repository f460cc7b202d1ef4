"""Several generators side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from calgan.evaluation._result import Evaluation


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several generators against one held-out recording; made by `calgan.compare`."""

    evaluations: dict[str, Evaluation]

    def __getitem__(self, name: str) -> Evaluation:
        return self.evaluations[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.evaluations)
