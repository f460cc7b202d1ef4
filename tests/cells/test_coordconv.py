"""Convolutions with coordinates see where they are, and coordinates learn to lie on cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from calgan import Recording
from calgan.cells import CoordConv2d, coordconv_cells
from calgan.cells.coordconv import (
    CoordinateAutoencoder,
    resized_frames,
    train_coordinates,
    train_renderer,
)
from calgan.data.movie import check_movie
from calgan.datasets import SimulatedMovie, make_movie

SMALL: dict[str, Any] = {"n_cells": 6, "size": 16, "epochs": 1, "random_state": 0, "verbose": 0}


@pytest.fixture(scope="module")
def easy() -> SimulatedMovie:
    """12 cells far apart, each bright in 15 % of the frames; frames are wider than high."""
    active = np.random.default_rng(1).random((200, 12)) < 0.15
    return make_movie(
        Recording(2.0 * active, 10.0, units="dF/F"),
        (64, 80),
        radius=4.0,
        min_distance=14.0,
        nucleus=0.0,
        photons=1e4,
        neuropil=0.0,
        gain=0.2,
        random_state=1,
    )


# ------------------------------------------------------------------------------ the layer


@pytest.mark.parametrize("with_radius", [False, True])
@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 4), (6, 1), (1, 1)])
def test_a_coordconv_is_a_convolution_of_input_and_coordinates(
    height: int, width: int, with_radius: bool
) -> None:
    layer = CoordConv2d(2, 4, 3, with_radius=with_radius, padding=1, stride=2)
    plain = nn.Conv2d(4 + with_radius, 4, 3, padding=1, stride=2)
    plain.load_state_dict(layer.state_dict())
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 2, height, width, generator=generator)
    channels = torch.zeros(3, 2 + with_radius, height, width)
    for row in range(height):
        for column in range(width):
            x = 2 * column / (width - 1) - 1 if width > 1 else 0.0
            y = 2 * row / (height - 1) - 1 if height > 1 else 0.0
            channels[:, :, row, column] = torch.tensor(
                [x, y, (x**2 + y**2) ** 0.5][: 2 + with_radius]
            )
    expected = plain(torch.cat([images, channels], dim=1))
    torch.testing.assert_close(layer(images), expected)
    torch.testing.assert_close(layer(images[0]), expected[0])


def test_a_coordconv_is_differentiable() -> None:
    layer = CoordConv2d(1, 2, 3, with_radius=True).double()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 1, 4, 5, generator=generator, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (images,))
    layer(images).square().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().amax((0, 2, 3)).min() > 0  # of each channel


def test_a_coordconv_draws_nothing_when_it_is_called() -> None:
    layer = CoordConv2d(1, 2, 3)
    before = torch.get_rng_state()
    layer(torch.zeros(1, 1, 4, 4))
    assert torch.equal(before, torch.get_rng_state())


def drawn_pixels(first: nn.Module, side: int = 10) -> float:
    """Share of held-out places (x, y) whose pixel a network learns to draw, all else equal."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            first, nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU(), nn.Conv2d(32, 1, 1), nn.Flatten()
        )
        order = torch.randperm(side**2)
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side))
    pixels = places[:, 1] * side + places[:, 0]
    images = (2 * places / (side - 1) - 1.0)[..., None, None].expand(-1, -1, side, side)
    train, test = order[25:], order[:25]
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images[train]), pixels[train]).backward()
        optimizer.step()
    with torch.no_grad():
        return float((network(images[test]).argmax(1) == pixels[test]).float().mean())


def test_a_coordconv_draws_the_pixel_of_a_coordinate_and_a_plain_convolution_cannot() -> None:
    # Liu et al. 2018. The plain convolution has a wider kernel, and so more weights.
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = CoordConv2d(2, 32, 1), nn.Conv2d(2, 32, 3, padding=1)
    assert layers[0].weight.numel() < layers[1].weight.numel()
    assert drawn_pixels(layers[0]) > 0.9
    assert drawn_pixels(layers[1]) < 0.2


# --------------------------------------------------------------------- cells by coordinates


def distances(centres: Any, truth: SimulatedMovie) -> np.ndarray:
    """Distance of each centre from the nearest cell (pixels)."""
    apart = np.asarray(centres)[:, None] - truth.centres[None]
    return np.hypot(apart[..., 0], apart[..., 1]).min(axis=1)


def test_the_renderer_draws_a_spot_at_each_place() -> None:
    model = CoordinateAutoencoder(5, 32, seed=0)
    losses = train_renderer(model.renderer, 0, verbose=0)
    assert losses[-1] < 0.7 * losses[0]
    assert not any(weights.requires_grad for weights in model.renderer.parameters())
    places = torch.tensor([[8.0, 20.0], [16.5, 5.25], [25.0, 25.0]])
    spots = model.renderer(places)
    torch.testing.assert_close(spots.sum((1, 2)), torch.ones(3))
    pixels = torch.arange(32.0)
    means = torch.stack([(spots.sum(1) * pixels).sum(1), (spots.sum(2) * pixels).sum(1)], dim=1)
    torch.testing.assert_close(means, places, atol=0.3, rtol=0.0)


def test_the_loss_falls_and_coordinates_come_nearer_to_cells(easy: SimulatedMovie) -> None:
    frames = np.asarray(easy.movie)
    # In dF/F, a cell at rest is as dark as what is around it.
    images = resized_frames(check_movie(frames / frames.mean(axis=0) - 1.0), 32)
    model = CoordinateAutoencoder(24, 32, seed=0)
    train_renderer(model.renderer, 0, verbose=0)
    scale = np.array([80, 64]) / 32
    start = (model.places.detach().numpy() + 0.5) * scale - 0.5
    history = train_coordinates(model, images, epochs=20, verbose=0)
    losses = np.array([row["loss"] for row in history]).reshape(20, 25)  # epochs, steps
    assert losses[-1].mean() < 0.6 * losses[0].mean()
    end = (model.places.detach().numpy() + 0.5) * scale - 0.5
    assert distances(end, easy).mean() < 0.8 * distances(start, easy).mean()


def test_a_seed_gives_the_same_cells_and_global_random_state_is_left_alone(
    easy: SimulatedMovie,
) -> None:
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    centres, activities = coordconv_cells(easy.movie, **SMALL)
    again = coordconv_cells(np.asarray(easy.movie), **SMALL)
    other, _ = coordconv_cells(easy.movie, **SMALL | {"random_state": 1})
    assert centres.shape == (6, 2)
    assert activities.shape == (200, 6)
    assert activities.dtype == np.float32
    assert activities.max() <= 1.0
    np.testing.assert_array_equal(centres, again[0])
    np.testing.assert_array_equal(activities, again[1])
    assert np.abs(centres - other).max() > 1.0
    for before, after in zip(numpy_state, np.random.get_state(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert torch.equal(torch_state, torch.get_rng_state())


def test_frames_are_resized_and_scaled_together() -> None:
    frames = np.zeros((8, 64, 32))
    frames[3, :32] = 100.0
    frames[4] = -50.0
    images = resized_frames(check_movie(frames), 16).numpy()
    assert images.shape == (8, 16, 16)
    assert images[3, :7] == pytest.approx(1.0)
    assert images[3, 9:] == pytest.approx(1 / 3)
    assert images[4] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"frames": np.eye(20)[:7, :, None] + np.zeros(20)},
            "at least 8 frames, but the movie has 7",
        ),
        ({"frames": np.full((9, 20, 20), 3.0)}, "all pixels of all frames are 3, so there are no"),
        ({"frames": np.zeros((20, 20))}, "frames must be a movie of shape"),
        ({"n_cells": 0}, "n_cells must be an integer of at least 1, got 0"),
        ({"size": 30}, "size must be a multiple of 4, .* 30"),
        ({"size": 8}, "size must be an integer of at least 16, got 8"),
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
        ({"random_state": -1}, "random_state must not be negative"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_input_is_one_sentence(changed: dict[str, Any], message: str) -> None:
    rng = np.random.default_rng(0)
    arguments = {"frames": rng.random((9, 20, 20)), **SMALL} | changed
    with pytest.raises(ValueError, match=message):
        coordconv_cells(**arguments)
