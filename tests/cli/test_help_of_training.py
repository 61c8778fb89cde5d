"""The help of every error of training is followed here, word by word: it must lead on."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnndsl.cli import main
from cnndsl.diagnostics.codes import CODES

SPEC = """\
network tiny
input 1x4x4
C1: conv 3@3 padding 1 -> relu
flatten
OUTPUT: dense 2 -> softmax

train {{
  optimizer sgd lr 0.1
  batch 4
  epochs 3
{more}}}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_spec("tiny.cnn")
    generator = numpy.random.default_rng(1)
    x = generator.normal(size=(24, 1, 4, 4)).astype(numpy.float32)
    numpy.savez("data.npz", x=x, y=(x.sum(axis=(1, 2, 3)) > 0).astype(numpy.int64))
    return tmp_path


def write_spec(name: str, more: str = "", **changes: str) -> None:
    text = SPEC.format(more=more)
    for old, new in changes.items():
        text = text.replace(old.replace("_", " "), new)
    Path(name).write_text(text)


def train(*words: str) -> Result:
    """`cnndsl train`; an option that stands twice counts as it stands last."""
    return CliRunner().invoke(main, ["train", *words, "--device", "cpu"])


BASE = ("tiny.cnn", "--data", "data.npz")


def done(*words: str) -> None:
    result = train(*words)
    assert result.exit_code == 0, result.output


def help_of(result: Result, code: str) -> str:
    """The help of an error of this code."""
    assert f"error[{code}]" in result.stderr, result.output
    text = result.stderr.split("= help: ")[1]
    return " ".join(text.split())


@dataclass
class Case:
    """A run that is refused, and what its help says to do: the words of a command for each way.

    ``help`` has all of the help's text, so that a change of it has to be followed anew.
    """

    code: str
    refused: Sequence[str]
    help: str
    ways: Sequence[Callable[[], Sequence[str]]]
    before: Callable[[], None] = lambda: None


def words(*more: str) -> Callable[[], Sequence[str]]:
    return lambda: (*BASE, *more)


def whole_run() -> None:
    done(*BASE)


def write_pictures() -> None:
    random = numpy.random.default_rng(0)
    for name in ("dark", "light"):
        folder = Path("pictures", name)
        folder.mkdir(parents=True)
        for number in range(12):
            noise = random.integers(0, 255, (4, 4), numpy.uint8)
            Image.fromarray(noise).save(folder / f"{number}.png")


PICTURES = ("tiny.cnn", "--data", "pictures")
BROKEN = Path("pictures/light/5.png")


def broken_from_the_start() -> None:
    write_pictures()
    BROKEN.write_bytes(b"no picture")


def broken_after_two_epochs() -> None:
    write_pictures()
    done(*PICTURES, "--epochs", "2")
    stamp = BROKEN.stat()
    content = BROKEN.read_bytes()
    # As a disk breaks: neither size nor time tell.
    BROKEN.write_bytes(bytes(len(content)))
    os.utime(BROKEN, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def repaired() -> Sequence[str]:
    shutil.copy("pictures/light/4.png", BROKEN)
    return (*PICTURES, "--epochs", "5", "--resume")


def taken_away() -> Sequence[str]:
    BROKEN.unlink()
    return (*PICTURES, "--epochs", "5", "--resume")


def damaged(*numbers: int) -> Callable[[], None]:
    """Three checkpoints, of which some (the last is -1) are damaged."""

    def prepare() -> None:
        whole_run()
        found = sorted(Path("runs/tiny/checkpoints").glob("*.ckpt"))
        assert len(found) == 3
        for number in numbers:
            found[number].write_bytes(found[number].read_bytes()[:-1])

    return prepare


def spec_with(**changes: str) -> Callable[[], Sequence[str]]:
    def write() -> Sequence[str]:
        write_spec("tiny.cnn", **changes)
        return BASE

    return write


def a_file_of_somebody_else() -> None:
    Path("mine").mkdir()
    Path("mine/model.onnx").write_bytes(b"mine")


def moved_away() -> Sequence[str]:
    Path("mine/model.onnx").rename("model.onnx")
    return (*BASE, "--out", "mine")


def one_lonely_checkpoint() -> None:
    done(*BASE, "--keep", "1")


CHECKPOINTS = "runs/tiny/checkpoints/step-000000"

CASES = {
    "broken at once": Case(
        "CNN803",
        (*PICTURES, "--batch", "24"),
        "repair what is broken or take it away, or go on without it: `--skip-broken`",
        [lambda: (*PICTURES, "--batch", "24", "--skip-broken")],
        broken_from_the_start,
    ),
    "broken later": Case(
        "CNN803",
        (*PICTURES, "--epochs", "5", "--resume"),
        "repair what is broken or take it away, or go on without it: `--skip-broken`; add"
        " `--resume` to go on from here",
        [
            lambda: (*PICTURES, "--epochs", "5", "--skip-broken", "--resume"),
            repaired,
            taken_away,
        ],
        broken_after_two_epochs,
    ),
    "diverged at once": Case(
        "CNN805",
        (*BASE, "--set", "train.optimizer.lr=1e38"),
        "use a smaller `lr`, a `warmup`, or `clip 1`",
        [
            words("--set", "train.optimizer.lr=0.1"),
            words("--set", "train.clip=1"),
            words("--set", "train.schedule.warmup=1"),
        ],
    ),
    "diverged later": Case(
        "CNN805",
        (*BASE, "--batch", "24", "--set", "train.optimizer.lr=1e15"),
        "use a smaller `lr`, a `warmup`, or `clip 1`, and another `--out`, perhaps with"
        " `--weights runs/tiny/best.safetensors`",
        [
            words("--set", "train.optimizer.lr=0.1", "--out", "other"),
            words(
                "--set",
                "train.optimizer.lr=1e-30",
                "--out",
                "other",
                "--weights",
                "runs/tiny/best.safetensors",
            ),
        ],
    ),
    "the last checkpoint is damaged": Case(
        "CNN806",
        (*BASE, "--resume"),
        f"go on from the one before it with `--resume {CHECKPOINTS}12.ckpt`",
        [words("--resume", f"{CHECKPOINTS}12.ckpt")],
        damaged(-1),
    ),
    "two checkpoints are damaged": Case(
        "CNN806",
        (*BASE, "--resume", "previous"),
        f"go on from the one before it with `--resume {CHECKPOINTS}06.ckpt`",
        [words("--resume", f"{CHECKPOINTS}06.ckpt")],
        damaged(-1, -2),
    ),
    "all checkpoints are damaged": Case(
        "CNN806",
        (*BASE, "--resume", f"{CHECKPOINTS}06.ckpt"),
        "start again with another `--out`",
        [words("--out", "other"), words("--out", "other", "--resume")],
        damaged(0, 1, 2),
    ),
    "no such checkpoint": Case(
        "CNN806",
        (*BASE, "--resume", f"{CHECKPOINTS}07.ckpt"),
        f"go on from the one before it with `--resume {CHECKPOINTS}06.ckpt`",
        [words("--resume", f"{CHECKPOINTS}06.ckpt")],
        whole_run,
    ),
    "no checkpoint before the last": Case(
        "CNN806",
        (*BASE, "--resume", "previous"),
        "resume from the last one, or start again with another `--out`",
        [words("--resume"), words("--out", "other")],
        one_lonely_checkpoint,
    ),
    "another run": Case(
        "CNN807",
        (*BASE, "--seed", "5", "--resume"),
        "go on with what that run began with, or start another one with `--out`",
        [
            words("--resume"),
            words("--seed", "5", "--out", "other"),
            words("--seed", "5", "--out", "other", "--resume"),
        ],
        whole_run,
    ),
    "all is frozen": Case(
        "CNN808",
        (*BASE, "--set", "train.freeze=C1 OUTPUT"),
        "take a label out of `freeze`",
        [words("--set", "train.freeze=C1")],
    ),
    "a single output": Case(
        "CNN809",
        BASE,
        "give it an output for each class, or write `loss binarycrossentropy`",
        [
            spec_with(),
            spec_with(more="  loss binarycrossentropy\n", dense_2="dense 1", softmax="sigmoid"),
        ],
        lambda: write_spec("tiny.cnn", dense_2="dense 1", softmax="sigmoid"),
    ),
    "a folder that is taken": Case(
        "CNN810",
        BASE,
        "go on with it with `--resume`, or choose another folder with `--out`",
        [words("--resume"), words("--out", "other"), words("--resume", "--epochs", "4")],
        whole_run,
    ),
    "a file of somebody else": Case(
        "CNN810",
        (*BASE, "--out", "mine"),
        "choose another folder with `--out`, or move that file away",
        [
            words("--out", "other"),
            moved_away,
        ],
        a_file_of_somebody_else,
    ),
    "an unknown setting": Case(
        "CNN812",
        (*BASE, "--set", "train.epoch=2"),
        "did you mean `train.epochs=2`?",
        [words("--set", "train.epochs=2")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_help_leads_on(case: str) -> None:
    this = CASES[case]
    for number, way in enumerate(this.ways):
        place = Path(f"way{number}")
        place.mkdir()
        for name in ("tiny.cnn", "data.npz"):
            shutil.copy(name, place)
        here = Path.cwd()
        os.chdir(place)
        try:
            this.before()
            assert help_of(train(*this.refused), this.code) == this.help
            done(*way())
        finally:
            os.chdir(here)


def test_every_error_of_training_is_followed_here_or_named() -> None:
    followed = {case.code for case in CASES.values()}
    elsewhere = {
        "CNN801": "tests/data: what data must look like",
        "CNN802": "tests/data: what labels must look like",
        "CNN804": "tests/runtime/test_continuing.py",
        "CNN811": "tests/cli: selftest",
        "CNN813": "tests/data/test_readers.py",
    }
    assert {code for code in CODES if re.match(r"CNN8[01]", code)} <= followed | set(elsewhere)


def test_the_words_of_the_helps_are_a_shell_s() -> None:
    for case in CASES.values():
        for part in re.findall(r"`(--[^`]*)`", case.help):
            assert shlex.split(part)
