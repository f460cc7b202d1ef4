"""Recordings and movies from the files of others, and files that others read."""

from calgan.data.fluorescence import delta_f_over_f, find_artefacts
from calgan.data.ranges import finite_segments
from calgan.io._movie import read_movie, write_movie
from calgan.io._read import read_recording
from calgan.io._to_objects import to_neo, to_pandas, to_pynapple, to_xarray
from calgan.io._write import write_recording

__all__ = [
    "delta_f_over_f",
    "find_artefacts",
    "finite_segments",
    "read_movie",
    "read_recording",
    "to_neo",
    "to_pandas",
    "to_pynapple",
    "to_xarray",
    "write_movie",
    "write_recording",
]
