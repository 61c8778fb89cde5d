"""What comes before the first step of `train`, part by part, and what short commands cost.

    python benchmarks/start.py [--only resnet152:4] [--commands] [--growth] [--json]

Without an option that chooses, all three are measured: the parts of the start for shallow and deep
networks, each in a process of its own (seconds); the CPU time of ``compile``, ``run`` and ``check``
beside the bare imports of what they need; and how a start grows with depth, which must be linear.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from machine import description
from turns import cpu_seconds

CASES = (
    *("lenet5:64", "resnet18:8", "resnet50:4", "resnet152:4"),
    *("densenet121:4", "densenet201:4", "mobilenetv2:4"),
)
"""Networks, each with the batch of its step."""

DEPTHS = (100, 200, 400)

PARTS = (
    *("imports", "check", "make", "passes", "serialise"),
    *("session", "weights", "step", "total"),
)


class Clock:
    """Seconds between one mark and the next, by name."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._began = self._last = time.perf_counter()

    def mark(self, name: str) -> None:
        """What has passed since the last mark was this."""
        now = time.perf_counter()
        self.parts[name], self._last = now - self._last, now

    def total(self) -> float:
        """What has passed since the beginning."""
        return time.perf_counter() - self._began


def parts_of(spec: str, batch: int) -> dict[str, float]:
    """The seconds of each part of a start, in this process, which must be fresh.

    ``make`` is lowering, gradients and update; ``session`` is what its start and the copies of the
    weights take together, less ``serialise``.
    """
    clock = Clock()
    import numpy

    from cnndsl import pipeline
    from cnndsl.autodiff.rules import Target
    from cnndsl.graph.initializers import initialise
    from cnndsl.recipe.recipe import Recipe
    from cnndsl.runtime.host import form_on
    from cnndsl.runtime.train_step import TrainStep
    from cnndsl.training import passes, step
    from cnndsl.typecheck.heads import head_positions

    clock.mark("imports")
    network = pipeline.load(spec)
    clock.mark("check")
    seconds = [0.0]

    def simplify(model: Any, host: Any = None, target: Target = "cpu") -> None:
        before = time.perf_counter()
        passes.simplify(model, host, target)
        seconds[0] += time.perf_counter() - before

    step.simplify = simplify  # type: ignore[attr-defined]
    made = step.build_step(network, batch=batch, **form_on("cpu"))
    clock.mark("make")
    clock.parts["make"] -= seconds[0]
    clock.parts["passes"] = seconds[0]
    recipe = network.network.recipe or Recipe()
    weights = initialise(network, recipe.seed, recipe.init, head_positions(network.network))
    clock.mark("weights")
    to_proto, serialising = step.Step.to_proto, [0.0]

    def timed(self: step.Step, *, checked: bool = True) -> Any:
        before = time.perf_counter()
        proto = to_proto(self, checked=checked)
        serialising[0] = time.perf_counter() - before
        return proto

    step.Step.to_proto = timed  # type: ignore[method-assign]
    train_step = TrainStep(made, weights)
    clock.mark("session")
    clock.parts["session"] -= serialising[0]
    clock.parts["serialise"] = serialising[0]
    signature = made.signature
    given = {one.name: numpy.zeros(one.dims, one.dtype) for one in signature.inputs}
    labels = {output: given[one.name] for output, one in signature.labels.items()}
    train_step.run({name: given[name] for name in signature.samples}, labels, 0.0, 0, 0)
    clock.mark("step")
    clock.parts["total"] = clock.total()
    return {name: clock.parts[name] for name in PARTS}


def started(spec: str, batch: int) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--worker", f"{spec}:{batch}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {name: float(seconds) for name, seconds in json.loads(done.stdout).items()}


def chain(layers: int, folder: Path) -> str:
    """A spec of so many convolutions, each with its batch normalisation."""
    path = folder / f"chain{layers}.cnn"
    lines = ["input 4x8x8", *["conv 4@3 padding 1 -> batchnorm -> relu"] * layers]
    path.write_text("\n".join([*lines, "flatten -> dense 2 -> softmax", ""]), encoding="utf-8")
    return str(path)


def commands(folder: Path, runs: int) -> Iterator[dict[str, Any]]:
    """The CPU seconds of short commands and of the imports beside them, medians; run in turn."""
    import numpy

    model, picture = str(folder / "lenet5.onnx"), str(folder / "digit.npy")
    numpy.save(picture, numpy.zeros((1, 1, 32, 32), numpy.float32))
    verb = [sys.executable, "-m", "cnndsl"]
    pairs = {
        "check": ([*verb, "check", "lenet5"], "lark, pydantic, click"),
        "compile": ([*verb, "compile", "lenet5", "-o", model], "lark, pydantic, click, onnx"),
        "run": ([*verb, "run", model, picture], "lark, pydantic, click, onnx, onnxruntime"),
    }
    for name, (command, libraries) in pairs.items():
        bare = [sys.executable, "-c", f"import {libraries}"]
        cpu_seconds(command), cpu_seconds(bare)  # byte code and file cache
        times = [(cpu_seconds(command), cpu_seconds(bare)) for _ in range(runs)]
        ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        yield {"command": f"{name} lenet5", "seconds": ours, "imports": libraries, "bare": theirs}


def table(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of seconds."""
    print(" ".join(f"{name:>15}" for name in names))
    for row in rows:
        cells = (row[name] for name in names)
        print(" ".join(f"{one:15.2f}" if isinstance(one, float) else f"{one:>15}" for one in cells))


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for."""
    every = not (options.only or options.commands or options.growth)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if every or options.only:
            cases = [case.rsplit(":", 1) for case in options.only or CASES]
            found["starts"] = [
                {"network": f"{spec} b{batch}", **started(spec, int(batch))}
                for spec, batch in cases
            ]
        if every or options.commands:
            found["commands"] = list(commands(folder, options.runs))
        if every or options.growth:
            found["growth"] = [
                {"network": f"{layers} layers", **started(chain(layers, folder), 2)}
                for layers in DEPTHS
            ]
    return found


def main() -> None:
    """Print tables, or all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", metavar="NETWORK:BATCH")
    parser.add_argument("--commands", action="store_true")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        spec, batch = options.worker.rsplit(":", 1)
        print(json.dumps(parts_of(spec, int(batch))))
        return
    about = description(os.cpu_count() or 1)
    found = measured(options)
    if options.json:
        print(json.dumps({"about": about, **found}, indent=2))
        return
    print(", ".join(f"{name}: {value}" for name, value in about.items()))
    for key in ("starts", "growth"):
        if key in found:
            table(("network", *PARTS), found[key])
    for row in found.get("commands", ()):
        print(f"{row['command']}: {row['seconds']:.3f} s CPU; import {row['imports']}: ", end="")
        print(f"{row['bare']:.3f}")


if __name__ == "__main__":
    main()
