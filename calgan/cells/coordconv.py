"""Convolutions that know where they are, and cells found by coordinates that learn to move."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from calgan.data.movie import Movie, check_movie
from calgan.data.progress import progress
from calgan.data.stored import check_memory
from calgan.data.validation import as_seed, check_integer, rng_from
from calgan.training.devices import preserved_rng, to_numpy
from calgan.training.layers import seeded_init
from calgan.training.loop import TrainingState, run_training

# One seed serves uses that must not share random numbers.
_WEIGHTS, _PLACES, _SPOTS = range(3)
_BATCH = 8  # consecutive frames of a step
_MARGIN = 0.05  # of the image, in which no coordinate starts
# The original takes a million steps of a hundredth of this size.
_LEARNING_RATE, _SPARSITY_RATE = 1e-3, 1e-4
_PIXELS = 0.1  # of the resized image: step size of the coordinates
_SPOT = 0.02  # SD of the spot that stands for a coordinate, as a share of the image
_RENDERER_STEPS, _RENDERER_BATCH, _RENDERER_RATE = 400, 16, 1e-2


class CoordConv2d(nn.Conv2d):
    r"""A 2-D convolution that also sees where it is.

    The input gets two more channels: the coordinates x and y of the pixels, from -1 in the first
    column and row to 1 in the last. A third is their distance from the centre,
    :math:`\sqrt{x^2 + y^2}`.

    Parameters
    ----------
    in_channels : int
        Channels C of the input, without coordinates.
    out_channels : int
        Channels D of the output.
    kernel_size : int or tuple of int
        Height and width of the kernel (pixels).
    with_radius : bool, default=False
        Whether the distance from the centre is a channel.
    **options
        Further arguments of ``torch.nn.Conv2d``, such as ``padding``.

    See Also
    --------
    torch.nn.Conv2d : The convolution without coordinates.

    Notes
    -----
    The input is (M, C, H, W) or (C, H, W), of any height and width. An axis of one pixel has the
    coordinate 0. The first weights are drawn from torch's global generator, as those of
    ``Conv2d`` are.

    References
    ----------
    Liu et al., An intriguing failing of convolutional neural networks and the CoordConv solution,
    NeurIPS 2018. https://doi.org/10.48550/arXiv.1807.03247

    Examples
    --------
    >>> import torch
    >>> from calgan.cells import CoordConv2d
    >>> layer = CoordConv2d(1, 8, 3, padding=1)
    >>> layer(torch.zeros(4, 1, 20, 30)).shape
    torch.Size([4, 8, 20, 30])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        with_radius: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(in_channels + 2 + with_radius, out_channels, kernel_size, **options)
        self.with_radius = with_radius

    def forward(self, input: Tensor) -> Tensor:
        """Convolve images with their coordinates.

        Parameters
        ----------
        input : Tensor of shape (M, C, H, W) or (C, H, W)
            Images, without coordinates.

        Returns
        -------
        Tensor of shape (M, D, H', W') or (D, H', W')
            What ``torch.nn.Conv2d`` makes of images and coordinates.
        """
        height, width = input.shape[-2:]
        y, x = (_positions(n, input)[:, None] for n in (height, width))
        channels = [x.T.expand(height, width), y.expand(height, width)]
        if self.with_radius:
            channels.append(torch.hypot(*channels))
        coordinates = torch.stack(channels).expand(*input.shape[:-3], -1, -1, -1)
        return super().forward(torch.cat([input, coordinates], dim=-3))


def coordconv_cells(
    frames: Any,
    n_cells: int = 100,
    *,
    size: int = 100,
    epochs: int = 10,
    random_state: Any = None,
    verbose: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Find cells in a movie of dF/F by coordinates that learn to lie on what is active.

    This is the method of Teng, Putti and Schneider, reproduced for comparison. Frames are resized
    to `size` x `size` pixels and scaled to [0, 1]. An encoder turns a frame into an image e of the
    same size, between 0 and 1. A renderer, which is trained first and then fixed, turns coordinate
    k into an image :math:`r_k` of a spot there, whose sum is 1. The activity of a coordinate is

    .. math:: a_k = \sum_p e(p) \, r_k(p)

    and a decoder makes the frame of all coordinates and their activities. Coordinates, encoder and
    decoder lower the mean squared error of the frame. The encoder also lowers the binary
    cross-entropy between e and the sum of the spots, each scaled to a maximum of its activity.

    Parameters
    ----------
    frames : Movie or array-like of shape (T, H, W)
        The movie, in dF/F, of 8 frames or more.
    n_cells : int, default=100
        Number K of coordinates. All of them are returned: their number is not learnt.
    size : int, default=100
        Height and width of the resized frames (pixels), a multiple of 4.
    epochs : int, default=10
        Passes over the movie. The original makes 1000.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the coordinates' first places and of the networks.
    verbose : int or None, default=None
        1 shows progress, 0 does not, and None shows it on a terminal.

    Returns
    -------
    centres : ndarray of shape (K, 2), float64
        Coordinates (x, y) in pixels of `frames`.
    activities : ndarray of shape (T, K), float32
        Activity of each coordinate in each frame, between 0 and 1.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If the movie has fewer than 8 frames, does not vary, or holds NaN, or a number is too
        small.

    Notes
    -----
    The original has wider networks, with dropout and an L1 penalty, and smaller step sizes. Its
    authors report a mean precision of 0.46, 0.04 above that of the first places. They name the
    causes: the encoder is not sparse, coordinates gather at the edges of cells, the code depends
    on the order of the coordinates, and the decoder overfits. Where cells are bright at rest, as
    in raw fluorescence, coordinates hardly come nearer to them.

    References
    ----------
    Teng, Putti & Schneider, Data analysis for single photon calcium imaging with deep learning,
    2021. https://github.com/twpkevin06222/Data-Analysis-for-Single-Photon-Calcium-Imaging-with-Deep-Learning

    Examples
    --------
    >>> from calgan.cells import coordconv_cells
    >>> from calgan.datasets import make_movie
    >>> truth = make_movie(n_neurons=3, shape=(48, 48), duration=5.0, random_state=0)
    >>> centres, activities = coordconv_cells(truth.movie, 5, size=24, epochs=1, random_state=0)
    >>> centres.shape, activities.shape
    ((5, 2), (50, 5))
    """
    movie = check_movie(frames, "frames")
    n_cells = check_integer(n_cells, "n_cells")
    size = check_integer(size, "size", minimum=16)
    epochs = check_integer(epochs, "epochs")
    seed = as_seed(random_state)
    if size % 4:
        raise ValueError(f"size must be a multiple of 4, because images are halved twice: {size}.")
    images = resized_frames(movie, size)
    model = CoordinateAutoencoder(n_cells, size, seed)
    train_renderer(model.renderer, seed, verbose=verbose)
    train_coordinates(model, images, epochs, verbose=verbose)
    with torch.no_grad():
        spots = model.renderer(model.places)
        activities = torch.cat([model.activities(part, spots)[0] for part in images.split(64)])
    # Pixel centres are at whole numbers, also of the resized frames.
    scale = np.array([movie.shape[2], movie.shape[1]]) / size
    places = to_numpy(model.places).astype(np.float64)
    return (places + 0.5) * scale - 0.5, to_numpy(activities)


def resized_frames(movie: Movie, size: int) -> Tensor:
    """Return the frames of a movie resized to size x size and scaled to [0, 1] together."""
    if movie.n_frames < _BATCH:
        raise ValueError(
            f"coordconv_cells needs at least {_BATCH} frames, but the movie has "
            f"{movie.n_frames}: pass more frames."
        )
    check_memory(
        4 * movie.n_frames * size**2,
        f"{movie.n_frames} frames of {size} x {size} pixels",
        "take a smaller size, or a part of the movie",
    )
    images = torch.empty(movie.n_frames, size, size)
    for first, frames in movie.chunks():
        images[first : first + len(frames)] = functional.interpolate(
            torch.from_numpy(frames)[:, None], (size, size), mode="bilinear", antialias=True
        )[:, 0]
    low, high = float(images.min()), float(images.max())
    if high - low <= 1e-6 * max(abs(low), abs(high)):  # resizing rounds
        raise ValueError(
            f"all pixels of all frames are {low:g}, so there are no cells to find: check how the "
            "movie was read."
        )
    return (images - low) / (high - low)


class CoordinateAutoencoder(nn.Module):
    """Learnable coordinates, the networks that draw them and see frames in them."""

    def __init__(self, n_cells: int, size: int, seed: int) -> None:
        super().__init__()
        with preserved_rng():
            self.renderer = Renderer(size)
            self.encoder = Encoder()
            self.decoder = Decoder(n_cells, size)
        seeded_init(self, int(rng_from(seed, _WEIGHTS).integers(2**62)))
        # Half the time on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        low, high = _MARGIN * size, (1.0 - _MARGIN) * size
        places = rng_from(seed, _PLACES).uniform(low, high, (n_cells, 2))
        self.places = nn.Parameter(torch.from_numpy(places.astype(np.float32)))  # (x, y), pixels
        self.size = size

    def activities(self, frames: Tensor, spots: Tensor) -> tuple[Tensor, Tensor]:
        """Return activities (m, K) of spots (K, H, W) in frames (m, H, W), and logits of e."""
        logits = self.encoder(frames).flatten(1)
        activities = logits.sigmoid() @ spots.flatten(1).T
        return activities.clamp(max=1.0), logits  # a sum of weights may round to more than 1

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the frames' mean squared error, and the cross-entropy that makes e sparse."""
        spots = self.renderer(self.places)
        activities, logits = self.activities(frames, spots)
        places = (self.places / (self.size - 1)).expand(len(frames), -1, -1)
        drawn = self.decoder(torch.cat([places, activities[..., None]], dim=2))
        fixed = spots.detach().flatten(1)
        target = (activities @ (fixed / fixed.amax(dim=1, keepdim=True))).clamp(max=1.0)
        sparsity = functional.binary_cross_entropy_with_logits(logits, target)
        return functional.mse_loss(drawn, frames), sparsity


class Renderer(nn.Module):
    """Draws coordinates ("De-CoordConv"): each becomes an image that sums to 1."""

    def __init__(self, size: int, filters: int = 32) -> None:
        super().__init__()
        self.size = size
        self.layers = nn.Sequential(
            CoordConv2d(2, filters, 1),
            nn.SiLU(),
            nn.Conv2d(filters, filters, 1),
            nn.SiLU(),
            nn.Conv2d(filters, 16, 1),
            nn.PixelShuffle(4),  # a transposed convolution with stride 4, in less time
        )

    def forward(self, places: Tensor) -> Tensor:
        """Draw places (K, 2) in pixels as images (K, size, size)."""
        scaled = 2.0 * places / (self.size - 1) - 1.0
        tiled = scaled[..., None, None].expand(-1, -1, self.size // 4, self.size // 4)
        return self.layers(tiled).flatten(1).softmax(1).view(-1, self.size, self.size)


class Encoder(nn.Module):
    """Turns frames into the logits of images that are bright at active cells."""

    def __init__(self, filters: int = 16) -> None:
        super().__init__()
        same: dict[str, Any] = {"padding": 1, "padding_mode": "reflect"}  # zeros draw a frame
        self.layers = nn.Sequential(
            CoordConv2d(1, filters // 2, 3, **same),
            nn.ReLU(),
            nn.Conv2d(filters // 2, filters, 3, stride=2, **same),
            nn.ReLU(),
            nn.Conv2d(filters, filters, 3, stride=2, **same),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(filters, filters // 2, 3, **same),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(filters // 2, 1, 3, **same),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Encode frames (m, H, W)."""
        return self.layers(frames[:, None])[:, 0]


class Decoder(nn.Module):
    """Makes frames of coordinates and their activities."""

    def __init__(self, n_cells: int, size: int, filters: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(3 * n_cells, filters * (size // 4) ** 2),
            nn.ReLU(),
            nn.Unflatten(1, (filters, size // 4, size // 4)),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            CoordConv2d(filters, 2 * filters, 3, padding=1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(2 * filters, filters, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(filters, 1, 3, padding=1),
        )

    def forward(self, code: Tensor) -> Tensor:
        """Decode x, y and activity of each coordinate, (m, K, 3)."""
        return self.layers(code)[:, 0]


def train_renderer(renderer: Renderer, seed: int, *, verbose: int | None = None) -> list[float]:
    """Teach a renderer to draw Gaussian spots, fix it, and return the loss of each step."""
    rng = rng_from(seed, _SPOTS)
    size = renderer.size
    optimizer = torch.optim.Adam(renderer.parameters(), _RENDERER_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _RENDERER_STEPS)
    pixels = torch.arange(size, dtype=torch.float32)
    losses = []
    with progress(verbose, "coordconv_cells: learning to draw", _RENDERER_STEPS) as bar:
        for _ in range(_RENDERER_STEPS):
            drawn = rng.uniform(0.0, size - 1.0, (_RENDERER_BATCH, 2)).astype(np.float32)
            places = torch.from_numpy(drawn)
            along = (-0.5 * ((pixels - places[..., None]) / (_SPOT * size)) ** 2).softmax(2)
            spots = along[:, 1, :, None] * along[:, 0, None, :]
            # Differs from the Kullback-Leibler divergence by a constant.
            loss = -(spots * renderer(places).clamp(min=1e-30).log()).sum((1, 2)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
            bar.update()
    renderer.requires_grad_(False)
    return losses


def train_coordinates(
    model: CoordinateAutoencoder, images: Tensor, epochs: int, *, verbose: int | None = None
) -> list[dict[str, Any]]:
    """Train all but the renderer on images (T, H, W); return a row of history a step."""
    encoder = list(model.encoder.parameters())
    networks = [*encoder, *model.decoder.parameters()]
    groups: list[dict[str, Any]] = [
        {"params": networks, "lr": _LEARNING_RATE},
        {"params": [model.places], "lr": _PIXELS},
    ]
    optimizers = {
        "frames": torch.optim.Adam(groups),
        "sparsity": torch.optim.Adam(encoder, _SPARSITY_RATE),
    }
    state = TrainingState({"model": model}, dict(optimizers), averaged=model)
    batches = images.split(_BATCH)  # in their order, as in the original

    def step(number: int) -> dict[str, float]:
        error, sparsity = model(batches[number % len(batches)])
        # Both gradients are those of the weights before the step.
        towards_sparsity = torch.autograd.grad(sparsity, encoder, retain_graph=True)
        optimizers["frames"].zero_grad()
        error.backward()
        optimizers["frames"].step()
        for weights, gradient in zip(encoder, towards_sparsity, strict=True):
            weights.grad = gradient
        optimizers["sparsity"].step()
        with torch.no_grad():
            model.places.clamp_(0.0, model.size - 1.0)
        return {"loss": float(error.detach()), "sparsity": float(sparsity.detach())}

    run_training(
        state,
        step,
        max_iter=epochs * len(batches),
        verbose=verbose,
        description="coordconv_cells: moving coordinates",
        resumable=False,
    )
    return state.history


def _positions(n_pixels: int, like: Tensor) -> Tensor:
    """Return the coordinates -1 to 1 of pixels in a row."""
    if n_pixels == 1:
        return like.new_zeros(1)
    return torch.linspace(-1.0, 1.0, n_pixels, dtype=like.dtype, device=like.device)
