"""What may be asked of compiling, whatever is compiled: the model that answers, or its training."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

from cnndsl.frozen import frozen

__all__ = ["Compilation", "CompileOptions", "Form"]


class CompileOptions(TypedDict, total=False):
    """The keywords that say how a network is compiled; all of them may be left out."""

    verify: bool
    """Whether to compare the checksum of the weights' file, where it has one; by default yes."""

    seed: int | None
    """Of the weights that are drawn; by default the spec's, else 0."""

    batch: int | None
    """A fixed batch size; by default a model takes any, and a training step the recipe's."""

    opset: int
    """The version of the ONNX operator set, 18 to 21; by default 18."""


Form: TypeAlias = Literal["plain", "folded", "float16"]
"""Whether a model has the weights of its network; they with batch normalisations made part of
them; or these in float16."""


@frozen
class Compilation:
    """The same with their defaults: ``Compilation(**options)``."""

    verify: bool = True
    seed: int | None = None
    batch: int | None = None
    opset: int = 18
