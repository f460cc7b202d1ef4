"""Named combinations of network, objective and optimiser settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """Settings that `CalciumGAN` trains by; any of them can be overridden by a parameter.

    Parameters
    ----------
    name : str
        Name of the recipe.
    architecture : {"wavegan", "wavegan2d", "calcium", "calcium-patches"}
        Networks: the thesis's, convolving over time or over time and neurons, or the compact ones
        with an explicit calcium decoder, of which "calcium-patches" has a critic of its own.
    filters, kernel_size, critic_kernel_size, noise_size, max_depth, phase_shuffle : int
        Widths of the networks; `noise_size` is the latent width of the compact generator.
    learning_rate, critic_learning_rate : float
        Step sizes of Adam.
    betas : tuple of float
        Adam's moment decays.
    batch_size : int
        Windows a batch.
    n_critic : int
        Critic steps a generator step.
    loss : {"wasserstein", "relativistic"}
        Adversarial loss, and with it the penalty of the critic's gradient: of norms other than 1
        between real and generated windows, or of any at all at either.
    gradient_penalty : float
        Weight of the gradient penalty; "relativistic" takes the gradient by windows in units of
        their norm, for one weight to suit windows of all sizes.
    adversarial : float
        Weight of the critic in the generator's loss; with the Wasserstein loss, the calcium
        networks divide the critic's values by the norm of a standardised window, sqrt(T N).
    matching : float
        Weight of the statistics matching in the generator's loss; 0 leaves it out.
    matched : {"all", "second-order"}
        What it matches: all that `statistics_matching` compares, or spectra and covariances alone.
    ema : float
        Decay of the exponential moving average of the generator's weights; 0 leaves it out.
    clip_norm : float
        Largest gradient norm of a generator step; 0 does not clip.
    max_iter, epochs : int or None
        Default length of the training in generator steps, or in passes over the windows.
    validation_fraction : float
        Share of the windows, the last in time, that is held out to track the statistics.
    early_stopping : bool
        Stop when the checks no longer improve. The best state is kept in any case.
    global_range : bool
        Whether the pipeline scales all neurons by one range, as the thesis does.
    """

    name: str
    architecture: str
    filters: int
    kernel_size: int
    critic_kernel_size: int
    noise_size: int
    max_depth: int
    phase_shuffle: int
    learning_rate: float
    critic_learning_rate: float
    betas: tuple[float, float]
    batch_size: int
    n_critic: int
    loss: str
    gradient_penalty: float
    adversarial: float
    matching: float
    matched: str
    ema: float
    clip_norm: float
    max_iter: int | None
    epochs: int | None
    validation_fraction: float
    early_stopping: bool
    global_range: bool


# Widths of each family of networks, at full size.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    # Table 3.1 of the thesis.
    "wavegan": {
        "filters": 64,
        "kernel_size": 24,
        "critic_kernel_size": 24,
        "noise_size": 32,
        "max_depth": 5,
        "phase_shuffle": 10,
    },
    # Table A.2.
    "wavegan2d": {
        "filters": 20,
        "kernel_size": 8,
        "critic_kernel_size": 16,
        "noise_size": 32,
        "max_depth": 5,
        "phase_shuffle": 10,
    },
    "calcium": {
        "filters": 64,
        "kernel_size": 5,
        "critic_kernel_size": 5,
        "noise_size": 16,
        "max_depth": 3,
        "phase_shuffle": 0,
    },
    "calcium-patches": {
        "filters": 64,
        "kernel_size": 5,
        "critic_kernel_size": 8,
        "noise_size": 16,
        "max_depth": 3,
        "phase_shuffle": 0,
    },
}

RECIPES = {
    # Table 4.1 of the thesis to the letter.
    "thesis": Recipe(
        name="thesis",
        architecture="wavegan",
        **ARCHITECTURES["wavegan"],
        learning_rate=1e-4,
        critic_learning_rate=1e-4,
        betas=(0.9, 0.999),
        batch_size=128,
        n_critic=5,
        loss="wasserstein",
        gradient_penalty=10.0,
        adversarial=1.0,
        matching=0.0,
        matched="all",
        ema=0.0,
        clip_norm=0.0,
        max_iter=None,
        epochs=400,
        validation_fraction=0.0,
        early_stopping=False,
        global_range=True,
    ),
    # Small recordings on a CPU, in minutes.
    "compact": Recipe(
        name="compact",
        architecture="calcium",
        **ARCHITECTURES["calcium"],
        learning_rate=2e-3,
        critic_learning_rate=5e-4,
        betas=(0.5, 0.99),
        batch_size=32,
        n_critic=1,
        loss="wasserstein",
        gradient_penalty=10.0,
        adversarial=20.0,
        matching=1.0,
        matched="all",
        ema=0.998,
        clip_norm=5.0,
        max_iter=1000,
        epochs=None,
        validation_fraction=0.1,
        early_stopping=True,
        global_range=False,
    ),
    # The same generator against a modern critic.
    "relativistic": Recipe(
        name="relativistic",
        architecture="calcium-patches",
        **ARCHITECTURES["calcium-patches"],
        learning_rate=2e-3,
        critic_learning_rate=2e-3,
        betas=(0.5, 0.99),
        batch_size=16,
        n_critic=1,
        loss="relativistic",
        gradient_penalty=0.002,
        adversarial=1.0,
        matching=1.0,
        matched="second-order",
        ema=0.998,
        clip_norm=5.0,
        max_iter=1000,
        epochs=None,
        validation_fraction=0.1,
        early_stopping=True,
        global_range=False,
    ),
}


def get_recipe(name: str, architecture: str | None = None) -> Recipe:
    """Return the recipe of that name.

    Parameters
    ----------
    name : {"compact", "relativistic", "thesis"}
        Name of the recipe.
    architecture : {"wavegan", "wavegan2d", "calcium", "calcium-patches"}, default=None
        Networks to train by it, at their own widths; None takes the recipe's.

    Returns
    -------
    Recipe

    Raises
    ------
    ValueError
        If there is no such recipe, or no such architecture.

    Examples
    --------
    >>> get_recipe("thesis").n_critic
    5
    >>> get_recipe("thesis", "wavegan2d").filters
    20
    """
    if not isinstance(name, str) or name not in RECIPES:
        raise ValueError(f"recipe must be one of {sorted(RECIPES)}, got {name!r}.")
    recipe = RECIPES[name]
    if architecture is None or architecture == recipe.architecture:
        return recipe
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        raise ValueError(
            f"architecture must be None or one of {sorted(ARCHITECTURES)}, got {architecture!r}."
        )
    return replace(recipe, architecture=architecture, **ARCHITECTURES[architecture])
