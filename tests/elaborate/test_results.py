"""Layers with several results: a node for each, under names of their own."""

from __future__ import annotations

import pytest
from checked_specs import codes, only, shapes

from cnndsl.diagnostics.model import Severity
from cnndsl.elaborate.network import LayerNode
from cnndsl.pipeline import check_text

HEAD = "input 64x8x9\n"


def test_each_result_is_a_node() -> None:
    text = f"{HEAD}a, b = split 2\nc, d = a -> h: split [8, 24]\nconcat(b, c, d)\n"
    assert shapes(text) == {
        "split1.1": "32x8x9",
        "split1.2": "32x8x9",
        "h.1": "8x8x9",
        "h.2": "24x8x9",
        "concat1": "64x8x9",
    }


def test_a_result_is_reached_by_the_label() -> None:
    text = f"{HEAD}a, b = h: split 2\nadd(h.1, h.2, a, b)\noutput h.2\n"
    checked = check_text(text)
    assert not checked.diagnostics
    network = checked.typed().network
    names = [node.name for node in network.nodes]
    add = network.nodes[-1]
    assert isinstance(add, LayerNode)
    assert [names[at] for at in add.inputs] == ["h.1", "h.2", "h.1", "h.2"]
    assert names[network.outputs["h.2"]] == "h.2"


def test_a_block_and_a_loop_name_their_parts() -> None:
    text = f"""{HEAD}
block unit() {{
  a, b = split 2
  concat(b, a)
}}
repeat 2 {{ u: unit() }}
"""
    assert [*shapes(text)] == [
        f"repeat1.{at}.u.{name}" for at in (1, 2) for name in ("split1.1", "split1.2", "concat1")
    ]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (
            "a, b, c = split 3",
            "CNN131",
            "into 3 equal parts: 64 = 21*3 + 1",
        ),
        (
            "a, b = split 2 axis width",
            "CNN131",
            "a width of 9 does not split into 2 equal",
        ),
        ("a, b = split [16, 16]", "CNN131", "the parts add up to 32, and there are 64 channels"),
        ("a, b = split 2 axis depth", "CNN310", "along the depth here, and its input has none"),
        ("a = split 2", "CNN111", "1 name cannot take 2 streams"),
        ("a, b, c = split 2", "CNN111", "3 names cannot take 2 streams"),
        ("split 2", "CNN111", "2 streams where one is needed"),
        ("add(identity, split 2)", "CNN111", "2 streams where one is needed"),
        ("a, b = split ?", "CNN406", "cannot decide what is built"),
        ("a, b = split 1", "CNN205", "at least 2, not 1"),
        (
            "a, b = split [1, 0]",
            "CNN204",
            "at least 1, not `0`",
        ),
        ("a, b = split [4]", "CNN204", "two parts at least"),
        ("a, b = split 2 share x", "CNN129", "no weights to share"),
        ("a, b = split", "CNN202", "needs parts"),
    ],
)
def test_what_is_wrong_with_a_split(line: str, code: str, said: str) -> None:
    text = HEAD + line + "\nrelu\n"
    (found,) = (one for one in check_text(text).diagnostics if one.severity is Severity.ERROR)
    assert found.code == code
    assert said in found.message


def test_help_that_mends_a_split() -> None:
    found = only(HEAD + "a, b, c = split 3\nconcat(a, b, c)\n")
    assert found.help.startswith("write `[22, 21, 21]`")
    assert codes(HEAD + "a, b, c = split [22, 21, 21]\nconcat(a, b, c)\n") == []
    many = only(HEAD + "relu -> split 32 -> relu\n")
    assert many.help.count("part") == 32


def test_a_hole_in_a_size_is_found() -> None:
    found = only(HEAD + "a, b = split [?, 16]\nconcat(a, b)\n")
    assert (found.code, "48" in found.message) == ("CNN403", True)


def test_a_vector_splits_into_its_units() -> None:
    assert shapes("input 10\na, b = split [4, 6]\nconcat(b, a)\n")["split1.2"] == "6"


def test_what_stands_beside_a_hole_in_a_list_is_judged() -> None:
    for parts in ("[?, 0]", "[8x?x?, 16]", "[?, yes]"):
        codes_ = [code for _, code in codes(f"{HEAD}a, b = split {parts}\nconcat(a, b)\n")]
        assert "CNN204" in codes_, parts
