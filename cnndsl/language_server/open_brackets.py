"""The brackets that are open at a place of a text, and the tokens of the statement there.

The text may be broken: only tokens are looked at.
"""

from __future__ import annotations

from dataclasses import field
from typing import NamedTuple

from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.frozen import mutable
from cnndsl.limits import Limits
from cnndsl.syntax.collector import Collector, Stop
from cnndsl.syntax.lexer import tokenize
from cnndsl.syntax.tokens import NEWLINE

__all__ = ["Frame", "Token", "frames", "inside"]


class Token(NamedTuple):
    """A word or sign; one of kind ``CALL``, ``BODY`` and the like stands for closed brackets."""

    kind: str
    text: str
    end: int


@mutable
class Frame:
    """A pair of brackets that is open, or the file: the tokens of its present statement.

    ``before`` are those of the statement before it. ``constants`` and ``streams`` are the names
    given in it, ``coming`` and ``coming_streams`` those that only the next body knows.
    """

    where: str
    callee: str = ""
    line: list[Token] = field(default_factory=list)
    before: list[Token] = field(default_factory=list)
    constants: set[str] = field(default_factory=set)
    streams: set[str] = field(default_factory=set)
    coming: set[str] = field(default_factory=set)
    coming_streams: set[str] = field(default_factory=set)


def inside(line: str) -> tuple[int | None, bool]:
    """Where the string begins that is open at the end of a line, and whether it is a comment."""
    opened: int | None = None
    skip = False
    for at, character in enumerate(line):
        if skip:
            skip = False
        elif character == '"':
            opened = at if opened is None else None
        elif character == "\\" and opened is not None:
            skip = True
        elif character == "#" and opened is None:
            return None, True
    return opened, False


def frames(text: str) -> list[Frame]:
    """The brackets that are open at the end of a text, the file first."""
    source = Source("", text)
    found = [Frame("file")]
    try:
        read = tokenize(Collector(source, Report(), 10**6), Limits.current())
    except (Stop, ValueError):
        return found
    for kind, start, end in zip(read.kinds, read.starts, read.ends, strict=True):
        _follow(found, Token(kind, text[start:end], end))
    return found


def _follow(frames: list[Frame], token: Token) -> None:
    """Go on by a token."""
    top = frames[-1]
    match token.kind:
        case "LBRACE":
            word = top.line[0].kind if top.line else ""
            inner = Frame({"TRAIN": "train", "INPUT": "input"}.get(word, "body"))
            inner.constants |= top.coming
            inner.streams |= top.coming_streams
            frames.append(inner)
        case "LPAR":
            called = bool(top.line) and top.line[-1].kind == "NAME"
            frames.append(Frame("call" if called else "group", top.line[-1].text if called else ""))
        case "LSQB":
            frames.append(Frame("list"))
        case "RBRACE" | "RPAR" | "RSQB":
            if len(frames) > 1:
                closed = frames.pop()
                frames[-1].line.append(Token(closed.where.upper(), "", token.end))
        case _ if token.kind == NEWLINE:
            if top.where in ("call", "group", "list"):
                return
            if not top.line or top.line[-1].kind not in ("ARROW", "COMMA"):
                top.before, top.line = top.line or top.before, []
                top.coming, top.coming_streams = set(), set()
        case _:
            if not top.line and token.kind in ("ARROW", "CLAIM", "ELSE"):
                top.line, top.before = top.before, []
            _take_names(frames, token)
            top.line.append(token)


def _take_names(frames: list[Frame], token: Token) -> None:
    """Take note of a name that is given here."""
    top, around = frames[-1], frames[-2:-1]
    kinds = [one.kind for one in top.line]
    last = kinds[-1] if kinds else ""
    if token.kind == "COLON" and last == "NAME":
        top.streams.add(top.line[-1].text)
    if token.kind != "NAME":
        return
    outer = around[0].line if around else []
    if top.where == "call" and outer and outer[0].kind == "BLOCK":
        if last in ("", "COMMA"):
            around[0].coming.add(token.text)
        elif last == "STREAM":
            around[0].coming_streams.add(token.text)
    elif top.where == "group" and outer and outer[-1].kind == "FOR":
        around[0].coming.add(token.text)
    elif last in ("PARAM", "LET"):
        top.constants.add(token.text)
    elif "FOR" in kinds and "IN" not in kinds[_last(kinds, "FOR") :]:
        top.coming.add(token.text)


def _last(kinds: list[str], kind: str) -> int:
    return len(kinds) - 1 - kinds[::-1].index(kind)
