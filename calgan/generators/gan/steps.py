"""One step of adversarial training: critic steps, then a generator step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calgan.generators.gan import objectives
from calgan.training.devices import noise
from calgan.training.loop import Steps, update_average


@dataclass(frozen=True, kw_only=True)
class AdversarialSteps(Steps):
    """Steps of a generator against a critic."""

    match: Callable[[Tensor], Tensor] | None  # statistics matching of generated windows (M, T, F)

    def take(self, number: int) -> dict[str, float]:
        """Take the critic's steps and one generator step; return a row of the history."""
        s = self.settings
        rng = self.rng_of_step(number)
        generator: Any = self.state.modules["generator"]
        critic: Any = self.state.modules["critic"]
        share, size = self.ranks.share, self.size
        chosen = rng.choice(self.train, size, replace=size > len(self.train))
        real = self.batch(share(chosen)).to(self.fabric.device)

        def draw() -> Tensor:
            with self.fabric.autocast():
                inputs = share(noise(rng, size, generator.noise_size))
                return generator(inputs.to(self.fabric.device)).float()

        critic.requires_grad_(True)
        if s.n_critic == 1:  # one draw serves both networks
            fake = draw()
            row = self._critic_step(real, fake.detach(), rng)
        else:
            for _ in range(s.n_critic):
                with torch.no_grad():
                    fake = draw()
                row = self._critic_step(real, fake, rng)
            fake = draw()
        critic.requires_grad_(False)
        loss = s.adversarial * self._generator_loss(real, fake, rng)
        row["generator_loss"] = float(loss.detach())
        if self.match is not None:
            matching = self.match(fake)
            row["matching"] = float(matching.detach())
            loss = loss + s.matching * matching
        self.descend("generator", loss, s.clip_norm)
        update_average(self.state.averaged, generator, number, s.ema)
        return row

    def _critic_step(
        self, real: Tensor, fake: Tensor, rng: np.random.Generator
    ) -> dict[str, float]:
        wasserstein = self.settings.loss == "wasserstein"
        losses = self._wasserstein if wasserstein else self._relativistic
        loss, penalty = losses(real, fake, rng)
        self.descend("critic", loss + self.settings.gradient_penalty * penalty)
        return {"critic_loss": float(loss.detach()), "gradient_penalty": float(penalty.detach())}

    # The critic's loss and penalty. Norms and squares are in float32 and outside the loss scaling:
    # they are not linear in a gradient.

    def _wasserstein(
        self, real: Tensor, fake: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        critic: Any = self.state.modules["critic"]
        both = critic.draw_shifts(rng), critic.draw_shifts(rng)
        mix = self.ranks.share(rng.random(self.size, dtype=np.float32))
        shifts = critic.draw_shifts(rng)
        with self.fabric.autocast():
            on_real, on_fake = critic.judge_both(real, fake, *both)
        loss = objectives.wasserstein_critic_loss(on_real, on_fake)
        # float16 has not the range for gradients that no loss scale lifts.
        is_bfloat16 = self.state.precision.precision == "bf16-mixed"
        with torch.autocast(real.device.type, torch.bfloat16, enabled=is_bfloat16):
            penalty = objectives.gradient_penalty(
                lambda windows: critic.input_gradient(windows, shifts),
                critic.standardised(real),
                critic.standardised(fake),
                torch.from_numpy(mix).to(real.device),
            )
        return loss, penalty

    def _relativistic(
        self, real: Tensor, fake: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        critic: Any = self.state.modules["critic"]
        sides = [critic.standardised(side).detach().requires_grad_(True) for side in (real, fake)]
        values = [critic.judge(windows, critic.draw_shifts(rng)) for windows in sides]
        penalties = map(objectives.zero_centred_penalty, values, sides)
        # Per unit of the windows' root mean square, so that one weight suits all shapes.
        return objectives.rpgan_critic_loss(*values), sum(penalties) * critic.value_scale**2

    def _generator_loss(self, real: Tensor, fake: Tensor, rng: np.random.Generator) -> Tensor:
        critic: Any = self.state.modules["critic"]
        with self.fabric.autocast():
            on_fake = critic(fake, critic.draw_shifts(rng)).float()
            if self.settings.loss == "wasserstein":
                return objectives.wasserstein_generator_loss(on_fake / critic.value_scale)
            with torch.no_grad():
                on_real = critic(real, critic.draw_shifts(rng)).float()
        return objectives.rpgan_generator_loss(on_real, on_fake)
