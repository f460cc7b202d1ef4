"""Settings that all trained generators have, and their checks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from calgan.data.validation import as_plain, check_boolean, check_integer, check_real


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Settings that every trained generator has."""

    name: str  # what the progress bar says
    filters: int = 64  # channel unit of the networks
    kernel_size: int = 5  # frames
    max_depth: int = 3  # strided layers, fewer for short windows
    batch_size: int = 32  # windows
    learning_rate: float = 1e-3  # of Adam
    betas: tuple[float, float] = (0.9, 0.99)  # its moment decays
    ema: float = 0.998  # decay of the moving average of the generator's weights; 0 leaves it out
    clip_norm: float = 1.0  # largest gradient norm of a generator step; 0 does not clip
    max_iter: int | None = 1000  # generator steps
    epochs: int | None = None  # passes over the windows, in place of max_iter
    validation_fraction: float = 0.1  # share of the windows, the last in time, that is held out
    early_stopping: bool = True  # the best state is kept in any case
    n_iter_no_change: int = 500  # steps without improvement after which to stop early
    check_every: int = 50  # steps between two looks at the tracked statistics

    # Fields that tell one kind of network from another, which nobody may override.
    _fixed: ClassVar[tuple[str, ...]] = ("name", "kernel_size", "max_depth", "epochs")
    _integers: ClassVar[dict[str, int]] = {  # and their minima
        "filters": 1,
        "batch_size": 2,
        "max_iter": 1,
        "n_iter_no_change": 1,
        "check_every": 1,
    }
    _reals: ClassVar[dict[str, dict[str, float]]] = {  # and their limits
        "learning_rate": {"above": 0},
        "ema": {"least": 0, "below": 1},
        "clip_norm": {"least": 0},
        "validation_fraction": {"least": 0, "below": 1},
    }

    def batch_of(self, n_windows: int) -> int:
        """Return how many windows a batch has, of so many to train on."""
        return min(self.batch_size, n_windows)

    def why_not_shared(self) -> str | None:
        """Say why several processes cannot share a step, or None: losses are means over windows."""
        return None

    def check_shared(self, devices: int, n_windows: int, estimator: str) -> None:
        """Refuse batches that so many processes cannot share."""
        if devices > 1 and (why := self.why_not_shared()) is not None:
            raise ValueError(f"devices={devices} is not for {estimator} ({self.name}): {why}")
        if (size := self.batch_of(n_windows)) % devices:
            raise ValueError(
                f"devices={devices} cannot share batches of {size} windows evenly ({n_windows} "
                f"windows to train on): set batch_size to a multiple of {devices} that is no more."
            )

    def overridden(self, params: dict[str, Any], settings: Any, estimator: str) -> Self:
        """Return these settings with parameters that are not None and a dict of others, checked."""
        known = {field.name for field in dataclasses.fields(self)}
        given = {k: v for k, v in params.items() if k in known and v is not None}
        others = known - set(self._fixed) - set(params)
        if not isinstance(settings, (dict, type(None))):
            raise TypeError(f"settings must be a dict of {estimator}'s settings, got {settings!r}.")
        for name in settings or {}:
            if name in params:
                raise ValueError(
                    f"settings has {name!r}, which {estimator} has as a parameter: pass it there."
                )
            if name not in others:
                raise ValueError(
                    f"settings has {name!r}, but {estimator} ({self.name}) has only "
                    f"{', '.join(sorted(others))}."
                )
        return dataclasses.replace(self, **as_plain(given | dict(settings or {}))).checked()

    def checked(self) -> Self:
        """Return the settings, or refuse the first that is out of range."""
        check_boolean(self.early_stopping, "early_stopping")
        if not isinstance(self.betas, (tuple, list, np.ndarray)) or len(self.betas) != 2:
            raise ValueError(f"betas must be two numbers, got {self.betas!r}.")
        first, second = (check_real("betas", beta, least=0, below=1) for beta in self.betas)
        for name, minimum in self._integers.items():
            if (value := getattr(self, name)) is not None or name != "max_iter":
                check_integer(value, name, minimum=minimum)
        for name, limits in self._reals.items():
            check_real(name, getattr(self, name), **limits)
        return dataclasses.replace(self, betas=(first, second))
