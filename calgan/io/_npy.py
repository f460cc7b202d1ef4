"""npy files with one array of traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import build
from calgan.io._options import ReadOptions


def recognises(path: Path) -> bool:
    """Tell an npy file by its suffix."""
    return path.is_file() and path.suffix.lower() == ".npy"


def read(path: Path, options: ReadOptions) -> Recording:
    """Map the traces of an npy file; float32 (frames, neurons) are not loaded into memory."""
    try:
        traces = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged, or no npy file of numbers.") from error
    if traces.dtype.kind not in "fiu" or traces.ndim not in (1, 2):
        raise ValueError(
            f"{path} holds {traces.dtype} of shape {traces.shape}, but traces are numbers of shape "
            "(frames, neurons)."
        )
    return build(traces, options, axes_known=traces.ndim == 1)
