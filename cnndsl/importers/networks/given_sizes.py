"""The sizes of inputs that whoever imports a network gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnndsl.diagnostics.model import UserError

__all__ = ["LARGEST", "SAY_SIZES", "demand_sizes", "sizes_of"]

LARGEST = 2**31 - 1
"""No size may be larger."""

SAY_SIZES = "say it by `--input 3x227x227`, channels first, with sizes of your own"
"""The help where a file does not say how large an input is."""


def sizes_of(
    sizes: Mapping[str, tuple[int, ...]], name: str, *, first: bool
) -> tuple[int, ...] | None:
    """The sizes that were given for an input; ``""`` is the first one's.

    >>> sizes_of({"": (3, 8, 8)}, "data", first=True), sizes_of({"a": (1,)}, "b", first=True)
    ((3, 8, 8), None)
    """
    return sizes.get(name) or (sizes.get("") if first else None)


def demand_sizes(name: str, dims: Sequence[int]) -> None:
    """Refuse sizes that no input can have.

    Raises:
        UserError: CNN682.
    """
    if not dims or any(not 1 <= one <= LARGEST for one in dims):
        shown = "x".join(map(str, dims)) or "nothing"
        message = f"the input `{name}` cannot be {shown}: sizes are from 1 to {LARGEST}"
        raise UserError("CNN682", message, help=SAY_SIZES)
