r"""Turns a page in Markdown into its fenced blocks, each a text whose places in the page are known.

A block may be indented, in a list, quoted or in an admonition: its text is what Markdown takes it
for, and every offset of that text belongs to one in the page. Its lines have the page's numbers, as
line breaks stand for what is above it, so that messages about lines are right in the page.
"""

from __future__ import annotations

import re
import shlex
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cnndsl.diagnostics.source import Source, Span
from cnndsl.frozen import frozen

__all__ = ["ENDINGS", "LANGUAGE", "Fence", "fences", "is_markdown"]

ENDINGS = (".md", ".markdown", ".qmd")
"""How the names of pages end."""

LANGUAGE = "cnn"
"""What stands behind the fence of a spec."""

_BLANK = " \t"
_LINE = re.compile(r"([^\r\n]*)(\r\n?|\n|\Z)")
_OPTION = re.compile(r"\s*:([\w-]+):\s*(.*?)\s*$")


@frozen
class Fence:
    """One fenced block.

    ``attributes`` is what stands behind the language: ``file=parts.cnn`` has a value, a mere word
    an empty one. ``opening`` is that line of the page. ``offsets`` are those in the text at which
    the lines of the block begin, and that of its end, ``starts`` where these are in the page.
    ``margin`` is what stands in front of a line that is added: indentation, and `>` of
    quotations. ``closed`` is whether a line ends it.
    """

    source: Source
    language: str
    attributes: Mapping[str, str]
    opening: Span
    text: str
    offsets: tuple[int, ...]
    starts: tuple[int, ...]
    margin: str
    closed: bool

    @property
    def file(self) -> str:
        """The name that it has for the other blocks of its page; empty for most."""
        return self.attributes.get("file", "")

    def place(self, offset: int) -> int:
        """Where in the page an offset of the text lies; what is above the block is its begin."""
        line = max(0, bisect_right(self.offsets, offset) - 1)
        return self.starts[line] + max(0, offset - self.offsets[line])

    def holds(self, place: int) -> bool:
        """Whether a place in the page is in this block."""
        return self.opening.start <= place <= self.starts[-1]


def is_markdown(path: str | Path) -> bool:
    """Whether a file is a page in Markdown, by its ending."""
    return Path(path).suffix.lower() in ENDINGS


def fences(source: Source) -> Iterator[Fence]:
    r"""The fenced blocks of a page, in order, of whatever language.

    >>> page = Source("a.md", "> ```cnn file=a.cnn fails\n> input 1x28x28\n> conv 6@5\n> ```\n")
    >>> [fence] = fences(page)
    >>> fence.language, fence.attributes, fence.text
    ('cnn', {'file': 'a.cnn', 'fails': ''}, '\ninput 1x28x28\nconv 6@5\n')
    >>> page.position(fence.place(fence.text.index("6")))
    Position(line=3, column=8, offset=49)
    """
    from markdown_it import MarkdownIt  # loads a hundred modules

    from cnndsl.markdown.admonitions import quoted_admonitions

    parser = MarkdownIt("commonmark", {"maxNesting": 100})
    parser.core.ruler.enableOnly(["normalize", "block"])
    lines = [Span(source, *found.span(1)) for found in _LINE.finditer(source.text)]
    for token in parser.parse(quoted_admonitions(source.text)):
        if token.type == "fence" and token.map:
            first, last = token.map
            rows = token.content.removesuffix("\n").split("\n") if token.content else []
            yield _fence(lines[first : last + 1], token.info, rows, token.markup, last - first)


def _fence(lines: Sequence[Span], info: str, rows: Sequence[str], markup: str, count: int) -> Fence:
    """A block of the page's lines, of which ``rows`` is what Markdown takes the middle ones for."""
    opening, *rest = lines
    source = opening.source
    language, attributes = _words(info)
    places = [_begin(line, row) for line, row in zip(rest, rows, strict=False)]
    if info.lstrip().startswith("{"):
        places = list(_without_options(places, attributes))
    closed = count > len(rows) + 1
    starts = [place.start for place in places]
    if closed:
        last = rest[len(rows)]
        starts.append(last.start + max(0, last.text.find(markup)))
    else:
        starts.append(rest[len(rows)].start if len(rest) > len(rows) else len(source.text))
    text = "\n" * (source.position(starts[0]).line - 1)
    offsets = [len(text)]
    for place in places:
        text += place.text + "\n" * (place.end < len(source.text))
        offsets.append(len(text))
    margin = opening.text[: max(0, opening.text.find(markup))]
    return Fence(
        source=source,
        language=language,
        attributes=attributes,
        opening=opening,
        text=text,
        offsets=tuple(offsets),
        starts=tuple(starts),
        margin="".join(one if one in f"{_BLANK}>" else " " for one in margin),
        closed=closed,
    )


def _words(info: str) -> tuple[str, dict[str, str]]:
    """The language and the attributes: `cnn file=a.cnn`, `{.cnn file="a.cnn"}`, `{cnn} a.cnn`."""
    text = info.replace("{", " ").replace("}", " ")
    try:
        language, *words = shlex.split(text) or [""]
    except ValueError:  # a quotation mark without its partner
        language, *words = text.split() or [""]
    # R Markdown puts commas between them.
    pairs = (word.rstrip(",").partition("=") for word in words if word != ",")
    language = language.lstrip(".").rstrip(",").lower()
    return language, {name: value for name, _, value in pairs}


def _begin(line: Span, row: str) -> Span:
    """The part of a page's line that is a row of the block: it ends alike."""
    inner = row.lstrip(_BLANK)
    start, least = line.end - len(inner), line.start
    for _ in range(len(row) - len(inner)):
        if start == least or line.source.text[start - 1] not in _BLANK:
            break
        start -= 1
    return Span(line.source, start, line.end)


def _without_options(places: Sequence[Span], attributes: dict[str, str]) -> Iterator[Span]:
    """The rows of a directive of MyST, whose first ones may be options: those are left blank."""
    options = True
    for place in places:
        found = _OPTION.match(place.text) if options else None
        options = found is not None
        if found:
            attributes.setdefault(found[1], found[2])
        yield Span(place.source, place.end, place.end) if found else place
