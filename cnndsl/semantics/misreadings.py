"""Says what is wrong with a phrase or a call whose first word is no layer, block or join there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.suggest import closest
from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.semantics.calls import signature
from cnndsl.semantics.findings import example, shorten, unknown_layer
from cnndsl.semantics.gaps import names_in
from cnndsl.syntax.ast import Broken as BrokenStatement
from cnndsl.syntax.ast import Call, Chain, Identifier, Link, Name, Phrase, Statement

if TYPE_CHECKING:
    from cnndsl.semantics.scope import BlockDefinition, Frame
    from cnndsl.semantics.workspace import Workspace

__all__ = [
    "behind_return",
    "called_layer",
    "joins_nothing",
    "misplaced",
    "not_a_layer",
    "stream_in_the_middle",
    "unknown_callee",
]


def misplaced(workspace: Workspace, statement: Statement) -> None:
    """Report a statement in braces that belongs to the top level."""
    word = statement.span.text.split()[0]
    start = statement.span.start
    workspace.fail(
        "CNN112",
        f"`{word}` cannot stand inside braces",
        Span(statement.span.source, start, start + len(word)),
        help="move it to the top level of the file",
    )


def behind_return(workspace: Workspace, statement: Statement | BrokenStatement) -> None:
    """Report what stands behind a ``return`` and would never be carried out."""
    workspace.fail(
        "CNN112",
        "nothing behind `return` is carried out",
        statement.span,
        help="put it before `return`, or remove it",
    )


def stream_in_the_middle(workspace: Workspace, link: Link) -> None:
    """Report ``relu -> stem``, which would throw away what came before."""
    name = link.element.span.text
    workspace.fail(
        "CNN209",
        f"`{name}` is a stream, and a stream can only begin a chain",
        link.span,
        help=f"start a new line with it, or join it: `add(identity, {name})`",
    )


def not_a_layer(workspace: Workspace, phrase: Phrase, frame: Frame) -> None:
    """Report a phrase that begins with no layer's name: a block, a stream, a misspelling."""
    head = phrase.head
    if head.name in frame.file.blocks:
        _uncalled_block(workspace, frame.file.blocks[head.name], phrase)
    elif workspace.lookup(head.name, frame) is not None:
        _stream_with_arguments(workspace, phrase)
    elif "." in head.name or (not phrase.arguments and _resembles_stream(head, frame)):
        workspace.unknown_stream(head, frame)
    else:
        _unknown(workspace, head, frame, called=False)


def joins_nothing(workspace: Workspace, phrase: Phrase) -> None:
    """Report ``add`` and ``add skip`` where ``add(identity, skip)`` is meant."""
    name = phrase.head.name
    streams = [shorten(argument.span.text) for argument in phrase.arguments]
    if len(streams) < 2:
        streams = ["identity", *(streams or ["conv 16@3 padding 1"])]
    workspace.fail(
        "CNN111",
        f"`{name}` joins streams, and takes them in parentheses",
        phrase.head.span,
        help=f"write `{name}({', '.join(streams)})`",
    )


def _stream_with_arguments(workspace: Workspace, phrase: Phrase) -> None:
    """Report ``stem relu``, where an arrow is missing, and ``stem 3``."""
    head, first = phrase.head, phrase.arguments[0]
    fixes: tuple[Fix, ...] = ()
    help = f"write `{head.name}` alone, or `->` and a layer behind it"
    if isinstance(first, Name) and find(first.name) is not None:
        gap = Edit(Span(head.span.source, head.span.end, head.span.end), " ->")
        help = f"put `->` behind `{head.name}`"
        fixes = (Fix(help, (gap,), safe=True),)
    message = f"`{head.name}` is a stream, and takes no arguments"
    workspace.fail("CNN209", message, head.span, help=help, fixes=fixes)


def unknown_callee(workspace: Workspace, call: Call, frame: Frame) -> None:
    """Report a call of what is neither a block nor a layer."""
    name = call.callee.name
    workspace.broken.update(names_in(call))
    if workspace.lookup(name, frame) is None:
        _unknown(workspace, call.callee, frame, called=True)
        return
    workspace.fail(
        "CNN209",
        f"`{name}` is a stream, and takes no arguments",
        call.callee.span,
        help=f"write `{name}` alone, or `->` and a layer behind it",
    )


def called_layer(workspace: Workspace, schema: type[Layer], call: Call) -> None:
    """Report ``conv(6, 5)``: a layer whose arguments are given in parentheses."""
    name = call.callee.name
    text = _as_phrase(schema, call)
    fixes: tuple[Fix, ...] = ()
    help = f"write it like `{example(schema, call.callee)}`"
    if text is not None:
        help = f"write `{text}`"
        fixes = (Fix(help, (Edit(call.span, text),), safe=not call.arguments),)
    workspace.fail(
        "CNN203",
        f"`{name}` is a layer: its arguments are written without parentheses",
        call.span,
        help=help,
        fixes=fixes,
    )


def _as_phrase(schema: type[Layer], call: Call) -> str | None:
    """The call as a phrase, where each of its arguments has a place there."""
    positional = iter(schema.positional)
    values: dict[str, str] = {}
    for argument in call.arguments:
        name = argument.name.name if argument.name else next(positional, "")
        known = name in schema.model_fields and name not in values
        if not known or isinstance(argument.value, Chain):
            return None
        values[name] = argument.value.span.text
    fields = schema.model_fields.items()
    if any(field.is_required() and name not in values for name, field in fields):
        return None
    main = "@".join(values.pop(name) for name in schema.positional if name in values)
    pairs = [f"{name} {value}" for name, value in values.items()]
    return " ".join(filter(None, [schema.keyword, main, *pairs]))


def _uncalled_block(workspace: Workspace, definition: BlockDefinition, phrase: Phrase) -> None:
    """Report ``unit`` and ``unit 8 1`` where ``unit(8, 1)`` is meant."""
    definition.used = True
    name = phrase.head.name
    values = phrase.arguments
    required = sum(parameter.default is None for parameter in definition.block.parameters)
    help = f"call it as `{signature(definition)}`"
    fixes: tuple[Fix, ...] = ()
    written = f"{name}({', '.join(value.span.text for value in values)})"
    whole = "\n" not in written and written.count("(") == written.count(")")
    if whole and required <= len(values) <= len(definition.block.parameters):
        help = f"write `{written}`"
        fixes = (Fix(help, (Edit(phrase.span, written),)),)
    workspace.fail(
        "CNN203" if values else "CNN202",
        f"`{name}` is a block and takes its arguments in parentheses",
        phrase.span,
        labels=(Label(definition.block.name.span, "defined here"),),
        help=help,
        fixes=fixes,
    )


def _unknown(workspace: Workspace, head: Identifier, frame: Frame, *, called: bool) -> None:
    """CNN101, unless it follows from a statement that could not be read or carried out."""
    diagnostic: Diagnostic = unknown_layer(head, tuple(frame.file.blocks))
    follows = called and frame.file.incomplete and not diagnostic.fixes
    if head.name not in workspace.broken and not follows:
        workspace.report.add(diagnostic)


def _resembles_stream(head: Identifier, frame: Frame) -> bool:
    names = tuple(frame.streams)
    return not unknown_layer(head, ()).fixes and bool(closest(head.name, names))
