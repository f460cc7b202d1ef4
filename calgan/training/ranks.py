"""Several processes that take every step of one training together, and one process alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from lightning_fabric.plugins.environments import ClusterEnvironment, SLURMEnvironment
from torch import nn

from calgan.training.devices import cpu_state

Rows = TypeVar("Rows", torch.Tensor, np.ndarray)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Place(ClusterEnvironment):
    """Which of the processes of a training this is, and where they meet."""

    rank: int
    n: int
    address: str
    port: int
    rank_here: int  # among those on this computer
    stop: Path | None = None  # file that asks all of them to end training between two steps
    parent: int | None = None  # process that started them

    def __str__(self) -> str:
        return f"process {self.rank + 1} of {self.n}"

    # What Fabric asks for.
    creates_processes_externally = True
    main_address = property(lambda self: self.address)
    main_port = property(lambda self: self.port)

    @staticmethod
    def detect() -> bool:
        """Return False: a place is handed over."""
        return False

    def world_size(self) -> int:
        """Return the number of processes."""
        return self.n

    def set_world_size(self, size: int) -> None:
        """Do nothing: it is known."""

    def global_rank(self) -> int:
        """Return the number of this one."""
        return self.rank

    def set_global_rank(self, rank: int) -> None:
        """Do nothing: it is known."""

    def local_rank(self) -> int:
        """Return the number of its device; a scheduler may show each process one GPU alone."""
        n_gpus = torch.cuda.device_count()
        return self.rank_here % n_gpus if n_gpus else self.rank_here

    def node_rank(self) -> int:
        """Return 0: nothing depends on it."""
        return 0


def place_of_script() -> Place | None:
    """Return the place of this process if torchrun or SLURM's srun started several of a script."""
    known = os.environ
    if "TORCHELASTIC_RUN_ID" in known and int(known["WORLD_SIZE"]) > 1:
        rank, n, port, rank_here = (
            int(known[name]) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", "LOCAL_RANK")
        )
        return Place(rank, n, known["MASTER_ADDR"], port, rank_here)
    if int(known.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and "SLURM_PROCID" in known:
        rank, n, rank_here = (
            int(known[f"SLURM_{name}"]) for name in ("PROCID", "STEP_NUM_TASKS", "LOCALID")
        )
        # Every process of a job finds the same, as Fabric would.
        first = SLURMEnvironment.resolve_root_node_address(known["SLURM_NODELIST"])
        port = int(known.get("MASTER_PORT", 15000 + int(known["SLURM_JOB_ID"][-4:])))
        return Place(rank, n, known.get("MASTER_ADDR", first), port, rank_here)
    return None


class Ranks:
    """What the processes of a training agree on; one alone agrees with itself."""

    def __init__(self, fabric: Any, place: Place | None = None) -> None:
        self.fabric, self.place = fabric, place
        self.rank, self.n = (0, 1) if place is None else (place.rank, place.n)
        fabric.barrier()

    @property
    def is_first(self) -> bool:
        """Whether this process writes files, and talks."""
        return self.rank == 0

    def share(self, rows: Rows) -> Rows:
        """Return the rows of a batch that this process takes."""
        size = len(rows) // self.n
        return rows[self.rank * size : (self.rank + 1) * size]

    def average_gradients(self, module: nn.Module) -> None:
        """Give each process the mean of all gradients, which is that of the whole batch."""
        if self.n == 1:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        # One message for all: each has a cost of its own.
        flat = self.fabric.all_reduce(torch.cat([each.flatten() for each in gradients]))
        for each, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            each.copy_(mean.view_as(each))

    def make_alike(self, modules: Iterable[nn.Module]) -> None:
        """Give modules the first process's weights: computers differ in the last digit."""
        for module in modules if self.n > 1 else ():
            module.load_state_dict(self.of_first(cpu_state(module)))

    def check_alike(self, fingerprint: str) -> None:
        """Refuse data that are not those of the first process."""
        if self.of_first(fingerprint) != fingerprint:
            raise ValueError(
                f"{self.place} was given other windows than the first: give all of them the same."
            )

    def mean(self, row: dict[str, float]) -> dict[str, float]:
        """Return the means of figures over the processes."""
        if self.n == 1:
            return row
        values = torch.tensor(list(row.values()), dtype=torch.float64, device=self._device)
        return dict(zip(row, self.fabric.all_reduce(values).tolist(), strict=True))

    def any(self, flag: bool) -> bool:
        """Tell whether any process says so."""
        if self.n == 1:
            return flag
        flags = torch.tensor(float(flag), device=self._device)
        return bool(self.fabric.all_reduce(flags, reduce_op="sum") > 0)

    def interrupted(self, told: bool) -> bool:
        """Tell whether any process was told to end, by Ctrl-C or the one that started them."""
        if self.place is None:
            return told
        if self.place.parent not in (None, os.getppid()):
            raise RuntimeError("The process that started this one is gone.")
        return self.any(told or (self.place.stop is not None and self.place.stop.exists()))

    def of_first(self, value: Value) -> Value:
        """Return the first process's value in all of them."""
        return value if self.n == 1 else self.fabric.broadcast(value)

    def by_first(self, function: Callable[[], Value]) -> Value:
        """Call a function in the first process alone; return its result in all of them."""
        return self.of_first(function() if self.is_first else None)  # type: ignore[return-value]

    @property
    def _device(self) -> torch.device:
        return self.fabric.device
