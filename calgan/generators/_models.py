"""Which classes a model file may hold, and which fields each of them has."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import sklearn.pipeline
from sklearn.utils.validation import check_is_fitted

import calgan
from calgan.generators._container import ModelFileError, shorten
from calgan.generators._fields import (
    ABSENT,
    BOOLEAN,
    NONE,
    Array,
    Context,
    Frames,
    Ids,
    Kind,
    Pair,
    Plain,
    Record,
    Settings,
    Table,
    Tree,
    integer,
    mapping,
    pack_fields,
    real,
    text,
    unpack_fields,
)

_DEEPEST = 10  # pipelines in pipelines
_MOST_STEPS = 100
_STOCK = "sklearn.pipeline.Pipeline"


def class_named(name: Any) -> type:
    """Return a class that files may hold; its module is imported when it is needed."""
    if not isinstance(name, str) or name not in CLASSES:
        raise ModelFileError(f"is no calgan model: calgan has no class {shorten(name)}")
    return sklearn.pipeline.Pipeline if name == _STOCK else getattr(calgan, name)


def name_of(model: Any) -> str | None:
    """Return the name of the class of an object, None if files hold no such objects."""
    cls = type(model)
    name = _STOCK if cls is sklearn.pipeline.Pipeline else cls.__name__
    # The module of a user's class of the same name has not been imported for nothing.
    return name if name in CLASSES and class_named(name) is cls else None


def pack(model: Any, prefix: str, file: Context, *, fitted: bool = True) -> dict[str, Any]:
    """Return an object as JSON, and put its arrays into the file."""
    name = name_of(model)
    if name is None or file.depth > _DEEPEST:
        raise ModelFileError(f"a {type(model).__name__} is none of calgan's")
    file, fields = file.within(name, "NT"), CLASSES[name]
    params = {**model.get_params(deep=False)}
    if fitted:
        check_is_fitted(model)
        params = getattr(model, "_params_to_save", lambda: params)()
    said = {"class": name, "params": pack_fields(params, fields.params, prefix, file)}
    if fitted and fields.fitted:
        values = getattr(model, "_to_save", lambda: vars(model))()
        _know(values, file)
        said["fitted"] = pack_fields(values, fields.fitted, prefix, file)
    return said


def unpack(said: Any, prefix: str, file: Context, *, fitted: bool = True) -> Any:
    """Make the object that `pack` was given."""
    if not isinstance(said, dict):
        raise ModelFileError(f"is no calgan model: a part of it is {shorten(said)}")
    if file.depth > _DEEPEST:
        raise ModelFileError("is no calgan model: its parts are nested too deeply")
    name = said.get("class")
    cls = class_named(name)
    fields, file = CLASSES[str(name)], file.within(str(name), "NT")
    keys = {"class", "params"} | ({"fitted"} if fitted and fields.fitted else set())
    if said.keys() != keys:
        raise ModelFileError(f"is no calgan model: {name} has the parts {shorten(sorted(said))}")
    model = cls(**unpack_fields(said["params"], fields.params, prefix, file))
    if "fitted" in keys:
        if isinstance(said["fitted"], dict):
            _know(said["fitted"], file)
        values = unpack_fields(said["fitted"], fields.fitted, prefix, file)
        getattr(model, "_take_saved", vars(model).update)(values)
    return model


def _know(values: dict[str, Any], file: Context) -> None:
    """Note the numbers of neurons and frames that arrays must fit."""
    for size, name in (("N", "n_features_in_"), ("T", "n_frames_in_")):
        value = values.get(name)
        if value is None:
            continue
        value = integer(1).pack(value, name, file)
        if file.sizes.setdefault(size, value) != value:
            raise file.wrong(name, f"{file.sizes[size]}, as of the rest of the model", value)


@dataclass(frozen=True)
class Nested(Kind):
    """Another object, or None if it may be absent; only its parameters if it is not fitted."""

    of: str
    fitted: bool = True

    def pack(self, value: Any, name: str, file: Context) -> Any:
        if value is None and not self.fitted:
            return None
        if name_of(value) != self.of:
            raise file.wrong(name, f"a {self.of}", value)
        return pack(value, f"{name}.", file, fitted=self.fitted)

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        if said is None and not self.fitted:
            return None
        if not isinstance(said, dict) or said.get("class") != self.of:
            raise file.wrong(name, f"a {self.of}", None if said is ABSENT else said)
        return unpack(said, f"{name}.", file, fitted=self.fitted)


class Steps(Kind):
    """The named steps of a pipeline."""

    def pack(self, value: Any, name: str, file: Context) -> Any:
        said = []
        for number, (key, step) in enumerate(value):
            if step is None or isinstance(step, str):
                said.append([key, step])
                continue
            if name_of(step) is None:
                raise TypeError(
                    f"step {key!r} ({type(step).__name__}) cannot be saved: a model file holds "
                    "calgan's own steps only; joblib.dump(model, path) writes any, to a file that "
                    "can run code when it is loaded."
                )
            said.append([key, pack(step, f"{name}.{number}.", file)])
            file.sizes.setdefault("N", int(step.n_features_in_))
        return said

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        if not isinstance(said, list) or not 1 <= len(said) <= _MOST_STEPS:
            raise file.wrong(name, f"1 to {_MOST_STEPS} steps", None if said is ABSENT else said)
        steps: list[tuple[str, Any]] = []
        for number, pair in enumerate(said):
            fits = isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)
            if not fits or pair[0] in dict(steps) or "__" in pair[0] or len(pair[0]) > 100:
                raise file.wrong(name, "steps with a name each", pair)
            step = pair[1]
            if step is not None and step != "passthrough":
                step = unpack(step, f"{name}.{number}.", file)
                file.sizes.setdefault("N", int(step.n_features_in_))
            steps.append((pair[0], step))
        return steps


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
    empty=True,
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
    "settings": Settings(),
}
_TRAINED_SETTINGS: dict[str, Kind] = {
    "name": text(most=60),
    "filters": integer(1, 10**5),
    "kernel_size": integer(1, 10**4),
    "max_depth": integer(0, 20),
    "batch_size": integer(2),
    "learning_rate": real(above=0),
    "betas": Pair(),
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
    "frame_rate_": _RATE,
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
        {"feature_range": Pair(), "per_neuron": BOOLEAN, "clip": BOOLEAN},
        _TRANSFORMER
        | {name: Array(("", "N", "N,C")) for name in ("data_min_", "data_max_", "scale_")},
    ),
    "FFTEncoder": Fields({"layout": text("full", "packed")}, _SHAPE | _TRANSFORMER),
    "NeuronSorter": Fields(
        {
            "method": text("correlation", "spectral", "position"),
            "positions": Array(("N,D",), "biuf", optional=True),
        },
        _TRANSFORMER | {"order_": Array(("N",), "i", least=0)},
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
            "deconvolver": Nested("OasisDeconvolver", fitted=False),
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
