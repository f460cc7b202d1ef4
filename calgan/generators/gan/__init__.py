"""Adversarial networks: the published system, its variants, and compact ones."""
