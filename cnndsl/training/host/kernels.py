"""Says what the ONNX Runtime of a machine has for its CPU beyond the standard operators."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

__all__ = ["BLOCKED", "Host"]

BLOCKED = "com.microsoft.nchwc"
"""The domain of operators on feature maps with channels in blocks: [N, C/b, H, W, b]."""


@dataclass(frozen=True, slots=True)
class Host:
    """What was found to give the right numbers here.

    ``block`` is how many channels lie side by side in a blocked feature map, as many as the CPU's
    vectors hold numbers: 8 with AVX2, 16 with AVX-512. Another number gives wrong results without
    an error, so it is never assumed.
    """

    block: int

    @override
    def __str__(self) -> str:
        return f"in blocks of {self.block} channels"
