"""What is pasted from other tools is one mistake, and said in our words."""

from __future__ import annotations

import pytest

from cnndsl.layers.absent import absent_names
from cnndsl.pipeline import check_text
from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS
from cnndsl.syntax.error_context import SETTINGS

TORCH = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.act = nn.CELU()
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        return self.pool(self.act(self.conv1(x)))
"""


def test_the_words_that_a_comma_may_stand_before_are_the_settings_of_a_recipe() -> None:
    assert {*VARIANTS, *SCALARS, *LABELLED, *NAMES} == SETTINGS


@pytest.mark.parametrize("behind", ["", "\nmodel = Net()\nprint(model('a'))\nloss.backward();\n"])
@pytest.mark.parametrize("before", ["", "import torch\nfrom torch import nn\n\n", "# mine\n"])
def test_a_class_is_one_mistake_and_its_layers_are_said(before: str, behind: str) -> None:
    (found,) = check_text(f"{before}{TORCH}{behind}").diagnostics
    assert found.code == "CNN127"
    assert found.span.text == "class Net(nn.Module):"
    assert "`conv 8@3 padding 1`, `maxpool 2 rounding floor`, …" in found.help


def test_what_stands_around_a_class_is_checked_all_the_same() -> None:
    found = check_text(f"input 3x8x8\n{TORCH}\nconv 8@3 -> rleu\n").diagnostics
    assert [(item.code, item.span.text) for item in found] == [
        ("CNN127", "class Net(nn.Module):"),
        ("CNN101", "rleu"),
    ]


@pytest.mark.parametrize(
    ("settings", "ours"),
    [
        (
            "filters=32\nsize=3\npad=1\nactivation=leaky",
            "conv 32@3 padding 1 -> leakyrelu slope 0.1",
        ),
        ("filters=8\nsize=5\nstride=2\nactivation=linear", "conv 8@5 stride 2 rounding floor"),
        (
            "batch_normalize=1\nfilters=8\nactivation=relu",
            "conv 8@1 bias no -> batchnorm -> relu",
        ),
        ("filters=8\nsize=3\nactivation=loggy", "conv 16@3 padding 1 -> relu"),  # an example only
    ],
)
def test_a_section_of_darknet_is_said_in_our_words(settings: str, ours: str) -> None:
    (found,) = check_text(f"[net]\nbatch=1\n\n[convolutional]\n{settings}\n").diagnostics
    assert (found.code, found.span.text) == ("CNN127", "[net]")
    assert found.help == f"write a line for each layer, as in `{ours}`"


@pytest.mark.parametrize(
    "text",
    [
        "input 3x8x8\nclass: conv 3@1\ndef: conv 4@1\nclass -> relu\noutput def",
        "input 3x8x8\nfrom: relu\nfrom -> conv 3@1",
        "let layer = 3\ninput 3x8x8\nconv layer@1",
        "let net = 1\nlet all = [\n[net]\n,\n[2]]\ninput 3x8x8\nfor a in all { conv 3@1 }",
    ],
)
def test_words_of_other_languages_are_names_here(text: str) -> None:
    assert not [item for item in check_text(f"{text}\n").diagnostics if item.code == "CNN127"]


@pytest.mark.parametrize("name", ["blocks", "my.blocks"])
def test_an_import_of_ones_own_lacks_its_quotes(name: str) -> None:
    (found,) = check_text(f"import {name}\ninput 3x8x8\nrelu\n").diagnostics
    assert found.help == f'write `"{name}"`'


@pytest.mark.parametrize(
    ("call", "ours"),
    [
        ("relu(conv(8, 3))", "conv 8@3 -> relu"),
        ("relu(conv 8@3)", "conv 8@3 -> relu"),
        ("relu(bn(conv(input, 8, 3)))", "input -> conv 8@3 -> batchnorm -> relu"),
        ("F.relu(F.max_pool2d(input, 2))", "input -> maxpool 2 rounding floor -> relu"),
    ],
)
def test_no_layer_is_lost_where_calls_are_nested(call: str, ours: str) -> None:
    (found,) = check_text(f"input 3x8x8\n{call}\n").diagnostics
    assert found.help == f"write `{ours}`"


def test_what_cannot_be_translated_inside_a_call_is_not_left_out() -> None:
    (found,) = check_text("input 3x8x8\nF.relu(foo(3))\n").diagnostics
    assert not found.fixes


def test_sums_of_numbers_stay_sums() -> None:
    (found,) = check_text("let k = 3\nlet m = 2\ninput 3x8x8\nj = k + m\nrelu\n").diagnostics
    assert found.help == "write `let j = k + m`"


def test_an_operation_that_is_not_here_is_no_slip_of_a_statement() -> None:
    """`seblock 16` is not `block`: it is said what is here instead."""
    for name in absent_names():
        found = check_text(f"input 64x8x8\n{name} 16\n").diagnostics
        assert "did you mean" not in " ".join(item.help or "" for item in found), name
    [found_block, *_] = check_text("input 64x8x8\nseblock 16\n").diagnostics
    assert found_block.help == "`excite` is here, a block of `std/residual`"


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("globalaveragepooling2d", "globalavgpool"),
        ("GlobalAveragePooling2D", "globalavgpool"),
        ("zeropadding2d", "pad"),
        ("instancenorm3d", "instancenorm"),
        ("depthwiseconv2d", "depthwise"),
        ("Sum", "add"),
    ],
)
def test_a_layer_of_another_tool_is_known_in_small_letters_too(name: str, ours: str) -> None:
    (found,) = check_text(f"input 3x8x8\n{name} 3\n").diagnostics
    assert found.help == f"in cnndsl it is called `{ours}`"


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("lcn", "normalise otherwise"),
        ("Local_Contrast_Norm", "normalise otherwise"),
        ("frn", "normalise otherwise"),
        ("kmaxpool", "`maxpool`"),
        ("pconv", "`conv` is here"),
        ("GroupConv2d", "groups 2"),
        ("basicblock", "`std/residual`"),
        ("octconv", "`std/octave`"),
    ],
)
def test_what_no_layer_computes_is_said_and_never_written_as_its_neighbour(
    name: str, instead: str
) -> None:
    (found,) = check_text(f"input 3x8x8\n{name} 3\n").diagnostics
    assert found.message == f"there is no layer `{name}` yet"
    assert instead in found.help
    assert not found.fixes
