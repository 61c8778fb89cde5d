"""What an augmentation is: one class that holds its parameters and what it makes of a batch.

Batches are float32 arrays of n x channels x spatial sizes. NumPy is loaded where one is changed,
not where a spec is checked.

To add an augmentation, write one class in a file of its own, here or in a package of your own that
declares the entry point ``cnndsl.augmentations``.
"""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, TypeAlias

from pydantic import Field

from cnndsl.diagnostics.words import count
from cnndsl.frozen import frozen
from cnndsl.recipe.settings import Variant
from cnndsl.types import TensorType

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

__all__ = ["Array", "Augmentation", "Draws", "Labels", "Misfit", "too_far"]

Array: TypeAlias = "NDArray[Any]"

Labels: TypeAlias = Annotated[
    Literal["moved", "fixed"],
    Field(description="whether labels of the sample's size move along, or all labels stay"),
]


class Draws(Protocol):
    """Random numbers for each sample of a batch, in rows; the same whenever they are asked for."""

    def uniform(self, count: int) -> "NDArray[numpy.float64]":
        """Evenly from [0, 1): n x count."""
        ...

    def normal(self, count: int, first: int = 0) -> "NDArray[numpy.float32]":
        """From the standard normal distribution, the draws from ``first`` on: n x count."""
        ...


@frozen
class Misfit:
    """Why an augmentation does not suit the inputs, and what would.

    ``attribute`` is the one whose value is at fault; empty where no value would do.
    """

    why: str
    help: str
    attribute: str = ""


class Augmentation(Variant):
    """A random change of a training sample; several are applied in the order written."""

    needed = ("change or move",)

    spatial: ClassVar[bool] = True
    """Whether it is about places: inputs need spatial sizes, several of them the same."""

    fills: ClassVar[bool] = True
    """Whether something comes in from outside, which is 0, where it moves what is there."""

    @property
    def moves_labels(self) -> bool:
        """Whether labels of the sample's size move along: as ``labels`` says, where it has that."""
        return getattr(self, "labels", "fixed") == "moved"

    @property
    def keeps_labels(self) -> bool:
        """Whether it moves samples, and the recipe says that labels stay all the same."""
        return getattr(self, "labels", "moved") == "fixed"

    @property
    def without(self) -> str:
        """The help that always works."""
        return f"take `{self.keyword}` out of the recipe's `augment`"

    # --- does it suit the network ---

    def misfit(self, inputs: Mapping[str, TensorType]) -> Misfit | None:
        """Why inputs, given by name, cannot be changed so; None where they can."""
        for name, its_type in inputs.items():
            what = f"the input `{name}` is {its_type}"
            if its_type.is_tokens:
                return Misfit(f"the input `{name}` are token ids", self.without)
            if self.spatial and not its_type.spatial:
                return Misfit(f"{what}, without spatial dimensions", self.without)
            found = self.misfit_of(what, its_type)
            if found is not None:
                return found
        sizes = {its_type.spatial: name for name, its_type in inputs.items()}
        if len(sizes) == 1 or not self.spatial:
            return None
        first, second = list(sizes.values())[:2]
        why = (
            f"the inputs `{first}` ({inputs[first]}) and `{second}` ({inputs[second]})"
            " differ in size and cannot be changed alike"
        )
        return Misfit(why, self.without)

    def misfit_of(self, what: str, its_type: TensorType) -> Misfit | None:
        """Why an input of numbers cannot be changed so; ``what`` says which it is."""
        return None

    # --- what it does ---

    def change(self, x: Array, draws: Draws, number: int) -> Array:
        """A batch after the change, as another array; ``number`` says of which input it is.

        All inputs have the same draws.
        """
        return self.move(x, draws)

    def move(self, x: Array, draws: Draws, *, nearest: bool = False) -> Array:
        """A batch with its cells at other places; ``nearest`` mixes no two of them, for labels.

        One that moves no labels needs none of this.
        """
        raise NotImplementedError


# --- what augmentations share -----------------------------------------------------------------


def too_far(
    one: Augmentation, what: str, its_type: TensorType, cells: int, attribute: str
) -> Misfit | None:
    """Why an input cannot be moved by up to so many cells, as ``attribute`` says."""
    smallest = min(its_type.spatial)
    if cells < smallest:
        return None
    why = f"{what}, of which a move by {count(cells, 'cell')} may leave nothing"
    if smallest == 1:
        return Misfit(why, one.without)
    return Misfit(why, f"write a number below {smallest}", attribute)
