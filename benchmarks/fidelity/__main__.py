"""How faithful samples are to the recording: recipes x recordings x seeds at equal CPU minutes.

Recipes of calgan, baselines and other people's generators learn real recordings (blocked split, a
gap of one window) and simulated ones whose truth is known. One cell is a recipe, a recording, a
seed and a budget of CPU minutes on one thread (0 for the default and the baselines, which take the
time that they take); its row is written as soon as it ends, and cells that have a row are skipped,
so that an interrupted run goes on where it was.

    CALGAN_DATA=... python -m benchmarks.fidelity --budget 5 --jobs 2 --outside-python ...
    python -m benchmarks.fidelity --only 'factor-model/*'
    python -m benchmarks.fidelity --only 'flow/*' 'compact/s1-0588' --seeds 0
    python -m benchmarks.fidelity --table --figure

What is judged and how is in the user guide, *Evaluating samples*; `_truth` says what the distance
to the truth is. ``benchmarks/requirements-outside.txt`` installs the other generators.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import joblib

from benchmarks.fidelity import outside
from benchmarks.fidelity._cells import Setting, cells, code_fingerprint, run_cell
from benchmarks.fidelity._excerpts import excerpts
from benchmarks.fidelity._figure import figure
from benchmarks.fidelity._reading import PUBLISHED
from benchmarks.fidelity._recipes import RECIPES
from benchmarks.fidelity._recordings import RECORDINGS
from benchmarks.fidelity._rows import CONTROLS, KEY, missing
from benchmarks.fidelity._table import table
from benchmarks.fidelity._truth import STATISTICS
from benchmarks.thesis_table import append, read

RESULTS = Path(__file__).parent.parent / "results"
BUDGETS = (0.5, 1.5, 5.0, 60.0)  # CPU minutes of what trains; 5 are compared with the default


def attempt(setting: Setting, cell: tuple[str, str, int, float]) -> dict[str, Any]:
    """Run a cell; an error is returned, so that it does not end the others.

    Parameters
    ----------
    setting : Setting
        Folders and interpreter.
    cell : tuple
        Key of the cell.

    Returns
    -------
    dict
        The row, or the cell's key and "error".
    """
    try:
        return run_cell(setting, *cell)
    except Exception as error:  # whatever somebody else's generator may raise
        return dict(zip(KEY, cell, strict=True)) | {"error": f"{type(error).__name__}: {error}"}


def summary(row: dict[str, Any]) -> str:
    """Return what a row says, in a line.

    Parameters
    ----------
    row : dict
        As `run_cell` returns it.

    Returns
    -------
    str
    """
    if "error" in row:
        return row["error"]
    if "failed" in row:
        return row["failed"]
    text = f"{row.get('steps', 0)} steps in {row.get('cpu_seconds', 0.0):.0f} CPU s"
    if "statistics" in row:
        ratios = [row["statistics"].get(name, {}).get("ratio") for name in PUBLISHED]
        return f"{text}, KLs / baseline " + " ".join(
            "-" if r is None else f"{r:.2f}" for r in ratios
        )
    if "truth" in row:
        ratios = [row["truth"][name]["ratio"] for name in STATISTICS]
        return f"{text}, distances / replay's " + " ".join(f"{r:.2f}" for r in ratios)
    return "controls"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line.

    Parameters
    ----------
    arguments : list of str, default=None
        None reads those of the program.

    Returns
    -------
    argparse.Namespace
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fidelity", description="Recipes at equal CPU minutes."
    )
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CALGAN_DATA"), help="folder of recordings"
    )
    parser.add_argument("--budget", type=float, default=5.0, help="CPU minutes of what trains")
    parser.add_argument(
        "--only",
        nargs="+",
        default=["*/*"],
        metavar="RECIPE/RECORDING",
        help=f"patterns; recipes: {', '.join((CONTROLS, *RECIPES))}; "
        f"recordings: {', '.join(RECORDINGS)}",
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="default: 0-2, simulated 0-4")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time, one thread each")
    parser.add_argument("--outside-python", help="interpreter of the other generators")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "calgan_fidelity",
        help="folder for the summaries of the truths, outside the repository",
    )
    parser.add_argument("--output", type=Path, help="default: benchmarks/results/fidelity.jsonl")
    parser.add_argument("--redo-stale", action="store_true", help="rerun cells of other code")
    parser.add_argument(
        "--table",
        action="store_true",
        help="write the table of what is done, and those of the documentation",
    )
    parser.add_argument("--figure", action="store_true", help="draw what is done")
    parsed = parser.parse_args(arguments)
    if parsed.budget not in BUDGETS and parsed.output is None:
        parser.error("such a budget is a trial: say where its rows go with --output")
    parsed.output = parsed.output or RESULTS / "fidelity.jsonl"
    return parsed


def main() -> None:
    """Run the cells that are missing, or write the table or figure of those that are there."""
    arguments = parse()
    output: Path = arguments.output
    if not (arguments.table or arguments.figure):
        failures = run(arguments)
        text = table(read(output), code_fingerprint())
        print(text)
        sys.exit(1 if failures else 0)
    rows = read(output)
    if arguments.table:
        text = table(rows, code_fingerprint())
        output.with_suffix(".txt").write_text(text)
        for name, excerpt in excerpts(rows).items():
            output.with_name(f"{output.stem}_{name}.csv").write_text(excerpt)
        print(text)
    if arguments.figure:
        figure(rows, output.with_suffix(".svg"), arguments.budget)


def run(arguments: argparse.Namespace) -> int:
    """Run the cells that are missing; return how many of them ended with an error.

    Parameters
    ----------
    arguments : argparse.Namespace
        As `parse` returns them.

    Returns
    -------
    int
    """
    output: Path = arguments.output
    wanted = list(cells(arguments.budget, arguments.seeds, arguments.only))
    if not wanted:
        sys.exit(
            f"no cell matches --only {' '.join(arguments.only)}: patterns are RECIPE/RECORDING, "
            "with the names that --help lists."
        )
    todo = missing(wanted, read(output), code_fingerprint() if arguments.redo_stale else None)
    if arguments.outside_python is None:
        outsiders = {cell[0] for cell in todo} & set(outside.MODELS)
        if outsiders:
            print(f"left out without --outside-python: {', '.join(sorted(outsiders))}")
        todo = [cell for cell in todo if cell[0] not in outsiders]
    data = None if arguments.data is None else Path(arguments.data).resolve()
    setting = Setting(data, arguments.cache.resolve(), arguments.outside_python)
    began, failures = time.perf_counter(), 0
    with joblib.parallel_config("loky"):
        parallel = joblib.Parallel(arguments.jobs, return_as="generator_unordered")
        for n, row in enumerate(parallel(joblib.delayed(attempt)(setting, c) for c in todo), 1):
            if "error" in row:
                failures += 1
            else:
                append(output, row)
            print(
                f"[{n}/{len(todo)}, {(time.perf_counter() - began) / 60:.0f} min] "
                f"{' '.join(str(row[k]) for k in KEY)}: {summary(row)}",
                flush=True,
            )
    return failures


if __name__ == "__main__":
    main()
