"""A layer for cnndsl, found by the entry points in ``pyproject.toml``."""
