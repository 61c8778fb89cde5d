"""What the field has and we lack is said to be absent, and never written as something else."""

from __future__ import annotations

import pytest
from checked_specs import only

from cnndsl.diagnostics.words import closest, is_slip
from cnndsl.layers import FOREIGN, keywords
from cnndsl.layers.absent import absent_names
from cnndsl.pipeline import check_text
from cnndsl.recipe.absent import absent_word
from cnndsl.recipe.recipe import VARIANTS

HEAD = "input 3x8x8\n"


@pytest.mark.parametrize("name", sorted({*absent_names()} - {*keywords()} - {*FOREIGN}))
def test_a_known_operation_is_absent_and_has_no_fix(name: str) -> None:
    item = only(f"{HEAD}{name}\n")
    assert (item.code, item.message) == ("CNN101", f"there is no layer `{name}` yet")
    assert not item.fixes
    assert "did you mean" not in item.help


@pytest.mark.parametrize(
    "name",
    [
        "Unpooling2d",
        "MedianPool2d",
        "WeightNorm",
        "LayerNormalization",
        "UpsamplingBilinear2d",
        "ReflectionPad2d",
        "LSTM",
        "TransformerEncoder",
        "Eltwise",
        "CELU",
        "Softshrink",
        "GaussianDropout",
        "weightnormm",
    ],
)
def test_the_spelling_of_other_tools_is_known(name: str) -> None:
    item = only(f"{HEAD}{name}\n")
    assert item.message == f"there is no layer `{name}` yet"
    assert not item.fixes


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Conv2d 8@3", "conv"),
        ("flatten -> fc 8", "dense"),
        ("flatten -> Linear 8", "dense"),
        ("GaussianNoise 0.1", "noise"),
        ("swish", "silu"),
        ("ReLU6", "relu6"),
        ("Hardswish", "hardswish"),
        ("HardSigmoid", "hardsigmoid"),
        ("Dropout2d 0.2", "spatialdropout"),
        ("stochasticdepth 0.2", "droppath"),
        ("log_softmax", "logsoftmax"),
        ("ZeroPad2d 2", "pad"),
        ("UpSampling2D 2", "upsample"),
        ("GroupNorm 3", "groupnorm"),
        ("permute [0, 2, 1]", "transpose"),
        ("PixelUnshuffle 2", "spacetodepth"),
    ],
)
def test_another_name_of_the_same_operation_is_translated(name: str, ours: str) -> None:
    (fix,) = [f for f in check_text(f"{HEAD}{name}\n").diagnostics[0].fixes if f.safe]
    assert fix.edits[0].text == ours


def test_no_name_is_both_translated_and_absent() -> None:
    assert not {*absent_names()} & {*FOREIGN}
    assert not {*absent_names()} & {*keywords()}


@pytest.mark.parametrize("name", ["relu7", "arelu", "xconv", "soft", "batch", "max", "conv5"])
def test_what_is_merely_alike_is_not_written_unasked(name: str) -> None:
    assert not any(
        fix.safe for item in check_text(f"{HEAD}{name}\n").diagnostics for fix in item.fixes
    )


def test_an_absent_operation_gives_way_to_a_block_that_is_nearly_called_so() -> None:
    item = only(f"block shortcuts() {{ relu }}\n{HEAD}shortcut()\nshortcuts()\n")
    assert item.fixes[0].edits[0].text == "shortcuts"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("elu", "relu"),
        ("relu6", "relu"),
        ("adamw", "adam"),
        ("adam", "adamw"),
        ("nadam", "adam"),
        ("rmse", "mse"),
        ("hflip", "flip"),
        ("minimum", "maximum"),
        ("c1", "c2"),
        ("stage1", "stage2"),
        ("branch_a", "branch_b"),
        ("encA", "encB"),
        ("enc_a_out", "enc_b_out"),
        ("unpool", "sumpool"),
        ("skip", "skipb"),
    ],
)
def test_names_of_different_things_are_no_slips(word: str, meant: str) -> None:
    assert not is_slip(word, meant)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("strid", "stride"),
        ("strides", "stride"),
        ("pading", "padding"),
        ("cnov", "conv"),
        ("ocnv", "conv"),
        ("epoch", "epochs"),
        ("C1", "c1"),
        ("max_pool", "maxpool"),
        ("crossentorpy", "crossentropy"),
        ("batchnrom", "batchnorm"),
    ],
)
def test_slips_of_the_fingers_are(word: str, meant: str) -> None:
    assert is_slip(word, meant)


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("optimizer", "nadam"),
        ("optimizer", "adamax"),
        ("loss", "rmse"),
        ("loss", "smoothl1"),
        ("loss", "nll"),
        ("schedule", "cyclic"),
        ("augment", "hflip"),
        ("augment", "vflip"),
    ],
)
def test_a_word_of_the_recipe_is_not_taken_for_another(setting: str, word: str) -> None:
    text = f"{HEAD}flatten -> dense 2\ntrain {{ {setting} {word} }}\n"
    item = only(text)
    assert item.code == "CNN208"
    assert not item.fixes
    assert item.help.startswith((f"there is no `{word}` yet", "write `"))


def test_what_help_writes_for_a_word_of_the_recipe_works() -> None:
    for setting in VARIANTS:
        for word in ("hflip", "vflip", "nesterov", "nag", "momentum", "sgdm", "linear", "smoothl1"):
            help = absent_word(setting, word) or ""
            if help.startswith("write"):
                written = help.removeprefix("write `").removesuffix("`")
                text = f"{HEAD}conv 4@3 -> globalavgpool\ntrain {{ {written} }}\n"
                assert check_text(text).diagnostics == ()


def test_nearness_alone_still_finds_what_may_be_meant() -> None:
    assert closest("elu", ["relu"]) == ("relu",)
