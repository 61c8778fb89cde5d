"""Says what the ONNX Runtime of a machine has for its CPU beyond the standard operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from typing_extensions import override

from cnndsl.autodiff.geometry import Geometry

__all__ = ["BLOCKED", "Host", "Judge", "Part"]

Part: TypeAlias = Literal["forward", "input gradient", "kernel gradient"]
"""What of a convolution has forms to choose from."""

Judge: TypeAlias = Callable[[Part, Geometry, bool], bool]
"""Says whether the blocked form is to be taken, where the cost rule says so but not by much."""

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
    judge: Judge | None = None
    """Is asked where two forms are near by the cost rule; its ``str`` says what it answered."""

    @override
    def __str__(self) -> str:
        judged = "" if self.judge is None else f"; {self.judge}"
        return f"in blocks of {self.block} channels{judged}"
