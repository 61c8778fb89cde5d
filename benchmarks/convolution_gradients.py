"""Times every algorithm of a convolution's gradients, beside PyTorch's kernel.

    python benchmarks/convolution_gradients.py [--threads 2] 8,64,56,64,3 4,144,56,144,3,1,144 ...

A convolution is pictures, channels, the side of a map, filters, the side of the kernel, and where
they are not 1 its stride, groups and dilation; maps of three dimensions have ``16x56x56`` as their
side. Its padding keeps the size. For each gradient a line gives the milliseconds of PyTorch and of
every algorithm, the fastest of many runs in turn, and marks the one that is chosen. All must agree.
Behind the standard forms stand those of this machine, with the one that `host` takes marked.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy
import onnx_ir
import onnxruntime
import torch

from cnndsl.autodiff import convolution
from cnndsl.autodiff.geometry import Algorithm, Convolved, Geometry
from cnndsl.autodiff.rules import VjpContext
from cnndsl.graph.builder import IR_VERSIONS, GraphBuilder
from cnndsl.runtime.host import found_host
from cnndsl.training.host.blocked import kernel_gradient, pictures_in_blocks
from cnndsl.training.host.input_gradient import input_gradient
from cnndsl.training.host.models import input_value, model_bytes
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.host.rule import (
    can_block_input_gradient,
    can_block_kernel_gradient,
    is_faster_input_gradient,
    is_faster_kernel_gradient,
)
from cnndsl.training.host.tiled import can_tile

SECONDS = 0.2
"""How long to time each algorithm for."""

Arrays = tuple[Any, Any, Any]
"""The input, the kernels and the gradient of the output, in float32."""

Blocked = Callable[..., onnx_ir.Value]
"""Emits a gradient in blocks, of nodes, geometry, block and two values."""


def geometry_of(text: str) -> Geometry:
    """``8,64,56,64,3``."""
    batch, channels, side, filters, kernel, *rest = text.split(",")
    stride, groups, dilation = [int(one) for one in rest] + [1, 1, 1][len(rest) :]
    inputs = tuple(int(one) for one in side.split("x"))
    inputs = inputs * 2 if len(inputs) == 1 else inputs
    each = (1,) * len(inputs)
    pad = dilation * (int(kernel) - 1) // 2
    reach = dilation * (int(kernel) - 1) + 1
    return Geometry(
        batch=int(batch),
        groups=groups,
        channels=int(channels),
        filters=int(filters),
        inputs=inputs,
        outputs=tuple((size + 2 * pad - reach) // stride + 1 for size in inputs),
        kernel=tuple(int(kernel) * one for one in each),
        strides=tuple(stride * one for one in each),
        dilations=tuple(dilation * one for one in each),
        before=tuple(pad * one for one in each),
        after=tuple(pad * one for one in each),
    )


def arrays_of(g: Geometry) -> Arrays:
    """Random numbers of a convolution's shapes."""
    random = numpy.random.default_rng(0)
    return (
        random.standard_normal((g.batch, g.channels, *g.inputs), numpy.float32),
        random.standard_normal((g.filters, g.per_group, *g.kernel), numpy.float32),
        random.standard_normal((g.batch, g.filters, *g.outputs), numpy.float32),
    )


def ours(g: Geometry, algorithm: Algorithm, arrays: Arrays, threads: int) -> Callable[[], Any]:
    """A run of a graph of one gradient."""
    emit = GraphBuilder()
    names = ("source", "kernels", "gradient")
    values = [
        emit.placeholder(name, array.shape, onnx_ir.DataType.FLOAT)
        for name, array in zip(names, arrays, strict=True)
    ]
    emit.enter("convolution")
    pads = [*g.before, *g.after]
    emit.op(
        "Conv", *values[:2], strides=g.strides, dilations=g.dilations, pads=pads, group=g.groups
    )
    context = VjpContext(emit, emit.nodes[-1], values[2], (True, True), "cpu")
    result = algorithm(Convolved(context, g, *values))
    graph = onnx_ir.Graph(
        values, [result], nodes=emit.nodes[1:], opset_imports={"": emit.opset}, name="gradient"
    )
    model = onnx_ir.to_proto(onnx_ir.Model(graph, ir_version=IR_VERSIONS[emit.opset]))
    return started(model.SerializeToString(), dict(zip(names, arrays, strict=True)), threads)


def blocked(
    g: Geometry, form: Blocked, arrays: tuple[Any, Any], block: int, threads: int
) -> Callable[[], Any]:
    """A run of a model of one gradient in blocks, of the two that it is made of."""
    feeds = dict(zip(("first", "second"), arrays, strict=True))
    values = [input_value(name, array.shape) for name, array in feeds.items()]
    emit = BlockedNodes()
    made = {"result": form(emit, g, block, *values)}
    return started(model_bytes(values, made, emit), feeds, threads)


def blocked_forms(g: Geometry, part: str, block: int) -> dict[str, Blocked]:
    """Those of a gradient that there are, with the one that `host` takes marked."""
    if part == "input":
        mark = "*" if is_faster_input_gradient(g, block) else ""
        return {f"blocked{mark}": input_gradient} if can_block_input_gradient(g, block) else {}
    if not can_block_kernel_gradient(g, block):
        return {}
    mark = "*" if is_faster_kernel_gradient(g, block) else ""
    if not can_tile(g, block):
        return {f"blocked{mark}": kernel_gradient}
    pictures = {"pictures in blocks": pictures_in_blocks} if g.meets_input else {}
    return {**pictures, f"tiled{mark}": kernel_gradient}


def started(model: bytes, feeds: Mapping[str, Any], threads: int) -> Callable[[], Any]:
    """A run of a model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        model,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["NchwcTransformer"],
    )
    return lambda: session.run(None, feeds)[0]


def theirs(g: Geometry, arrays: Arrays, at: int) -> Callable[[], Any]:
    """A run of PyTorch's gradient of the input (0) or of the kernels (1)."""
    source, kernels, gradient = (torch.from_numpy(array) for array in arrays)
    sizes = (g.strides, g.before, g.dilations, False, (0,) * g.rank, g.groups)
    wanted = (at == 0, at == 1, False)
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(gradient, source, kernels, None, *sizes, wanted)[at].numpy()


def fastest(runs: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """The milliseconds of the fastest run of each, in turn."""
    best = dict.fromkeys(runs, float("inf"))
    end = time.perf_counter() + SECONDS * len(runs)
    while time.perf_counter() < end:
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - begin)
    return {name: seconds * 1e3 for name, seconds in best.items()}


def lines(text: str, threads: int) -> Iterator[str]:
    """A line for each gradient of a convolution."""
    g, host = geometry_of(text), found_host()
    arrays = arrays_of(g)
    parts = [
        ("input", convolution.INPUT_ALGORITHMS, convolution.choose_input_algorithm),
        ("kernels", convolution.KERNEL_ALGORITHMS, convolution.choose_kernel_algorithm),
    ]
    for at, (part, algorithms, choose) in enumerate(parts):
        runs = {"PyTorch": theirs(g, arrays, at)}
        expected = runs["PyTorch"]()
        for algorithm, is_right in algorithms.items():
            if is_right(g):
                mark = "*" if algorithm is choose(g, "cpu") else ""
                runs[algorithm.__name__ + mark] = ours(g, algorithm, arrays, threads)
        if host is not None:
            made_of = (arrays[2], arrays[1]) if part == "input" else (arrays[0], arrays[2])
            for name, form in blocked_forms(g, part, host.block).items():
                runs[name] = blocked(g, form, made_of, host.block, threads)
        for name, run in runs.items():
            error = numpy.abs(run() - expected).max() / numpy.abs(expected).max()
            assert error < 1e-4, f"{name}: {error}"
        times = "  ".join(f"{name} {ms:.3g}" for name, ms in fastest(runs).items())
        yield f"{text} {part}: {times}"


def main() -> None:
    """Print the lines of the convolutions that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "convolutions", nargs="+", metavar="N,C,SIDE,M,K[,STRIDE[,GROUPS[,DILATION]]]"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for text in options.convolutions:
        for line in lines(text, options.threads):
            print(line, flush=True)


if __name__ == "__main__":
    main()
