"""Says what a resolved network lacks, and what stands in its file and is never used."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Report, Severity
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.context import ElaborationContext
from cnndsl.elaborate.draft import Draft
from cnndsl.elaborate.network import InputNode
from cnndsl.elaborate.scope import BlockDefinition, Frame
from cnndsl.syntax.ast import Block, Import

__all__ = ["check_presence", "warn_unused"]

UNNAMED = "_"
"""What stands in place of a name where one of several results is not wanted."""


def check_presence(draft: Draft, report: Report) -> None:
    """A network needs an input and a layer; a file of blocks and imports only is a library."""
    statements = draft.module.statements
    library = not draft.nodes and any(isinstance(s, Block | Import) for s in statements)
    if library or any(not isinstance(node, InputNode) for node in draft.nodes):
        return
    if draft.nodes:
        code, missing, span = "CNN113", "layers", draft.nodes[0].span
        help = "write a layer below it, as in `conv 6@5x5 -> relu`"
    else:
        code, missing, span = "CNN105", "input", Span(draft.module.source, 0, 0)
        help = "begin with `input 3x224x224`, with the sizes of yours"
    report.add(Diagnostic(code, f"the network has no {missing}", span, help=help))


def warn_unused(
    context: ElaborationContext, blocks: Iterable[BlockDefinition], frame: Frame
) -> None:
    """Warn of streams, blocks, constants and results that nothing reads."""
    draft, report = context.draft, context.report
    unread = {span: name for span, (name, used) in context.bound.items() if not used}
    named = context.named
    for span, name in unread.items():
        if name != UNNAMED:
            report.add(_unread(name, span))
    if draft.nodes:
        for definition in blocks:
            block = definition.block.name
            if not definition.used:
                message = f"the block `{block.name}` is never used"
                help = f"call it, `{block.name}(…)`, or remove it"
                _warn(report, "CNN121", message, block.span, help)
        for constant_name, constant in frame.constants.own.items():
            if not constant.used:
                message = f"`{constant_name}` is never used"
                _warn(report, "CNN122", message, constant.span, "use it or remove it")
    heads = () if draft.recipe is None else draft.recipe.heads
    judged = {context.paths[one.head] for one in heads if one.head in context.paths}
    _warn_dead(draft, report, named | judged)


def _unread(name: str, span: Span) -> Diagnostic:
    """CNN120; ``c1 = conv 8@3`` alone may want to be a label, with which the network goes on."""
    message, help = f"the stream `{name}` is never used", "use it or remove it"
    fixes: tuple[Fix, ...] = ()
    text = span.source.text
    equal = re.compile(r"[ \t]*=(?!=)").match(text, span.end)
    listed = text[: span.start].rstrip(" \t").endswith(",")
    if listed or text[span.end :].lstrip(" \t").startswith(","):
        help = f"use it, or write `{UNNAMED}` in its place"
        fixes = (Fix(f"write `{UNNAMED}`", (Edit(span, UNNAMED),)),)
    elif equal is not None:
        help = f"use it, or write `{name}: …` if the layers below go on from it"
        sign = Span(span.source, span.end, equal.end())
        fixes = (Fix(f"write `{name}:`", (Edit(sign, ":"),)),)
    severity = Severity.WARNING
    return Diagnostic("CNN120", message, span, help=help, fixes=fixes, severity=severity)


def _warn_dead(draft: Draft, report: Report, named: set[int]) -> None:
    """Layers whose results go nowhere."""
    read = set(draft.outputs.values()) | named
    for node in draft.nodes:
        if not isinstance(node, InputNode):
            read.update(node.inputs)
    for position, node in enumerate(draft.nodes):
        if position not in read:
            what = "input" if isinstance(node, InputNode) else "result of"
            message = f"the {what} `{node.name}` is never used"
            help = f"join it, or keep it with `output {node.name}`"
            _warn(report, "CNN123", message, node.span, help)


def _warn(report: Report, code: str, message: str, span: Span, help: str) -> None:
    report.add(Diagnostic(code, message, span, help=help, severity=Severity.WARNING))
