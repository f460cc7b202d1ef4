"""Processes that work together: what they are given, what they return, and how they end."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from typing import Any

import joblib
import numpy as np
import pytest

from calgan.training.devices import make_fabric
from calgan.training.processes import check_devices, together
from calgan.training.ranks import Place, Ranks, place_of_script

pytestmark = pytest.mark.filterwarnings("ignore:Loky-backed parallel loops")


def test_they_share_rows_agree_and_read_arrays_where_they_are() -> None:
    values = np.arange(600_000.0)  # 5 MB: more than is sent to a process

    def work(place: Place) -> dict[str, Any]:
        ranks = Ranks(make_fabric("cpu", "32-true", place), place)
        warnings.warn(f"from {place}", UserWarning, stacklevel=1)
        return {
            "share": ranks.share(np.arange(6)).tolist(),
            "mean": ranks.mean({"own": float(place.rank), "sum": float(values[:3].sum())}),
            "any": (ranks.any(place.rank == 1), ranks.any(False)),
            "told": ranks.interrupted(place.rank == 1),
            "first": ranks.of_first(f"rank {place.rank}"),
            "by first": ranks.by_first(lambda: place.rank),
            "array": type(values).__name__,
            "process": os.getpid(),
        }

    with pytest.warns(UserWarning, match="from process 1 of 2") as told:
        found = together(2, work)
    assert len(told) == 1
    assert found.pop("process") != os.getpid()
    assert found == {
        "share": [0, 1, 2],
        "mean": {"own": 0.5, "sum": 3.0},
        "any": (True, False),
        "told": True,
        "first": "rank 0",
        "by first": 0,
        "array": "memmap",
    }


def test_one_process_alone_agrees_with_itself() -> None:
    ranks = Ranks(make_fabric("cpu"))
    rows = np.arange(5)
    assert ranks.share(rows).tolist() == [0, 1, 2, 3, 4]
    assert ranks.mean({"loss": 2.0}) == {"loss": 2.0}
    assert (ranks.any(True), ranks.interrupted(False)) == (True, False)
    assert ranks.by_first(lambda: 3) == 3


def test_one_that_dies_is_an_error_and_ends_the_others() -> None:
    def work(place: Place) -> None:
        ranks = Ranks(make_fabric("cpu", "32-true", place), place)
        if place.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        ranks.any(True)
        time.sleep(1000.0)

    with pytest.raises(RuntimeError, match="of the 2 processes that trained together died"):
        together(2, work)


def test_an_error_in_one_ends_the_others() -> None:
    def work(place: Place) -> None:
        if place.rank == 1:
            raise ValueError("no such thing")
        time.sleep(1000.0)

    with pytest.raises(ValueError, match="no such thing"):
        together(2, work)


def press_ctrl_c(*seconds: float) -> None:
    for each in seconds:
        threading.Timer(each, os.kill, (os.getpid(), signal.SIGINT)).start()


def test_the_first_ctrl_c_asks_them_to_end_and_the_second_ends_them() -> None:
    def work(place: Place) -> str:
        assert place.stop is not None
        while not place.stop.exists():
            time.sleep(0.01)
        return "asked"

    def deaf(place: Place) -> None:
        time.sleep(1000.0)

    press_ctrl_c(0.5)
    assert together(2, work) == "asked"
    press_ctrl_c(0.5, 1.0)
    with pytest.raises(KeyboardInterrupt):
        together(2, deaf)


def test_the_processes_of_torchrun_and_srun_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    assert place_of_script() is None
    with monkeypatch.context() as patch:
        for name, value in {
            "TORCHELASTIC_RUN_ID": "run",
            "RANK": "5",
            "WORLD_SIZE": "8",
            "LOCAL_RANK": "1",
            "MASTER_ADDR": "node1",
            "MASTER_PORT": "29500",
        }.items():
            patch.setenv(name, value)
        assert place_of_script() == Place(5, 8, "node1", 29500, 1)
        check_devices(8, "cpu")
        with pytest.raises(ValueError, match="devices=2, but 8 processes of this script"):
            check_devices(2, "cpu")
    with monkeypatch.context() as patch:
        for name in ("MASTER_ADDR", "MASTER_PORT"):  # Fabric sets them
            patch.setenv(name, "")
            patch.delenv(name)
        for name, value in {
            "SLURM_STEP_NUM_TASKS": "4",
            "SLURM_PROCID": "3",
            "SLURM_LOCALID": "1",
            "SLURM_JOB_ID": "1234567",
            "SLURM_NODELIST": "gpu[07-08]",
        }.items():
            patch.setenv(name, value)
        assert place_of_script() == Place(3, 4, "gpu07", 15000 + 4567, 1)


@pytest.mark.parametrize(
    ("devices", "device", "message"),
    [
        (0, "cpu", "devices must be"),
        (2.5, "cpu", "devices must be"),
        (2, "cuda:1", "not device='cuda:1'"),
        (2, "mps", "not device='mps'"),
    ],
)
def test_devices_that_cannot_be_are_refused(devices: Any, device: str, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        check_devices(devices, device)


def test_devices_in_threads_of_a_parallel_job_are_refused() -> None:
    run = joblib.Parallel(n_jobs=2, backend="threading")
    with pytest.raises(ValueError, match="inside this parallel job: set devices=1"):
        run(joblib.delayed(check_devices)(2, "cpu") for _ in range(2))


def test_each_task_of_a_slurm_job_may_train_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "3")
    fabric = make_fabric("cpu")
    assert (fabric.world_size, fabric.global_rank) == (1, 0)
