"""The operators of ONNX, a file for each family: a function for each, from a node to layers."""
