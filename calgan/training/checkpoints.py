"""Tensors of networks and optimisers in a model file, compared with those that they must be."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def as_tensors(arrays: Any) -> Any:
    """Return nested dicts of arrays with tensors in their place."""
    if isinstance(arrays, dict):
        return {name: as_tensors(each) for name, each in arrays.items()}
    return torch.from_numpy(np.array(arrays))


def checked_tensors(
    networks: dict[str, Any],
    planned: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
) -> dict[str, Any]:
    """Return the weights and moments of a checkpoint, all of the shapes that are planned."""
    if networks.keys() - {"kept", "weights", "optimizers"}:
        raise ValueError("it has tensors of no network")
    generator, weights = planned["generator"].state_dict(), networks.get("weights", {})
    check_tensors(networks.get("kept"), generator)
    for name in {*planned, *weights}:
        is_kept = name in ("averaged", "best")  # states of the generator
        check_tensors(weights.get(name), generator if is_kept else planned[name].state_dict())
    moments: dict[str, Any] = {}
    for name, states in networks.get("optimizers", {}).items():
        groups = optimizers[name].param_groups
        sizes = [parameter for group in groups for parameter in group["params"]]
        moments[name] = {int(number): state for number, state in states.items()}
        for number, state in moments[name].items():
            size = sizes[number]
            check_tensors(state, {"step": torch.zeros(()), "exp_avg": size, "exp_avg_sq": size})
    return {"weights": weights, "optimizers": moments}


def check_tensors(tensors: Any, planned: dict[str, Tensor]) -> None:
    """Refuse tensors that are not of the names, shapes and types planned."""
    fits = isinstance(tensors, dict) and tensors.keys() == planned.keys()
    for name in planned if fits else ():
        found, wanted = tensors[name], planned[name]
        fits = fits and isinstance(found, Tensor) and found.shape == wanted.shape
        fits = fits and found.dtype == wanted.dtype
    if not fits:
        raise ValueError("the tensors of its networks are not those that its settings ask for")
