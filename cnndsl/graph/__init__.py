"""Turns a typed network into a standard ONNX model."""

from cnndsl.graph.deferred_import import defer_sympy

defer_sympy()
