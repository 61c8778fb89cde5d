"""Layers that have a test file of their own, with their oracle, instead of a line in the tables.

The file holds their values and gradients to PyTorch's, as the tables do for the others.
"""

from __future__ import annotations

__all__ = ["APART"]

APART = {
    "attention": "tests/layers/test_attention.py",
    "bias": "tests/layers/test_bias.py",
    "embedding": "tests/layers/test_embedding.py",
    "filter": "tests/layers/test_given_numbers.py",
    "fractionalmaxpool": "tests/layers/test_drawn_pooling.py",
    "localconv": "tests/layers/test_localconv.py",
    "matmul": "tests/layers/test_attention.py",
    "rbf": "tests/layers/test_given_numbers.py",
    "roialign": "tests/layers/test_regions.py",
    "roipool": "tests/layers/test_regions.py",
    "unpool": "tests/layers/test_unpool.py",
    "stochasticpool": "tests/layers/test_drawn_pooling.py",
}
"""The layers, each with its file."""
