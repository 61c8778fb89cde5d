"""Command lines with odd words: each ends with 0, 1 or 2, and says why."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import click
import numpy

from cnndsl.cli import main
from cnndsl.cli.verbs import VERBS
from tests.hunt.command import call

__all__ = ["odd_commands"]

_WORDS = (
    *(
        "",
        "-",
        "--",
        "0",
        "-1",
        "1",
        "2",
        "1e9",
        "1e400",
        "nan",
        "inf",
        "0.5",
        "9" * 30,
        "2147483648",
    ),
    *("net.cnn", "wrong.cnn", "net.onnx", "x.npy", "d.npz", "nothing", ".", "..", "/", "/dev/null"),
    *(
        "lenet5",
        "CNN301",
        "digits",
        "auto",
        "cpu",
        "cuda",
        "cuda:9",
        "json",
        "text",
        "sarif",
        "train",
    ),
    *("ä", "网", "\udcff", "a\nb", "a,b", "=", "x=1", "x=", "=1", "train.batch=0", "train.batch=2"),
    *(
        "train.optimizer.lr=-1",
        "train.nothing=1",
        "classes=10",
        "\x1b[31m",
        "a" * 5_000,
        "%s",
        "{}",
    ),
)


@cache
def _options() -> dict[str, list[click.Option]]:
    context = click.Context(main)
    commands = {verb: main.get_command(context, verb) for verb in VERBS}
    return {
        verb: [one for one in command.params if isinstance(one, click.Option)]
        for verb, command in commands.items()
        if command is not None
    }


def odd_commands(seed: int) -> list[str]:
    """A few commands with random options and values, in a folder with a few files."""
    chance = random.Random(f"commands {seed}")
    _prepare()
    found = []
    for _ in range(6):
        verb = chance.choice([*VERBS])
        words = [_word(chance) for _ in range(chance.choice((0, 1, 1, 1, 2)))]
        if verb in ("train", "eval") and chance.random() < 0.8:
            words = [chance.choice(("net.cnn", "net.onnx")), "--data", _word(chance, "d.npz")]
        if verb == "selftest":
            words = words[:1] or ["net.cnn"]
            words = ["net.cnn" if words[0] == "lenet5" else words[0]]
        for option in chance.sample(_options()[verb], min(3, len(_options()[verb]))):
            words.append(chance.choice([*option.opts, *option.secondary_opts]))
            if not option.is_flag:
                words.append(_word(chance))
        if verb == "train":
            words += ["--epochs", "1"] if "--epochs" not in words else []
        ended = call(verb, *words)
        found += ended.complaints((0, 1, 2))
    return found


def _word(chance: random.Random, likely: str = "net.cnn") -> str:
    return likely if chance.random() < 0.4 else chance.choice(_WORDS)


def _prepare() -> None:
    Path("net.cnn").write_text(
        "param classes = 3\ninput 1x6x6\nconv 2@3 -> relu -> flatten -> dense classes -> softmax\n"
        "train {\n  epochs 1\n  batch 4\n}\n"
    )
    Path("wrong.cnn").write_text("input 1x6x6\nconv 2@9\nfc 3\n")
    numbers = numpy.random.default_rng(0)
    numpy.save("x.npy", numbers.normal(size=(2, 1, 6, 6)).astype("f4"))
    numpy.savez("d.npz", x=numbers.normal(size=(9, 1, 6, 6)).astype("f4"), y=numpy.arange(9) % 3)
    call("compile", "net.cnn", "-o", "net.onnx")
