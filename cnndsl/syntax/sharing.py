"""Reads the word ``share`` behind a layer or a call: whose weights it uses."""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Span
from cnndsl.syntax.ast import Call, Expr, Identifier, Name
from cnndsl.syntax.collector import Refusal
from cnndsl.syntax.post_parse_errors import arrow_missing, shown

__all__ = ["SHARE", "is_share", "label_missing", "shared_call"]

SHARE = "share"
"""The word that stands before the label of what owns the weights."""


def is_share(expr: Expr) -> bool:
    """Whether an expression is the word itself."""
    return isinstance(expr, Name) and expr.name == SHARE


def label_missing(word: Expr, behind: Sequence[Expr]) -> Diagnostic:
    """``share`` alone, or with something else behind it than a label."""
    help = "write the label of the layer or call that has the weights, as in `share left`"
    if not behind:
        return Diagnostic("CNN207", "`share` has no value", word.span, help=help)
    message = f"`share` takes a label, not `{shown(behind[0].span.text, 20)}`"
    return Diagnostic("CNN204", message, behind[0].span, help=help)


def shared_call(span: Span, call: Call, arguments: Sequence[Expr]) -> Call:
    """A call and the word and label behind it: ``tower() share left``.

    Raises:
        Refusal: where it is no label, or not all that follows.
    """
    word, *behind = arguments
    if not behind or not isinstance(behind[0], Name):
        raise Refusal(label_missing(word, behind))
    if len(behind) > 1:
        raise Refusal(arrow_missing(behind[1].span))
    label = Identifier(behind[0].name, behind[0].span)
    return Call(call.callee, call.arguments, span, label)
