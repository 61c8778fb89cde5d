"""The gradient of ONNX's operator ``Sin``, which no layer of cnndsl uses.

It is loaded when a network is differentiated, and not before.
"""

__all__ = ["sin"]


def sin(context):
    """Give the input's gradient, by that of the output: the slope of a sine is a cosine."""
    return [context.op("Mul", context.gradient, context.op("Cos", context.inputs[0]))]
