"""What an augmentation is: one class that holds its parameters and what it makes of a batch."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from cnndsl.recipe.settings import Variant

__all__ = ["Augmentation", "Labels"]

Labels: TypeAlias = Annotated[
    Literal["moved", "fixed"],
    Field(description="whether labels of the sample's size move along, or all labels stay"),
]


class Augmentation(Variant):
    """A random change of a training sample; several are applied in the order written."""
