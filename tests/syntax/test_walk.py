"""The way through a syntax tree: what stands where, in which order, however deep."""

from __future__ import annotations

from trees import read_right

from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source, Span
from cnndsl.syntax.ast import (
    Block,
    For,
    Hole,
    Identifier,
    Let,
    Link,
    Name,
    Number,
    Phrase,
    Unary,
)
from cnndsl.syntax.parser import parse
from cnndsl.syntax.walk import children, rewritten, walk

TEXT = """\
input 1x28x28
let k = 3
block unit(width, stride = k) {
  a: conv width@k stride stride => ?x14x14
  for i in 1..2 { b: relu }
}
c: unit(8) -> add(identity, d: conv 8@1) -> flatten
"""


def test_every_node_comes_once_before_those_below_it_and_as_in_the_text() -> None:
    module = read_right(TEXT)
    names = [node.name for node in walk(module) if isinstance(node, Identifier)]
    words = "k unit width stride a conv i b relu c unit add d conv flatten"
    assert names == words.split()
    nodes = [*walk(module)]
    assert len({id(node) for node in nodes}) == len(nodes)
    assert nodes[0] is module
    assert sum(isinstance(node, Hole) for node in nodes) == 1
    assert not any(isinstance(node, Span | Source | str) for node in nodes)


def test_children_are_those_directly_below() -> None:
    module = read_right(TEXT)
    assert [*children(module)] == [*module.statements]
    let = next(node for node in walk(module) if isinstance(node, Let))
    assert [*children(let)] == [let.name, let.value]


def test_what_is_left_out_is_left_out_with_all_below_it() -> None:
    module = read_right(TEXT)
    kept = [*walk(module, without=(Block, Phrase))]
    labels = [node.label.name for node in kept if isinstance(node, Link) and node.label]
    assert labels == ["c", "d"]
    assert not any(isinstance(node, For | Phrase) for node in kept)


def test_a_broken_text_is_walked_without_what_is_said_of_it() -> None:
    report = Report()
    module = parse(Source("<test>", "input 1x28x28\nclass Net(nn.Module):\n  pass\nrelu\n"), report)
    assert len(report)
    assert {type(node).__module__ for node in walk(module)} <= {
        "cnndsl.syntax.ast",
        "cnndsl.syntax.leaves",
        "cnndsl.syntax.values",
    }


def test_depth_is_no_matter() -> None:
    place = Span(Source("<test>", ""), 0, 0)
    node: Unary | Number = Number(1, place)
    for _ in range(100_000):
        node = Unary("-", node, place)
    assert sum(1 for _ in walk(node)) == 100_001


def test_rewriting_puts_other_nodes_in_and_leaves_the_rest() -> None:
    module = read_right(TEXT)

    def doubled(node: object) -> object | None:
        return Number(6, node.span) if isinstance(node, Name) and node.name == "k" else None

    changed = rewritten(module, doubled)
    assert [n.value for n in walk(changed) if isinstance(n, Number)].count(6) == 2
    assert not any(isinstance(n, Name) and n.name == "k" for n in walk(changed))
    assert rewritten(module, lambda _: None) == module
