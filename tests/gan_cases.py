"""Small GANs that the tests share."""

from __future__ import annotations

import pickle
from typing import Any

import torch

from calgan import CalciumGAN


def quick(**params: Any) -> CalciumGAN:
    """Return a small model; what is no parameter is a setting."""
    defaults = {"max_iter": 4, "filters": 4, "batch_size": 8, "random_state": 0, "check_every": 2}
    return set_of(CalciumGAN(), **(defaults | params))


def set_of(gan: CalciumGAN, **params: Any) -> CalciumGAN:
    """Set parameters and, of what is none, settings."""
    others = {name: params.pop(name) for name in set(params) - set(gan.get_params())}
    if others:
        params["settings"] = (gan.settings or {}) | others
    return gan.set_params(**params)


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def contents(gan: Any) -> dict[str, Any]:
    """Return all that a generator knows, by value."""
    return {k: pickle.dumps(v) for k, v in vars(gan).items() if k not in gan.get_params()}
