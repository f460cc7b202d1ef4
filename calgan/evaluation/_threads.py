"""Work in threads, with a bar that shows how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import joblib

from calgan.data.progress import progress


class Threads:
    """Runs calls in `n_jobs` threads; see `calgan.data.progress` for `verbose`."""

    def __init__(self, n_jobs: int, verbose: int | None) -> None:
        self.n_jobs, self.verbose = n_jobs, verbose
        # The generator keeps few results waiting: sums of many neurons would fill the memory.
        self._parallel = joblib.Parallel(n_jobs, require="sharedmem", return_as="generator")

    def in_processes(
        self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]
    ) -> Iterator[Any]:
        """Yield the results in order, of processes: for long work that holds Python's lock."""
        parallel = joblib.Parallel(self.n_jobs, return_as="generator")
        yield from parallel(joblib.delayed(function)(*each) for each in arguments)

    def __call__(
        self, what: str, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]
    ) -> Iterator[Any]:
        """Yield the results in order."""
        arguments = list(arguments)
        with progress(self.verbose, f"evaluate: {what}", len(arguments)) as bar:
            for result in self._parallel(joblib.delayed(function)(*each) for each in arguments):
                bar.update()
                yield result
