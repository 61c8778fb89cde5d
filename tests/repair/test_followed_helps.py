"""What a help says, done, leaves nothing to say: one mistake, one error, one edit."""

from __future__ import annotations

import pytest

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.pipeline import check_text

HEAD = "input 3x64x64\n"
END = "globalavgpool -> dense 3 -> softmax"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (f"{HEAD}conv 8@3 > relu", f"{HEAD}conv 8@3 -> relu"),
        (f"{HEAD}conv 8@3 - relu", f"{HEAD}conv 8@3 -> relu"),
        (f"{HEAD}conv 8@3 padding 1 - maxpool 2", f"{HEAD}conv 8@3 padding 1 -> maxpool 2"),
        (f"{HEAD}conv 8@3 => relu", f"{HEAD}conv 8@3 -> relu"),
        (f"{HEAD}conv 8@3 => maxpool 2", f"{HEAD}conv 8@3 -> maxpool 2"),
        (f"{HEAD}relu > tanh > sigmoid", f"{HEAD}relu -> tanh -> sigmoid"),
        (f"{HEAD}input > relu", f"{HEAD}input -> relu"),
        (f"{HEAD}stride 1 padding 1 conv 8@3", f"{HEAD}conv 8@3 stride 1 padding 1"),
        (f"{HEAD}conv 8@3 activation relu", f"{HEAD}conv 8@3 -> relu"),
        (f"{HEAD}conv 8@3 activation 'relu' bias no", f"{HEAD}conv 8@3 bias no -> relu"),
        (f"{HEAD}activation relu", f"{HEAD}relu"),
        (f"{HEAD}nn.ReLU()", f"{HEAD}relu"),
        (f"{HEAD}nn.ReLU", f"{HEAD}relu"),
        (f"Network t\n{HEAD}relu", f"network t\n{HEAD}relu"),
        ("INPUT 3x8x8\nrelu", "input 3x8x8\nrelu"),
        ("inptu 3x8x8\nrelu", "input 3x8x8\nrelu"),
        (f"{HEAD}{END}\nTrain {{ epochs 5 }}", f"{HEAD}{END}\ntrain {{ epochs 5 }}"),
        (
            f"{HEAD}Block f(x) {{ conv x@1 }}\nf(3)",
            f"{HEAD}block f(x) {{ conv x@1 }}\nf(3)",
        ),
        (f"{HEAD}{END}\noptimizer adam", f"{HEAD}{END}\ntrain {{ optimizer adam }}"),
        (f"{HEAD}conv 3@32", f"{HEAD}conv 32@3"),
        (f"{HEAD}conv 3@65", f"{HEAD}conv 65@3"),
        (f"{HEAD}conv 8.0@3", f"{HEAD}conv 8@3"),
        (f"{HEAD}dropout 50", f"{HEAD}dropout 0.5"),
        (f"{HEAD}conv 8@3 init normal 0.01", f"{HEAD}conv 8@3 init normal(0.01)"),
        (f"{HEAD}conv 8@3 init xavier", f"{HEAD}conv 8@3 init glorot"),
        (f"{HEAD}c1 = conv 8@3", f"{HEAD}c1: conv 8@3"),
        (f"network t {HEAD}relu", f"network t\n{HEAD}relu"),
        ("input 3x8x8 relu -> tanh", "input 3x8x8\nrelu -> tanh"),
        ("input 3x8x8 relu", "input 3x8x8\nrelu"),
        ("input 3x8x8 a: relu", "input 3x8x8\na: relu"),
        ("let k = 3 input 3x8x8\nconv k@3", "let k = 3\ninput 3x8x8\nconv k@3"),
        (f"{HEAD}a: relu output a", f"{HEAD}a: relu\noutput a"),
        (f"{HEAD}globalavgpool -> conv 8@1 bias no", f"{HEAD}globalavgpool -> dense 8 bias no"),
        (
            f"{HEAD}a: conv 8@1\n{END}\ntrain {{\n  freeze a optimizer sgd lr 0.1 epochs 5\n}}",
            f"{HEAD}a: conv 8@1\n{END}\n"
            "train {\n  freeze a\n  optimizer sgd lr 0.1\n  epochs 5\n}",
        ),
    ],
)
def test_the_first_fix_writes_what_was_meant(wrong: str, right: str) -> None:
    (found,) = check_text(f"{wrong}\n").diagnostics
    fixed = apply_edits(f"{wrong}\n", found.fixes[0].edits)
    assert fixed == f"{right}\n"
    assert check_text(fixed).diagnostics == ()


@pytest.mark.parametrize(
    ("wrong", "hint", "right"),
    [
        ("input 784\nconv 8@3", "`input 1x28x28`", "input 1x28x28\nconv 8@3"),
        (f"{HEAD}conv 8.5@3", "`8` or `9`", f"{HEAD}conv 9@3"),
        (f"{HEAD}globalavgpool\nmaxpool 2", "before `globalavgpool`", f"{HEAD}maxpool 2"),
        (f"{HEAD}conv 8@3 init 0.01", "`init normal(0.01)`", f"{HEAD}conv 8@3 init normal(0.01)"),
        (f"{HEAD}conv 8@3 init [[1, 2], [3, 4]]", "`init he`", f"{HEAD}conv 8@3 init he"),
        (
            f"{HEAD}conv 8@3\nadd(c1, identity)",
            "`c1: conv",
            f"{HEAD}c1: conv 8@3\nadd(c1, identity)",
        ),
        (
            f"{HEAD}block u(x) {{ add(x, identity) }}\na: relu\nu(a)",
            "`stream x`",
            f"{HEAD}block u(stream x) {{ add(x, identity) }}\na: relu\nu(a)",
        ),
        (
            f"{HEAD}block u(x) {{ x -> relu }}\nu(3)",
            "`stream x`",
            f"{HEAD}block u(stream x) {{ x -> relu }}\nu(identity)",
        ),
        (
            f"{HEAD}{END}\nloss crossentropy\nepochs 3",
            "one `train { }`",
            f"{HEAD}{END}\ntrain {{\n  loss crossentropy\n  epochs 3\n}}",
        ),
        *(
            (f"{HEAD}{wrong}", f"end the branch of {help}", f"{HEAD}{right}")
            for wrong, help, right in [
                (
                    "add(conv 8@3 stride 2 padding 1 rounding floor, identity)",
                    "3x64x64 with `conv 8@1 stride 2 rounding floor`",
                    "add(conv 8@3 stride 2 padding 1 rounding floor, "
                    "conv 8@1 stride 2 rounding floor)",
                ),
                (
                    "conv 8@4\nadd(identity, conv 9@3 stride 2 padding 1)",
                    "8x61x61 with `conv 9@1 stride 2`",
                    "conv 8@4\nadd(conv 9@1 stride 2, conv 9@3 stride 2 padding 1)",
                ),
                (
                    "concat(identity, conv 8@2 stride 2)",
                    "8x32x32 with `upsample 2`",
                    "concat(identity, conv 8@2 stride 2 -> upsample 2)",
                ),
                (
                    "concat(pad 3, identity)",
                    "3x70x70 with `crop 64x64`",
                    "concat(pad 3 -> crop 64x64, identity)",
                ),
                (
                    "concat(globalavgpool, identity)",
                    "3x64x64 with `flatten`",
                    "concat(globalavgpool, flatten)",
                ),
                (
                    "add(globalavgpool, identity)",
                    "3x64x64 with `globalavgpool`",
                    "add(globalavgpool, globalavgpool)",
                ),
                (
                    "add(flatten, identity)",
                    "3x64x64 with `flatten`",
                    "add(flatten, flatten)",
                ),
                (
                    "add(flatten -> dense 9, identity)",
                    "3x64x64 with `flatten -> dense 9`",
                    "add(flatten -> dense 9, flatten -> dense 9)",
                ),
            ]
        ),
    ],
)
def test_a_help_without_a_fix_leads_to_a_right_spec(wrong: str, hint: str, right: str) -> None:
    found = check_text(f"{wrong}\n").diagnostics
    assert all(hint in item.help for item in found)
    assert {item.code for item in found} != set()
    assert check_text(f"{right}\n").diagnostics == ()
