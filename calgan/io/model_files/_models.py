"""Which classes a model file may hold, and which fields each of them has."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn.pipeline
from sklearn.utils.validation import check_is_fitted

import calgan
from calgan.data.validation import as_seed
from calgan.io.model_files._container import FORMAT_VERSION, shorten
from calgan.io.model_files._fields import (
    BOOLEAN,
    NONE,
    PAIR,
    SETTINGS,
    Array,
    Context,
    FieldError,
    Frames,
    Ids,
    Kind,
    Order,
    Plain,
    Record,
    Table,
    Tree,
    integer,
    mapping,
    pack_fields,
    real,
    text,
    unpack_fields,
)

# What brings a model (JSON) and its tensors of one format_version to the next; it returns what it
# changed, for a warning, or "". A change of `CLASSES` needs a new version, and its migration here.
MIGRATIONS: dict[int, Callable[[Any, dict[str, Any]], str]] = {}

_STOCK = "sklearn.pipeline.Pipeline"
# Parameters that are no part of a model: which files a training writes is a choice of those who
# start it, and not of a file that they were given; so is in how many processes.
_LOCAL = {"checkpoint", "checkpoint_every", "log", "devices"}
_DEEPEST, _MOST_STEPS = 10, 100  # pipelines in pipelines; steps of one


def migrate(said: dict[str, Any], arrays: dict[str, Any]) -> list[str]:
    """Bring the model of an older format to this one, in place; return what was changed."""
    versions = range(said["format_version"], FORMAT_VERSION)
    changed = [MIGRATIONS[version](said["model"], arrays) for version in versions]
    return [each for each in changed if each]


def class_named(name: Any) -> type:
    """Return a class that files may hold; its module is imported only now."""
    if not isinstance(name, str) or name not in CLASSES:
        raise FieldError(f"there is no class {shorten(name)} that files hold")
    return sklearn.pipeline.Pipeline if name == _STOCK else getattr(calgan, name)


def _name_of(model: Any, what: str) -> str:
    """Return the name of an object's class, if files hold such objects."""
    cls = type(model)
    name = _STOCK if cls is sklearn.pipeline.Pipeline else cls.__name__
    if name not in CLASSES or class_named(name) is not cls:
        raise TypeError(
            f"{what} cannot be saved: a model file holds calgan's own classes only; "
            "joblib.dump(model, path) writes any, to a file that can run code when it is loaded."
        )
    return name


def pack(
    model: Any,
    file: Context,
    prefix: str = "",
    what: str = "",
    *,
    fit: bool = True,
    learnt: dict[str, Any] | None = None,
) -> Any:
    """Return an object as JSON can hold it, and put its arrays into the file.

    What it has `learnt` is given only if that is not what it says itself.
    """
    name = _name_of(model, what or f"A {type(model).__name__}")
    file, fields = _within(file, name, prefix), CLASSES[name]
    params = model.get_params(deep=False)
    params = {key: value for key, value in params.items() if key not in _LOCAL}
    if isinstance(params.get("random_state"), (np.random.Generator, np.random.RandomState)):
        # What it would draw next: its state cannot be written down.
        params["random_state"] = as_seed(copy.deepcopy(params["random_state"]))
    _check_names(params, fields.params, name)
    said = {"class": name, "params": pack_fields(params, fields.params, file)}
    if fit:
        check_is_fitted(model)
        values = learnt or getattr(model, "_to_save", lambda: vars(model))()
        names = (each for each in values if each.endswith("_") and not each.startswith("_"))
        _check_names(names, fields.fitted, name)
        _note_sizes(values, file)
        said["fitted"] = pack_fields(values, fields.fitted, file)
    return said


def unpack(said: Any, file: Context, prefix: str = "", *, fit: bool = True) -> Any:
    """Make the object that `pack` was given."""
    name = said.get("class") if isinstance(said, dict) else None
    cls = class_named(name)
    file, fields = _within(file, str(name), prefix), CLASSES[str(name)]
    if set(said) != {"class", "params", *(["fitted"] if fit else [])}:
        raise FieldError(f"{name} has the parts {shorten(sorted(said))}")
    model = cls(**unpack_fields(said["params"], fields.params, file))
    if fit:
        if isinstance(said["fitted"], dict):
            _note_sizes(said["fitted"], file)
        values = unpack_fields(said["fitted"], fields.fitted, file)
        getattr(model, "_take_saved", vars(model).update)(values)
    return model


def _check_names(names: Iterable[str], fields: dict[str, Kind], owner: str) -> None:
    """Refuse what would be left out of the file."""
    unknown = sorted(set(names) - fields.keys())
    if unknown:
        raise FieldError(f"files do not hold {unknown[0]!r} of {owner}")


def _within(file: Context, name: str, prefix: str) -> Context:
    if file.depth >= _DEEPEST:
        raise FieldError(f"pipelines are nested more than {_DEEPEST} deep")
    return file.within(name, prefix)


def _note_sizes(values: dict[str, Any], file: Context) -> None:
    """Note the numbers of neurons and frames, which arrays and other objects must fit."""
    for size, name in (("N", "n_features_in_"), ("T", "n_frames_in_")):
        value = values.get(name)
        if value is None:
            continue
        value = integer(1).pack(value, name, file)
        if file.sizes.setdefault(size, value) != value:
            raise file.wrong(name, f"{file.sizes[size]}, as elsewhere in the model", value)


@dataclass(frozen=True)
class Nested(Kind):
    """Another object; if it need not be fitted, its parameters alone, or None."""

    of: str
    fit: bool = True

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Return the object."""
        if value is None and not self.fit:
            return None
        what = f"{name} of {file.owner} ({type(value).__name__})"
        return pack(value, file, f"{name}.", what, fit=self.fit)

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        """Make the object."""
        if said is None and not self.fit:
            return None
        if not isinstance(said, dict) or said.get("class") != self.of:
            raise file.wrong(name, f"a {self.of}", said)
        return unpack(said, file, f"{name}.", fit=self.fit)


class Steps(Kind):
    """The named steps of a pipeline."""

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Return the steps."""
        said = [
            [
                key,
                step if step is None or step == "passthrough" else self._packed(i, key, step, file),
            ]
            for i, (key, step) in enumerate(value)
        ]
        self._check(said, name, file)
        return said

    def _packed(self, number: int, key: str, step: Any, file: Context) -> Any:
        what = f"step {key!r} ({type(step).__name__})"
        said = pack(step, file, f"steps.{number}.", what)
        self._note(step, file)
        return said

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        """Make the steps."""
        self._check(said, name, file)
        steps = []
        for number, (key, step) in enumerate(said):
            if step is not None and step != "passthrough":
                step = unpack(step, file, f"steps.{number}.")
                self._note(step, file)
            steps.append((key, step))
        return steps

    @staticmethod
    def _check(said: Any, name: str, file: Context) -> None:
        if not isinstance(said, list) or not 1 <= len(said) <= _MOST_STEPS:
            raise file.wrong(name, f"a list of 1 to {_MOST_STEPS}", said)
        short = text(most=100).check
        pairs = [pair for pair in said if isinstance(pair, list) and len(pair) == 2]
        names = [pair[0] for pair in pairs if short(pair[0]) and "__" not in pair[0]]
        if len(set(names)) < len(said):
            raise file.wrong(name, "named, each otherwise", said)

    @staticmethod
    def _note(step: Any, file: Context) -> None:
        """Note the number of neurons, which the other steps must have, too."""
        n_neurons = getattr(step, "n_features_in_", None)
        if n_neurons is not None and file.sizes.setdefault("N", n_neurons) != n_neurons:
            raise file.wrong("steps", f"for {file.sizes['N']} neurons each", n_neurons)


@dataclass(frozen=True)
class Fields:
    """The fields of a class: its parameters, and what it has learnt."""

    params: dict[str, Kind]
    fitted: dict[str, Kind]


class _Maker:
    """Calls what lies in a module, which is imported then."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, **values: Any) -> Any:
        return getattr(importlib.import_module(self.module), self.name)(**values)


_SEED = NONE | integer(0, 2**64)
_RATE = NONE | real(above=0)
_NEURONS = Array(("N",))
_POSITIVE = Array(("N",), least=0)
_SHARE = Array(("N",), least=0, most=1)
_SHAPE: dict[str, Kind] = {"n_features_in_": integer(1), "n_frames_in_": integer(1, 2**24)}
_RECORDING: dict[str, Kind] = {"frame_rate_": _RATE, "units_": NONE | text(), "roi_ids_": Ids()}
_SUMMARY = Record(
    {
        "sd_ratio": Array(("N",), finite=False, as_list=True),
        "rate_ratio": Array(("N",), finite=False, as_list=True),
        "mismatched": Array(("M",), "i", least=0, as_list=True),
    },
    may_be_empty=True,
)
_TRANSFORMER: dict[str, Kind] = {
    "n_features_in_": integer(1),
    **_RECORDING,
    "positions_": Array(("N,D",), "biuf", optional=True),
    "feature_names_in_": Ids(may_lack=True),
}
_PIPELINE = Fields(
    {
        "steps": Steps(),
        "transform_input": NONE | Plain(
            lambda v: isinstance(v, list) and all(isinstance(t, str) and len(t) < 100 for t in v),
            "a list of texts",
        ),
        "memory": NONE,
        "verbose": BOOLEAN,
    },
    {},
)  # fmt: skip
_FINGERPRINT = Plain(
    lambda v: isinstance(v, str) and len(v) == 64 and set(v) <= set("0123456789abcdef"),
    "64 hex digits",
)
_VERBOSE = NONE | BOOLEAN | integer()

# What generators that train networks share.
_TRAINED_PARAMS: dict[str, Kind] = {
    "max_iter": NONE | integer(1),
    "max_time": NONE | real(above=0),
    "batch_size": NONE | integer(1),
    "filters": NONE | integer(1),
    "learning_rate": NONE | real(above=0),
    "validation_fraction": NONE | real(0, 1),
    "frame_rate": _RATE,
    "device": text(most=40),
    "precision": text("32-true", "bf16-mixed", "16-mixed", "mixed"),
    "warm_start": BOOLEAN,
    "verbose": _VERBOSE,
    "random_state": _SEED,
    "settings": SETTINGS,
}
_TRAINED_SETTINGS: dict[str, Kind] = {
    "name": text(most=60),
    "filters": integer(1, 10**5),
    "kernel_size": integer(1, 10**4),
    "max_depth": integer(0, 20),
    "batch_size": integer(2),
    "learning_rate": real(above=0),
    "betas": PAIR,
    "ema": real(0, 1),
    "clip_norm": real(0),
    "max_iter": NONE | integer(1),
    "epochs": NONE | integer(1),
    "validation_fraction": real(0, 1),
    "early_stopping": BOOLEAN,
    "n_iter_no_change": integer(1),
    "check_every": integer(1),
}
_TRAINED: dict[str, Kind] = {
    **_SHAPE,
    "n_channels_in_": NONE | integer(1, 1000),
    "seed_": integer(0, 2**64),
    **_RECORDING,
    "encoding_": Nested(_STOCK),
    "validation_baseline_": mapping(real()),
    "history_": Table(),
    "n_iter_": integer(),
    "best_iter_": integer(),
    "stopped_": text(most=60),
    "fingerprint_": _FINGERPRINT,
    "fit_summary_": _SUMMARY,
    "_frames_used_": Frames(),
    "training": Record(
        {
            "best_score": NONE | real(),
            "best_step": integer(),
            "final_check": BOOLEAN,
            "loss_scale": mapping(real()),
        }
    ),
    "networks": Tree(),
}

CLASSES = {
    "Pipeline": _PIPELINE,
    _STOCK: _PIPELINE,
    "Windower": Fields({"window": integer(1), "stride": integer(1)}, _TRANSFORMER),
    "MinMaxScaler": Fields(
        {"feature_range": PAIR, "per_neuron": BOOLEAN, "clip": BOOLEAN},
        _TRANSFORMER
        | {name: Array(("", "N", "N,C")) for name in ("data_min_", "data_max_", "scale_")},
    ),
    "FFTEncoder": Fields({"layout": text("full", "packed")}, _SHAPE | _TRANSFORMER),
    "NeuronSorter": Fields(
        {
            "method": text("correlation", "spectral", "position"),
            "positions": Array(("N,C",), "biuf", optional=True),  # not those of the recording
        },
        _TRANSFORMER | {"order_": Order(("N",), "i")},
    ),
    "OasisDeconvolver": Fields(
        {
            "frame_rate": _RATE,
            "decay_time": NONE | real(above=0),
            "threshold": real(0),
            "threshold_unit": text("noise", "trace"),
            "output": text("events", "amplitudes"),
            "n_jobs": NONE | integer(-1000, 1000),
        },
        _TRANSFORMER
        | {
            "decay_": _SHARE,
            "decay_time_": _POSITIVE,
            "baseline_": _NEURONS,
            "noise_": _POSITIVE,
            "threshold_": Array(("N",), least=0, finite=False),
        },
    ),
    "SpikeInferenceNetwork": Fields(
        {
            "adaptation": text("conditional", "embedding"),
            "frame_rate": _RATE,
            "output": text("expected", "counts"),
            "n_simulated": integer(),
            "n_networks": integer(1),
            "filters": integer(1),
            "max_iter": integer(1),
            "max_time": NONE | real(above=0),
            "learning_rate": real(above=0),
            "device": text(most=40),
            "verbose": _VERBOSE,
            "random_state": _SEED,
        },
        {
            **_TRANSFORMER,
            "n_features_in_": NONE | integer(1),
            "seed_": integer(0, 2**64),
            "history_": Table(),
            "n_iter_": integer(),
            "stopped_": text(most=60),
            "lag_": NONE | real(),
            "mean_": Array(("S",)),
            "sd_": Array(("S",), least=0),
            "centre_": Array(("N",), optional=True),
            "scale_": Array(("N",), least=0, optional=True),
            "statistics_": Array(("N,S",), finite=False, optional=True),
            "networks": Tree(),
        },
    ),
    "CalciumFactorModel": Fields(
        {
            "n_factors": integer(1),
            "max_iter": integer(1),
            "max_time": NONE | real(above=0),
            "frame_rate": _RATE,
            "verbose": _VERBOSE,
            "random_state": _SEED,
        },
        {
            **_SHAPE,
            **_RECORDING,
            "seed_": integer(0, 2**64),
            "history_": Table(),
            "n_iter_": integer(),
            "stopped_": text(most=60),
            "fit_summary_": _SUMMARY,
            "fingerprint_": _FINGERPRINT,
            "_frames_used_": Frames(),
            "model_": Record(
                {
                    "times": Array(("S",), least=0),
                    "shares": Array(("K,S",), least=0),
                    "loadings": Array(("N,K",)),
                    "log_rate": Array(("N",), finite=False),
                    "own_variance": _POSITIVE,
                    "own_time": Array(("",), least=0),
                    "log_amplitude": Array(("N",), finite=False),
                    "growth": _NEURONS,
                    "largest": _POSITIVE,
                    "decay": _SHARE,
                    "baseline": _NEURONS,
                    "log_noise": Array(("N",), finite=False),
                    "shared_noise": Array(("N,J",), least=-1, most=1),
                    "noise_times": Array(("J",), least=0),
                },
                _Maker("calgan.generators.factor_model.model", "FactorModel"),
            ),
        },
    ),
    "CalciumGAN": Fields(
        {"variant": text(most=60)} | _TRAINED_PARAMS,
        _TRAINED
        | {
            "settings_": Record(
                _TRAINED_SETTINGS
                | {
                    "network": text("compact", "compact-patches", "wavegan", "wavegan2d"),
                    "critic_kernel_size": integer(1, 10**4),
                    "noise_size": integer(1, 10**6),
                    "phase_shuffle": integer(0, 10**6),
                    "critic_learning_rate": real(above=0),
                    "n_critic": integer(1),
                    "loss": text("wasserstein", "relativistic"),
                    "gradient_penalty": real(0),
                    "adversarial": real(0),
                    "matching": real(0),
                    "matched": text("all", "second-order"),
                    "sorts": BOOLEAN,
                    "layout": NONE | text("full", "packed"),
                    "per_neuron": BOOLEAN,
                },
                _Maker("calgan.generators.gan.variants", "Variant"),
            )
        },
    ),
    "CalciumFlow": Fields(
        _TRAINED_PARAMS,
        _TRAINED
        | {
            "settings_": Record(
                _TRAINED_SETTINGS | {"n_steps": integer(1, 10**5), "warm_up": integer(1)},
                _Maker("calgan.generators.flow.estimator", "FlowSettings"),
            )
        },
    ),
    "DichotomizedGaussian": Fields(
        {
            "marginals": text("auto", "binary", "counts"),
            "n_lags": integer(0, 10**5),
            "random_state": _SEED,
        },
        {
            "n_features_in_": integer(1),
            "n_frames_in_": NONE | integer(1, 2**24),
            "thresholds_": Array(("N,K",), finite=False),
            "latent_correlation_": Array(("N,N",), least=-1.001, most=1.001),
            "mean_": _POSITIVE,
            "covariance_": Array(("N,N",)),
            "repaired_": BOOLEAN,
            "max_deviation_": real(0),
            "n_clipped_": integer(0, 2**62),
            "latent_autocorrelation_": Array(("L",), least=-1, most=1),
            "max_lag_deviation_": real(0),
            "_predictors": Array(("P",)),
            "_innovations": Array(("Q",), least=0),
        },
    ),
    "DichotomizedGaussianCalcium": Fields(
        {
            "frame_rate": _RATE,
            "n_lags": integer(0, 10**5),
            "deconvolver": Nested("OasisDeconvolver", fit=False),
            "random_state": _SEED,
        },
        {
            **_SHAPE,
            **_RECORDING,
            "frame_rate_": real(above=0),
            "amplitudes_": _POSITIVE,
            "fit_summary_": _SUMMARY,
            "fingerprint_": _FINGERPRINT,
            "_frames_used_": Frames(),
            "deconvolver_": Nested("OasisDeconvolver"),
            "spike_model_": Nested("DichotomizedGaussian"),
        },
    ),
}
