"""Chains, blocks and loops become layers with stable names that read what they should."""

from __future__ import annotations

import pytest
from checked_specs import codes, network, only, outputs, shapes

from cnndsl.elaborate.network import LayerNode

HEAD = "input 3x8x8\n"


def reads(text: str) -> dict[str, tuple[str, ...]]:
    """What every layer reads, by name."""
    nodes = network(HEAD + text).network.nodes
    return {
        node.name: tuple(nodes[at].name for at in node.inputs)
        for node in nodes
        if isinstance(node, LayerNode)
    }


# --- chains and streams -------------------------------------------------------------------------


def test_statements_and_arrows_are_the_same() -> None:
    lines = reads("conv 4@3\nrelu\ntanh\n")
    assert lines == reads("conv 4@3 -> relu -> tanh\n")
    assert lines == {"conv1": ("input",), "relu1": ("conv1",), "tanh1": ("relu1",)}


def test_a_chain_that_begins_with_a_label_starts_there() -> None:
    found = reads("a: relu\nb: tanh\na -> sigmoid\nadd(identity, b)\n")
    assert found["sigmoid1"] == ("a",)
    assert found["add1"] == ("identity1", "b")


def test_a_named_stream_moves_nothing() -> None:
    found = reads("s = relu\ntanh\nadd(identity, s)\n")
    assert found["tanh1"] == ("input",)
    assert found["add1"] == ("identity1", "relu1")


def test_a_stream_can_be_named_anew() -> None:
    assert reads("s = relu\ns = s -> tanh\ns -> sigmoid\n")["sigmoid1"] == ("tanh1",)


def test_the_input_is_a_stream() -> None:
    assert reads("relu\nadd(identity, input)\n")["add1"] == ("identity1", "input")


def test_a_named_input_is_a_stream_of_its_name() -> None:
    built = network("input left 4\ninput right 4\nadd(left, right)\n")
    assert built.network.nodes[2].inputs == (0, 1)


def test_joins_start_every_chain_from_the_current_stream() -> None:
    found = reads("relu\nconcat(tanh -> sigmoid, identity, input)\n")
    assert found["tanh1"] == ("relu1",)
    assert found["concat1"] == ("sigmoid1", "identity1", "input")


def test_labels_within_a_join_are_known_behind_it() -> None:
    assert reads("add(a: relu, b: tanh)\na -> sigmoid\nadd(identity, b)\n")["sigmoid1"] == ("a",)


# --- names --------------------------------------------------------------------------------------


def test_unlabelled_layers_are_counted_by_keyword() -> None:
    assert [*shapes(f"{HEAD}relu\nrelu\ntanh\nC1: relu\nrelu\n")] == [
        "relu1",
        "relu2",
        "tanh1",
        "C1",
        "relu3",
    ]


def test_a_number_of_a_label_is_passed_over() -> None:
    assert [*shapes(f"{HEAD}relu\nrelu2: relu\nrelu\n")] == ["relu1", "relu2", "relu3"]


def test_a_call_opens_a_scope() -> None:
    block = "block unit() { c: relu -> tanh }\n"
    assert [*shapes(f"{HEAD}{block}unit()\nu: unit()\nunit()\n")] == [
        "unit1.c",
        "unit1.tanh1",
        "u.c",
        "u.tanh1",
        "unit2.c",
        "unit2.tanh1",
    ]


def test_a_loop_counts_on_unless_it_has_labels() -> None:
    assert [*shapes(f"{HEAD}relu\nrepeat 2 {{ relu }}\n")] == ["relu1", "relu2", "relu3"]
    assert [*shapes(f"{HEAD}repeat 2 {{ a: relu }}\n")] == ["repeat1.1.a", "repeat1.2.a"]
    assert [*shapes(f"{HEAD}s: repeat 2 {{ relu }}\n")] == ["s.1.relu1", "s.2.relu1"]
    assert [*shapes(f"{HEAD}for i in 1..2 {{ a: relu }}\n")] == ["for1.1.a", "for1.2.a"]


def test_names_do_not_depend_on_other_layers() -> None:
    one = shapes(f"{HEAD}block b() {{ relu }}\nx: b()\nconv 4@3\n")
    other = shapes(f"{HEAD}tanh\nblock b() {{ relu }}\nx: b()\nconv 4@3\n")
    assert [*one] == [name for name in other if name != "tanh1"]


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("u.c", "u.c"),
        ("u", "u.tanh1"),
        ("stage.1", "stage.1.relu1"),
        ("stage", "stage.2.relu1"),
        ("unit1.c", "unit1.c"),
        ("relu1", "relu1"),
    ],
)
def test_dots_reach_into_a_scope(name: str, layer: str) -> None:
    text = (
        "block unit() { c: relu -> tanh }\nrelu\nu: unit()\nunit()\nstage: repeat 2 { relu }\n"
        f"sigmoid\noutput {name}\n"
    )
    built = network(HEAD + text)
    assert built.network.nodes[built.network.outputs[name]].name == layer


def test_a_loop_sees_the_names_around_it() -> None:
    text = "block unit() { c: relu -> tanh }\nu: unit()\ns: repeat 2 { k: add(identity, u.c) }\n"
    assert reads(text)["s.2.k"] == ("s.2.identity1", "u.c")


def test_a_block_does_not_see_the_streams_around_it() -> None:
    text = f"{HEAD}stem: relu\nblock b() {{ add(identity, stem) }}\nb()\n"
    assert codes(text) == [(3, "CNN103")] or codes(text) == [(3, "CNN101")]


# --- blocks -------------------------------------------------------------------------------------


def test_arguments_go_by_position_and_by_name() -> None:
    block = "block b(width, kernel = 3, stride = 1) { conv width@kernel stride stride padding 1 }\n"
    for call in ("b(4)", "b(width = 4)", "b(4, 3)", "b(4, stride = 1)", "b(stride = 1, width = 4)"):
        assert shapes(f"{HEAD}{block}{call}\n") == {"b1.conv1": "4x8x8"}


def test_a_default_may_use_the_parameters_before_it() -> None:
    block = "block b(width, half = width//2) { conv half@1 -> conv width@1 }\n"
    assert shapes(f"{HEAD}{block}b(8)\n") == {"b1.conv1": "4x8x8", "b1.conv2": "8x8x8"}
    assert codes(f"{HEAD}block b(half = width//2, width = 8) {{ conv half@1 }}\nb()\n")


def test_a_block_sees_the_constants_of_its_file_above_the_call() -> None:
    assert shapes(f"{HEAD}block b() {{ conv k@1 }}\nlet k = 4\nb()\n") == {"b1.conv1": "4x8x8"}
    assert codes(f"{HEAD}block b() {{ conv k@1 }}\nb()\nlet k = 4\n") == [(2, "CNN102")]


def test_a_parameter_hides_a_constant() -> None:
    assert shapes(f"{HEAD}let k = 4\nblock b(k) {{ conv k@1 }}\nb(2)\nconv k@1\n") == {
        "b1.conv1": "2x8x8",
        "conv1": "4x8x8",
    }


def test_streams_are_handed_to_a_block_and_back() -> None:
    text = (
        "block swap(stream one, stream other) { return other, one -> relu }\n"
        "x = conv 2@1\ny = conv 4@1\na, b = swap(x, y)\na -> tanh\nb -> sigmoid\noutput a\n"
    )
    found = reads(text)
    assert found["tanh1"] == ("conv2",)
    assert found["sigmoid1"] == ("swap1.relu1",)


def test_a_chain_is_an_argument_too() -> None:
    text = "block join(stream other) { add(identity, other) }\njoin(relu -> tanh)\n"
    found = reads(text)
    assert found["join1.add1"] == ("join1.identity1", "tanh1")
    assert found["join1.identity1"] == ("input",)


def test_what_stands_behind_a_return_is_refused() -> None:
    text = f"{HEAD}block b() {{ relu\nreturn tanh\nsigmoid }}\nb()\nb()\n"
    assert codes(text) == [(4, "CNN112")]


def test_a_return_within_an_if_or_a_loop_ends_the_block() -> None:
    branch = f"{HEAD}block b(deep) {{ if deep {{ return relu }}\ntanh }}\nb(yes)\nb(no)\n"
    assert [*shapes(branch)] == ["b1.relu1", "b2.tanh1"]
    loop = f"{HEAD}block b() {{ repeat 3 {{ return relu }}\ntanh }}\nb()\n"
    assert [*shapes(loop)] == ["b1.relu1"]


def test_blocks_call_blocks_in_any_order_of_the_file() -> None:
    text = f"{HEAD}block outer() {{ inner() -> inner() }}\nblock inner() {{ relu }}\nouter()\n"
    assert [*shapes(text)] == ["outer1.inner1.relu1", "outer1.inner2.relu1"]


def test_a_block_that_calls_itself_is_refused_through_others_too() -> None:
    assert codes(f"{HEAD}block a() {{ b() }}\nblock b() {{ a() }}\na()\n") == [(3, "CNN110")]


def test_calls_have_their_depth() -> None:
    blocks = "".join(f"block b{i}() {{ b{i + 1}() }}\n" for i in range(70))
    text = f"{HEAD}{blocks}block b70() {{ relu }}\nb0()\n"
    assert [code for _, code in codes(text)] == ["CNN902"]
    assert codes(text, depth=100) == []


def test_the_rounding_of_a_block_is_that_of_its_file() -> None:
    block = "block half() { maxpool 2 }\n"
    assert codes(f"input 1x7x7\n{block}half()\n") == [(2, "CNN301")]
    assert shapes(f"rounding floor\ninput 1x7x7\n{block}half()\n") == {"half1.maxpool1": "1x3x3"}
    own = "block half() { rounding ceil\nmaxpool 2 }\n"
    assert shapes(f"rounding floor\ninput 1x7x7\n{own}half()\nmaxpool 3\n") == {
        "half1.maxpool1": "1x4x4",
        "maxpool1": "1x1x1",
    }


# --- control ------------------------------------------------------------------------------------


def test_if_takes_one_branch() -> None:
    text = "if {} {{ relu }} else if {} {{ tanh }} else {{ sigmoid }}\n"
    for first, second, layer in (("yes", "no", "relu1"), ("no", "yes", "tanh1")):
        assert [*shapes(HEAD + text.format(first, second))] == [layer]
    assert [*shapes(HEAD + text.format("no", "no"))] == ["sigmoid1"]


def test_if_without_else_passes_its_stream_on() -> None:
    assert reads("relu -> if no { tanh } -> sigmoid\n") == {
        "relu1": ("input",),
        "sigmoid1": ("relu1",),
    }


def test_only_what_is_carried_out_is_checked() -> None:
    assert codes(f"{HEAD}relu\nif no {{ conv 4@99 }}\nrepeat 0 {{ conv 4@99 }}\n") == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_repeat_starts_each_round_from_the_one_before(count: int) -> None:
    found = shapes(f"{HEAD}relu\nrepeat {count} {{ conv 4@3 }}\n")
    assert len(found) == 1 + count
    if count:
        assert found[f"conv{count}"] == f"4x{8 - 2 * count}x{8 - 2 * count}"


@pytest.mark.parametrize(
    ("values", "widths"),
    [
        ("[2, 4]", ["2", "4"]),
        ("2..4", ["2", "3", "4"]),
        ("[]", []),
        ("4..2", []),
        ("[2*3]", ["6"]),
    ],
)
def test_for_takes_every_value(values: str, widths: list[str]) -> None:
    found = shapes(f"{HEAD}relu\nfor k in {values} {{ conv k@1 }}\n")
    assert [shape.split("x")[0] for name, shape in found.items() if name != "relu1"] == widths


def test_for_takes_pairs_apart() -> None:
    text = f"{HEAD}for (width, kernel) in [(4, 1), (6, 3)] {{ conv width@kernel }}\n"
    assert shapes(text) == {"conv1": "4x8x8", "conv2": "6x6x6"}


def test_for_takes_a_whole_list_as_one_value() -> None:
    assert shapes(f"{HEAD}for k in [[1, 3], [3, 1]] {{ conv 4@k }}\n") == {
        "conv1": "4x8x6",
        "conv2": "4x6x6",
    }


def test_what_braces_define_ends_with_them_but_streams_stay() -> None:
    assert codes(f"{HEAD}if yes {{ let k = 3\nconv k@1 }}\nconv k@1\n") == [(4, "CNN102")]
    assert codes(f"{HEAD}if yes {{ a: relu }}\nadd(identity, a)\n") == []


def test_a_control_structure_stands_within_a_chain() -> None:
    text = "relu -> s: repeat 2 { tanh } -> if yes { sigmoid } -> relu\n"
    assert [*shapes(HEAD + text)] == ["relu1", "s.1.tanh1", "s.2.tanh1", "sigmoid1", "relu2"]


# --- what merely follows ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "cnov 4@3 -> conv 4@9 -> dense 10\n",
        "C1: cnov 4@3\nC1 -> relu\nadd(identity, C1)\n",
        "C1: conv 4@\nC1 -> relu\nadd(identity, C1)\noutput C1\n",
        "s = conv 4@\nadd(identity, s)\n",
        "let k = 3 +\nconv k@3 padding k\nconv k*2@1\n",
        "param k = (\nconv k@3\n",
        "let k = nothing\nconv k@3\nconv k*2@1\n",
        "block b(width { conv width@3 }\nb(4)\nu: b(3)\nu.conv1 -> relu\n",
        "block b(width) { conv width@ }\nb(4) -> conv 4@99\n",
        "block b(width) { return conv width@ }\nx, y = b(4)\nadd(x, y)\n",
        "x, y = nothing(3)\nadd(x, y)\n",
        "block b() { relu }\nx, y = b(1)\nadd(x, y)\n",
        "repeat 2.5 { a: relu }\na -> relu\n",
        "if 3 { a: relu } else { b: relu }\nadd(a, b)\n",
        "for k in 3 { s = conv k@1 }\nadd(identity, s)\n",
        'import "nowhere"\nthing(3) -> other(4)\n',
        "import nowhere\nthing(3) -> other(4)\n",
        "input other 3x8x\nadd(other, identity)\n",
        "C1: relu => nothing\nC1 -> relu\n",
        "unit: nothing(a: relu)\na -> relu\nunit.a -> tanh\n",
        "conv 4@3 padding 1 groups 2 -> conv 5@3 padding 1\n",
        "rounding flor\nmaxpool 3 -> maxpool 2\n",
        "C1: conv 4@3 strid 2\ntrain { freeze C1 }\n",
    ],
)
def test_one_mistake_is_one_error(text: str) -> None:
    assert len(codes(HEAD + text)) == 1, codes(HEAD + text)


def test_every_mistake_is_reported_in_one_run() -> None:
    text = "cnov 4@3\nconv 4@3 strid 1\nconv 4@\nconv k@3\nadd(relu)\nmaxpool 2 dilution 3\n"
    assert [line for line, _ in codes(HEAD + text)] == [2, 3, 4, 5, 6, 7]


def test_a_loop_reports_its_mistake_once() -> None:
    assert codes(f"{HEAD}repeat 500 {{ cnov 4@3 -> relu }}\n") == [(2, "CNN101")]


def test_a_block_reports_its_mistake_once() -> None:
    assert codes(f"{HEAD}block b() {{ cnov 4@3 }}\nb()\nb()\nb()\n") == [(2, "CNN101")]


# --- limits -------------------------------------------------------------------------------------


def test_the_number_of_layers_is_limited() -> None:
    text = f"{HEAD}repeat 11 {{ relu }}\n"
    assert codes(text, layers=12) == []
    assert codes(text, layers=11) == [(2, "CNN903")]


def test_the_number_of_steps_is_limited() -> None:
    text = f"{HEAD}repeat 50 {{ if no {{ relu }} }}\nrelu\n"
    assert codes(text, steps=50) == [(2, "CNN904")]
    assert codes(text, steps=500) == []


def test_the_limit_can_be_raised_as_the_help_says() -> None:
    help = only(f"{HEAD}repeat 200000 {{ relu }}\n").help
    assert "CNNDSL_LIMITS=" in help


def test_very_many_mistakes_end_the_search() -> None:
    text = HEAD + "".join(f"layer{i}\n" for i in range(500))
    assert len(codes(text, diagnostics=10)) == 20


# --- outputs ------------------------------------------------------------------------------------


def test_the_stream_at_the_end_is_the_output() -> None:
    assert outputs(f"{HEAD}relu\ns = conv 4@1\ntanh\nadd(identity, identity)\noutput s\n") == {
        "output": "3x8x8",
        "s": "4x8x8",
    }
