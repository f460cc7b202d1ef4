"""Starting processes that train together, and finding those that a scheduler started."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from calgan.data.validation import check_integer
from calgan.training.interrupts import SIGNALS, handled
from calgan.training.ranks import Place, place_of_script

# Warnings that are for those who call `fit`.
_TOLD = (UserWarning, RuntimeWarning)


def together(n: int, function: Callable[..., Any]) -> Any:
    """Call ``function(place=...)`` in n processes at once; return the first one's result.

    Processes of torchrun or srun are used where the script runs in some: each returns its own
    result. Else they are started here by joblib, which imports no script again and lets them read
    large arrays from memory or from their files. The first Ctrl-C asks them to end; the second
    ends them. One that dies or fails ends the others, and is an error.
    """
    place = place_of_script()
    if place is None:
        return _in_new_processes(n, function)
    with warnings.catch_warnings():
        if place.rank > 0:
            warnings.simplefilter("ignore")
        return function(place=place)


def check_devices(devices: Any, device: str) -> None:
    """Refuse a number of devices that is not there, once the `device` itself is checked."""
    if check_integer(devices, "devices", minimum=1) == 1:
        return
    if ":" in device or device == "mps":
        raise ValueError(
            f"devices={devices} takes as many processes on a CPU, or GPUs with CUDA, and not "
            f"device={device!r}: use device='cuda', 'cpu' or 'auto'."
        )
    place, n_gpus = place_of_script(), torch.cuda.device_count()
    if place is not None and place.n != devices:
        raise ValueError(
            f"devices={devices}, but {place.n} processes of this script were started together: set "
            f"devices={place.n}, or start {devices}."
        )
    if place is None and device != "cpu" and 0 < n_gpus < devices:
        raise ValueError(
            f"devices={devices} was asked for, but {n_gpus} CUDA devices are visible here: ask for "
            "fewer, or use device='cpu'."
        )
    if place is None and _n_startable(devices) < devices:
        raise ValueError(
            f"devices={devices} starts processes, which cannot be done inside this parallel job: "
            "set devices=1, or run the outer job with n_jobs=1."
        )


def _n_startable(n: int) -> int:
    with warnings.catch_warnings(), parallel_config("loky"):
        warnings.simplefilter("ignore")
        return effective_n_jobs(n)


def _in_new_processes(n: int, function: Callable[..., Any]) -> Any:
    with tempfile.TemporaryDirectory(prefix="calgan-") as folder:
        stop, port, parent = Path(folder) / "stop", _free_port(), os.getpid()
        places = [Place(rank, n, "127.0.0.1", port, rank, stop, parent) for rank in range(n)]
        run = Parallel(n_jobs=n, backend="loky", batch_size=1, pre_dispatch="all")
        try:
            with _asking(stop):
                (result, told), *_ = run(delayed(_work)(function, place) for place in places)
            # Also after the last step, when none of them looks any more.
            if stop.exists() and hasattr(result, "stopped_"):
                result.stopped_ = "interrupted"
        except TerminatedWorkerError as error:
            if stop.exists():
                raise KeyboardInterrupt from None
            raise RuntimeError(
                f"One of the {n} processes that trained together died, as they do when memory runs "
                "out; the others were ended, and nothing was learnt."
            ) from error
    for message, category in told:
        warnings.warn(message, category, stacklevel=5)
    return result


def _work(function: Callable[..., Any], place: Place) -> Any:
    """Call a function in one of the processes; return its result and warnings, if it is the first.

    The process may serve again, so that all is left as it was found.
    """
    former = {name: os.environ.get(name) for name in ("MASTER_ADDR", "MASTER_PORT")}
    n_threads = torch.get_num_threads()
    try:
        # Ctrl-C in a terminal goes to all processes; the one that started them decides.
        with handled({signal.SIGINT: signal.SIG_IGN}), warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always" if place.rank == 0 else "ignore")
            result = function(place=place)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        torch.set_num_threads(n_threads)
        for name, value in former.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    told = [(str(each.message), each.category) for each in seen if issubclass(each.category, _TOLD)]
    return (result, told) if place.rank == 0 else (None, [])


@contextmanager
def _asking(stop: Path) -> Iterator[None]:
    """Turn the first KeyboardInterrupt of a signal's handler into the file that asks to stop."""

    def asking(former: Callable[[int, Any], Any]) -> Callable[[int, Any], None]:
        def handle(number: int, frame: Any) -> None:
            try:
                former(number, frame)
            except KeyboardInterrupt:
                if stop.exists():
                    raise
                stop.touch()

        return handle

    former = {number: signal.getsignal(number) for number in SIGNALS}
    with handled({n: asking(handler) for n, handler in former.items() if callable(handler)}):
        yield


def _free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])
