"""CalciumFlow: a flow from noise to windows of a calcium-imaging recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calgan.data.validation import check_integer, check_real
from calgan.generators.flow.network import FlowGenerator
from calgan.generators.flow.objective import flow_matching
from calgan.generators.trained import TrainedGenerator
from calgan.training.devices import preserved_rng
from calgan.training.layers import Standardiser, seeded_init
from calgan.training.loop import TrainingState, update_average


@dataclass(frozen=True)
class FlowSettings:
    """Settings that `CalciumFlow` trains by: its parameters, checked, and what they leave open.

    Parameters
    ----------
    channels, kernel_size, max_depth : int
        Widths of the network.
    n_steps : int
        Heun steps a sample.
    batch_size : int
        Windows a batch.
    learning_rate : float
        Step size of Adam.
    betas : tuple of float
        Its moment decays.
    ema : float
        Decay of the moving average of the weights.
    clip_norm : float
        Largest gradient norm of a step.
    warm_up : int
        Steps over which the step size grows to its value.
    max_iter, epochs : int or None
        Length of the training.
    validation_fraction : float
        Share of the windows that is held out.
    early_stopping : bool
        Whether to stop when the checks no longer improve.
    name : str
        What the progress bar says.

    Examples
    --------
    >>> FlowSettings().n_steps
    12
    """

    channels: int = 96
    kernel_size: int = 5
    max_depth: int = 2
    n_steps: int = 12
    batch_size: int = 32
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    ema: float = 0.998
    clip_norm: float = 1.0
    warm_up: int = 50
    max_iter: int | None = 1500
    epochs: int | None = None
    validation_fraction: float = 0.1
    early_stopping: bool = True
    name: str = "flow matching"


@dataclass(frozen=True)
class FlowSteps:
    """What a step of flow matching needs, the state included.

    Attributes
    ----------
    settings : FlowSettings
        Step size, batch.
    state : TrainingState
        The network "generator", changed in place.
    fabric : lightning_fabric.Fabric
        Device and precision.
    train : ndarray of shape (m,)
        Windows to train on.
    batch : callable
        Gathers windows by their indices, as a Tensor (m, T, F).
    rng_of_step : callable
        Random generator of a step, by its number.
    """

    settings: FlowSettings
    state: TrainingState
    fabric: Any
    train: NDArray[np.intp]
    batch: Callable[[NDArray[np.intp]], Tensor]
    rng_of_step: Callable[[int], np.random.Generator]

    def __call__(self, number: int) -> dict[str, float]:
        """Take one step; return a row of the history."""
        s = self.settings
        rng = self.rng_of_step(number)
        network: Any = self.state.modules["generator"]
        size = min(s.batch_size, len(self.train))
        chosen = rng.choice(self.train, size, replace=False)
        data = network.units.standardise(self.batch(chosen).to(self.fabric.device))
        data = data.transpose(1, 2)
        noise = torch.from_numpy(rng.standard_normal(data.shape, dtype=np.float32))
        # Logit-normal times: most of them where the way is hardest to tell, in the middle.
        time = torch.sigmoid(torch.from_numpy(rng.standard_normal(size, dtype=np.float32)))
        with self.fabric.autocast():
            loss = flow_matching(
                network.velocity, data, noise.to(data.device), time.to(data.device)
            )
        optimizer = self.state.optimizers["generator"]
        for group in optimizer.param_groups:
            group["lr"] = s.learning_rate * min(1.0, (number + 1) / s.warm_up)
        optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(
            network, optimizer, max_norm=s.clip_norm, error_if_nonfinite=False
        )
        optimizer.step()
        update_average(self.state.averaged, network, number, s.ema)
        return {"loss": float(loss.detach())}


class CalciumFlow(TrainedGenerator):
    """Flow-matching generator of windows of calcium traces.

    A 1-D U-Net learns the velocity that carries noise to data along straight lines (rectified
    flow); sampling follows it in a few steps. There is no critic and no statistic that it is
    trained to match, so that nothing that `calgan.evaluate` computes is trained on. It is new and
    has been measured little; `CalciumFactorModel` is the default of `calgan.make_calcium_pipeline`.

    Parameters
    ----------
    max_iter : int, default=1500
        Training steps in total.
    max_time : float, default=None
        Limit in seconds, counted from the first line of ``fit``; whichever of the two comes first
        ends the training. One step is taken in any case, and the checks at the end are made.
    channels : int, default=96
        Width of the network.
    n_steps : int, default=12
        Heun steps from noise to a sample, of two evaluations of the network each; a change takes
        effect with the next fit.
    batch_size : int, default=32
        Windows a batch.
    learning_rate : float, default=1e-3
        Adam's step size.
    ema : float, default=0.998
        Decay of the moving average of the weights a step; 0 leaves it out.
    validation_fraction : float, default=0.1
        Share of the windows, the last in time, held out to track statistics while it trains;
        training windows that overlap them are left out. 0 trains on all windows and tracks nothing,
        and so, with a warning, does a share that is fewer than 8 windows.
    early_stopping : bool, default=True
        Stop after `n_iter_no_change` steps without improvement of the tracked statistics. The best
        state is kept whenever there is a validation split.
    n_iter_no_change : int, default=1000
        Steps without improvement after which to stop.
    check_every : int, default=100
        Steps between two looks at the tracked statistics, each of which samples.
    frame_rate : float, default=None
        Frames per second (Hz), for the spike statistics that are tracked; None takes that of the
        windows (a ``WindowView`` of a ``Recording`` knows it).
    device : str, default="auto"
        "auto", "cpu", "cuda", "cuda:<number>" or "mps". What is kept after ``fit`` is on the CPU.
    precision : {"32-true", "bf16-mixed", "16-mixed", "mixed"}, default="32-true"
        Arithmetic of the network; the loss is float32 always.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last state until `max_iter` steps are done in total.
    verbose : int, default=None
        1 shows a progress bar, 0 does not, None does on a terminal.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initialisation, training and, by default, sampling.

    Attributes
    ----------
    generator_ : torch.nn.Module
        Trained network on the CPU, with the weights of the best check.
    history_ : list of dict
        One row a step: "step", "loss"; rows of checks have "val_score" and one ``val_...`` figure a
        statistic, each with its baseline in `validation_baseline_`.
    n_iter_ : int
        Steps taken.
    best_iter_ : int
        Step whose weights `generator_` has.
    stopped_ : str
        Why training ended: "max_iter", "max_time", "early stopping", "interrupted", or "diverged"
        (numbers that are not finite, or a loss that ends far above where it began), in which case
        it went back to the last look at a state that had not diverged.
    validation_baseline_ : dict
        Tracked statistics of training windows against validation windows.
    fit_summary_ : dict
        Samples against training windows, for each neuron: "sd_ratio" and "rate_ratio", lists of N
        ratios of standard deviations and of inferred rates, and "mismatched", the numbers of the
        neurons that do not match. Empty for encoded windows, and if the check was interrupted. See
        `calgan.generators.fit_check.compare_with_training`.
    trained_statistics_ : tuple of str
        Empty: the objective matches no statistic.
    settings_ : FlowSettings
        The settings in force.
    n_features_in_, n_frames_in_ : int
        Neurons N and frames T of a window.
    n_channels_in_ : int or None
        Channels C of encoded windows; None for traces.
    frame_rate_ : float or None
        Frame rate (Hz), where known.
    seed_ : int
        Seed in force.
    fingerprint_ : str
        SHA-256 of the training windows, evenly thinned out where they are many.

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
    >>> flow = CalciumFlow(max_iter=2, channels=8, random_state=0).fit(windows)
    >>> flow.sample(3).shape
    (3, 32, 5)
    """

    _settings_class = FlowSettings
    _widths = ("channels", "kernel_size", "max_depth")

    def __init__(
        self,
        max_iter: int = 1500,
        *,
        max_time: float | None = None,
        channels: int = 96,
        n_steps: int = 12,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        ema: float = 0.998,
        validation_fraction: float = 0.1,
        early_stopping: bool = True,
        n_iter_no_change: int = 1000,
        check_every: int = 100,
        frame_rate: float | None = None,
        device: str = "auto",
        precision: str = "32-true",
        warm_start: bool = False,
        verbose: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.max_time = max_time
        self.channels = channels
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.ema = ema
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.check_every = check_every
        self.frame_rate = frame_rate
        self.device = device
        self.precision = precision
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def _resolve(self) -> FlowSettings:
        check_integer(self.max_iter, "max_iter", minimum=1)
        settings = FlowSettings(**self._given(FlowSettings()))
        self._check_training_parameters(settings)
        check_integer(settings.channels, "channels", minimum=1)
        check_integer(settings.n_steps, "n_steps", minimum=1)
        check_real("learning_rate", settings.learning_rate, above=0)
        return settings

    def _build_networks(self) -> dict[str, nn.Module]:
        s = self.settings_
        with preserved_rng():
            network = FlowGenerator(
                self.n_frames_in_,
                self.n_features_in_ * (self.n_channels_in_ or 1),
                channels=s.channels,
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
        groups = modules["generator"].parameter_groups(s.learning_rate)
        return {"generator": torch.optim.Adam(groups, s.learning_rate, betas=s.betas)}

    def _make_step(
        self,
        X: Any,
        train: NDArray[np.intp],
        reference: NDArray[np.float32],
        state: TrainingState,
        fabric: Any,
    ) -> FlowSteps:
        return FlowSteps(
            self.settings_,
            state,
            fabric,
            train,
            batch=lambda indices: self._batch(X, indices),
            rng_of_step=self._step_rng,
        )
