"""Windows drawn at random starts from a recording, and their controls: what the statistics read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import starmap
from typing import Any

import numpy as np

from calgan.data.segments import as_segments
from calgan.data.stored import is_stored
from calgan.data.validation import is_lazy
from calgan.data.windows import WindowView, cut_windows, warn_of_short_segments

# Different windows are drawn until they hold each frame of a recording so many times, but at least
# so many: more change no statistic by a tenth of its interval (benchmarks/window_draws.py).
COVERAGE = 8
_MIN_DISTINCT = 250
# Blocks of a recording that the bootstrap resamples: more would only cost memory.
_MAX_BLOCKS = 24
MAX_CONTROL_WINDOWS = 500
"""Different windows of a control: more are these again."""
_INFERRED_VALUES = 1_000_000  # in which spikes are inferred at a time

Run = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterable[Any]]


@dataclass(frozen=True)
class WindowSource:
    """A recording's frames (F, N) and every row of them, `starts`, at which a window fits.

    `groups` is the contiguous block of the recording that each start belongs to, and `segments`
    are the arrays (T_i, N) that the frames come from.
    """

    frames: np.ndarray
    starts: np.ndarray
    groups: np.ndarray
    window: int
    frame_rate: float | None
    roi_ids: np.ndarray | None
    units: str | None
    segments: list[np.ndarray]

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return int(self.frames.shape[1])

    @property
    def n_blocks(self) -> int:
        """Number of contiguous blocks that the bootstrap resamples."""
        return int(self.groups.max()) + 1

    @property
    def n_independent(self) -> int:
        """How many windows fit side by side."""
        return sum(len(segment) // self.window for segment in self.segments)

    def select(self, neurons: np.ndarray) -> WindowSource:
        """Return the recording of some neurons."""
        return replace(
            self,
            frames=_pick(self.frames, neurons),
            segments=[_pick(segment, neurons) for segment in self.segments],
            roi_ids=None if self.roi_ids is None else self.roi_ids[neurons],
        )


def read_source(X: Any, window: int, *, name: str, stacklevel: int = 2) -> WindowSource:
    """Read whatever `Windower` takes as a `WindowSource`; of a view, its windows alone are drawn.

    Refuses a view with transforms or of other windows, and segments that are all too short; warns
    if some are.
    """
    if is_lazy(X):
        view = _check_view(X, window, name)
        segments = view.covered_frames()
        n_blocks = sum(map(len, segments)) // window
    else:
        segments, frame_rate, roi_ids, units = as_segments(X, name=name)
        longest = max(map(len, segments))
        if longest < window:
            raise ValueError(
                f"the synthetic windows have {window} frames, but the longest segment of {name} "
                f"has only {longest}; sample shorter windows or pass a longer recording."
            )
        warn_of_short_segments(segments, window, name=name, stacklevel=stacklevel + 1)
        view = cut_windows(segments, window, frame_rate=frame_rate, roi_ids=roi_ids, units=units)
        lengths = np.array([len(part) for part in segments if len(part) >= window])
        n_blocks = int(np.maximum(1, (lengths - window + 1) // window).sum())
    offsets = np.cumsum([0, *map(len, view.segments)])[:-1]
    starts = np.sort(offsets[view.segment] + view.start)
    bases = [base if is_stored(base) else np.asarray(base) for base in view.segments]
    return WindowSource(
        frames=bases[0] if len(bases) == 1 else np.concatenate(bases),
        starts=starts,
        groups=_split_evenly(len(starts), n_blocks),
        window=window,
        frame_rate=view.frame_rate,
        roi_ids=view.roi_ids,
        units=view.units,
        segments=segments,
    )


def _pick(traces: Any, neurons: np.ndarray) -> np.ndarray:
    return traces.part(neurons=neurons) if is_stored(traces) else traces[:, neurons]


def _check_view(view: WindowView, window: int, name: str) -> WindowView:
    if view.transforms:
        raise ValueError(
            f"{name} is a view of windows that were sorted, scaled or encoded, but recordings are "
            "compared as they are; pass the recording, or the windows before they are transformed."
        )
    if view.window != window:
        raise ValueError(
            f"{name} holds windows of {view.window} frames, but the synthetic windows have "
            f"{window}; pass windows of one length, or the recording itself."
        )
    return view


def _split_evenly(n: int, n_blocks: int) -> np.ndarray:
    n_blocks = max(1, min(n, n_blocks, _MAX_BLOCKS))
    return np.arange(n) * n_blocks // n


@dataclass(frozen=True)
class WindowBank:
    """Distinct windows of a recording (F, N), with their spikes packed into bits.

    `rows` (U, 1) is the first frame of each window, (U, N) if neurons were shuffled; `groups` is
    the block it belongs to. `lists` holds draws by name, (D, n): which windows each draw holds.
    `packed` (U, ceil(T / 8), N) has eight frames a byte.
    """

    frames: np.ndarray
    rows: np.ndarray
    groups: np.ndarray
    lists: dict[str, np.ndarray]
    window: int
    packed: np.ndarray | None = None

    @property
    def n_windows(self) -> int:
        """Number of distinct windows."""
        return len(self.rows)

    @property
    def n_blocks(self) -> int:
        """Number of blocks that hold at least one start."""
        return int(self.groups.max()) + 1

    def traces(self, index: np.ndarray) -> np.ndarray:
        """Return the traces of some windows, shape (m, T, N)."""
        rows = self.rows[index]
        steps = np.arange(self.window)
        if rows.shape[1] == 1:
            return np.asarray(self.frames[rows + steps])
        neurons = np.arange(self.frames.shape[1])
        return np.asarray(self.frames[rows[:, None, :] + steps[:, None], neurons])

    def spikes(self, index: np.ndarray) -> np.ndarray:
        """Return the spikes of some windows as 0 and 1, shape (m, T, N), uint8."""
        if self.packed is None:
            raise RuntimeError("no spikes were inferred for these windows.")
        return np.unpackbits(self.packed[index], axis=1, count=self.window)

    def chunks(self, most_values: int) -> Iterator[tuple[int, np.ndarray, dict[str, np.ndarray]]]:
        """Yield block, windows, and how often each draw (D,) of a name holds each of them.

        The windows of a chunk are of one block and held equally often by every draw; they hold
        about `most_values` values at most.
        """
        counts = {
            name: np.stack([np.bincount(draw, minlength=self.n_windows) for draw in draws])
            for name, draws in self.lists.items()
        }
        keys = np.concatenate([self.groups[None], *counts.values()])
        _, pattern = np.unique(keys, axis=1, return_inverse=True)
        order = np.argsort(pattern.ravel(), kind="stable")
        borders = np.flatnonzero(np.diff(pattern.ravel()[order])) + 1
        size = max(1, most_values // (self.window * self.frames.shape[1]))
        for members in np.split(order, borders):
            first = members[0]
            held = {name: each[:, first] for name, each in counts.items()}
            for part in np.array_split(members, -(-len(members) // size)):
                yield int(self.groups[first]), part, held

    def with_spikes(
        self, infer: Callable[[np.ndarray], np.ndarray], run: Run = starmap
    ) -> WindowBank:
        """Return this bank with the spikes that `infer` finds in each of its windows.

        ``run`` calls a function with each tuple of arguments, as `itertools.starmap` does.
        """
        size = max(1, _INFERRED_VALUES // max(1, self.window * self.frames.shape[1]))
        chunks = np.array_split(np.arange(self.n_windows), max(1, -(-self.n_windows // size)))
        packed = run(_pack_spikes, ((infer, self.traces(index)) for index in chunks))
        return replace(self, packed=np.concatenate(list(packed)))

    def shuffled(self, name: str, rng: np.random.Generator) -> WindowBank:
        """Return new windows in which each neuron comes from another window of the first draw.

        Each neuron keeps its own traces and spikes; what neurons do together is lost.
        """
        n = self.lists[name].shape[1]
        draw = np.resize(self.lists[name][0], min(n, MAX_CONTROL_WINDOWS))
        n_neurons = self.frames.shape[1]
        picks = rng.permuted(np.repeat(draw[:, None], n_neurons, axis=1), axis=0)
        packed = None
        if self.packed is not None:
            bytes_ = np.arange(self.packed.shape[1])[:, None]
            packed = self.packed[picks[:, None, :], bytes_, np.arange(n_neurons)]
        return WindowBank(
            frames=self.frames,
            rows=self.rows[picks, 0],
            groups=np.zeros(len(picks), dtype=int),
            lists={"shuffled": np.resize(np.arange(len(picks)), (1, n))},
            window=self.window,
            packed=packed,
        )


def _pack_spikes(infer: Callable[[np.ndarray], np.ndarray], traces: np.ndarray) -> np.ndarray:
    """Return the spikes of windows, eight frames a byte."""
    spikes = np.asarray(infer(traces))
    if spikes.shape != traces.shape:
        raise ValueError(
            f"deconvolver returned spikes of shape {spikes.shape} for windows of shape "
            f"{traces.shape}; its transform must give one value for each."
        )
    if np.isnan(spikes).any():
        raise ValueError("deconvolver returned NaN; its transform must give numbers.")
    return np.packbits(spikes > 0, axis=1)


def draw_from_recording(
    source: WindowSource,
    n_draws: Mapping[str, int],
    n: int,
    rng: np.random.Generator,
    *,
    n_distinct: int = _MIN_DISTINCT,
) -> WindowBank:
    """Draw `n` windows at random starts, at most so many times for each name.

    Every start is taken once before any is taken again, over all draws and names. Of a short
    recording no more than `n_distinct` windows differ: they hold each frame many times, so that
    others would add nothing. Further draws would be of the same windows, and are left out.
    """
    n_starts = len(source.starts)
    most = max(min(n, n_distinct), COVERAGE * source.n_independent)
    rounds = range(min(max(n_draws.values()), -(-min(most, n_starts) // n)))
    order = [name for draw in rounds for name, many in n_draws.items() if draw < many]
    spread = pick_spread(n_starts, min(most, n * len(order)), rng)
    used, inverse = _deal(spread, len(order), n, rng)
    _, groups = np.unique(source.groups[used], return_inverse=True)
    return WindowBank(
        frames=source.frames,
        rows=source.starts[used][:, None],
        groups=groups,
        lists={name: inverse[[other == name for other in order]] for name in n_draws},
        window=source.window,
    )


def draw_from_samples(
    samples: np.ndarray,
    n: int,
    n_draws: int,
    rng: np.random.Generator,
    *,
    name: str = "synthetic",
) -> WindowBank:
    """Draw `n` of the independent samples (M, T, N), `n_draws` times; once if there are only n."""
    n_samples, window, n_neurons = samples.shape
    n_draws = min(n_draws, -(-n_samples // n))
    used, draws = _deal(np.arange(n_samples), n_draws, n, rng)
    if n == n_samples:
        draws = np.sort(draws)  # all of them stay in their order
    return WindowBank(
        frames=samples.reshape(-1, n_neurons),
        rows=(used * window)[:, None],
        groups=_split_evenly(len(used), len(used)),
        lists={name: draws},
        window=window,
    )


def pick_spread(n_items: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return `n` of the items at random, spread evenly over all; all if there are no more."""
    if n >= n_items:
        return np.arange(n_items)
    borders = np.arange(n + 1) * n_items // n
    return rng.integers(borders[:-1], borders[1:])


def _deal(
    items: np.ndarray, n_draws: int, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Deal n of the items out in each draw: the items used, and draws (D, n) as positions in them.

    The draws follow each other in one random order, so that few windows are needed in all.
    """
    picks = np.resize(rng.permutation(items), (n_draws, n))
    used, inverse = np.unique(picks, return_inverse=True)
    return used, inverse.reshape(picks.shape)


def check_same_neurons(
    real: WindowSource,
    samples: np.ndarray,
    train: WindowSource | None,
    name: str = "synthetic",
) -> None:
    """Refuse recordings and samples that differ in neurons or units."""
    if real.n_neurons != samples.shape[2]:
        raise ValueError(
            f"real has {real.n_neurons} neurons and {name} has {samples.shape[2]}; both must "
            "hold the same neurons in the same order."
        )
    if train is None:
        return
    if train.n_neurons != real.n_neurons:
        raise ValueError(
            f"train has {train.n_neurons} neurons and real has {real.n_neurons}; both must hold "
            "the same neurons in the same order."
        )
    if (
        real.roi_ids is not None
        and train.roi_ids is not None
        and not np.array_equal(real.roi_ids, train.roi_ids)
    ):
        raise ValueError(
            "real and train have different roi_ids; select the same neurons in the same order "
            "from both."
        )
    if real.units and train.units and real.units != train.units:
        raise ValueError(
            f"real is in {real.units} and train in {train.units}; bring both to one unit."
        )
