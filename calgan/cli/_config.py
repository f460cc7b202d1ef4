"""Configurations: what a run is told, complete with every default."""

from __future__ import annotations

import difflib
import inspect
import tomllib
from pathlib import Path
from typing import Any

import click

from calgan.cli._toml import as_toml

EXAMPLE = """\
# calgan run run.toml       reads, splits, fits, samples, evaluates and reports.
# Keys that are left out take calgan's defaults; run.resolved.toml lists all of them.

inputs = ["bundled:zebrafish_tectum"]   # files or folders; each gets a folder of its own
output = "results"                      # folder for model, samples, evaluation and report
seed = 0
test_size = 0.3                         # last share of the frames, never learnt; 0 holds out none

[read]                                  # as in calgan.read_recording
# frame_rate = 30.0                     # Hz, for files that do not say it
# variable = "F"                        # array in a file that has several

[model]                                 # as in calgan.make_calcium_pipeline
generator = "factor_model"
window = 64                             # frames
max_time = 300.0                        # s; and any other parameter of the generator

[sample]
windows = 500                           # to evaluate
# duration = 600.0                      # s; of the synthetic recording: else as the input
file = "synthetic.npz"                  # .npz, .nwb, or a name without suffix: a suite2p folder

[evaluate]                              # as in calgan.evaluate
n_bootstrap = 200
"""

N_SAMPLES = 500
_RUN_FILES = {"run.calgan", "run.resolved.toml", "windows.npz", "evaluation.json", "report.html"}
_OWN = {"made"}  # tables that calgan writes and does not read
# Parameters that are no choice of a configuration: data, or said elsewhere in it.
_READ = {"source"}
_MODEL = {"random_state", "generator_params", "verbose", "frame_rate", "checkpoint"}
_EVALUATE = {
    "real", "synthetic", "train", "frame_rate", "model", "deconvolver", "random_state", "n_jobs",
    "verbose",
}  # fmt: skip


def read_config(path: str) -> dict[str, Any]:
    """Return what a TOML file says."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a valid TOML file: {error}.") from error


def resolve(given: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a configuration complete with defaults, which those who take them declare."""
    from calgan import make_calcium_pipeline, read_recording
    from calgan.data.validation import as_seed, check_integer, check_real, check_text
    from calgan.evaluation.settings import MIN_SAMPLES, check_settings
    from calgan.model_selection import train_test_blocks

    model = _defaults(make_calcium_pipeline, _MODEL)
    name = table_of(given, "model", source).get("generator", model["generator"])
    # Raises for an unknown name; the window is chosen when the recording is known.
    generator = make_calcium_pipeline(name, window=1)[-1]
    model |= {k: v for k, v in generator.get_params(deep=False).items() if k not in _MODEL}
    known: dict[str, Any] = {
        "inputs": [],
        "output": None,
        "seed": None,
        "test_size": _defaults(train_test_blocks)["test_size"],
        "read": _defaults(read_recording, _READ),
        "model": model | {"window": None},
        "sample": {"windows": N_SAMPLES, "duration": None, "file": "synthetic.npz"},
        "evaluate": evaluate_defaults(),
    }
    refuse_unknown([name for name in given if name not in _OWN], known, source)
    for name, value in known.items():
        if isinstance(value, dict):
            table = table_of(given, name, source)
            refuse_unknown(table, value, f"[{name}] of {source}")
            known[name] = value | table
        elif name in given:
            known[name] = given[name]
    inputs = known["inputs"]
    known["inputs"] = inputs = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(inputs, list) or not all(isinstance(each, str) for each in inputs):
        raise TypeError(f"inputs of {source} must be a list of files, got {inputs!r}.")
    if len(inputs) > 1 and known["model"].get("log") is not None:
        raise ValueError("log names one file, and there are several inputs: fit them one by one.")
    if not isinstance(known["output"], (str, type(None))):
        raise TypeError(
            f"output of {source} must be the name of a folder, got {known['output']!r}."
        )
    sample = known["sample"]
    test_size = check_real("test_size", known["test_size"], least=0, below=1)
    check_integer(sample["windows"], "windows", minimum=MIN_SAMPLES if test_size else 1)
    if sample["duration"] is not None:
        check_real("duration", sample["duration"], above=0)
    file = check_text(sample["file"], "file", "synthetic.npz")
    if Path(file).name != file or file in _RUN_FILES:
        raise ValueError(
            f"file in [sample] of {source} must be a plain name, and none that run writes itself "
            f"({', '.join(sorted(_RUN_FILES))}), got {file!r}."
        )
    if known["model"]["window"] is not None:
        check_integer(known["model"]["window"], "window")
    check_settings(**known["evaluate"], random_state=None, n_jobs=None)
    seed = known["seed"]
    seed = as_seed(None) % 2**32 if seed is None else seed
    known["seed"] = check_integer(seed, "seed", minimum=0)
    return known


def _defaults(function: Any, without: set[str] | frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the default of each parameter."""
    parameters = inspect.signature(function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.name not in without}
    return {
        name: None if each is inspect.Parameter.empty else each for name, each in defaults.items()
    }


def table_of(given: dict[str, Any], name: str, source: str) -> dict[str, Any]:
    table = given.get(name, {})
    if not isinstance(table, dict):
        raise TypeError(f"{name} of {source} must be a table, [{name}], got {table!r}.")
    return table


def evaluate_defaults() -> dict[str, Any]:
    """Return what a user may choose of an evaluation."""
    from calgan import evaluate

    return _defaults(evaluate, _EVALUATE)


def refuse_unknown(given: Any, known: Any, source: str) -> None:
    """Refuse a key that is not known, and name the nearest one."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}."
            raise ValueError(f"{source} has no key {name!r}: {hint}")


def parse_settings(words: tuple[str, ...]) -> dict[str, Any]:
    """Return ``name=value`` words as a dict, values read as TOML or else taken as text."""
    settings = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (sign and name.isidentifier()):
            raise click.BadParameter(f"give name=value, got {word!r}.", param_hint="--set")
        try:
            settings[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[name] = value
    return settings


def record_of(model: Path) -> Path:
    """Return the file beside a model that says how it was fitted."""
    return model.with_name(f"{model.stem}.resolved.toml")


def checkpoint_of(model: Path) -> Path:
    """Return the file beside a model that holds the state of its training."""
    return model.with_name(f"{model.stem}.checkpoint")


def write_record(path: Path, config: dict[str, Any]) -> None:
    """Write a configuration that repeats what was done."""
    from calgan.data.files import replaced

    with replaced(path) as temporary:
        Path(temporary).write_text(as_toml(config), encoding="utf-8")
