"""What a compiled network's answer costs beside PyTorch's, exported to ONNX and eager.

    python benchmarks/inference.py [--only resnet18:1] [--pairs 9] [--threads 2] [--json FILE]
    python benchmarks/inference.py --models FOLDER --prepare && ... --models FOLDER
    python benchmarks/inference.py --operators --only googlenet:1

Each shipped network is compiled by us with a free batch, as `cnndsl compile` does without options,
and written in PyTorch (``networks_in_torch.py``) with the same weights; that module is exported for
the very batch by ``torch.onnx.export``: by way of TorchScript, and with ``dynamo=True`` where
onnxscript is installed. All graphs run in the same ONNX Runtime with its usual options, but that
threads do not spin while they wait: they would take the other side's processors.
Before anything is timed, all must give the same answers.

A pair is some answers of ours and as many of a peer, in turns who is first, so that a slower
machine slows both; the figure is the median of the pairs' ratios, with the quartiles beside it:
above 1, ours is the faster one. Exporting takes longer than measuring: ``--models`` keeps what was
exported.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import logging
import math
import statistics
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import torch
from machine import description
from networks_in_torch import ABSENT, NetworkInTorch
from turns import spread

from cnndsl import pipeline
from cnndsl.elaborate.modules import shipped_specs
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.lower import network_weights
from cnndsl.runtime.start import CPU

BATCHES = (1, 8)

PAUSE = 0.03
"""Seconds between two sides' turns: the threads of the first stop waiting for more work."""

TURN = 0.1
"""Seconds that a turn of the slower side should last."""

TOLERANCE = 1e-3
"""How much two sides' answers may differ, as a part of the largest."""

EXPORTERS: Mapping[str, Mapping[str, Any]] = {
    "TorchScript": {"dynamo": False},
    "dynamo": {"dynamo": True, "external_data": False},
}
"""PyTorch's two ways to a model, with their options."""

Answer = Callable[[], list[Any]]


@dataclass(frozen=True)
class Case:
    """A network and a batch, with random weights that keep its numbers in bounds, and an input."""

    name: str
    batch: int
    typed: TypedNetwork
    arrays: Mapping[str, Any]
    inputs: Mapping[str, Any]


def case(name: str, batch: int) -> Case:
    typed = pipeline.load(name)
    generator = numpy.random.default_rng(0)
    arrays = {
        one: drawn(one, weight.shape, generator) for one, weight in network_weights(typed).items()
    }
    inputs = {
        node.name: generator.integers(node.type.vocabulary, size=(batch, *node.type.dims))
        if node.type.vocabulary is not None
        else generator.standard_normal((batch, *node.type.dims), numpy.float32)
        for node in typed.network.inputs
    }
    return Case(name, batch, typed, arrays, inputs)


def drawn(name: str, shape: tuple[int, ...], generator: numpy.random.Generator) -> Any:
    """Numbers that no exporter can leave out, as it would biases of 0."""
    kind = name.rpartition(".")[2]
    if kind in ("scale", "var"):
        return generator.uniform(0.3, 1.0, shape).astype(numpy.float32)
    spread = math.sqrt(2 / math.prod(shape[1:])) if kind == "weight" else 0.1
    return generator.standard_normal(shape, numpy.float32) * numpy.float32(spread)


def compiled(case: Case) -> bytes:
    """Our model of a case, with a free batch."""
    return replace(pipeline.answering(case.typed), weights=case.arrays).for_runtime()


def exported(case: Case, module: Any, exporter: str, folder: Path) -> bytes:
    """An exporter's model of a case; its file in the folder, where there is one."""
    file = folder / f"{case.name}-{case.batch}-{exporter}.onnx"
    if not file.exists():
        given = tuple(map(torch.from_numpy, case.inputs.values()))
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, given, file, verbose=False, **EXPORTERS[exporter])
    return file.read_bytes()


def exporters() -> list[str]:
    """Those that are here: the newer one needs onnxscript."""
    return [*EXPORTERS][: 2 if importlib.util.find_spec("onnxscript") else 1]


def peers(options: argparse.Namespace) -> list[str]:
    """The peers that were asked for."""
    return options.against or [*exporters(), "eager"]


def session(model: bytes, case: Case, threads: int) -> Answer:
    """What gives the answers of a model in ONNX Runtime; inputs go in the spec's order."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # The threads of one session would spin while another one is timed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    ready = onnxruntime.InferenceSession(model, options, providers=[CPU])
    names = [one.name for one in ready.get_inputs()]
    feeds = dict(zip(names, case.inputs.values(), strict=True))
    return lambda: list(ready.run(None, feeds))


def eager(case: Case, module: Any) -> Answer:
    given = tuple(map(torch.from_numpy, case.inputs.values()))

    def answer() -> list[Any]:
        with torch.inference_mode():
            found = module(*given)
        return [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]

    return answer


# --- measuring --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """Ours against a peer: the pairs' ratios of speed, and the median seconds of both."""

    network: str
    batch: int
    peer: str
    speed: float
    low: float
    high: float
    ours: float
    theirs: float


def measured(case: Case, options: argparse.Namespace, folder: Path) -> Iterator[Result | str]:
    """Ours against each peer in turn; a line of text where an exporter makes no model of it."""
    module = NetworkInTorch(case.typed, case.arrays).eval()
    sides = {"cnndsl": session(compiled(case), case, options.threads)}
    for name in peers(options):
        try:
            sides[name] = (
                eager(case, module)
                if name == "eager"
                else session(exported(case, module, name, folder), case, options.threads)
            )
        except Exception as error:  # there are graphs that an exporter does not make
            why = str(error).partition("\n")[0][:80]
            yield f"| {case.name}, batch {case.batch} | {name} | - | {why} |||"
    agree(case, sides)
    ours = sides.pop("cnndsl")
    for name, theirs in sides.items():
        runs = max(1, round(TURN / max(seconds(one, 2) for one in (ours, theirs))))
        pairs = [turns(ours, theirs, runs, swapped=bool(at % 2)) for at in range(options.pairs)]
        ratios = [their / our for our, their in pairs]
        medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
        speed = statistics.median(ratios)
        yield Result(case.name, case.batch, name, speed, *spread(ratios), *medians)


def turns(ours: Answer, theirs: Answer, runs: int, *, swapped: bool) -> tuple[float, float]:
    """The seconds of an answer on both sides; who is first has the processor's caches from it."""
    found = []
    for one in (theirs, ours) if swapped else (ours, theirs):
        time.sleep(PAUSE)
        found.append(seconds(one, runs))
    first, second = found
    return (second, first) if swapped else (first, second)


def agree(case: Case, sides: Mapping[str, Answer]) -> None:
    """Refuse to time what does not compute the same."""
    ours, *others = (answer() for answer in sides.values())
    for name, theirs in zip([*sides][1:], others, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            error = numpy.abs(one - other).max() / max(float(numpy.abs(other).max()), 1e-30)
            if not error < TOLERANCE:
                raise SystemExit(f"{case.name}: ours and {name}'s answers differ by {error:.1e}")


def seconds(answer: Answer, runs: int) -> float:
    begin = time.perf_counter()
    for _ in range(runs):
        answer()
    return (time.perf_counter() - begin) / runs


# --- graphs -----------------------------------------------------------------------------------


def operators(case: Case, exporter: str, folder: Path) -> str:
    """How many operators of each kind ONNX Runtime makes of either graph, where they differ."""
    module = NetworkInTorch(case.typed, case.arrays).eval()
    ours, theirs = (
        Counter(node.op_type for node in optimised(model).graph.node)
        for model in (compiled(case), exported(case, module, exporter, folder))
    )
    lines = [
        f"  {name}: {ours[name]} / {theirs[name]}"
        for name in sorted({*ours, *theirs})
        if ours[name] != theirs[name]
    ]
    head = f"{case.name}, {exporter}: {ours.total()} / {theirs.total()}"
    return "\n".join([head, *lines])


def optimised(model: bytes) -> onnx.ModelProto:
    """What ONNX Runtime runs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "model.onnx")
        onnxruntime.InferenceSession(model, options, providers=[CPU])
        return onnx.load(options.optimized_model_filepath)


# --- the command ------------------------------------------------------------------------------


def heading(machine: dict[str, Any], options: argparse.Namespace) -> str:
    """The line above the table: what it was measured on, with what, and when."""
    versions = ", ".join(f"{name} {found}" for name, found in machine["versions"].items())
    return (
        f"{machine['processor']} ({', '.join(machine['instructions'])}), {machine['cpus']} CPUs,"
        f" {options.threads} threads each side, float32, Python {machine['python']}, {versions},"
        f" {machine['date']}; median of {options.pairs} pairs."
    )


def row(result: Result) -> str:
    """A line of the table."""
    cells = [f"{result.network}, batch {result.batch}", result.peer, f"{result.speed:.2f}"]
    cells += [f"{result.low:.2f}-{result.high:.2f}"]
    cells += [f"{result.ours * 1e3:.4g} / {result.theirs * 1e3:.4g}"]
    cells += ["" if result.peer == "eager" else "yes" if result.speed >= 1 else "**no**"]
    return f"| {' | '.join(cells)} |"


def cases_of(text: str) -> list[tuple[str, int]]:
    """``lenet5:64``, or ``lenet5`` for every batch."""
    name, _, batch = text.partition(":")
    return [(name, int(batch))] if batch else [(name, one) for one in BATCHES]


def covered() -> list[str]:
    """The shipped networks of which each layer is there in PyTorch."""
    return [
        name
        for name in shipped_specs()
        if not any(
            isinstance(node, LayerNode) and node.layer.keyword in ABSENT
            for node in pipeline.load(name).network.nodes
        )
    ]


def prepare(cases: list[tuple[str, int]], options: argparse.Namespace, folder: Path) -> None:
    """Export the cases, or print how the exporters' graphs differ from ours."""
    for one in (case(*which) for which in cases):
        for exporter in peers(options):
            if exporter == "eager":
                continue
            try:
                if options.operators:
                    print(operators(one, exporter, folder), flush=True)
                else:
                    module = NetworkInTorch(one.typed, one.arrays).eval()
                    exported(one, module, exporter, folder)
            except Exception as error:  # there are graphs that an exporter does not make
                print(f"{one.name}, {exporter}: {str(error).partition(chr(10))[0]}", flush=True)


def main() -> None:
    """Print the table: for each network and batch, our speed as a multiple of the others'."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=cases_of, action="extend", metavar="NETWORK[:BATCH]")
    parser.add_argument("--against", choices=[*EXPORTERS, "eager"], action="append")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="keep what was exported")
    parser.add_argument("--prepare", action="store_true", help="export, and measure nothing")
    parser.add_argument("--operators", action="store_true", help="compare graphs, not times")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(options.threads)
    cases = options.only or [(name, batch) for name in covered() for batch in BATCHES]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.models or Path(temporary)
        folder.mkdir(exist_ok=True)
        if options.prepare or options.operators:
            prepare(cases, options, folder)
            return
        machine = description(options.threads)
        print(heading(machine, options), end="\n\n")
        print("| answers | against | speed | quartiles | ms, ours / theirs | at least 1 |")
        print("|---|---|---|---|---|---|", flush=True)
        results = []
        for which in cases:
            for result in measured(case(*which), options, folder):
                if isinstance(result, Result):
                    results.append(result)
                print(result if isinstance(result, str) else row(result), flush=True)
    if options.json is not None:
        said = {"machine": machine, "results": [asdict(one) for one in results]}
        options.json.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
