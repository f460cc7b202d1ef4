"""Recordings of neurons whose spikes were recorded, too: readers of three kinds of folders.

SpikeFinder's pairs may also lie in a folder ``spikefinder`` within one of the other two.

``database``
    ``groundtruth_DSxx-*.npz``, made from the database of Rupprecht et al. (2021),
    https://github.com/HelmchenLabSoftware/Cascade. Recording r of a file is
    ``dff[offsets[r]:offsets[r + 1]]`` at ``frame_rate[r]``, and ``spike_counts`` bins its spikes.
``cascade``
    The database itself: folders ``DSxx-*`` of ``CAttached_*.mat``.
``spikefinder``
    ``x.train.calcium.csv`` and ``x.train.spikes.csv``, also ``.gz``, of http://spikefinder.org.
    Cells of ``x.test.calcium.csv`` belong to the same set, if their spikes are there, too.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from calgan import Recording, read_recording
from calgan.io import finite_segments

# Sets that hold the same cells, found by comparing spike trains. Each cell of these of SpikeFinder
# correlates with its own of the database by 0.84 to 0.93 in bins of 10 ms, with a lag of at most
# 20 ms, and with none of the others above 0.34. SpikeFinder's fourth set has no cell above 0.28.
# Within the database, two neurons share at most 36 % of their sequences of four intervals (to 1 ms)
# if they spike fast and regularly, as two of DS24, and else less than 10 %: no two are the same.
SAME_CELLS = {"SF5": "DS16", "SF6": "DS17"}
SAME_ANIMALS = "DS33 holds other cells of some animals of DS28, DS30 and DS31."


@dataclass(frozen=True)
class Cell:
    """A neuron and its recordings; ``metadata["spikes"]`` holds the true spikes per frame (T, 1).

    Recordings at another frame rate are another cell's, under the same name.
    """

    dataset: str
    neuron: str
    recordings: tuple[Recording, ...]

    def joined(self) -> Recording:
        """Return the recordings as segments of one, as what a network learns from."""
        starts = np.cumsum([0, *map(len, self.recordings)])[:-1]
        segments = [
            part.segments + start for part, start in zip(self.recordings, starts, strict=True)
        ]
        spikes = np.concatenate([part.metadata["spikes"] for part in self.recordings])
        return Recording(
            np.concatenate([part.traces for part in self.recordings]),
            self.recordings[0].frame_rate,
            segments=np.concatenate(segments),
            metadata={"spikes": spikes},
        )


DataSets = dict[str, list[Cell]]
"""Cells by the short name of their set, such as DS16 or SF5."""

_SPIKEFINDER = re.compile(r"(.+)\.(train|test)\.calcium(\.csv(?:\.gz)?)")


@cache  # once a process, which must be able to import it
def any_folder(folder: Path) -> DataSets:
    """Read a folder of whichever kind."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder: give one with recordings and spikes.")
    if any(folder.glob("groundtruth_*.npz")):
        found = database(folder)
    elif any(folder.glob("*.calcium.csv*")):
        return spikefinder(folder)
    else:
        found = cascade(folder)
    if (folder / "spikefinder").is_dir():
        for name, cells in spikefinder(folder / "spikefinder").items():
            _add(found, name, cells)
    return found


def database(folder: Path) -> DataSets:
    """Read ``groundtruth_*.npz``."""
    found: DataSets = {}
    for path in sorted(folder.glob("groundtruth_*.npz")):
        with np.load(path) as file:
            data = {name: file[name] for name in file.files}
        name = str(data["dataset"])
        offsets = data["offsets"]
        neurons: dict[str, list[Recording]] = {}
        for r, rate in enumerate(data["frame_rate"]):
            frames = slice(offsets[r], offsets[r + 1])
            neuron = str(data["neuron_names"][data["neuron"][r]])
            recording = _recording(data["dff"][frames], data["spike_counts"][frames], rate, neuron)
            neurons.setdefault(neuron, []).append(recording)
        _add(found, name.split("-")[0], _cells(name, neurons))
    if not found:
        raise FileNotFoundError(f"{folder} holds no groundtruth_*.npz: give the folder of these.")
    return found


def spikefinder(folder: Path) -> DataSets:
    """Read SpikeFinder's pairs of files; a neuron ends with its last number."""
    sets: dict[str, dict[str, list[Recording]]] = {}
    for path in sorted(folder.glob("*.calcium.csv*")):
        match = _SPIKEFINDER.fullmatch(path.name)
        if match is None:
            continue
        name, part, suffix = match.groups()
        spikes = path.with_name(f"{name}.{part}.spikes{suffix}")
        if not spikes.is_file():
            if part == "test":
                warnings.warn(f"{path} is left out: {spikes.name} is missing.", stacklevel=2)
                continue
            raise FileNotFoundError(
                f"{path} has no spikes beside it: put the file {spikes.name} into the same folder."
            )
        neurons = sets.setdefault(f"SF{name}", {})
        for k, recording in enumerate(_columns(path)):
            neuron = str(k) if part == "train" else f"{part} {k}"
            if neuron in neurons:
                raise ValueError(
                    f"{path} is there with and without .gz: take one of the two out of the folder."
                )
            neurons[neuron] = [recording]
    if not sets:
        raise FileNotFoundError(
            f"{folder} holds no x.train.calcium.csv with x.train.spikes.csv: give SpikeFinder's "
            "folder."
        )
    return {name: _cells(f"{name}-SpikeFinder", neurons) for name, neurons in sets.items()}


def _columns(path: Path) -> Iterator[Recording]:
    """Yield the neurons of one of SpikeFinder's files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tails of NaN, which are read again below
        n_neurons = read_recording(path).n_neurons
    for k in range(n_neurons):
        one = read_recording(path, neurons=[k])
        spikes = np.asarray(one.metadata["spikes"])
        yield Recording(
            one.traces, one.frame_rate, segments=one.segments, metadata={"spikes": spikes}
        )


def cascade(folder: Path) -> DataSets:
    """Read ``DSxx-*/CAttached_*.mat``, or the files of one such folder."""
    folders = sorted(path for path in folder.iterdir() if any(path.glob("CAttached*.mat")))
    if any(folder.glob("CAttached*.mat")):
        folders = [folder]
    if not folders:
        raise FileNotFoundError(
            f"{folder} holds no folders DSxx-* of CAttached_*.mat, no *.calcium.csv and no "
            "groundtruth_*.npz: give a folder with recordings and spikes in one of these forms."
        )
    found: DataSets = {}
    for each in folders:
        neurons = {path.stem: _cattached(path) for path in sorted(each.glob("CAttached*.mat"))}
        _add(found, each.name.split("-")[0], _cells(each.name, neurons))
    return found


def _cattached(path: Path) -> list[Recording]:
    """Read a neuron of the database: a cell array of structs, one a recording."""
    from pymatreader import read_mat

    content = read_mat(str(path)).get("CAttached")
    if content is None:
        raise ValueError(f"{path} holds no variable CAttached: it is none of the database's files.")
    recordings = []
    for i, one in enumerate(content if isinstance(content, list) else [content]):
        lacks = {"fluo_time", "fluo_mean", "events_AP"} - set(one)
        if lacks:
            raise ValueError(f"CAttached{{{i + 1}}} of {path} lacks {', '.join(sorted(lacks))}.")
        times, trace, events = (
            np.ravel(np.asarray(one[name], dtype=np.float64))
            for name in ("fluo_time", "fluo_mean", "events_AP")
        )
        if len(times) != len(trace):
            raise ValueError(
                f"CAttached{{{i + 1}}} of {path} has {len(times)} times and {len(trace)} values."
            )
        timed = np.isfinite(times)
        times, trace = times[timed], trace[timed]
        if len(times) < 2 or not (np.diff(times) > 0).all():
            raise ValueError(f"fluo_time of CAttached{{{i + 1}}} of {path} does not increase.")
        if not np.isfinite(trace).any():
            continue
        rate = (len(times) - 1) / (times[-1] - times[0])
        # Events are in units of 1e-4 s, and each belongs to the frame that is nearest.
        edges = np.concatenate([[times[0] - 0.5 / rate], times + 0.5 / rate])
        edges[1:-1] = (times[:-1] + times[1:]) / 2
        counts = np.histogram(events[np.isfinite(events)] * 1e-4, edges)[0]
        recordings.append(_recording(trace, counts, rate, path.stem))
    return recordings


def _recording(trace: np.ndarray, counts: np.ndarray, rate: float, neuron: str) -> Recording:
    """Return a recording of one neuron; its segments leave out what is not finite."""
    traces = np.asarray(trace, dtype=np.float32)[:, np.newaxis]
    finite = bool(np.isfinite(traces).all())
    return Recording(
        traces,
        float(rate),
        roi_ids=[neuron],
        segments=None if finite else finite_segments(traces),
        metadata={"spikes": np.asarray(counts, dtype=np.float32)[:, np.newaxis]},
    )


def _cells(dataset: str, neurons: dict[str, Any]) -> list[Cell]:
    """Return a cell for each neuron and frame rate."""
    cells = []
    for neuron, recordings in neurons.items():
        rates: dict[float, list[Recording]] = {}
        for recording in recordings:
            rate = recording.frame_rate
            same = next((known for known in rates if abs(rate / known - 1) < 1e-3), rate)
            rates.setdefault(same, []).append(recording)
        cells += [Cell(dataset, neuron, tuple(group)) for group in rates.values()]
    return cells


def _add(found: DataSets, name: str, cells: list[Cell]) -> None:
    """Add a set under a name that no other has."""
    if name in found:
        raise ValueError(
            f"{found[name][0].dataset} and {cells[0].dataset} are both called {name}: rename one, "
            "up to the first hyphen."
        )
    found[name] = cells
