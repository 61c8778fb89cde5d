"""What a cell of a layer's output sees of the input, along one spatial dimension."""

from __future__ import annotations

from abc import ABC, abstractmethod

from cnndsl.layers.formula import Symbol, Term

__all__ = ["AxisFootprint"]


class AxisFootprint(ABC):
    """Which cells along one spatial dimension of the input a cell of the output depends on."""

    @property
    @abstractmethod
    def output(self) -> int:
        """The output size."""

    @property
    @abstractmethod
    def pace(self) -> tuple[int, int]:
        """After how many positions of the output the footprint is how many cells further."""

    @property
    @abstractmethod
    def hull(self) -> tuple[int, int]:
        """Between which bounds, moving evenly, all cells lie that a position depends on.

        With a pace of (P, C) position ``p`` depends on no cell before ``(p*C + low)/P`` and none
        behind ``(p*C + high)/P``.
        """

    def field_term(self, field: Symbol, jump: Symbol) -> Term | None:
        """What a position sees where each cell sees ``field`` cells, which lie ``jump`` apart.

        None where no formula says it: it is then counted.
        """
        return None

    def jump_term(self, jump: Symbol) -> Term | None:
        """How far apart neighbours' fields lie, where those of the cells lie ``jump`` apart."""
        return None

    @abstractmethod
    def cells(self, position: int) -> range:
        """The cells of the input that a cell of the output depends on, as if it went on forever.

        What lies outside of the input is padding.
        """
