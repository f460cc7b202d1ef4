"""Several recordings side by side, one process each."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import connection, get_context
from typing import Any

from joblib import cpu_count

from calgan.cli._console import FAULT, INTERRUPTED, Console, console, guard, interruptible, tell


def for_each(command: str, calls: Sequence[dict[str, Any]], jobs: int) -> int:
    """Do a command for each recording, its arguments given by name; return the exit code of all.

    A recording with a fault does not keep the others from being done; Ctrl-C does.
    """
    if len(calls) == 1:
        return _work(command, calls[0])
    if jobs == 1:
        codes = []
        for call in calls:
            console.about = call["name"]
            codes.append(guard(functools.partial(_work, command, call)))
            if codes[-1] == INTERRUPTED:
                break
        console.about = ""
        return _worst(codes)
    return _side_by_side(command, calls, min(jobs, len(calls)))


def _work(command: str, call: dict[str, Any]) -> int:
    # Imported by the process that works, where Ctrl-C is one line already.
    return getattr(importlib.import_module(f"calgan.cli._{command}"), command)(**call)


def _side_by_side(command: str, calls: Sequence[dict[str, Any]], jobs: int) -> int:
    # Threads of linear algebra share the cores.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cpu_count() // jobs)))
    context = get_context("spawn")
    waiting = [
        context.Process(
            target=_child, args=(command, call, replace(console, bars=False, about=call["name"]))
        )
        for call in calls
    ]
    started: list[Any] = []
    running: list[Any] = []
    interrupted = False
    while waiting or running:
        try:
            while waiting and len(running) < jobs:
                started.append(waiting.pop(0))
                started[-1].start()
                running.append(started[-1])
            connection.wait([process.sentinel for process in running])
        except KeyboardInterrupt:  # told to those that run, each time that it comes
            interrupted = True
            waiting.clear()
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)
        running = [process for process in running if process.is_alive()]
    if interrupted:
        return INTERRUPTED
    for process, call in zip(started, calls, strict=True):
        if process.exitcode < 0:
            tell(
                f"{call['name']}: ended by signal {-process.exitcode}, perhaps for want of memory."
            )
    return _worst([FAULT if process.exitcode < 0 else process.exitcode for process in started])


def _child(command: str, call: dict[str, Any], choices: Console) -> None:
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C reaches the parent alone, which tells each child once
    vars(console).update(vars(choices))
    with interruptible():
        raise SystemExit(guard(lambda: _work(command, call)))


def _worst(codes: Sequence[int]) -> int:
    return INTERRUPTED if INTERRUPTED in codes else max(codes)
