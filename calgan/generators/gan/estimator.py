"""CalciumGAN: an adversarial network that learns windows of a calcium-imaging recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from calgan.data.ordering import NeuronSorter
from calgan.data.scaling import MinMaxScaler
from calgan.data.spectral import FFTEncoder
from calgan.data.validation import check_windows
from calgan.data.windows import gather
from calgan.generators.gan import objectives
from calgan.generators.gan.build import build_networks
from calgan.generators.gan.compact import CalciumGenerator
from calgan.generators.gan.steps import AdversarialSteps
from calgan.generators.gan.variants import VARIANTS, Variant, get_variant
from calgan.generators.recordings import components_back
from calgan.generators.trained import TrainedGenerator
from calgan.training.devices import preserved_rng, to_numpy, to_tensor
from calgan.training.layers import Standardiser, seeded_init

_SCORE_VALUES = 8_000_000


class _SideBySide(nn.Module):
    """A network's windows and their components as one array, which is drawn as windows are."""

    names = ("traces", "calcium", "spikes", "amplitudes")

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.noise_size = network.noise_size

    def forward(self, noise: Tensor) -> Tensor:
        components = self.network.components(noise)  # type: ignore[operator]
        return torch.cat([components[name] for name in self.names], dim=2)


@dataclass(eq=False, repr=False)
class CalciumGAN(TrainedGenerator):
    """Generative adversarial network over windows of calcium traces.

    It takes windows in the recording's units, encodes them as its variant does (neurons sorted,
    Fourier coefficients, a range of [0, 1]), and samples in the same units.

    Parameters
    ----------
    variant : str, default="compact"
        Networks, objective and settings:

        - "compact": for small recordings on a CPU, in minutes. A generator with an explicit calcium
          decoder (events, exponential decay, measurement noise), a small critic, and a term that
          matches statistics; `trained_statistics_` lists them.
        - "relativistic": the same generator against a stronger critic. It judges windows in pairs,
          its gradient is penalised at real and at generated windows, and the term matches spectra
          and covariances alone.
        - "1d": the published system to the letter. WaveGAN networks along time with the neurons as
          channels, phase shuffle, a Wasserstein loss with gradient penalty, five critic steps, 400
          passes, one range for all neurons.
        - "1d-no-shuffle": the same without phase shuffle.
        - "2d": convolutions along time and across neurons.
        - "2d-sorted": the same, with similar neurons made neighbours by `NeuronSorter`.
        - "2d-fft", "2d-fft-packed": 2-D, on windows encoded by `FFTEncoder`.
    {parameters}
    settings : dict, default=None
        Overrides any other setting of the variant: ``adversarial`` (weight of the critic in the
        generator's loss), ``betas``, ``check_every``, ``clip_norm``, ``critic_learning_rate``,
        ``early_stopping``, ``ema``, ``gradient_penalty``, ``loss`` ("wasserstein" or
        "relativistic"), ``matching`` (weight of the statistics matching), ``n_critic``,
        ``n_iter_no_change``, ``noise_size``, ``phase_shuffle``. `settings_` has their values.

    Attributes
    ----------
    generator_, critic_ : torch.nn.Module
        Trained networks on the CPU; the generator's weights are those of the best check.
    history_ : list of dict
        One row a generator step: "step", "critic_loss", "gradient_penalty", "generator_loss",
        "matching"; rows of checks have "val_score" and one ``val_...`` figure a statistic, each
        with its train-test baseline in `validation_baseline_`.
    settings_ : Variant
        The settings in force.
    {attributes}

    Notes
    -----
    "compact" and "relativistic" know the components of their windows of traces (see
    `sample_components`): ``spikes`` are the events before their gain, which are no counts, and have
    no scale beyond one neuron of one model; ``amplitudes`` are the events with their gain;
    ``calcium`` is the amplitudes filtered by an exponential decay and then by an exponential
    rise, both started before the window. ``rates`` and ``factors`` are None.

    References
    ----------
    Li, "Synthesising Realistic Calcium Imaging Data of Neuronal Populations using Deep Generative
    Models", MScR thesis, University of Edinburgh, 2020.
    Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, arXiv:1704.00028.
    Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024,
    arXiv:2501.05441.
    Donahue et al., "Adversarial Audio Synthesis", ICLR 2019, arXiv:1802.04208.

    Examples
    --------
    >>> from calgan import CalciumGAN, Windower
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> windows = Windower(32).fit_transform(recording)
    >>> gan = CalciumGAN(max_iter=2, random_state=0).fit(windows)
    >>> gan.sample(3).shape
    (3, 32, 5)
    >>> gan.sample_components(3).calcium.shape
    (3, 32, 5)
    >>> published = CalciumGAN("1d", max_iter=1, filters=4, settings={"n_critic": 1})
    >>> published.fit(windows).settings_.phase_shuffle
    10
    """

    variant: str = field(default="compact", kw_only=False)

    # No weight's shape depends on the phase shuffle.
    _widths: ClassVar[tuple[str, ...]] = (
        "network",
        "filters",
        "kernel_size",
        "critic_kernel_size",
        "noise_size",
        "max_depth",
        "sorts",
        "layout",
        "per_neuron",
    )

    def _draw_components(self, n_samples: int, rng: np.random.Generator) -> Bunch:
        drawn = self._draw(_SideBySide(self.generator_), n_samples, rng)
        names = _SideBySide.names
        parts = dict(zip(names, np.split(drawn, len(names), axis=2), strict=True))
        if not np.isfinite(drawn).all():  # as `_draw_traces`
            return Bunch(**{name: np.full_like(part, np.nan) for name, part in parts.items()})
        steps = [step for _, step in self.encoding_.steps]
        return components_back(Bunch(rates=None, **parts), steps)

    def _why_no_components(self) -> str | None:
        settings = getattr(self, "settings_", None) or VARIANTS.get(self.variant)
        channels = getattr(self, "n_channels_in_", None)
        if settings is None or (settings.network.startswith("compact") and channels is None):
            return None
        kind = "windows of traces" if channels is None else "encoded windows"
        return (
            f"CalciumGAN's {settings.name!r} network makes {kind} and knows no calcium or spikes "
            "behind them: sample windows with sample(n), or take variant='compact' on windows that "
            "are not encoded, or CalciumFactorModel."
        )

    def score_samples(self, X: Any) -> NDArray[np.float32]:
        """Return the critic's value of each window; it is no likelihood.

        Values have no zero and no unit. They rank windows by how real the critic at the end of the
        training thinks they are, and compare within one fitted model only.

        Parameters
        ----------
        X : WindowView or array-like of shape (M, T, N) or (M, T, N, C)
            Windows, in the units of those that it was fitted on.

        Returns
        -------
        values : ndarray of shape (M,), float32
        """
        check_is_fitted(self, "critic_")
        X = check_windows(X, estimator=type(self).__name__)
        self._check_shape(X)
        encoded = self.encoding_.transform(X)
        step = int(np.clip(_SCORE_VALUES // np.prod(encoded.shape[1:]), 1, 256))
        with torch.no_grad():
            values = [
                to_numpy(self.critic_(to_tensor(self._fold(gather(encoded, slice(i, i + step))))))
                for i in range(0, X.shape[0], step)
            ]
        return np.concatenate(values)

    def _default_settings(self) -> Variant:
        return get_variant(self.variant)

    def _steps(self) -> Pipeline:
        s = self.settings_
        if self.n_channels_in_ is not None and s.layout is not None:
            raise ValueError(
                f"CalciumGAN's variant {s.name!r} encodes for itself, but X is encoded: give it "
                "windows of traces (M, T, N)."
            )
        sorter = [NeuronSorter()] if s.sorts else []
        encoder = [] if s.layout is None else [FFTEncoder(s.layout)]
        return make_pipeline(*sorter, *encoder, MinMaxScaler(per_neuron=s.per_neuron))

    def _build_networks(self) -> dict[str, nn.Module]:
        with preserved_rng():
            generator, critic = build_networks(self.settings_, *self._encoded_shape)
        return {"generator": generator, "critic": critic}

    def _initialise(self, modules: dict[str, Any], reference: NDArray[np.float32]) -> None:
        generator, critic = modules["generator"], modules["critic"]
        for module, seed in zip((generator, critic), self._init_seeds(2), strict=True):
            seeded_init(module, seed)
        if isinstance(generator, CalciumGenerator):
            units = Standardiser.of(reference)
            for network in (generator, critic):
                network.units.load_state_dict(units.state_dict())
            generator.start_from(units.standardise(to_tensor(reference)))

    def _make_optimizers(self, modules: dict[str, Any]) -> dict[str, torch.optim.Optimizer]:
        s = self.settings_
        generator, critic = modules["generator"], modules["critic"]
        has_groups = isinstance(generator, CalciumGenerator)
        weights = generator.parameter_groups(s.learning_rate) if has_groups else None
        return {
            "generator": torch.optim.Adam(
                weights or generator.parameters(), s.learning_rate, betas=s.betas
            ),
            "critic": torch.optim.Adam(critic.parameters(), s.critic_learning_rate, betas=s.betas),
        }

    def _make_step(self, reference: NDArray[np.float32], **parts: Any) -> AdversarialSteps:
        match = None
        if self.settings_.matching > 0:
            match = self._make_matching(reference, parts["fabric"].device)
        return AdversarialSteps(match=match, **parts)

    @property
    def trained_statistics_(self) -> tuple[str, ...]:
        """Statistics that the objective trains on; none of encoded windows."""
        if self.settings_.matching == 0 or len(self._encoded_shape) > 2:
            return ()
        if self.settings_.matched == "second-order":
            return objectives.SECOND_ORDER_STATISTICS
        return objectives.MATCHED_STATISTICS

    def _make_matching(
        self, reference: NDArray[np.float32], device: torch.device
    ) -> Callable[[Tensor], Tensor]:
        units = Standardiser.of(reference).to(device)
        targets = objectives.matching_targets(units.standardise(to_tensor(reference, device)))
        compare = objectives.statistics_matching
        if self.settings_.matched == "second-order":
            compare = objectives.second_order_matching

        def match(windows: Tensor) -> Tensor:
            terms = compare(units.standardise(windows), targets)
            return torch.stack(list(terms.values())).sum()

        return match
