"""Seconds a training step, and the share of the machine's arithmetic peak that it reaches.

The published 1-D recipe (2,048 frames, 102 neurons, five critic steps a generator step) is timed
beside a plain transcription in torch, in turns in one run: convolutions over (M, C, T), real and
generated windows judged apart, and the penalty's gradient derived by autograd. The other networks
are timed alone. The peak is that of products of matrices (2,048 x 2,048, on a GPU 8,192 x 8,192) in
each precision, on as many threads. Floating-point operations are those that torch counts for
products and convolutions; the transcription takes more of them for the same step.

    python benchmarks/training_speed.py --out benchmarks/results/training_speed.txt
    python benchmarks/training_speed.py --device cuda --batch-size 128 --precision 32-true 16-mixed
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from calgan import CalciumFlow, CalciumGAN
from calgan.training.devices import make_fabric

FRAMES, NEURONS, NOISE, SLOPE = 2048, 102, 32, 0.3
CHANNELS = (64, 128, 192, 256, 320)


# --- the plain transcription ----------------------------------------------------------------------


class PlainNorm(nn.Module):
    """Layer normalisation over the channels of (M, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x."""
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


class PlainGenerator(nn.Module):
    """Table 3.1."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(NOISE, 64 * NOISE)
        widths = [NOISE, *reversed(CHANNELS[1:]), NEURONS]
        layers: list[nn.Module] = []
        for a, b in zip(widths, widths[1:], strict=False):
            layers += [nn.ConvTranspose1d(a, b, 24, 2, 11), PlainNorm(b), nn.LeakyReLU(SLOPE)]
        self.convs = nn.Sequential(*layers)
        self.head = nn.Linear(NEURONS, NEURONS)

    def forward(self, noise: Tensor) -> Tensor:
        """Return windows (M, T, N)."""
        x = F.leaky_relu(self.dense(noise), SLOPE).view(len(noise), 64, NOISE)
        return torch.sigmoid(self.head(self.convs(x.transpose(1, 2)).transpose(1, 2)))


class PlainCritic(nn.Module):
    """Table 3.1, with phase shuffle."""

    def __init__(self) -> None:
        super().__init__()
        widths = [NEURONS, *CHANNELS]
        self.convs = nn.ModuleList(
            nn.Conv1d(a, b, 24, 2, 11) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.head = nn.Linear(64 * CHANNELS[-1], 1)

    def forward(self, windows: Tensor) -> Tensor:
        """Return values (M,)."""
        x = windows.transpose(1, 2)
        for i, conv in enumerate(self.convs):
            x = F.leaky_relu(conv(x), SLOPE)
            if i < len(CHANNELS) - 1:
                shift = int(torch.randint(-10, 11, ()))
                x = F.pad(x, (10, 10), mode="reflect")[..., 10 + shift : 10 + shift + x.shape[-1]]
        return self.head(x.transpose(1, 2).flatten(1))[:, 0]


def plain_step(device: str, batch: int, autocast: bool) -> Callable[[], None]:
    """Return a function that takes a generator step of the transcription."""
    torch.manual_seed(0)
    generator, critic = PlainGenerator().to(device), PlainCritic().to(device)
    adam = [torch.optim.Adam(net.parameters(), 1e-4, (0.9, 0.999)) for net in (generator, critic)]
    windows = torch.rand(2 * batch, FRAMES, NEURONS)
    kind = torch.device(device).type
    lower = torch.autocast(kind, torch.bfloat16, enabled=autocast)

    def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def step() -> None:
        real = windows[torch.randperm(len(windows))[:batch]].to(device)
        for _ in range(5):
            with lower:
                with torch.no_grad():
                    fake = generator(torch.randn(batch, NOISE, device=device)).float()
                loss = critic(fake).float().mean() - critic(real).float().mean()
            mix = torch.rand(batch, 1, 1, device=device)
            between = (mix * real + (1 - mix) * fake).requires_grad_(True)
            value = critic(between).sum()
            (gradient,) = torch.autograd.grad(value, between, create_graph=True)
            penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
            descend(adam[1], loss + 10 * penalty)
        with lower:
            loss = -critic(generator(torch.randn(batch, NOISE, device=device))).float().mean()
        descend(adam[0], loss)

    return step


# --- timing ---------------------------------------------------------------------------------------


def seconds(call: Callable[[], Any], device: str) -> float:
    """Time a call, its kernels included."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    began = time.perf_counter()
    call()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - began


class Counter(TorchDispatchMode):
    """Counts the floating-point operations of products and convolutions."""

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def gigaflops(call: Callable[[], Any]) -> float:
    """Count the floating-point operations of a call, in 1e9."""
    with Counter() as counter:
        call()
    return counter.total / 1e9


def peak(dtype: torch.dtype, device: str) -> float:
    """Measure the peak of products of matrices, in 1e9 operations a second."""
    n = 2048 if device == "cpu" else 8192
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    times = [seconds(lambda: a @ b, device) for _ in range(6)]
    return 2 * n**3 / min(times) / 1e9


class Trained:
    """A generator that takes further steps; what a call of fit costs besides is timed apart."""

    def __init__(self, model: Any, windows: np.ndarray) -> None:
        self.model, self.windows = model, windows
        model.set_params(
            max_iter=1, warm_start=True, validation_fraction=0.0, random_state=0, verbose=0
        ).fit(windows)

    def go_on(self, steps: int) -> None:
        """Take steps."""
        self.model.set_params(max_iter=self.model.n_iter_ + steps).fit(self.windows)

    def seconds_a_step(self, steps: int, device: str) -> float:
        """Time some steps; those of a shorter call are taken off."""
        short = seconds(lambda: self.go_on(1), device)
        return (seconds(lambda: self.go_on(1 + steps), device) - short) / steps

    def gigaflops_a_step(self) -> float:
        """Count the operations of a step."""
        return gigaflops(lambda: self.go_on(2)) - gigaflops(lambda: self.go_on(1))


def line(name: str, times: list[float], gflops: float, top: float, note: str = "") -> str:
    """Return a line of the table, of the median."""
    median = float(np.median(times))
    return (
        f"{name:34s} {median:8.3f} s [{min(times):.3f}, {max(times):.3f}] {gflops:8.1f} GFLOP "
        f"{100 * gflops / median / top:5.0f} % of peak{note}"
    )


def main() -> None:
    """Time all networks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", nargs="+", default=["32-true", "bf16-mixed"])
    parser.add_argument("--batch-size", type=int, default=8, help="of the published recipes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1, help="of the published recipes, a round")
    parser.add_argument("--only-published", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    device, batch = arguments.device, arguments.batch_size
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        print(text, flush=True)

    say(f"$ python benchmarks/training_speed.py --device {device} --batch-size {batch}")
    where = torch.cuda.get_device_name() if device.startswith("cuda") else platform.processor()
    say(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {where}")
    dtypes = {"32-true": torch.float32, "16-mixed": torch.float16}
    tops = dict.fromkeys(arguments.precision, 0.0)

    def look_for_peaks() -> float:
        """Keep the highest peak: the machine may be busy at any one moment."""
        for precision in tops:
            dtype = dtypes.get(precision, torch.bfloat16)
            tops[precision] = max(tops[precision], peak(dtype, device))
        return 0.0

    rng = np.random.default_rng(0)
    full = rng.random((2 * batch, FRAMES, NEURONS), dtype=np.float32)
    say(f"\npublished 1-D recipe, batch {batch}, a generator step with its 5 critic steps")
    calls: dict[str, Callable[[], float]] = {}
    counts: dict[str, float] = {}
    for precision in arguments.precision:
        make_fabric(device, precision)  # fails before any work is lost
        if precision != "16-mixed":
            step = plain_step(device, batch, precision != "32-true")
            step()
            name = f"plain, {precision}"
            counts[name] = gigaflops(step)
            calls[name] = lambda step=step: seconds(step, device)
        model = CalciumGAN("1d", batch_size=batch, device=device, precision=precision)
        trained = Trained(model, full)
        name = f"calgan, {precision}"
        counts[name] = trained.gigaflops_a_step()
        calls[name] = lambda t=trained: t.seconds_a_step(arguments.steps, device)
    calls["peaks"] = look_for_peaks
    times = timed(calls, arguments.rounds)
    del times["peaks"]
    for precision, top in tops.items():
        say(f"peak, {precision}: {top:.0f} GFLOP/s")
    for name, each in times.items():
        precision = name.split(", ")[1]
        note = f", {np.median(times['plain, 32-true']) / np.median(each):.2f} times as fast"
        say(line(name, each, counts[name], tops[precision], note))
    if device.startswith("cuda"):
        say(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    if arguments.only_published:
        return save(arguments.out, lines)

    say("\nother networks, a step of their default batch")
    small = rng.random((256, 64, NEURONS), dtype=np.float32)
    for name, model, windows, steps in (
        ("2d, 256 frames, batch 8", CalciumGAN("2d", batch_size=8), full[:, :256], 1),
        ("compact, 64 frames", CalciumGAN(), small, 10),
        ("relativistic, 64 frames", CalciumGAN("relativistic"), small, 10),
        ("flow, 64 frames", CalciumFlow(), small, 10),
    ):
        model.set_params(device=device)
        trained = Trained(model, windows)
        gflops = trained.gigaflops_a_step()
        found = timed(
            {name: lambda t=trained, n=steps: t.seconds_a_step(n, device)}, arguments.rounds
        )
        say(line(name, found[name], gflops, tops[arguments.precision[0]]))
    save(arguments.out, lines)


def timed(calls: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Time calls in turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(call())
    return times


def save(path: Path | None, lines: list[str]) -> None:
    """Write the lines to a file."""
    if path is not None:
        path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
