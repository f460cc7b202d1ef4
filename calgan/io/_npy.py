"""npy files with one array of traces."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import build
from calgan.io._options import ReadOptions


def recognises(path: Path) -> bool:
    """Tell an npy file by its suffix."""
    return path.is_file() and path.suffix.lower() == ".npy"


def read(path: Path, options: ReadOptions) -> Recording:
    """Map the traces of an npy file; float32 (frames, neurons) are not loaded into memory."""
    traces = mapped(path)
    if traces.dtype.kind not in "fiu" or traces.ndim not in (1, 2):
        movie = "; a movie is read by calgan.read_movie" if traces.ndim == 3 else ""
        raise ValueError(
            f"{path} holds {traces.dtype} of shape {traces.shape}, but traces are numbers of shape "
            f"(frames, neurons){movie}."
        )
    return build(traces, options, axes_known=traces.ndim == 1)


def mapped(path: Path) -> np.ndarray:
    """Return the array of an npy file as a memory map."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, TokenError) as error:
        raise ValueError(f"{path} is damaged, or no npy file of numbers.") from error
