"""What `input`, `train` and `classes` declare, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from checked_specs import codes, network, only

from cnndsl.pipeline import check, check_text

# --- input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "dims"),
    [
        ("3x8x8", (3, 8, 8)),
        ("10", (10,)),
        ("2x100", (2, 100)),
        ("[3, 2*4, 8]", (3, 8, 8)),
        ("left 3x8x8", (3, 8, 8)),
    ],
)
def test_an_input_has_the_sizes_written(sizes: str, dims: tuple[int, ...]) -> None:
    assert network(f"input {sizes}\nrelu\n").types[0].dims == dims


def test_an_input_of_tokens_knows_its_vocabulary() -> None:
    assert codes("input tokens 56 vocabulary 20000\n") == [(1, "CNN113")]
    for text in ("tokens 56", "tokens 56 vocabulary", "tokens 56 vocabulary 0", "tokens 56 20000"):
        assert {code for _, code in codes(f"input {text}\n")} <= {"CNN202", "CNN203", "CNN205"}
        assert codes(f"input {text}\n")


@pytest.mark.parametrize(
    ("sizes", "code"),
    [
        ("[]", "CNN202"),
        ("0", "CNN205"),
        ("3x0x8", "CNN205"),
        ("[3, -1, 8]", "CNN205"),
        ("[3, 1.5]", "CNN205"),
        ("[3, yes]", "CNN204"),
        ("[3, [1]]", "CNN204"),
        ("1..3", "CNN204"),
        ("1x2x3x4x5", "CNN308"),
        ("3 224 224", "CNN203"),
        ("3x224x224 stuff", "CNN001"),
        ("[3, k]", "CNN102"),
    ],
)
def test_sizes_that_are_none_are_refused_once(sizes: str, code: str) -> None:
    text = f"input {sizes}\nconv 4@3 -> dense 10\n"
    assert [found for _, found in codes(text)] == [code]


def test_the_size_at_fault_is_underlined() -> None:
    assert only("input 3x0x8\nrelu\n").span.text == "0"


def test_two_inputs_need_two_names() -> None:
    assert codes("input 4\ninput 4\nrelu\n") == [(2, "CNN104")]
    assert codes("input a 4\ninput b 4\nadd(a, b)\n") == []


# --- preparation ----------------------------------------------------------------------------------


def test_the_preparation_is_kept() -> None:
    built = network("input 3x8x8 { scale 1/255  mean [1, 2, 3]  layout bgr  fit crop }\nrelu\n")
    preparation = built.network.inputs[0].preparation
    assert preparation.scale == pytest.approx(1 / 255)
    assert preparation.layout == "bgr"
    assert preparation.fit == "crop"


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("scal 2", "CNN501"),
        ("scale", "CNN202"),
        ("scale yes", "CNN204"),
        ("scale 1 scale 2", "CNN206"),
        ("mean [1, 2]", "CNN503"),
        ("fit stretch", "CNN208"),
        ("scale ?", "CNN406"),
        ("mean [?, 1, 2]", "CNN406"),
        ("std 0", "CNN205"),
    ],
)
def test_a_wrong_setting_is_one_error(setting: str, code: str) -> None:
    assert [found for _, found in codes(f"input 3x8x8 {{ {setting} }}\nrelu\n")] == [code]


# --- train ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("los mse", "CNN501"),
        ("loss", "CNN202"),
        ("loss mes", "CNN208"),
        ("loss mse\nloss mse", "CNN206"),
        ("optimizer sgd lr", "CNN207"),
        ("optimizer sgd lr -1", "CNN205"),
        ("optimizer sgd nesterov yes", "CNN205"),
        ("batch 1.5", "CNN204"),
        ("batch ?", "CNN406"),
        ("freeze", "CNN202"),
        ("freeze C7", "CNN103"),
        ("freeze 3", "CNN103"),
        ("lr_factor C1", "CNN202"),
        ("lr_factor C7 2", "CNN103"),
        ("augment flip -> spin", "CNN208"),
        ("schedule multistep at [3, 2]", "CNN205"),
        ("init xavier", "CNN208"),
    ],
)
def test_a_wrong_line_of_the_recipe_is_one_error(setting: str, code: str) -> None:
    text = f"input 3x8x8\nC1: conv 4@3\nflatten -> dense 2\ntrain {{\n{setting}\n}}\n"
    assert [found for _, found in codes(text)] == [code]


def test_the_recipe_is_kept() -> None:
    recipe = network(
        "input 4\nC1: dense 3\ntrain {\nloss mse\noptimizer adam lr 0.1\nfreeze C1\nbatch 8\n}\n"
    ).network.recipe
    assert recipe is not None
    assert "C1" in str(recipe)


def test_labels_and_scopes_can_be_frozen() -> None:
    text = "input 4\nblock b() { dense 3 }\nu: b()\ns: repeat 2 { dense 3 }\ndense 2\ntrain {\n"
    for name in ("u", "u.dense1", "s", "s.1", "s.1.dense1", "dense1", "u s"):
        assert codes(f"{text}freeze {name}\n}}\n") == [], name
    assert codes(f"{text}freeze u.dense2\n}}\n") == [(7, "CNN103")]


# --- classes --------------------------------------------------------------------------------------


def test_classes_come_from_the_text_or_a_file(tmp_path: Path) -> None:
    assert network('input 4\nclasses "a", "b c"\ndense 2\n').network.classes == ("a", "b c")
    (tmp_path / "labels.txt").write_text("cat\n\n dog \r\n", encoding="utf-8")
    text = 'input 4\nclasses from "labels.txt"\ndense 2\n'
    assert network(text, str(tmp_path / "net.cnn")).network.classes == ("cat", "dog")


@pytest.mark.parametrize(("text", "names"), [("ant\nbee\n", ("ant", "bee")), ("", ())])
def test_classes_come_from_the_text_that_stands_for_their_file(
    text: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    """An editor's text that is not saved, also one whose lines were all deleted."""
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n", encoding="utf-8")
    spec = 'input 4\nclasses from "labels.txt"\ndense 2\n'
    checked = check_text(spec, str(tmp_path / "net.cnn"), files={labels.resolve(): text})
    assert checked.typed().network.classes == names


def test_there_are_as_many_classes_as_outputs() -> None:
    assert codes('input 4\nclasses "a", "b"\ndense 3\n') == [(2, "CNN502")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"crane\ncrow\ncrane\n", "the classes 0 and 2 are both called `crane`"),
        (b"a\nb\nb\nb\na\n", "the classes 1 and 2 are both called `b`"),
        (
            "Z\u00fcrich\nZu\u0308rich\n".encode(),
            "the classes 0 and 1 are both called `Zu\u0308rich`",
        ),
    ],
)
def test_names_that_a_file_has_twice_are_warned_of_once(
    tmp_path: Path, lines: bytes, message: str
) -> None:
    (tmp_path / "labels.txt").write_bytes(lines)
    text = f'input 4\nclasses from "labels.txt"\ndense {lines.count(bytes([10]))}\n'
    (tmp_path / "net.cnn").write_text(text, encoding="utf-8")
    checked = check(tmp_path / "net.cnn")
    assert checked.network is not None
    [warning] = checked.diagnostics
    assert (warning.code, warning.message, warning.labels) == ("CNN840", message, ())


def test_names_that_differ_in_case_alone_are_two() -> None:
    assert codes('input 4\nclasses "cat", "Cat", "cat "\ndense 3\n') == []


@pytest.mark.parametrize(
    ("name", "code"),
    [("missing.txt", "CNN005"), ("../labels.txt", "CNN109"), ("folder", "CNN005")],
)
def test_a_file_of_classes_that_cannot_be_read_is_an_error(
    name: str, code: str, tmp_path: Path
) -> None:
    folder = tmp_path / "spec"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "labels.txt").write_text("secret\n", encoding="utf-8")
    (folder / "net.cnn").write_text(f'input 4\nclasses from "{name}"\ndense 2\n', encoding="utf-8")
    (diagnostic,) = check(folder / "net.cnn").diagnostics
    assert diagnostic.code == code
    assert "secret" not in str(diagnostic)
    assert str(tmp_path) not in diagnostic.message


def test_no_loss_has_a_weight_that_makes_the_sum_infinite() -> None:
    text = "input 4\ndense 2\ntrain {\n  loss crossentropy weight 1e39\n}\n"
    (error,) = check_text(text).diagnostics
    assert (error.code, error.span.text) == ("CNN205", "1e39")
