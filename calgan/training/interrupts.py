"""Ctrl-C, and work that it must not break in the middle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def handled(handlers: Mapping[signal.Signals, Any]) -> Iterator[None]:
    """Handle signals otherwise for a while; only the main thread may, and only it gets them."""
    former = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                if signal.getsignal(number) is not None:  # a handler in C could not be restored
                    former[number] = signal.signal(number, handler)
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def uninterrupted() -> AbstractContextManager[None]:
    """Let work be completed, however often Ctrl-C is pressed."""
    return handled(dict.fromkeys(SIGNALS, signal.SIG_IGN))


@contextmanager
def whole_steps(interrupted: Callable[[bool], bool] = bool) -> Iterator[Callable[[], None]]:
    """Hold the first Ctrl-C back until the function given is called between two steps.

    `interrupted` is told whether it came, and may know that it came to another process.

    The handlers in force are called when a signal comes, as ever, and say what it means: the first
    KeyboardInterrupt that one of them raises is held back, the second is raised at once.
    """
    told, raised = False, False

    def between() -> None:
        nonlocal raised
        if not raised and interrupted(told):
            raised = True
            raise KeyboardInterrupt

    def holding(former: Callable[[int, Any], Any]) -> Callable[[int, Any], None]:
        def handle(number: int, frame: Any) -> None:
            nonlocal told, raised
            try:
                former(number, frame)
            except KeyboardInterrupt:
                if told:
                    raised = True
                    raise
                told = True

        return handle

    former = {number: signal.getsignal(number) for number in SIGNALS}
    with handled({n: holding(handler) for n, handler in former.items() if callable(handler)}):
        yield between
    between()
