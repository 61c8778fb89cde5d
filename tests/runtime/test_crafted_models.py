"""Whatever a model's file says, it runs, or it is refused with a code: never a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper
from PIL import Image

import cnndsl
from cnndsl import pipeline
from cnndsl.cli import main
from cnndsl.diagnostics.model import CnndslError, UserError
from cnndsl.runtime.model import Model

SPEC = """network small
input 1x4x4 { scale 1/255 }
classes "no", "yes"
C: conv 1@3 -> relu -> flatten -> dense 2 -> softmax
"""

Craft = Callable[[onnx.ModelProto], object]


def external(place: str) -> Craft:
    def craft(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)

    return craft


def weight(field: str, value: object) -> Craft:
    return lambda model: setattr(model.graph.initializer[0], field, value)


def dims(*sizes: int) -> Craft:
    def craft(model: onnx.ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(sizes)

    return craft


def without(field: str) -> Craft:
    return lambda model: model.graph.ClearField(field)


def port(kind: str, element: int | None, shape: list[Any] | None) -> Craft:
    def craft(model: onnx.ModelProto) -> None:
        found = getattr(model.graph, kind)[0]
        found.CopyFrom(helper.make_tensor_value_info(found.name, element or 1, shape))
        if element is None:
            found.ClearField("type")

    return craft


def ends_with(operator: str, element: int, shape: list[Any], **attributes: Any) -> Craft:
    def craft(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node(operator, ["output"], ["last"], **attributes))
        sequence = operator == "SequenceConstruct"
        make: Callable[..., Any] = (
            helper.make_tensor_sequence_value_info if sequence else helper.make_tensor_value_info
        )
        model.graph.output[0].CopyFrom(make("last", element, shape))

    return craft


def branch(model: onnx.ModelProto) -> None:
    """A graph in a graph, and on CUDA or not, a layer that is no tensor of a spec."""
    value = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    inner = helper.make_graph([helper.make_node("Identity", ["C"], ["z"])], "inner", [], [value])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    model.graph.node.append(helper.make_node("Constant", [], ["yes"], value=yes))
    model.graph.node.append(
        helper.make_node("If", ["yes"], ["C2"], then_branch=inner, else_branch=inner)
    )


def deep(model: onnx.ModelProto) -> None:
    graph = model.graph
    for _ in range(40):
        attribute = graph.node.add(op_type="If").attribute.add(name="then_branch", type=5)
        graph = attribute.g


def function(model: onnx.ModelProto) -> None:
    """One that calls itself."""
    made = model.functions.add(name="F", domain="own", input=["a"], output=["b"])
    made.node.add(op_type="F", domain="own", input=["a"], output=["b"])
    made.opset_import.add(domain="own", version=1)
    model.opset_import.add(domain="own", version=1)
    model.graph.node[1].op_type, model.graph.node[1].domain = "F", "own"


def sparse(model: onnx.ModelProto) -> None:
    dense = model.graph.initializer[0]
    made = model.graph.sparse_initializer.add(dims=dense.dims)
    made.values.CopyFrom(helper.make_tensor(dense.name, TensorProto.FLOAT, [1], [1.0]))
    made.indices.CopyFrom(helper.make_tensor("", TensorProto.INT64, [1], [0]))
    del model.graph.initializer[0]


def sequence_of_layers(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("SequenceConstruct", ["C"], ["parts"]))
    says("layers", '{"C":"parts"}')(model)


def says(name: str, text: str) -> Craft:
    def craft(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            if entry.key == f"cnndsl.{name}":
                entry.value = text
                return
        model.metadata_props.add(key=f"cnndsl.{name}", value=text)

    return craft


F, S, B = TensorProto.FLOAT, TensorProto.STRING, TensorProto.BOOL

GRAPHS: Mapping[str, Craft] = {
    "weights in /etc/passwd": external("/etc/passwd"),
    "weights outside the folder": external("../../../../etc/passwd"),
    "weights nowhere": external("nowhere"),
    "weights of type 999": weight("data_type", 999),
    "weights of texts": weight("data_type", 8),
    "weights of float16": weight("data_type", 10),
    "too few numbers": weight("raw_data", b"123"),
    "negative sizes": dims(1, 1, -3, -3),
    "huge sizes": dims(2**40, 2**40),
    "no weights": without("initializer"),
    "no input": without("input"),
    "no output": without("output"),
    "no node": without("node"),
    "no graph": lambda model: model.ClearField("graph"),
    "input of texts": port("input", S, ["N", 1, 4, 4]),
    "input of type 999": port("input", 999, ["N", 1, 4, 4]),
    "input of no type": port("input", None, None),
    "input of no shape": port("input", F, None),
    "input that is a number": port("input", F, []),
    "batch of none": port("input", F, [0, 1, 4, 4]),
    "batch of too many": port("input", F, [2**31 - 1, 1, 4, 4]),
    "output of no shape": port("output", F, None),
    "output that is a number": ends_with("ReduceSum", F, [], keepdims=0),
    "output of one row": ends_with("ReduceSum", F, ["a", "b"], keepdims=1),
    "output of texts": ends_with("Cast", S, ["N", 2], to=S),
    "output of yes and no": ends_with("Cast", B, ["N", 2], to=B),
    "output that is a sequence": ends_with("SequenceConstruct", F, ["N", 2]),
    "layer that is a sequence": sequence_of_layers,
    "two outputs of one name": lambda model: model.graph.output.append(model.graph.output[0]),
    "a branch": branch,
    "nested branches": deep,
    "a function": function,
    "a sparse weight": sparse,
    "opset 0": lambda model: setattr(model.opset_import[0], "version", 0),
    "opset 999": lambda model: setattr(model.opset_import[0], "version", 999),
    "no opset": lambda model: model.ClearField("opset_import"),
    "ir version 999": lambda model: setattr(model, "ir_version", 999),
}

MANIFESTS: Mapping[str, Craft] = {
    f"{name} {text[:24]!r}": says(name, text)
    for name, texts in {
        "preparation": (
            '{"input":{"mean":[1,2]}}',
            '{"input":{"layout":"bgr"}}',
            '{"input":{"scale":NaN}}',
            '{"input":null}',
            "[" * 100_000,
        ),
        "classes": ("null", '["\\ud800","b"]', "[[1],[2]]", '["a"]', "9" * 5000),
        "layers": ('{"C":"\\ud800"}', '{"C":"nowhere"}', '{"C":""}', '{"C":"C.weight"}', "[]"),
        "parameters": ("7", '{"\\ud800":"b"}'),
        "learnable": ("9" * 5000, "", "-3", "1e5"),
        "seed": ("9" * 5000, "x"),
        "format": ("x", "99"),
        "spec": (
            "",
            "\x00",
            "garbage (",
            "network other\ninput 2x4x4\nC: conv 1@3 -> relu -> flatten -> dense 2\n",
            'input 3\nimport "/etc/passwd"\nrelu\n',
            'input 1x4x4\nclasses from "/etc/passwd"\nrelu\n',
            "input 1x4x4\n" + "(" * 100_000,
        ),
        "spec_sha256": ("", "x"),
        "version": ("", "\x1b[31m"),
    }.items()
    for text in texts
}


@pytest.fixture(scope="module")
def proto() -> onnx.ModelProto:
    """A model of format 1, so that it need not carry its checksum."""
    model = pipeline.compile(pipeline.typed(pipeline.check_text(SPEC))).to_proto()
    kept = [
        one for one in model.metadata_props if one.key not in ("cnndsl.format", "cnndsl.sha256")
    ]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    return model


@pytest.fixture
def place(tmp_path: Path) -> Path:
    numpy.save(tmp_path / "a.npy", numpy.zeros((2, 1, 4, 4), numpy.uint8))
    for name in ("no", "yes"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "data" / name / "a.png")
    return tmp_path


def write(proto: onnx.ModelProto, craft: Craft, folder: Path) -> Path:
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    craft(model)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


@pytest.mark.parametrize("name", [*GRAPHS, *MANIFESTS])
def test_python_gives_an_answer_or_an_error_of_its_own(
    proto: onnx.ModelProto, name: str, place: Path
) -> None:
    path = write(proto, {**GRAPHS, **MANIFESTS}[name], place)
    network = cnndsl.parse(SPEC)
    actions: list[Callable[[], object]] = [
        lambda: Model(path, device="cpu").inputs,
        lambda: Model(path, device="cpu").run(numpy.zeros((2, 1, 4, 4), numpy.uint8)),
        lambda: [one.top(5) for one in Model(path, device="cpu").predict([place / "a.npy"])],
        lambda: list(Model(path, device="cpu").predict([place / "a.npy"], layers=["C"])),
        lambda: cnndsl.load(path),
        lambda: network.evaluate(place / "data", path, split="train", device="cpu"),
    ]
    for action in actions:
        with suppress(CnndslError):
            action()


@pytest.mark.parametrize("name", [*GRAPHS, *MANIFESTS])
def test_a_command_ends_with_an_answer_or_one_error(
    proto: onnx.ModelProto, name: str, place: Path
) -> None:
    path = str(write(proto, {**GRAPHS, **MANIFESTS}[name], place))
    array, data = str(place / "a.npy"), str(place / "data")
    for words in (
        ["show", path],
        ["run", path, array, "--device", "cpu"],
        ["run", path, array, "--device", "cpu", "--layers", "C", "--format", "json"],
        ["eval", path, "--data", data, "--split", "train", "--device", "cpu"],
    ):
        done = CliRunner().invoke(main, words)
        assert done.exit_code in (0, 1), done.stderr
        assert done.exit_code == 0 or "error[CNN" in done.stderr


@pytest.mark.parametrize("place_of_weights", ["secret", "../secret", "/etc/passwd"])
def test_no_other_file_is_read_as_a_weight(
    proto: onnx.ModelProto, place: Path, place_of_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    (place / "secret").write_bytes(bytes(36))
    path = write(proto, external(place_of_weights), place)
    with pytest.raises(UserError, match="keeps weights in other files") as caught:
        cnndsl.parse(SPEC).evaluate(place / "data", path, split="train", device="cpu")
    assert caught.value.code == "CNN604"
    with pytest.raises(UserError, match="keeps weights in other files"):
        list(Model(path, device="cpu").predict([place / "a.npy"], layers=["C"]))


def test_rows_that_are_fewer_than_the_samples_are_refused(
    proto: onnx.ModelProto, place: Path
) -> None:
    def craft(model: onnx.ModelProto) -> None:
        GRAPHS["output of one row"](model)
        says("classes", "[]")(model)

    path = write(proto, craft, place)
    with pytest.raises(UserError, match="`last` is not one value for each sample"):
        list(Model(path, device="cpu").predict([place / "a.npy"]))


@pytest.mark.parametrize("threads", [0, -1, 2.5, "two"])
def test_an_impossible_number_of_threads_is_a_value_error(
    proto: onnx.ModelProto, place: Path, threads: Any
) -> None:
    path = write(proto, lambda model: None, place)
    with pytest.raises(ValueError, match="`threads` must be a whole number from 1 on"):
        _ = Model(path, device="cpu", threads=threads).inputs


def test_more_threads_than_processors_are_as_many_as_processors(
    proto: onnx.ModelProto, place: Path
) -> None:
    path = write(proto, lambda model: None, place)
    array = numpy.zeros((4, 4), numpy.uint8)
    assert Model(path, device="cpu", threads=2**31).run(array).shape == (2,)
    words = ["eval", path, "--data", place / "data", "--split", "train", "--threads", 2**31]
    done = CliRunner().invoke(main, [*map(str, words), "--device", "cpu"])
    assert done.exit_code == 0, done.stderr
    assert "note: `--threads 2147483648` is more than this machine has: " in done.stderr
