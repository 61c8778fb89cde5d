"""Turns tokens into tokens whose brackets are balanced, and what was wrong into diagnostics.

Where brackets do not match, the indentation says what was meant: a closing bracket that begins a
line closes what the line with the same indentation opened, and a bracket that is never closed ends
before the next line that is not indented deeper than its own (with its own line, where it is a
parenthesis within it).
"""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label
from cnndsl.frozen import frozen
from cnndsl.syntax.collector import Collector
from cnndsl.syntax.tokens import NEWLINE, Tokens

__all__ = ["CLOSER", "balance"]

CLOSER = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
"""The closing bracket of each opening one."""

_OPENER = {closer: opener for opener, closer in CLOSER.items()}
_SIGN = dict(zip((*CLOSER, *_OPENER), "([{)]}", strict=True))


def balance(tokens: Tokens, collector: Collector) -> Tokens:
    """Tokens whose brackets are balanced: the same ones, where they are already."""
    if _is_balanced(tokens.kinds):
        return tokens
    return _Balancer(tokens, collector).run()


def _is_balanced(kinds: list[str]) -> bool:
    waiting: list[str] = []
    for kind in kinds:
        if kind in CLOSER:
            waiting.append(CLOSER[kind])
        elif kind in _OPENER and (not waiting or waiting.pop() != kind):
            return False
    return not waiting


@frozen
class _Open:
    """A bracket that waits for its closing one: the position of its token, and its line's."""

    at: int
    kind: str
    indent: int


class _Balancer:
    """Finds the brackets that have no partner, reports each, and supplies or drops partners."""

    def __init__(self, tokens: Tokens, collector: Collector) -> None:
        self.tokens = tokens
        self.collector = collector
        self.text = collector.source.text
        self.waiting: list[_Open] = []
        self.dropped: set[int] = set()
        self.replaced: dict[int, str] = {}
        self.supplied: dict[int, list[str]] = {}
        """Closing brackets to insert before the token at a position."""

    def run(self) -> Tokens:
        indent = 0
        first = True
        for at, kind in enumerate(self.tokens.kinds):
            if kind == NEWLINE:
                first = True
                continue
            if first:
                indent = self.column(at)
            if kind in CLOSER:
                self.waiting.append(_Open(at, kind, indent))
            elif kind in _OPENER:
                self.close(at, kind, indent if first else None)
            first = False
        while self.waiting:
            self.never_closed(self.waiting.pop())
        return self.rewritten()

    def column(self, at: int) -> int:
        start = self.tokens.starts[at]
        return start - (self.text.rfind("\n", 0, start) + 1)

    def close(self, at: int, kind: str, indent: int | None) -> None:
        """Find the partner of a closing bracket; ``indent`` is given where it begins a line."""
        partner = self.partner(kind, indent)
        if partner is None:
            partner = self.partner_around(at, kind, indent)
        if partner is not None:
            while len(self.waiting) > partner + 1:
                self.never_closed(self.waiting.pop())
            self.waiting.pop()
        elif self.waiting and self.meant(self.waiting[-1], at, kind):
            self.mismatched(self.waiting.pop(), at, kind)
        else:
            self.closes_nothing(at, kind)

    def meant(self, opening: _Open, at: int, kind: str) -> bool:
        """Whether a closing bracket of the wrong kind was meant to close this one."""
        if kind == "RBRACE":
            between = self.text[self.tokens.starts[opening.at] : self.tokens.starts[at]]
            return opening.kind != "LBRACE" and "\n" not in between
        return opening.kind != "LBRACE"

    def partner(self, kind: str, indent: int | None) -> int | None:
        """Which waiting bracket a closing one belongs to, by its height in the stack."""
        found = None
        for height in range(len(self.waiting) - 1, -1, -1):
            candidate = self.waiting[height]
            if candidate.kind == _OPENER[kind]:
                if indent is None or candidate.indent == indent:
                    return height
                if found is None:
                    found = height
            elif candidate.kind == "LBRACE":
                break
        return found

    def partner_around(self, at: int, kind: str, indent: int | None) -> int | None:
        """The partner of a parenthesis before which a brace in it was not closed.

        ``add(repeat 2 { relu )``: the brace ends on the line of its parenthesis, and nothing there
        closes it, or the parenthesis stands below the line that opened both.
        """
        heights = [h for h, one in enumerate(self.waiting) if one.kind == _OPENER[kind]]
        if not heights or kind == "RBRACE":
            return None
        outer = self.waiting[heights[-1]]
        between = self.text[self.tokens.starts[outer.at] : self.tokens.starts[at]]
        if indent == outer.indent:
            return heights[-1]
        return None if "\n" in between or self.closed_on_line(at) else heights[-1]

    def closed_on_line(self, at: int) -> bool:
        """Whether a brace that is open at a token is closed behind it, on its line."""
        depth = 0
        for kind in self.tokens.kinds[at + 1 :]:
            depth += (kind == "LBRACE") - (kind == "RBRACE")
            if kind == NEWLINE or depth < 0:
                return depth < 0
        return False

    # --- reports ----------------------------------------------------------------------------

    def never_closed(self, opening: _Open) -> None:
        sign, closer = _SIGN[opening.kind], _SIGN[CLOSER[opening.kind]]
        ends_line = self.tokens.kinds[opening.at + 1 : opening.at + 2] == [NEWLINE]
        has_lines = opening.kind == "LBRACE" or ends_line
        place = self.end_of_lines(opening) if has_lines else self.end_of_line(opening)
        self.supplied.setdefault(place, []).append(CLOSER[opening.kind])
        start = self.tokens.starts[opening.at]
        self.collector.add(
            Diagnostic(
                "CNN003",
                f"this `{sign}` is never closed",
                self.collector.span(start, start + 1),
                help=f"close it with `{closer}`",
            )
        )

    def mismatched(self, opening: _Open, at: int, kind: str) -> None:
        right = CLOSER[opening.kind]
        self.replaced[at] = right
        start = self.tokens.starts[opening.at]
        span = self.collector.span(self.tokens.starts[at], self.tokens.ends[at])
        self.collector.add(
            Diagnostic(
                "CNN003",
                f"`{_SIGN[kind]}` closes a `{_SIGN[opening.kind]}`",
                span,
                labels=(Label(self.collector.span(start, start + 1), "opened here"),),
                help=f"write `{_SIGN[right]}`",
                fixes=(Fix(f"write `{_SIGN[right]}`", (Edit(span, _SIGN[right]),)),),
            )
        )

    def closes_nothing(self, at: int, kind: str) -> None:
        self.dropped.add(at)
        span = self.collector.span(self.tokens.starts[at], self.tokens.ends[at])
        self.collector.add(
            Diagnostic(
                "CNN003",
                f"this `{_SIGN[kind]}` closes nothing",
                span,
                help=f"remove it, or put a `{_SIGN[_OPENER[kind]]}` before it",
                fixes=(Fix(f"remove `{_SIGN[kind]}`", (Edit(span, ""),)),),
            )
        )

    # --- repairs ----------------------------------------------------------------------------

    def end_of_line(self, opening: _Open) -> int:
        """Where a parenthesis that is never closed ends: with its line, or before a body."""
        kinds = self.tokens.kinds
        depth = 0
        for at in range(opening.at + 1, len(kinds)):
            kind = kinds[at]
            ends_line = at + 1 == len(kinds) or kinds[at + 1] == NEWLINE
            if (
                kind == NEWLINE
                or (kind == "LBRACE" and ends_line)
                or (kind == "RBRACE" and not depth)
            ):
                return at
            depth += (kind == "LBRACE") - (kind == "RBRACE")
        return len(kinds)

    def end_of_lines(self, opening: _Open) -> int:
        """Where a bracket around lines ends: before a line that is not indented deeper."""
        kinds = self.tokens.kinds
        depth = 0
        line_end: int | None = None
        for at in range(opening.at + 1, len(kinds)):
            kind = kinds[at]
            if kind == NEWLINE:
                line_end = at if line_end is None else line_end
                continue
            if line_end is not None and depth == 0 and self.column(at) <= opening.indent:
                return line_end
            line_end = None
            depth += (kind in CLOSER) - (kind in _OPENER and at not in self.dropped)
            if depth < 0:
                return at
        return len(kinds)

    def rewritten(self) -> Tokens:
        """The tokens with their repairs; whatever these left unbalanced is balanced by force."""
        old = self.tokens
        new = Tokens(comments=old.comments)
        waiting: list[str] = []

        def add(kind: str, start: int, end: int) -> None:
            if kind in CLOSER:
                waiting.append(CLOSER[kind])
            elif kind in _OPENER:
                if kind not in waiting:
                    return
                while (closer := waiting.pop()) != kind:
                    new.add(closer, start, start)
            new.add(kind, start, end)

        for at, kind in enumerate(old.kinds):
            place = old.ends[at - 1] if at else 0
            for closer in self.supplied.get(at, ()):
                add(closer, place, place)
            if at not in self.dropped:
                add(self.replaced.get(at, kind), old.starts[at], old.ends[at])
        for closer in reversed(waiting):
            new.add(closer, old.ends[-1], old.ends[-1])
        return new
