"""DichotomizedGaussian and DichotomizedGaussianCalcium: the classical baseline."""
