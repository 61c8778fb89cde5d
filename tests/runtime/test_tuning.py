"""Forms of convolutions are chosen by time where they are near, once for each run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from convolution_cases import square
from training_runs import BODY, SGD, Recorder, interrupted_at, network, request, results

from cnndsl.pipeline import train
from cnndsl.runtime import host, tuning
from cnndsl.runtime.host import found_host
from cnndsl.runtime.start import CPU, TRAINING, start
from cnndsl.runtime.tuning import CHOICES, Tuning
from cnndsl.training.host import Host
from cnndsl.training.host.candidates import candidates, inputs_of
from cnndsl.training.host.kernels import Part
from cnndsl.training.host.rule import is_near
from cnndsl.training.passes import blocking

PARTS: Sequence[Part] = ("forward", "input gradient", "kernel gradient")
CASE = square(8, 16, 6, 16, 3, 1, 1)
BLOCK = getattr(found_host(), "block", 0)

needs_host = pytest.mark.skipif(not BLOCK, reason="ONNX Runtime has no blocks for this CPU")


def clock(standard: float, blocked: float) -> Callable[[], float]:
    """One that says of the two forms, which run in turns, that they take so long."""

    def readings() -> Iterator[float]:
        now = 0.0
        for took in itertools.cycle((standard, blocked)):
            yield now
            now += took
            yield now

    return readings().__next__


@needs_host
@pytest.mark.parametrize(
    ("standard", "blocked", "by_rule", "expected"),
    [
        (1.0, 0.5, False, True),
        (0.5, 1.0, True, False),
        (0.98, 1.0, True, True),  # no more than chance: what the rule says
        (1.0, 0.98, False, False),
    ],
)
def test_the_faster_form_is_chosen_and_the_rules_where_they_are_equal(
    standard: float, blocked: float, by_rule: bool, expected: bool
) -> None:
    tuned = Tuning(BLOCK, {}, times=True, threads=1, clock=clock(standard, blocked))
    assert tuned("forward", CASE, by_rule) is expected
    assert [*tuned.choices.values()] == [expected]


@needs_host
def test_what_is_known_is_not_timed_again() -> None:
    first = Tuning(BLOCK, {}, times=True, threads=1, clock=clock(1.0, 0.5))
    assert all(first(part, CASE, False) for part in PARTS)

    def stopped() -> float:
        raise AssertionError

    again = Tuning(BLOCK, first.choices, times=True, clock=stopped)
    assert all(again(part, CASE, False) for part in PARTS)
    assert str(again) == str(first)
    assert str(Tuning(BLOCK, dict.fromkeys(first.choices, False), times=False)) != str(first)


def test_without_timing_the_rule_stands_for_what_is_not_known() -> None:
    judge = Tuning(8, {}, times=False)
    assert [judge("forward", CASE, by_rule) for by_rule in (True, False)] == [True, False]
    assert judge.choices == {}


@needs_host
@pytest.mark.parametrize("part", PARTS)
def test_the_two_forms_that_are_timed_give_the_same_numbers(part: Part) -> None:
    random = numpy.random.default_rng(3)
    feeds = {
        name: random.standard_normal(size, numpy.float32)
        for name, size in inputs_of(part, CASE).items()
    }
    models = candidates(part, CASE, BLOCK)
    assert [b"com.microsoft.nchwc" in model for model in models].count(True) >= 1
    one, other = (start(model, CPU, TRAINING, threads=1).run(None, feeds)[0] for model in models)
    numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    assert models[0] != models[1]


def test_what_is_large_or_depthwise_is_not_near() -> None:
    assert is_near(square(8, 16, 32, 16, 3, 1, 1), 8)
    assert is_near(square(8, 256, 14, 256, 1), 8)  # a product of matrices
    assert not is_near(square(8, 64, 56, 64, 3, 1, 1), 8)
    assert not is_near(square(8, 64, 28, 64, 3, 1, 1, 64), 8)
    assert not is_near(square(1, 16, 8, 16, 3, 1, 1), 8)  # hardly anything to multiply


@needs_host
def test_a_resumed_run_takes_the_choices_of_before_and_says_where_they_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "is_near", lambda g, block: True)
    monkeypatch.setattr(host, "found_host", lambda: Host(BLOCK))
    monkeypatch.setattr(Tuning, "_is_faster", lambda self, part, g, by_rule: part == "forward")
    body = BODY.replace("conv 3@", "conv 32@")
    wanted = replace(request(tmp_path, network=network(SGD, body)), tune=True)
    train(wanted, Recorder())
    choices = json.loads((tmp_path / CHOICES).read_text())
    assert True in choices.values()
    assert False in choices.values()

    def never(self: Tuning, part: Part, g: object, by_rule: bool) -> bool:
        raise AssertionError

    monkeypatch.setattr(Tuning, "_is_faster", never)
    again = Recorder()
    train(replace(wanted, resume="latest", tune=False), again)
    assert not any("convolutions" in note for note in again.notes)
    assert json.loads((tmp_path / CHOICES).read_text()) == choices
    (tmp_path / CHOICES).unlink()
    changed = Recorder()
    train(replace(wanted, resume="latest", tune=False), changed)
    (note,) = [note for note in changed.notes if "convolutions" in note]
    assert "forms timed" in note
    assert "last digits may differ" in note


@needs_host
def test_a_timed_run_that_was_interrupted_ends_with_the_bits_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the machine would time other forms the faster ones when it goes on."""
    monkeypatch.setattr(blocking, "is_near", lambda g, block: True)
    monkeypatch.setattr(host, "found_host", lambda: Host(BLOCK))
    body = BODY.replace("conv 3@", "conv 32@")
    wanted = replace(request(tmp_path / "whole", network=network(SGD, body)), tune=True)
    chooses(monkeypatch, lambda part: part != "input gradient")
    train(wanted, Recorder())
    wanted = replace(wanted, folder=tmp_path / "halves")
    assert train(wanted, interrupted_at(4)).how == "interrupted"
    chooses(monkeypatch, lambda part: part == "input gradient")
    train(replace(wanted, resume="latest"), Recorder())
    assert results(tmp_path / "halves") == results(tmp_path / "whole")
    train(replace(wanted, folder=tmp_path / "others"), Recorder())
    assert results(tmp_path / "others") != results(tmp_path / "whole")


def chooses(monkeypatch: pytest.MonkeyPatch, chosen: Callable[[Part], bool]) -> None:
    monkeypatch.setattr(Tuning, "_is_faster", lambda self, part, g, by_rule: chosen(part))


def test_a_new_run_does_not_keep_the_choices_of_another(tmp_path: Path) -> None:
    (tmp_path / CHOICES).write_text('{"forward": true}')
    tuning.keep_choices(tmp_path, Host(8), anew=False)
    assert (tmp_path / CHOICES).exists()
    tuning.keep_choices(tmp_path, Host(8), anew=True)
    assert not (tmp_path / CHOICES).exists()
