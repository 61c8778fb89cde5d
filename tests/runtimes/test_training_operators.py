"""Every operator of a training step has a kernel on CUDA: by the table, and by the placement."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import onnx
import onnxruntime
import pytest

from cnndsl import pipeline
from cnndsl.autodiff.rules import Target
from cnndsl.runtime.device import trial
from cnndsl.runtime.start import CUDA
from cnndsl.training.step import build_split, build_step

FLOAT, UINT64, INT64, BOOL, DOUBLE = "float", "uint64", "int64", "bool", "double"
NUMBERS = frozenset({FLOAT, DOUBLE, INT64, UINT64})
REALS = frozenset({FLOAT, DOUBLE})
ANY = NUMBERS | {BOOL}

KERNELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Greater", "Less"), NUMBERS),
        "Equal": ANY,
        **dict.fromkeys(("GreaterOrEqual", "LessOrEqual", "Min", "Max", "Pow"), NUMBERS),
        **dict.fromkeys(("Sum",), REALS),
        **dict.fromkeys(("And", "Or", "Not", "Xor"), frozenset({BOOL})),
        **dict.fromkeys(("Abs", "Neg", "Ceil", "Floor", "Sign"), NUMBERS - {UINT64}),
        **dict.fromkeys(
            ("Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Tanh", "Sigmoid", "Relu", "LeakyRelu"),
            REALS,
        ),
        **dict.fromkeys(("HardSigmoid", "Elu", "Selu", "Softplus", "Clip", "Cos", "Sin"), REALS),
        **dict.fromkeys(("Softmax", "LogSoftmax", "BatchNormalization", "LRN"), REALS),
        **dict.fromkeys(("Conv", "ConvTranspose", "MaxPool", "AveragePool"), REALS),
        **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "Gemm", "MatMul"), REALS),
        **dict.fromkeys(("ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare"), REALS),
        **dict.fromkeys(("ReduceSum", "ReduceMax", "ReduceMin"), REALS | {INT64}),
        **dict.fromkeys(("ArgMax",), REALS),
        **dict.fromkeys(("Resize",), REALS),
        **dict.fromkeys(("Where",), NUMBERS | {BOOL}),
        **dict.fromkeys(("Pad", "Range"), NUMBERS - {UINT64}),
        **dict.fromkeys(
            ("Reshape", "Transpose", "Concat", "Slice", "Flatten", "Expand", "Identity"), ANY
        ),
        **dict.fromkeys(("Squeeze", "Unsqueeze", "Gather", "Tile", "Cast", "Constant"), ANY),
        "ConstantOfShape": ANY,
    }
)
"""Operators with a CUDA kernel at opset 18 in ONNX Runtime 1.23 and later, and for which types."""

NETWORKS = ("lenet5", "alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "densenet121")

OPTIMIZERS = (
    "sgd lr 0.1", "sgd lr 0.1 momentum 0.9 nesterov yes", "adam", "adamw", "rmsprop momentum 0.5",
    "adagrad", "adadelta",
)  # fmt: skip

LOSSES = ("crossentropy smoothing 0.1", "binarycrossentropy", "mse", "mae", "huber", "hinge")


def small(optimizer: str = "sgd", loss: str = "crossentropy") -> str:
    return f"""input 4x12x12
conv 8@3 padding 1 groups 2 -> batchnorm -> lrn 3 -> leakyrelu 0.1 -> dropout
add(identity, depthwise 3 padding 1 -> tanh) -> noise 0.1 -> scaledtanh
concat(maxpool 3 stride 2 padding 1 rounding floor, avgpool 2, sumpool 2) -> conv 6@3 dilation 2
maximum(identity, sigmoid) -> a: relu
multiply(a, a -> globalavgpool -> dense 6 -> sigmoid) -> concat(globalmaxpool, globalavgpool)
dense 5 -> softmax
train {{
  optimizer {optimizer}
  loss {loss}
  weight_decay 1e-4
  clip 1
  lr_factor a 0.5
  max_norm a 1
}}
"""


SPECS = MappingProxyType({f"{o} / {loss}": small(o, loss) for o in OPTIMIZERS for loss in LOSSES})


def step_model(spec: str, target: Target) -> onnx.ModelProto:
    checked = pipeline.check_text(SPECS[spec]) if spec in SPECS else pipeline.check(spec)
    return build_step(pipeline.typed(checked), batch=2, target=target).to_proto()


def types_of(model: onnx.ModelProto) -> dict[str, str]:
    typed = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    values = (*typed.graph.input, *typed.graph.output, *typed.graph.value_info)
    return {
        value.name: onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
        for value in values
    }


def missing(model: onnx.ModelProto) -> set[str]:
    """What has no kernel, as ``Op(type)``."""
    types, found = types_of(model), set()
    for node in model.graph.node:
        data = next((types[name] for name in (*node.input, *node.output) if name), FLOAT)
        if node.op_type == "Where":
            data = types[node.input[1]]
        if data not in KERNELS.get(node.op_type, frozenset()):
            found.add(f"{node.op_type}({data})")
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        pads = list(attributes.get("pads", []))
        uneven = pads[: len(pads) // 2] != pads[len(pads) // 2 :]
        if node.op_type == "ConvTranspose" and (uneven or "auto_pad" in attributes):
            found.add("ConvTranspose with uneven pads")
        if node.op_type == "MaxPool" and len(node.output) > 1:
            found.add("MaxPool with indices, which are slow")
    return found


@pytest.mark.parametrize("target", ["cpu", "cuda"])
@pytest.mark.parametrize("spec", [*NETWORKS, *SPECS])
def test_every_operator_has_a_kernel_on_cuda(spec: str, target: Target) -> None:
    assert missing(step_model(spec, target)) == set()


@pytest.mark.parametrize("target", ["cpu", "cuda"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_operator_of_a_cut_step_has_a_kernel_on_cuda(optimizer: str, target: Target) -> None:
    typed = pipeline.typed(pipeline.check_text(small(optimizer)))
    for step in build_split(typed, batch=2, target=target):
        assert missing(step.to_proto()) == set()


def test_an_operator_without_a_kernel_would_be_found() -> None:
    model = step_model(next(iter(SPECS)), "cpu")
    node = next(node for node in model.graph.node if node.op_type == "Tanh")
    node.op_type = "Celu"
    assert missing(model) == {"Celu(float)"}


@pytest.mark.parametrize("spec", [*NETWORKS, *SPECS])
def test_every_node_is_placed_on_cuda(spec: str) -> None:
    if not (result := trial(CUDA)).works:
        pytest.skip(result.reason)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    onnxruntime.InferenceSession(
        step_model(spec, "cuda").SerializeToString(), options, providers=[CUDA], enable_fallback=0
    )
