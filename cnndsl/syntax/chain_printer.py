"""Turns chains, their elements and lists back into text: on one line where that is short enough.

With the trivia of a text, line ends that were made before a link, a claim, an argument, an item or
behind a brace stay, and comments stand where they stood.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeGuard, assert_never

from cnndsl.diagnostics.source import Span
from cnndsl.syntax.alignment import CLAIM, COMMENT, width
from cnndsl.syntax.ast import (
    Argument,
    Body,
    Branch,
    Call,
    Chain,
    Claim,
    Element,
    Expr,
    For,
    Hole,
    Link,
    List,
    Number,
    Phrase,
    Repeat,
    Size,
)
from cnndsl.syntax.expressions import ExpressionPrinter
from cnndsl.syntax.trivia import PLAIN, Gap, Trivia

__all__ = ["LAID_WIDTH", "STEP", "WIDTH", "ChainPrinter", "Row"]

WIDTH = 88
"""Lines are as short as this where they can be broken and no text has them otherwise.

The canonical spec that a model carries, and its hash, hang on it.
"""

LAID_WIDTH = 100
"""The same of a text's own lines, which a person has laid."""

STEP = 2

Row: TypeAlias = "tuple[int, Callable[[int, int], str]]"
"""An item among others: its site, and what prints it, given indentation and what stands before."""


class ChainPrinter(ABC):
    """Prints chains and lists; what prints statements is added by a class below."""

    def __init__(self, trivia: Trivia = PLAIN) -> None:
        self.trivia = trivia
        self.is_plain = trivia is PLAIN
        self.most = WIDTH if self.is_plain else LAID_WIDTH
        self.expressions = ExpressionPrinter(self.flat_chain, trivia)

    @abstractmethod
    def body(self, body: Body, indent: int) -> str:
        """``{ … }`` on several lines."""

    @abstractmethod
    def flat_body(self, body: Body) -> str:
        """``{ … }`` on one line, if it can be."""

    # --- chains ---------------------------------------------------------------------------------

    def chain(self, chain: Chain, indent: int, before: int = 0) -> str:
        """A chain that begins ``before`` characters behind its indentation."""
        self.expressions.margin = " " * (indent + 2 * STEP)
        text = ""
        for position, link in enumerate(chain.links):
            gap = self.trivia.gap(link.span.start) if position else Gap()
            if gap.breaks:
                text = self.broken_off(text, gap, indent + STEP) + "-> "
                text += self._fitting(link, indent + STEP, len("-> "))
            else:
                text = self._joined(text, link, indent, before)
        return text

    def _joined(self, text: str, link: Link, indent: int, before: int) -> str:
        """A chain and its next link: on the same line, on the next, or over several."""
        arrow = " -> " if text else ""
        line = text.rpartition("\n")[2]
        taken = width(line) if "\n" in text else indent + before + width(text)
        is_broken = self.trivia.is_broken(link.span)
        flat = "" if is_broken else self._flat_link(link)
        if not is_broken and "\n" not in flat:
            if taken + len(arrow) + width(flat) <= self.most:
                return _settled(text) + arrow + flat
            if text and indent + STEP + len("-> ") + width(flat) <= self.most:
                return f"{text}\n{' ' * (indent + STEP)}-> {flat}"
        is_continued = not self.is_plain and line.lstrip().startswith(("-> ", CLAIM))
        inner = indent + STEP if "\n" in text and is_continued else indent
        return _settled(text) + arrow + self._broken_link(link, inner)

    def _fitting(self, link: Link, indent: int, before: int) -> str:
        """A link at the beginning of a line: on that line where it fits."""
        if not self.trivia.is_broken(link.span):
            flat = self._flat_link(link)
            if "\n" not in flat and indent + before + width(flat) <= self.most:
                return flat
        return self._broken_link(link, indent)

    def broken_off(self, text: str, gap: Gap, indent: int) -> str:
        """A text, the comments behind it, and the beginning of a new line."""
        lines = [f"{text} {COMMENT}{gap.trailing}" if gap.trailing else text]
        for comment in gap.own:
            lines += [""] * comment.blank + [" " * indent + comment.text]
        return "\n".join((*lines, " " * indent))

    def _flat_link(self, link: Link) -> str:
        indent = len(self.expressions.margin)
        return self._link(link, self._flat(link.element), indent, is_flat=True)

    def _broken_link(self, link: Link, indent: int) -> str:
        return self._link(link, self._broken(link.element, indent), indent)

    def _link(self, link: Link, element: str, indent: int, *, is_flat: bool = False) -> str:
        text = f"{self.expressions.name(link.label)}: " if link.label else ""
        text += element
        for position, claim in enumerate(link.claims):
            gap = self.trivia.gap(claim.span.start)
            if gap.comments or (gap.newlines and not is_flat):
                text = self.broken_off(text, gap, indent + STEP) + "=>"
            else:
                text += " =>" if position or self.is_plain else f" {CLAIM}>"
            text += f" {self._claim(claim)}"
        return text

    def _claim(self, claim: Claim) -> str:
        if not self.is_plain:
            return self._written_claim(claim)
        dims = tuple(dim for dim in claim.dims if isinstance(dim, Hole) or _is_whole(dim))
        if len(dims) == len(claim.dims) > 1:
            return self.expressions.alone(Size(dims, claim.span))
        if len(claim.dims) == 1 and not isinstance(claim.dims[0], Size | List):
            return self.expressions.alone(claim.dims[0])
        return self.expressions.alone(List(claim.dims, claim.span))

    def _written_claim(self, claim: Claim) -> str:
        """A claim as its text has it: ``6x28x28`` and ``[6, 28, 28]`` are one tree."""
        source, begin = claim.span.source, claim.span.start + len("=>")
        sizes = tuple(dim for dim in claim.dims if isinstance(dim, Number | Hole))
        if len(sizes) > 1 and source.text[sizes[0].span.end] == "x":
            return self.expressions.alone(Size(sizes, sizes[0].span.to(sizes[-1].span)))
        opener = self.trivia.opener(begin)
        is_whole = self.trivia.closing(begin) + 1 == claim.span.end
        if is_whole and (opener == "[" or len(claim.dims) > 1):
            span = Span(source, source.text.find(opener, begin), claim.span.end)
            return self.expressions.alone(List(claim.dims, span, is_pair=opener == "("))
        return self.expressions.alone(claim.dims[0])

    # --- elements -------------------------------------------------------------------------------

    def _phrase(self, phrase: Phrase) -> str:
        return " ".join([self.expressions.name(phrase.head), *self.values(phrase.arguments)])

    def values(self, values: Sequence[Expr]) -> list[str]:
        """Expressions beside each other."""
        return [self.expressions.beside(value) for value in values]

    def _long_phrase(self, phrase: Phrase, indent: int) -> str:
        """A phrase whose long lists go over several lines."""
        words = [self.expressions.name(phrase.head)]
        most = self.most if self.trivia.is_broken(phrase.span) else self.most // 2
        for value in phrase.arguments:
            text = self.expressions.beside(value)
            is_open = isinstance(value, List) and self.is_open(value, indent + width(text), most)
            if is_open and isinstance(value, List) and not value.is_pair:
                text = self.long_list(value, indent)
            words.append(text)
        return " ".join(words)

    def is_open(self, values: List, end: int, most: int = 0) -> bool:
        """Whether a list that would end at a column goes over several lines."""
        return self.trivia.is_broken(values.span) or end > (most or self.most)

    def _loop(self, loop: For) -> str:
        names = ", ".join(map(self.expressions.name, loop.names))
        begin = loop.span.start + len("for")
        is_grouped = len(loop.names) > 1 if self.is_plain else self.trivia.opener(begin) == "("
        if is_grouped:
            closing = "" if self.is_plain else self.expressions.before_closing(begin)
            names = f"({names}{closing})"
        return f"for {names} in {self.expressions.alone(loop.values)}"

    def _broken(self, element: Element, indent: int) -> str:
        """An element on several lines, as far as it can be broken."""
        alone = self.expressions.alone
        match element:
            case Phrase():
                return self._long_phrase(element, indent)
            case Call():
                return self._broken_call(element, indent)
            case Repeat():
                return f"repeat {alone(element.count)} {self.body(element.body, indent)}"
            case For():
                return f"{self._loop(element)} {self.body(element.body, indent)}"
            case Branch():
                text = f"if {alone(element.condition)} {self.body(element.then, indent)}"
                other = element.otherwise
                if other is None:
                    return text
                gap = self.trivia.gap(other.span.start)
                text = self.broken_off(text, gap, indent) if gap.comments else f"{text} "
                if isinstance(other, Body):
                    return f"{text}else {self.body(other, indent)}"
                return f"{text}else {self._broken(other, indent)}"
        assert_never(element)

    def _broken_call(self, call: Call, indent: int) -> str:
        if not call.arguments and not self.trivia.is_broken(call.span):
            return self.expressions.alone(call)
        rows: list[Row] = [
            (argument.span.start, self._row(argument)) for argument in call.arguments
        ]
        closing = self.trivia.closing(call.callee.span.end)
        inner = self.rows(rows, closing, indent, each=True)
        text = f"{self.expressions.name(call.callee)}({inner}){self.expressions.share(call)}"
        return self.expressions.grouped(call, text)

    def _row(self, argument: Argument) -> Callable[[int, int], str]:
        return lambda indent, before: self._argument(argument, indent, before)

    def _argument(self, argument: Argument, indent: int, before: int) -> str:
        name = self.expressions.argument_name(argument)
        value = argument.value
        if isinstance(value, Chain):
            return name + self.chain(value, indent, before + len(name))
        self.expressions.margin = " " * (indent + 2 * STEP)
        text = self.expressions.alone(value)
        is_long = indent + before + len(name) + width(text) > self.most
        is_open = not self.is_plain and (is_long or self.trivia.is_broken(value.span))
        if is_open and isinstance(value, Call):
            text = self._broken_call(value, indent)
        return name + text

    # --- items on several lines -----------------------------------------------------------------

    def rows(self, items: Sequence[Row], closing: int, indent: int, *, each: bool) -> str:
        """Items between brackets, over several lines.

        Args:
            items: what to print.
            closing: the site of the bracket that closes.
            indent: of the line with the bracket that opens.
            each: whether each has a line where the text has no line ends between them.
        """
        gaps = [self.trivia.gap(site) for site, _ in items]
        is_laid = any(gap.breaks for gap in gaps)
        margin = indent + STEP
        text = ""
        was_long = False
        for position, ((_, print_item), gap) in enumerate(zip(items, gaps, strict=True)):
            text += "," * (position > 0)
            begins = not position or gap.breaks or was_long or (each and not is_laid)
            line = text.rpartition("\n")[2]
            item = print_item(margin, 0 if begins else width(line) + 1 - margin)
            comma = position + 1 < len(items)
            is_wide = width(line) + 1 + width(item) + comma > self.most
            if not begins and ("\n" in item or is_wide):
                begins, item = True, print_item(margin, 0)
            if begins:
                blank = gap.newlines == 2 and position > 0
                text = self._new_row(text, gap, margin, blank=blank)
            text += item if begins else f" {item}"
            was_long = "\n" in item
        end = self.trivia.gap(closing)
        if end.comments:
            text = self.broken_off(text, end, margin).rstrip(" ").removesuffix("\n")
        return f"{text}\n{' ' * indent}"

    def _new_row(self, text: str, gap: Gap, indent: int, *, blank: bool) -> str:
        text = self.broken_off(text, gap, indent)
        return text.rstrip(" ") + "\n" + " " * indent if blank else text

    def long_list(self, values: List, indent: int) -> str:
        """A list on several lines, as many items on each as fit; a long list in it begins one."""
        rows: list[Row] = []
        for item in values.items:
            site = item.span.start if self.is_plain else self.trivia.first(item)
            rows.append((site, self._item(item)))
        closing = self.trivia.closing(values.span.start)
        return f"[{self.rows(rows, closing, indent, each=False)}]"

    def _item(self, item: Expr) -> Callable[[int, int], str]:
        def printed(indent: int, before: int) -> str:
            self.expressions.margin = " " * (indent + STEP)
            text = self.expressions.item(item)
            if not isinstance(item, List) or (item.is_pair and not self.is_plain):
                return text
            is_long = self.is_open(item, indent + width(text), self.most - len(","))
            return self._long_item(item, indent) if is_long else text

        return printed

    def _long_item(self, values: List, indent: int) -> str:
        """A list in a list; it goes on behind its bracket where its text does."""
        first = self.trivia.first(values.items[0]) if values.items and not self.is_plain else 0
        if self.is_plain or self.trivia.gap(first).breaks or not values.items:
            return self.long_list(values, indent)
        text = self.long_list(values, indent + 1 - STEP)
        inner = text[1:-1].lstrip().rstrip(" ")
        if self.trivia.gap(self.trivia.closing(values.span.start)).comments:
            return f"[{inner}{' ' * indent}]"  # a comment takes the rest of its line
        return f"[{inner.removesuffix(chr(10))}]"

    # --- on one line, where that is possible ----------------------------------------------------

    def flat_chain(self, chain: Chain) -> str:
        """A chain on one line."""
        text = ""
        for position, link in enumerate(chain.links):
            gap = self.trivia.gap(link.span.start) if position else Gap()
            arrow = " -> " if position else ""
            if gap.comments:
                margin = len(self.expressions.margin)
                text, arrow = self.broken_off(text, gap, margin), "-> "
            text += arrow + _settled(self._flat_link(link))
        return text

    def _flat(self, element: Element) -> str:
        """An element on one line; with line ends in it where a body has several statements."""
        alone = self.expressions.alone
        match element:
            case Phrase():
                return self._phrase(element)
            case Call():
                return alone(element)
            case Repeat():
                return f"repeat {alone(element.count)} {self.flat_body(element.body)}"
            case For():
                return f"{self._loop(element)} {self.flat_body(element.body)}"
            case Branch():
                text = f"if {alone(element.condition)} {self.flat_body(element.then)}"
                other = element.otherwise
                if other is None:
                    return text
                text += f" {self.expressions.before(other.span.start)}else "
                return text + (
                    self.flat_body(other) if isinstance(other, Body) else self._flat(other)
                )
        assert_never(element)


def _settled(text: str) -> str:
    """A text that goes on in its last line: its claim there is none to be aligned."""
    start, end, line = text.rpartition("\n")
    return start + end + line.replace(CLAIM, "=")


def _is_whole(expr: Expr) -> TypeGuard[Number]:
    return isinstance(expr, Number) and isinstance(expr.value, int) and expr.value >= 0
