"""The sizes of inputs that whoever imports a network gives."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SAY_SIZES", "sizes_of"]

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
