"""What every figure of a report has: a section, a caption and a file."""

from __future__ import annotations

import io
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.style
from matplotlib.figure import Figure

_DPI = 130

HEADLINE = "Distance from the train-test baseline"
WINDOWS = "Can the windows be told from real ones?"
MEMORISATION = "Does the model copy the training recording?"
ACTIVITY = "Traces and spikes"
PUBLISHED = "The published statistics"
POPULATION = "Joint activity of the neurons"
TRACES = "Time course of the traces"
TRAINING = "Training"
SECTIONS = (
    HEADLINE,
    WINDOWS,
    MEMORISATION,
    ACTIVITY,
    PUBLISHED,
    POPULATION,
    TRACES,
    TRAINING,
)


@dataclass(frozen=True)
class ReportFigure:
    """A figure with its place in the report; a `vector` one is light enough for an SVG."""

    name: str
    section: str
    title: str
    caption: str
    figure: Figure
    vector: bool = False

    def render(self, kind: str) -> bytes:
        """The figure as the bytes of a PNG or SVG file, the same bytes at every call."""
        buffer = io.BytesIO()
        with mpl.style.context(["default", {"svg.hashsalt": self.name}]):
            # The layout is found once, and here: savefig would draw everything twice for it.
            if (engine := self.figure.get_layout_engine()) is not None:
                self.figure.set_dpi(_DPI)
                engine.execute(self.figure)
                self.figure.set_layout_engine(None)
            if kind == "svg":
                self.figure.savefig(buffer, format="svg", metadata={"Date": None})
            else:
                # Level 2 takes half the time of the usual 6, for files a twentieth larger.
                fast = {"compress_level": 2}
                self.figure.savefig(buffer, format="png", dpi=_DPI, pil_kwargs=fast)
        return buffer.getvalue()


def file_name(number: int, item: ReportFigure) -> str:
    """Name of a figure's PNG file, so that the files sort as in the report."""
    return f"{number:02d}_{item.name}.png"


def plural(n: int, noun: str) -> str:
    """So many of a noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
