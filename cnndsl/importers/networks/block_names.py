"""Names blocks after what they are made of, as papers do: a residual unit, an inception."""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.frozen import replace
from cnndsl.importers.networks.blocks import Program
from cnndsl.importers.networks.items import (
    CallItem,
    Definition,
    Item,
    JoinItem,
    RepeatItem,
    Sequence,
    inner,
)
from cnndsl.importers.networks.labels import Namer

__all__ = ["named_blocks"]


def named_blocks(program: Program) -> dict[int, Definition]:
    """The blocks with names, each behind those that it calls."""
    namer = Namer(one.name for block in program.blocks.values() for one in block.parameters)
    order: dict[int, None] = {}
    for number in program.blocks:
        _before(program, number, order)
    every = [item for seq in program.sequences() for item in seq.items]
    towers = {one.block for one in every if isinstance(one, CallItem) and one.share is not None}
    named: dict[int, Definition] = {}
    for number in order:
        block = program.blocks[number]
        name = namer.take("tower" if number in towers else _kind(block.body))
        named[number] = replace(block, name=name)
    return named


def _before(program: Program, number: int, order: dict[int, None]) -> None:
    if number in order:
        return
    for item in _all(program.blocks[number].body):
        if isinstance(item, CallItem):
            _before(program, item.block, order)
    order[number] = None


def _all(seq: Sequence) -> Iterator[Item]:
    for item in seq.items:
        yield item
        for one in inner(item):
            yield from _all(one)


def _kind(body: Sequence) -> str:
    """What a body is called."""
    items = list(_all(body))
    top = [item for item in body.items if isinstance(item, JoinItem)]
    loops = any(isinstance(item, RepeatItem) for item in body.items)
    if len(top) > 1 or (loops and len(body.items) > 1):
        return "stage"
    if top:
        return _joined(top[0], first=body.items[0] is top[0])
    keywords = [getattr(item, "keyword", "") for item in items]
    if "depthwise" in keywords:
        return "separable"
    if "upconv" in keywords or "upsample" in keywords:
        return "up"
    return "unit"


def _joined(join: JoinItem, *, first: bool) -> str:
    """What a body of one join is called; ``first`` where it begins with that."""
    empty = [arm for arm in join.arms if not arm.items]
    match join.keyword:
        case "add":
            return "residual" if empty else "projected"
        case "concat" if len(join.arms) > 2:
            return "inception"
        case "concat":
            return "growing" if empty else "fire"
        case "multiply" if first:
            return "excite"
    return "unit"
