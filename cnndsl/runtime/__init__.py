"""Runs models with ONNX Runtime; the only part that loads it."""
