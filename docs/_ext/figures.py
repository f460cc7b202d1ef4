"""What the gallery shows, and in which order: figures that pyplot does not know are found too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from joblib.externals.loky import get_reusable_executor
from matplotlib import pyplot
from matplotlib.artist import Artist
from sphinx_gallery.scrapers import figure_rst

# What a newcomer wants first; examples that are not named here follow by name.
FIRST = [
    "quickstart",
    "own_data",
    "spikefinder_tutorial",
    "factor_model",
    "ground_truth",
    "noise_study",
    "displays",
    "neuron_order",
    "fft_encoding",
]


class Order:
    """Sort key of an example, by its file name."""

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str) -> tuple[int, str]:
        name = filename.removeprefix("plot_").removesuffix(".py")
        return (FIRST.index(name) if name in FIRST else len(FIRST)), name


def end_processes(gallery_conf: dict[str, Any], fname: str) -> None:
    """End the processes of an example's search: a worker that ends waits minutes for idle ones."""
    get_reusable_executor(max_workers=1).shutdown(kill_workers=True)


def _figures(value: Any) -> Iterator[Any]:
    """Yield the figures among values: figures, what is drawn on one, displays, and collections."""
    if isinstance(value, Artist):
        figure = value.get_figure(root=True)
        if figure is not None:
            yield figure
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _figures(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _figures(item)
    elif isinstance(getattr(value, "figure_", None), Artist):  # scikit-learn's Display classes
        yield from _figures(value.figure_)


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any], **kwargs: Any):
    """Save each figure the first time that a block leaves it behind."""
    for number in pyplot.get_fignums():  # the other scraper's, which closes them
        pyplot.figure(number)._in_gallery = True
    paths = []
    for value in list(block_vars["example_globals"].values()):
        for figure in _figures(value):
            if getattr(figure, "_in_gallery", False):
                continue
            figure._in_gallery = True
            path = next(block_vars["image_path_iterator"])
            figure.savefig(path, dpi=100, bbox_inches="tight")
            paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"])
