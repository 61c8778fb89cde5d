"""Formatting changes nothing but layout, keeps every comment, and is done once and for all."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from documents import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from random_modules import modules
from trees import read, without_spans

from cnndsl import resources
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Module
from cnndsl.syntax.collector import Collector
from cnndsl.syntax.formatter import format_source, same_tree
from cnndsl.syntax.lexer import tokenize
from cnndsl.syntax.printer import print_module
from cnndsl.syntax.tokens import NEWLINE


def formatted(text: str) -> str:
    return format_source(Source("<test>", text))


def tokens(text: str) -> tuple[list[str], list[str]]:
    """The words and signs of a text, and its comments; commas that nothing follows left out."""
    found = tokenize(Collector(Source("<test>", text), Report(), 1), Limits())
    words = [
        text[start:end]
        for kind, start, end in zip(found.kinds, found.starts, found.ends, strict=True)
        if kind != NEWLINE
    ]
    kept = [
        word
        for word, after in zip(words, [*words[1:], ""], strict=False)
        if word != "," or after not in (")", "]")
    ]
    return kept, [text[start:end].rstrip() for start, end in found.comments]


def only_layout_changes(text: str) -> str:
    """A text, formatted, once it has been held against what it was."""
    result = formatted(text)
    assert tokens(result) == tokens(text)
    before, wrong = read(text)
    after, more = read(result)
    assert not wrong
    assert not more
    assert without_spans(after.statements) == without_spans(before.statements)
    assert formatted(result) == result
    assert all(line == line.rstrip() for line in result.split("\n"))
    assert "\n\n\n" not in result
    return result


# --- texts of all kinds -------------------------------------------------------------------------

SPECS = sorted(resources.specs().rglob("*.cnn"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_are_in_the_canonical_layout(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert only_layout_changes(text) == text


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_without_layout_and_with_too_much_get_one(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    wide = "\n".join(f"  {line}  " for line in text.split("\n"))
    assert only_layout_changes(wide) == text
    only_layout_changes(text.replace("\n", "\n\n\n"))


UI = sorted((ROOT / "tests" / "ui").glob("*.cnn"))


@pytest.mark.parametrize("path", UI, ids=lambda path: path.stem)
def test_texts_with_mistakes_are_refused_or_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    _, wrong = read(text)
    if wrong:
        with pytest.raises(CompileError) as caught:
            formatted(text)
        assert [one.code for one in caught.value.diagnostics] == [one.code for one in wrong]
    else:
        only_layout_changes(text)


@settings(max_examples=60, deadline=None)
@given(modules)
def test_random_modules_keep_their_meaning(module: Module) -> None:
    only_layout_changes(print_module(module))


LAYOUTS = ["\n", "\n\n", "\n\n\n", "   ", "  # behind\n", "\n# below\n", "\n\n  # apart\n\n"]


def disturbed(text: str, random: Random, times: int) -> str:
    """A text with line ends and comments at random places where they change nothing."""
    original, _ = read(text)
    for number in range(times):
        found = tokenize(Collector(Source("<test>", text), Report(), 1), Limits())
        if not len(found):
            return text
        at = random.choice([*found.starts, *found.ends])
        more = random.choice(LAYOUTS).replace("# ", f"# {number} ")
        changed = text[:at] + more + text[at:]
        module, wrong = read(changed)
        if not wrong and same_tree(module.statements, original.statements):
            text = changed
    return text


@settings(max_examples=60, deadline=None)
@given(modules, st.randoms(use_true_random=False))
def test_comments_may_stand_wherever_a_line_may_end(module: Module, random: Random) -> None:
    only_layout_changes(disturbed(print_module(module), random, 12))


@pytest.mark.parametrize("path", SPECS[::4], ids=lambda path: path.stem)
def test_specs_keep_comments_at_random_places(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    only_layout_changes(disturbed(text, Random(path.stem), 40))


# --- what the layout is -------------------------------------------------------------------------

FORMATTED = """\
# A first network.

# What it is for.
network tiny   # its name
input 1x28x28 { scale 1/255  mean 0.5 }

C1: conv 6@5x5 -> relu  => 6x24x24   # first
# between
P1: maxpool 2           => 6x12x12   # second
flatten

stem -> conv 64@3
  # three by three
  -> relu       => 64x28x28   # a claim of its own
  -> maxpool 2  => 64x14x14
add(   # two branches
  # the left one
  conv 64@3,   # left

  identity   # right
  # the end
) -> relu

block unit(width, stride = 1) { conv width@3 stride stride }

block long(   # parameters
  width,   # how many
  stride = 1
) {
  # first
  conv width@3

  # then
  relu
  # last
}
if deep {
  relu
}   # shallow
else {
  tanh
}
let rows = [
  [1, 2, 3],
  [4, 5, 6],

  [7, 8,
   9]
]
train {
  loss mse   # of all

  # by hand
  augment crop padding 4
    # and
    -> flip
}
# the end
"""


def test_comments_blank_lines_and_breaks_stay_where_they_belong() -> None:
    assert only_layout_changes(FORMATTED) == FORMATTED
    flush = "\n".join(line.lstrip() for line in FORMATTED.split("\n"))
    assert formatted(flush) == FORMATTED


@pytest.mark.parametrize(
    ("text", "laid"),
    [
        ("return a=>1, b=>2 # two\n", "return a => 1, b => 2   # two\n"),
        ("return a=>1, b\n", "return a  => 1, b\n"),
        ("", ""),
        ("\n\n", ""),
        ("# only a comment", "# only a comment\n"),
        ("conv 6 @ 5x5->relu->\n\n\ntanh", "conv 6@5x5 -> relu\n  -> tanh\n"),
        ("relu\n\n\n\ntanh", "relu\n\ntanh\n"),
        ("relu   \n\t=> 3", "relu\n  => 3\n"),
        ("if a{relu}\nelse{tanh}", "if a { relu } else { tanh }\n"),
        ("if a{\nrelu}else{tanh}", "if a {\n  relu\n} else {\n  tanh\n}\n"),
        ("repeat 2{}", "repeat 2 { }\n"),
        ("repeat 2{\n# none\n}", "repeat 2 {\n  # none\n}\n"),
        ("add(relu,identity,)", "add(relu, identity)\n"),
        ("add(relu,\nidentity)", "add(\n  relu,\n  identity\n)\n"),
        ("add(\nrelu,identity)", "add(\n  relu, identity\n)\n"),
        ("conv (4) @ (3)", "conv (4)@(3)\n"),
        ("let k = (a+1)*2 - -3", "let k = (a + 1)*2 - -3\n"),
        ("let k=5e-4", "let k = 5e-4\n"),
        ("relu => [1,2]\ntanh => 3x4", "relu  => [1, 2]\ntanh  => 3x4\n"),
        ("for (a,b) in [(1,2)] {relu}", "for (a, b) in [(1, 2)] { relu }\n"),
        ("for a,b in [(1,2)] {relu}", "for a, b in [(1, 2)] { relu }\n"),
        ("input 3 {layout rgb   scale 2}", "input 3 { layout rgb  scale 2 }\n"),
        ("train{loss mse}", "train { loss mse }\n"),
        (
            "let a = [\n[1, 2,\n3 # b\n# c\n], [4,\n5]]",
            "let a = [\n  [1, 2,\n   3   # b\n   # c\n  ],\n  [4,\n   5]\n]\n",
        ),
        ("let k = a if b # why\nelse c", "let k = a if b   # why\n    else c\n"),
        ("(output) -> relu", "(output) -> relu\n"),
        ("f(x) share   y", "f(x) share y\n"),
        ('classes "a\\"b",\n"c"', 'classes "a\\"b",\n  "c"\n'),
    ],
)
def test_one_layout_for_each_text(text: str, laid: str) -> None:
    assert only_layout_changes(text) == laid


def test_long_lines_are_broken_where_a_person_would() -> None:
    links = " -> ".join(["batchnorm -> relu -> conv 64@3 padding 1 bias no"] * 3)
    laid = only_layout_changes(f"y = x -> {links}\nadd({links}, identity)")
    assert max(map(len, laid.split("\n"))) <= 100
    assert laid.count("\n  -> ") == 1
    assert "add(\n  batchnorm" in laid
    names = ", ".join(f'"class {number}"' for number in range(30))
    assert max(map(len, only_layout_changes(f"classes {names}").split("\n"))) <= 100


def test_a_claim_that_does_not_fit_beside_others_does_not_push_them() -> None:
    long = "conv 64@3 padding 1 bias no -> batchnorm -> relu -> conv 64@3 padding 1 bias no -> relu"
    laid = only_layout_changes(f"{long} => 3x4\nrelu => [1024, 1024, 1024]\ntanh => 3")
    assert laid == f"{long}  => 3x4\nrelu  => [1024, 1024, 1024]\ntanh  => 3\n"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_a_byte_order_mark_stay(mark: str, end: str) -> None:
    text = f"{mark}input 1x8x8{end}conv   4@3   # a{end}relu"
    assert formatted(text) == f"{mark}input 1x8x8{end}conv 4@3   # a{end}relu{end}"
