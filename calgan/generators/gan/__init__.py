"""Adversarial networks: the published system, its variants, and recipes against modern critics."""
