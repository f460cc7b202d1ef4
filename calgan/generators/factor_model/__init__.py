"""The default generator: latent factors, spikes, calcium. `_estimator` is where to start reading."""

from calgan.generators.factor_model._estimator import CalciumFactorModel

__all__ = ["CalciumFactorModel"]
