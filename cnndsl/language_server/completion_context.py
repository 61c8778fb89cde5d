"""From the text before the cursor to what may stand there, also where the text is broken.

Only tokens are looked at: the statement at the cursor is unfinished, and has no syntax tree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum, auto
from itertools import pairwise
from typing import NamedTuple

from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.values import FUNCTIONS, SIZES
from cnndsl.frozen import frozen, mutable
from cnndsl.language_server.roles import layer, variant
from cnndsl.layers.base import Schema
from cnndsl.limits import Limits
from cnndsl.recipe.preparation import SETTINGS
from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS
from cnndsl.syntax.collector import Collector, Stop
from cnndsl.syntax.layout import STATEMENT_WORDS
from cnndsl.syntax.lexer import tokenize
from cnndsl.syntax.tokens import NEWLINE, OPERATORS

__all__ = ["Context", "Wanted", "context"]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_OPERATORS = OPERATORS | {"AT", "EQUAL", "NOT", "ELSE", "IF"}
_OPERANDS = frozenset(("NAME", "NUMBER", "SIZE", "HOLE", "STRING", "LIST", "GROUP", "CALL"))
"""What a value ends with; the last three stand for brackets that are closed."""

_PLAIN = frozenset(("COLON", "ARROW", "EQUAL", "CLAIM"))
"""Behind these, the word of a statement is a name like any other."""


class Wanted(StrEnum):
    """What may stand at a place."""

    NOTHING = auto()
    STATEMENT = auto()
    START = auto()
    """The beginning of a chain: a layer, a block, a stream."""
    LAYER = auto()
    ARGUMENT = auto()
    """An argument of a call: a parameter's name, a value, a chain."""
    ATTRIBUTE = auto()
    VALUE = auto()
    EXPRESSION = auto()
    STREAM = auto()
    LABEL = auto()
    SETTING = auto()
    KIND = auto()
    """A word that picks the kind of a setting."""
    INPUT_SETTING = auto()
    QUANTITY = auto()
    ROUNDING = auto()
    IMPORT = auto()
    PATH = auto()
    """What an import names, within its quotation marks."""
    CLAIM = auto()


@frozen
class Context:
    """What may stand at a place.

    ``start`` is where the word begins that is being written, ``place`` where the last sign before
    it ends. ``schema`` and ``parameter`` say whose attribute or value is wanted, ``given`` which
    attributes stand there already; ``callee`` and ``position`` whose argument; ``setting`` the
    kind of which setting.
    """

    wanted: Wanted
    start: int
    place: int = 0
    schema: type[Schema] | None = None
    parameter: str = ""
    given: tuple[str, ...] = ()
    callee: str = ""
    position: int = 0
    setting: str = ""
    in_block: bool = False
    in_file: bool = False
    head: str = ""


class _Token(NamedTuple):
    kind: str
    text: str
    end: int


@mutable
class _Frame:
    """A pair of brackets that is open, or the file: the tokens of its present statement."""

    where: str
    callee: str = ""
    line: list[_Token] = field(default_factory=list)
    before: list[_Token] = field(default_factory=list)


def context(text: str, offset: int) -> Context:
    """What may stand at an offset of a text."""
    begin = text.rfind("\n", 0, offset) + 1
    line = text[begin:offset]
    quoted, commented = _inside(line)
    if commented:
        return Context(Wanted.NOTHING, offset)
    if quoted is not None:
        is_path = line[:quoted].split() == ["import"]
        return Context(Wanted.PATH if is_path else Wanted.NOTHING, begin + quoted + 1)
    match = _WORD.search(line)
    start = begin + match.start() if match else offset
    if start > begin and (text[start - 1].isalnum() or text[start - 1] in '_?"'):
        return Context(Wanted.NOTHING, offset)  # the end of a number, or of a string
    frames = _frames(text[:start])
    return _Decision(frames, start).decide()


def _inside(line: str) -> tuple[int | None, bool]:
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


def _frames(text: str) -> list[_Frame]:
    """The brackets that are open at the end of a text, the file first."""
    source = Source("", text)
    frames = [_Frame("file")]
    try:
        read = tokenize(Collector(source, Report(), 10**6), Limits.current())
    except (Stop, ValueError):
        return frames
    for kind, start, end in zip(read.kinds, read.starts, read.ends, strict=True):
        _follow(frames, _Token(kind, text[start:end], end))
    return frames


def _follow(frames: list[_Frame], token: _Token) -> None:
    """Go on by a token."""
    top = frames[-1]
    match token.kind:
        case "LBRACE":
            word = top.line[0].kind if top.line else ""
            frames.append(_Frame({"TRAIN": "train", "INPUT": "input"}.get(word, "body")))
        case "LPAR":
            called = bool(top.line) and top.line[-1].kind == "NAME"
            frames.append(
                _Frame("call" if called else "group", top.line[-1].text if called else "")
            )
        case "LSQB":
            frames.append(_Frame("list"))
        case "RBRACE" | "RPAR" | "RSQB":
            if len(frames) > 1:
                closed = frames.pop()
                frames[-1].line.append(_Token(closed.where.upper(), "", token.end))
        case _ if token.kind == NEWLINE:
            if top.where in ("call", "group", "list"):
                return
            if not top.line or top.line[-1].kind not in ("ARROW", "COMMA"):
                top.before, top.line = top.line or top.before, []
        case _:
            if not top.line and token.kind in ("ARROW", "CLAIM", "ELSE"):
                top.line, top.before = top.before, []
            top.line.append(token)


class _Decision:
    """Decides by the open brackets and the tokens of the statement."""

    def __init__(self, frames: Sequence[_Frame], start: int) -> None:
        self.frames = frames
        self.start = start
        self.top = frames[-1]
        self.in_block = any(
            frame.where == "body" and around.line and around.line[0].kind == "BLOCK"
            for around, frame in pairwise(frames)
        )

    def _context(self, wanted: Wanted, **more: object) -> Context:
        place = self.top.line[-1].end if self.top.line else self.start
        in_file = len(self.frames) == 1
        return Context(
            wanted,
            self.start,
            place,
            in_block=self.in_block,
            in_file=in_file,
            **more,  # type: ignore[arg-type]
        )

    def decide(self) -> Context:
        """What may stand at the end of the tokens."""
        match self.top.where:
            case "train":
                return self._training(self.top.line)
            case "input":
                return self._preparation(self.top.line)
            case "list" | "group":
                return self._expression(self.top.line)
            case "call":
                return self._argument(self.top.line)
            case _:
                return self._statement(self.top.line)

    # --- statements ---

    def _statement(self, line: list[_Token]) -> Context:
        if not line:
            return self._context(Wanted.STATEMENT)
        word, *rest = line
        plain = bool(rest) and rest[0].kind in _PLAIN
        if word.kind in STATEMENT_WORDS and not plain:
            return self._behind_word(word.kind, rest)
        kinds = [token.kind for token in line]
        if "EQUAL" in kinds:
            line = line[kinds.index("EQUAL") + 1 :]
        return self._chain(line)

    def _behind_word(self, word: str, rest: list[_Token]) -> Context:
        kinds = [token.kind for token in rest]
        match word:
            case "OUTPUT":
                return self._context(Wanted.LABEL)
            case "PARAM" | "LET":
                if "EQUAL" not in kinds:
                    return self._context(Wanted.NOTHING)
                return self._expression(rest[kinds.index("EQUAL") + 1 :])
            case "IMPORT":
                return self._context(Wanted.NOTHING if rest else Wanted.IMPORT)
            case "ROUNDING":
                return self._context(Wanted.NOTHING if rest else Wanted.ROUNDING)
            case "EXPECT":
                return self._expression(rest[1:]) if rest else self._context(Wanted.QUANTITY)
            case "RETURN":
                return self._chain(rest)
            case _:
                return self._context(Wanted.NOTHING)

    # --- chains ---

    def _chain(self, line: list[_Token]) -> Context:
        """Within a chain: behind its last arrow, comma or label."""
        kinds = [token.kind for token in line]
        cut = max((at for at, kind in enumerate(kinds) if kind in ("ARROW", "COMMA")), default=-1)
        arrow = cut >= 0 and kinds[cut] == "ARROW"
        rest = line[cut + 1 :]
        if len(rest) > 1 and rest[1].kind == "COLON":
            rest = rest[2:]
        if not rest:
            return self._context(Wanted.LAYER if arrow else Wanted.START)
        kinds = [token.kind for token in rest]
        if "CLAIM" in kinds:
            last = kinds[-1] == "CLAIM"
            return self._context(Wanted.CLAIM if last else Wanted.NOTHING)
        if kinds[0] in ("FOR", "IF", "REPEAT"):
            return self._loop(rest)
        return self._phrase_of(rest)

    def _loop(self, line: Sequence[_Token]) -> Context:
        kinds = [token.kind for token in line]
        if kinds[-1] in ("BODY", "ELSE") or (kinds[0] == "FOR" and "IN" not in kinds):
            return self._context(Wanted.NOTHING)
        word = kinds.index("IN") if kinds[0] == "FOR" else 0
        return self._expression(line[word + 1 :])

    def _expression(self, line: Sequence[_Token]) -> Context:
        """In an expression: a value where one is missing, nothing behind one."""
        complete = bool(line) and line[-1].kind in _OPERANDS
        return self._context(Wanted.NOTHING if complete else Wanted.EXPRESSION)

    def _phrase_of(self, rest: list[_Token]) -> Context:
        """Behind a layer's name."""
        head = rest[0].text
        schema = layer(head) if rest[0].kind == "NAME" else None
        if rest[-1].text == "share":
            return self._context(Wanted.LABEL)
        if schema is None or (rest[1:2] and rest[1].kind == "CALL" and len(rest) == 2):
            return self._context(Wanted.NOTHING)
        return self._phrase(schema, head, rest[1:])

    def _phrase(self, schema: type[Schema], head: str, words: Sequence[_Token]) -> Context:
        """Behind a word with a schema: an attribute, or the value of one."""
        given: list[str] = []
        parameter, expecting = (schema.positional[0] if schema.positional else ""), not words
        for token in words:
            may_name = token is words[0] or not expecting
            if may_name and token.text in schema.model_fields:
                parameter, expecting = token.text, True
                given.append(parameter)
            elif token.kind == "AT" and len(schema.positional) > 1:
                parameter, expecting = schema.positional[1], True
            else:
                expecting = token.kind in _OPERATORS
        value = expecting and bool(words or schema.positional)
        return self._context(
            Wanted.VALUE if value else Wanted.ATTRIBUTE,
            schema=schema,
            parameter=parameter,
            given=tuple(given),
            head=head,
        )

    def _argument(self, line: list[_Token]) -> Context:
        callee = self.top.callee
        outer = self.frames[-2].line
        if outer and outer[0].kind == "BLOCK":
            return self._context(Wanted.NOTHING)
        if callee in SIZES:
            return self._context(Wanted.STREAM)
        if callee in FUNCTIONS:
            return self._expression(line)
        kinds = [token.kind for token in line]
        cut = max((at for at, kind in enumerate(kinds) if kind == "COMMA"), default=-1)
        position, rest = kinds.count("COMMA"), line[cut + 1 :]
        if len(rest) > 1 and rest[1].kind == "EQUAL":
            name, rest = rest[0].text, rest[2:]
            if not rest:
                return self._context(Wanted.ARGUMENT, callee=callee, parameter=name)
        if not rest:
            return self._context(Wanted.ARGUMENT, callee=callee, position=position)
        if rest[-1].kind in _OPERATORS and rest[0].kind != "NAME":
            return self._context(Wanted.EXPRESSION)
        return self._chain(rest)

    # --- settings ---

    def _training(self, line: list[_Token]) -> Context:
        if not line:
            return self._context(Wanted.SETTING)
        setting, words = line[0].text, line[1:]
        arrows = [at for at, token in enumerate(words) if token.kind == "ARROW"]
        words = words[arrows[-1] + 1 :] if arrows else words
        if setting in NAMES or (setting in LABELLED and not words):
            return self._context(Wanted.LABEL)
        if setting in LABELLED:
            return self._phrase(LABELLED[setting], setting, words[1:])
        if setting in SCALARS:
            return self._phrase(SCALARS[setting], setting, words)
        if setting not in VARIANTS:
            return self._context(Wanted.NOTHING)
        if setting == "loss" and words and variant(setting, words[0].text) is None:
            words = words[1:]
        kind = variant(setting, words[0].text) if words else None
        if kind is None:
            wanted = Wanted.NOTHING if words else Wanted.KIND
            return self._context(wanted, setting=setting)
        return self._phrase(kind, words[0].text, words[1:])

    def _preparation(self, line: list[_Token]) -> Context:
        """In the braces of an input, where several settings may share a line."""
        at = max((at for at, token in enumerate(line) if token.text in SETTINGS), default=None)
        if at is None or at < len(line) - 1:
            return self._context(Wanted.INPUT_SETTING)
        return self._phrase(SETTINGS[line[at].text], line[at].text, ())
