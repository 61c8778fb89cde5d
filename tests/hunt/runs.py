"""Run folders with a damaged, lost or odd file: a run goes on to the same bits, or says why not."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path

import numpy

from tests.hunt.command import Ended, call
from tests.hunt.damage import damaged

__all__ = ["damaged_runs", "replaced"]

CPU = ("--device", "cpu", "--threads", "1")

_INPUTS: Mapping[str, tuple[str, Mapping[str, tuple[int, ...]], str]] = {
    "picture": ("input 1x6x6", {"x": (1, 6, 6)}, "conv 2@3 -> relu -> flatten"),
    "signal": ("input 2x12", {"x": (2, 12)}, "conv 2@3 -> relu -> flatten"),
    "volume": ("input 1x4x4x4", {"x": (1, 4, 4, 4)}, "conv 2@3 -> relu -> flatten"),
    "vector": ("input 5", {"x": (5,)}, "dense 4 -> batchnorm -> relu"),
    "two": (
        "input left 3\ninput right 2",
        {"left": (3,), "right": (2,)},
        "concat(left, right) -> dense 4",
    ),
}
_LOSSES = {
    "crossentropy": "dense 3 -> softmax",
    "hinge": "dense 3",
    "binarycrossentropy": "dense 3 -> sigmoid",
    "mse": "dense 3",
    "huber": "dense 3",
}


def damaged_runs(seed: int) -> list[str]:
    """Training of any kind of network and loss goes on after one of its files was damaged."""
    chance = random.Random(f"runs {seed}")
    _prepare(chance)
    words = ("train", "net.cnn", "--data", "data.npz", "--valid", "0.25", *CPU)
    found = call(*words, "--out", "right", "--epochs", "3").complaints((0,))
    found += call(*words, "--out", "run", "--epochs", "2").complaints((0,))
    if found:
        return found
    right = Path("right/last.safetensors").read_bytes()
    # The answers of this run, before anything happens to it.
    answers = {model: _answer(*model).out for model in _models("run")}
    files = sorted(path for path in Path("run").rglob("*") if path.is_file())
    victim = chance.choice([*files, *(file for file in files if file.suffix == ".ckpt")])
    how = replaced(victim, chance)
    for model, before in answers.items():
        ended = _answer(*model)
        found += ended.complaints()
        if ended.code == 0 and ended.out != before:
            found.append(f"a damaged file answers something else\n{ended.line}\n{ended.out}")
    this = [str(victim)] if victim.suffix == ".ckpt" else []
    resume = chance.choice(([], [], ["previous"], this))
    ended = call(*words, "--out", "run", "--epochs", "3", "--resume", *resume)
    found += ended.complaints()
    if ended.code == 0 and Path("run/last.safetensors").read_bytes() != right:
        found.append(f"a run that went on has other weights\n{ended.line}\n{ended.err}")
    return [f"{text}\n{victim}: {how}" for text in found]


def _prepare(chance: random.Random) -> None:
    inputs, shapes, body = _INPUTS[chance.choice([*_INPUTS])]
    loss = chance.choice([*_LOSSES])
    Path("net.cnn").write_text(
        f"network net\n{inputs}\n{body} -> {_LOSSES[loss]}\n"
        f"train {{\n  loss {loss}\n  optimizer adam lr 0.01\n  batch 4\n}}\n"
    )
    numbers = numpy.random.default_rng(chance.randrange(2**32))
    arrays = {
        name: numbers.normal(size=(12, *shape)).astype("f4") for name, shape in shapes.items()
    }
    samples = {"input": arrays["x"]} if "x" in arrays else arrays
    numpy.savez("x.npz", **samples)  # type: ignore[arg-type]  # names are names
    if loss in ("crossentropy", "hinge"):
        labels = numpy.arange(12) % 3
    else:
        labels = numbers.integers(0, 2, (12, 3)).astype("f4")
    numpy.savez("data.npz", y=labels, **arrays)  # type: ignore[arg-type]


def _models(run: str) -> tuple[tuple[str, ...], ...]:
    weights = (f"{run}/best.safetensors", f"{run}/last.safetensors")
    return (f"{run}/model.onnx",), *(("net.cnn", "--weights", one) for one in weights)


def _answer(*model: str) -> Ended:
    return call("run", *model, "x.npz", "--format", "json", *CPU[:2])


def replaced(victim: Path, chance: random.Random) -> str:
    """Damage a file, or put something else in its place; says what."""
    how = chance.choice((*["bytes"] * 4, "gone", "pipe", "folder", "dead", "zero", "loop"))
    if how == "bytes":
        victim.write_bytes(damaged(victim.read_bytes(), chance))
        return how
    victim.unlink()
    if how == "pipe":
        os.mkfifo(victim)
    elif how == "folder":
        victim.mkdir()
    elif how != "gone":
        to = {"dead": "nowhere", "zero": "/dev/zero", "loop": victim.name}[how]
        victim.symlink_to(to)
    return how
