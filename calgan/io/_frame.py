"""Tables of numbers with a column for each neuron."""

from __future__ import annotations

from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import build, chosen, say
from calgan.io._named import FRAMES, key, time_unit
from calgan.io._options import ReadOptions
from calgan.io._times import rate_of

_EVEN = 1e-3  # relative: steps of a column of times without a name


def is_index(name: Any) -> bool:
    """Tell the name of a column of times or of numbers of frames."""
    return name is not None and (time_unit(name) is not None or _counts_frames(name))


def _counts_frames(name: Any) -> bool:
    return key(str(name).partition("(")[0]) in FRAMES


def read_table(
    names: list[Any],
    values: np.ndarray,
    options: ReadOptions,
    *,
    frame_rate: float | None = None,
    spikes: np.ndarray | None = None,
    accepted: np.ndarray | None = None,
    **known: Any,
) -> Recording:
    """Make a recording of numbers (T, columns); a column of times or frames is no neuron.

    Frames after the last value of the neurons that are read are left out, if neurons are chosen.
    """
    index, is_frames = _index_column(names, values, options)
    columns = [i for i, name in enumerate(names) if i != index and not is_index(name)]
    if index is not None:
        kept = np.isfinite(values[:, index])
        values = values if kept.all() else values[kept]
        spikes = spikes if spikes is None or kept.all() else spikes[kept]
        times, unit = values[:, index], time_unit(names[index]) or 1.0
        rate, segments = rate_of(times, options, unit=unit)
        frame_rate = frame_rate or (None if is_frames else rate)
        known.setdefault("segments", segments)
        first = 0.0 if is_frames else float(times[0]) * unit
        known.setdefault("t_start", first or None)
    if not columns:
        raise ValueError(f"{options.name} holds times, but no column of a neuron.")
    values = values[:, columns]
    spikes = None if spikes is None else spikes[:, columns]
    ids = _ids([names[i] for i in columns], options)
    named = ids is not None and isinstance(ids[0], str)
    if index is None and not named and spikes is None and values.shape[1] > values.shape[0]:
        known["axes_known"], ids, accepted = False, None, None
        return build(values, options, frame_rate=frame_rate, **known)
    accepted = None if accepted is None else accepted[columns]
    wanted = options.neurons is not None
    keep, options = chosen(len(columns), options, accepted=accepted, frame_rate=frame_rate)
    values = values[:, keep]
    if wanted:
        filled = np.flatnonzero(np.isfinite(values).any(axis=1))
        values = values[: filled[-1] + 1] if len(filled) else values
    if spikes is not None:
        spikes = np.nan_to_num(spikes[: len(values), keep])
    return build(
        values,
        options,
        roi_ids=keep if ids is None else np.asarray(ids)[keep],
        accepted=None if accepted is None else accepted[keep],
        spikes=spikes,
        **known,
    )


def _index_column(
    names: list[Any], values: np.ndarray, options: ReadOptions
) -> tuple[int | None, bool]:
    """Return the column of times or frames, if there is one, and whether it counts frames."""
    named = [i for i, name in enumerate(names) if is_index(name)]
    timed = [i for i in named if not _counts_frames(names[i])]
    if len(timed) > 1:
        raise ValueError(
            f"{options.name} has several columns of times, {names[timed[0]]} and "
            f"{names[timed[1]]}: keep one."
        )
    if named:
        return (timed or named)[0], not timed
    first = values[:, 0]
    if len(names) < 2 or len(first) < 3 or not np.isfinite(first).all():
        return None, False
    steps = np.diff(first)
    step = np.median(steps)
    if not (step > 0 and (np.abs(steps - step) <= _EVEN * step + 1e-9).mean() > 0.9):
        return None, False
    if not (steps > 0).all():
        return None, False
    counts = bool(step == 1 and first[0] in (0, 1))
    what = "numbers of frames" if counts else "times in seconds"
    name = names[0]
    if name != "" and not str(name).startswith("Unnamed: 0"):
        called = "" if name is None else f", {name!r},"
        say(
            f"{options.name}: its first column{called} was taken for {what}, because it rises "
            "evenly."
        )
    return 0, counts


def _ids(names: list[Any], options: ReadOptions) -> list[Any] | None:
    """Return ids of neurons from the names of their columns; whole numbers stay numbers."""
    texts = [str(name) for name in names]
    if any(name is None or text == "" for name, text in zip(names, texts, strict=True)):
        return None
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        say(f"{options.name}: several columns are called {twice!r}, so neurons were numbered.")
        return None
    return [int(text) for text in texts] if all(text.isdecimal() for text in texts) else texts
