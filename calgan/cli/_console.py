"""Notes, warnings and faults on stderr, one line each, and exit codes."""

from __future__ import annotations

import errno
import math
import os
import re
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from calgan.training.interrupts import SIGNALS, handled

FAULT, INTERRUPTED = 1, 130
_TOLD_TWICE = 1.0  # s in which the cluster and the parent may tell a process the same
# Errors that are sentences for a user; of any other the type is told as well.
_SENTENCES = (ValueError, TypeError, OSError, ImportError, AttributeError)


@dataclass
class Console:
    """Choices of the call."""

    quiet: bool = False
    debug: bool = False
    bars: bool = True
    about: str = ""  # recording that lines are about, where there are several
    options: frozenset[str] = frozenset()  # names of the command's


console = Console()


def note(text: str) -> None:
    """Say what is done, unless it shall be quiet."""
    if not console.quiet:
        tell(text)


def verbosity() -> int | None:
    """Return the ``verbose`` of what shows progress."""
    return None if console.bars and not console.quiet else 0


def tell(text: str) -> None:
    """Write one line to stderr."""
    about = f"{console.about}: " if console.about else ""
    line = f"calgan: {about}{' '.join(text.split())}"
    if "tqdm" in sys.modules:  # keeps out of the way of its bars
        sys.modules["tqdm"].tqdm.write(f"{line}\n", file=sys.stderr, end="")  # written at once
    else:
        click.echo(line, err=True)


def guard(work: Callable[[], int | None]) -> int:
    """Do work and return its exit code; a fault becomes one line."""
    warnings.showwarning = lambda message, *_, **__: tell(f"warning: {as_options(str(message))}")
    try:
        code = work() or 0
        sys.stdout.flush()
        return code
    except (KeyboardInterrupt, click.Abort) as end:
        if isinstance(end.__cause__, EOFError):  # click takes the end of a file for Ctrl-D
            return _fault(end.__cause__)
        tell("interrupted; files that are complete stay, and nothing else was written.")
        return INTERRUPTED
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        if getattr(error, "errno", None) == errno.EPIPE:  # whoever read the output went away
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAULT
        return _fault(error)


def _fault(error: Exception) -> int:
    if console.debug:
        traceback.print_exception(error)
    tell(_sentence(error))
    return FAULT


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = str(error) or "out of memory" * isinstance(error, MemoryError)
    if isinstance(error, _SENTENCES) and text:
        return as_options(text)
    return f"{type(error).__name__}: {text} (--debug shows where.)"


def as_options(text: str) -> str:
    """Name a parameter as the command does: ``--frame-rate`` for ``frame_rate=...``."""

    def option(found: re.Match[str]) -> str:
        if found[1] not in console.options:
            return found[0]
        return f"--{found[1].replace('_', '-')} {found[2] or ''}".rstrip()

    return re.sub(r"\b(\w+)=(?:\.\.\.|True|'(\w+)'|(?=[.)]))", option, text)


@contextmanager
def interruptible() -> Iterator[None]:
    """Take a request to end, as a cluster sends it, for Ctrl-C."""
    last = -math.inf

    def interrupt(number: int, frame: Any) -> None:
        nonlocal last
        now, before = time.monotonic(), last
        last = now
        if now - before > _TOLD_TWICE:
            raise KeyboardInterrupt

    numbers = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    with handled(dict.fromkeys(numbers, interrupt)):
        yield
