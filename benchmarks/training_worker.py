"""One side of the training benchmark, in a process of its own: runs the steps it is asked for.

    python benchmarks/training_worker.py SIDE NETWORK BATCH DEVICE THREADS

SIDE is ``cnndsl``, ``eager`` or ``compile``. It writes a line of JSON when it is ready: the loss of
its first step, and the seconds that it took to have made two. Then, for each number that it reads,
it runs so many steps and writes the seconds of all and of the fastest, and the peak of its memory
in bytes: how much the process's largest resident size has grown since it trained a network of ten
weights, which brings in all that is loaded only when used.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from cnndsl import pipeline
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.recipe.recipe import Recipe

TINY = "input 1x2x2\nflatten -> dense 2 -> softmax\ntrain { optimizer sgd lr 0.01 momentum 0.9 }\n"

StepFunction = Callable[[], float]
"""Makes one step, and gives the loss."""


def main(side: str, name: str, batch: str, device: str, threads: str) -> None:
    tiny, network = pipeline.typed(pipeline.check_text(TINY)), pipeline.load(name)
    start: Callable[..., StepFunction]
    if side == "cnndsl":
        start = start_cnndsl
    else:
        import torch
        from training_networks import NETWORKS  # beside this file

        torch.set_num_threads(int(threads))
        NETWORKS["spec"] = lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
        start = compile_torch if side == "compile" else start_torch
    for _ in range(2):
        start(tiny, 2, device, int(threads))()
    baseline = peak()
    begin = time.perf_counter()
    step = start(network, int(batch), device, int(threads))
    loss, _ = step(), step()
    report(loss=loss, seconds=time.perf_counter() - begin)
    for line in sys.stdin:
        times = [timed(step) for _ in range(int(line))]
        report(seconds=sum(times), best=min(times), memory=peak() - baseline)


def timed(step: StepFunction) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def report(**numbers: float) -> None:
    print(json.dumps(numbers), flush=True)


def peak() -> int:
    """The largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def recipe_of(network: TypedNetwork) -> Recipe:
    return network.network.recipe or Recipe()


def batch_of(network: TypedNetwork, size: int) -> tuple[Any, Any]:
    """Random pictures and labels, the same on every side."""
    generator = numpy.random.default_rng(0)
    (picture,) = network.network.inputs
    classes = network.types[next(iter(network.network.outputs.values()))].channels
    pictures = generator.standard_normal((size, *picture.type.dims), numpy.float32)
    return pictures, generator.integers(classes, size=size)


def start_cnndsl(network: TypedNetwork, size: int, device: str, threads: int) -> StepFunction:
    from cnndsl.runtime.train_step import TrainStep
    from cnndsl.training.step import build_step

    recipe = recipe_of(network)
    how: Any = recipe.optimizer
    step = build_step(network, recipe, batch=size, target="cuda" if device == "cuda" else "cpu")
    train_step = TrainStep(
        step, initialise(network, 0, recipe.init), device=device, threads=threads
    )
    pictures, labels = batch_of(network, size)
    inputs = {network.network.inputs[0].name: pictures}
    numbers = iter(range(sys.maxsize))
    return lambda: train_step.run(inputs, labels, how.lr, next(numbers), 0).loss


def compile_torch(network: TypedNetwork, size: int, device: str, threads: int) -> StepFunction:
    return start_torch(network, size, device, threads, compiled=True)


def start_torch(
    network: TypedNetwork, size: int, device: str, threads: int, *, compiled: bool = False
) -> StepFunction:
    import torch
    from training_networks import NETWORKS, take_weights

    recipe = recipe_of(network)
    module = NETWORKS[network.name]()
    take_weights(module, initialise(network, 0, recipe.init))
    module.to(device).train()
    optimizer = sgd(module, recipe)
    pictures, labels = (torch.from_numpy(array) for array in batch_of(network, size))

    def forward(pictures: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(module(pictures), labels)

    if compiled:
        forward = torch.compile(forward)
    update: Any = optimizer.step

    def step() -> float:
        nonlocal update
        loss = forward(pictures.to(device), labels.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        update()
        if compiled and update == optimizer.step:
            update = torch.compile(optimizer.step)  # now that it has its state
        return float(loss.detach())

    return step


def sgd(module: Any, recipe: Recipe) -> Any:
    """The spec's optimizer; weight decay leaves biases and normalisation alone."""
    import torch

    how: Any = recipe.optimizer
    assert how.keyword == "sgd"
    decay = recipe.weight_decay.value

    def groups() -> Iterator[dict[str, Any]]:
        for decays in (True, False):
            parameters = [one for one in module.parameters() if (one.ndim > 1) == decays]
            yield {"params": parameters, "weight_decay": decay if decays else 0.0}

    return torch.optim.SGD([*groups()], lr=how.lr, momentum=how.momentum, nesterov=how.nesterov)


if __name__ == "__main__":
    main(*sys.argv[1:])
