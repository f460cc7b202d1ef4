"""CalciumFlow: a flow from noise to windows of a calcium-imaging recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline, make_pipeline
from torch import nn

from calgan.data.scaling import MinMaxScaler
from calgan.generators.flow.network import FlowGenerator
from calgan.generators.flow.steps import FlowSteps
from calgan.generators.settings import TrainingSettings
from calgan.generators.trained import TrainedGenerator
from calgan.training.devices import preserved_rng
from calgan.training.layers import Standardiser, seeded_init


@dataclass(frozen=True, kw_only=True)
class FlowSettings(TrainingSettings):
    """Settings that `CalciumFlow` trains by."""

    name: str = "flow matching"
    filters: int = 96
    max_depth: int = 2
    max_iter: int | None = 1500
    n_iter_no_change: int = 1000
    check_every: int = 100
    n_steps: int = 12  # Heun steps a sample
    warm_up: int = 50  # steps over which the step size grows to its value

    _integers: ClassVar[dict[str, int]] = TrainingSettings._integers | {"n_steps": 1, "warm_up": 1}


@dataclass(eq=False, repr=False)
class CalciumFlow(TrainedGenerator):
    """Flow-matching generator of windows of calcium traces.

    A 1-D U-Net learns the velocity that carries noise to data along straight lines (rectified
    flow); sampling follows it in a few steps. There is no critic, and no statistic that it is
    trained to match. It takes windows in the recording's units, scales each neuron to its range,
    and samples in the same units. `CalciumFactorModel` is the default generator.

    Parameters
    ----------
    {parameters}
    settings : dict, default=None
        Other settings: ``betas`` (0.9, 0.99), ``check_every`` (100) and ``n_iter_no_change`` (1000)
        steps, ``clip_norm`` (1.0), ``early_stopping`` (True), ``ema`` (0.998), ``n_steps`` (12) of
        Heun's method a sample, ``warm_up`` (50) steps. The parameters that are None stand for
        1500 steps, batches of 32, 96 filters, a step size of 1e-3 and a validation fraction of 0.1.

    Attributes
    ----------
    generator_ : torch.nn.Module
        Trained network on the CPU, with the weights of the best check.
    history_ : list of dict
        One row a step: "step", "loss"; rows of checks have "val_score" and one ``val_...`` figure a
        statistic, each with its train-test baseline in `validation_baseline_`.
    settings_ : FlowSettings
        The settings in force.
    {attributes}

    References
    ----------
    Liu, Gong & Liu, "Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified
    Flow", ICLR 2023, arXiv:2209.03003.
    Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023, arXiv:2210.02747.

    Examples
    --------
    >>> from calgan import CalciumFlow, Windower
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> windows = Windower(32).fit_transform(recording)
    >>> flow = CalciumFlow(max_iter=2, filters=8, random_state=0).fit(windows)
    >>> flow.sample(3).shape
    (3, 32, 5)
    """

    _widths: ClassVar[tuple[str, ...]] = ("filters", "kernel_size", "max_depth")

    def _default_settings(self) -> FlowSettings:
        return FlowSettings()

    def _steps(self) -> Pipeline:
        return make_pipeline(MinMaxScaler(per_neuron=True))

    def _build_networks(self) -> dict[str, nn.Module]:
        s = self.settings_
        n_frames, *features = self._encoded_shape
        with preserved_rng():
            network = FlowGenerator(
                n_frames,
                int(np.prod(features)),
                channels=s.filters,
                kernel_size=s.kernel_size,
                max_depth=s.max_depth,
                n_steps=s.n_steps,
            )
        return {"generator": network}

    def _initialise(self, modules: dict[str, Any], reference: NDArray[np.float32]) -> None:
        network = modules["generator"]
        seeded_init(network, self._init_seeds(1)[0])
        network.start()
        network.units.load_state_dict(Standardiser.of(reference).state_dict())

    def _make_optimizers(self, modules: dict[str, Any]) -> dict[str, torch.optim.Optimizer]:
        s = self.settings_
        weights = modules["generator"].parameters()
        return {"generator": torch.optim.Adam(weights, s.learning_rate, betas=s.betas)}

    def _make_step(self, reference: NDArray[np.float32], **parts: Any) -> FlowSteps:
        return FlowSteps(**parts)
