"""Trains the networks that come with calgan, on simulated cells alone.

Recordings with known spikes have no licence that would let them, or what was learnt from them, be
part of a package under BSD-3-Clause. ``calgan/spikes/network/simulation.py`` has the cells.

    python benchmarks/simulated_networks.py --out calgan/spikes/network/simulated.calgan
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from calgan import Recording, SpikeInferenceNetwork
from calgan.spikes.network.simulation import simulated_cell


def main() -> None:
    """Simulate, train, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--duration", type=float, default=200.0, help="of a cell (s)")
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    began = time.monotonic()
    rngs = np.random.default_rng(arguments.seed).spawn(arguments.cells)
    cells = [simulated_cell(rng, arguments.duration) for rng in rngs]
    network = SpikeInferenceNetwork(
        n_networks=arguments.networks,
        max_iter=arguments.steps,
        n_simulated=0,  # they are all that there is
        random_state=arguments.seed,
    ).fit(
        [Recording(trace[:, np.newaxis], rate) for trace, _, rate in cells],
        [counts[:, np.newaxis] for _, counts, _ in cells],
    )
    losses = [row["loss"] for row in network.history_[-100:]]
    network.history_ = []  # half of the file
    network.save(arguments.out)
    print(
        f"{arguments.cells} cells of {arguments.duration:g} s, {arguments.networks} networks of "
        f"{arguments.steps} steps: loss {np.mean(losses):.3f}, lag {network.lag_:.3f} s, "
        f"{time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
