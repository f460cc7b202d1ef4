"""The network: dilated convolutions whose channels the statistics of a neuron scale and shift."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from calgan.training.layers import seeded_init

_DILATIONS = (1, 2, 4, 8, 16)
_FIRST_KERNEL, _KERNEL = 9, 5
_LOG_RATE = -3.0  # of the first guess, in spikes a step

# Steps on either side that the output of a step depends on.
REACH = _FIRST_KERNEL // 2 + (_KERNEL // 2) * sum(_DILATIONS)


class SpikeNetwork(nn.Module):
    """Expected spikes of each step (m, t) from traces (m, t), and statistics (m, S) if it has any.

    Kernels are centred: a step sees the calcium that follows its spikes. All layers keep the length
    of the input, so that a long trace is evaluated at once, as if window by window.
    """

    def __init__(self, filters: int, n_statistics: int, seed: int | None) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, filters, _FIRST_KERNEL, padding="same")
        self.blocks = nn.ModuleList(
            nn.Conv1d(filters, filters, _KERNEL, dilation=dilation, padding="same")
            for dilation in _DILATIONS
        )
        self.last = nn.Conv1d(filters, 1, 1)
        # Scale and shift of each channel of each block.
        n_out = 2 * filters * len(_DILATIONS)
        self.place = (
            nn.Sequential(
                nn.Linear(n_statistics, filters),
                nn.SiLU(),
                nn.Linear(filters, filters),
                nn.SiLU(),
                nn.Linear(filters, n_out),
            )
            if n_statistics
            else None
        )
        if seed is not None:
            seeded_init(self, seed)
            nn.init.constant_(self.last.bias, _LOG_RATE)  # type: ignore[arg-type]

    def forward(self, traces: Tensor, statistics: Tensor | None = None) -> Tensor:
        """Return the expected spikes of each step, not negative."""
        hidden = functional.silu(self.first(traces[:, None]))
        placed = None
        if self.place is not None and statistics is not None:
            placed = self.place(statistics).view(len(traces), len(self.blocks), 2, -1, 1)
        for number, block in enumerate(self.blocks):
            change = block(hidden)
            if placed is not None:
                change = change * (1.0 + placed[:, number, 0]) + placed[:, number, 1]
            hidden = hidden + functional.silu(change)
        return functional.softplus(self.last(hidden))[:, 0]


@torch.inference_mode()
def expected_spikes(
    network: SpikeNetwork, traces: Tensor, statistics: Tensor, piece: int = 2048
) -> Tensor:
    """Return the output (m, t) of a network, in pieces that bound the memory."""
    given = statistics if network.place is not None else None
    n_steps, found = traces.shape[1], []
    for start in range(0, n_steps, piece):
        low, high = max(0, start - REACH), min(n_steps, start + piece + REACH)
        part = network(traces[:, low:high], given)
        found.append(part[:, start - low : start - low + min(piece, n_steps - start)])
    return torch.cat(found, dim=1)
