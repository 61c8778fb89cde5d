from collections.abc import Callable

import numpy
import pytest
from onnx import TensorProto, helper

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.artifact import Artifact
from cnndsl.runtime.session import Port, Session

MakeModel = Callable[..., Artifact]


def test_a_session_knows_its_inputs_and_outputs(make_model: MakeModel) -> None:
    session = Session(make_model().to_bytes(), "cpu", threads=1)
    assert session.inputs == (Port("input", "float32", ("N", 1, 4, 4)),)
    assert session.outputs == (Port("output", "float32", ("N", 2)),)
    assert session.device.name == "cpu"


def test_only_the_outputs_asked_for_are_given(two_inputs: Artifact) -> None:
    session = Session(two_inputs.to_bytes(), "cpu")
    feeds = {"left": numpy.ones((1, 3), "f4"), "right": numpy.ones((1, 3), "f4")}
    assert list(session.run(feeds)) == ["output"]


def test_what_onnx_runtime_refuses_is_one_clean_line(
    make_model: MakeModel, capfd: pytest.CaptureFixture[str]
) -> None:
    session = Session(make_model().to_bytes(), "cpu")
    with pytest.raises(UserError) as caught:
        session.run({"input": numpy.zeros((1, 1, 9, 4), numpy.float32)})
    assert caught.value.code == "CNN703"
    assert "\n" not in caught.value.message
    assert "ONNXRuntimeError" not in caught.value.message
    assert capfd.readouterr() == ("", "")


def test_rubbish_is_not_a_model() -> None:
    with pytest.raises(UserError) as caught:
        Session(b"rubbish", "cpu")
    assert caught.value.code == "CNN604"


def test_an_error_within_the_network_is_not_logged_as_well(
    capfd: pytest.CaptureFixture[str],
) -> None:
    table = helper.make_tensor("table", TensorProto.FLOAT, [4, 1], [0.0] * 4)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "tokens"], ["output"])],
        "embedding",
        [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["N", 2])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 2, 1])],
        [table],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = Session(model.SerializeToString(), "cpu")
    with pytest.raises(UserError, match="indices") as caught:
        session.run({"tokens": numpy.array([[1, 9]])})
    assert caught.value.code == "CNN703"
    assert capfd.readouterr() == ("", "")
