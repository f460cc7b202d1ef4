"""Memory of networks that learn a recording larger than memory, and the time before their steps.

A recording of 1,000 neurons is generated and written in pieces as npy, HDF5 or zarr. Each network
reads, trains and samples it in a process of its own, and prints

- open: seconds that `read_recording` takes, which reads the file once for NaN;
- first step: seconds from the call of `fit` to the first step of an optimiser;
- peak: largest resident set (VmHWM), file pages included, up to the end of `fit` and in `sample`;
- anonymous: largest anonymous memory (RssAnon), looked at every 20 ms.

The file is left out of the page cache before each network. Linux only.

    python benchmarks/large_recording.py /tmp/large --gigabytes 20
    python benchmarks/large_recording.py /tmp/large --format hdf5 --networks compact flow
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from scipy.signal import lfilter

NEURONS, RATE, CHUNK = 1000, 30.0, 4096
WINDOW, BATCH, STEPS, SAMPLES = 64, 8, 5, 100
LIMIT_GB = 3.0
NETWORKS = ("compact", "relativistic", "1d", "2d", "2d-sorted", "2d-fft", "2d-fft-packed", "flow")
SUFFIXES = {"npy": "npy", "hdf5": "h5", "zarr": "zarr"}


def pieces(n_frames: int) -> Iterator[np.ndarray]:
    """Yield spikes filtered by an exponential decay, with noise, in pieces of frames."""
    rng = np.random.default_rng(0)
    state = np.zeros((1, NEURONS), dtype=np.float32)
    for first in range(0, n_frames, CHUNK):
        shape = (min(CHUNK, n_frames - first), NEURONS)
        spikes = (rng.random(shape, dtype=np.float32) < 0.02).astype(np.float32)
        calcium, state = lfilter([1.0], [1.0, -0.95], spikes, axis=0, zi=state)
        yield (calcium + 0.2 * rng.standard_normal(shape, dtype=np.float32)).astype(np.float32)


def generate(path: Path, format: str, n_frames: int) -> None:
    """Write the recording."""
    shape, chunks = (n_frames, NEURONS), (256, NEURONS)
    with ExitStack() as stack:
        target: Any
        if format == "npy":
            target = open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        elif format == "hdf5":
            import h5py

            file = stack.enter_context(h5py.File(path, "w"))
            target = file.create_dataset("traces", shape, np.float32, chunks=chunks)
        else:
            import zarr

            group = zarr.open_group(path, mode="w")
            target = group.create_array(
                "traces", shape=shape, dtype="f4", chunks=chunks, compressors=None
            )
        first = 0
        for piece in pieces(n_frames):
            target[first : first + len(piece)] = piece
            first += len(piece)


def forget(path: Path) -> None:
    """Take a file, or the files of a folder, out of the page cache."""
    for name in [path] if path.is_file() else path.rglob("*"):
        if name.is_file():
            handle = os.open(name, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def status(name: str) -> float:
    """Return a figure of /proc/self/status in GB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) * 1024 / 1e9


def watched(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what `work` returns, and the peaks of resident and anonymous memory (GB)."""
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    done, anonymous = threading.Event(), [0.0]

    def watch() -> None:
        while not done.wait(0.02):
            anonymous[0] = max(anonymous[0], status("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = work()
    finally:
        done.set()
        watcher.join()
    return result, status("VmHWM"), max(anonymous[0], status("RssAnon"))


def measure(path: Path, network: str) -> bool:
    """Train one network and sample; tell whether memory stayed below the limit."""
    import warnings

    from torch.optim.optimizer import register_optimizer_step_pre_hook

    from calgan import make_calcium_pipeline, read_recording

    warnings.simplefilter("ignore")  # so few steps match nothing
    generator, params = ("flow", {}) if network == "flow" else ("gan", {"variant": network})
    times: dict[str, float] = {}

    def fit() -> Any:
        times["start"] = time.perf_counter()
        recording = read_recording(path, frame_rate=RATE)
        times["open"] = time.perf_counter()
        model = make_calcium_pipeline(
            generator,
            window=WINDOW,
            random_state=0,
            batch_size=BATCH,
            max_iter=STEPS,
            verbose=0,
            **params,
        )
        return model.fit(recording)

    hook = register_optimizer_step_pre_hook(
        lambda *_: times.setdefault("step", time.perf_counter()) and None
    )
    model, peak, anonymous = watched(fit)
    hook.remove()
    end = time.perf_counter()
    drawn, peak_drawn, anonymous_drawn = watched(lambda: model.sample(SAMPLES))
    assert drawn.shape == (SAMPLES, WINDOW, NEURONS)
    print(
        f"{network:14s} open {times['open'] - times['start']:5.0f} s, "
        f"first step {times['step'] - times['open']:5.0f} s, whole {end - times['start']:5.0f} s | "
        f"fit: peak {peak:.2f} GB, anonymous {anonymous:.2f} GB | "
        f"sample: peak {peak_drawn:.2f} GB, anonymous {anonymous_drawn:.2f} GB",
        flush=True,
    )
    return max(peak, peak_drawn) < LIMIT_GB


def main() -> None:
    """Generate the recording, and measure each network in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--format", choices=SUFFIXES, default="npy")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # in this process
    options = parser.parse_args()
    path = options.folder / f"large.{SUFFIXES[options.format]}"
    if options.measure:
        sys.exit(0 if measure(path, options.measure) else f"above the bar of {LIMIT_GB:g} GB")
    options.folder.mkdir(parents=True, exist_ok=True)
    n_frames = int(options.gigabytes * 1e9 / 4 / NEURONS)
    if shutil.disk_usage(options.folder).free < 2 * options.gigabytes * 1e9:
        sys.exit(f"{options.folder} has not twice the {options.gigabytes:g} GB free")
    try:
        start = time.perf_counter()
        generate(path, options.format, n_frames)
        print(
            f"{options.format}, {n_frames} frames x {NEURONS} neurons, {options.gigabytes:g} GB, "
            f"windows of {WINDOW} frames at stride 1, batch {BATCH}, {STEPS} steps "
            f"(written in {time.perf_counter() - start:.0f} s)",
            flush=True,
        )
        failed = False
        for network in options.networks:
            forget(path)
            command = [sys.executable, __file__, str(options.folder), "--measure", network]
            failed |= subprocess.run([*command, "--format", options.format]).returncode != 0
        sys.exit(int(failed))
    finally:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
