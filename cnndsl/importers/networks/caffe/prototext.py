r"""Reads protocol buffers' text format into messages whose fields know where they stand.

It needs no schema: what the fields mean is for :mod:`.messages` to say. The format is that of
https://protobuf.dev/reference/protobuf/textformat-spec/: ``name: value``, ``name { … }`` or
``name < … >`` with or without a colon, lists in brackets, strings that stand side by side joined,
comments from ``#`` to the end of the line, ``,`` or ``;`` behind a field.

>>> message = parse(Source("net.prototxt", 'layer { name: "a" top: "x" top: "y" }'))
>>> layer = message.fields[0].value
>>> [field.value for field in layer.all("top")]
['x', 'y']
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Source, Span
from cnndsl.diagnostics.words import shorten
from cnndsl.frozen import frozen

__all__ = ["Field", "Message", "Scalar", "Word", "parse"]

_GRAMMAR = r"""
start: field*
field: name ":" (scalar | list) _separator?  -> valued
     | name ":"? message _separator?         -> nested
name: WORD | "[" EXTENSION "]"
message: "{" field* "}" | "<" field* ">"
list: "[" [item ("," item)*] "]"
?item: scalar | message
scalar: STRING+            -> text
      | NUMBER             -> number
      | WORD               -> word
      | "-" WORD           -> negative
_separator: "," | ";"

STRING: /"(?:[^"\\\n]|\\[^\n])*"/ | /'(?:[^'\\\n]|\\[^\n])*'/
NUMBER.2: /-?\s*(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?)(?![\w.])/
WORD: /[A-Za-z_][A-Za-z0-9_]*/
EXTENSION.3: /(?<=\[)[A-Za-z_][\w.]*[.\/][\w.\/]+(?=\])/
COMMENT: /#[^\n]*/
%ignore COMMENT
%ignore /[ \t\r\n\f\v]+/
"""

_DEEPEST = 100
"""How deep messages may stand in each other, as in the libraries of protocol buffers."""

_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "?": "?",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv?\\'\"])|([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))"
)


@frozen
class Word:
    """A value written without quotes: one of an enumeration, ``true``, ``inf``."""

    text: str


Scalar: TypeAlias = "int | float | str | Word"


@frozen
class Field:
    """One ``name: value`` and where it stands; of a list in brackets each item is a field."""

    name: str
    value: Scalar | Message
    span: Span

    @property
    def line(self) -> int:
        """The line on which its name stands, from 1."""
        return self.span.first.line


@frozen
class Message:
    """Fields in the order written; a name may stand several times."""

    fields: tuple[Field, ...]

    def all(self, name: str) -> Iterator[Field]:
        """All fields of a name."""
        return (field for field in self.fields if field.name == name)

    def last(self, name: str) -> Field | None:
        """The field of a name that counts where it stands several times: the last one."""
        return next((field for field in reversed(self.fields) if field.name == name), None)


def parse(source: Source) -> Message:
    """The message that a text is.

    Raises:
        CompileError: CNN680, where the text is not of the format.
    """
    try:
        fields: Any = _parser().parse(source.text)
    except UnexpectedInput as error:
        raise CompileError([_diagnose(source, error)]) from None
    return Message(tuple(_located(source, fields)))


def _located(source: Source, fields: Sequence[Any], depth: int = 0) -> list[Field]:
    """Pairs of a name and a value as fields with their spans."""
    if depth > _DEEPEST:
        name = fields[0][0] if fields else None
        at = name.start_pos if name else 0
        message = f"messages in messages, more than {_DEEPEST} deep"
        help = "Caffe's own messages are at most five deep: is this another kind of file?"
        raise CompileError([Diagnostic("CNN680", message, Span(source, at, at + 1), help=help)])
    return [
        Field(
            str(name),
            Message(tuple(_located(source, value, depth + 1)))
            if isinstance(value, list)
            else value,
            Span(source, name.start_pos, name.end_pos),
        )
        for name, value in fields
    ]


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Values())


@v_args(inline=True)
class _Values(Transformer[Token, Any]):
    """Turns what Lark completes into pairs of a name and a value; lists of these are messages."""

    def start(self, *fields: Any) -> list[Any]:
        return [pair for field in fields for pair in field]

    message = start

    def name(self, token: Token) -> Token:
        return token

    def valued(self, name: Token, value: Any) -> list[tuple[Token, Any]]:
        items = value if isinstance(value, tuple) else (value,)
        return [(name, item) for item in items]

    def nested(self, name: Token, value: Any) -> list[tuple[Token, Any]]:
        return [(name, value)]

    def list(self, *items: Any) -> tuple[Any, ...]:
        return tuple(item for item in items if item is not None)

    def text(self, *tokens: Token) -> str:
        return "".join(_unescaped(token[1:-1]) for token in tokens)

    def number(self, token: Token) -> int | float:
        digits = re.sub(r"\s", "", token)
        plain = digits.lstrip("-")
        if plain[:2] in ("0x", "0X"):
            value = int(plain, 16)
        elif plain.isdecimal():
            # As in C: a number that begins with a zero is octal.
            octal = len(plain) > 1 and plain[0] == "0" and not set(plain) & {"8", "9"}
            value = int(plain, 8 if octal else 10) if len(plain) < 400 else 10**400
        else:
            return float(digits.rstrip("fF"))
        return -value if digits[0] == "-" else value

    def word(self, token: Token) -> Word:
        return Word(str(token))

    def negative(self, token: Token) -> Word:
        return Word(f"-{token}")


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        plain, octal, hexadecimal, short, long, other = match.groups()
        if plain:
            return _ESCAPES[plain]
        if octal:
            return chr(int(octal, 8) & 0xFF)
        digits = hexadecimal or short or long
        if digits and int(digits, 16) <= 0x10FFFF:
            return chr(int(digits, 16))
        return match.group(0) if digits else f"\\{other}"

    return _ESCAPE.sub(one, text) if "\\" in text else text


# --- what is wrong with a text ----------------------------------------------------------------


def _diagnose(source: Source, error: UnexpectedInput) -> Diagnostic:
    text = source.text
    if isinstance(error, UnexpectedToken):
        if error.token.type == "$END":
            return _unclosed(source)
        start, end = error.token.start_pos, error.token.end_pos
    else:
        start = getattr(error, "pos_in_stream", 0)
        end = start + 1
    piece = text[start:end]
    label = _expected(error)
    if piece in "\"'":
        line = text[start : text.find("\n", start) if "\n" in text[start:] else len(text)]
        message = f"a string that is never closed on its line: {shorten(line.strip(), 40)}"
        return Diagnostic("CNN680", message, Span(source, start, start + len(line.rstrip())))
    if label == _VALUE and (piece in "}>],;:" or piece.isspace()):
        message = (
            f"no value before {f'`{shorten(piece, 30)}`' if piece.strip() else 'the line ends'}"
        )
    elif piece in "}>]":
        message = f"`{piece}` without its partner"
    else:
        message = f"unexpected {f'`{shorten(piece, 30)}`' if piece.strip() else 'text'}"
    return Diagnostic("CNN680", message, Span(source, start, end), label=label, help=_HELP)


_VALUE = "a value is expected here"
_HELP = "fix the file there: each field is `name: value` or `name { … }`"

_WORDS = {
    "COLON": "`:`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LESSTHAN": "`<`",
    "MORETHAN": "`>`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "WORD": "a name",
    "STRING": "a string",
    "NUMBER": "a number",
}


def _expected(error: UnexpectedInput) -> str:
    kinds = getattr(error, "accepts", None) or getattr(error, "expected", None)
    kinds = kinds or getattr(error, "allowed", None) or ()
    if {"WORD", "NUMBER", "STRING"} <= set(kinds):
        return _VALUE
    if kinds and {"COLON", "LBRACE"} <= set(kinds):
        return "`:` and a value, or `{`, are expected before this"
    words = [_WORDS[kind] for kind in _WORDS if kind in kinds]
    return f"expected {' or '.join(words)}" if 0 < len(words) <= 3 else ""


def _unclosed(source: Source) -> Diagnostic:
    """What a text lacks that ends too early: the partner of its innermost open brace."""
    open_braces: list[int] = []
    strings = re.compile(r"#[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[{}<>\[\]]")
    for match in strings.finditer(source.text):
        if match.group() in ("{", "<", "["):
            open_braces.append(match.start())
        elif match.group() in ("}", ">", "]") and open_braces:
            open_braces.pop()
    if not open_braces:
        end = len(source.text.rstrip())
        return Diagnostic(
            "CNN680",
            "the file ends behind a name without a value",
            Span(source, max(0, end - 1), end),
            help=_HELP,
        )
    at = open_braces[-1]
    brace = source.text[at]
    return Diagnostic(
        "CNN680",
        f"the file ends, and `{brace}` was never closed",
        Span(source, at, at + 1),
        help=f"put `{dict(zip('{<[', '}>]', strict=True))[brace]}` where it belongs",
    )
