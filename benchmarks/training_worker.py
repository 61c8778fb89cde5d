"""One side of the training benchmark, in a process of its own: runs the steps it is asked for.

    python benchmarks/training_worker.py SIDE NETWORK:BATCH DEVICE THREADS CHANCE

SIDE is ``cnndsl``, ``split`` (ours as several workers do it, in two graphs and one shard),
``eager``, ``channels_last`` or ``compile``; CHANCE is ``chance``, or ``none``:
a step without dropout, whose losses must be equal. It writes a line of JSON when it is ready: the
losses of its first two steps, and the seconds that these took. Then, for each number that it
reads, it runs so many steps and writes the seconds of all and of the fastest, and the peak of its
memory in bytes: how much the process's largest resident size has grown since it trained a network
of ten weights, which brings in all that is loaded only when used.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

from training_cases import Setup, batch_of, case_of, load, recipe_of, weights_of

from cnndsl import pipeline

TINY = "input 1x2x2\nflatten -> dense 2 -> softmax\ntrain { optimizer sgd lr 0.01 momentum 0.9 }\n"

StepFunction = Callable[[], float]
"""Makes one step, and gives the loss."""


def main(side: str, name: str, device: str, threads: str, chance: str) -> None:
    case = case_of(name)
    tiny, network = pipeline.typed(pipeline.check_text(TINY)), load(case)
    start: Callable[[Setup], StepFunction]
    if side in ("cnndsl", "split"):
        start = start_split if side == "split" else start_cnndsl
    else:
        import torch
        from training_torch import start_torch  # beside this file

        torch.set_num_threads(int(threads))
        start = start_torch
    for _ in range(2):
        start(Setup(side, tiny, "tiny", 2, device, int(threads)))()
    baseline = peak()
    begin = time.perf_counter()
    setup = Setup(side, network, case.network, case.batch, device, int(threads), chance == "chance")
    step = start(setup)
    losses = [step(), step()]
    report(losses=losses, seconds=time.perf_counter() - begin)
    for line in sys.stdin:
        times = [timed(step) for _ in range(int(line))]
        report(seconds=sum(times), best=min(times), memory=peak() - baseline)


def timed(step: StepFunction) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def report(**numbers: object) -> None:
    print(json.dumps(numbers), flush=True)


def peak() -> int:
    """The largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def start_cnndsl(setup: Setup) -> StepFunction:
    from cnndsl.runtime.host import form_on
    from cnndsl.runtime.train_step import TrainStep
    from cnndsl.training.step import build_step

    network, recipe = setup.network, recipe_of(setup.network)
    form = form_on(setup.device)
    step = build_step(network, recipe, batch=setup.batch, chance=setup.chance, **form)
    weights = weights_of(network)
    train_step = TrainStep(step, weights, device=setup.device, threads=setup.threads)
    samples, labels = batch_of(network, setup.batch)
    inputs = {network.network.inputs[0].name: samples}
    numbers = iter(range(sys.maxsize))
    return lambda: train_step.run(inputs, labels, setup.rate, next(numbers), 0).loss


def start_split(setup: Setup) -> StepFunction:
    from cnndsl.runtime.host import form_on
    from cnndsl.runtime.sharded_step import ShardedTrainStep
    from cnndsl.training.split import build_shards

    network, recipe = setup.network, recipe_of(setup.network)
    step = build_shards(network, recipe, batch=setup.batch, **form_on(setup.device))
    weights = weights_of(network)
    train_step = ShardedTrainStep(step, weights, device=setup.device, threads=setup.threads)
    samples, labels = batch_of(network, setup.batch)
    inputs = {network.network.inputs[0].name: samples}
    numbers = iter(range(sys.maxsize))
    return lambda: train_step.run(inputs, labels, setup.rate, next(numbers), 0).loss


if __name__ == "__main__":
    main(*sys.argv[1:])
