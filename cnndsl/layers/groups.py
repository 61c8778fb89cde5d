"""Groups of channels: what is said where channels do not split into them."""

import math
from collections.abc import Iterator

from cnndsl.layers.base import ShapeFault
from cnndsl.layers.fault_kind import FaultKind

__all__ = ["split_faults"]


def split_faults(
    channels: int, groups: int, blame: str, *, power: str = ""
) -> Iterator[ShapeFault]:
    """The fault of channels that are to be split into groups of equal size, and cannot be.

    ``power`` is how the number of groups comes from the parameter to blame, where it does not stand
    there itself: ``2^2 = ``.
    """
    whole, left = divmod(channels, groups)
    if not left:
        return
    help = f"let the layer before it make a multiple of {groups} channels"
    if not power:
        small = (d for d in range(1, math.isqrt(channels) + 1) if channels % d == 0)
        fitting = max(d for one in small for d in (one, channels // one) if d <= groups)
        help = f"write {fitting}, which divides {channels}"
    yield ShapeFault(
        FaultKind.CHANNEL_GROUPS,
        f"{channels} input channels do not split into {power}{groups} groups:"
        f" {channels} = {whole}*{groups} + {left}",
        blame=(blame,),
        help=help,
    )
