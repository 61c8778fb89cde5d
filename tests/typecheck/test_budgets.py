"""Budgets: `expect` with a comparison, the layers that a budget pays for, and what keeps one."""

from __future__ import annotations

from pathlib import Path

import pytest
from checked_specs import codes, network, only

import cnndsl
from cnndsl.analysis.cost import quantity
from cnndsl.analysis.layer_costs import layer_costs
from cnndsl.diagnostics.edit import apply_edits
from cnndsl.elaborate.overrides import override
from cnndsl.elaborate.quantities import Quantity
from cnndsl.pipeline import check_text, load

TINY = "input 1x8x8\nconv 4@3 -> relu -> flatten -> dense 10\n"
"""Of 40 and 1,450 parameters."""

NO_SUM = {Quantity.OUTPUT, Quantity.RECEPTIVE_FIELD, Quantity.LAYERS, Quantity.DEPTH}
NETWORKS = ("lenet5", "googlenet", "resnet18", "siamese", "unet", "densenet121", "mobilenetv2")


@pytest.mark.parametrize("name", NETWORKS)
def test_what_layers_cost_sums_up_to_the_quantity(name: str) -> None:
    typed = load(name)
    for one in Quantity:
        costs = layer_costs(typed, one)
        assert (costs == []) == (one in NO_SUM)
        assert one in NO_SUM or (sum(costs),) == quantity(typed, one)


@pytest.mark.parametrize(
    ("budget", "kept"),
    [
        ("params <= 1490", True),
        ("params < 1490", False),
        ("params < 1490.5", True),
        ("params >= 1490", True),
        ("params > 1490", False),
        ("params > 1.4e3", True),
        ("params == 1490", True),
        ("params == 1.49 K", True),
        ("params != 1490", False),
        ("params != 1", True),
        ("params <= 149*10", True),
        ("params <= 149*limit", True),
        ("params <= 100*limit", False),
        ("params <= max(1, 1490)", True),
        ("params <= (1490 if yes else 0)", True),
        ("weight_bytes <= 5.96 KB", True),
        ("weight_bytes < 5.96 KB", False),
        ("weight_bytes <= 5.8 KiB", False),
        ("training_bytes <= 1 MiB", True),
        ("receptive_field >= 8", True),
        ("receptive_field >= 9", False),
        ("receptive_field <= 8x8", True),
        ("receptive_field <= 8x7", False),
        ("receptive_field != 8x8", False),
        ("receptive_field != 8x7", True),
        ("output == 10", True),
        ("output <= [9]", False),
    ],
)
def test_a_budget_is_kept_or_not(budget: str, kept: bool) -> None:
    text = f"{TINY}let limit = 10\nexpect params <= 1e3*limit\nexpect {budget}\n"
    assert [code for _, code in codes(text)] == [] if kept else ["CNN407"]


def test_a_budget_says_which_lines_cost_most() -> None:
    text = f"{TINY}repeat 2 {{ dense 10 }}\nexpect params <= 1 K\n"
    found = only(text)
    assert found.message == "`params` is 1,710, above the budget of 1,000 by 710 (71.0%)"
    assert [(one.span.text, one.message) for one in found.labels] == [
        ("dense 10", "`dense1`: 1,450 (84.8%)"),
        ("dense 10", "2 layers: 220 (12.9%)"),
        ("conv 4@3", "`conv1`: 40 (2.3%)"),
    ]


def test_budgets_hold_for_other_parameters_and_what_is_stated_does_not() -> None:
    text = "param units = 10\ninput 4\ndense units\nexpect params {} 50\n"
    assert check_text(text.format(""), parameters={"units": 20}).diagnostics == ()
    (found,) = check_text(text.format("<="), parameters={"units": 20}).diagnostics
    assert found.message == "`params` is 100, above the budget of 50 by 50 (100.0%)"
    assert check_text(text.format("<= units*"), parameters={"units": 20}).diagnostics == ()


# --- what keeps it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (
            f"{TINY}expect training_bytes <= 20 KB\n",
            "write `batch 9`: `training_bytes` is then 19,408",
        ),
        (
            f"{TINY}expect training_activation_bytes < 576*8\ntrain {{\n  epochs 3\n}}\n",
            "write `shards 8`: `training_activation_bytes` is then 3,328",
        ),
        (
            f"{TINY}expect training_activation_bytes < 576*8\ntrain {{ epochs 3 }}\n",
            "write `shards 8`: `training_activation_bytes` is then 3,328",
        ),
        (
            f"{TINY}expect training_activation_bytes < 576*8\ntrain {{ # short\n epochs 3 }}\n",
            "write `shards 8`: `training_activation_bytes` is then 3,328",
        ),
        (
            "input 1x8x8\nconv 8@3 padding 1 => 8x8x8 -> relu -> conv 64@3\nflatten -> dense 10\n"
            "expect macs <= 100 K\n",
            "write `conv 32@3` in line 2: `macs` is then 99,072",
        ),
        (
            "let width = 100\ninput 8\ndense width -> relu -> dense 10 -> softmax\n"
            "expect params <= 1600\n",
            "write `let width = 75` in line 1: `params` is then 1,435",
        ),
    ],
)
def test_a_change_that_keeps_it_is_proposed_and_keeps_it(text: str, title: str) -> None:
    found = only(text)
    assert found.fixes[0].title == found.help == title
    assert not any(fix.safe for fix in found.fixes)
    for fix in found.fixes:
        assert codes(apply_edits(text, fix.edits)) == []


def test_no_change_is_proposed_that_changes_the_output_or_breaks_a_claim() -> None:
    text = "input 8\ndense 100 => 100 -> relu -> dense 10\nexpect params <= 1000\n"
    assert only(text).help == "write `expect params <= 1910` if the network may be so"


def test_a_shipped_block_is_not_proposed_to_be_changed() -> None:
    text = (
        'import "std/residual"\ninput 3x32x32\nconv 64@3 padding 1\nbasic(64)\nglobalavgpool\n'
        "dense 10\nexpect params <= 1000\n"
    )
    (found,) = check_text(text).diagnostics
    assert [fix.title for fix in found.fixes] == ["write `expect params <= 76426`"]


def test_each_of_two_budgets_has_its_proof() -> None:
    text = f"{TINY}expect training_bytes <= 20 KB\nexpect depth >= 3\n"
    first, second = check_text(text).diagnostics
    assert first.help == "write `batch 9`: `training_bytes` is then 19,408"
    assert second.help == "write `expect depth >= 2` if the network may be so"


def test_a_hole_in_a_budget_is_the_nearest_bound() -> None:
    for sign, number in (("<=", 1490), ("<", 1491), (">=", 1490), (">", 1489), ("==", 1490)):
        text = f"{TINY}expect params {sign} ?\n"
        found = only(text)
        assert (found.code, found.help) == ("CNN403", f"write `expect params {sign} {number}`")
        assert codes(apply_edits(text, found.fixes[0].edits)) == []


# --- the text of a network ------------------------------------------------------------------------


def test_annotating_leaves_budgets_alone() -> None:
    text = "input 4\ndense 10 => 10\nexpect params <= 60\n"
    assert check_text(text, annotate=True).annotations == ()


def test_the_canonical_text_keeps_what_holds_of_the_network(tmp_path: Path) -> None:
    path = tmp_path / "net.cnn"
    path.write_text(
        "param units = 10\ninput 4\ndense units\nexpect params 50\nexpect params <= 1e3\n"
        "expect trainable_params 50\nexpect training_bytes <= 1 MB\n"
    )
    plain, changed = cnndsl.load(path), cnndsl.load(path, units=20)
    assert plain.text.count("expect") == 4
    assert [line for line in changed.text.splitlines() if "expect" in line] == [
        "expect params <= 1000.0",
        "expect training_bytes <= 1 MB",
    ]
    model = tmp_path / "net.onnx"
    changed.compile().save(model)
    assert cnndsl.load(model).outputs == {"output": (20,)}
    from cnndsl.elaborate.canonical import canonical_text

    other = canonical_text(override(load(path).network, ["train.batch=100000"]))
    assert [line for line in other.splitlines() if "expect" in line] == [
        "expect params 50",
        "expect params <= 1000.0",
    ]
    assert check_text(other).diagnostics == ()


def test_what_specs_list_are_the_numbers_that_are_stated() -> None:
    from cnndsl.elaborate.catalogue import entry

    assert entry("lenet5").counts["params"] == 61_706


def test_training_bytes_are_those_of_the_summary() -> None:
    text = f"{TINY}train {{ batch 7\n optimizer adam }}\n"
    assert quantity(network(text), "training_bytes") == (
        cnndsl.parse(text).summary().training.total,
    )
