"""Says what is wrong with a phrase or a call whose first word is no layer, block or join there.

What other tools call things is loaded only where something is wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, is_slip, shorten
from cnndsl.elaborate.calls import signature
from cnndsl.elaborate.error_nodes import names_in
from cnndsl.elaborate.schema_errors import example, unknown_layer
from cnndsl.elaborate.values import FUNCTIONS
from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.syntax.ast import Broken as BrokenStatement
from cnndsl.syntax.ast import Call, Chain, Identifier, Link, List, Name, Phrase, Statement

if TYPE_CHECKING:
    from cnndsl.elaborate.context import ElaborationContext
    from cnndsl.elaborate.foreign_calls import Translation
    from cnndsl.elaborate.scope import BlockDefinition, Frame

__all__ = [
    "behind_return",
    "called_layer",
    "claims_layer",
    "joins_nothing",
    "listed_streams",
    "misplaced",
    "not_a_layer",
    "stream_in_the_middle",
    "unknown_callee",
]


def misplaced(context: ElaborationContext, statement: Statement) -> None:
    """Report a statement in braces that belongs to the top level."""
    word = statement.span.text.split()[0]
    start = statement.span.start
    context.fail(
        "CNN112",
        f"`{word}` cannot stand inside braces",
        Span(statement.span.source, start, start + len(word)),
        help="move it to the top level of the file",
    )


def behind_return(context: ElaborationContext, statement: Statement | BrokenStatement) -> None:
    """Report what stands behind a ``return`` and would never be carried out."""
    context.fail(
        "CNN112",
        "nothing behind `return` is carried out",
        statement.span,
        help="put it before `return`, or remove it",
    )


def stream_in_the_middle(context: ElaborationContext, link: Link) -> None:
    """Report ``relu -> stem``, which would throw away what came before."""
    name = link.element.span.text
    context.fail(
        "CNN209",
        f"`{name}` is a stream, and a stream can only begin a chain",
        link.span,
        help=f"start a new line with it, or join it: `add(identity, {name})`",
    )


def not_a_layer(context: ElaborationContext, phrase: Phrase, frame: Frame) -> None:
    """Report a phrase that begins with no layer's name: a block, a stream, a misspelling."""
    from cnndsl.elaborate.foreign_words import misplaced_word

    head = phrase.head
    if head.name in frame.file.blocks:
        _uncalled_block(context, frame.file.blocks[head.name], phrase)
    elif context.lookup(head.name, frame) is not None:
        _stream_with_arguments(context, phrase)
    elif (word := misplaced_word(context, phrase)) is not None:
        context.report.withdraw(phrase.span)
        context.report.add(word)
    elif "." in head.name or _names_a_stream(phrase, frame):
        context.unknown_stream(head, frame)
    else:
        _unknown(context, head, frame, called=False)


_SHORTCUTS = ("shortcut", "skip", "residual")
"""Layers of other tools, and what people call the stream that goes round some layers."""


def _names_a_stream(phrase: Phrase, frame: Frame) -> bool:
    """Whether a lone word is like a stream's name, or like no layer where streams stand.

    That is in a join and before ``->``.
    """
    from cnndsl.layers.absent import absence

    head = phrase.head
    near = closest(head.name, tuple(frame.streams))
    missing = absence(head.name)
    text = phrase.span.source.text
    before, behind = text[: phrase.span.start].rstrip(), text[phrase.span.end :].lstrip()
    in_a_join = before.endswith(("(", ","))
    if not phrase.arguments and re.fullmatch(r"conv_?[0-9]+", head.name):
        return True
    if not phrase.arguments and head.name in _SHORTCUTS and in_a_join:
        return True
    if phrase.arguments or unknown_layer(head, ()).fixes or (missing and missing.name == head.name):
        return False
    if near and (missing is None or is_slip(head.name, near[0])):
        return True
    if missing:
        return False
    return in_a_join or (behind.startswith("->") and not before.endswith("->"))


def claims_layer(context: ElaborationContext, link: Link) -> bool:
    """Report ``=> relu``, where an arrow is meant; False where sizes are claimed."""
    if not any(isinstance(dim, Name | Call) for claim in link.claims for dim in claim.dims[:1]):
        return False
    from cnndsl.elaborate.phrase_errors import claimed_layer

    found = [diagnostic for claim in link.claims if (diagnostic := claimed_layer(claim))]
    context.report.extend(found)
    return bool(found)


def joins_nothing(context: ElaborationContext, phrase: Phrase) -> None:
    """Report ``add`` and ``add skip`` where ``add(identity, skip)`` is meant."""
    name = phrase.head.name
    streams = [shorten(argument.span.text) for argument in phrase.arguments]
    schema = find(name)
    if schema is not None and schema.roles:
        streams = [*schema.roles, "…"]
    elif len(streams) < 2:
        streams = ["identity", *(streams or ["conv 16@3 padding 1"])]
    context.fail(
        "CNN111",
        f"`{name}` joins streams, and takes them in parentheses",
        phrase.head.span,
        help=f"write `{name}({', '.join(streams)})`",
    )


def listed_streams(context: ElaborationContext, call: Call) -> None:
    """Report ``concat([a, b])``: streams in a list."""
    from cnndsl.elaborate.foreign_calls import joined

    name = call.callee.name
    text = joined(name, call)
    listed = next(a.value.span for a in call.arguments if isinstance(a.value, List))
    fixes: tuple[Fix, ...] = ()
    help = f"write `{name}(a, b)`, with the streams of yours"
    if text is not None:
        help = f"write `{shorten(text)}`"
        fixes = (Fix(help, (Edit(call.span, text),), safe=True),)
    message = f"`{name}` takes its streams one by one, not in a list"
    context.fail("CNN209", message, listed, help=help, fixes=fixes)


def _stream_with_arguments(context: ElaborationContext, phrase: Phrase) -> None:
    """Report ``stem relu``, where an arrow is missing, and ``stem 3``."""
    head, first = phrase.head, phrase.arguments[0]
    fixes: tuple[Fix, ...] = ()
    help = f"write `{head.name}` alone, or `->` and a layer behind it"
    if isinstance(first, Name) and find(first.name) is not None:
        gap = Edit(Span(head.span.source, head.span.end, head.span.end), " ->")
        help = f"put `->` behind `{head.name}`"
        fixes = (Fix(help, (gap,), safe=True),)
    message = f"`{head.name}` is a stream, and takes no arguments"
    context.fail("CNN209", message, head.span, help=help, fixes=fixes)


def unknown_callee(context: ElaborationContext, call: Call, frame: Frame) -> None:
    """Report a call of what is neither a block nor a layer."""
    from cnndsl.elaborate.foreign_words import size_in_name

    name = call.callee.name
    context.broken.update(names_in(call))
    if context.lookup(name, frame) is None:
        if _translated(context, call, frame):
            return
        values = [a.value for a in call.arguments if not isinstance(a.value, Chain)]
        sized = size_in_name(call.callee, call.span, values)
        if sized is not None:
            context.report.add(sized)
            return
        _unknown(context, call.callee, frame, called=True)
        return
    context.fail(
        "CNN209",
        f"`{name}` is a stream, and takes no arguments",
        call.callee.span,
        help=f"write `{name}` alone, or `->` and a layer behind it",
    )


def _translated(context: ElaborationContext, call: Call, frame: Frame) -> bool:
    """Report another tool's call of a layer, with ours; False where it has no counterpart."""
    from cnndsl.elaborate.foreign_calls import translate

    translation = translate(call)
    if translation is None:
        return _untranslated(context, call)
    text = _from_stream(context, translation, frame)
    whole, label = _bound_to_self(call)
    if label and text.count("->") == 0 and find(label) is None and label not in frame.streams:
        text = f"{label}: {text}"
    fix = Fix(f"write `{text}`", (Edit(whole, text),), safe=translation.certain)
    name = call.callee
    message = f"there is no layer or block `{shorten(name.name)}`"
    context.report.withdraw(whole)
    context.fail("CNN101", message, name.span, help=f"write `{shorten(text, 60)}`", fixes=(fix,))
    return True


def _bound_to_self(call: Call) -> tuple[Span, str]:
    """The place of ``self.conv1 = nn.Conv2d(…)`` and its name; of the call alone without."""
    source, start = call.span.source, call.span.start
    line = source.text[source.text.rfind("\n", 0, start) + 1 : start]
    bound = re.search(r"\bself\.(\w+)[ \t]*=[ \t]*$", line)
    if bound is None:
        return call.span, ""
    return Span(source, start - len(line) + bound.start(), call.span.end), bound[1]


def _untranslated(context: ElaborationContext, call: Call) -> bool:
    """Report another tool's layer whose arguments ours does not have; False for no such layer."""
    from cnndsl.elaborate.foreign_calls import ours, without_root

    name = call.callee
    bare = without_root(name.name)
    keyword = ours(name.name)
    schema = find(keyword) if keyword else None
    if keyword is None or schema is None or schema.joins:
        if bare is None or bare == name.name:
            return False
        context.report.withdraw(_bound_to_self(call)[0])
        context.report.add(unknown_layer(Identifier(bare, name.span), ()))
        return True
    written = example(schema, Identifier(keyword, name.span))
    help = f"`{keyword}` comes nearest; write it like `{written}`"
    message = f"there is no layer or block `{shorten(name.name)}` with these arguments"
    context.report.withdraw(_bound_to_self(call)[0])
    context.fail("CNN101", message, name.span, help=help)
    return True


def _from_stream(context: ElaborationContext, translation: Translation, frame: Frame) -> str:
    """The text of a translation, from the stream that it names if there is one of this name."""
    stream = translation.stream
    known = stream == "input" or (stream and context.lookup(stream, frame) is not None)
    return f"{stream} -> {translation.text}" if known else translation.text


def _is_stream(context: ElaborationContext, value: object, frame: Frame) -> bool:
    """Whether a name means a stream, and no number."""
    if not isinstance(value, Name) or frame.constants.find(value.name) is not None:
        return False
    return value.name == "input" or context.lookup(value.name, frame) is not None


def called_layer(
    context: ElaborationContext, schema: type[Layer], call: Call, frame: Frame
) -> None:
    """Report ``conv(6, 5)``: a layer whose arguments are given in parentheses."""
    from cnndsl.elaborate.foreign_calls import translate

    name = call.callee.name
    translation = translate(call)
    text = _from_stream(context, translation, frame) if translation else None
    if any(_is_stream(context, argument.value, frame) for argument in call.arguments[1:]):
        text = None
    fixes: tuple[Fix, ...] = ()
    help = f"write it like `{example(schema, call.callee)}`"
    if text is not None:
        help = f"write `{text}`"
        fixes = (Fix(help, (Edit(call.span, text),), safe=not call.arguments),)
        context.report.withdraw(call.span)
    context.fail(
        "CNN203",
        f"`{name}` is a layer: its arguments are written without parentheses",
        call.span,
        help=help,
        fixes=fixes,
    )


def _uncalled_block(
    context: ElaborationContext, definition: BlockDefinition, phrase: Phrase
) -> None:
    """Report ``unit`` and ``unit 8 1`` where ``unit(8, 1)`` is meant."""
    definition.used = True
    name = phrase.head.name
    values = phrase.arguments
    required = sum(parameter.default is None for parameter in definition.block.parameters)
    help = f"call it as `{signature(definition)}`"
    fixes: tuple[Fix, ...] = ()
    written = f"{name}({', '.join(value.span.text for value in values)})"
    whole = "\n" not in written and written.count("(") == written.count(")")
    whole = whole and all(
        value.callee.name in FUNCTIONS for value in values if isinstance(value, Call)
    )
    if whole and required <= len(values) <= len(definition.block.parameters):
        help = f"write `{written}`"
        fixes = (Fix(help, (Edit(phrase.span, written),)),)
    context.fail(
        "CNN203" if values else "CNN202",
        f"`{name}` is a block and takes its arguments in parentheses",
        phrase.span,
        labels=(Label(definition.block.name.span, "defined here"),),
        help=help,
        fixes=fixes,
    )


def _unknown(context: ElaborationContext, head: Identifier, frame: Frame, *, called: bool) -> None:
    """CNN101, unless it follows from a statement that could not be read or carried out."""
    diagnostic: Diagnostic = unknown_layer(head, tuple(frame.file.blocks))
    follows = called and frame.file.incomplete and not diagnostic.fixes
    if head.name not in context.broken and not follows:
        context.report.add(diagnostic)
