"""What the networks share: depth, phase shuffle, initialisation, units, calcium filter."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

LEAKY_SLOPE = 0.3
LAYER_NORM_EPS = 1e-3
MIN_STEPS = 8  # steps that must be left after the last strided layer


def strided_depth(n_frames: int, max_depth: int = 5) -> int:
    """Return how many stride-2 layers suit windows of ``n_frames`` frames.

    As many as leave at least 8 steps, and at most `max_depth`.

    Parameters
    ----------
    n_frames : int
        Window width T in frames.
    max_depth : int, default=5
        Number of strided layers at full size (the thesis uses 5).

    Returns
    -------
    depth : int
        Number of stride-2 layers.

    Raises
    ------
    ValueError
        If the window is shorter than 16 frames or cannot be halved that often.

    Examples
    --------
    >>> strided_depth(2048), strided_depth(64)
    (5, 3)
    """
    if n_frames < 2 * MIN_STEPS:
        raise ValueError(
            f"Windows of {n_frames} frames are too short for the network: use a window of at "
            f"least {2 * MIN_STEPS} frames."
        )
    depth = min(max_depth, int(math.log2(n_frames / MIN_STEPS)))
    step = 2**depth
    if n_frames % step:
        low = n_frames // step * step
        # The next width up may cross into one more halving; walk to the first that is valid.
        high = low + step
        while high % 2 ** min(max_depth, int(math.log2(high / MIN_STEPS))):
            high += step
        raise ValueError(
            f"A window of {n_frames} frames cannot be halved {depth} times by the network: use "
            f"a multiple of {step}, the nearest being {low} and {high} frames."
        )
    return depth


def phase_shuffle(x: Tensor, shift: int, dim: int = -1) -> Tensor:
    """Shift activations along an axis, filling the gap by reflection without repeating the edge.

    A shift of +1 turns ``1 2 ... 8 9`` into ``2 3 ... 9 8``.

    Parameters
    ----------
    x : Tensor of shape (..., L)
        Activations.
    shift : int
        Steps to shift by, ``|shift| < L``.
    dim : int, default=-1
        Axis, of length L, that is shifted: time, or the neurons of a 2-D critic.

    Returns
    -------
    Tensor, shaped like `x`

    References
    ----------
    Donahue, McAuley & Puckette, "Adversarial Audio Synthesis", ICLR 2019, arXiv:1802.04208.

    Examples
    --------
    >>> phase_shuffle(torch.arange(1, 6), 1)
    tensor([2, 3, 4, 5, 4])
    """
    if shift == 0:
        return x
    length = x.shape[dim]
    index = torch.arange(length, device=x.device) + shift
    last = length - 1
    index = last - (last - index.abs()).abs()
    return x.index_select(dim, index)


_GLOROT = (nn.Conv1d, nn.ConvTranspose1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def _glorot_(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise convolutions and dense layers as Keras does: Glorot-uniform, zero biases."""
    for layer in module.modules():
        if isinstance(layer, _GLOROT):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def seeded_init(module: nn.Module, seed: int) -> None:
    """Initialise `module` in place from `seed`, without touching global random state.

    Parameters
    ----------
    module : torch.nn.Module
        Network whose kernels become Glorot-uniform and whose biases become 0.
    seed : int
        Seed of the weights.

    Examples
    --------
    >>> import torch
    >>> from calgan.training.layers import seeded_init
    >>> one, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    >>> seeded_init(one, 0), seeded_init(other, 0)
    (None, None)
    >>> torch.equal(one.weight, other.weight)
    True
    """
    _glorot_(module, torch.Generator().manual_seed(seed))


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of ``(M, C, ...)`` at each position.

    Parameters
    ----------
    n_channels : int
        Number of channels C.

    Examples
    --------
    >>> import torch
    >>> from calgan.training.layers import ChannelNorm
    >>> ChannelNorm(2)(torch.tensor([[[0.0], [1.0]]])).ravel().round(decimals=2)
    tensor([-1.,  1.], grad_fn=<RoundBackward1>)
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_channels, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (M, C, ...)."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class ChannelAffine(nn.Module):
    """What a `ChannelNorm` has besides its normalisation: scale and shift of each channel."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift x (M, C, ...)."""
        shape = (-1, *[1] * (x.ndim - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)


def channel_norm(n_channels: int, *, last: bool = False) -> nn.Module:
    """Return a `ChannelNorm`, or its scale and shift alone where it would leave nothing.

    Normalised, one channel is constant whatever the input. Two are functions of one another, which
    inside a network costs some freedom, but in its `last` layer ties all that comes out together.
    """
    fewest = 3 if last else 2
    return ChannelNorm(n_channels) if n_channels >= fewest else ChannelAffine(n_channels)


class Standardiser(nn.Module):
    """Location and scale of each feature of the training windows, kept as buffers.

    Features that never change have scale 0: they are generated as their constant.

    Parameters
    ----------
    n_features : int
        Number of features: neurons, times channels of an encoding.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.training.layers import Standardiser
    >>> units = Standardiser.of(np.array([[[1.0, 5.0], [3.0, 5.0]]], dtype=np.float32))
    >>> units.mean.tolist(), units.scale.tolist()
    ([2.0, 5.0], [1.0, 0.0])
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    @classmethod
    def of(cls, windows: np.ndarray) -> Standardiser:
        """Return the location and scale of each feature of windows (M, T, N)."""
        units = cls(windows.shape[2])
        mean = windows.mean(axis=(0, 1), dtype=np.float64)
        scale = windows.std(axis=(0, 1), dtype=np.float64)
        scale[np.ptp(windows, axis=(0, 1)) == 0] = 0.0  # exactly, whatever the rounding
        units.set(torch.from_numpy(mean), torch.from_numpy(scale))
        return units

    def set(self, mean: Tensor, scale: Tensor) -> None:
        """Take mean and scale (N,) in place."""
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def standardise(self, windows: Tensor) -> Tensor:
        """Bring windows (M, T, N) to mean 0 and variance 1."""
        return (windows - self.mean) / torch.where(self.scale > 0, self.scale, 1.0)

    def restore(self, windows: Tensor) -> Tensor:
        """Undo `standardise`."""
        return windows * self.scale + self.mean


def inverse_softplus(value: Tensor) -> Tensor:
    """Return what softplus maps to `value`, which must be above 0.

    Parameters
    ----------
    value : Tensor
        Positive values.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> inverse_softplus(torch.nn.functional.softplus(torch.tensor([-1.0, 2.0]))).round(decimals=4)
    tensor([-1.,  2.])
    """
    return value + torch.log(-torch.expm1(-value))  # expm1(value) overflows


def exponential_filter(events: Tensor, decay: Tensor) -> Tensor:
    """Filter events by ``c_t = decay c_{t-1} + e_t``, started at rest.

    Computed through the FFT, because a recursion over frames is slow to differentiate.

    Parameters
    ----------
    events : Tensor of shape (M, N, L)
        Events, time last.
    decay : Tensor of shape (N,)
        Decay a frame, in (0, 1).

    Returns
    -------
    Tensor of shape (M, N, L)

    Examples
    --------
    >>> exponential_filter(torch.eye(3)[:1, None], torch.tensor([0.5]))
    tensor([[[1.0000, 0.5000, 0.2500]]])
    """
    length = events.shape[-1]
    steps = torch.arange(length, device=events.device, dtype=events.dtype)
    size = 2 * length  # padded, so that the end does not wrap around to the start
    response = torch.fft.rfft(decay[:, None] ** steps, n=size)
    spectrum = torch.fft.rfft(events, n=size) * response
    return torch.fft.irfft(spectrum, n=size)[..., :length]
