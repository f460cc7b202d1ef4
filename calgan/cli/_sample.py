"""``calgan sample``: windows or a recording of a model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import calgan
from calgan.cli._console import note
from calgan.cli._files import check_new, save_array
from calgan.data.recording import Recording
from calgan.data.sampling import generator_of
from calgan.data.validation import as_seed

_ARRAYS = (".npz", ".npy")
_KNOWN = ("frame_rate", "roi_ids", "units")


def sample_windows(
    source: str, n_windows: int, path: Path, *, seed: int | None, overwrite: bool
) -> None:
    """Write independent windows (M, T, N) of a model file."""
    if path.suffix not in _ARRAYS:
        raise ValueError(
            f"{path}: windows are written as {' or '.join(_ARRAYS)}; --duration draws a recording "
            "for other formats."
        )
    check_new(path, overwrite=overwrite)
    write_windows(calgan.load(source), n_windows, path, seed_of(seed))


def seed_of(seed: int | None) -> int:
    """Return the seed, one that is told if none was given."""
    if seed is None:
        seed = as_seed(None) % 2**32
        note(f"--seed {seed} draws the same again.")
    return seed


def write_windows(model: Any, n_windows: int, path: Path, seed: int) -> np.ndarray:
    """Write independent windows with what is known of their recording, and return them."""
    windows = model.sample(n_windows, random_state=seed)
    known: dict[str, Any] = {
        "synthetic": True,
        "seed": seed,
        "calgan_version": calgan.__version__,
    }
    for _, step in getattr(model, "steps", [("", model)]):
        values = {name: getattr(step, f"{name}_", None) for name in _KNOWN}
        values["model"] = getattr(step, "fingerprint_", None)
        known |= {name: value for name, value in values.items() if value is not None}
    save_array(path, windows=windows, **known)
    return windows


def sample_recording(
    source: str, duration: float, path: Path, *, seed: int | None, overwrite: bool
) -> None:
    """Write one recording without a break."""
    check_new(path, overwrite=overwrite)
    check_format(path)
    model = calgan.load(source)
    if not hasattr(model, "sample_recording"):
        generator = generator_of(model)
        raise ValueError(
            f"{source} holds a {type(generator).__name__}, which makes windows of "
            f"{generator.n_frames_in_} frames and no recordings: draw windows with -n."
        )
    recording = model.sample_recording(duration, random_state=seed_of(seed))
    calgan.write_recording(recording, path, overwrite=overwrite)


def check_format(path: Path) -> None:
    """Refuse a name whose format cannot be written here, before any work."""
    tiny = Recording(np.zeros((8, 1)), 1.0)
    with tempfile.TemporaryDirectory() as folder:
        try:
            calgan.write_recording(tiny, Path(folder) / path.name)
        except ValueError as error:
            raise ValueError(str(error).replace(f"{Path(folder) / path.name}", str(path))) from None
