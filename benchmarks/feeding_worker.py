"""One side of the feeding benchmark, in a process of its own: reads the epochs it is asked for.

    python benchmarks/feeding_worker.py SIDE CASE FOLDER CORES

SIDE is ``cnndsl``, or torchvision's ``v1`` or ``v2`` transforms in PyTorch's DataLoader. It runs on
so many cores, with as many threads or worker processes, and writes a line of JSON when it is ready:
what its first pictures are without augmentation, in the mean and in spread. Then, for each line
that it reads, it reads an epoch in a new random order, hands the batches to nobody, and writes how
many pictures these were, the seconds, and the CPU seconds of the process and its workers. The line
``memory`` is an epoch that is not timed: it writes the bytes that all processes together held
before the first one, and hold in this one at most and in the mean of its second and last quarter.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy
from feeding_data import CASES, Case

Epoch: TypeAlias = Callable[[int], Iterator[int]]
"""Reads an epoch; gives the size of each batch."""

FIRST = 8
"""So many pictures are compared."""


def main(side: str, name: str, folder: str, cores: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    start = start_cnndsl if side == "cnndsl" else start_torch
    epoch, first = start(CASES[name], Path(folder), int(cores), side)
    before = resident()
    sum(epoch(0))  # Workers are there, and files in the system's cache.
    report(mean=float(first.mean()), spread=float(first.std()), shape=first.shape[1:])
    for number, line in enumerate(sys.stdin, 1):
        if line.strip() == "memory":
            report(before=before, **memory_of(epoch(number)))
            continue
        begin, cpu = time.perf_counter(), cpu_seconds()
        pictures = sum(epoch(number))
        report(
            pictures=pictures,
            seconds=time.perf_counter() - begin,
            cpu=cpu_seconds() - cpu,
        )


# --- the sides --------------------------------------------------------------------------------


def start_cnndsl(case: Case, folder: Path, cores: int, side: str) -> tuple[Epoch, Any]:
    from cnndsl import pipeline
    from cnndsl.data.augment import Augmenter
    from cnndsl.data.loader import epoch_order, feed
    from cnndsl.data.training_data import inputs_of, open_training_data

    network = pipeline.typed(pipeline.check_text(case.text))
    where = folder / "MNIST" / "raw" if case.suffix == "idx" else folder
    data, _ = open_training_data(network, where, None)
    recipe = network.network.recipe
    changes = recipe.augment if recipe else ()
    augment = Augmenter(changes, 0, inputs_of(network)) if changes else None

    def epoch(number: int) -> Iterator[int]:
        order = epoch_order(len(data), 0, number)
        for batch in feed(data, order, case.batch, augment=augment, epoch=number):
            yield len(batch.indices)

    return epoch, data.load(numpy.arange(FIRST))["input"]


def start_torch(case: Case, folder: Path, cores: int, side: str) -> tuple[Epoch, Any]:
    import torch

    import_torchvision(torch)
    from torchvision import datasets

    plain, changed = transforms_of(case, side, torch)

    def dataset(transform: Any) -> Any:
        if case.suffix == "idx":
            return datasets.MNIST(folder, transform=transform)
        return datasets.ImageFolder(folder, transform)

    loader = torch.utils.data.DataLoader(
        dataset(changed),
        case.batch,
        shuffle=True,
        num_workers=cores,
        drop_last=True,
        persistent_workers=True,
    )

    def epoch(number: int) -> Iterator[int]:
        for pictures, _ in loader:
            yield len(pictures)

    first = dataset(plain)
    return epoch, numpy.stack([first[at][0].numpy() for at in range(FIRST)])


def transforms_of(case: Case, side: str, torch: Any) -> tuple[Any, Any]:
    """What the spec's input says, without augmentation and with it."""
    from torchvision import transforms as v1
    from torchvision.transforms import v2

    module = v1 if side == "v1" else v2
    fit = [module.Resize(256), module.CenterCrop(224)] if "crop from" in case.spec else []
    length = 224 if fit else case.size[0]
    chance = [module.RandomCrop(length, padding=4), module.RandomHorizontalFlip()]
    tensor = [v1.ToTensor()]
    if side == "v2":
        tensor = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    end = [*tensor, module.Normalize(*case.normalisation)]
    changes = chance if case.augment else []
    return module.Compose([*fit, *end]), module.Compose([*fit, *changes, *end])


def import_torchvision(torch: Any) -> None:
    """Import it also where its build is for another PyTorch: pictures need no compiled operator."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        LIBRARIES.append(torch.library.Library("torchvision", "DEF"))
        for operator in ("nms", "qnms"):
            LIBRARIES[0].define(f"{operator}(Tensor dets, Tensor scores, float limit) -> Tensor")


LIBRARIES: list[Any] = []
"""What is defined there is gone with the object."""


# --- what it costs ----------------------------------------------------------------------------


def cpu_seconds() -> float:
    """Of this process and of the workers that it has now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    ticks = 0
    for child in children():
        fields = Path(f"/proc/{child}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return usage.ru_utime + usage.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def memory_of(epoch: Iterator[int]) -> dict[str, float]:
    """The bytes that all processes hold; pages that several share count once."""
    held = [resident() for _ in epoch]
    quarter = max(1, len(held) // 4)
    second, last = held[quarter : 2 * quarter] or held, held[-quarter:]
    return {
        "most": max(held),
        "second": sum(second) / len(second),
        "last": sum(last) / len(last),
    }


def resident() -> int:
    """The proportional set size of this process and its workers; elsewhere than on Linux, 0."""
    total = 0
    for process in ("self", *children()):
        rollup = Path(f"/proc/{process}/smaps_rollup")
        lines = rollup.read_text(encoding="utf-8").splitlines() if rollup.exists() else []
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def children() -> list[str]:
    """The process ids of the workers."""
    found = Path("/proc/self/task").glob("*/children")
    return [child for path in found for child in path.read_text(encoding="utf-8").split()]


def report(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
