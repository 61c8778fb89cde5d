"""How layers are found, and that each of them is documented."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from typing import TypeVar

import pytest
from typing_extensions import override

from cnndsl import resources
from cnndsl.diagnostics.model import UserError
from cnndsl.layers import FOREIGN, find, keywords
from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.reference import parameter_table, refreshed
from cnndsl.registry import Registry

V = TypeVar("V")

EXPECTED = (
    "conv depthwise maxpool avgpool sumpool globalavgpool globalmaxpool flatten dense dropout relu"
    " tanh sigmoid softmax leakyrelu scaledtanh batchnorm lrn identity add multiply maximum concat"
)
GROUP = "cnndsl.layers"
PAGES = resources.docs() / "layers"


def test_all_layers_are_found_by_their_keywords() -> None:
    assert set(EXPECTED.split()) <= set(keywords())
    for keyword in keywords():
        layer = find(keyword)
        assert layer is not None
        assert layer.keyword == keyword
    assert find("fc") is None
    assert find("") is None


def test_every_layer_has_its_page_and_every_page_its_layer() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(keywords())


@pytest.mark.parametrize("keyword", keywords())
def test_the_page_shows_the_parameters_as_they_are(keyword: str) -> None:
    layer = find(keyword)
    assert layer is not None
    page = (PAGES / f"{keyword}.md").read_text("utf-8")
    assert page.startswith(f"# {keyword}\n")
    assert "```cnn\n" in page
    assert refreshed(page, layer) == page, "run: python -m cnndsl.layers.reference"


@pytest.mark.parametrize("keyword", keywords())
def test_every_parameter_and_layer_is_documented(keyword: str) -> None:
    layer = find(keyword)
    assert layer is not None
    assert layer.__doc__
    for name, field in layer.model_fields.items():
        assert field.description, f"{keyword} {name}"
        assert f"| `{name}` |" in parameter_table(layer)
    assert set(layer.positional) <= set(layer.model_fields)


def test_a_page_without_markers_is_refused() -> None:
    layer = find("relu")
    assert layer is not None
    with pytest.raises(ValueError, match="the page lacks"):
        refreshed("# relu\n", layer)


def test_names_of_other_tools_lead_to_ours() -> None:
    known = "fc linear Linear Dense bn BatchNorm2d max_pool MaxPooling2D Conv2d Conv2D avg_pool"
    assert set(known.split()) <= FOREIGN.keys()
    assert (FOREIGN["fc"], FOREIGN["Conv2d"], FOREIGN["gap"]) == ("dense", "conv", "globalavgpool")
    assert set(FOREIGN.values()) <= set(keywords())
    assert not FOREIGN.keys() & set(keywords())


def test_finding_a_layer_loads_neither_arrays_nor_metadata_nor_onnx() -> None:
    script = (
        "import sys, pydantic; from pydantic import BaseModel\n"
        "before = set(sys.modules)\n"
        "from cnndsl.layers import find; assert find('conv')\n"
        "heavy = {'numpy', 'onnx', 'onnx_ir', 'onnxruntime', 'importlib.metadata', 'rich'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    command = [sys.executable, "-c", script]
    environment = {"PYTHONPATH": str(resources.docs().parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"


# --- layers of other packages -----------------------------------------------------------------


class Swirl(Layer):
    """A layer of somebody else."""

    keyword = "swirl"

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return context.inputs[0]


def install(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    point = EntryPoint(name, value, GROUP)
    # A registry that has not looked yet, so that nothing of the test stays.
    monkeypatch.setattr("cnndsl.layers.LAYERS", layers())
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda group: EntryPoints([point]) if group == GROUP else EntryPoints(),
    )


def layers() -> Registry[Layer]:
    return Registry("layer", "cnndsl.layers.base:Layer", package=GROUP, group=GROUP, code="CNN101")


def test_layers_of_other_packages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "swirls", sys.modules[__name__])
    install(monkeypatch, "swirl", "swirls:Swirl")
    assert find("swirl") is Swirl
    assert "swirl" in keywords()
    assert find("conv") is not None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("swirl", "nowhere_at_all:Swirl", "the layer `swirl` of `nowhere_at_all:Swirl` does not"),
        ("swirl", "math:pi", "`math:pi` is not a layer called `swirl`"),
        ("twirl", "swirls:Swirl", "`swirls:Swirl` is not a layer called `twirl`"),
    ],
)
def test_a_broken_layer_of_another_package_is_named(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "swirls", sys.modules[__name__])
    install(monkeypatch, name, value)
    with pytest.raises(UserError, match=message):
        find(name)


def test_no_other_package_can_replace_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "conv", "math:pi")
    layer = find("conv")
    assert layer is not None
    assert layer.__module__ == "cnndsl.layers.conv"
