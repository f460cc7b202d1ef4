"""Learn the statistics of a calcium-imaging recording and sample new recordings from them.

Public names are resolved on first use, so that ``import calgan`` is fast and
``import calgan.metrics`` never loads torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0.dev0"

_LAZY = {
    "CalciumFactorModel": "calgan.generators.factor_model",
    "CalciumFlow": "calgan.generators.flow.estimator",
    "CalciumGAN": "calgan.generators.gan.estimator",
    "DichotomizedGaussian": "calgan.generators.dichotomized_gaussian.model",
    "DichotomizedGaussianCalcium": "calgan.generators.dichotomized_gaussian.estimator",
    "Evaluation": "calgan.evaluation",
    "FitWarning": "calgan.generators.fit_check",
    "FFTEncoder": "calgan.data.spectral",
    "MinMaxScaler": "calgan.data.scaling",
    "Movie": "calgan.data.movie",
    "NeuronSorter": "calgan.data.ordering",
    "OasisDeconvolver": "calgan.spikes.oasis",
    "Pipeline": "calgan.pipeline",
    "Recording": "calgan.data.recording",
    "SpikeInferenceNetwork": "calgan.spikes.network.estimator",
    "Windower": "calgan.data.windows",
    "compare": "calgan.evaluation",
    "evaluate": "calgan.evaluation",
    "load": "calgan.io.model_files.saving",
    "make_calcium_pipeline": "calgan.pipeline",
    "noise_study": "calgan.spikes.noise_study",
    "read_movie": "calgan.io",
    "read_recording": "calgan.io",
    "sample": "calgan.data.sampling",
    "write_movie": "calgan.io",
    "write_recording": "calgan.io",
}
_SUBMODULES = ("cells", "datasets", "evaluation", "io", "metrics", "model_selection", "plotting")

__all__ = [*_LAZY, *_SUBMODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"calgan.{name}")
    else:
        raise AttributeError(f"module 'calgan' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
