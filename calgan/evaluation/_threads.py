"""Work in threads, with a bar that shows how far it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from threading import Thread
from typing import Any

import joblib
from joblib.externals.loky import get_reusable_executor

from calgan.data.progress import progress

# As long as joblib lets idle processes wait for more work.
_IDLE_SECONDS = 300


class Threads:
    """Runs calls in `n_jobs` threads; see `calgan.data.progress` for `verbose`."""

    def __init__(self, n_jobs: int, verbose: int | None) -> None:
        self.n_jobs, self.verbose = joblib.effective_n_jobs(n_jobs), verbose

    def start(self, function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
        """Begin a long call beside the others, if there are threads; the result is its value."""
        if self.n_jobs == 1:
            return partial(function, *arguments)
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(function(*arguments))
            except BaseException as error:
                future.set_exception(error)

        # Python does not wait for it at its end, should the call be no longer wanted.
        Thread(target=work, daemon=True).start()
        return future.result

    def __call__(
        self, what: str, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]
    ) -> Iterator[Any]:
        """Yield the results in order."""
        arguments = list(arguments)
        n = len(arguments)
        with progress(self.verbose, f"evaluate: {what}", n, leave=False) as bar:
            if self.n_jobs == 1:
                for each in arguments:
                    yield function(*each)
                    bar.update()
                return
            with ThreadPoolExecutor(self.n_jobs) as pool:
                for result in _in_order(pool, 2 * self.n_jobs, function, arguments):
                    bar.update()
                    yield result

    def in_processes(
        self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]
    ) -> Iterator[Any]:
        """Yield the results in order, of processes: for long work that holds Python's lock."""
        pool = get_reusable_executor(self.n_jobs, timeout=_IDLE_SECONDS)
        yield from _in_order(pool, 2 * self.n_jobs, function, arguments)


def _in_order(
    pool: Executor,
    most_waiting: int,
    function: Callable[..., Any],
    arguments: Iterable[tuple[Any, ...]],
) -> Iterator[Any]:
    """Yield results in order; few wait, as sums of many neurons would fill the memory."""
    waiting: deque[Future[Any]] = deque()
    for each in arguments:
        waiting.append(pool.submit(function, *each))
        if len(waiting) > most_waiting:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
