"""Generators: models that learn windows of a recording and sample new ones."""
