"""Says what mends a layer in the wrong place: its own fault knows only the shape that it got."""

from __future__ import annotations

from math import isqrt
from typing import TypeAlias

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Severity
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.frozen import replace
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.typecheck.facts import Failure, Inference

__all__ = ["advise", "swapped"]

LARGE = 16
"""From here on a kernel is larger than those of any known network of pictures."""

Bank: TypeAlias = tuple[int, tuple[int, ...]]
"""How many filters a layer has, and their size."""

FEW = 11
"""As many filters could be a kernel."""


def advise(inference: Inference) -> None:
    """Put advice into the failures that need more than the shape to be understood."""
    for at, failure in enumerate(inference.failures):
        node = inference.network.nodes[failure.node]
        assert isinstance(node, LayerNode)
        kind = failure.fault.kind
        advised = failure.diagnostic
        if kind is FaultKind.VECTOR:
            advised = _behind_a_vector(node, inference, failure)
        elif kind is FaultKind.TOO_LARGE and node.layer.filter_bank:
            advised = _swap(node, node.layer.filter_bank, inference, failure)
        if advised is not failure.diagnostic:
            found = inference.diagnostics
            found[:] = [advised if item is failure.diagnostic else item for item in found]
            inference.failures[at] = replace(failure, diagnostic=advised)


# --- vectors where feature maps are needed ------------------------------------------------------


def _behind_a_vector(node: LayerNode, inference: Inference, failure: Failure) -> Diagnostic:
    """``conv`` or a pool behind a global pool, ``flatten`` or an input without spatial sizes."""
    diagnostic, layer = failure.diagnostic, node.layer
    if layer.is_dense_on_vectors:
        text = _as_dense(node)
        help = f"write `{text}`, which is what a 1x1 convolution of a vector is"
        return replace(diagnostic, help=help, fixes=(Fix(help, (Edit(node.span, text),)),))
    maker = inference.network.nodes[node.inputs[0]]
    while isinstance(maker, LayerNode) and maker.inputs:
        source = inference.facts[maker.inputs[0]].type
        if source is None or source.spatial:
            keyword = maker.layer.keyword
            help = f"put `{layer.keyword}` before `{keyword}`, which makes the vector, or remove it"
            return replace(diagnostic, help=help)
        maker = inference.network.nodes[maker.inputs[0]]
    if not isinstance(maker, InputNode):  # Another mistake has left it without an input.
        return diagnostic
    sizes = _picture(maker.type.channels)
    help = f"write the sizes as channels x height x width, as in `input {sizes}`"
    return replace(diagnostic, help=help)


def _as_dense(node: LayerNode) -> str:
    places = node.places
    kept = [n for n in ("bias", "init", "bias_init") if n in places]
    words = ["dense", places["filters"].text, *(f"{n} {places[n].text}" for n in kept)]
    return " ".join(words)


def _picture(numbers: int) -> str:
    """The sizes of a picture of so many numbers, or an example."""
    for channels in (1, 3):
        side = isqrt(numbers // channels)
        if channels * side * side == numbers and side > 1:
            return f"{channels}x{side}x{side}"
    return "1x28x28"


# --- filters and kernel -------------------------------------------------------------------------


def _swap(node: LayerNode, bank: Bank, inference: Inference, failure: Failure) -> Diagnostic:
    """``conv 3@64``: the kernel does not fit, and as filters it would."""
    filters, kernel = bank
    source = inference.facts[node.inputs[0]].type
    fix = _swapping(node, bank)
    fits = source is not None and all(filters <= size for size in source.spatial)
    if fix is None or not fits or not filters <= FEW < kernel[0]:
        return failure.diagnostic
    help = f"{fix.title}, if they are swapped"
    return replace(failure.diagnostic, help=help, fixes=(fix, *failure.diagnostic.fixes))


def _swapping(node: LayerNode, bank: Bank) -> Fix | None:
    """The two numbers changed for each other, where they are written as numbers."""
    filters, kernel = node.places.get("filters"), node.places.get("kernel")
    if filters is None or kernel is None or len({*bank[1]}) != 1:
        return None
    if filters.text != str(bank[0]) or kernel.source is not filters.source:
        return None
    text = f"{bank[1][0]}@{filters.text}"
    whole = Span(filters.source, filters.start, kernel.end)
    return Fix(f"write `{node.layer.keyword} {text}`", (Edit(whole, text),))


def swapped(network: TypedNetwork) -> list[Diagnostic]:
    """CNN126: convolutions of few filters whose kernels are larger than any that is used."""
    found = []
    for node in network.network.nodes:
        bank = node.layer.filter_bank if isinstance(node, LayerNode) else None
        if not isinstance(node, LayerNode) or bank is None or bank[0] > FEW:
            continue
        number, sizes = bank
        source = network.types[node.inputs[0]]
        large = LARGE <= sizes[0] < min(source.spatial, default=0)
        fix = _swapping(node, bank) if large and len(source.spatial) > 1 else None
        if fix is not None:
            kernel = "x".join(map(str, sizes * (3 - len(sizes))))
            filters = count(number, "filter")
            message = f"{filters} of {kernel} are unusual: are filters and kernel swapped?"
            span, help = fix.edits[0].span, f"{fix.title} if they are"
            found.append(
                Diagnostic(
                    "CNN126", message, span, help=help, fixes=(fix,), severity=Severity.WARNING
                )
            )
    return found
