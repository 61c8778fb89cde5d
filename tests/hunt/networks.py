"""Random networks that are right: what they compute, and how they train."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy
from oracle import TOLERANCE, compiled, relative_error
from random_networks import Writer

import cnndsl
from cnndsl.diagnostics.edit import apply_edits
from cnndsl.pipeline import check_text, compile, typed
from tests.hunt.command import call

__all__ = ["right_networks", "training_runs"]

LOSSES = ("crossentropy", "binarycrossentropy", "mse", "mae", "huber", "hinge")
OPTIMIZERS = ("sgd", "sgd momentum 0.9 nesterov yes", "adam", "adamw", "rmsprop", "adadelta")
SCHEDULES = ("constant", "cosine", "step every 1", "inverse", "multistep at [2]", "cosine warmup 1")
MORE = ("", "weight_decay 1e-3", "clip 1", "early_stop 1", "augment flip", "augment shift 1")
ENDS = ("", "", " -> softmax", " -> sigmoid", " -> relu", " -> tanh", " -> softmax -> identity")


def right_networks(seed: int) -> list[str]:
    """A network against an interpreter, and against itself by other ways."""
    writer = Writer(seed)
    text, x, expected = writer.write(layers=1 + seed % 8)
    network = cnndsl.parse(text)
    weights = dict(zip(network.weights, writer.weights, strict=True))
    model = compiled(network, weights, Path.cwd())
    answer = model.run(x.astype(numpy.float32))
    found = []
    if not relative_error(answer, expected) < TOLERANCE:
        found.append("the model computes something else")
    canonical = cnndsl.parse(network.text)
    if canonical.text != network.text:
        found.append("the canonical text changes when it is read again")
    if [*canonical.layers.items()] != [*network.layers.items()]:
        found.append("the canonical text is another network")
    bare = re.sub(r"\s*=> \S+", "", text)
    checked = check_text(bare, annotate=True)
    if checked.network is None:
        found.append("without its claims it is wrong")
    else:
        cnndsl.parse(apply_edits(bare, checked.annotations))
    once, twice = (compile(typed(check_text(text)), seed=1).to_bytes() for _ in range(2))
    if once != twice:
        found.append("compiled twice, the bytes differ")
    network.summary()
    return [f"{wrong}\n{text}" for wrong in found]


def training_runs(seed: int) -> list[str]:
    """A random recipe on a random network and random data, by the command line."""
    chance = random.Random(f"training {seed}")
    writer = Writer(seed)
    text, x, y = writer.write(layers=1 + seed % 4)
    rank = y.ndim - 2
    outputs = chance.choice((1, 2, 3, 5))
    head = f"dense {outputs}" if rank == 0 else f"conv {outputs}@1"
    loss = chance.choice(LOSSES)
    spec = f"""{text}{head}{chance.choice(ENDS)}
train {{
  loss {loss}
  optimizer {chance.choice(OPTIMIZERS)}
  schedule {chance.choice(SCHEDULES)}
  batch {chance.choice((1, 2, 3, 5, 64))}
  epochs {chance.choice((1, 2, 3))}
  {chance.choice(MORE)}
}}
"""
    Path("net.cnn").write_text(spec, "utf-8")
    numbers = numpy.random.default_rng(seed)
    samples = numbers.normal(size=(12, *x.shape[1:])).astype(numpy.float32)
    places = y.shape[2:]
    if loss in ("crossentropy", "hinge"):
        labels = numbers.integers(0, max(2, outputs), (12, *places))
    else:
        labels = numbers.integers(0, 2, (12, outputs, *places)).astype(numpy.float32)
    numpy.save("x.npy", samples)
    numpy.savez("data.npz", x=samples, y=labels)
    found = call("check", "net.cnn").complaints()
    options = ["--valid", "0.25"] if chance.random() < 0.5 else []
    run = ("train", "net.cnn", "--data", "data.npz", "--out", "run", "--device", "cpu", *options)
    trained = call(*run, "--threads", "1")
    found += trained.complaints()
    if trained.code == 0:
        measured = call("eval", "run/model.onnx", "--data", "data.npz", "--device", "cpu")
        found += measured.complaints((0,))
        found += call("run", "run/model.onnx", "x.npy", "--device", "cpu").complaints((0,))
        found += call(*run, "--resume").complaints()
    return [f"{wrong}\n{spec}" for wrong in found]
