"""The default generator: latent factors, spikes, calcium. Start reading in `model`."""

from calgan.generators.factor_model.estimator import CalciumFactorModel

__all__ = ["CalciumFactorModel"]
