"""The canonical text stands on its own and is the same network."""

from __future__ import annotations

from pathlib import Path

import pytest
from checked_specs import network

from cnndsl.elaborate.canonical import canonical_text
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.pipeline import check_text


def facts(built: TypedNetwork) -> tuple[object, ...]:
    nodes = built.network.nodes
    return (
        [node.name for node in nodes],
        [getattr(node, "layer", None) for node in nodes],
        [getattr(node, "preparation", None) for node in nodes],
        built.types,
        dict(built.network.outputs),
        built.network.classes,
        built.network.recipe,
        built.name,
    )


def round_trip(text: str, name: str = "spec.cnn", **parameters: object) -> str:
    """The canonical text, after seeing to it that it is the same network."""
    original = network(text, name, **parameters)
    canonical = canonical_text(original.network)
    again = network(canonical)
    assert facts(again) == facts(original) or again.name != original.name
    assert facts(again)[:-1] == facts(original)[:-1]
    assert canonical_text(again.network) == canonical
    return canonical


@pytest.mark.parametrize(
    "text",
    [
        "input 3x8x8\nconv 4@3 -> relu\n",
        "input 3x8x8 # comment\n\n\n  conv   4@3   stride 1\n",
        "param k = 3\nlet double = 2*k\ninput 3x8x8\nconv double@k padding (k-1)//2\n",
        "input 3x8x8\nblock b(stream s, k = 2) { return s -> conv k@1, relu }\nx, y = b(input)\n"
        "x -> tanh\noutput y\n",
        "input 3x8x8\nfor (w, d) in [(4, 1), (8, 2)] { repeat d { conv w@1 } }\n",
        "input 3x8x8\nif 2 > 1 and not no { relu } else if yes { tanh } else { sigmoid }\n",
        'input 4\nclasses "a \\"b\\"", "c\\\\d"\ndense 2\n',
        "input 3x8x8 { scale 1/255  mean [1, 2, 3] }\nC1: conv 4@3 init normal(0.01)\n"
        "train { freeze C1\nbatch 8 }\n",
        "rounding floor\ninput 3x9x9\nmaxpool 2 -> maxpool 2 rounding ceil => 3x2x2\n",
        "input 3x8x8\nlet a = 1 if yes else 2\nconv (a if a < 2 else 3)@1\nconv min(a, 2)@max(1)\n",
        "input 3x8x8\nconv 8@-(-3) padding 2 - -1 - 3\n",
    ],
)
def test_a_text_of_its_own_stays_the_same_network(text: str) -> None:
    canonical = round_trip(text)
    assert "#" not in canonical


def test_parameters_carry_the_values_they_were_given() -> None:
    text = "param k = 3\nparam border = valid\ninput 3x8x8\nconv 4@k padding border\n"
    canonical = round_trip(text, k=5, border="same")
    assert "param k = 5" in canonical
    assert "param border = same" in canonical


@pytest.mark.parametrize("value", [0.5, -3, "yes", [1, 2], [[1, 2], [3, 4]]])
def test_parameters_of_every_kind_are_written(value: object) -> None:
    text = "param p = 1\ninput 4\nif p == p or yes { relu } else { tanh }\n"
    if isinstance(value, list):
        text = "param p = [1]\ninput 4\nrelu\nfor q in p { relu }\n"
    round_trip(text, p=value)


def test_imported_blocks_are_written_out(tmp_path: Path) -> None:
    (tmp_path / "parts.cnn").write_text(
        "rounding floor\nlet growth = 2\nlet unused = 7\n"
        "block half(k, growing = growth) { let growth = 3\nconv growing*k@growth stride 2 }\n"
        "block plain(k) { for growth in [k] { conv growth@1 }\nconv growth@1 }\n"
        "block named(k) { let stride = 2\nconv k*growth@1 stride stride }\n",
        encoding="utf-8",
    )
    imports = 'import "parts"\nimport "std/residual"\n'
    text = f"{imports}input 3x8x8\nhalf(2) -> plain(5) -> named(1)\nbasic(2)\n"
    original = network(text, str(tmp_path / "net.cnn"))
    canonical = canonical_text(original.network)
    assert "import" not in canonical
    again = check_text(canonical)
    assert again.network is not None
    assert facts(again.network)[:-1] == facts(original)[:-1]


def test_class_names_from_a_file_stand_in_the_text(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text('cat\nd"o\\g\n', encoding="utf-8")
    text = 'input 4\nclasses from "labels.txt"\ndense 2\n'
    canonical = canonical_text(network(text, str(tmp_path / "net.cnn")).network)
    assert network(canonical).network.classes == ("cat", 'd"o\\g')


def test_layout_and_comments_do_not_matter() -> None:
    one = "input 3x8x8\nconv 4@3 stride 1 -> relu\n"
    other = "# a\ninput   3x8x8\n\nconv 4@3   stride 1   # b\n  -> relu\n"
    assert canonical_text(network(one).network) == canonical_text(network(other).network)


def test_a_constant_with_an_attributes_name_stays_one(tmp_path: Path) -> None:
    (tmp_path / "parts.cnn").write_text(
        "let stride = 2\nlet same = 1\nblock b() { conv 4@1 stride stride padding same }\n"
        "block c(p = stride) { conv stride@1 padding p }\n",
        encoding="utf-8",
    )
    text = 'import "parts"\ninput 3x9x9\nb() -> c()\n'
    original = network(text, str(tmp_path / "net.cnn"))
    again = network(canonical_text(original.network))
    assert facts(again)[:-1] == facts(original)[:-1]


@pytest.mark.parametrize(
    "value", ["?", "[1, ?]", "1..9223372036854775806", "-0.5", "[yes, no]", "normal(0.1)"]
)
def test_a_parameter_that_nothing_reads_is_written_too(value: str) -> None:
    round_trip(f"param p = {value}\ninput 4\nrelu\n")
