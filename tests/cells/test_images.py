"""Images of a movie are those that numpy computes of it as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from calgan import Movie
from calgan.cells.images import correlation_image, mean_image
from calgan.datasets import make_movie


def test_images_of_a_movie_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    frames = 1000.0 + rng.standard_normal((50, 6, 7)).cumsum(axis=2) + rng.random((6, 7))
    np.testing.assert_allclose(mean_image(frames), frames.mean(axis=0), rtol=1e-6)
    correlations = np.corrcoef(frames.reshape(50, -1).T)
    image = correlation_image(frames.astype(np.float32))
    for y in range(6):
        for x in range(7):
            near = [
                7 * j + i
                for j in range(max(0, y - 1), min(6, y + 2))
                for i in range(max(0, x - 1), min(7, x + 2))
                if (j, i) != (y, x)
            ]
            assert image[y, x] == pytest.approx(correlations[7 * y + x, near].mean(), abs=1e-3)


def test_images_do_not_depend_on_the_pieces_that_are_read() -> None:
    frames = np.random.default_rng(0).random((40, 600, 500), dtype=np.float32)  # two pieces
    assert len(list(Movie(frames, 10.0).chunks())) == 2
    np.testing.assert_allclose(mean_image(frames), frames.mean(axis=0), rtol=1e-5)
    part = np.s_[100:106, 200:207]
    around = correlation_image(frames[:, 99:107, 199:208])[1:-1, 1:-1]
    np.testing.assert_allclose(correlation_image(frames)[part], around, atol=1e-6)


def test_still_pixels_are_correlated_with_none() -> None:
    frames = np.full((9, 3, 4), 0.1)
    np.testing.assert_array_equal(correlation_image(frames), 0.0)
    frames[:, 1, 1] = frames[:, 1, 2] = np.arange(9)
    image = correlation_image(frames)
    assert image[1, 1] == image[1, 2] == pytest.approx(1 / 8)
    assert image[0, 0] == 0.0
    np.testing.assert_array_equal(correlation_image(frames[:, :1, :1]), 0.0)
    np.testing.assert_array_equal(correlation_image(frames[:1]), 0.0)


def test_cells_stand_out_in_the_correlation_image() -> None:
    truth = make_movie(shape=(64, 96), n_neurons=8, duration=30.0, random_state=0)
    image = correlation_image(truth.movie)
    active = truth.calcium.std(axis=0).argmax()
    inside = image[truth.masks[active] > 0.5].mean()
    outside = image[~(truth.masks > 0).any(axis=0)].mean()
    assert inside > outside + 0.2
