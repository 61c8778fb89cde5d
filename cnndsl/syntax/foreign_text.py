"""Finds what was pasted from other languages: classes of PyTorch, sections of Darknet, and Caffe.

Each such passage is one mistake, however many lines it has. It is left out before the text is
read, so that its lines are not held against our grammar one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Source, Span
from cnndsl.syntax.ast import Broken, Passage
from cnndsl.syntax.foreign_layers import caffe_layer, darknet_layer
from cnndsl.syntax.post_parse_errors import shown

__all__ = ["find_passages", "without"]


_PACKAGES = (
    "torch torchvision tensorflow keras numpy jax flax haiku equinox optax mxnet paddle chainer"
    " theano lasagne tflearn caffe caffe2 fastai timm einops lightning pytorch_lightning sklearn"
    " scipy pandas matplotlib PIL cv2 onnx os sys math random time json argparse typing pathlib"
    " functools collections dataclasses"
)
_PYTHON = re.compile(
    r"class[ \t]+\w+[ \t]*(?:\([^\n]*\))?[ \t]*:|def[ \t]+\w+[ \t]*\(|@\w[\w.]*"
    rf"|import[ \t]+(?:(?:{'|'.join(_PACKAGES.split())})\b|[\w.]+[ \t]+as[ \t])"
    r"|from[ \t]+[\w.]+[ \t]+import\b"
    r"|if[ \t]+__name__\b|super[ \t]*\("
)
_SECTION_NAMES = (
    "net network convolutional conv maxpool avgpool connected dropout softmax batchnorm route"
    " shortcut upsample reorg yolo region detection local crop cost deconvolutional activation"
    " gru lstm rnn crnn logistic sam scale_channels gaussian_yolo"
)
_SECTIONS = frozenset(_SECTION_NAMES.split())
_SECTION = re.compile(r"\[(\w+)\][ \t]*\r?$")
_ITEM_ENDS = re.compile(r"\s*[,\]]")
"""What follows ``[net]`` where it is an item of a list over several lines."""

_SETTING = re.compile(r"[A-Za-z_]\w*[ \t]*=|[;#]")
_LAYER = re.compile(r"layers?[ \t]*:?[ \t]*\{")
_FIELD = re.compile(r"(?:name|input|input_dim|force_backward)[ \t]*:|(?:input_shape|state)[ \t]*\{")
_OURS = re.compile(r"^[ \t]*(?:network|input)[ \t]+[\w?(\[]", re.MULTILINE)


def find_passages(source: Source) -> tuple[Passage, ...]:
    """All passages of other languages in a text, in order."""
    lines = list(_lines(source.text))
    ours = _OURS.search(source.text) is not None
    passages: list[Passage] = []
    at = 0
    while at < len(lines):
        found = _python(source, lines, at, whole=not ours)
        found = found or _darknet(source, lines, at) or _caffe(source, lines, at)
        if found is None:
            at += 1
            continue
        passages.append(found)
        while at < len(lines) and lines[at][0] < found.gap.span.end:
            at += 1
    return tuple(passages)


def without(text: str, passages: tuple[Passage, ...]) -> str:
    """The text with spaces where passages stand: all places in it stay the same."""
    pieces: list[str] = []
    at = 0
    for passage in passages:
        span = passage.gap.span
        pieces += text[at : span.start], re.sub(r"[^\n]", " ", span.text)
        at = span.end
    return "".join((*pieces, text[at:]))


_Lines = list[tuple[int, int]]
"""Where each line begins and ends."""


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.split("\n"):
        yield start, start + len(line)
        start += len(line) + 1


def _indent(text: str, line: tuple[int, int]) -> int:
    return len(text[line[0] : line[1]]) - len(text[line[0] : line[1]].lstrip())


def _begins(pattern: re.Pattern[str], text: str, line: tuple[int, int]) -> re.Match[str] | None:
    return pattern.match(text, line[0] + _indent(text, line), line[1])


# --- Python -------------------------------------------------------------------------------------


def _python(source: Source, lines: _Lines, at: int, *, whole: bool) -> Passage | None:
    """Lines of Python, from one that nothing else can be; ``whole``: all the rest, with a class."""
    text = source.text
    heads: list[int] = []
    end = last = at
    in_class = False
    while end < len(lines):
        head = _begins(_PYTHON, text, lines[end])
        blank = not text[slice(*lines[end])].strip()
        if head is None and not blank and not (in_class and whole):
            break
        if head is not None:
            heads.append(head.start())
            in_class = in_class or head.group().startswith("class")
            end = _behind_body(text, lines, end)
        else:
            end += 1
        last = last if blank else end
    if not heads:
        return None
    told = next((start for start in heads if text.startswith(("class", "def"), start)), heads[0])
    line = re.compile(r"[^\n#]*").match(text, told)
    assert line is not None  # it may be empty
    span = Span(source, told, told + len(line.group().rstrip()))
    names = r"(?:self\.)?(\w+)[ \t]*=|class[ \t]+(\w+)"
    gap = _gap(source, lines[at][0], lines[last - 1][1], names)
    return Passage(gap, _of_python(span, gap.span), tuple(_calls(gap.span.text)))


_CALL = re.compile(r"\b(?:nn|layers|L|tf\.keras\.layers|keras\.layers)\.[A-Z]\w*\(")


def _calls(text: str) -> Iterator[str]:
    """The first calls of layers in a text of Python: ``nn.Conv2d(3, 8, 3)``."""
    for found in islice(_CALL.finditer(text), 20):
        depth, end = 1, found.end()
        while depth and end < min(len(text), found.end() + 500):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        if not depth:
            yield text[found.start() : end]


def _behind_body(text: str, lines: _Lines, at: int) -> int:
    """The line behind a statement of Python and what is indented below it."""
    if text.startswith(("import", "from", "@"), lines[at][0] + _indent(text, lines[at])):
        return at + 1
    indent = _indent(text, lines[at])
    end = at + 1
    while end < len(lines):
        line = text[slice(*lines[end])]
        if line.strip() and _indent(text, lines[end]) <= indent and line.strip()[0] not in ")]":
            break
        end += 1
    while end > at + 1 and not text[slice(*lines[end - 1])].strip():
        end -= 1
    return end


def _of_python(span: Span, whole: Span) -> Diagnostic:
    if span.text.split()[0] in ("import", "from"):
        message = f"`{shown(span.text)}` is Python, and here all layers are known without it"
        help = "remove the line" if "\n" not in whole.text else "remove the lines"
        fix = Fix(help, (Edit(whole, ""),), safe=True)
        return Diagnostic("CNN127", message, span, help=help, fixes=(fix,))
    message = f"`{shown(span.text)}` is Python: a network is written here layer by layer"
    help = "write each layer on a line, in the order of use, as in `conv 16@3 padding 1 -> relu`"
    return Diagnostic("CNN127", message, span, help=help)


# --- Darknet and Caffe --------------------------------------------------------------------------


def _darknet(source: Source, lines: _Lines, at: int) -> Passage | None:
    """``[convolutional]`` and the lines of settings below it, section after section."""
    text = source.text
    sections: list[tuple[Span, dict[str, str]]] = []
    end = last = at
    while end < len(lines):
        line = text[slice(*lines[end])].strip()
        head = _begins(_SECTION, text, lines[end])
        if head is not None and head[1] in _SECTIONS:
            place = Span(source, head.start(), head.end(1) + 1)
            sections.append((place, {"": head[1]}))
        elif sections and _SETTING.match(line):
            name, _, value = line.partition("=")
            sections[-1][1][name.strip()] = value.strip()
        elif line:
            break
        end += 1
        last = end if line else last
    if not sections or _ITEM_ENDS.match(text, lines[last - 1][1]):
        return None
    message = f"`{sections[0][0].text}` is a section of Darknet, and layers are lines here"
    layers = (darknet_layer(settings) for _, settings in sections)
    gap = _gap(source, lines[at][0], lines[last - 1][1], r"^$()")
    return Passage(gap, _of_layers(message, sections[0][0], layers))


def _caffe(source: Source, lines: _Lines, at: int) -> Passage | None:
    """``layer { … }`` and the fields between, as in a prototxt."""
    text = source.text
    first = _begins(_LAYER, text, lines[at]) or _begins(_FIELD, text, lines[at])
    if first is None:
        return None
    layers: list[tuple[int, str]] = []
    end = last = at
    while end < len(lines):
        line = text[slice(*lines[end])].strip()
        layer = _begins(_LAYER, text, lines[end])
        known = layer or not line or line.startswith("#") or _begins(_FIELD, text, lines[end])
        if not known:
            break
        start = lines[end][0]
        stop = _behind_braces(text, start) if "{" in text[slice(*lines[end])] else lines[end][1]
        if layer is not None:
            layers.append((layer.start(), text[layer.start() : stop]))
        while end < len(lines) and lines[end][0] <= stop:
            end += 1
        last = end if line else last
    if not layers:
        return None
    message = "`layer { … }` is how Caffe writes a layer; here a layer is a line"
    place = Span(source, layers[0][0], layers[0][0] + len("layer"))
    gap = _gap(source, lines[at][0], lines[last - 1][1], r"^$()")
    return Passage(gap, _of_layers(message, place, (caffe_layer(block) for _, block in layers)))


def _behind_braces(text: str, start: int) -> int:
    """Where the braces end that open in a line; its end where they never do."""
    depth = 0
    for sign in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if sign.group() == "{" else -1
        if not depth:
            line_end = text.find("\n", sign.end())
            return sign.end() if line_end < 0 else line_end
    return len(text)


def _of_layers(message: str, place: Span, layers: Iterator[str | None]) -> Diagnostic:
    known = next(filter(None, layers), None)
    example = known or "conv 16@3 padding 1 -> relu"
    help = f"write a line for each layer, as in `{example}`"
    return Diagnostic("CNN127", message, place, help=help)


def _gap(source: Source, start: int, end: int, defining: str) -> Broken:
    found = re.findall(rf"^[ \t]*(?:{defining})", source.text[start:end], re.MULTILINE)
    names = [name for match in found for name in (match if isinstance(match, tuple) else (match,))]
    return Broken(tuple(dict.fromkeys(filter(None, names))), Span(source, start, end))
