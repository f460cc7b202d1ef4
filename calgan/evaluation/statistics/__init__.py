"""Statistics that `evaluate` compares, and the two-sample tests."""
