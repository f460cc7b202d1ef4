"""The recordings that recipes are compared on: real ones from files, and simulated ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fidelity import _truth
from calgan import Recording
from calgan.model_selection import train_test_blocks


@dataclass(frozen=True)
class RealSource:
    """A file of real traces.

    Parameters
    ----------
    file : str
        Name of the file, without ``.npz``.
    label : str
        What the table calls it.
    window : int
        Frames a window.
    unseen : bool
        Whether it checks the defaults: it was looked at, but not tuned on.
    every : int
        Takes every so many cells, of a recording that has a great many.
    """

    file: str
    label: str
    window: int
    unseen: bool = False
    every: int = 1


REAL = {
    "s1-0588": RealSource("population_s1_0588_20180904", "mouse barrel cortex 0588", 256),
    "zebrafish-f3": RealSource(
        "population_zebrafish_tectum_20170215_f3", "zebrafish tectum f3", 128
    ),
    "s1-1140": RealSource(
        "population_s1_1140_20190614", "mouse barrel cortex 1140", 256, unseen=True
    ),
    # The bundled recording: settings of some recipes were chosen on it.
    "zebrafish-zf1": RealSource(
        "population_zebrafish_tectum_cilva_zf1", "zebrafish tectum zf1", 64
    ),
    "allen": RealSource(
        "population_allen_visual_cortex_552195520", "mouse visual cortex", 256, unseen=True
    ),
    "zebrafish-pdp": RealSource(
        "population_zebrafish_pdp_ogb1", "zebrafish pDp, every tenth cell", 64, True, every=10
    ),
}
"""Real recordings by name; windows of 64 where a recording is too short for longer ones."""

TRUTHS = {
    "assemblies": "simulated assemblies (make_process)",
    "dichotomized-gaussian": "simulated dichotomized Gaussian",
}
"""Simulated processes by name."""

RECORDINGS = (*REAL, *TRUTHS)


def load(data: Path, name: str) -> Recording:
    """Read a real recording, its clean cells alone where the file says which they are.

    Parameters
    ----------
    data : Path
        Folder of the files.
    name : str
        A key of `REAL`.

    Returns
    -------
    Recording
    """
    source = REAL[name]
    with np.load(data / f"{source.file}.npz") as file:
        traces = file["traces"]
        if "clean" in file:
            traces = traces[:, file["clean"]]
        return Recording(
            traces[:, :: source.every],
            float(file["frame_rate"]),
            segments=file["segments"],
            units="dF/F",
        )


def split(data: Path, name: str) -> tuple[Recording, Recording, int]:
    """Return the training and the held-out part of a real recording, and the window in frames.

    Parameters
    ----------
    data : Path
        Folder of the files.
    name : str
        A key of `REAL`.

    Returns
    -------
    train, test : Recording
        The first 70 % and the rest, one window apart.
    window : int
        Frames a window.
    """
    window = REAL[name].window
    train, test = train_test_blocks(load(data, name), test_size=0.3, gap=window)
    return train, test, window


def training_data(data: Path | None, name: str, seed: int) -> tuple[Recording, int]:
    """Return what models are fitted on, and the window in frames.

    Parameters
    ----------
    data : Path or None
        Folder of the files of real recordings.
    name : str
        Name of the recording, real or simulated.
    seed : int
        Seed of a simulated one.

    Returns
    -------
    train : Recording
    window : int
    """
    if name in TRUTHS:
        return _truth.training_recording(name, seed), _truth.WINDOW
    if data is None:
        raise ValueError("say where the recordings are: --data FOLDER, or CALGAN_DATA=FOLDER.")
    train, _, window = split(data, name)
    return train, window
