"""Trains a network in processes that are killed again and again, and prints what came of it.

``python killed_trainings.py FOLDER FAMILY KILLS EVERY SEED``. Each training is a fork, so that
torch is imported once. Half of them are killed at a random time, half in the middle of a save.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import calgan
from calgan import CalciumFlow, CalciumGAN, Windower
from calgan.datasets import make_recording

torch.set_num_threads(1)
STEPS = 16
SMALL: dict[str, Any] = {"filters": 4, "batch_size": 8, "max_iter": STEPS, "verbose": 0}
# The last check is off the schedule.
SMALL |= {"random_state": 0, "settings": {"check_every": 6}}


def generator(family: str, **files: Any) -> Any:
    return {"gan": CalciumGAN, "flow": CalciumFlow}[family](**SMALL, **files)


def leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the tensors of nested dicts by name."""
    if isinstance(tree, dict):
        for key, each in tree.items():
            yield from leaves(each, f"{name}/{key}")
    else:
        yield name, tree.tolist()


def all_of(model: Any) -> dict[str, Any]:
    """Return all that a training leaves, as JSON can hold and compare it."""
    saved = model._to_save()
    return {
        "networks": dict(leaves(saved["networks"])),  # weights, best weights, moments
        "training": saved["training"],
        "history": model.history_,
        "best": model.best_iter_,
        "stopped": model.stopped_,
        "summary": model.fit_summary_,
        "samples": model.sample(4).tolist(),
    }


def die_in_a_save(number: int) -> None:
    """Be killed before the call of that number that brings a file to the disk, or renames it."""
    calls = 0

    def dying(plain: Any) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*arguments)

        return call

    os.fsync, os.replace = dying(os.fsync), dying(os.replace)


def main(folder: Path, family: str, kills: int, every: float, seed: int) -> None:
    warnings.simplefilter("ignore")
    recording, _ = make_recording(40.0, n_neurons=3, random_state=0)
    windows = Windower(16).fit_transform(recording)
    checkpoint, log, done = folder / "run.ckpt", folder / "run.csv", folder / "done.json"
    rng = np.random.default_rng(seed)
    killed: list[dict[str, Any]] = []

    def train(dies_at: int = 0) -> int:
        child = os.fork()
        if child == 0:
            die_in_a_save(dies_at)
            files = {"checkpoint": checkpoint, "checkpoint_every": every, "log": log}
            began = time.monotonic()
            found = all_of(generator(family, **files).fit(windows))
            done.write_text(json.dumps(found | {"seconds": time.monotonic() - began}))
            os._exit(0)
        return child

    def ended(child: int) -> dict[str, Any]:
        assert os.waitpid(child, 0)[1] == 0
        return json.loads(done.read_text())

    seconds = ended(train())["seconds"]
    while len(killed) < kills:
        if not killed or not checkpoint.exists() or calgan.load(checkpoint).stopped_ == "max_iter":
            for file in (checkpoint, log):
                file.unlink(missing_ok=True)
        in_a_save = len(killed) % 2 == 1
        child = train(dies_at=int(rng.integers(4, 20)) if in_a_save else 0)
        if not in_a_save:
            time.sleep(rng.uniform(0.1, 1.0) * seconds)
            os.kill(child, signal.SIGKILL)
        if os.waitpid(child, 0)[1] == 0:  # it was faster
            continue
        there = checkpoint.exists()
        killed.append(
            {
                "logged": max(log.read_bytes().count(b"\n") - 1, 0) if log.exists() else 0,
                "saved": calgan.load(checkpoint).n_iter_ if there else 0,
                "in_a_save": any(each.name.startswith(".run.ckpt") for each in folder.iterdir()),
            }
        )
    resumed, rerun = ended(train()), ended(train())
    whole = json.loads(json.dumps(all_of(generator(family).fit(windows))))
    found = {
        "killed": killed,
        "unlike": [key for key in whole if resumed[key] != whole[key]],
        "rerun_unlike": [key for key in whole if rerun[key] != whole[key]],
        "left": sorted(path.name for path in folder.iterdir()),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    place, kind, number, interval, start = sys.argv[1:]
    main(Path(place), kind, int(number), float(interval), int(start))
