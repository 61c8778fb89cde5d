"""Turns a typed network into a standard ONNX model."""
