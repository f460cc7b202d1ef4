"""Flow matching: noise is carried to windows along straight lines."""
