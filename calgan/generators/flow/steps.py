"""One step of flow matching, and its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calgan.training.loop import Steps, update_average


def flow_matching(
    velocity: Callable[[Tensor, Tensor], Tensor], data: Tensor, noise: Tensor, time: Tensor
) -> Tensor:
    """Return the mean squared error of velocities on straight lines from noise to data (M, F, T).

    `velocity` takes points (M, F, T) and their times (M,) in [0, 1]; 0 is noise.
    """
    share = time[:, None, None]
    points = (1 - share) * noise + share * data
    return ((velocity(points, time).float() - (data - noise)) ** 2).mean()


@dataclass(frozen=True, kw_only=True)
class FlowSteps(Steps):
    """Steps of flow matching."""

    def take(self, number: int) -> dict[str, float]:
        """Take one step; return a row of the history."""
        s = self.settings
        rng = self.rng_of_step(number)
        network: Any = self.state.modules["generator"]
        share = self.ranks.share
        chosen = rng.choice(self.train, self.size, replace=False)
        data = network.units.standardise(self.batch(share(chosen)).to(self.fabric.device))
        data = data.transpose(1, 2)
        shape = (self.size, *data.shape[1:])
        noise = torch.from_numpy(share(rng.standard_normal(shape, dtype=np.float32)))
        # Logit-normal times: most of them in the middle, where the velocity is hardest to tell.
        normal = share(rng.standard_normal(self.size, dtype=np.float32))
        time = torch.sigmoid(torch.from_numpy(normal))
        with self.fabric.autocast():
            loss = flow_matching(
                network.velocity, data, noise.to(data.device), time.to(data.device)
            )
        for group in self.state.optimizers["generator"].param_groups:
            group["lr"] = s.learning_rate * min(1.0, (number + 1) / s.warm_up)
        self.descend("generator", loss, s.clip_norm)
        update_average(self.state.averaged, network, number, s.ema)
        return {"loss": float(loss.detach())}
