"""Every operator of a training step has a kernel on CUDA: by the table, and by the placement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy
import numpy.typing
import onnx
import onnxruntime
import pytest

from cnndsl import pipeline, resources
from cnndsl.autodiff.rules import Target
from cnndsl.elaborate.overrides import in_precision, override
from cnndsl.graph.initializers import initialise
from cnndsl.layers import keywords
from cnndsl.layers.base import Init
from cnndsl.recipe.settings import PrecisionWord
from cnndsl.runtime.device import trial
from cnndsl.runtime.selftest_data import random_labels, random_samples
from cnndsl.runtime.start import CUDA
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.split import build_split
from cnndsl.training.step import build_step

FLOAT, UINT64, INT64, BOOL, DOUBLE = "float", "uint64", "int64", "bool", "double"
HALF, BRAIN = "float16", "bfloat16"
NUMBERS = frozenset({FLOAT, DOUBLE, INT64, UINT64, HALF})
REALS = frozenset({FLOAT, DOUBLE, HALF})
ANY = NUMBERS | {BOOL, BRAIN}

KERNELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Min", "Max"), NUMBERS | {BRAIN}),
        "Equal": ANY - {BRAIN},
        **dict.fromkeys(("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Pow"), NUMBERS),
        **dict.fromkeys(("Sum", "Gemm", "MatMul", "Tanh", "Sigmoid", "Relu"), REALS | {BRAIN}),
        **dict.fromkeys(("And", "Or", "Not", "Xor"), frozenset({BOOL})),
        **dict.fromkeys(("Abs", "Neg", "Ceil", "Floor"), NUMBERS - {UINT64}),
        "Sign": NUMBERS - {UINT64, HALF},
        **dict.fromkeys(("Exp", "Log", "Sqrt", "Reciprocal", "Erf", "LeakyRelu"), REALS),
        **dict.fromkeys(("HardSigmoid", "Elu", "Selu", "Softplus", "Clip", "Cos", "Sin"), REALS),
        **dict.fromkeys(("Softmax", "LogSoftmax", "BatchNormalization", "LRN"), REALS),
        **dict.fromkeys(("Conv", "ConvTranspose", "MaxPool", "AveragePool"), REALS),
        **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), REALS),
        **dict.fromkeys(("ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare"), REALS),
        **dict.fromkeys(("ReduceSum", "ReduceMax", "ReduceMin"), REALS | {INT64}),
        **dict.fromkeys(("ArgMax",), REALS),
        **dict.fromkeys(("Resize",), REALS),
        **dict.fromkeys(("Where",), NUMBERS | {BOOL}),
        "Pad": NUMBERS - {UINT64},
        "Range": NUMBERS - {UINT64, HALF},
        **dict.fromkeys(
            ("Reshape", "Transpose", "Concat", "Split", "Slice", "Flatten", "Expand", "Identity"),
            ANY,
        ),
        **dict.fromkeys(("Squeeze", "Unsqueeze", "Gather", "Cast", "Constant"), ANY),
        "Tile": ANY - {BRAIN},
        "ConstantOfShape": ANY,
        **dict.fromkeys(("InstanceNormalization", "LayerNormalization", "Softsign"), REALS),
        **dict.fromkeys(("GatherElements", "GatherND", "ScatterElements"), ANY - {BRAIN}),
        "IsNaN": REALS,
        # A function of ONNX, which is taken apart where a device has no kernel for it.
        "HardSwish": REALS - {HALF},
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


END = "\nflatten -> dense 3 -> softmax\n"

LAYERS = MappingProxyType(
    {
        "pools": "input 4x13x12\nconv 4@1 -> minpool 2 stride 1 -> lppool 2 stride 1\n"
        "lppool 2 p 3 stride 1 -> relu -> stochasticpool 2 stride 1 -> subsample [1, 2] stride 1"
        " rounding floor\nfractionalmaxpool 6 -> adaptivemaxpool 4 -> adaptiveavgpool 3\n"
        "concat(globallppool, globallppool p 3, maxtime -> flatten)",
        "activations": "input 4x6\nconv 4@1 -> prelu -> elu -> selu -> relu6 -> clip -1 1"
        " -> softplus -> softsign -> silu -> gelu -> gelu form tanh -> mish -> hardswish\n"
        "hardsigmoid -> hardtanh -> maxout 2 -> logsoftmax",
        "norms": "input 4x6x6\nconv 4@1 -> layernorm -> layernorm over channels -> groupnorm 2\n"
        "instancenorm -> rmsnorm -> l2norm -> lrn 3 region within -> scale -> bias",
        "shapes": "input 4x6x6\nconv 4@1 -> pad 1 mode reflect -> pad [1, 0, 2, 1] mode edge\n"
        "pad 1 value 2 -> crop 6 -> slice 1..3 axis height -> transpose [0, 2, 1]\n"
        "reshape 4x9x2 -> upsample 2 -> upsample 2 mode bilinear -> channelshuffle 2\n"
        "depthtospace 2 -> spacetodepth 2 -> identity",
        "kernels": "input 2x6x6\nconv 4@3 -> localconv 4@2 -> upconv 4@3 stride 2\n"
        "filter [[1, 0, -1]] -> attention heads 2",
        "joins": "input 4x6x6\nconv 4@1 -> c: conv 4@1\na, b = split 2\n"
        "minimum(a, b) -> multiply(identity, b) -> matmul(identity, a)",
        "chance": "input 4x6x6\nconv 4@1 -> spatialdropout 0.2 -> alphadropout 0.2\n"
        "droppath 0.2 -> flatten -> dropconnect 5 -> rbf 4",
        "places": "input 4x8x8\nconv 4@3 padding 1 -> p: maxpool 2\nconv 4@1 -> unpool p",
        "tokens": "input tokens 12 vocabulary 30\nembedding 4 padding_id 0 -> conv 4@3",
        "regions": "input maps 4x8x8\ninput regions 3x4\nc = maps -> conv 4@1\n"
        "add(roipool(c, regions, size = 2, scale = 1), roialign(c, regions, size = 2, scale = 1))",
    }
)
"""All layers that `small` has not, each behind something that learns."""

SLOW = MappingProxyType({"places": {"MaxPool with indices, which are slow"}})
"""Unpooling needs them in its forward pass."""

SPECS = MappingProxyType(
    {f"{o} / {loss}": small(o, loss) for o in OPTIMIZERS for loss in LOSSES}
    | {name: text + END for name, text in LAYERS.items()}
    | {
        "dense": "input 1x6x6\nflatten -> dense 8 -> relu -> dropout 0.5 -> dense 8 -> tanh\n"
        "add(identity, dense 8 -> sigmoid) -> dense 3 -> softmax"
    }
)

ROUNDED = MappingProxyType({"kernels": 0.2})
"""Of the scores of attention, some are so large that their last digit in float16 is 0.1."""

FEW = ("lenet5",)
SHIPPED = sorted(path.stem for path in resources.specs().glob("*.cnn"))


def step_model(spec: str, target: Target, precision: PrecisionWord = "float32") -> onnx.ModelProto:
    checked = pipeline.check_text(SPECS[spec]) if spec in SPECS else pipeline.check(spec)
    typed = in_precision(pipeline.typed(checked), precision)
    return build_step(typed, batch=2, target=target).to_proto()


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
    assert missing(step_model(spec, target)) == SLOW.get(spec, set())


@pytest.mark.parametrize(
    "spec",
    [
        *(one if one in FEW else pytest.param(one, marks=pytest.mark.slow) for one in SHIPPED),
        *(one for one in SPECS if one in LAYERS or one == next(iter(SPECS))),
    ],
)
def test_every_operator_has_a_kernel_in_float16_too(spec: str) -> None:
    model = step_model(spec, "cuda", "float16")
    assert missing(model) == SLOW.get(spec, set())
    assert HALF in types_of(model).values()


@pytest.mark.parametrize("spec", LAYERS)
def test_a_layer_s_gradients_in_float16_are_those_of_float32_but_for_rounding(spec: str) -> None:
    typed = pipeline.typed(pipeline.check_text(SPECS[spec]))
    weights = initialise(typed, 3, Init("he"))
    changes: list[dict[str, numpy.typing.NDArray[Any]]] = []
    for precision in ("float32", "float16"):
        plain = override(typed, ["train.optimizer=sgd lr 1", f"train.precision={precision}"])
        step = build_step(plain, batch=4)
        signature, random = step.signature, numpy.random.default_rng(0)
        samples = {
            one.name: random_samples(one.type, signature.samples[one.name], random)
            for one in typed.network.inputs
        }
        (labels,) = signature.labels.values()
        answers = random_labels(labels, typed.main_type.channels, random)
        state = {**signature.initial_state(), "loss_scale": numpy.array(256, numpy.float32)}
        train_step = TrainStep(step, weights, state, device="cpu", threads=1)
        assert not train_step.run(samples, answers, 1.0, 0, 0).skipped
        now = train_step.weights()
        changes.append({name: now[name] - weights[name] for name in signature.updated})
    exact, mixed = changes
    largest = max(float(numpy.linalg.norm(one)) for one in exact.values())
    for name, one in exact.items():
        lost = float(numpy.linalg.norm(mixed[name] - one))
        # What is 0 but for rounding, a bias before a normalisation, is other rounding here.
        size = float(numpy.linalg.norm(one))
        assert lost < ROUNDED.get(spec, 0.02) * size + 1e-4 * largest, name


def test_every_operator_of_matrix_products_has_a_kernel_in_bfloat16() -> None:
    model = step_model("dense", "cuda", "bfloat16")
    assert missing(model) == set()
    assert BRAIN in types_of(model).values()


def test_no_layer_is_left_out() -> None:
    used = set(re.findall(r"[a-z]+\w*", " ".join([*LAYERS.values(), small()])))
    assert set(keywords()) - used == set()


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


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("spec", [*NETWORKS, *SPECS])
def test_every_node_is_placed_on_cuda(spec: str, precision: PrecisionWord) -> None:
    if not (result := trial(CUDA)).works:
        pytest.skip(result.reason)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    onnxruntime.InferenceSession(
        step_model(spec, "cuda", precision).SerializeToString(),
        options,
        providers=[CUDA],
        enable_fallback=0,
    )
