"""What is proposed where a window does not fit: which changes, in which order, in which words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Diagnostic
from cnndsl.pipeline import check, check_text
from cnndsl.repair.repair import Retry, repair
from cnndsl.typecheck.facts import Inference

ALEXNET = """\
network alexnet
input 3x224x224
conv 96@11x11 stride 4 -> relu -> maxpool 3 stride 2
conv 256@5 padding 2 groups 2 -> relu -> maxpool 3 stride 2
conv 384@3 padding 1 -> relu
conv 384@3 padding 1 groups 2 -> relu
conv 256@3 padding 1 groups 2 -> relu -> maxpool 3 stride 2
flatten -> dense 4096 -> relu -> dense 4096 -> relu -> dense 1000 -> softmax
"""


def failure(text: str, code: str = "CNN301") -> Diagnostic:
    """The one problem of a spec."""
    diagnostics = check_text(text).diagnostics
    assert [diagnostic.code for diagnostic in diagnostics] == [code]
    return diagnostics[0]


def titles(text: str, code: str = "CNN301") -> list[str]:
    return [fix.title for fix in failure(text, code).fixes]


def actions(text: str, code: str = "CNN301") -> list[str]:
    return [title.split(":")[0] for title in titles(text, code)]


def fixed(text: str, action: str, code: str = "CNN301") -> str:
    """The text after the repair of that name."""
    found = (fix for fix in failure(text, code).fixes if fix.title.split(":")[0] == action)
    return apply_edits(text, next(found).edits)


# --- AlexNet ----------------------------------------------------------------------------------


def test_the_first_layer_of_alexnet_at_224() -> None:
    diagnostic = failure("input 3x224x224\nconv 96@11x11 stride 4\n")
    assert diagnostic.message == "the kernel does not tile the input: (224 - 11)/4 + 1 = 54.25"
    assert diagnostic.help == "change the input to 3x227x227: (227 - 11)/4 + 1 = 55"
    assert [fix.title for fix in diagnostic.fixes] == [
        "change the input to 3x227x227: (227 - 11)/4 + 1 = 55",
        "write `rounding floor`: drops the last 1 row and column",
        "write `rounding ceil`: adds a window that reaches 3 rows and columns beyond the edge",
        "change the kernel to 12x12: (224 - 12)/4 + 1 = 54",
        "write `stride 3`: (224 - 11)/3 + 1 = 72",
        "change the input to 3x223x223: (223 - 11)/4 + 1 = 54",
    ]


def test_alexnet_at_224_offers_only_what_suits_the_layers_behind() -> None:
    """223 and a kernel of 12 would give 54, and the pool behind tiles 55 but not 54."""
    assert titles(ALEXNET) == [
        "change the input to 3x227x227: (227 - 11)/4 + 1 = 55",
        "write `rounding floor` at the top of the file: drops what is left over at every layer",
        "write `rounding ceil`: adds a window that reaches 3 rows and columns beyond the edge",
        "change the kernel to 8x8: (224 - 8)/4 + 1 = 55",
        "change the input to 3x195x195: (195 - 11)/4 + 1 = 47",
    ]


def test_the_claims_of_the_paper_leave_less_to_choose() -> None:
    claimed = ALEXNET.replace("stride 4 ->", "stride 4 => 96x55x55 ->")
    assert actions(claimed) == [
        "change the input to 3x227x227",
        "write `rounding ceil`",
        "change the kernel to 8x8",
    ]
    counted = f"{claimed}expect params 60965224\n"
    assert actions(counted) == ["change the input to 3x227x227", "write `rounding ceil`"]


# --- dimensions -------------------------------------------------------------------------------


def test_a_pool_of_3_with_stride_2_on_an_even_size() -> None:
    assert titles("input 8x28x28\nmaxpool 3 stride 2\n") == [
        "change the input to 8x29x29: (29 - 3)/2 + 1 = 14",
        "write `rounding floor`: drops the last 1 row and column",
        "write `rounding ceil`: adds a window that reaches 1 row and column beyond the edge",
        "change the kernel to 2: (28 - 2)/2 + 1 = 14",
        "write `stride 1`: (28 - 3)/1 + 1 = 26",
        "change the input to 8x27x27: (27 - 3)/2 + 1 = 13",
    ]


def test_one_dimension_speaks_of_cells() -> None:
    assert titles("input 64x100\nconv 128@5 stride 3\n") == [
        "write `padding 2`: (100 - 5 + 2*2)/3 + 1 = 34",
        "change the input to 64x101: (101 - 5)/3 + 1 = 33",
        "write `rounding floor`: drops the last 2 cells",
        "write `rounding ceil`: adds a window that reaches 1 cell beyond the edge",
        "change the kernel to 4: (100 - 4)/3 + 1 = 33",
        "write `stride 1`: (100 - 5)/1 + 1 = 96",
    ]


def test_three_dimensions_speak_of_slices() -> None:
    assert titles("input 3x16x112x112\nconv 8@3 stride 2\n")[:3] == [
        "change the input to 3x17x113x113: (17 - 3)/2 + 1 = 8, (113 - 3)/2 + 1 = 56",
        "write `rounding floor`: drops the last 1 slice, row and column",
        "write `rounding ceil`: adds a window that reaches 1 slice, row and column beyond the edge",
    ]


def test_each_side_of_an_oblong_input_gets_its_own_size() -> None:
    assert titles("input 3x224x256\nconv 8@11 stride 4\n")[0] == (
        "change the input to 3x227x259: (227 - 11)/4 + 1 = 55, (259 - 11)/4 + 1 = 63"
    )


def test_the_side_that_fits_stays() -> None:
    assert titles("input 3x28x27\nconv 8@3 stride 2\n") == [
        "change the input to 3x29x27: (29 - 3)/2 + 1 = 14",
        "write `rounding floor`: drops the last 1 row",
        "write `rounding ceil`: adds a window that reaches 1 row beyond the edge",
        "change the kernel to 2x3: (28 - 2)/2 + 1 = 14",
        "write `stride 1`: (28 - 3)/1 + 1 = 26",
        "change the input to 3x27x27: (27 - 3)/2 + 1 = 13",
    ]


def test_sizes_keep_their_form() -> None:
    text = "input 3x28x30\nconv 8@[3, 5] stride 3x2\n"
    assert "conv 8@[4, 4] stride 3x2" in fixed(text, "change the kernel to [4, 4]")
    assert "stride 1x1" in fixed(text, "write `stride 1x1`")


# --- each kind --------------------------------------------------------------------------------


def test_floor_comes_first_where_it_costs_nothing() -> None:
    assert titles("input 3x28x28\nconv 8@3 stride 2 padding 1\n")[:2] == [
        "write `rounding floor`: drops nothing but padding",
        "change the input to 3x29x29: (29 - 3 + 2*1)/2 + 1 = 15",
    ]


def test_a_much_nearer_smaller_input_comes_before_a_larger_one() -> None:
    halving = "conv 8@3 padding 1 -> maxpool 2\n" * 5
    inputs = [a for a in actions(f"input 3x225x225\n{halving}") if "input" in a]
    assert inputs == ["change the input to 3x224x224", "change the input to 3x256x256"]


def test_an_uneven_padding_is_mended_at_its_end() -> None:
    text = "input 3x28x28\nconv 8@3 stride 2 padding [0, 0, 2, 2]\n"
    assert titles(text)[0] == "write `padding [0, 0, 1, 1]`: (28 - 3 + 0 + 1)/2 + 1 = 14"


def test_same_is_offered_where_no_equal_padding_helps() -> None:
    text = "input 3x28x28\nconv 8@3 stride 2 => 8x14x14\n"
    assert "write `padding same`" in actions(text)
    assert "write `padding same`" not in actions("input 64x100\nconv 128@5 stride 3\n")


def test_a_remainder_at_several_layers_offers_floor_for_the_file() -> None:
    text = "network n\ninput 3x28x28\nadd(maxpool 3 stride 2, avgpool 3 stride 2)\n"
    for diagnostic in check_text(text).diagnostics:
        everywhere = next(fix for fix in diagnostic.fixes if "top of the file" in fix.title)
        mended = apply_edits(text, everywhere.edits)
        assert mended.startswith("network n\nrounding floor\ninput")
        assert not check_text(mended).diagnostics


def test_rounding_at_the_top_of_the_file_is_not_written_twice() -> None:
    text = f"rounding exact\n{ALEXNET}"
    assert actions(text)[0] == "change the input to 3x227x227"
    assert not [action for action in actions(text) if "top of the file" in action]


def test_floor_for_the_file_is_not_offered_where_the_layers_say_otherwise() -> None:
    text = "input 3x4x4\nconv 4@1 stride 4 rounding exact\nconv 4@2 rounding exact\n"
    assert not [action for action in actions(text) if "top of the file" in action]


def test_exact_on_the_layer_is_replaced() -> None:
    text = "rounding floor\ninput 3x28x28\nconv 8@3 stride 2 rounding exact\n"
    assert "conv 8@3 stride 2 rounding floor\n" in fixed(text, "write `rounding floor`")


# --- kernels and paddings that are too large --------------------------------------------------


def test_a_kernel_larger_than_its_input() -> None:
    text = "input 3x28x28\nmaxpool 7\nconv 8@5x5\n"
    assert titles(text, "CNN302") == [
        "write `padding 1`: (4 - 5 + 2*1)/1 + 1 = 2",
        "change the input to 3x35x35: (5 - 5)/1 + 1 = 1",
        "change the kernel to 4x4: (4 - 4)/1 + 1 = 1",
    ]


def test_a_dilated_kernel_larger_than_its_input() -> None:
    text = "input 3x8x8\nconv 8@3 dilation 5\n"
    assert "write `dilation 3`: (8 - (3*(3 - 1) + 1))/1 + 1 = 2" in titles(text, "CNN302")


def test_an_input_far_away_is_found_through_many_layers() -> None:
    text = "input 3x32x32\n" + "conv 8@3 padding 1 -> maxpool 2\n" * 5 + "conv 8@7 => 8x1x1\n"
    assert "change the input to 3x224x224: (7 - 7)/1 + 1 = 1" in titles(text, "CNN302")


def test_padding_as_large_as_a_pools_kernel() -> None:
    diagnostic = failure("input 8x27x27\nmaxpool 3 stride 2 padding 3\n", "CNN303")
    assert [fix.title for fix in diagnostic.fixes] == [
        "write `padding 2`: (27 - 3 + 2*2)/2 + 1 = 15"
    ]
    assert diagnostic.help == diagnostic.fixes[0].title


# --- where values come from -------------------------------------------------------------------


def test_a_constant_is_changed_where_it_is_defined() -> None:
    text = "let k = 11\nparam size = 224\ninput [3, size, size]\nconv 96@k stride 4\n"
    assert fixed(text, "change `size` to 227") == text.replace("224", "227")
    assert fixed(text, "change `k` to 12") == text.replace("11", "12")


def test_a_parameter_that_was_set_from_outside_is_not_changed_in_the_text() -> None:
    text = "param size = 227\ninput [3, size, size]\nconv 96@11 stride 4\n"
    (diagnostic,) = check_text(text, parameters={"size": 224}).diagnostics
    assert diagnostic.help == "write `rounding floor`: drops the last 1 row and column"
    assert not [fix for fix in diagnostic.fixes if "size" in fix.title]


def test_computed_values_are_left_alone() -> None:
    text = "let k = 10\ninput 3x224x224\nconv 96@(k+1) stride 8//2\n"
    assert actions(text) == [
        "change the input to 3x227x227",
        "write `rounding floor`",
        "write `rounding ceil`",
        "change the input to 3x223x223",
        "write `padding same`",
    ]


def test_the_input_that_leads_to_the_failure_is_changed() -> None:
    text = (
        "input left 3x28x28\ninput right 3x29x29\n"
        "a = left -> conv 8@3 stride 2\nb = right -> conv 8@3 stride 2\nadd(a, b)\n"
    )
    assert "input left 3x29x29\n" in fixed(text, "change the input `left` to 3x29x29")


# --- blocks -----------------------------------------------------------------------------------

BLOCK = """\
block down(width) {
  conv width@3 stride 2 padding 1 -> relu
}
"""


def test_a_block_called_several_times_is_one_error_and_is_mended_for_all_calls() -> None:
    text = f"{BLOCK}input 3x28x28\ndown(8)\ndown(16)\ndown(32)\n"
    diagnostic = failure(text)
    assert diagnostic.help == "write `rounding floor`: drops nothing but padding"
    for fix in diagnostic.fixes:
        assert not check_text(apply_edits(text, fix.edits)).diagnostics


def test_a_change_that_mends_one_call_and_not_the_other_is_not_offered() -> None:
    """A kernel of 4 suits 28 and 30, not the other call's 29."""
    text = (
        f"{BLOCK}input a 3x28x28\ninput b 3x29x29\nx = a -> down(8)\ny = b -> down(8)\noutput x, y"
    )
    text = f"{text}\nb -> relu\n"
    assert not [action for action in actions(text) if "kernel" in action]
    assert "write `rounding floor`" in actions(text)


def test_a_parameter_of_a_block_is_no_literal() -> None:
    text = "block down(k, s) { maxpool k stride s }\ninput 3x28x28\ndown(3, 2)\n"
    assert not [a for a in actions(text) if "stride" in a or "kernel" in a]
    assert "write `rounding floor`" in actions(text)


def test_a_block_in_another_file_is_mended_there(tmp_path: Path) -> None:
    blocks, main = tmp_path / "blocks.cnn", tmp_path / "main.cnn"
    blocks.write_text(BLOCK)
    main.write_text('import "blocks.cnn"\ninput 3x28x28\ndown(8)\n')
    (diagnostic,) = check(main).diagnostics
    fix = next(fix for fix in diagnostic.fixes if "stride 1" in fix.title)
    assert {Path(edit.span.source.name).name for edit in fix.edits} == {"blocks.cnn"}
    blocks.write_text(apply_edits(BLOCK, fix.edits))
    assert not check(main).diagnostics


def test_the_shipped_library_is_never_edited() -> None:
    text = 'import "std/densenet"\ninput 3x1x1\ntransition(8)\n'
    diagnostic = failure(text, "CNN302")
    assert Path(diagnostic.span.source.name).stem == "densenet"
    assert [fix.title for fix in diagnostic.fixes] == [
        "change the input to 3x2x2: (2 - 2)/2 + 1 = 1"
    ]


# --- what is not promised ---------------------------------------------------------------------


def test_without_a_repair_the_help_states_the_rule() -> None:
    diagnostic = failure("input 3x28x28\nconv 8@3 stride 2 => 8x99x98\n")
    assert diagnostic.fixes == ()
    assert diagnostic.help == "choose numbers for which the stride 2 divides 28 - 3"


def test_without_a_repair_for_a_kernel_the_help_states_the_bounds() -> None:
    diagnostic = failure("input 3x4x4\nconv 8@5 => 8x99x98\n", "CNN302")
    assert diagnostic.fixes == ()
    assert diagnostic.help == "make the input at least 5 or what the kernel covers at most 4"


def test_other_errors_neither_hinder_a_repair_nor_count_against_it() -> None:
    text = "input 3x28x28\nconv 8@3 stride 2 => 8x14x14\nunknown\nconv 9@3 groups 2\n"
    remainder = check_text(text).diagnostics[0]
    assert remainder.code == "CNN301"
    assert remainder.help == "change the input to 3x29x29: (29 - 3)/2 + 1 = 14"


# --- what --fix may do ------------------------------------------------------------------------


def safe(text: str) -> list[str]:
    return [fix.title.split(":")[0] for fix in failure(text).fixes if fix.safe]


def test_the_only_padding_that_the_claims_allow_is_safe() -> None:
    text = "input 64x100\nrelu => 64x100\nconv 128@5 stride 3"
    assert safe(f"{text} => 128x34\n") == ["write `padding 2`"]
    assert safe(f"{text}\nrelu => 128x34\n") == ["write `padding 2`"]


def test_the_only_input_that_the_claims_allow_is_safe() -> None:
    assert safe("input 3x28x28\nconv 8@1 stride 4 => 8x8x8\n") == ["change the input to 3x29x29"]


def test_where_there_is_a_choice_nothing_is_safe() -> None:
    assert not safe("input 3x224x224\nconv 96@11 stride 4 => 96x55x55\n")


def test_without_a_claim_even_the_only_repair_is_not_safe() -> None:
    text = (
        "let s = 4//2\nlet r = exact\ninput 3x2x2\n"
        "conv 8@[s//2, s//2] stride s rounding r\nconv 8@[s, s]"
    )
    assert actions(text) == ["change the input to 3x3x3"]
    assert not safe(text)
    assert safe(f"{text} => 8x1x1\n") == ["change the input to 3x3x3"]


def test_another_rounding_is_never_safe() -> None:
    text = "input 3x28x28\nrelu => 3x28x28\nconv 8@1 stride 4 => 8x7x7\n"
    assert actions(text)[0] == "write `rounding floor`"
    assert not safe(text)


# --- cost -------------------------------------------------------------------------------------


def test_many_failures_in_a_large_network_cost_a_bounded_number_of_retries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    retried: list[int] = []

    def counting(
        inference: Inference,
        diagnostics: tuple[Diagnostic, ...],
        retry: Retry,
        edited: Mapping[Path, str],
    ) -> tuple[Diagnostic, ...]:
        def counted(texts: Mapping[Path, str]) -> tuple[Diagnostic, ...]:
            retried.append(len(inference.network.nodes))
            return retry(texts)

        return repair(inference, diagnostics, counted, edited)

    monkeypatch.setattr("cnndsl.repair.repair.repair", counting)
    branches = ", ".join(["conv 8@3 stride 2"] * 150)
    diagnostics = check_text(f"input 3x64x64\nadd({branches})\n").diagnostics
    assert len(diagnostics) == 150
    assert all(diagnostic.help for diagnostic in diagnostics)
    assert diagnostics[0].fixes
    assert len(retried) >= 10
    assert sum(retried) <= 10_000
