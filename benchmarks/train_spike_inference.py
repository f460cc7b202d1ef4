"""Train a SpikeInferenceNetwork on recordings with known spikes, and save it.

The folder holds the database of Rupprecht et al. (2021) as it is published (folders ``DSxx-*`` of
``CAttached_*.mat``), one such folder, or SpikeFinder's pairs of CSV files; `spike_ground_truth`
reads them. Choose sets whose indicator, neurons and frame rate are like yours.

    git clone https://github.com/HelmchenLabSoftware/Cascade
    python benchmarks/train_spike_inference.py Cascade/Ground_truth --only 'DS09' 'DS1*'
    python benchmarks/train_spike_inference.py spikefinder --minutes 10 --output network.calgan

``calgan.load("network.calgan")`` loads the network.
"""

from __future__ import annotations

import argparse
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.spike_ground_truth import DataSets, any_folder
from calgan.data.validation import check_target


def chosen(data: DataSets, only: list[str]) -> DataSets:
    """Return the sets whose names match a pattern; each pattern has to match one."""
    for pattern in only:
        if not any(fnmatch(name, pattern) for name in data):
            raise ValueError(f"no set matches {pattern!r}: there are {', '.join(data)}.")
    return {name: data[name] for name in data if any(fnmatch(name, each) for each in only)}


def described(data: DataSets) -> str:
    """Return a line for each set."""
    lines = []
    for cells in data.values():
        recordings = [recording for cell in cells for recording in cell.recordings]
        rates = sorted({round(recording.frame_rate, 1) for recording in recordings})
        lines.append(
            f"{cells[0].dataset:44s} {len({cell.neuron for cell in cells}):3d} neurons, "
            f"{sum(recording.duration for recording in recordings) / 3600:5.2f} h at "
            f"{rates[0]:g}{f'-{rates[-1]:g}' if len(rates) > 1 else ''} Hz, "
            f"{sum(int(recording.metadata['spikes'].sum()) for recording in recordings)} spikes"
        )
    return "\n".join(lines)


def main() -> None:
    """Read, train, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=["*"], help="names of sets, such as DS09")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("network.calgan"))
    parser.add_argument("--minutes", type=float, help="limit of the training")
    arguments = parser.parse_args()
    try:
        target = check_target(arguments.output)  # before hours of training
        data = chosen(any_folder(arguments.folder), arguments.only)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(described(data), flush=True)

    from calgan import SpikeInferenceNetwork

    recordings = [cell.joined() for cells in data.values() for cell in cells]
    spikes = [recording.metadata["spikes"] for recording in recordings]
    began = time.perf_counter()
    network = SpikeInferenceNetwork(
        max_time=None if arguments.minutes is None else 60 * arguments.minutes,
        random_state=arguments.seed,
    )
    network.fit(recordings, spikes)
    network.save(target)
    print(f"{target}: trained in {(time.perf_counter() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
