"""The page around the figures: the summary, tables and methods, filled into a template."""

from __future__ import annotations

import base64
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import calgan
from calgan.data.files import make_folder
from calgan.data.progress import progress
from calgan.evaluation._html import render
from calgan.evaluation._table import (
    NOT_AVAILABLE,
    copying_table,
    reasons,
    statistics_table,
)
from calgan.evaluation.report._figures import report_figures
from calgan.evaluation.report._sections import SECTIONS, ReportFigure, file_name, plural
from calgan.evaluation.statistics import INFOS
from calgan.plotting.style import COLORS, LABELS

_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "lightning-fabric",
    "oasis-deconv",
    "elephant",
    "matplotlib",
)
# A figure narrower than this, in CSS pixels at 100 a inch, fits a phone without scrolling.
_WIDE = 560
# The rest of a caption that is longer goes behind a fold.
_LONG_CAPTION = 300
# What each group of windows is, in the colour key.
_ROLES = {
    "real": "windows of the held-out part of the recording, at random starts",
    "synthetic": "windows sampled from the model",
    "train": "windows of the part the model was fitted on; against the held-out windows they give "
    "the train-test baseline",
    "replay": "other training windows replayed, as a model that only copies would do",
    "shuffled": "real windows in which each neuron comes from another window: neurons as real, "
    "their co-ordination destroyed",
    "dichotomized_gaussian": "windows of a simple model: spikes that keep the neurons' rates, "
    "their correlations within a frame, and on average how they go on for up to 2 s, and nothing "
    "else, turned into traces with each neuron's decay, amplitude and noise",
}


def build_html(
    evaluation: Any,
    *,
    title: str | None = None,
    figures_folder: str | os.PathLike[str] | None = None,
    verbose: int | None = None,
) -> str:
    """Return the report of an evaluation as one HTML page that loads nothing from elsewhere.

    Its figures are written as PNG files, too, if a folder for them is given.
    """
    folder = None if figures_folder is None else make_folder(figures_folder)
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS}
    with progress(verbose, "report: drawing") as bar:
        for number, item in enumerate(report_figures(evaluation), start=1):
            bar.set_description(f"report: drawing {item.title.lower()}")
            sections[item.section].append(_picture(item, number, folder))
    first, _, memorising, *_ = SECTIONS
    sections = {
        name: figures
        for name, figures in sections.items()
        if figures or name in (first, memorising)
    }
    return render(
        "report.html",
        evaluation=evaluation,
        title=title or "How real are the synthetic traces?",
        version=calgan.__version__,
        facts=_facts(evaluation),
        summary=evaluation.summary(),
        sections={**sections, "How this was computed": []},
        memorising=memorising,
        key=_colour_key(evaluation),
        statistics=statistics_table(evaluation.statistics, evaluation.controls),
        heads=["synthetic", "baseline", "ratio", *(LABELS.get(n, n) for n in evaluation.controls)],
        undefined=reasons(evaluation.statistics),
        has_trained_on=any(row.trained_on for row in evaluation.statistics),
        copying=evaluation.memorisation and copying_table(evaluation.memorisation),
        not_available=NOT_AVAILABLE,
        definitions={
            row.label: INFOS[row.name].definition
            for row in evaluation.statistics
            if row.name in INFOS
        },
        settings=_settings(evaluation),
    )


def _facts(evaluation: Any) -> str:
    """Return the line below the heading."""
    n_windows, window, n_neurons = evaluation.windows["real"].shape
    seconds = window / evaluation.frame_rate
    return " · ".join(
        [
            plural(n_neurons, "neuron"),
            f"{evaluation.frame_rate:.4g} Hz",
            f"windows of {window} frames ({seconds:.3g} s)",
            f"{plural(n_windows, 'window')} a group",
            f"protocol “{evaluation.protocol}”",
            f"calgan {calgan.__version__}",
        ]
    )


def _colour_key(evaluation: Any) -> list[dict[str, str]]:
    """Return what the colours of the figures stand for."""
    present = {name for name, array in evaluation.windows.items() if array is not None}
    for row in evaluation.statistics:
        present |= {name for name, value in row.controls.items() if value is not None}
    return [
        {"colour": COLORS[name], "label": LABELS[name], "role": role}
        for name, role in _ROLES.items()
        if name in present
    ]


def _picture(item: ReportFigure, number: int, folder: Path | None) -> dict[str, Any]:
    """Return a figure as its template needs it, and write it to the folder."""
    image = item.render("svg" if item.vector else "png")
    if folder is not None:
        file = item.render("png") if item.vector else image
        (folder / file_name(number, item)).write_bytes(file)
    width, height = (round(100 * float(length)) for length in item.figure.get_size_inches())
    caption, rest = item.caption, ""
    if len(caption) > _LONG_CAPTION:
        caption, _, rest = caption.partition(". ")
        caption += "."
    return {
        "name": item.name,
        "number": number,
        "title": item.title,
        "caption": caption,
        "rest": rest,
        "width": width,
        "height": height,
        "is_wide": width > _WIDE,
        "mime": "image/svg+xml" if item.vector else "image/png",
        "data": base64.b64encode(image).decode("ascii"),
    }


def _settings(evaluation: Any) -> dict[str, str]:
    """Return settings, seeds and versions, with keys that read as words."""
    settings = {
        "protocol": evaluation.protocol,
        "windows a group": evaluation.n_windows,
        "frame rate (Hz)": evaluation.frame_rate,
        **{key.replace("_", " "): value for key, value in evaluation.meta.items()},
        "versions": _versions(),
    }
    return {key: _text(value) for key, value in settings.items() if value is not None}


def _text(value: Any) -> str:
    """Return a value of the settings as text."""
    if isinstance(value, Mapping):
        return "; ".join(f"{str(k).replace('_', ' ')}: {_text(v)}" for k, v in value.items())
    if isinstance(value, (float, np.floating)):
        return f"{value:.5g}"
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_text(entry) for entry in value[:12])
        return shown + (f", … ({len(value)} in all)" if len(value) > 12 else "")
    return str(value)


def _versions() -> str:
    """Return the versions of calgan, Python and packages that matter."""
    found = {"calgan": calgan.__version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return ", ".join(f"{package} {number}" for package, number in found.items())
