"""Options that a verb does not have: one sentence says what to write, and it works."""

from __future__ import annotations

import re
import shlex

import pytest
from click.testing import CliRunner

from cnndsl.cli import main
from cnndsl.cli.verbs import VERBS
from cnndsl.elaborate.overrides import override
from cnndsl.pipeline import load


def said(*words: str) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Error: "))
    return line


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("--lr 0.1", "train.optimizer.lr=0.1"),
        ("--lr=0.1", "train.optimizer.lr=0.1"),
        ("--learning-rate 0.1", "train.optimizer.lr=0.1"),
        ("--learning_rate 0.1", "train.optimizer.lr=0.1"),
        ("--momentum 0.9", "train.optimizer.momentum=0.9"),
        ("--nesterov", "train.optimizer.nesterov=yes"),
        ("--optimizer adam", "train.optimizer=adam"),
        ("--adam", "train.optimizer=adam"),
        ("--loss mse", "train.loss=mse"),
        ("--label-smoothing 0.1", "train.loss.smoothing=0.1"),
        ("--weight-decay 5e-4", "train.weight_decay=5e-4"),
        ("--wd 5e-4", "train.weight_decay=5e-4"),
        ("--schedule cosine", "train.schedule=cosine"),
        ("--warmup 1", "train.schedule.warmup=1"),
        ("--augment 'crop padding 4 -> flip'", "train.augment=crop padding 4 -> flip"),
        ("--patience 5", "train.early_stop=5"),
        ("--clip 1", "train.clip=1"),
        ("--init glorot", "train.init=glorot"),
        ("--freeze C1", "train.freeze=C1"),
    ],
)
def test_words_of_the_recipe_are_set_with_set(words: str, change: str) -> None:
    line = said("train", "lenet5", "--data", "digits", *shlex.split(words))
    found = re.search(r"--set (.*)$", line)
    assert found is not None
    assert shlex.split(found.group(1)) == [change]
    assert override(load("lenet5"), [change]) is not None
    elsewhere = said("check", "lenet5", *shlex.split(words))
    assert "`cnndsl train` with --set" in elsewhere


@pytest.mark.parametrize("option", ["--lr", "--weight-decay", "--warmup", "--loss", "--early-stop"])
def test_without_a_value_an_example_is_given_that_works(option: str) -> None:
    line = said("train", "lenet5", "--data", "digits", option)
    (change,) = shlex.split(line.partition("--set ")[2])
    override(load("lenet5"), [change])


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("train lenet5 --batch-size 64", "'--batch'"),
        ("train lenet5 --num-epochs 3", "'--epochs'"),
        ("train lenet5 --gpu", "'--device cuda'"),
        ("train lenet5 --output x", "'--out'"),
        ("train lenet5 -o x", "'--out'"),
        ("compile lenet5 --out x", "'-o'"),
        ("check lenet5 --json", "'--format json'"),
        ("check lenet5 --epochs 5", "`cnndsl train`"),
        ("run lenet5 --data x", "`cnndsl train`, `cnndsl sweep` and `cnndsl eval`"),
        ("summary lenet5 --annotate", "`cnndsl check`"),
        ("train lenet5 --sed 4", "Did you mean '--seed'?"),
    ],
)
def test_other_names_and_other_verbs_are_named(words: str, meant: str) -> None:
    assert meant in said(*words.split())


def test_what_nobody_knows_gets_no_guess() -> None:
    assert said("train", "lenet5", "--zzzz") == "Error: No such option '--zzzz'."


@pytest.mark.parametrize("verb", VERBS)
def test_no_help_prints_a_backslash(verb: str) -> None:
    assert "\\" not in CliRunner().invoke(main, [verb, "--help"]).stdout


@pytest.mark.parametrize("verb", ["train", "eval"])
def test_examples_in_a_help_stand_on_lines_of_their_own(verb: str) -> None:
    lines = CliRunner().invoke(main, [verb, "--help"]).stdout.splitlines()
    examples = [line for line in lines if line.strip().startswith(f"cnndsl {verb} ")]
    assert len(examples) >= 2


@pytest.mark.parametrize(
    "words",
    [
        ("draw", "lenet5"),
        ("compile", "lenet5"),
        ("import", "net.onnx"),
        ("weights", "lenet5", "net.onnx"),
    ],
)
def test_a_file_to_write_without_its_option_is_told_so(words: tuple[str, ...]) -> None:
    assert "the file to write is given by '-o out.svg'" in said(*words, "out.svg")
    assert "'a b' is more than this verb takes" in said(*words, "a", "b")
