"""From the text before the cursor to what may stand there, also where the text is broken.

Only tokens are looked at: the statement at the cursor is unfinished, and has no syntax tree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum, auto
from itertools import pairwise

from cnndsl.elaborate.values import FUNCTIONS, SIZES
from cnndsl.frozen import frozen, replace
from cnndsl.language_server.open_brackets import Frame, Token, frames, inside
from cnndsl.language_server.roles import layer, variant
from cnndsl.layers.base import Schema
from cnndsl.recipe.preparation import SETTINGS
from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS
from cnndsl.recipe.settings import LossWeight
from cnndsl.syntax.layout import STATEMENT_WORDS
from cnndsl.syntax.sharing import SHARE
from cnndsl.syntax.tokens import OPERATORS

__all__ = ["Context", "Wanted", "context"]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_OPERATORS = OPERATORS | {"AT", "EQUAL", "NOT", "ELSE", "IF"}
_OPERANDS = frozenset(("NAME", "NUMBER", "SIZE", "HOLE", "STRING", "LIST", "GROUP", "CALL"))
"""What a value ends with; the last three stand for brackets that are closed."""

_BEFORE_CHOICE = frozenset(("ARROW", "COMMA", "EQUAL", "COLON", "ELSE", "RETURN"))
"""Behind these, an `if` stands for a layer; elsewhere it chooses between values."""

_TOKENS, _VOCABULARY = "tokens", "vocabulary"
"""Words behind `input`, which are names elsewhere."""

_ELSE = "else of a choice"

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
    kind of which setting. ``words`` are those of the grammar that may stand there as well
    (:data:`cnndsl.language_server.keywords.FOLLOWERS`),
    ``further`` says whose attributes, ``settings`` that another setting of an input may.
    ``constants`` and ``streams`` are names that open brackets give, also where no tree has them.
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
    words: tuple[str, ...] = ()
    further: type[Schema] | None = None
    settings: bool = False
    constants: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()


def context(text: str, offset: int) -> Context:
    """What may stand at an offset of a text."""
    begin = text.rfind("\n", 0, offset) + 1
    line = text[begin:offset]
    quoted, commented = inside(line)
    if commented:
        return Context(Wanted.NOTHING, offset)
    if quoted is not None:
        is_path = line[:quoted].split() == ["import"]
        return Context(Wanted.PATH if is_path else Wanted.NOTHING, begin + quoted + 1)
    match = _WORD.search(line)
    start = begin + match.start() if match else offset
    if start > begin and (text[start - 1].isalnum() or text[start - 1] in '_?"'):
        return Context(Wanted.NOTHING, offset)  # the end of a number, or of a string
    return _Decision(frames(text[:start]), start).decide()


class _Decision:
    """Decides by the open brackets and the tokens of the statement."""

    def __init__(self, frames: Sequence[Frame], start: int) -> None:
        self.frames = frames
        self.start = start
        self.top = frames[-1]
        self.in_block = any(
            frame.where == "body" and around.line and around.line[0].kind == "BLOCK"
            for around, frame in pairwise(frames)
        )

        inner = frames[1:] if self.in_block else frames
        self.streams = frozenset().union(*(frame.streams for frame in inner))
        self.constants = frozenset().union(*(frame.constants for frame in frames))

    def _context(self, wanted: Wanted, **more: object) -> Context:
        place = self.top.line[-1].end if self.top.line else self.start
        in_file = len(self.frames) == 1
        return Context(
            wanted,
            self.start,
            place,
            in_block=self.in_block,
            in_file=in_file,
            constants=self.constants,
            streams=self.streams,
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

    def _statement(self, line: list[Token]) -> Context:
        if not line:
            words = (_ELSE,) if _is_choice(self.top.before) else ()
            return self._context(Wanted.STATEMENT, words=words)
        word, *rest = line
        plain = bool(rest) and rest[0].kind in _PLAIN
        if word.kind in STATEMENT_WORDS and not plain:
            return self._behind_word(word.kind, rest)
        kinds = [token.kind for token in line]
        if "EQUAL" in kinds:
            line = line[kinds.index("EQUAL") + 1 :]
        return self._chain(line)

    def _behind_word(self, word: str, rest: list[Token]) -> Context:
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
            case "INPUT":
                return self._input(rest)
            case "CLASSES":
                return self._context(Wanted.NOTHING, words=() if rest else ("from",))
            case "RETURN":
                return self._chain(rest)
            case _:
                return self._context(Wanted.NOTHING)

    def _input(self, rest: list[Token]) -> Context:
        """Behind `input`: its name, and its sizes, or how many tokens of which vocabulary."""
        said = [token.text for token in rest]
        if _TOKENS not in said:
            fresh = not rest or [token.kind for token in rest] == ["NAME"]
            return self._context(Wanted.NOTHING, words=(_TOKENS,) if fresh else ())
        if said[-1] in (_TOKENS, _VOCABULARY):
            return self._context(Wanted.EXPRESSION)
        words = () if _VOCABULARY in said else (_VOCABULARY,)
        return self._context(Wanted.NOTHING, words=words)

    # --- chains ---

    def _chain(self, line: list[Token]) -> Context:
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

    def _loop(self, line: Sequence[Token]) -> Context:
        kinds = [token.kind for token in line]
        if kinds[-1] in ("BODY", "ELSE"):
            behind = (_ELSE,) if _is_choice(line) else ()
            again = ("if of a choice",) if kinds[-1] == "ELSE" else behind
            return self._context(Wanted.NOTHING, words=again)
        if kinds[0] == "FOR" and "IN" not in kinds:
            named = kinds[-1] in ("NAME", "GROUP")
            return self._context(Wanted.NOTHING, words=("in",) if named else ())
        word = kinds.index("IN") if kinds[0] == "FOR" else 0
        return self._expression(line[word + 1 :])

    def _expression(self, line: Sequence[Token]) -> Context:
        """In an expression: a value where one is missing, nothing behind one."""
        complete = bool(line) and line[-1].kind in _OPERANDS
        if not complete:
            return self._context(Wanted.EXPRESSION, words=("not",))
        return self._context(Wanted.NOTHING, words=_joining(line))

    def _phrase_of(self, rest: list[Token]) -> Context:
        """Behind a layer's name."""
        head = rest[0].text
        schema = layer(head) if rest[0].kind == "NAME" else None
        if rest[-1].text == SHARE:
            return self._context(Wanted.LABEL)
        called = [token.kind for token in rest] == ["NAME", "CALL"]
        if schema is None or called:
            return self._context(Wanted.NOTHING, words=(SHARE,) if called else ())
        return self._phrase(schema, head, rest[1:])

    def _phrase(self, schema: type[Schema], head: str, words: Sequence[Token]) -> Context:
        """Behind a word with a schema: an attribute, or the value of one."""
        given: list[str] = []
        parameter, expecting = (schema.positional[0] if schema.positional else ""), not words
        for at, token in enumerate(words):
            # `depthwise kernel` names the attribute, but where a constant is called so.
            may_name = not expecting if at else token.text not in self.constants
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
            words=_joining(words)[:1] if words and not value else (),
        )

    def _argument(self, line: list[Token]) -> Context:
        callee = self.top.callee
        outer = self.frames[-2].line
        if outer and outer[0].kind == "BLOCK":
            return self._parameter(line)
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

    def _parameter(self, line: list[Token]) -> Context:
        """In the parentheses of a block that is defined: a parameter, or its default."""
        kinds = [token.kind for token in line]
        cut = max((at for at, kind in enumerate(kinds) if kind == "COMMA"), default=-1)
        rest = kinds[cut + 1 :]
        if "EQUAL" in rest:
            return self._expression(line[cut + 1 + rest.index("EQUAL") + 1 :])
        return self._context(Wanted.NOTHING, words=() if rest else ("stream",))

    # --- settings ---

    def _training(self, line: list[Token]) -> Context:
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
        if setting == "loss":
            return self._loss(words)
        kind = variant(setting, words[0].text) if words else None
        if kind is None:
            wanted = Wanted.NOTHING if words else Wanted.KIND
            return self._context(wanted, setting=setting)
        return self._phrase(kind, words[0].text, words[1:])

    def _loss(self, words: list[Token]) -> Context:
        """Behind `loss`: a head, a kind, its attributes, and the head's weight."""
        if words and variant("loss", words[0].text) is None:
            words = words[1:]
        kind = variant("loss", words[0].text) if words else None
        if kind is None:
            return self._context(Wanted.NOTHING if words else Wanted.KIND, setting="loss")
        weight = next(iter(LossWeight.model_fields))
        if words[-1].text == weight and weight not in kind.model_fields:
            return self._phrase(LossWeight, "", words[-1:])
        found = self._phrase(kind, words[0].text, words[1:])
        said = any(token.text == weight for token in words)
        return found if found.wanted is Wanted.VALUE or said else replace(found, further=LossWeight)

    def _preparation(self, line: list[Token]) -> Context:
        """In the braces of an input, where several settings may share a line."""
        at = max((at for at, token in enumerate(line) if token.text in SETTINGS), default=None)
        if at is None:
            return self._context(Wanted.INPUT_SETTING)
        found = self._phrase(SETTINGS[line[at].text], line[at].text, line[at + 1 :])
        return found if found.wanted is Wanted.VALUE else replace(found, settings=True)


def _is_choice(line: Sequence[Token]) -> bool:
    """Whether an `else` may stand behind a statement: its last part is an `if` with a body."""
    kinds = [token.kind for token in line]
    if not kinds or kinds[-1] != "BODY" or "IF" not in kinds:
        return False
    begin = len(kinds) - 1 - kinds[::-1].index("IF")
    return (begin == 0 or kinds[begin - 1] in _BEFORE_CHOICE) and "ELSE" not in kinds[begin:]


def _joining(line: Sequence[Token]) -> tuple[str, ...]:
    """The words that may follow a value: of a choice that is open, or that begin one."""
    kinds = [token.kind for token in line]
    if kinds.count("IF") > kinds.count("ELSE"):
        return ("else", "and", "or")
    return ("if", "and", "or")
