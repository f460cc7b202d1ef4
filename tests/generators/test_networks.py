"""Networks against the published tables, Keras's conventions and slow, obvious code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published_networks import count, keras_dense, leaky, scrambled, shuffle_slowly
from scipy.signal import lfilter
from torch import nn

from calgan.generators.gan.compact import CalciumGenerator, CompactCritic, exponential_filter
from calgan.generators.gan.layers import ChannelNorm, phase_shuffle
from calgan.generators.gan.patch_critic import PatchCritic
from calgan.generators.gan.wavegan import WaveGANCritic, WaveGANGenerator
from calgan.training import layers
from calgan.training.layers import strided_depth


def test_parameter_counts_of_table_3_1() -> None:
    generator = WaveGANGenerator(2048, 102)
    assert count(generator.dense) == 67_584
    assert [count(conv) for conv in generator.convs] == [
        246_080,
        1_966_336,
        1_179_840,
        589_952,
        313_446,
    ]
    assert [count(norm) for norm in generator.norms] == [640, 512, 384, 256, 204]
    assert count(generator.head) == 10_506
    assert count(generator) == 4_375_740
    critic = WaveGANCritic(2048, 102)
    assert [count(conv) for conv in critic.convs] == [
        156_736,
        196_736,
        590_016,
        1_179_904,
        1_966_400,
    ]
    assert count(critic.head) == 20_481
    assert count(critic) == 4_110_273


def test_output_shapes_layer_by_layer() -> None:
    seen = []

    def note(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        seen.append((output.shape[1], output.shape[-1]))

    generator, critic = WaveGANGenerator(2048, 102), WaveGANCritic(2048, 102)
    for conv in (*generator.convs, *critic.convs):
        conv.register_forward_hook(note)
    with torch.no_grad():
        windows = generator(torch.zeros(1, 32))
        assert windows.shape == (1, 2048, 102)
        assert critic(windows).shape == (1,)
    channels = [320, 256, 192, 128, 102]
    assert seen[:5] == list(zip(channels, [128, 256, 512, 1024, 2048], strict=True))
    assert seen[5:] == list(zip([64, 128, 192, 256, 320], [1024, 512, 256, 128, 64], strict=True))


def test_thesis_generator_ends_in_a_sigmoid() -> None:
    net = WaveGANGenerator(64, 3, filters=2)
    layers.seeded_init(net, 0)
    windows = net(100 * torch.randn(20, 32, generator=torch.Generator().manual_seed(0)))
    assert windows.dtype == torch.float32
    assert windows.min() >= 0
    assert windows.max() <= 1
    assert windows.std() > 0.01


@pytest.mark.parametrize("n_neurons", [1, 2, 3])
def test_few_neurons_are_neither_constant_nor_tied_together(n_neurons: int) -> None:
    # Normalised over the neurons, one would be constant, and two a function of one another.
    net = WaveGANGenerator(64, n_neurons, filters=4)
    layers.seeded_init(net, 0)
    with torch.no_grad():
        windows = net(torch.randn(50, 32, generator=torch.Generator().manual_seed(0)))
    assert windows.std(dim=(0, 1)).min() > 0.01
    ranks = windows.reshape(-1, n_neurons).argsort(0).argsort(0).double()
    for i in range(1, n_neurons):
        assert abs(float(torch.corrcoef(ranks[:, [0, i]].T)[0, 1])) < 0.999
    assert count(net.norms) == 2 * (12 + 8 + n_neurons)
    assert isinstance(WaveGANGenerator(64, 3).norms[-1], ChannelNorm)


# The published networks again, as TensorFlow defines their layers: kernels (time, in, out), 'same'
# padding of 11 a side, arrays (time, channels) throughout.


def keras_conv(x: np.ndarray, layer: nn.Conv1d) -> np.ndarray:
    kernel = layer.weight.detach().numpy().transpose(2, 1, 0)
    padded = np.pad(x, ((11, 11), (0, 0)))
    out = [np.einsum("ki,kio->o", padded[2 * t : 2 * t + 24], kernel) for t in range(len(x) // 2)]
    return np.array(out) + layer.bias.detach().numpy()


def keras_transposed_conv(x: np.ndarray, layer: nn.ConvTranspose1d) -> np.ndarray:
    kernel = layer.weight.detach().numpy().transpose(2, 0, 1)
    padded = np.zeros((2 * len(x) + 22, kernel.shape[2]))
    for t, values in enumerate(x):
        padded[2 * t : 2 * t + 24] += np.einsum("i,kio->ko", values, kernel)
    return padded[11:-11] + layer.bias.detach().numpy()


def test_generator_is_the_published_one_layer_by_layer() -> None:
    net = scrambled(WaveGANGenerator(64, 3, filters=2, noise_size=4))
    noise = torch.randn(1, 4, generator=torch.Generator().manual_seed(1))
    x = leaky(keras_dense(noise[0].numpy(), net.dense)).reshape(8, 4)
    for conv, norm in zip(net.convs, net.norms, strict=True):
        x = keras_transposed_conv(x, conv)
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3)
        gamma, beta = (p.detach().numpy() for p in norm.parameters())
        x = leaky(gamma * x + beta)
    expected = 1 / (1 + np.exp(-keras_dense(x, net.head)))
    np.testing.assert_allclose(net(noise)[0].detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_critic_is_the_published_one_layer_by_layer() -> None:
    net = scrambled(WaveGANCritic(64, 3, filters=2))
    windows = torch.randn(1, 64, 3, generator=torch.Generator().manual_seed(1))
    x, shifts = windows[0].numpy(), (3, -2)
    for i, conv in enumerate(net.convs):
        x = leaky(keras_conv(x, conv))
        if i < 2:  # never after the last
            x = np.array([x[t] for t in shuffle_slowly(list(range(len(x))), shifts[i])])
    expected = keras_dense(x.reshape(-1), net.head)
    np.testing.assert_allclose(net(windows, shifts).detach().numpy(), expected, rtol=1e-4)


def test_layer_norm_is_over_channels_only() -> None:
    norm = ChannelNorm(4)
    x = torch.randn(2, 4, 7, generator=torch.Generator().manual_seed(0))
    expected = (x - x.mean(1, keepdim=True)) / (
        x.var(1, unbiased=False, keepdim=True) + 1e-3
    ).sqrt()
    torch.testing.assert_close(norm(x), expected)


@settings(max_examples=50, deadline=None)
@given(length=st.integers(2, 40), data=st.data())
def test_phase_shuffle_agrees_with_obvious_code(length: int, data: st.DataObject) -> None:
    shift = data.draw(st.integers(1 - length, length - 1))
    values = list(range(length))
    got = phase_shuffle(torch.tensor([[values]]), shift)
    assert got[0, 0].tolist() == shuffle_slowly(values, shift)


def test_phase_shuffle_as_the_reference_prints_it() -> None:
    assert phase_shuffle(torch.arange(1, 10), 1).tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 8]
    assert phase_shuffle(torch.arange(1, 10), -2).tolist() == [3, 2, 1, 2, 3, 4, 5, 6, 7]


def test_shifts_fit_what_is_left_and_are_drawn_uniformly() -> None:
    assert WaveGANCritic(2048, 2, filters=1).max_shifts == (10, 10, 10, 10)
    critic = WaveGANCritic(64, 2, filters=1)
    assert critic.max_shifts == (4, 2)  # layers of 32 and 16 steps; none after the last
    rng = np.random.default_rng(0)
    draws = np.array([critic.draw_shifts(rng) for _ in range(2000)])
    values, counts = np.unique(draws[:, 0], return_counts=True)
    assert values.tolist() == list(range(-4, 5))
    assert counts.min() > 0.7 * 2000 / 9
    assert WaveGANCritic(64, 2, filters=1, phase_shuffle=0).max_shifts == (0, 0)


def test_phase_shuffle_changes_the_critic_only_when_asked() -> None:
    critic = WaveGANCritic(64, 2, filters=4)
    x = torch.randn(3, 64, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(critic(x), critic(x, (0, 0)))
    assert not torch.equal(critic(x), critic(x, (2, 0)))


@pytest.mark.parametrize(
    ("frames", "depth"), [(2048, 5), (256, 5), (128, 4), (64, 3), (32, 2), (16, 1), (24, 1)]
)
def test_depth_leaves_at_least_eight_steps(frames: int, depth: int) -> None:
    assert strided_depth(frames) == depth
    assert frames // 2**depth >= 8


@pytest.mark.parametrize(("frames", "low", "high"), [(100, 96, 104), (63, 60, 64), (17, 16, 18)])
def test_windows_that_cannot_be_halved_name_the_nearest_that_can(
    frames: int, low: int, high: int
) -> None:
    with pytest.raises(ValueError, match=f"nearest being {low} and {high} frames"):
        strided_depth(frames)
    assert strided_depth(low) > 0
    assert strided_depth(high) > 0


def test_too_short_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 frames"):
        strided_depth(8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.01, 0.99), st.integers(1, 60))
def test_exponential_filter_agrees_with_scipy(seed: int, decay: float, length: int) -> None:
    events = np.random.default_rng(seed).random((2, 3, length), dtype=np.float32)
    got = exponential_filter(torch.from_numpy(events), torch.full((3,), decay))
    np.testing.assert_allclose(got.numpy(), lfilter([1], [1, -decay], events), rtol=1e-4, atol=1e-4)


def test_seeded_init_is_glorot_and_leaves_global_state_alone() -> None:
    layer = nn.Linear(300, 200)
    before = torch.get_rng_state()
    layers.seeded_init(layer, 3)
    assert torch.equal(before, torch.get_rng_state())
    bound = (6 / 500) ** 0.5
    assert float(layer.weight.detach().abs().max()) <= bound
    assert float(layer.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not layer.bias.detach().any()
    again = nn.Linear(300, 200)
    layers.seeded_init(again, 3)
    assert torch.equal(layer.weight, again.weight)


def started(windows: torch.Tensor) -> CalciumGenerator:
    net = CalciumGenerator(windows.shape[1], windows.shape[2])
    layers.seeded_init(net, 0)
    net.units.set(windows.mean((0, 1)), windows.std((0, 1)))
    net.start_from(net.units.standardise(windows))
    return net


def test_compact_generator_starts_near_the_data(traces: np.ndarray) -> None:
    windows = torch.from_numpy(traces.copy()).unfold(0, 32, 4).transpose(1, 2)
    net = started(windows)
    # The fixture decays by .9 a frame under noise of .1.
    assert torch.sigmoid(net.decay).mean().item() == pytest.approx(0.9, abs=0.06)
    noise = (torch.nn.functional.softplus(net.noise_scale) * net.units.scale).detach()
    np.testing.assert_allclose(noise, 0.1, rtol=0.5)


def test_compact_generator_is_stationary_in_time(traces: np.ndarray) -> None:
    windows = torch.from_numpy(traces.copy()).unfold(0, 32, 4).transpose(1, 2)
    net = started(windows)
    noise = torch.randn(4000, net.noise_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        by_frame = net(noise).mean((0, 2))
    assert float(by_frame.std() / by_frame.mean()) < 0.03


def test_compact_generator_makes_sharp_rises_and_slow_decays() -> None:
    net = CalciumGenerator(32, 1)
    layers.seeded_init(net, 0)
    with torch.no_grad():
        net.noise_scale.fill_(-20.0)
        net.shot.fill_(-20.0)
        net.drive.bias.fill_(-3.0)
        net.decay.fill_(2.0)
        net.rise.fill_(-8.0)
        net.independent.fill_(1.5)
        noise = torch.randn(50, net.noise_size, generator=torch.Generator().manual_seed(0))
        steps = net(noise).diff(dim=1)
    assert float(steps.max()) > 2 * float(-steps.min())


def test_constant_features_are_generated_as_their_constant() -> None:
    windows = torch.randn(10, 16, 2, generator=torch.Generator().manual_seed(0))
    windows[..., 1] = 5.0
    net = CalciumGenerator(16, 2)
    net.units.set(windows.mean((0, 1)), torch.tensor([1.0, 0.0]))
    samples = net(torch.randn(3, net.noise_size)).detach()
    assert (samples[..., 1] == 5.0).all()
    assert samples[..., 0].std() > 0


@pytest.mark.parametrize("critic_class", [CompactCritic, PatchCritic])
def test_compact_critics_do_not_depend_on_units(critic_class: type) -> None:
    windows = torch.randn(5, 16, 3, generator=torch.Generator().manual_seed(0))
    critic = scrambled(critic_class(16, 3))
    plain = critic(windows)
    critic.units.set(torch.full((3,), 7.0), torch.full((3,), 100.0))
    torch.testing.assert_close(critic(100 * windows + 7), plain, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(critic(windows), plain, rtol=1e-3, atol=1e-4)


def test_patch_critic_does_not_depend_on_when_an_event_happens() -> None:
    critic = scrambled(PatchCritic(128, 3))
    event = torch.randn(1, 20, 3, generator=torch.Generator().manual_seed(0))
    early, late = torch.zeros(2, 1, 128, 3)
    early[:, 40:60], late[:, 56:76] = event, event  # 16 frames: a step of the coarsest scale
    torch.testing.assert_close(critic(early), critic(late))
    others = event.flip(1)
    late[:, 56:76] = others
    assert not torch.allclose(critic(early), critic(late), rtol=1e-3)


def test_patch_critic_tells_neurons_apart() -> None:
    critic = scrambled(PatchCritic(32, 3))
    windows = torch.randn(4, 32, 3, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(critic(windows), critic(windows.roll(1, dims=2)), rtol=1e-2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(16, 200))
def test_patch_critic_sees_a_segment_of_the_windows(seed: int, frames: int) -> None:
    critic = PatchCritic(frames, 2, channels=4)
    start, end = critic.draw_shifts(np.random.default_rng(seed))
    assert 0 <= start < end <= frames
    assert end - start >= max(16, frames / 2 - 4)
    windows = torch.randn(2, frames, 2, generator=torch.Generator().manual_seed(0))
    scrambled(critic)
    torch.testing.assert_close(critic(windows, (start, end)), critic(windows[:, start:end]))


def test_patch_critic_draws_every_length_and_place() -> None:
    rng = np.random.default_rng(0)
    draws = np.array([PatchCritic(32, 2, channels=4).draw_shifts(rng) for _ in range(500)])
    assert set(draws[:, 1] - draws[:, 0]) == {16, 20, 24, 28, 32}
    shortest = draws[draws[:, 1] - draws[:, 0] == 16]
    assert set(shortest[:, 0]) == set(range(17))


@pytest.mark.parametrize(("frames", "scales"), [(16, 1), (24, 1), (32, 2), (64, 3), (512, 3)])
def test_patch_critic_has_as_many_scales_as_a_window_holds(frames: int, scales: int) -> None:
    critic = scrambled(PatchCritic(frames, 2, channels=4))
    assert 1 + len(critic.coarser) == scales
    windows = torch.randn(3, frames, 2, generator=torch.Generator().manual_seed(0))
    # Each window is judged by itself.
    torch.testing.assert_close(critic(windows)[:1], critic(windows[:1]))
