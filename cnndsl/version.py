"""The version, where every stage can read it."""

__all__ = ["HOMEPAGE", "__version__"]

__version__ = "0.1.0"

HOMEPAGE = "https://pypi.org/project/cnndsl/"
"""Where a program that reads our output can send people."""
