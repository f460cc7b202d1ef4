"""Networks that several processes train together, against the same ones trained in one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import calgan
from calgan import CalciumFlow, CalciumGAN, Windower
from calgan.data.windows import WindowView
from calgan.datasets import make_recording
from calgan.training.loop import clock

STEPS = 20
SMALL: dict[str, Any] = {"filters": 4, "batch_size": 8, "max_iter": STEPS, "device": "cpu"}
SMALL |= {"random_state": 0, "verbose": 0}
CASES = {
    # Adam makes large steps of rounding, where a gradient is 0: they must be small ones.
    "flow": lambda **params: CalciumFlow(
        **SMALL | {"learning_rate": 5e-4, "settings": {"check_every": 8}} | params
    ),
    "1d": lambda **params: CalciumGAN("1d", **SMALL | {"settings": {"n_critic": 2}} | params),
    "2d": lambda **params: CalciumGAN("2d", **SMALL | {"settings": {"n_critic": 1}} | params),
    "relativistic": lambda **params: CalciumGAN(
        "relativistic", **SMALL | {"settings": {"matching": 0.0, "check_every": 8}} | params
    ),
}


@pytest.fixture(scope="module")
def windows() -> WindowView:
    recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    return Windower(32, stride=4).fit_transform(recording)


def networks(model: Any) -> dict[str, torch.Tensor]:
    names = [name for name in ("generator_", "critic_") if hasattr(model, name)]
    return {f"{n}.{key}": v for n in names for key, v in getattr(model, n).state_dict().items()}


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_what_one_does(windows: WindowView, name: str) -> None:
    one, two = (CASES[name](devices=n).fit(windows) for n in (1, 2))
    expected, found = networks(one), networks(two)
    assert expected.keys() == found.keys()
    for key, values in expected.items():
        torch.testing.assert_close(found[key], values, rtol=0, atol=1e-5, msg=key)
    assert len(two.history_) == STEPS
    for row, other in zip(one.history_, two.history_, strict=True):
        assert row == pytest.approx(other, rel=1e-3, abs=1e-4)
    assert one.history_[0] == pytest.approx(two.history_[0], rel=1e-5, abs=1e-6)
    assert (two.stopped_, two.best_iter_) == (one.stopped_, one.best_iter_)
    assert two.fit_summary_.keys() == one.fit_summary_.keys()
    np.testing.assert_allclose(two.sample(3), one.sample(3), rtol=1e-3, atol=1e-4)
    assert two.get_params() == CASES[name](devices=2).get_params()


def test_a_training_goes_on_in_two_processes_bit_for_bit(
    windows: WindowView, tmp_path: Path
) -> None:
    whole = CASES["flow"](devices=2).fit(windows)
    file = {"checkpoint": tmp_path / "flow.calgan", "checkpoint_every": 0.0}
    CASES["flow"](devices=2, max_iter=7, **file, log=tmp_path / "log.csv").fit(windows)
    assert calgan.load(file["checkpoint"]).n_iter_ == 7
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 7
    part = CASES["flow"](devices=2, **file).fit(windows)
    assert part.history_ == whole.history_
    for key, values in networks(whole).items():
        assert torch.equal(networks(part)[key], values), key
    part.set_params(max_iter=STEPS + 2, warm_start=True, checkpoint=None).fit(windows)
    assert part.n_iter_ == STEPS + 2
    assert part.history_[:STEPS] == [
        {k: v for k, v in row.items() if row is not whole.history_[-1] or k in ("step", "loss")}
        for row in whole.history_
    ]


def test_limits_end_all_processes(windows: WindowView) -> None:
    started = clock()
    limited = CASES["flow"](devices=2, max_iter=10**6, max_time=1.0).fit(windows)
    assert limited.stopped_ == "max_time"
    assert clock() - started < 60.0
    early = CASES["flow"](
        devices=2, max_iter=10**6, settings={"check_every": 1, "n_iter_no_change": 1}
    ).fit(windows)
    assert early.stopped_ == "early stopping"


def test_ctrl_c_keeps_what_two_processes_learnt(windows: WindowView) -> None:
    CASES["flow"](devices=2, max_iter=1).fit(windows)  # the processes are there
    threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    flow = CASES["flow"](devices=2, max_iter=10**6)
    with pytest.warns(UserWarning, match="Training was interrupted after") as told:
        flow.fit(windows)
    assert told[0].filename == __file__
    assert flow.stopped_ == "interrupted"
    assert flow.n_iter_ >= 1
    assert flow.sample(2).shape == (2, 32, 5)


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (CalciumGAN(devices=2), "CalciumGAN .compact.: it matches statistics of whole batches"),
        (CalciumGAN("relativistic", devices=2), "The published variants .* and CalciumFlow can"),
        (CalciumFlow(devices=2, batch_size=9), "cannot share batches of 9 windows evenly"),
        (CalciumFlow(devices=3, batch_size=10**6), "set batch_size to a multiple of 3"),
        (CalciumFlow(devices=0), "devices must be"),
    ],
    ids=["compact", "relativistic", "odd", "few-windows", "none"],
)
def test_what_cannot_be_shared_is_refused(
    windows: WindowView, generator: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        generator.fit(windows[:100])
    assert not hasattr(generator, "generator_")


SCRIPT = """
import sys, os
import torch
import calgan
from calgan import CalciumFlow, Windower
from calgan.datasets import make_recording
print("the script runs")
recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
windows = Windower(32, stride=4).fit_transform(recording)
flow = CalciumFlow(devices=2, filters=4, batch_size=8, max_iter=3, device="cpu", verbose=0)
flow.fit(windows).save(sys.argv[1] + os.environ.get("RANK", "") + ".calgan")
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [[], ["-m", "torch.distributed.run", "--nproc-per-node=2"]])
def test_scripts_need_no_main_guard_and_are_used_as_torchrun_starts_them(
    tmp_path: Path, launcher: list[str]
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = str(Path(calgan.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, *launcher, str(script), str(tmp_path / "model")],
        env=os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    models = [calgan.load(path) for path in sorted(tmp_path.glob("*.calgan"))]
    assert len(models) == done.stdout.count("the script runs") == (2 if launcher else 1)
    for model in models:  # the seed is the first one's
        assert model.seed_ == models[0].seed_
        for key, values in networks(models[0]).items():
            assert torch.equal(networks(model)[key], values), key
