"""Parquet files with a column for each neuron."""

from __future__ import annotations

from pathlib import Path

from calgan.data.recording import Recording
from calgan.io._build import needs
from calgan.io._objects import read_data_frame
from calgan.io._options import ReadOptions


def recognises(path: Path) -> bool:
    """Tell a Parquet file by its suffix."""
    return path.is_file() and path.suffix.lower() in (".parquet", ".pq")


def read(path: Path, options: ReadOptions) -> Recording:
    """Read the traces of a table; its index, or a column of times, tells the frame rate."""
    pandas = needs("pandas", "reading Parquet files")
    needs("pyarrow", "reading Parquet files")
    try:
        frame = pandas.read_parquet(path, engine="pyarrow")
    except (ValueError, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        raise ValueError(f"{path} is damaged, or no Parquet file.") from error
    return read_data_frame(frame, options)
