"""An activation that learns what repeats: `snake`.

No ``from __future__ import annotations`` here: pydantic would read every annotation twice. Nor is
NumPy or ONNX imported: a spec is checked without them.
"""

from pydantic import Field

from cnndsl.layers.base import Init, Layer, Positive, Weight

__all__ = ["Snake"]


class Snake(Layer):
    """x + sin(a x)^2 / a, where a learns, one for each channel (Ziyin, Hartwig & Ueda 2020)."""

    keyword = "snake"
    # What the checker may know: it takes any type and gives it, it is an activation, and what it
    # says of one channel does not depend on the others.
    activation = True
    per_channel = True
    # What the backward pass needs, for `cnndsl summary`: its inputs.
    saves = ("inputs",)

    # The attributes of the phrase, each with its range, its default and a line of documentation.
    frequency: Positive = Field(default=1.0, description="what each a begins at")

    def weights(self, *inputs):
        """One number for each channel. It does not decay: a is a divisor."""
        start = Init("constant", float(self.frequency))
        return (Weight("a", (inputs[0].channels,), start, decays=False),)

    def lower(self, emit, context):
        """Operators of ONNX, which :mod:`cnndsl.autodiff` differentiates: all but ``Sin``."""
        (x,), a = context.inputs, context.weights["a"]
        if context.output.spatial:  # a number for each channel, beside N x C x H x W
            ones = [1] * len(context.output.spatial)
            a = emit.op("Reshape", a, emit.constant([1, -1, *ones]))
        wave = emit.op("Sin", emit.op("Mul", x, a))
        return emit.op("Add", x, emit.op("Div", emit.op("Mul", wave, wave), a))
