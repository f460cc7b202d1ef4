"""Spikes and calcium inferred from traces."""
