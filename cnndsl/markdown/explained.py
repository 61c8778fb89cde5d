"""Finds the layers that a label or a line of a page in Markdown means, and their arithmetic.

A line is one of the page; a label is one of the block that has it.
"""

from __future__ import annotations

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, quoted
from cnndsl.markdown.check import CheckedBlock, CheckedPage
from cnndsl.markdown.fences import Fence
from cnndsl.typecheck.explained import LayerArithmetic, explained

__all__ = ["explained_in_page"]


def explained_in_page(page: CheckedPage, where: str) -> tuple[LayerArithmetic, ...]:
    """The arithmetic of the layers that a label, a name or a line of the page means.

    Raises:
        UserError: CNN640 for a name that no block has, or several do, CNN641 for a line without
            layers.
        CompileError: where the block is not understood so far that there are layers.
    """
    if where.isascii() and where.isdecimal():
        return explained(_at(page, int(where)).checked, where)
    if len(page.blocks) == 1:
        return explained(page.blocks[0].checked, where)
    found = [layers for block in page.blocks if (layers := _tried(block, where))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise _unknown(page, where)
    raise UserError(
        "CNN640",
        f"{len(found)} blocks of `{page.source.name}` have a layer `{where}`",
        help=f"name its line: {', '.join(str(layers[0].heading.line) for layers in found)}",
    )


def _tried(block: CheckedBlock, name: str) -> tuple[LayerArithmetic, ...]:
    """The layers of that name in a block; none where it has none, or is not understood."""
    try:
        return explained(block.checked, name)
    except (UserError, CompileError):
        return ()


def _at(page: CheckedPage, line: int) -> CheckedBlock:
    """The block in which a line of the page lies."""

    def way(block: CheckedBlock) -> int:
        first, last = _lines(block.fence)
        return max(first - line, line - last, 0)

    nearest = min(page.blocks, key=way, default=None)
    if nearest is not None and not way(nearest):
        return nearest
    first, last = _lines(nearest.fence) if nearest else (0, 0)
    raise UserError(
        "CNN641",
        f"line {line} of `{page.source.name}` is in no `cnn` block that is checked",
        help=f"the nearest is in the lines {first} to {last}" if nearest else "",
    )


def _lines(fence: Fence) -> tuple[int, int]:
    """The first and the last line of a block's text, as the page counts them."""
    end = fence.starts[-1]
    last = Span(fence.source, end, end).first.line
    return fence.opening.first.line + 1, last - fence.closed


def _unknown(page: CheckedPage, name: str) -> UserError:
    inferences = (block.checked.inference for block in page.blocks)
    names = [node.name for one in inferences if one for node in one.network.nodes]
    near = closest(name, names)
    return UserError(
        "CNN640",
        f"no block of `{page.source.name}` has a layer `{name}`",
        help=f"did you mean {quoted(near, ' or ')}?" if near else "give a layer's name, or a line",
    )
