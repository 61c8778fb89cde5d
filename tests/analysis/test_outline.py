"""A network as the tree that its text is: nothing is lost, and rounds stand once where alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from documents import ROOT

import cnndsl
from cnndsl.analysis.outline import Part, Repeat, Scope, Step, outline, steps_of
from cnndsl.elaborate.network import LayerNode, Network

SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.cnn"))


def network(text: str) -> Network:
    return cnndsl.parse(text).typed.network


def unrolled(parts: Sequence[Part]) -> Iterator[int]:
    """The positions in a tree, those of a repetition as often as it goes round."""
    for part in parts:
        match part:
            case Step(position=position):
                yield position
            case Scope(parts=inner):
                yield from unrolled(inner)
            case Repeat(parts=inner, times=times):
                for _ in range(times):
                    yield from unrolled(inner)


def repeats(parts: Sequence[Part]) -> list[int]:
    found = []
    for part in parts:
        if isinstance(part, Repeat):
            found.append(part.times)
        if not isinstance(part, Step):
            found += repeats(part.parts)
    return found


@pytest.mark.parametrize("name", SPECS)
def test_unrolled_a_tree_has_the_networks_layers(name: str) -> None:
    found = cnndsl.load(name).typed.network
    tree = outline(found)

    def kinds(positions: Sequence[int]) -> Counter[str]:
        nodes = [found.nodes[position] for position in positions]
        return Counter(node.layer.keyword for node in nodes if isinstance(node, LayerNode))

    assert kinds([*unrolled(tree.parts)]) == kinds(range(len(found.nodes)))
    shown = {*steps_of(tree.parts)}
    assert {tree.shown(position) for position in range(len(found.nodes))} == shown


@pytest.mark.parametrize("name", SPECS)
def test_not_folded_a_tree_has_every_node_once_and_in_order(name: str) -> None:
    found = cnndsl.load(name).typed.network
    tree = outline(found, fold=False)
    assert [*steps_of(tree.parts)] == [*range(len(found.nodes))]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("repeat 4 { conv 4@1 -> relu }\n", [4]),
        ("repeat 3 { repeat 2 { conv 4@1 } -> relu }\n", [3, 2]),
        ("stage: repeat 3 { c: conv 4@1 -> relu }\n", [3]),
        ("repeat 3 { add(identity, conv 4@1) }\n", [3]),
        ("repeat 3 { dropout 0.1 -> conv 4@1 }\n", [3]),
        ("for i in 1..3 { conv 4@1 -> dropout 0.1*i }\n", [3]),
        ("for i in 1..3 { conv 4@2*i-1 padding i-1 }\n", []),
        ("repeat 3 { conv 4@1 }\noutput conv2\n", [2]),
        ("repeat 3 { a: conv 4@1 }\nadd(identity, repeat1.1.a)\n", [2]),
        ("concat(for i in 1..3 { conv 4@1 })\n", []),
        ("conv 4@1\nconv 4@1\n", []),
    ],
)
def test_rounds_that_are_alike_stand_once(text: str, times: list[int]) -> None:
    assert repeats(outline(network(f"input 4x8x8\n{text}")).parts) == times


def test_calls_in_a_row_are_a_repetition_unless_they_have_names() -> None:
    block = "input 4x8x8\nblock unit(k) { conv 4@k padding k//2 -> relu }\n"
    assert repeats(outline(network(block + "unit(3)\nunit(3)\nunit(1)\n")).parts) == [2]
    assert repeats(outline(network(block + "a: unit(3)\nb: unit(3)\n")).parts) == []


def test_a_stream_from_before_the_loop_that_rounds_read_is_no_obstacle() -> None:
    text = "input 4x8x8\nx = conv 4@1\nconv 4@1\nrepeat 3 { add(conv 4@1, x) }\n"
    assert repeats(outline(network(text)).parts) == [3]


def test_rounds_that_read_two_rounds_back_stand_each() -> None:
    text = (
        "input 4x8x8\nblock two(stream a, stream b) { c = add(a, b)\n return b, c }\nx = conv 4@1\n"
    )
    text += "y = conv 4@1\nrepeat 4 { x, y = two(x, y) }\nadd(x, y)\n"
    found = network(text)
    kinds = [node.layer.keyword for node in found.nodes if isinstance(node, LayerNode)]
    assert kinds.count("add") == 5
    assert [*unrolled(outline(found).parts)] == [*range(len(found.nodes))]
