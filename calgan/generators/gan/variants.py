"""The variants of CalciumGAN: named combinations of encoding, networks, objective and optimiser."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from calgan.generators.settings import TrainingSettings

LOSSES = ("wasserstein", "relativistic")


@dataclass(frozen=True, kw_only=True)
class Variant(TrainingSettings):
    """Settings that `CalciumGAN` trains by."""

    network: str  # wavegan and wavegan2d are published; compact, compact-patches: another critic
    critic_kernel_size: int = 5
    noise_size: int = 16  # latent width
    phase_shuffle: int = 0  # largest shift in the published critics; 0 leaves it out
    critic_learning_rate: float = 1e-4
    n_critic: int = 1  # critic steps a generator step
    loss: str = "wasserstein"  # or "relativistic", each with a gradient penalty of its own
    gradient_penalty: float = 10.0  # its weight; weights of the two losses do not compare
    adversarial: float = 1.0  # weight of the critic in the generator's loss
    matching: float = 0.0  # weight of the statistics matching; 0 leaves it out
    matched: str = "all"  # or "second-order": spectra and covariances alone
    # How windows are encoded: sorted, then Fourier-transformed, then scaled to [0, 1].
    sorts: bool = False
    layout: str | None = None  # of the FFTEncoder; None leaves it out
    per_neuron: bool = True  # one range a neuron, or one for all

    _fixed: ClassVar[tuple[str, ...]] = (
        *TrainingSettings._fixed,
        "network",
        "critic_kernel_size",
        "matched",
        "sorts",
        "layout",
        "per_neuron",
    )
    _integers: ClassVar[dict[str, int]] = TrainingSettings._integers | {
        "noise_size": 1,
        "phase_shuffle": 0,
        "n_critic": 1,
    }
    _reals: ClassVar[dict[str, dict[str, float]]] = TrainingSettings._reals | {
        "critic_learning_rate": {"above": 0},
        "gradient_penalty": {"least": 0},
        "adversarial": {"least": 0},
        "matching": {"least": 0},
    }

    def batch_of(self, n_windows: int) -> int:
        """Return how many windows a batch has: an even number, as the matching compares halves."""
        size = super().batch_of(n_windows)
        return size + size % 2

    def why_not_shared(self) -> str | None:
        """Statistics of a batch are no means over its windows."""
        if self.matching == 0:
            return None
        return (
            "it matches statistics of whole batches, which processes cannot share. The published "
            "variants ('1d', '2d' ...) and CalciumFlow can; small networks are as fast with "
            "devices=1."
        )

    def overridden(self, params: dict[str, Any], settings: Any, estimator: str) -> Variant:
        """Return these settings with others, checked: none without effect, no loss by itself."""
        changed = super().overridden(params, settings, estimator)
        if "phase_shuffle" in (settings or {}) and not self.network.startswith("wavegan"):
            raise ValueError(
                f"settings has 'phase_shuffle', which has no effect on variant={self.name!r}: "
                "leave it out, or take a variant with the published critic ('1d', '2d' ...)."
            )
        if changed.loss != self.loss and "gradient_penalty" not in settings:
            raise ValueError(
                f"settings changes the loss to {changed.loss!r} without its gradient_penalty, "
                "whose weight belongs to the loss: give both."
            )
        return changed

    def checked(self) -> Variant:
        """Return the settings, or refuse the first that is out of range."""
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be {' or '.join(LOSSES)}, got {self.loss!r}.")
        return super().checked()


# Table 4.1 of the thesis, and Tables 3.1 (1-D networks) and A.2 (2-D networks).
_TABLE_4_1: dict[str, Any] = {
    "noise_size": 32,
    "max_depth": 5,
    "phase_shuffle": 10,
    "learning_rate": 1e-4,
    "critic_learning_rate": 1e-4,
    "betas": (0.9, 0.999),
    "batch_size": 128,
    "n_critic": 5,
    "ema": 0.0,
    "clip_norm": 0.0,
    "max_iter": None,
    "epochs": 400,
    "validation_fraction": 0.0,
    "early_stopping": False,
    "per_neuron": False,
}
_1D = Variant(
    name="1d", network="wavegan", filters=64, kernel_size=24, critic_kernel_size=24, **_TABLE_4_1
)
_2D = Variant(
    name="2d", network="wavegan2d", filters=20, kernel_size=8, critic_kernel_size=16, **_TABLE_4_1
)

VARIANTS = {
    variant.name: variant
    for variant in (
        # Small recordings on a CPU, in minutes.
        Variant(
            name="compact",
            network="compact",
            learning_rate=2e-3,
            critic_learning_rate=5e-4,
            betas=(0.5, 0.99),
            adversarial=20.0,
            matching=1.0,
            clip_norm=5.0,
        ),
        # The same generator against a stronger critic.
        Variant(
            name="relativistic",
            network="compact-patches",
            critic_kernel_size=8,
            learning_rate=2e-3,
            critic_learning_rate=2e-3,
            betas=(0.5, 0.99),
            batch_size=16,
            loss="relativistic",
            gradient_penalty=0.002,
            matching=1.0,
            matched="second-order",
            clip_norm=5.0,
        ),
        _1D,
        replace(_1D, name="1d-no-shuffle", phase_shuffle=0),
        _2D,
        replace(_2D, name="2d-sorted", sorts=True),
        replace(_2D, name="2d-fft", layout="full"),
        replace(_2D, name="2d-fft-packed", layout="packed"),
    )
}


def get_variant(name: Any) -> Variant:
    """Return the variant of that name."""
    if not isinstance(name, str) or name not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {name!r}.")
    return VARIANTS[name]
