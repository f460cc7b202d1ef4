"""The command line: what a command is called with, and what it does."""

from calgan.cli._commands import main

__all__ = ["main"]
