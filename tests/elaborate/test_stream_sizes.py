"""Sizes of streams as numbers: ``channels(NAME)``, ``height(NAME)`` and their like."""

from __future__ import annotations

import pytest
from checked_specs import codes, only, shapes

from cnndsl.elaborate import node_types, stream_sizes
from cnndsl.pipeline import check_text

HEAD = """\
input picture 3x32x24
stem: conv 8@3 padding 1
pooled = maxpool 2
"""


@pytest.mark.parametrize(
    ("size", "value"),
    [
        ("channels(picture)", 3),
        ("channels(stem)", 8),
        ("channels(identity)", 8),
        ("height(pooled)", 16),
        ("width(pooled)", 12),
        ("width(identity)//height(picture) + 1", 1),
        ("max(height(stem), width(stem))", 32),
    ],
)
def test_a_size_is_a_number_in_an_expression(size: str, value: int) -> None:
    text = f"{HEAD}add(conv {size}@1 => {value}x32x24, pooled -> upconv {value}@2 stride 2)\n"
    assert codes(text) == []


def test_all_spatial_sizes_are_a_list() -> None:
    text = f"{HEAD}conv 4@size(pooled) => 4x17x13\nadd(identity, pooled -> conv 4@2 padding 1)\n"
    assert codes(text) == []


def test_a_condition_a_loop_and_a_claim_read_sizes() -> None:
    text = """\
input 4x8x8
for i in 1..3 { conv 2*channels(identity)@1 }
if channels(identity) == 32 { relu } else { tanh }
repeat height(identity)//4 { maxpool 2 }
conv 5@1 => [5, height(input)//4, 2]
expect params 4*8 + 8 + 8*16 + 16 + 16*32 + 32 + 32*channels(identity) + 5
"""
    assert [*shapes(text)][3:6] == ["relu1", "maxpool1", "maxpool2"]


def test_the_stream_that_flows_is_that_before_the_layer_at_hand() -> None:
    text = """\
input 4x8x8
conv 6@1 -> conv channels(identity) + 1@1 -> conv channels(identity) + 1@1
add(conv channels(identity)@1 -> conv channels(identity) + 2@1, conv channels(identity) + 2@1)
input -> conv 2*channels(identity)@1
"""
    found = [size.partition("x")[0] for size in shapes(text).values()]
    assert found == ["6", "7", "8", "8", "10", "10", "10", "8"]


def test_a_block_reads_the_sizes_of_its_streams() -> None:
    text = """\
input 8x8x8
block residual(stream x, width, stride = 1, inner = 2*channels(x)) {
  if channels(x) == width and stride == 1 {
    add(x, x -> conv inner@1 -> conv width@3 padding 1)
  } else {
    x -> conv inner@1 -> conv width@3 padding 1 stride stride rounding floor
  }
}
residual(identity, 8)
residual(identity, 2*channels(identity), stride = 2) => 16x4x4
"""
    assert [name for name in shapes(text) if "add" in name] == ["residual1.add1"]
    assert codes(text) == []


def test_a_size_reads_dotted_paths_and_rounds() -> None:
    text = """\
input 2x8x8
stage: for width in [4, 6] { c: conv width@1 }
conv channels(stage.1.c) + channels(stage.2)@1 => 10x8x8
"""
    assert codes(text) == []


def test_reading_a_size_uses_a_name() -> None:
    text = "input 2x8x8\nside = conv 4@1\nconv channels(side)@1\n"
    assert codes(text) == []
    assert codes("input 2x8x8\nside = conv 4@1\nconv 4@1\n") == [(2, "CNN120")]


def test_a_parameter_that_is_set_changes_what_is_read() -> None:
    text = "param width = 4\ninput 2x8x8\nconv width@1\nconv 2*channels(identity)@1\n"
    for width in (4, 5):
        network = check_text(text, parameters={"width": width}).typed()
        assert network.main_type.channels == 2 * width


@pytest.mark.parametrize(
    ("expression", "code", "said"),
    [
        ("channels(stm)", "CNN103", "no stream or label is called `stm`"),
        ("channels(k)", "CNN209", "`k` is a number, and a stream is needed"),
        ("channels(conv 3@3)", "CNN209", "takes the name of a stream, not `conv 3@3`"),
        ("channels(3)", "CNN209", "takes the name of a stream, not `3`"),
        ("channels()", "CNN202", "takes the name of one stream, not 0"),
        ("channels(stem, stem)", "CNN203", "takes the name of one stream, not 2"),
        ("depth(stem)", "CNN132", "`stem` is 8x32x24 and has no depth"),
        ("height(vector)", "CNN132", "`vector` is a vector of 3 and has no height"),
        ("size(vector)", "CNN132", "has no spatial sizes"),
        ("chanels(stem)", "CNN102", "no function is called `chanels`"),
    ],
)
def test_what_is_no_size_is_said(expression: str, code: str, said: str) -> None:
    found = only(f"{HEAD}let k = 3\nvector = globalavgpool -> dense k\n"
                 f"conv {expression} + channels(pooled) + channels(vector)@1\n")  # fmt: skip
    assert (found.code, said in found.message) == (code, True)


def test_help_for_a_size_that_is_missing_works() -> None:
    text = "input 3x32x32\nflatten\ndense {}\n"
    found = only(text.format("height(identity)"))
    assert "write `channels(identity)`" in found.help
    assert codes(text.format("channels(identity)")) == []


def test_a_size_that_hangs_on_a_hole_is_refused() -> None:
    text = "input 3x32x32\na: conv 8@3 padding ? stride 3\nconv channels(a)@1\nconv height(a)@1\n"
    assert codes(text) == [(2, "CNN403"), (4, "CNN406")] or codes(text)[-1] == (4, "CNN406")
    claimed = "input 3x32x32\na: conv 8@3 padding ? => 8x32x32\nconv height(a)@1 => 32x32x32\n"
    assert codes(claimed) == [(2, "CNN403")]
    open_input = "input 3x?x?\nconv channels(input)@1\nconv height(input)@1\n"
    assert (3, "CNN406") in codes(open_input)
    assert (2, "CNN406") not in codes(open_input)


def test_a_size_that_hangs_on_a_mistake_adds_no_second_error() -> None:
    text = """\
input 3x224x224
stem: conv 8@11 stride 4
let h = height(stem)
conv h@1
conv channels(stem)@1 -> nothing_so -> last: relu
conv channels(last)@1
"""
    assert codes(text) == [(2, "CNN301"), (5, "CNN101")]


def test_each_layer_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def counted(*given: object, **options: object) -> object:
        asked.append(given[0])
        return node_types.infer_node(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(stream_sizes, "infer_node", counted)
    rounds = 500
    text = f"input 2x8x8\nrepeat {rounds} {{ conv channels(identity) + channels(input)//9@1 }}\n"
    assert codes(text) == []
    assert len(asked) == rounds


def test_there_are_no_streams_where_a_parameter_of_an_import_is_defined() -> None:
    assert codes("let k = channels(identity)\ninput 3x8x8\nconv k@1\n") == [(1, "CNN105")]
