"""Turns characters that are no part of the language into diagnostics.

These are the mistakes that people make in spelling a token: `6 x 28 x 28`, 'single quotes', an
arrow typed as one character. Each is read as what was meant, so that nothing else is reported
because of it.
"""

from __future__ import annotations

import re

from cnndsl.frozen import frozen
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.syntax.problems import Problems

__all__ = ["CUT", "MISTAKES", "UNKNOWN", "Reading", "misspelled", "slashes"]

CUT = r"(?![\w×]|\.(?!\.)|[ \t]*[xX×][ \t]*[0-9?])"
"""What must not follow a number or a size at once: ``3xk``, ``1_000``, ``6 x 28``."""

MISTAKES = {
    "LOOSE_SIZE": r"(?>[0-9]+|\?)(?>[ \t]*[xX×][ \t]*(?>[0-9]+|\?))+(?![\w×])",
    "MALFORMED": r"[0-9](?>[\w×]|\.(?!\.))*",
    "FRACTION": r"\.[0-9]+(?!\w)",
    "FOREIGN": r"[^\W0-9]\w*(?>\.\w+)*",
    "SINGLE_QUOTED": r"'[^'\n]*'",
    "SMART_QUOTED": '[“”„‟«‹][^“”„‟«»‹›"\n]*[“”»›"]',
    "UNCLOSED": r'"[^\n]*',
    "CONTINUED": r"\\[ \t\r]*\n",
}
"""Patterns of misspelled tokens, tried behind the right ones."""

UNKNOWN = r"[^\w\s\"'#()\[\]{}:;,=@<>!+\-*/%.?&|“”„‟«‹]+|[&|]+|[\s\S]"
"""Matches whatever nothing else matches: a run of strange characters, or one character."""


@frozen
class Reading:
    """What a misspelled token was meant to be: a terminal, or none to leave it out."""

    kind: str | None


_SIGNS = {
    "→": ("->", "ARROW"),
    "⟶": ("->", "ARROW"),
    "➔": ("->", "ARROW"),
    "⇒": ("=>", "CLAIM"),
    "⟹": ("=>", "CLAIM"),
    "−": ("-", "MINUS"),
    "–": ("-", "MINUS"),
    "—": ("-", "MINUS"),
    "×": ("*", "STAR"),
    "·": ("*", "STAR"),
    "÷": ("/", "SLASH"),
    "≤": ("<=", "COMPARE"),
    "≥": (">=", "COMPARE"),
    "≠": ("!=", "COMPARE"),
    "，": (",", "COMMA"),
    "：": (":", "COLON"),
    "（": ("(", "LPAR"),
    "）": (")", "RPAR"),
    "＠": ("@", "AT"),
    "&&": ("and", "AND"),
    "||": ("or", "OR"),
    "!": ("not ", "NOT"),
}
_CERTAIN = frozenset(("ARROW", "CLAIM", "COMPARE", "COMMA", "COLON", "LPAR", "RPAR", "AT"))
"""Where a sign can only have meant one thing."""

_SPACES = frozenset("\u00a0\u2002\u2003\u2007\u2009\u200a\u200b\u202f\u205f\u2060\u3000\ufeff\v")


def misspelled(problems: Problems, kind: str, start: int, end: int) -> Reading:
    """Report a misspelled token, and say how to read it."""
    return _Speller(problems, start, end).read(kind)


def slashes(problems: Problems, start: int, end: int) -> int:
    """Report a line that begins with ``//``; gives where it ends."""
    speller = _Speller(problems, start, end)
    speller.report("CNN001", "a comment begins with `#`, not with `//`", "write `#`", "#")
    line_end = problems.source.text.find("\n", end)
    return line_end if line_end >= 0 else len(problems.source.text)


class _Speller:
    def __init__(self, problems: Problems, start: int, end: int) -> None:
        self.problems = problems
        self.span = problems.span(start, end)
        self.text = self.span.text

    def report(
        self, code: str, message: str, help: str, replacement: str | None = None, title: str = ""
    ) -> None:
        fixes: tuple[Fix, ...] = ()
        if replacement is not None:
            edit = Edit(self.span, replacement)
            fixes = (Fix(title or f"write `{replacement.strip()}`", (edit,), safe=True),)
        self.problems.add(Diagnostic(code, message, self.span, help=help, fixes=fixes))

    def read(self, kind: str) -> Reading:
        match kind:
            case "LOOSE_SIZE":
                return self.loose_size()
            case "MALFORMED":
                return self.malformed()
            case "FRACTION":
                return self.fraction("0" + self.text)
            case "FOREIGN":
                return self.foreign()
            case "SINGLE_QUOTED" | "SMART_QUOTED":
                return self.quoted()
            case "UNCLOSED":
                return self.unclosed()
            case "CONTINUED":
                help = "leave it out: a statement goes on after `->` and `,` and in parentheses"
                self.report("CNN002", "`\\` does not continue a line", help)
                return Reading(None)
        return self.unknown()

    def loose_size(self) -> Reading:
        size = re.sub(r"[ \t]*[xX×][ \t]*", "x", self.text)
        message = f"the size `{self.text}` is not written as one word with small `x`s"
        self.report("CNN001", message, f"write `{size}`", size)
        return Reading("SIZE")

    def malformed(self) -> Reading:
        text = self.text
        if re.fullmatch(r"[0-9]+(_[0-9]+)+", text):
            number = text.replace("_", "")
            message = f"the number `{_shown(text)}` has `_` between its digits"
            self.report("CNN001", message, f"write `{_shown(number)}`", number)
            return Reading("NUMBER")
        if re.fullmatch(r"[0-9]+\.", text):
            return self.fraction(text + "0")
        parts = re.split("[xX×]", text)
        message = f"`{_shown(text)}` is neither a number nor a size nor a name"
        help = "begin names with a letter or `_`"
        if len(parts) > 1 and all(re.fullmatch("[0-9]+|[A-Za-z_]+", part) for part in parts):
            message = f"the size `{_shown(text)}` mixes numbers and names"
            help = f"write it as a list: `[{_shown(', '.join(parts))}]`"
        self.report("CNN001", message, help)
        return Reading("MALFORMED")

    def fraction(self, number: str) -> Reading:
        message = f"`{_shown(self.text)}` lacks a digit beside its decimal point"
        self.report("CNN001", message, f"write `{_shown(number)}`", number)
        return Reading("NUMBER")

    def foreign(self) -> Reading:
        message = f"the name `{_shown(self.text)}` has letters other than `a` to `z`"
        self.report("CNN002", message, "use the letters `a` to `z`, digits and `_` in names")
        return Reading("NAME")

    def quoted(self) -> Reading:
        inside = self.text[1:-1]
        quoted = '"' + inside.replace("\\", "\\\\").replace('"', '\\"') + '"'
        message = f"text stands between double quotes, not between `{self.text[0]}`"
        self.report("CNN002", message, f"write `{_shown(quoted)}`", quoted)
        return Reading("STRING")

    def unclosed(self) -> Reading:
        message = f"the string `{_shown(self.text.rstrip())}` is never closed on its line"
        self.report("CNN008", message, 'close it with `"`')
        return Reading("STRING")

    def unknown(self) -> Reading:
        text = self.text
        if text == ";":
            return self.semicolon()
        if text in _SIGNS:
            written, kind = _SIGNS[text]
            message = f"`{text}` is not a sign of the language; `{written.strip()}` is"
            replacement = written if kind in _CERTAIN else None
            self.report("CNN002", message, f"write `{written.strip()}`", replacement)
            return Reading(kind)
        if all(character in _SPACES for character in text):
            message = f"the white space {_named(text[0])} is neither a space nor a tab"
            self.report("CNN002", message, "write a space", " ", "write a space")
            return Reading(None)
        shown = f"`{_shown(text)}`" if text.isprintable() else _named(text[0])
        help = "remove it, or put it behind a `#` or between double quotes"
        self.report("CNN002", f"{shown} has no meaning here", help)
        return Reading(None)

    def semicolon(self) -> Reading:
        whole = self.span.source.text
        end = whole.find("\n", self.span.end)
        rest = whole[self.span.end : end if end >= 0 else len(whole)].strip()
        last = not rest or rest[0] in "#}"
        help = "remove the `;`" if last else "put each statement on a line of its own"
        replacement, title = ("", "remove the `;`") if last else ("\n", "begin a new line")
        message = "statements end with their line, not with `;`"
        self.report("CNN002", message, help, replacement, title)
        return Reading("_NEWLINE")


def _named(character: str) -> str:
    return f"U+{ord(character):04X}"


def _shown(text: str, most: int = 40) -> str:
    """A text as a message shows it: one line, not too long."""
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:most])
    return plain + "…" if len(text) > most else plain
