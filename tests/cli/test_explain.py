"""``cnndsl explain``: the page of a code, offline, and the arithmetic of a layer."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnndsl import resources
from cnndsl.cli import main
from cnndsl.diagnostics.codes import CODES


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str) -> None:
    result = explain(code)
    assert result.exit_code == 0
    page = (resources.docs() / "errors" / f"{code}.md").read_text(encoding="utf-8")
    assert result.stdout == page


@pytest.mark.parametrize("code", ["cnn301", "301", "[CNN301]"])
def test_a_code_may_be_written_as_it_is_remembered(code: str) -> None:
    assert explain(code).stdout.startswith("# CNN301: ")


def test_without_a_code_all_are_listed() -> None:
    result = explain()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"{code}  {CODES[code].title}" for code in CODES]


def test_an_unknown_code_is_refused_with_what_may_be_meant() -> None:
    result = explain("CNN3011")
    assert result.exit_code == 2
    assert "did you mean CNN011 or CNN301" in result.stderr
    assert result.stdout == ""


def test_what_is_no_code_at_all_leads_to_the_list() -> None:
    result = explain("convolution")
    assert result.exit_code == 2
    assert "`cnndsl explain` lists them all" in result.stderr


# --- a layer ------------------------------------------------------------------------------------


def test_the_example_of_the_help_works() -> None:
    *_, example = explain("--help").stdout.rstrip().splitlines()
    assert example.strip() == "cnndsl explain lenet5:C3"
    result = explain("lenet5:C3")
    assert result.exit_code == 0
    assert "height, width  (W - K + 2P)/S + 1 = (14 - 5 + 2*0)/1 + 1 = 10" in result.stdout


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        ("--latex", r"\frac{14 - 5 + 2 \cdot 0}{1} + 1 = 10"),
        ("--markdown", r"- height, width: $\frac{W - K + 2P}{S} + 1"),
    ],
)
def test_it_comes_as_latex_and_markdown(option: str, shown: str) -> None:
    assert shown in explain("lenet5:C3", option).stdout


def test_a_line_with_several_layers_explains_each() -> None:
    text = explain("lenet5:9").stdout
    assert [line for line in text.splitlines() if line.startswith(("C3", "tanh2"))] == [
        "C3: conv 16@5x5",
        "tanh2: tanh",
    ]


def test_parameters_are_set() -> None:
    result = explain("resnet18:fc", "-D", "classes=7")
    assert "U = 7" in result.stdout


def test_a_path_with_a_colon_and_a_model_are_explained(tmp_path: Path) -> None:
    spec = tmp_path / "a:b.cnn"
    spec.write_text("input 1x8x8\nc: conv 2@3\n")
    assert explain(f"{spec}:c").stdout.startswith("c: conv 2@3\n")
    assert explain(f"{spec}:2").stdout.startswith("c: conv 2@3\n")
    import cnndsl

    cnndsl.load(spec).compile().save(tmp_path / "m.onnx")
    assert "F*C*K*K + F = 2*1*3*3 + 2 = 20" in explain(f"{tmp_path / 'm.onnx'}:c").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet5"], "to explain a layer, name it: 'cnndsl explain lenet5:LAYER'"),
        (["lenet5", "C3"], "not 2; a layer is named 'lenet5:C3'"),
        (["CNN301", "CNN302"], "one argument is explained at a time, not 2"),
        (["lenet5:"], "name a layer or a line behind the colon"),
        (["README.md"], "to explain a layer, name it: 'cnndsl explain README.md:LAYER'"),
        (["CNN301", "--latex"], "a page about a code has no such options"),
    ],
)
def test_what_is_incomplete_is_refused(arguments: list[str], message: str) -> None:
    result = explain(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_layers_are_completed() -> None:
    env = {
        "COMP_WORDS": "cnndsl explain lenet5:C",
        "COMP_CWORD": "2",
        "_CNNDSL_COMPLETE": "bash_complete",
    }
    done = CliRunner(env=env).invoke(main, [], prog_name="cnndsl")
    assert [line.split(",")[1] for line in done.stdout.split()] == [
        "lenet5:C1",
        "lenet5:C3",
        "lenet5:C5",
    ]


# --- a page in Markdown -------------------------------------------------------------------------

PAGE = """\
# A page

> ```cnn
> input 3x224x224
> C1: conv 96@11 stride 4
> ```

```cnn
input 1x28x28
C1: conv 6@5 -> relu   # one
S2: maxpool 2
```

```cnn ignore
nonsense
```
"""


@pytest.fixture
def page(tmp_path: Path) -> str:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return str(path)


@pytest.mark.parametrize(
    ("where", "first"),
    [
        ("5", "C1: conv 96@11 stride 4"),
        ("10", "C1: conv 6@5"),
        ("11", "S2: maxpool 2"),
        ("S2", "S2: maxpool 2"),
    ],
)
def test_lines_and_labels_of_a_page_are_explained(page: str, where: str, first: str) -> None:
    shown = explain(f"{page}:{where}").stdout.splitlines()
    assert shown[0] == first
    line = where if where.isdecimal() else "11"
    assert " ".join(shown[1:3]).split()[:4] == ["line", line, "of", page]


@pytest.mark.parametrize(
    ("where", "message", "help"),
    [
        ("C1", "CNN640]: 2 blocks of `{page}` have a layer `C1`", "name its line: 5, 10"),
        ("C2", "CNN640]: no block of `{page}` has a layer `C2`", "did you mean `C1`"),
        ("9", "CNN641]: line 9 has no layer", "the nearest is in line 10"),
        ("7", "CNN641]: line 7 of `{page}` is in no `cnn` block", "in the lines 4 to 5"),
        ("12", "CNN641]: line 12 of `{page}` is in no `cnn` block", "in the lines 9 to 11"),
        ("15", "CNN641]: line 15 of `{page}` is in no `cnn` block", "in the lines 9 to 11"),
    ],
)
def test_what_means_no_layer_of_a_page_is_refused(
    page: str, where: str, message: str, help: str
) -> None:
    result = explain(f"{page}:{where}")
    assert result.exit_code == 1
    assert message.format(page=page) in result.stderr
    assert help in result.stderr


def test_a_page_without_blocks_has_nothing_to_explain(tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("# Nothing\n")
    for where in ("1", "C1"):
        result = explain(f"{tmp_path / 'empty.md'}:{where}")
        assert result.exit_code == 1
        assert "CNN64" in result.stderr


# --- JSON ---------------------------------------------------------------------------------------


def test_json_has_the_numbers_of_the_text() -> None:
    [layer] = json.loads(explain("lenet5:C3", "--format", "json").stdout)
    assert (layer["inputs"], layer["output"]) == ([[6, 14, 14]], [16, 10, 10])
    found = {topic["title"]: topic["equations"] for topic in layer["topics"]}
    [params] = found["parameters"]
    assert params["value"] == 2416
    assert params["formula"] == "F*C*K*K + F"
    assert params["numbers"] == "16*6*5*5 + 16"
    assert {one["letter"]: one["value"] for one in params["symbols"]} == {"F": 16, "C": 6, "K": 5}


def test_two_forms_at_once_are_refused() -> None:
    assert explain("lenet5:C3", "--latex", "--format", "json").exit_code == 2
    assert explain("lenet5:C3", "--latex", "--format", "latex").exit_code == 0
    assert explain("CNN301", "--format", "json").exit_code == 2


ROUNDS = """network rounds
input 1x40x40
block pair(n) {
  conv n@3 -> relu -> conv n@3 padding 1
}
conv 4@3 padding 1
repeat 3 { pair(4) }
flatten -> dense 2
"""


def test_layers_of_rounds_are_told_once(tmp_path: Path) -> None:
    (spec := tmp_path / "rounds.cnn").write_text(ROUNDS.replace("conv n@3 ->", "conv n@1 ->"))
    text = explain(f"{spec}:4").stdout
    assert [line for line in text.splitlines() if "pair" in line and ":" in line] == [
        "pair1.conv1: conv 4@1",
        "  alike, but for what their cells see: `pair2.conv1` 5x5, `pair3.conv1` 7x7",
        "pair1.relu1: relu",
        "  alike, but for what their cells see: `pair2.relu1` 5x5, `pair3.relu1` 7x7",
        "pair1.conv2: conv 4@3 padding 1",
        "  alike, but for what their cells see: `pair2.conv2` 7x7, `pair3.conv2` 9x9",
    ]
    assert len(json.loads(explain(f"{spec}:4", "--format", "json").stdout)) == 9
    many = ROUNDS.replace("conv n@3 ->", "conv n@1 ->").replace("repeat 3", "repeat 12")
    spec.write_text(many)
    for style in ("text", "latex", "markdown"):
        text = explain(f"{spec}:4", "--format", style).stdout
        plain = " ".join(text.replace("`", "").split())
        seen = "alike, but for what their cells see: 11 layers from pair2.conv1 5x5 to pair12.conv1"
        assert f"{seen} 25x25" in plain, style


def test_layers_of_rounds_that_differ_are_told_apart(tmp_path: Path) -> None:
    (spec := tmp_path / "rounds.cnn").write_text(ROUNDS)
    text = explain(f"{spec}:4").stdout
    assert text.count(" -> 4x") == 9, "each round's maps are smaller"
    assert "alike" not in text
