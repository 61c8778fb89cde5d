"""Mixed precision: which operator computes in what, and what that does to the numbers of a step.

The step as a GPU runs it is computed by the ``onnx`` package's interpreter, whose float16 is
NumPy's; the step as a CPU emulates it by ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy
import onnx
import onnx_ir
import pytest
from gradients import OPERATORS
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from cnndsl import pipeline, resources
from cnndsl.autodiff.rules import Target
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.overrides import override
from cnndsl.graph.initializers import initialise
from cnndsl.recipe.settings import PrecisionWord
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.precision import POLICIES
from cnndsl.training.split import build_split
from cnndsl.training.step import Step, build_step

Arrays = dict[str, NDArray[Any]]

LOW = onnx_ir.DataType.FLOAT16
FEW = ("lenet5",)
ALL = sorted(path.stem for path in resources.specs().glob("*.cnn"))

NETWORKS = {
    "lenet": "input 1x12x12\nC1: conv 4@5 -> tanh -> avgpool 2 -> C2: conv 6@3 -> sigmoid\n"
    "flatten -> F3: dense 8 -> relu -> F4: dense 3",
    "residual": "input 2x9x9\nconv 4@3 stride 2 padding 1 bias no -> batchnorm -> relu\n"
    "add(conv 4@3 padding 1 bias no -> batchnorm, identity) -> relu -> globalavgpool -> dense 3",
    "alexnet": "input 4x11x11\nconv 6@3 groups 2 -> relu -> lrn 3 -> maxpool 3 stride 2\n"
    "flatten -> dense 6 -> relu -> dense 3",
    "gates": "input 3x8x8\nconv 4@3 -> gelu -> layernorm -> depthwise 3 -> silu\n"
    "attention heads 2 -> hardswish -> flatten -> dense 3",
}


def network(text: str, *settings: str) -> TypedNetwork:
    whole = f"{text} -> softmax\ntrain {{\n  batch 4\n" + "".join(f"  {one}\n" for one in settings)
    return pipeline.typed(pipeline.check_text(whole + "}\n"))


def step_of(text: str, precision: str, target: Target, *settings: str) -> Step:
    return build_step(network(text, f"precision {precision}", *settings), target=target)


def sample(step: Step, size: float = 1.0) -> Arrays:
    """Weights, state, one batch and scalars, all that a step takes."""
    random, signature = numpy.random.default_rng(5), step.signature
    weights = {
        name: (random.normal(size=dims) * 0.3).astype(numpy.float32) + (name.endswith("var"))
        for name, dims in signature.weights.items()
    }
    samples = {
        name: (random.normal(size=dims) * size).astype(numpy.float32)
        for name, dims in signature.samples.items()
    }
    labels = random.integers(3, size=signature.batch)
    return {
        **weights,
        **signature.initial_state(),
        **signature.feeds(samples, labels, lr=0.1),
    }


def by_reference(step: Step, values: Mapping[str, NDArray[Any]]) -> Arrays:
    """A step as it stands, in float16 where it says so, by an interpreter."""
    plain: list[type[OpRun]] = [*OPERATORS]
    reference = ReferenceEvaluator(step.to_proto(), new_ops=plain)
    with numpy.errstate(over="ignore", invalid="ignore"):
        results: Any = reference.run(None, dict(values))
    return dict(zip(reference.output_names, results, strict=True))


def by_runtime(step: Step, values: Mapping[str, NDArray[Any]]) -> Arrays:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        step.to_proto().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(values)), strict=True))


def nodes(step: Step) -> Iterator[tuple[str, onnx_ir.Node, bool]]:
    """The operators that compute with numbers, and whether their results are low."""
    for node in step.model.graph:
        dtype = node.outputs[0].dtype
        assert dtype is not None
        if dtype.is_floating_point() and node.op_type not in ("Cast", "Constant"):
            yield node.op_type, node, dtype is LOW


# --- types ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [one if one in FEW else pytest.param(one, marks=pytest.mark.slow) for one in ALL]
)
def test_products_are_low_and_sums_exponentials_and_updates_are_not(name: str) -> None:
    step = build_step(override(pipeline.load(name), ["train.precision=float16"]), batch=2)
    step.to_proto()  # strictly inferred: no operator has inputs of two types
    step = build_step(
        override(pipeline.load(name), ["train.precision=float16"]), batch=2, target="cuda"
    )
    policy, low = POLICIES["float16"], 0
    step.to_proto()
    for op_type, node, is_low in nodes(step):
        low += is_low and op_type in policy.products
        assert not is_low or op_type in policy.products | policy.following, node.name
        assert not is_low or not any(
            part in str(node.name) for part in ("/update", "loss", "/gate", "/unscale")
        ), node.name
    assert low > 4
    values = (*step.signature.inputs, *step.signature.outputs)
    assert {spec.dtype for spec in values} <= {numpy.dtype("float32"), numpy.dtype("int64")}


def test_each_layer_s_own_product_is_low() -> None:
    step = step_of(NETWORKS["lenet"], "float16", "cuda")
    found = {str(node.name): low for kind, node, low in nodes(step) if kind in ("Conv", "Gemm")}
    own = {name: low for name, low in found.items() if name.count("/") == 1}
    assert own == {"C1/Conv": True, "C2/Conv": True, "F3/Gemm": True, "F4/Gemm": True}


def test_what_stands_between_products_stays_low_dropout_s_masks_too() -> None:
    text = "input 2x8x8\nconv 4@3 -> batchnorm -> relu -> dropout 0.3 -> maxpool 2 -> conv 3@2"
    step = step_of(f"{text} -> globalmaxpool", "float16", "cuda")
    between = ("relu1", "dropout1", "maxpool1")
    found = {str(node.outputs[0].name): low for _, node, low in nodes(step)}
    assert [found[name] for name in between] == [True] * 3
    assert not found["batchnorm1/Mul"]  # the squares of its variance


def test_constants_that_float16_does_not_hold_make_an_operator_wide() -> None:
    text = "input 4x4\nconv 4@1 -> clip 0 {most} -> conv 3@1 -> globalmaxpool"
    for most, is_low in ((6, True), (1e5, False)):
        step = step_of(text.format(most=most), "float16", "cuda")
        assert {low for kind, _, low in nodes(step) if kind == "Clip"} == {is_low}


def test_layers_of_squares_and_powers_compute_in_float32() -> None:
    for layer in ("lrn 3", "lppool 2", "rmsnorm", "l2norm", "groupnorm 2"):
        step = step_of(f"input 4x8x8\nconv 4@3 -> L: {layer} -> conv 3@3 -> globalavgpool",
                       "float16", "cuda")  # fmt: skip
        inside = [(kind, low) for kind, node, low in nodes(step) if str(node.name)[:2] == "L/"]
        assert inside
        assert not any(low for kind, low in inside), layer


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_in_bfloat16_products_are_matrices_or_it_is_refused(precision: PrecisionWord) -> None:
    dense = "input 1x6x6\nflatten -> dense 8 -> relu -> dropout 0.5 -> dense 3"
    step = step_of(dense, precision, "cuda")
    types = {node.outputs[0].dtype for node in step.model.graph if node.op_type == "Gemm"}
    assert POLICIES[precision].type in types
    assert bool(step.signature.overflow) == (precision == "float16")
    if precision == "bfloat16":
        with pytest.raises(UserError, match=r"no CUDA kernel of `Conv` for it") as caught:
            step_of(NETWORKS["lenet"], precision, "cuda")
        assert caught.value.code == "CNN850"
        assert caught.value.help == "choose `float16`"


def test_float32_has_no_casts_and_no_scale() -> None:
    step = step_of(NETWORKS["lenet"], "float32", "cuda")
    plain = build_step(network(NETWORKS["lenet"]), target="cuda")
    assert step.to_proto() == plain.to_proto()
    assert not step.signature.overflow


# --- numbers ----------------------------------------------------------------------------------


def updates(step: Step, values: Arrays, found: Arrays) -> Arrays:
    """What a step adds to each of the weights."""
    return {
        name: found[step.signature.next_names[name]] - values[name]
        for name in step.signature.updated
    }


def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    size = float(numpy.linalg.norm(other.astype(numpy.float64)))
    return float(numpy.linalg.norm(one.astype(numpy.float64) - other)) / max(size, 1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_float32_but_for_rounding(name: str) -> None:
    exact = step_of(NETWORKS[name], "float32", "cuda")
    values = sample(exact)
    right = updates(exact, values, by_reference(exact, values))
    mixed = step_of(NETWORKS[name], "float16", "cuda")
    values = {**sample(mixed), "loss_scale": numpy.array(1024, numpy.float32)}
    found = by_reference(mixed, values)
    assert found[mixed.signature.overflow] == 0
    for weight, change in updates(mixed, values, found).items():
        assert 0 < distance(change, right[weight]) < 2e-2, weight


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cpu_emulates_what_a_gpu_computes(name: str) -> None:
    gpu, cpu = (step_of(NETWORKS[name], "float16", target) for target in ("cuda", "cpu"))
    low = {value.dtype for node in cpu.model.graph for value in node.outputs} & {LOW}
    assert {node.op_type for node in cpu.model.graph if node.outputs[0].dtype is LOW} == {"Cast"}
    assert low
    values = sample(gpu)
    right, found = by_reference(gpu, values), by_runtime(cpu, values)
    for weight, change in updates(cpu, values, found).items():
        exact = updates(gpu, values, right)[weight]
        # Sums in another order are rounded to another neighbour, and so are their sums.
        assert distance(change, exact) < 1e-2, weight


def test_emulation_rounds_each_result_and_overflows() -> None:
    """ONNX Runtime's own casts around float16 would be taken away in pairs."""
    text = "input 1x1x1\nC: conv 1@1 bias no -> relu -> D: conv 1@1 bias no -> flatten -> dense 3"
    step = step_of(text, "float16", "cpu")
    values = sample(step)
    values["C.weight"][:], values["D.weight"][:] = 300, 1 / 300
    values["input"][:] = 300  # 90000 is infinite, and would be 300 again
    assert not numpy.isfinite(by_runtime(step, values)["loss"])
    values["C.weight"][:], values["D.weight"][:], values["input"][:] = 1 / 3, 3, 1
    low = numpy.float16(numpy.float32(numpy.float16(1 / 3)) * 3)
    loss = by_runtime(step, values)["loss"]
    weight, bias = (values[name].astype(numpy.float16) for name in ("dense1.weight", "dense1.bias"))
    scores = (low * weight[:, 0].astype(numpy.float32) + bias).astype(numpy.float16)
    wide = scores.astype(numpy.float64)
    logs = wide - numpy.log(numpy.exp(wide).sum())
    expected = -logs[values["labels"]].mean()
    numpy.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "optimizer"), [("lenet", "sgd lr 0.01 momentum 0.9"), ("residual", "adam lr 0.005")]
)
def test_losses_fall_as_in_float32(name: str, optimizer: str) -> None:
    curves = []
    for precision in ("float32", "float16"):
        typed = network(NETWORKS[name], f"precision {precision}", f"optimizer {optimizer}")
        step = build_step(typed)
        random, recipe = numpy.random.default_rng(1), typed.network.recipe
        assert recipe is not None
        train_step = TrainStep(step, initialise(typed, 0, recipe.init), device="cpu", threads=1)
        samples = {
            name: random.normal(size=dims).astype(numpy.float32)
            for name, dims in step.signature.samples.items()
        }
        labels = random.integers(3, size=step.signature.batch)
        lr = recipe.optimizer.lr
        runs = [train_step.run(samples, labels, lr, number, 0) for number in range(40)]
        assert not any(one.skipped for one in runs)
        curves.append([one.loss for one in runs])
    assert curves[0][-1] < curves[0][0] / 2
    numpy.testing.assert_allclose(curves[1], curves[0], rtol=0.05, atol=5e-3)
    assert curves[1] != curves[0]


# --- two graphs -------------------------------------------------------------------------------


def test_a_step_in_two_graphs_is_the_whole_step() -> None:
    settings = ("precision float16", "optimizer adam", "clip 1")
    typed = network(NETWORKS["residual"], *settings)
    whole = build_step(typed)
    first, second = build_split(typed)
    values = sample(whole)
    right = by_runtime(whole, values)
    values = {**values, **first.signature.initial_state()}
    taken = {spec.name for spec in first.signature.inputs}
    found = by_runtime(first, {name: one for name, one in values.items() if name in taken})
    values |= {name: found[name] for name in (spec.name for spec in first.signature.gradients)}
    taken = {spec.name for spec in second.signature.inputs}
    found |= by_runtime(second, {name: one for name, one in values.items() if name in taken})
    for name, output in whole.signature.next_names.items():
        numpy.testing.assert_allclose(found[output], right[output], rtol=1e-5, err_msg=name)
    described = second.signature.description()
    assert described["starts"] == {"loss_scale": 65536.0}


def test_the_files_of_a_step_begin_with_the_loss_scale() -> None:
    files = pipeline.compile_training(network(NETWORKS["lenet"], "precision float16"))
    graph = onnx.load_model_from_string(files.initial.to_bytes())
    found: Any = ReferenceEvaluator(graph).run(["loss_scale", "loss_scale.skipped"], {})
    assert [float(one) for one in found] == [65536.0, 0.0]
