"""From good specs to damaged ones: the mutations that typing, pasting and malice make."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from documents import ROOT, documents, fences

__all__ = ["Mutator", "seeds"]

_TOKEN = re.compile(
    r"#[^\n]*|\"[^\"\n]*\"|[A-Za-z_][\w.]*|[0-9?]+(?:x[0-9?]+)+|[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?"
    r"|->|=>|\.\.|//|[<>=!]=|[ \t]+|\n|[\s\S]"
)
_NUMBERS = (
    *("0", "-1", "1", "2", "3", "7", "64", "1e18", "1.5", "?", "0x0", "1x1", "3x3", "8x?x?"),
    *("999999999999999999", "2147483647", "2147483648", "9223372036854775807", "1e308", "1e-320"),
    "9" * 400,
)
_TEXTS = (
    *(
        "\0",
        "\r",
        "\ufeff",
        "\u2028",
        "\x85",
        "\x0b",
        "é",
        "网",
        "👩\u200d🔬",
        "\ud7ff",
        "\x1b[31m",
    ),
    *("'", '"', "\\", ";", "→", "×", "−", "&&", "//", "/*", "$", "%", "`", "#", "\n", "\t", "…"),
    *("->", "=>", "@", ":", ",", "=", "(", ")", "[", "]", "{", "}", "..", "?", "-", "*", "<", "=="),
    *("repeat 3 {", "if yes {", "} else {", "for i in 1..3 {", "block b(stream s, k = 2) {"),
    *(
        "let k = ",
        "param p = ",
        "return ",
        "input ",
        "output ",
        "expect params ",
        "rounding ceil\n",
    ),
    *('import "std/residual"\n', 'import "', 'classes "a"', "train {", "stream ", "not ", "and "),
    *(
        "channels(identity)",
        "size(",
        "height(x)",
        "split 2",
        "unpool P1",
        "a, b = ",
        "[[1, 2], [3]]",
    ),
    *("yes", "no", "same", "full", "identity", "add(", "concat(", "min(", "normal(0.1)", "C1: "),
)
_BRACKETS = "()[]{}"


def seeds(longest: int = 1500) -> list[str]:
    """The shipped specs and the examples of the documentation, those that are not too long."""
    texts = [path.read_text("utf-8") for path in sorted((ROOT / "specs").rglob("*.cnn"))]
    texts += [fence.text for page in documents() for fence in fences(page, "cnn")]
    texts += [path.read_text("utf-8") for path in sorted((ROOT / "tests" / "ui").glob("*.cnn"))]
    return [text for text in texts if len(text) <= longest]


def seed_files() -> list[Path]:
    """Where the seeds come from besides the documentation."""
    return [*(ROOT / "specs").rglob("*.cnn"), *(ROOT / "tests" / "ui").glob("*.cnn")]


class Mutator:
    """Makes damaged specs; the same seed makes the same ones."""

    def __init__(self, texts: Sequence[str], seed: str) -> None:
        self._random = random.Random(seed)
        self._texts = texts
        self._tokens = [_TOKEN.findall(text) for text in texts]
        everything = {token for tokens in self._tokens for token in tokens}
        self._names = sorted(token for token in everything if token[:1].isalpha())
        self._lines = sorted({line for text in texts for line in text.splitlines(keepends=True)})
        self._kinds: tuple[Callable[[list[str]], None], ...] = (
            self._delete,
            self._duplicate,
            self._swap,
            self._exchange,
            self._number,
            self._name,
            self._insert,
            self._splice,
            self._bracket,
            self._truncate,
            self._character,
            self._move,
        )

    def text(self) -> str:
        """A spec with one to a few mistakes, most often one."""
        tokens = list(self._random.choice(self._tokens))
        for _ in range(self._random.choice((1, 1, 1, 1, 2, 2, 3, 5, 12))):
            if tokens:
                self._random.choice(self._kinds)(tokens)
        return "".join(tokens)

    def _at(self, tokens: list[str], wanted: Callable[[str], bool] = bool) -> int | None:
        places = [at for at, token in enumerate(tokens) if wanted(token)]
        return self._random.choice(places) if places else None

    def _delete(self, tokens: list[str]) -> None:
        at = self._random.randrange(len(tokens))
        del tokens[at : at + self._random.choice((1, 1, 1, 2, 5))]

    def _duplicate(self, tokens: list[str]) -> None:
        at = self._random.randrange(len(tokens))
        count = self._random.choice((1, 2, 5, 20))
        tokens[at:at] = tokens[at : at + count]

    def _swap(self, tokens: list[str]) -> None:
        one, other = (self._random.randrange(len(tokens)) for _ in range(2))
        tokens[one], tokens[other] = tokens[other], tokens[one]

    def _exchange(self, tokens: list[str]) -> None:
        """Swap two neighbours, white space aside."""
        at = self._at(tokens, lambda token: not token.isspace())
        if at is not None and at + 2 < len(tokens):
            tokens[at], tokens[at + 2] = tokens[at + 2], tokens[at]

    def _number(self, tokens: list[str]) -> None:
        at = self._at(tokens, lambda token: token[:1].isdecimal())
        if at is not None:
            tokens[at] = self._random.choice(_NUMBERS)

    def _name(self, tokens: list[str]) -> None:
        at = self._at(tokens, lambda token: token[:1].isalpha())
        if at is not None:
            tokens[at] = self._random.choice(self._names)

    def _insert(self, tokens: list[str]) -> None:
        piece = self._random.choice((*_TEXTS, self._random.choice(self._names)))
        spaced = self._random.choice((piece, f" {piece} "))
        tokens.insert(self._random.randrange(len(tokens) + 1), spaced)

    def _splice(self, tokens: list[str]) -> None:
        """Put a line of another spec between two lines, or in the middle of one."""
        line = self._random.choice(self._lines)
        at = self._at(tokens, lambda token: token == "\n")
        if at is None or self._random.random() < 0.1:
            at = self._random.randrange(len(tokens))
        tokens.insert(at + 1, line)

    def _bracket(self, tokens: list[str]) -> None:
        at = self._at(tokens, lambda token: token in _BRACKETS)
        if at is not None:
            tokens[at] = self._random.choice(("", *_BRACKETS))

    def _truncate(self, tokens: list[str]) -> None:
        at = self._random.randrange(len(tokens))
        if self._random.random() < 0.2:
            del tokens[:at]
        else:
            del tokens[at:]

    def _character(self, tokens: list[str]) -> None:
        at = self._random.randrange(len(tokens))
        token = tokens[at]
        if token:
            place = self._random.randrange(len(token))
            letter = self._random.choice(("", *_TEXTS[:12], chr(self._random.randrange(1, 0x3000))))
            tokens[at] = token[:place] + letter + token[place + 1 :]

    def _move(self, tokens: list[str]) -> None:
        """Move a piece somewhere else."""
        at = self._random.randrange(len(tokens))
        count = self._random.choice((1, 3, 10, 30))
        piece = tokens[at : at + count]
        del tokens[at : at + count]
        to = self._random.randrange(len(tokens) + 1)
        tokens[to:to] = piece
