"""Recordings from the files of others, and files that others read."""

from calgan.io._read import read_recording
from calgan.io._write import write_recording

__all__ = ["read_recording", "write_recording"]
