"""The arithmetic of every layer comes to what checking counts, as formula and as printed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from math import ceil, floor
from pathlib import Path

import pytest
from documents import ROOT, fences
from typing_extensions import override

import cnndsl
from cnndsl.analysis.arithmetic import Topic, arithmetic
from cnndsl.analysis.cost import macs_of, params_of
from cnndsl.analysis.formula_text import latex, shown_number, written
from cnndsl.analysis.receptive_fields import receptive_fields
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import replace
from cnndsl.layers import keywords
from cnndsl.layers.base import Weight
from cnndsl.layers.conv import Conv
from cnndsl.layers.formula import Number, Symbol, floored, least
from cnndsl.pipeline import check, check_text
from cnndsl.typecheck.checked import Checked
from cnndsl.typecheck.explained import LayerArithmetic, explained
from cnndsl.types import TensorType

SHIPPED = (
    "lenet5", "lenet5-1998", "alexnet", "googlenet", "resnet18", "unet", "siamese", "textcnn",
    "c3d", "dcgan-generator", "densenet121", "mobilenetv3-small", "shufflenet-v2", "segnet",
)  # fmt: skip


def pages() -> Iterator[tuple[str, Checked]]:
    """The networks on the pages of the layers, and some that are shipped."""
    names = {path.stem for path in (ROOT / "specs").glob("*.cnn")}
    for name in SHIPPED:
        if name in names:
            yield name, check(name)
    for page in sorted((ROOT / "docs" / "layers").glob("*.md")):
        for fence in fences(page, "cnn"):
            yield f"{page.stem}:{fence.line}", check_text(fence.text)


NETWORKS = {name: checked for name, checked in pages() if checked.network is not None}


def all_of(checked: Checked, keyword: str = "") -> Iterator[tuple[int, LayerNode, LayerArithmetic]]:
    """The explanations of all layers, or of those of a kind."""
    assert checked.network is not None
    for position, node in enumerate(checked.network.network.nodes):
        if isinstance(node, LayerNode) and keyword in ("", node.layer.keyword):
            (one,) = explained(checked, node.name)
            yield position, node, one


def by_title(one: LayerArithmetic, title: str) -> Topic:
    return next((topic for topic in one.topics if topic.title.startswith(title)), Topic(title))


def values(topic: Topic) -> list[int | Fraction]:
    """The results of a topic's equations; one of several names, for each of them."""
    return [one.term.value for one in topic.equations for _ in one.name.split(", ")]


def test_every_layer_is_explained() -> None:
    seen = {node.layer.keyword for checked in NETWORKS.values() for _, node, _ in all_of(checked)}
    assert set(keywords()) == seen


@pytest.mark.parametrize("name", NETWORKS)
def test_the_formulas_come_to_what_checking_counts(name: str) -> None:
    typed = NETWORKS[name].network
    assert isinstance(typed, TypedNetwork)
    fields = receptive_fields(typed)
    for position, node, one in all_of(NETWORKS[name]):
        output, kind = by_title(one, "output"), typed.types[position]
        assert tuple(values(output)) == kind.dims, node.name
        params = 0 if node.share else sum(values(by_title(one, "parameters")))
        assert params == params_of(typed, position), node.name
        assert sum(values(by_title(one, "MACs"))) == macs_of(typed, position), node.name
        field = by_title(one, "receptive field")
        sizes = [row for row in field.equations if not row.name.startswith("jump")]
        assert tuple(values(Topic("", tuple(sizes)))) == fields[position].sizes, node.name
        memory = {row.name: row.term.value for row in by_title(one, "memory").equations}
        assert memory["output"] == kind.bytes
        elements = sum(weight.elements for weight in typed.weights[position])
        assert memory.get("weights", 0) == 4 * elements


@pytest.mark.parametrize("name", NETWORKS)
def test_a_size_that_changes_has_a_formula(name: str) -> None:
    """A bare number is no arithmetic: but for the 1 of what is pooled as a whole, or laid out."""
    typed = NETWORKS[name].network
    assert typed is not None
    for _, node, one in all_of(NETWORKS[name]):
        for equation in by_title(one, "output").equations:
            assert not isinstance(equation.term, Number) or equation.term.value == 1, node.name
        for equation in by_title(one, "MACs").equations:
            assert not isinstance(equation.term, Number), node.name


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_printed_is_true_and_fits_the_terminal(name: str) -> None:
    for _, _, one in all_of(NETWORKS[name]):
        text = one.text()
        assert max(map(len, text.splitlines())) <= 80 or "docs/layers" in text
        for line in text.split("\nwhere ")[0].splitlines():
            if not line.startswith("  as many numbers"):
                check_line(line)


def check_line(line: str) -> None:
    """Work out what stands between the signs of equality, where it is of numbers alone."""
    steps = [step.strip().removesuffix(" bytes") for step in line.split(" = ")]
    result = steps[-1].replace(",", "")
    for step in steps[:-1]:
        numbers = step.split("  ")[-1]
        if re.search(r"[A-Za-z']", re.sub(r"floor|ceil|min|max", "", numbers)):
            continue
        exact = re.sub(r"\d+", r"Fraction(\g<0>)", numbers)
        names = {"Fraction": Fraction, "floor": floor, "ceil": ceil, "min": min, "max": max}
        assert eval(exact, names) == Fraction(result), line


class Doubled(Conv):
    """A layer of somebody else, who changed what is counted, and not the formulas."""

    keyword = "doubled"

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return (*super().weights(*inputs), Weight("more", (7,)))

    @override
    def macs(self, *inputs: TensorType) -> int:
        return 5


def test_a_formula_that_is_not_true_is_not_shown() -> None:
    checked = check_text("input 1x8x8\nc: conv 2@3\n")
    assert checked.network is not None
    node = checked.network.network.nodes[1]
    assert isinstance(node, LayerNode)
    other = replace(node, layer=Doubled(filters=2, kernel=(3,)))
    topics = {one.title: one for one in arithmetic(other, [TensorType((1, 8, 8))], 1, None)}
    assert [one.term for one in topics["parameters"].equations] == [Number(27)]
    assert [one.term for one in topics["MACs"].equations] == [Number(5)]


# --- formulas -----------------------------------------------------------------------------------

W, K, P, S = (
    Symbol(letter, number, "") for letter, number in (("W", 32), ("K", 5), ("P", 2), ("S", 3))
)


@pytest.mark.parametrize(
    ("term", "text", "numbers", "tex"),
    [
        (W - K + 2 * P, "W - K + 2P", "32 - 5 + 2*2", "W - K + 2P"),
        ((W - K) / S + 1, "(W - K)/S + 1", "(32 - 5)/3 + 1", r"\frac{W - K}{S} + 1"),
        (W - (K + 1), "W - (K + 1)", "32 - (5 + 1)", r"W - \left(K + 1\right)"),
        (W * (K / S), "W*K/S", "32*5/3", r"W \, \frac{K}{S}"),
        (W / (K * S), "W/(K*S)", "32/(5*3)", r"\frac{W}{K \, S}"),
        (2 * (W + 1), "2*(W + 1)", "2*(32 + 1)", r"2 \cdot \left(W + 1\right)"),
        (least(W, floored(K / S)), "min(W, floor(K/S))", "min(32, floor(5/3))", None),
        (Symbol("Kh", 3, "") * Symbol("H'", 2, ""), "Kh*H'", "3*2", r"K_{h} \, H'"),
    ],
)
def test_formulas_are_written(term: Symbol, text: str, numbers: str, tex: str | None) -> None:
    assert written(term) == text
    assert written(term, numbers=True) == numbers
    assert tex is None or latex(term) == tex


def test_numbers_are_shown_exactly() -> None:
    values = (1_234_567, Fraction(217, 4), Fraction(38, 3), Fraction(1, 8))
    assert [shown_number(one) for one in values] == ["1,234,567", "54.25", "12 + 2/3", "0.125"]


# --- LaTeX and Markdown -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lenet5", "googlenet", "upconv:17", "attention:17"])
def test_latex_is_rendered(name: str) -> None:
    """Every formula, by matplotlib's own TeX; whole documents where there is a TeX."""
    checked = NETWORKS.get(name) or next(c for n, c in NETWORKS.items() if n.startswith(name[:5]))
    for _, _, one in islice(all_of(checked), 40):
        assert rendered(one)


def rendered(one: LayerArithmetic) -> int:
    """How many formulas an explanation has, once each has been rendered in either form."""
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parser = mathtext.MathTextParser("path")
    count = 0
    parts = re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", one.latex(), re.DOTALL)
    for line in (line for part in parts for line in part.split(r" \\" + "\n")):
        plain = line.replace("&", "").replace(r"\text", r"\mathrm")
        parser.parse(f"${plain.replace('`', '')}$")
        count += 1
    formulas = [found for found in re.findall(r"\$([^$]+)\$", one.markdown()) if "=" in found]
    for formula in formulas:
        parser.parse(f"${formula}$")
    equations = [each for topic in one.topics for each in topic.equations]
    assert len(formulas) == sum(not isinstance(each.term, Number) for each in equations)
    assert count == len(equations)
    return count


@pytest.mark.parametrize("keyword", keywords())
def test_each_layer_comes_in_all_forms(keyword: str) -> None:
    found = [one for checked in NETWORKS.values() for _, _, one in all_of(checked, keyword)]
    assert found
    for one in found[:8]:
        assert rendered(one)
        assert [topic.title.split(",")[0] for topic in one.topics][:3] == [
            "output",
            "parameters",
            "MACs",
        ]
        data = one.to_json()
        for topic, plain in zip(one.topics, data["topics"], strict=True):
            values = [float(each.term.value) for each in topic.equations]
            assert [each["value"] for each in plain["equations"]] == values


def test_a_document_of_it_compiles(tmp_path: Path) -> None:
    tex = shutil.which("pdflatex") or shutil.which("tectonic")
    if tex is None:
        pytest.skip("there is no TeX here")
    text = "\n\n".join(one.latex() for _, _, one in all_of(NETWORKS["lenet5"]))
    head = "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n"
    (tmp_path / "it.tex").write_text(f"{head}{text}\n\\end{{document}}\n")
    subprocess.run([tex, "it.tex"], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)


# --- which layers -------------------------------------------------------------------------------

BLOCKS = """\
network blocks
input 3x32x32
block unit(width) {
  conv width@3 padding 1 -> relu
}
stem: conv 8@5 stride 2 rounding floor -> relu
stage: repeat 2 { unit(8) }
head: unit(4)
flatten -> dense 10
"""


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("stem", ["stem"]),
        ("6", ["stem", "relu1"]),
        ("head", ["head.conv1", "head.relu1"]),
        ("8", ["head.conv1", "head.relu1"]),
        ("stage.2", ["stage.2.unit1.conv1", "stage.2.unit1.relu1"]),
        ("stage.2.unit1.conv1", ["stage.2.unit1.conv1"]),
        ("relu1", ["relu1"]),
    ],
)
def test_labels_and_lines_mean_layers(where: str, names: list[str]) -> None:
    assert [one.name for one in explained(check_text(BLOCKS), where)] == names


@pytest.mark.parametrize(
    ("where", "code", "message", "help"),
    [
        ("sten", "CNN640", "no layer of `blocks` is called `sten`", "did you mean `stem`?"),
        ("head.dense1", "CNN640", "no layer of `blocks` is called `head.dense1`", "give a layer's"),
        ("input", "CNN640", "`input` is an input of 3x32x32, and no layer", "name a layer, as in"),
        ("1", "CNN641", "line 1 has no layer", "the nearest is in line 4"),
        ("100", "CNN641", "line 100 has no layer", "the nearest is in line 9"),
        ("10", "CNN641", "line 10 has no layer", "the nearest is in line 9"),
        ("0", "CNN641", "line 0 has no layer", "the nearest is in line 4"),
    ],
)
def test_what_means_no_layer_is_refused(where: str, code: str, message: str, help: str) -> None:
    with pytest.raises(UserError) as refused:
        explained(check_text(BLOCKS), where)
    assert (refused.value.code, str(refused.value)) == (code, message)
    assert refused.value.help.startswith(help)


@pytest.mark.parametrize("end", ["", "\n"])
def test_lines_are_counted_as_editors_do(end: str) -> None:
    text = f"input 1x8x8\nblock b() {{ relu }}\n\nb(){end}"
    with pytest.raises(UserError) as refused:
        explained(check_text(text, "net.cnn"), "9")
    assert refused.value.notes == ("`net.cnn` has 4 lines",)
    assert refused.value.help == "the nearest is in line 4"
    with pytest.raises(UserError) as inside:
        explained(check_text(text, "net.cnn"), "3")
    assert inside.value.notes == ()


def test_a_scope_without_such_a_layer_tells_of_those_it_has() -> None:
    with pytest.raises(UserError) as refused:
        explained(check_text(BLOCKS), "head.dense1")
    assert refused.value.notes == ("there are `head.conv1`, `head.relu1` in `head`",)


# --- what does not fit, and what is open --------------------------------------------------------


def test_a_layer_with_a_fault_says_why_it_does_not_fit() -> None:
    text = "input 3x224x224\nc: conv 96@11 stride 4\nd: conv 8@3\nflatten -> dense 10\n"
    (one,) = explained(check_text(text), "c")
    assert one.heading.problems[0] == (
        "it does not fit: the kernel does not tile the input: (224 - 11)/4 + 1 = 54.25"
    )
    assert "(W - K + 2P)/S + 1 = (224 - 11 + 2*0)/4 + 1 = 54.25" in one.text()
    assert [topic.title for topic in one.topics] == ["output", "parameters"]
    (behind,) = explained(check_text(text), "d")
    assert "the sizes of its input are not known" in behind.text()
    assert [topic.title for topic in behind.topics] == ["parameters"]
    (last,) = explained(check_text(text), "dense1")
    assert last.topics == ()


def test_a_layer_that_nobody_understands_has_its_error() -> None:
    (one,) = explained(check_text("input 1x8x8\nc: convv 3@3\n"), "c")
    assert one.heading.problems[0].startswith("it does not fit: there is no layer or block `convv`")
    assert one.topics == ()


# --- the interface ------------------------------------------------------------------------------


def test_a_network_explains_its_layers() -> None:
    network = cnndsl.load("lenet5")
    (c3,) = network.arithmetic("C3")
    assert str(c3) == c3.text()
    assert [one.name for one in network.arithmetic(9)] == ["C3", "tanh2"]
    assert "**MACs**" in c3.markdown()
