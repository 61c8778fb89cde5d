"""Writes the arithmetic of layers for people: as text of 80 columns, as LaTeX, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator

from cnndsl.analysis.arithmetic import Equation, Topic
from cnndsl.analysis.formula_text import latex, latex_number, letter, shown_number, written
from cnndsl.analysis.solution_sets import Holes
from cnndsl.analysis.wrapping import WIDTH, wrapped
from cnndsl.elaborate.node_types import Fact
from cnndsl.frozen import frozen
from cnndsl.layers.formula import Number, Symbol, symbols_of

__all__ = ["Heading", "latex_of", "markdown_of", "text_of"]

LISTED = 8
"""So many layers that are alike are named; of more, the first and the last."""


@frozen
class Heading:
    """Which layer it is, and where: its name, what the spec writes, its place, its types."""

    name: str
    phrase: str
    file: str
    line: int
    call: int | None
    """The line of the file that calls the block in which it stands."""
    inputs: tuple[Fact, ...]
    output: Fact
    problems: tuple[str, ...] = ()
    """What is wrong with it."""
    holes: Holes | None = None
    field: tuple[int, ...] = ()
    """How much a cell of its output sees of the network's input, where that is known."""
    others: tuple[Heading, ...] = ()
    """The layers of its place that are alike but for their names and fields."""

    @property
    def place(self) -> str:
        """The line, and the call that leads to it."""
        place = f"line {self.line} of {self.file}"
        return place if self.call is None else f"{place}, called in line {self.call}"

    @property
    def shapes(self) -> str:
        """``6x14x14 -> 16x10x10``."""
        return f"{', '.join(map(str, self.inputs))} -> {self.output}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is wrong with it, and which other layers have the same arithmetic."""
        if not self.others:
            return self.problems
        differ = any(one.field != self.field for one in self.others)
        names = [
            f"`{one.name}` {'x'.join(map(str, one.field))}" if differ else f"`{one.name}`"
            for one in self.others
        ]
        told = ", ".join(names)
        if len(names) > LISTED:
            told = f"{len(names)} layers from {names[0]} to {names[-1]}"
        but = ", but for what their cells see" if differ else ""
        return (*self.problems, f"alike{but}: {told}")

    @property
    def open(self) -> frozenset[str]:
        """The parameters that are left open."""
        return frozenset(self.holes.rows[0]) if self.holes else frozenset()

    @property
    def solutions(self) -> tuple[str, ...]:
        """What they can be, in words."""
        return self.holes.lines if self.holes else ()


# --- text ---------------------------------------------------------------------------------------


def text_of(heading: Heading, topics: Collection[Topic]) -> str:
    """The arithmetic as text."""
    lines = [*wrapped(f"{heading.name}: {heading.phrase}", "    ")]
    lines += wrapped(f"  {heading.place}", "  ")
    lines += wrapped(f"  {heading.shapes}", "  ")
    for remark in heading.remarks:
        lines += wrapped(f"  {remark}", "    ")
    if heading.solutions:
        lines += ["", "holes", *(f"  {line}" for line in _short(heading.solutions))]
    for topic in topics:
        lines += ["", topic.title, *_topic_lines(topic, heading.open)]
    if meanings := _meanings(topics, lambda symbol: symbol.letter):
        lines += ["", *wrapped(f"where {meanings}", "  ")]
    return "\n".join(lines)


def _topic_lines(topic: Topic, open: Collection[str]) -> Iterator[str]:
    wide = max((len(one.name) for one in topic.equations if len(one.name) <= 16), default=0)
    for one in topic.equations:
        name = f"{one.name:{wide}}  " if one.name else ""
        steps = _steps(one, written, shown_number, open)
        line = f"  {name}{' = '.join(steps)}{_unit(one)}"
        if len(line) <= WIDTH and len(one.name) <= 16:
            yield line
            continue
        if one.name:
            yield f"  {one.name}"
        whole = f"    {' = '.join(steps)}{_unit(one)}"
        if len(whole) <= WIDTH:
            yield whole
            continue
        for at, step in enumerate(steps):
            sign = "= " if at else ""
            last = _unit(one) if at + 1 == len(steps) else ""
            yield from wrapped(f"    {sign}{step}{last}", "        ")
    for note in topic.notes:
        yield from wrapped(f"  {note}", "  ")


def _steps(
    one: Equation,
    write: Callable[..., str],
    number: Callable[..., str],
    open: Collection[str],
) -> list[str]:
    """The formula, the same in numbers, and the result; what says nothing new is left out."""
    steps = [write(one.term), write(one.term, numbers=True, open=open), number(one.term.value)]
    if isinstance(one.term, Number):
        return steps[2:]
    plain = steps[2].replace("{,}", "").replace(",", "")
    return [steps[0], *([] if steps[1] == plain else [steps[1]]), steps[2]]


def _unit(one: Equation) -> str:
    return f" {one.unit}" if one.unit else ""


def _short(solutions: Iterable[str]) -> Iterator[str]:
    for one in solutions:
        yield from wrapped(one, "  ")


def _meanings(topics: Iterable[Topic], name: Callable[[Symbol], str]) -> str:
    """What the letters mean, each once."""
    found: dict[str, dict[str, None]] = {}
    for topic in topics:
        for equation in topic.equations:
            for symbol in symbols_of(equation.term):
                found.setdefault(name(symbol), {})[symbol.meaning] = None
    return "; ".join(f"{one} {' or '.join(meanings)}" for one, meanings in found.items())


# --- LaTeX --------------------------------------------------------------------------------------


def latex_of(heading: Heading, topics: Collection[Topic]) -> str:
    """The arithmetic as LaTeX: an ``align*`` of amsmath for each topic, the rest as text."""
    lines = [f"% {heading.name}: {heading.phrase}, {heading.place}"]
    lines.append(
        rf"\paragraph{{{_plain(heading.name)}}} \texttt{{{_plain(heading.phrase)}}},"
        rf" {_plain(heading.shapes)}"
    )
    lines += [f"{_plain(one)} \\par" for one in (*heading.remarks, *heading.solutions)]
    for topic in topics:
        lines.append(rf"\par\noindent\textit{{{_plain(topic.title)}}}")
        if topic.equations:
            rows = [_row(one, heading.open) for one in topic.equations]
            lines += [r"\begin{align*}", *_ended(rows), r"\end{align*}"]
        lines += [rf"{_plain(note)}. \par" for note in topic.notes]
    if meanings := _meanings(topics, lambda symbol: f"${letter(symbol)}$"):
        lines.append(rf"\par where {_plain(meanings, keep='$')}")
    return "\n".join(lines)


def _row(one: Equation, open: Collection[str]) -> str:
    steps = _steps(one, latex, latex_number, open)
    unit = rf"\ \text{{{one.unit}}}" if one.unit else ""
    name = rf"\text{{{_plain(one.name)}}}" if one.name else ""
    return rf"{name} &= {' = '.join(steps)}{unit}"


def _ended(rows: list[str]) -> Iterator[str]:
    yield from (rf"{row} \\" for row in rows[:-1])
    yield rows[-1]


_ESCAPED = {
    "\\": r"\textbackslash{}",
    "^": r"\^{}",
    "~": r"\~{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _plain(text: str, keep: str = "") -> str:
    """A text in which LaTeX's signs stand for themselves, but those of mathematics in ``keep``."""
    parts = re.split(r"(\$[^$]*\$)", text) if keep else [text]
    return "".join(one if keep and one.startswith("$") else _escaped(one) for one in parts)


def _escaped(text: str) -> str:
    parts = [
        "".join(_ESCAPED.get(sign, f"\\{sign}" if sign in "#$%&_{}" else sign) for sign in part)
        for part in text.replace("`", "").split(" -> ")
    ]
    return r" $\to$ ".join(parts)


# --- Markdown -----------------------------------------------------------------------------------


def markdown_of(heading: Heading, topics: Collection[Topic]) -> str:
    """The arithmetic as Markdown, its formulas between dollars, as GitHub and notebooks take it."""
    lines = [f"### `{heading.name}`: `{heading.phrase}`", "", f"{heading.place}; {heading.shapes}"]
    lines += [f"\n{one}" for one in heading.remarks]
    if heading.solutions:
        lines += ["", "**holes**", "", *(f"- {one}" for one in heading.solutions)]
    for topic in topics:
        lines += ["", f"**{topic.title}**", ""]
        for one in topic.equations:
            steps = _steps(one, latex, latex_number, heading.open)
            name = f"{one.name}: " if one.name else ""
            lines.append(f"- {name}${' = '.join(steps)}${_unit(one)}")
        lines += [f"- {note}" for note in topic.notes]
    if meanings := _meanings(topics, lambda symbol: f"${letter(symbol)}$"):
        lines += ["", f"where {meanings}"]
    return "\n".join(lines)
