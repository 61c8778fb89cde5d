"""Optimizers against PyTorch's, step by step, from random gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy
import onnx
import onnx_ir
import pytest
from gradients import CPU_ONLY
from oracle import relative_error
from small_graphs import Array, Run, checked, graph_of, interpreter, runner
from training_steps import in_double

from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe.optimizers.adadelta import Adadelta
from cnndsl.recipe.optimizers.adagrad import AdaGrad
from cnndsl.recipe.optimizers.adam import Adam
from cnndsl.recipe.optimizers.adamw import AdamW
from cnndsl.recipe.optimizers.base import Optimizer
from cnndsl.recipe.optimizers.rmsprop import RmsProp
from cnndsl.recipe.optimizers.sgd import Sgd
from cnndsl.training.optimizers import Parameter, emit_updates
from cnndsl.training.passes import simplify

FLOAT, INT64 = onnx_ir.DataType.FLOAT, onnx_ir.DataType.INT64

STEPS, BATCH = 25, 3

DIMS = {"conv.weight": (4, 3, 3, 3), "conv.bias": (4,), "fc.weight": (6, 5), "fc.scale": (1,)}
DECAYS = {"conv.weight": 0.125, "fc.weight": 0.125}
RATES = {"conv.weight": 0.5, "conv.bias": 0.5, "fc.scale": 2.0}

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Sgd(),
    "momentum": Sgd(momentum=0.9),
    "nesterov": Sgd(momentum=0.8, nesterov=True),
    "adam": Adam(),
    "adam of other betas": Adam(beta1=0.5, beta2=0.9, eps=1e-3),
    "adam without memory": Adam(beta1=0.0, beta2=0.0, eps=0.1),
    "adamw": AdamW(),
    "rmsprop": RmsProp(),
    "rmsprop without memory": RmsProp(alpha=0.0, eps=0.1),
    "rmsprop with momentum": RmsProp(alpha=0.9, eps=1e-3, momentum=0.9),
    "adagrad": AdaGrad(),
    "adadelta": Adadelta(),
    "adadelta without memory": Adadelta(rho=0.0, eps=0.1),
}

IN_BINARY: dict[str, Optimizer] = {
    "sgd": Sgd(),
    "momentum": Sgd(momentum=0.5),
    "nesterov": Sgd(momentum=0.25, nesterov=True),
    "adam": Adam(beta1=0.875, beta2=0.96875, eps=2**-20),
    "adamw": AdamW(beta1=0.875, beta2=0.96875, eps=2**-20),
    "rmsprop": RmsProp(alpha=0.75, eps=2**-20),
    "rmsprop with momentum": RmsProp(alpha=0.75, eps=2**-10, momentum=0.5),
    "adagrad": AdaGrad(eps=2**-20),
    "adadelta": Adadelta(rho=0.75, eps=2**-20),
}
"""Optimizers whose numbers float32 holds exactly, as the graph's constants are of that type."""


@dataclass(frozen=True)
class Case:
    """An optimizer with all that acts on it; ``products`` are gradients made by a matrix product.

    A product's factors are inputs of the graph: ``NAME.left`` [batch, out] and ``NAME.right``.
    """

    optimizer: Optimizer
    clip: float | None = None
    decays: Mapping[str, float] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    names: Sequence[str] = tuple(DIMS)
    products: Sequence[str] = ()
    norms: Mapping[str, tuple[float, int]] = field(default_factory=dict)


def model_for(case: Case) -> onnx.ModelProto:
    """The update alone, simplified; its new values are called ``NAME.next``."""
    emit = GraphBuilder()
    lr, step = emit.placeholder("lr", (), FLOAT), emit.placeholder("step", (), INT64)
    inputs, parameters = [lr, step], []
    for name in case.names:
        value = emit.placeholder(name, DIMS[name], FLOAT)
        if name in case.products:
            left = emit.placeholder(f"{name}.left", (BATCH, DIMS[name][0]), FLOAT)
            right = emit.placeholder(f"{name}.right", (BATCH, DIMS[name][1]), FLOAT)
            gradient = emit.op("Gemm", left, right, transA=1)
            inputs += [value, left, right]
        else:
            gradient = emit.placeholder(f"{name}.gradient", DIMS[name], FLOAT)
            inputs += [value, gradient]
        decay, rate = case.decays.get(name, 0.0), case.rates.get(name, 1.0)
        most, axis = case.norms.get(name, (None, 0))
        parameters.append(Parameter(name, value, gradient, decay, rate, most, axis))
    updates = emit_updates(emit, case.optimizer, case.clip, parameters, lr, step)
    assert [*updates.weights] == [*case.names]
    for name, (old, new) in updates.state.items():
        assert old.name == name
        assert old.shape == new.shape == onnx_ir.Shape(DIMS[name.rpartition(".")[0]])
    outputs = {f"{name}.next": value for name, value in updates.weights.items()}
    outputs |= {f"{name}.next": new for name, (_, new) in updates.state.items()}
    model = graph_of(emit, [*inputs, *(old for old, _ in updates.state.values())], outputs)
    simplify(model)
    return checked(model)


def lr_at(step: int) -> float:
    """A rate that changes, as a schedule does."""
    return 2.0 ** -(5 + step % 3)


def draws(case: Case, dtype: type = numpy.float32) -> tuple[dict[str, Array], Any]:
    """Weights, and a function that gives each step's feeds and gradients."""
    chance = numpy.random.default_rng(7)
    order = sorted(case.names)
    weights: dict[str, Array] = {
        name: chance.standard_normal(DIMS[name]).astype(dtype) for name in order
    }

    def following() -> tuple[dict[str, Array], dict[str, Array]]:
        feeds: dict[str, Array] = {}
        gradients: dict[str, Array] = {}
        for name in order:
            if name in case.products:
                shapes = [(BATCH, size) for size in DIMS[name]]
                factors: list[Array] = [
                    chance.standard_normal(shape).astype(dtype) for shape in shapes
                ]
                feeds |= {f"{name}.left": factors[0], f"{name}.right": factors[1]}
                gradients[name] = factors[0].astype(float).T @ factors[1].astype(float)
            else:
                gradients[name] = chance.standard_normal(DIMS[name]).astype(dtype)
                feeds[f"{name}.gradient"] = gradients[name]
        return feeds, gradients

    return weights, following


def by_us(
    case: Case,
    make: Callable[[onnx.ModelProto], Run] = runner,
    dtype: type = numpy.float32,
) -> dict[str, Array]:
    """Weights and state after some steps of the graph; the state begins at zero."""
    proto = model_for(case)
    if dtype == numpy.float64:
        proto = in_double(proto)
    run = make(proto)
    weights, following = draws(case, dtype)
    names = [output.name.removesuffix(".next") for output in proto.graph.output]
    state = [name for name in names if name not in weights]
    values = weights | {name: numpy.zeros(DIMS[name.rpartition(".")[0]], dtype) for name in state}
    for step in range(STEPS):
        feeds, _ = following()
        feeds |= {"lr": numpy.array(lr_at(step), dtype), "step": numpy.array(step)}
        found = run(feeds | values)
        values = {name: found[f"{name}.next"] for name in names}
    return values


def by_torch(case: Case, dtype: type = numpy.float32) -> dict[str, Array]:
    """The same in float64 by ``torch.optim``."""
    torch = pytest.importorskip("torch")
    weights, following = draws(case, dtype)
    tensors = {
        name: torch.tensor(array.astype(float), requires_grad=True)
        for name, array in weights.items()
    }
    groups = [
        {"params": [tensor], "weight_decay": case.decays.get(name, 0.0), "name": name}
        for name, tensor in tensors.items()
    ]
    one = case.optimizer
    match one:
        case Sgd():
            optimizer = torch.optim.SGD(groups, lr=1, momentum=one.momentum, nesterov=one.nesterov)
        case Adam():
            kind = torch.optim.AdamW if isinstance(one, AdamW) else torch.optim.Adam
            optimizer = kind(groups, lr=1, betas=(one.beta1, one.beta2), eps=one.eps)
        case RmsProp():
            optimizer = torch.optim.RMSprop(
                groups, lr=1, alpha=one.alpha, eps=one.eps, momentum=one.momentum
            )
        case AdaGrad():
            optimizer = torch.optim.Adagrad(groups, lr=1, eps=one.eps)
        case Adadelta():
            optimizer = torch.optim.Adadelta(groups, lr=1, rho=one.rho, eps=one.eps)
        case _:
            raise AssertionError
    for step in range(STEPS):
        _, gradients = following()
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[name].astype(float))
        if case.clip is not None:
            torch.nn.utils.clip_grad_norm_([*tensors.values()], case.clip)
        for group in optimizer.param_groups:
            group["lr"] = lr_at(step) * case.rates.get(group["name"], 1.0)
        optimizer.step()
        with torch.no_grad():
            for name, (most, axis) in case.norms.items():
                rest = [one for one in range(tensors[name].dim()) if one != axis]
                norm = torch.linalg.vector_norm(tensors[name], dim=rest, keepdim=True)
                # As `torch.renorm`, which divides by the norm and another 1e-7.
                tensors[name].mul_((most / norm).clamp(max=1))
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def assert_equal(found: Mapping[str, Array], expected: Mapping[str, Array], within: float) -> None:
    for name, array in expected.items():
        assert relative_error(found[name], array) < within, name


# --- against PyTorch --------------------------------------------------------------------------

SETTINGS: dict[str, dict[str, Any]] = {
    "alone": {},
    "decay": {"decays": DECAYS},
    "all": {"decays": DECAYS, "rates": RATES, "clip": 3.0},
    "products": {"products": ["fc.weight"]},
    "products and all": {
        "products": ["fc.weight"],
        "decays": DECAYS,
        "rates": RATES | {"fc.weight": 0.25},
    },
    "norms": {"decays": DECAYS, "norms": {"conv.weight": (4.0, 1), "fc.weight": (1.5, 0)}},
    "products and clip": {"products": ["fc.weight"], "decays": DECAYS, "clip": 3.0},
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_pytorch(name: str, setting: str) -> None:
    case = Case(OPTIMIZERS[name], **SETTINGS[setting])
    assert_equal(by_us(case), by_torch(case), within=3e-6)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", IN_BINARY)
def test_in_float64_they_agree_to_its_last_digits(name: str, setting: str) -> None:
    case = Case(IN_BINARY[name], **SETTINGS[setting])
    found = by_us(case, interpreter, numpy.float64)
    assert_equal(found, by_torch(case, numpy.float64), within=1e-12)


def test_clipping_leaves_small_gradients_alone() -> None:
    for name in ("sgd", "adam"):
        plain, clipped = (by_us(Case(OPTIMIZERS[name], clip=clip)) for clip in (None, 1e4))
        assert_equal(clipped, plain, within=1e-6)


def test_clipping_takes_the_norm_of_all_gradients_together() -> None:
    """A gradient far below the limit is scaled down where another one is far above it."""
    for name in ("sgd", "momentum"):
        whole = by_us(Case(OPTIMIZERS[name], clip=3.0))
        alone = by_us(Case(OPTIMIZERS[name], clip=3.0, names=["fc.scale"]))
        assert relative_error(whole["fc.scale"], alone["fc.scale"]) > 1e-3


def test_only_units_above_the_limit_are_scaled_down() -> None:
    """Here there is one of both: what is held is a filter, not the whole of them."""
    run = runner(model_for(Case(Sgd(), names=["fc.weight"], norms={"fc.weight": (5.0, 0)})))
    rows = numpy.diag([10.0, 4.0, 0.0, 5.0, 6.0, 1.0]).astype(numpy.float32)[:, :5]
    feeds: dict[str, Array] = {"fc.weight": rows, "fc.weight.gradient": numpy.zeros_like(rows)}
    feeds |= {"lr": numpy.array(0.1, numpy.float32), "step": numpy.array(0)}
    found = run(feeds)["fc.weight.next"]
    assert found.diagonal() == pytest.approx([5, 4, 0, 5, 5])
    assert numpy.array_equal(found[[1, 2, 3]], rows[[1, 2, 3]])


# --- the graph --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_order_of_the_parameters_changes_nothing(name: str) -> None:
    options: dict[str, Any] = {"decays": DECAYS, "rates": RATES, "clip": 3.0}
    forward = by_us(Case(OPTIMIZERS[name], **options))
    backward = by_us(Case(OPTIMIZERS[name], names=tuple(reversed(DIMS)), **options))
    for key, array in forward.items():
        assert numpy.array_equal(backward[key], array)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("sgd", []),
        ("momentum", ["velocity"]),
        ("nesterov", ["velocity"]),
        ("adam", ["moment1", "moment2"]),
        ("adamw", ["moment1", "moment2"]),
        ("rmsprop", ["square"]),
        ("rmsprop with momentum", ["square", "velocity"]),
        ("adagrad", ["square"]),
        ("adadelta", ["square", "step_square"]),
    ],
)
def test_the_state_has_the_names_that_the_documentation_gives(name: str, kinds: list[str]) -> None:
    optimizer = OPTIMIZERS[name]
    assert len(kinds) == optimizer.slots
    found = {output.name for output in model_for(Case(optimizer)).graph.output}
    expected = {f"{one}.next" for one in DIMS}
    assert found == expected | {f"{one}.{kind}.next" for one in DIMS for kind in kinds}


def nodes_of(case: Case) -> list[str]:
    """The operators of an update, without what nothing needs."""
    proto = model_for(case)
    needed = {output.name for output in proto.graph.output}
    kept = []
    for node in reversed(proto.graph.node):
        if needed & {*node.output}:
            needed |= {*node.input}
            kept.append(node.op_type)
    return [op_type for op_type in kept if op_type != "Constant"]


@pytest.mark.parametrize(
    ("name", "each", "shared"),
    [
        ("sgd", 2, 0),
        ("momentum", 4, 0),
        ("nesterov", 6, 2),
        ("adam", 10, 14),
        ("adamw", 10, 14),
        ("rmsprop", 8, 1),
        ("rmsprop with momentum", 10, 1),
        ("adagrad", 7, 0),
        ("adadelta", 13, 0),
    ],
)
def test_few_operators_are_needed_and_scalars_are_shared(name: str, each: int, shared: int) -> None:
    """Each costs microseconds, which tell where the batch is small."""
    case = Case(OPTIMIZERS[name], names=["conv.bias"])
    one, two = len(nodes_of(case)), len(nodes_of(replace(case, names=["conv.bias", "fc.scale"])))
    assert two - one == each
    assert one - each <= shared


@pytest.mark.parametrize("name", ["sgd", "momentum"])
def test_a_matrix_product_takes_the_rest_of_the_update_in(name: str) -> None:
    """One pass over a large matrix instead of several."""
    case = Case(OPTIMIZERS[name], names=["fc.weight"])
    apart, within = nodes_of(case), nodes_of(replace(case, products=["fc.weight"]))
    assert within.count("Gemm") == 1
    assert len(within) < len(apart) + len(["Gemm"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_operator_has_a_kernel_on_cuda(name: str) -> None:
    assert not {*nodes_of(Case(OPTIMIZERS[name], clip=1.0, decays=DECAYS))} & CPU_ONLY


# --- extremes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_without_a_gradient_stay(name: str) -> None:
    """As those behind a dead unit do; nothing is divided by zero."""
    case = Case(OPTIMIZERS[name], clip=1.0, names=["conv.bias"])
    run = runner(model_for(case))
    bias = numpy.array([1.0, -2.0, 3.0, 0.0], numpy.float32)
    feeds = {"conv.bias": bias, "conv.bias.gradient": numpy.zeros(4, numpy.float32)}
    feeds |= {"lr": numpy.array(0.1, numpy.float32), "step": numpy.array(0)}
    for one in model_for(case).graph.input:
        feeds.setdefault(one.name, numpy.zeros(4, numpy.float32))
    assert numpy.array_equal(run(feeds)["conv.bias.next"], bias)


@pytest.mark.parametrize("name", ["adam", "adamw"])
@pytest.mark.parametrize("done", [0, 10**4, 10**7, 2**53])
def test_bias_correction_keeps_its_digits_at_any_step(name: str, done: int) -> None:
    """In float32, 1 - 0.999^1 has four digits."""
    case = Case(OPTIMIZERS[name], names=["conv.bias"])
    gradient = numpy.array([1.0, -1.0, 2.0, 0.5], numpy.float32)
    feeds = {"conv.bias": numpy.zeros(4, numpy.float32), "conv.bias.gradient": gradient}
    feeds |= {f"conv.bias.moment{i}": numpy.zeros(4, numpy.float32) for i in (1, 2)}
    feeds |= {"lr": numpy.array(0.1, numpy.float32), "step": numpy.array(done)}
    found = runner(model_for(case))(feeds)["conv.bias.next"]
    mean = 0.1 * gradient.astype(float) / (1 - 0.9 ** (done + 1))
    square = 0.001 * gradient.astype(float) ** 2 / (1 - 0.999 ** (done + 1))
    assert relative_error(found, -0.1 * mean / (numpy.sqrt(square) + 1e-8)) < 1e-6
