"""Cells in movies: motion correction, detection, and traces of what was found."""
