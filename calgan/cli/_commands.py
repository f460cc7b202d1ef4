"""The commands: their options, and which part does their work.

Bodies import what they need, so that ``calgan --help`` loads nothing else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

import calgan
from calgan.cli._config import EXAMPLE, N_SAMPLES, parse_settings, read_config
from calgan.cli._console import INTERRUPTED, as_options, console, guard, interruptible, note

GENERATORS = ("factor_model", "gan", "flow", "dichotomized_gaussian")


def main() -> None:
    """Run the command line and end with its exit code."""
    with interruptible():
        sys.exit(guard(lambda: calgan_command.main(prog_name="calgan", standalone_mode=False)))


def _chosen(name: str) -> Callable[..., None]:
    def choose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        setattr(console, name, value)
        console.options = frozenset(each.name or "" for each in context.command.params)

    return choose


def _options(*options: Any) -> Callable[[Any], Any]:
    """Return a decorator that adds options, the first on top."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_hidden: dict[str, Any] = {"is_flag": True, "expose_value": False}
_said = _options(
    click.option("--quiet", **_hidden, callback=_chosen("quiet"), help="No progress, no notes."),
    click.option("--debug", **_hidden, callback=_chosen("debug"), help="Show where a fault arose."),
)
_reading = _options(
    click.option("--format", metavar="NAME", help="Format of the file; recognised by default."),
    click.option("--variable", metavar="NAME", help="Array or series in a file that has several."),
    click.option(
        "--frame-rate",
        type=float,
        metavar="HZ",
        help="Frames per second, if the file does not say.",
    ),
    click.option("--cells", type=click.Choice(["accepted", "all"]), help="ROIs to read."),
    click.option("--dff/--no-dff", default=None, help="Make raw fluorescence dF/F, or keep it."),
    click.option(
        "--without-artefacts", is_flag=True, default=None, help="Leave out frames with artefacts."
    ),
)
_set = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other parameter; repeat."
)
_seed = click.option("--seed", type=click.IntRange(0), help="Seed; drawn if left out.")
_jobs = click.option(
    "--jobs", type=click.IntRange(1), default=1, help="Recordings to work on at the same time."
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace what exists.")


def _output(metavar: str, help: str, *, required: bool = True) -> Any:
    def check(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        if value == "":
            raise click.BadParameter("a name is needed.")
        return value

    names = ("-o", "--output")
    return click.option(*names, required=required, metavar=metavar, help=help, callback=check)


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


@click.group("calgan", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(calgan.__version__, prog_name="calgan")
def calgan_command() -> None:
    """Learn a calcium-imaging recording and sample new ones from it.

    Results go to stdout, progress and notes to stderr. Exit codes: 0 done, 1 a fault in data or
    file, 2 wrong usage, 130 interrupted.
    """


@calgan_command.command(short_help="What files hold.")
@click.argument("files", nargs=-1, required=True)
@_reading
@click.option("--json", "as_json", is_flag=True, help="One JSON object; a list for several files.")
@_said
def info(files: tuple[str, ...], as_json: bool, **reading: Any) -> int:
    """Say what recordings and models hold.

    FILE is a file or folder of any format that calgan reads, a model, or
    bundled:zebrafish_tectum.
    """
    from calgan.cli._info import as_text, info

    facts: list[dict[str, Any]] = []

    def describe(file: str) -> None:
        facts.append(info(file, _given(**reading)))
        if not as_json:
            click.echo(as_text(facts[-1]))

    codes = []
    for file in files:  # a fault in one does not keep the others
        codes.append(guard(partial(describe, file)))
        if codes[-1] == INTERRUPTED:
            break
    if as_json and facts:
        click.echo(json.dumps(facts if len(files) > 1 else facts[0]))
    return max(codes)


@calgan_command.command(short_help="Fit a model to a recording.")
@click.argument("files", nargs=-1)
@_output("MODEL", "Model file; of several files a folder, or a template with {name}.")
@click.option("--generator", type=click.Choice(GENERATORS), help="factor_model if left out.")
@click.option(
    "--window", type=click.IntRange(1), metavar="FRAMES", help="64, or fewer in a short recording."
)
@click.option("--max-time", type=float, metavar="SECONDS", help="Limit of the fit.")
@click.option("--max-iter", type=int, metavar="N", help="Limit of steps.")
@_set
@click.option(
    "--test-size",
    type=float,
    metavar="SHARE",
    help="Last share of the frames, held out for evaluate: 0.3; 0 learns all frames.",
)
@_seed
@click.option("--config", metavar="TOML", help="A configuration, as of run; options here win.")
@click.option(
    "--resume",
    is_flag=True,
    help="Keep a network's MODEL.checkpoint, and go on from it if it is there.",
)
@_reading
@_jobs
@_overwrite
@_said
def fit(
    files: tuple[str, ...],
    output: str,
    generator: str | None,
    window: int | None,
    max_time: float | None,
    max_iter: int | None,
    settings: tuple[str, ...],
    test_size: float | None,
    seed: int | None,
    config: str | None,
    resume: bool,
    jobs: int,
    overwrite: bool,
    **reading: Any,
) -> int:
    """Fit a model to each FILE and save it.

    Beside MODEL.calgan a record, MODEL.resolved.toml, says how it was fitted, on what, and
    which frames were held out. Ctrl-C saves what was learnt (exit code 130).

    With --resume, the state of a network's training goes to MODEL.checkpoint every five minutes
    (--set checkpoint_every=SECONDS). The same command goes on from there after a crash, Ctrl-C or
    the end of a job, and writes the model that it would have written without a break.
    """
    from calgan.cli._config import checkpoint_of, record_of, resolve, table_of
    from calgan.cli._files import MODEL_SUFFIX, check_new, names_of
    from calgan.cli._processes import for_each
    from calgan.data.files import make_folder

    told = read_config(config) if config else {}
    params = _given(generator=generator, window=window, max_time=max_time, max_iter=max_iter)
    told |= _given(seed=seed, test_size=test_size)
    told["model"] = table_of(told, "model", str(config)) | params | parse_settings(settings)
    told["read"] = table_of(told, "read", str(config)) | _given(**reading)
    if files:
        told["inputs"] = list(files)
    complete = resolve(told, config or "the command line")
    if resume and "checkpoint_every" not in complete["model"]:
        name = complete["model"]["generator"]
        raise click.UsageError(
            f"--resume is for gan and flow: a {name} takes seconds. Leave it out."
        )
    sources = complete["inputs"]
    if not sources:
        raise click.UsageError("name a FILE, or a --config with inputs.")
    names = names_of(sources)
    if len(sources) > 1 and output.endswith(MODEL_SUFFIX) and "{name}" not in output:
        raise click.UsageError("several files give several models: name a folder, or use {name}.")
    is_folder = len(sources) > 1 or output.endswith("/") or Path(output).is_dir()
    if is_folder and "{name}" not in output:
        output = str(Path(output) / f"{{name}}{MODEL_SUFFIX}")
    models = [output.replace("{name}", name) for name in names]
    for model in models:
        if "{name}" in output:
            make_folder(Path(model).parent)
        goes_on = resume and checkpoint_of(Path(model)).exists()
        check_new(model, record_of(Path(model)), overwrite=overwrite or goes_on)
    seeded = told.get("seed") is not None
    options = {"config": complete, "resume": resume, "seeded": seeded}
    calls = [
        {"name": name, "source": source, "model": model, **options}
        for name, source, model in zip(names, sources, models, strict=True)
    ]
    return for_each("fit", calls, jobs)


@calgan_command.command(short_help="Draw windows or a recording from a model.")
@click.argument("model")
@click.option("-n", "windows", type=click.IntRange(1), metavar="WINDOWS", help="Windows (M, T, N).")
@click.option("--duration", type=float, metavar="SECONDS", help="Length of a recording.")
@_output("FILE", "For -n .npz or .npy; for --duration .npz, .nwb, or a suite2p folder.")
@_seed
@_overwrite
@_said
def sample(
    model: str,
    windows: int | None,
    duration: float | None,
    output: str,
    seed: int | None,
    overwrite: bool,
) -> None:
    """Draw synthetic data from a MODEL, in units of the recording it learnt.

    -n draws independent windows, which every model can. --duration draws one recording without a
    break, marked synthetic.
    """
    if (windows is None) == (duration is None):
        raise click.UsageError("give either -n WINDOWS or --duration SECONDS.")
    from calgan.cli._sample import sample_recording, sample_windows

    if windows is not None:
        sample_windows(model, windows, Path(output), seed=seed, overwrite=overwrite)
    if duration is not None:
        sample_recording(model, duration, Path(output), seed=seed, overwrite=overwrite)
    click.echo(output)


@calgan_command.command(short_help="Infer the spikes of a recording.")
@click.argument("file")
@_output("FILE", "Spikes: .npz, .nwb or .csv.")
@click.option(
    "--method",
    metavar="METHOD",
    default="oasis",
    show_default=True,
    help="oasis, network (calgan's own), or the file of a trained network.",
)
@_set
@_reading
@_overwrite
@_said
def deconvolve(
    file: str,
    output: str,
    method: str,
    settings: tuple[str, ...],
    overwrite: bool,
    **reading: Any,
) -> None:
    """Infer the spikes of FILE.

    OASIS writes events (1 in a frame with a spike, else 0), a network the spikes expected in each
    frame, both with ROI ids and the frame rate. --set takes the parameters of OasisDeconvolver,
    such as threshold=2.5 or output=amplitudes, or of SpikeInferenceNetwork, such as output=counts.
    """
    from calgan.cli._spikes import deconvolve

    params = parse_settings(settings)
    deconvolve(file, _given(**reading), method, params, Path(output), overwrite=overwrite)
    click.echo(output)


_judging = _options(
    click.argument("first", metavar="MODEL|REAL"),
    click.argument("second", metavar="HELD_OUT|SYNTHETIC"),
    click.option("--train", metavar="FILE", help="What the model was fitted on."),
    click.option("-n", "n_samples", type=click.IntRange(1), default=N_SAMPLES, help="Windows."),
    click.option("--window", type=click.IntRange(1), metavar="FRAMES", help="Of two recordings."),
    _seed,
    click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Parameter of evaluate."
    ),
    click.option("--json", "as_json", is_flag=True, help="Every number as JSON on stdout."),
    _reading,
    _overwrite,
    _said,
)


@calgan_command.command(short_help="Judge samples against held-out data.")
@_judging
@_output("JSON", "File for every number.", required=False)
def evaluate(**arguments: Any) -> None:
    """Judge a MODEL against a HELD_OUT recording, or a REAL one by a SYNTHETIC one.

    Of the recording that the model was fitted on, the frames that fit held out are taken.
    SYNTHETIC is a recording or a file of windows (sample -n). Options on reading are for the
    real recordings.
    """
    from calgan.cli._judge import write_json

    _judge(arguments, lambda evaluation, path: write_json(path, evaluation))


@calgan_command.command(short_help="Write the evaluation as a page with figures.")
@_judging
@_output("HTML", "Page to write.")
@click.option("--title", help="Its heading.")
def report(title: str | None, **arguments: Any) -> None:
    """Judge as evaluate does, and write an HTML page with the figures."""
    _judge(arguments, lambda evaluation, path: evaluation.to_html(path, title=title))


def _judge(arguments: dict[str, Any], write: Callable[[Any, Path], Any]) -> None:
    from calgan.cli._config import evaluate_defaults, refuse_unknown
    from calgan.cli._files import check_new
    from calgan.cli._judge import as_dict, judge
    from calgan.data.validation import check_target
    from calgan.evaluation.settings import check_settings

    as_json, output = arguments.pop("as_json"), arguments.pop("output")
    overwrite, settings = arguments.pop("overwrite"), parse_settings(arguments.pop("settings"))
    own = ("first", "second", "train", "n_samples", "window", "seed")
    chosen = {name: arguments.pop(name) for name in own}
    refuse_unknown(settings, evaluate_defaults() | {"n_jobs": -1}, "evaluate")
    if output:
        check_target(output)  # a file, and no folder
        check_new(output, overwrite=overwrite)
    check_settings(**(evaluate_defaults() | {"n_jobs": None} | settings), random_state=None)
    evaluation = judge(**chosen, options=_given(**arguments), **settings)
    text = as_options(str(evaluation.summary()))
    click.echo(json.dumps(as_dict(evaluation)) if as_json else text)
    if output:
        write(evaluation, Path(output))
        note(f"wrote {output}")


@calgan_command.command(short_help="All of it, as a file says.")
@click.argument("config", required=False)
@_output("FOLDER", "In place of the file's output.", required=False)
@_jobs
@click.option("--example", is_flag=True, help="Print a configuration to start from.")
@_overwrite
@_said
def run(config: str | None, output: str | None, jobs: int, example: bool, overwrite: bool) -> int:
    """Read, split, fit, sample, evaluate and report, as CONFIG says (see --example).

    Each recording gets a folder with model, samples, evaluation, report, and run.resolved.toml:
    the configuration with every default, seed, versions and SHA-256 of the input.
    """
    if example:
        click.echo(EXAMPLE, nl=False)
        return 0
    if config is None:
        raise click.UsageError("name a CONFIG; calgan run --example prints one.")
    from calgan.cli._config import resolve
    from calgan.cli._files import names_of
    from calgan.cli._processes import for_each

    complete = resolve(read_config(config) | _given(output=output), config)
    sources, folder = complete["inputs"], complete["output"]
    if not sources or folder is None:
        raise ValueError(f'{config} must say inputs = [...] and output = "...".')
    names = names_of(sources)
    template = folder if len(sources) == 1 or "{name}" in folder else f"{folder}/{{name}}"
    calls = [
        {
            "name": name,
            "source": source,
            "config": complete,
            "folder": template.replace("{name}", name),
            "n_jobs": -1 if min(jobs, len(sources)) == 1 else 1,
            "overwrite": overwrite,
        }
        for name, source in zip(names, sources, strict=True)
    ]
    return for_each("run", calls, jobs)
