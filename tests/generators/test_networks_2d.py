"""The 2-D networks against Table A.2, TensorFlow's conventions and slow, obvious code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published_networks import count, keras_dense, leaky, scrambled, shuffle_slowly
from torch import nn

from calgan.generators.gan.layers import ChannelNorm, phase_shuffle
from calgan.generators.gan.wavegan2d import WaveGAN2DCritic, WaveGAN2DGenerator
from calgan.training.layers import seeded_init


def test_parameter_counts_of_table_a_2() -> None:
    generator = WaveGAN2DGenerator(2048, 102)
    assert count(generator.dense) == 3_446_784
    assert [count(conv) for conv in generator.convs] == [204_900, 384_060, 153_640, 51_220, 1_281]
    assert [count(norm) for norm in generator.norms] == [200, 120, 80, 40, 2]
    assert count(generator.head) == 2
    assert count(generator) == 4_242_329
    critic = WaveGAN2DCritic(2048, 102)
    assert [conv.kernel_size for conv in critic.convs] == [(16, 16)] * 5
    assert count(critic.head) == 20_401
    assert count(critic) == 4_121_821
    with_the_kernel_of_the_text = WaveGAN2DCritic(2048, 102, kernel_size=8)
    assert count(with_the_kernel_of_the_text) != 4_121_821


def test_output_shapes_layer_by_layer() -> None:
    seen = []

    def note(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        seen.append(tuple(output.shape[1:]))

    generator, critic = WaveGAN2DGenerator(2048, 102), WaveGAN2DCritic(2048, 102)
    for layer in (*generator.norms, *critic.convs):
        layer.register_forward_hook(note)
    with torch.no_grad():
        windows = generator(torch.zeros(1, 32))
        assert windows.shape == (1, 2048, 102)
        assert critic(windows).shape == (1,)
    assert generator.start == (64, 51)
    assert seen == [
        (100, 128, 51),
        (60, 256, 51),
        (40, 512, 102),
        (20, 1024, 102),
        (1, 2048, 102),
        (20, 512, 102),
        (40, 128, 102),
        (60, 32, 102),
        (80, 8, 102),
        (100, 2, 102),
    ]


@pytest.mark.parametrize("n_neurons", [1, 2, 7, 24])
@pytest.mark.parametrize(("n_frames", "n_channels"), [(16, 1), (64, 2), (128, 1)])
def test_windows_of_other_sizes(n_frames: int, n_neurons: int, n_channels: int) -> None:
    generator = WaveGAN2DGenerator(n_frames, n_neurons, n_channels, filters=2)
    seeded_init(generator, 0)
    rng = torch.Generator().manual_seed(0)
    windows = generator(torch.randn(5, 32, generator=rng))
    assert windows.shape == (5, n_frames, n_neurons * n_channels)
    assert windows.dtype == torch.float32
    assert windows.min() >= 0
    assert windows.max() <= 1
    assert windows.std(dim=0).min() > 0
    critic = WaveGAN2DCritic(n_frames, n_neurons, n_channels, filters=2)
    values = critic(windows, critic.draw_shifts(np.random.default_rng(0)))
    assert values.shape == (5,)


def test_the_last_norm_of_the_published_generator_would_leave_nothing_to_learn() -> None:
    x = torch.randn(4, 1, 6, 5, generator=torch.Generator().manual_seed(0))
    assert ChannelNorm(1)(x).abs().max() == 0
    two = ChannelNorm(2)(torch.cat([x, x.roll(1, 0)], dim=1))
    torch.testing.assert_close(two[:, 0], -two[:, 1])  # the one is a function of the other
    generator = WaveGAN2DGenerator(64, 5, filters=2)
    seeded_init(generator, 0)
    assert generator(torch.randn(4, 32, generator=torch.Generator().manual_seed(0))).std() > 1e-3


def test_one_filter_leaves_something_to_learn() -> None:
    generator = WaveGAN2DGenerator(64, 5, filters=1)
    seeded_init(generator, 0)
    windows = generator(torch.randn(4, 32, generator=torch.Generator().manual_seed(0)))
    assert windows.std(dim=0).max() > 1e-3


# As TensorFlow defines the layers: arrays (time, neurons, channels), 'same' padding that is larger
# at the end when it is odd.


def tensorflow_conv(x: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
    kernel = layer.weight.detach().numpy().transpose(2, 3, 1, 0)
    size, strides = kernel.shape[:2], layer.stride
    outs, pads = [], []
    for length, k, stride in zip(x.shape[:2], size, strides, strict=True):
        out = -(-length // stride)
        total = max(0, (out - 1) * stride + k - length)
        outs.append(out)
        pads.append((total // 2, total - total // 2))
    padded = np.pad(x, (*pads, (0, 0)))
    result = np.zeros((*outs, kernel.shape[3]))
    for t in range(outs[0]):
        for n in range(outs[1]):
            first, second = t * strides[0], n * strides[1]
            patch = padded[first : first + size[0], second : second + size[1]]
            result[t, n] = np.einsum("tni,tnio->o", patch, kernel)
    return result + layer.bias.detach().numpy()


def tensorflow_transposed_conv(x: np.ndarray, layer: nn.ConvTranspose2d) -> np.ndarray:
    """Spread each value over its kernel; crop what the matching convolution would have padded."""
    kernel = layer.weight.detach().numpy().transpose(2, 3, 0, 1)
    size, strides = kernel.shape[:2], layer.stride
    full = np.zeros(
        [(n - 1) * s + k for n, s, k in zip(x.shape, strides, size, strict=False)]
        + [kernel.shape[3]]
    )
    for t in range(x.shape[0]):
        for n in range(x.shape[1]):
            first, second = t * strides[0], n * strides[1]
            full[first : first + size[0], second : second + size[1]] += np.einsum(
                "i,tnio->tno", x[t, n], kernel
            )
    crops = [(k - s) // 2 for k, s in zip(size, strides, strict=True)]
    lengths = [n * s for n, s in zip(x.shape, strides, strict=False)]
    rows, columns = (slice(c, c + n) for c, n in zip(crops, lengths, strict=True))
    return full[rows, columns] + layer.bias.detach().numpy()


@pytest.mark.parametrize(("n_neurons", "n_channels"), [(6, 1), (5, 2)])
def test_generator_is_the_published_one_layer_by_layer(n_neurons: int, n_channels: int) -> None:
    net = scrambled(
        WaveGAN2DGenerator(32, n_neurons, n_channels, filters=2, noise_size=4, kernel_size=8)
    )
    noise = torch.randn(1, 4, generator=torch.Generator().manual_seed(1))
    x = leaky(keras_dense(noise[0].numpy(), net.dense)).reshape(8, 3, 4)
    for conv, norm in zip(net.convs, net.norms, strict=True):
        x = tensorflow_transposed_conv(x, conv)
        if conv is not net.convs[-1]:  # see WaveGAN2DGenerator
            x = (x - x.mean(2, keepdims=True)) / np.sqrt(x.var(2, keepdims=True) + 1e-3)
        gamma, beta = (p.detach().numpy() for p in norm.parameters())
        x = leaky(gamma * x + beta)
    expected = 1 / (1 + np.exp(-keras_dense(x, net.head)))[:, :n_neurons]
    got = net(noise)[0].detach().numpy().reshape(32, n_neurons, n_channels)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("n_frames", "n_channels"), [(128, 1), (40, 2)])
def test_critic_is_the_published_one_layer_by_layer(n_frames: int, n_channels: int) -> None:
    net = scrambled(WaveGAN2DCritic(n_frames, 9, n_channels, filters=2, kernel_size=16))
    windows = torch.randn(1, n_frames, 9 * n_channels, generator=torch.Generator().manual_seed(1))
    x = windows[0].numpy().reshape(n_frames, 9, n_channels)
    shifts = ((2, 1), (-1, -1))[: len(net.convs) - 1]
    for i, conv in enumerate(net.convs):
        x = leaky(tensorflow_conv(x, conv))
        if i < len(shifts):  # never after the last
            time = shuffle_slowly(list(range(x.shape[0])), shifts[i][0])
            neurons = shuffle_slowly(list(range(x.shape[1])), shifts[i][1])
            x = np.array([[x[t, n] for n in neurons] for t in time])
    expected = keras_dense(x.reshape(-1), net.head)
    np.testing.assert_allclose(net(windows, shifts).detach().numpy(), expected, rtol=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.data())
def test_phase_shuffle_of_either_axis(length: int, n_neurons: int, data: st.DataObject) -> None:
    dim, size = data.draw(st.sampled_from([(2, length), (3, n_neurons)]))
    shift = data.draw(st.integers(1 - size, size - 1))
    x = np.arange(2 * 3 * length * n_neurons).reshape(2, 3, length, n_neurons)
    expected = np.take(x, shuffle_slowly(list(range(size)), shift), axis=dim)
    np.testing.assert_array_equal(phase_shuffle(torch.from_numpy(x), shift, dim), expected)


def test_shifts_in_time_and_across_neurons() -> None:
    # None in time after layer 4, where 8 steps are left; none at all after the last.
    full = WaveGAN2DCritic(2048, 102, filters=1)
    assert full.max_shifts == ((10, 10), (10, 10), (10, 10), (0, 10))
    assert WaveGAN2DCritic(2048, 102, filters=1, phase_shuffle=0).max_shifts == ((0, 0),) * 4
    small = WaveGAN2DCritic(64, 24, filters=1)
    assert small.max_shifts == ((2, 3),)
    rng = np.random.default_rng(0)
    draws = np.array([small.draw_shifts(rng)[0] for _ in range(2000)])
    for axis, largest in ((0, 2), (1, 3)):
        values, counts = np.unique(draws[:, axis], return_counts=True)
        assert values.tolist() == list(range(-largest, largest + 1))
        assert counts.min() > 0.7 * 2000 / len(values)
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.1  # drawn apart
