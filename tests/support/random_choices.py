"""Random numbers, sizes and windows that fit, each with a way to write it in a spec."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import semantics
from semantics import Sliding

__all__ = ["Choices"]


class Choices:
    """What a random spec is made of; the same seed makes the same choices."""

    def __init__(self, seed: int) -> None:
        self.choices = random.Random(seed)

    def pick(self, *options: Any) -> Any:
        return self.choices.choice(options)

    def flip(self) -> bool:
        return self.choices.random() < 0.5

    def count(self, low: int, high: int) -> int:
        return self.choices.randint(low, max(low, high))

    def divisor(self, number: int) -> int:
        """One of the numbers that divide it."""
        return int(self.pick(*(n for n in range(1, number + 1) if number % n == 0)))

    def sizes(self, values: Sequence[int]) -> str:
        """Sizes in one of the ways in which they can be written."""
        forms = ["x".join(map(str, values)), str([*values])]
        return str(self.pick(*forms, *([str(values[0])] if len(set(values)) == 1 else [])))

    def sliding(
        self, sizes: Sequence[int], *, dilates: bool, pool: bool
    ) -> tuple[str, str, Sliding]:
        """A window that fits: its kernel, its other attributes, and what they mean."""
        kernel = tuple(self.count(1, min(4, size)) for size in sizes)
        stride = tuple(self.pick(1, 2, 2, 3) for _ in sizes)
        dilation = tuple(self.count(1, 2) if dilates and k > 1 else 1 for k in kernel)
        words = f"stride {self.sizes(stride)}"
        if dilates and max(dilation) > 1:
            words += f" dilation {self.sizes(dilation)}"
        extents = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        rounding = self.pick("floor", "ceil", "ceil", "exact")
        for padding, text in self.paddings(extents):
            borders = semantics.margins(padding, sizes, extents, stride)
            how = Sliding(kernel, stride, dilation, borders, rounding)
            blind = max(dilation) > min(sizes) or any(
                max(pair) >= extent for pair, extent in zip(borders, extents, strict=True)
            )
            tiles = how.tiles(sizes) or rounding != "exact" or padding == "same"
            if min(how.spans(sizes)) >= 0 and tiles and not (pool and blind):
                if padding == "same":
                    how = Sliding(kernel, stride, dilation, borders, "floor")
                words += f" padding {text}" + f" rounding {rounding}" * (rounding != "exact")
                return self.sizes(kernel), words, how
        return self.same(sizes)

    def paddings(self, extents: tuple[int, ...]) -> list[tuple[Any, str]]:
        """Some paddings to try, each as it is meant and as it is written."""
        own = tuple(self.count(0, extent) for extent in extents)
        both = own + tuple(self.count(0, extent) for extent in extents)
        alike = own[:1] * len(own)
        options = [("valid", "valid"), ("same", "same"), ("full", "full")]
        listed = [(own, self.sizes(own)), (both, str([*both])), (alike, str(own[0]))]
        return self.choices.sample(options + listed, len(options + listed))

    def same(self, sizes: Sequence[int], stride: int = 1) -> tuple[str, str, Sliding]:
        """A window that keeps the sizes, or divides them by its stride."""
        kernel, rank = self.count(1, 3), len(sizes)
        steps = (stride,) * rank
        borders = semantics.margins("same", sizes, (kernel,) * rank, steps)
        how = Sliding((kernel,) * rank, steps, (1,) * rank, borders, "floor")
        return str(kernel), f"stride {stride} padding same", how
