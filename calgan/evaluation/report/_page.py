"""The page around the figures: verdict, tables and methods."""

from __future__ import annotations

import base64
import os
import platform
from collections.abc import Iterable, Mapping
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import calgan
from calgan.evaluation._table import NOT_AVAILABLE, as_html, copying_table, statistics_table
from calgan.evaluation.report._figures import (
    SECTIONS,
    ReportFigure,
    file_name,
    plural,
    report_figures,
)
from calgan.evaluation.report._text import (
    BASELINE,
    BLOCKED,
    MEMBERSHIP,
    MEMORISATION,
    ROLES,
    THESIS,
)
from calgan.evaluation.report._theme import STYLE_SHEET
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


def build_html(
    evaluation: Any,
    *,
    title: str | None = None,
    figures_folder: str | os.PathLike[str] | None = None,
) -> str:
    """Return the report of an evaluation as one HTML page that loads nothing from elsewhere.

    Its figures are written as PNG files, too, if a folder for them is given.
    """
    folder = None if figures_folder is None else Path(figures_folder)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, list[str]] = {name: [] for name in SECTIONS}
    for number, item in enumerate(report_figures(evaluation), start=1):
        image = item.render("svg" if item.vector else "png")
        if folder is not None:
            picture = item.render("png") if item.vector else image
            (folder / file_name(number, item)).write_bytes(picture)
        figures[item.section].append(_figure(item, number, image))
    heading, telling, memorising, *others = SECTIONS
    sections = {
        heading: [*figures[heading], _statistics_table(evaluation)],
        **({telling: figures[telling]} if figures[telling] else {}),
        memorising: [_memorisation(evaluation), *figures[memorising]],
        **{name: figures[name] for name in others if figures[name]},
        "How this was computed": [_methods(evaluation)],
    }
    links = " ".join(
        f'<a href="#s{position}">{escape(name)}</a>' for position, name in enumerate(sections)
    )
    body = "\n".join(
        f'<section><h2 id="s{position}">{escape(name)}</h2>\n' + "\n".join(parts) + "</section>"
        for position, (name, parts) in enumerate(sections.items())
    )
    title = escape(title or "How real are the synthetic traces?")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="calgan {escape(calgan.__version__)}">
<title>{title}</title>
<style>{STYLE_SHEET}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
<p class="facts">{escape(_facts(evaluation))}</p>
{_verdict(evaluation)}
<nav>{links}</nav>
{_colour_key(evaluation)}
</header>
{body}
</main>
</body>
</html>
"""


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


def _paragraphs(text: str | Iterable[str]) -> str:
    """Return a paragraph for each line or text."""
    parts = text.split("\n") if isinstance(text, str) else list(text)
    return "".join(f"<p>{escape(part.strip())}</p>" for part in parts if part.strip())


def _verdict(evaluation: Any) -> str:
    """Return the sentences of the conclusion."""
    return f'<div class="verdict">{_paragraphs(evaluation.conclusion)}</div>'


def _colour_key(evaluation: Any) -> str:
    """Return what the colours of the figures stand for."""
    present = {name for name, array in evaluation.windows.items() if array is not None}
    for row in evaluation.statistics:
        present |= {name for name, value in (row.controls or {}).items() if value is not None}
    items = "".join(
        f'<li><i style="background:{COLORS[name]}"></i><b>{LABELS[name]}</b>: {escape(role)}</li>'
        for name, role in ROLES.items()
        if name in present
    )
    return f'<ul class="key" aria-label="Colours used in all figures">{items}</ul>'


def _figure(item: ReportFigure, number: int, image: bytes) -> str:
    """Return a figure with its image and caption."""
    mime = "image/svg+xml" if item.vector else "image/png"
    data = base64.b64encode(image).decode("ascii")
    inches = item.figure.get_size_inches()
    width, height = (round(100 * float(length)) for length in inches)
    wide = width > _WIDE
    return (
        f'<figure id="{escape(item.name)}"><div class="scroll">'
        f'<img{" class=wide" if wide else ""} width="{width}" height="{height}" '
        f'alt="{escape(item.title)}" src="data:{mime};base64,{data}"></div>'
        f"<figcaption><b>Figure {number}. {escape(item.title)}.</b> {escape(item.caption)}"
        + ('<span class="swipe"> Swipe the figure sideways to see all of it.</span>' * wide)
        + "</figcaption></figure>"
    )


def _statistics_table(evaluation: Any) -> str:
    """Return the table of all statistics and how to read it."""
    names = [LABELS.get(name, name) for name in evaluation.controls]
    table = statistics_table(evaluation.statistics, evaluation.controls)
    notes = (
        "↓ less is better, ↑ more is better. Brackets: 95 % intervals of a bootstrap over blocks "
        "of the recording. A number with a sign in place of a ratio is the difference to the "
        "baseline, by which statistics are judged whose baseline may be next to nothing."
    )
    if any(row.trained_on for row in evaluation.statistics):
        notes += (
            " The statistics marked “trained on” were part of the model's objective and "
            "flatter it; the unmarked ones were not."
        )
    page = as_html(table, ["synthetic", "baseline", "ratio", *names])
    return f'<h3>All statistics</h3><div class="scroll">{page}</div><p class="note">{notes}</p>'


def _memorisation(evaluation: Any) -> str:
    """Return what is known of copies: the memorisation figure and the membership test."""
    found: Mapping[str, Any] = evaluation.memorisation or {}
    if not found:
        return f"<p>{escape(MEMORISATION)}</p><p><i>{NOT_AVAILABLE}</i></p>"
    texts = [f"{MEMORISATION} Medians over {found['n_samples']} synthetic windows."]
    if found.get("membership"):
        texts.append(f"{MEMBERSHIP} From {found['membership']['n_samples']} windows of each.")
    return f'{_paragraphs(texts)}<div class="scroll">{as_html(copying_table(found))}</div>'


def _methods(evaluation: Any) -> str:
    """Return how the numbers came about: protocol, definitions, settings and versions."""
    definitions = "".join(
        f'<tr><th scope="row">{escape(row.label)}</th>'
        f"<td>{escape(INFOS[row.name].definition)}</td></tr>"
        for row in evaluation.statistics
        if row.name in INFOS
    )
    settings = {
        "protocol": evaluation.protocol,
        "windows a group": evaluation.n_windows,
        "frame rate (Hz)": evaluation.frame_rate,
        **_readable_keys(getattr(evaluation, "meta", None) or {}),
        **_versions(),
    }
    rows = "".join(
        f'<tr><th scope="row">{escape(str(key))}</th><td>{escape(_text(value))}</td></tr>'
        for key, value in settings.items()
    )
    protocol = THESIS if evaluation.protocol == "thesis" else BLOCKED
    return (
        f"<p>{escape(protocol)}</p><p>{escape(BASELINE)}</p>"
        f'<h3>The statistics</h3><table class="plain"><tbody>{definitions}</tbody></table>'
        f'<h3>Settings, seeds and versions</h3><table class="plain"><tbody>{rows}</tbody></table>'
    )


def _readable_keys(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known, with keys that read as words."""
    return {str(key).replace("_", " "): value for key, value in meta.items() if value is not None}


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


def _versions() -> dict[str, str]:
    """Return the versions of calgan, Python and packages that matter."""
    found = {"calgan": calgan.__version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    text = ", ".join(f"{package} {number}" for package, number in found.items())
    return {"versions": text}
