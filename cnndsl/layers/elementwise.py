"""What functions of each number share: the same at every place, bounded by their values."""

from abc import abstractmethod
from typing import ClassVar

from typing_extensions import override

from cnndsl.layers.base import Bounds, Layer

__all__ = ["Elementwise"]


class Elementwise(Layer):
    """A function of each number that never falls, or falls to one lowest place and then rises."""

    family = "activation"

    activation = True
    per_channel = True

    lowest: ClassVar[float | None] = None
    """Where it is least, where that is no end."""

    @abstractmethod
    def of(self, number: float) -> float:
        """Its value at a number, which may be infinite."""

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        least, most = inputs[0]
        values = [self.of(least), self.of(most)]
        if self.lowest is not None and least < self.lowest < most:
            values.append(self.of(self.lowest))
        return min(values), max(values)
