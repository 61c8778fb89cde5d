"""The terms that formulas of layers have in common: the sizes of a stream, kernels, weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnndsl.layers.formula import Number, Symbol, Term, product, total
from cnndsl.types import TensorType

__all__ = ["kernel_terms", "made_terms", "shape_term", "size_terms", "stream_terms"]

_LETTERS = {
    "channels": "C",
    "depth": "Z",
    "height": "H",
    "width": "W",
    "length": "L",
}


def stream_terms(stream: TensorType, of: str = "input", mark: str = "") -> tuple[Symbol, ...]:
    """The sizes of a stream, channels first: C, H and W; ``mark`` stands behind each letter."""
    axes = stream.axes
    if len(axes) != len(stream.dims):
        axes = tuple(f"size {at}" for at in range(len(stream.dims)))
    if len(stream.dims) == 1:
        axes = ("units",)
    if stream.is_tokens:
        axes = ("length", *axes[1:])
    letters = {"units": "N", **_LETTERS}
    return tuple(
        Symbol(f"{letters.get(axis, f'N{at}')}{mark}", size, f"{of} {axis}")
        for at, (axis, size) in enumerate(zip(axes, stream.dims, strict=True))
    )


def made_terms(output: TensorType) -> tuple[Symbol, ...]:
    """The sizes of a layer's output: C', H', W'."""
    return stream_terms(output, "output", "'")


def size_terms(sizes: Sequence[int], source: TensorType) -> tuple[Symbol, ...]:
    """The sizes of an output that a layer is told: one for all dimensions, or one for each."""
    rank = len(source.spatial)
    each = tuple(sizes) * rank if len(sizes) == 1 else tuple(sizes)
    each = (each + each[-1:] * rank)[:rank]
    letters = ("O",) if len(set(each)) == 1 else tuple(f"O{axis[0]}" for axis in source.axes[1:])
    names = (letters * rank)[:rank]
    return tuple(
        Symbol(letter, size, "size that is written", "size")
        for letter, size in zip(names, each, strict=True)
    )


def kernel_terms(sizes: Sequence[int], parameter: str = "kernel") -> tuple[Symbol, ...]:
    """A kernel's size along each dimension: K where all are alike, else Kh and Kw."""
    if len(set(sizes)) == 1:
        return tuple(Symbol("K", size, "kernel", parameter) for size in sizes)
    axes = TensorType((1, *sizes)).axes[1:]
    return tuple(
        Symbol(f"K{axis[0]}", size, f"kernel's {axis}", parameter)
        for axis, size in zip(axes, sizes, strict=True)
    )


def shape_term(shapes: Iterable[tuple[int, ...]]) -> Term:
    """How many numbers tensors of these shapes hold together."""
    return total(product(map(Number, shape)) for shape in shapes)
