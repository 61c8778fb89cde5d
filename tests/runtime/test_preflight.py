"""What is said of the first batch and its loss before training has done anything."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from click.testing import CliRunner

from cnndsl import pipeline
from cnndsl.cli import main
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.preflight import first_impressions

GOOD = {"input": numpy.linspace(-1, 1, 40, dtype=numpy.float32).reshape(10, 4)}


def network(loss: str = "crossentropy") -> TypedNetwork:
    text = f"input 4\ndense 10 -> softmax\ntrain {{\n  loss {loss}\n}}\n"
    return pipeline.typed(pipeline.check_text(text))


def said(
    inputs: dict[str, Any], loss: float = 2.3, *, fresh: bool = True, of: str = "crossentropy"
) -> tuple[str, ...]:
    typed = network(of)
    return first_impressions(typed, typed.network.recipe or Recipe(), inputs, loss, fresh=fresh)


def test_a_sound_beginning_is_not_spoken_of() -> None:
    assert said(GOOD) == ()


def test_raw_pictures_are_noticed() -> None:
    assert said({"input": 255 * numpy.abs(GOOD["input"])}) == (
        f"the input `input` goes from {255 * numpy.abs(GOOD['input']).min():g} to 255:"
        " raw pictures need `scale 1/255` in the spec's `input`",
    )


def test_an_input_without_content_is_noticed() -> None:
    assert said({"input": numpy.zeros((3, 4), numpy.float32)}) == (
        "all numbers of the input `input` are 0 in the first batch",
    )


def test_a_first_loss_far_from_guessing_is_noticed() -> None:
    [line] = said(GOOD, 11.5)
    assert line.startswith("the first loss is 11.5")
    assert "that of guessing is ln(10) = 2.30" in line


@pytest.mark.parametrize(("fresh", "of"), [(False, "crossentropy"), (True, "mse")])
def test_only_fresh_weights_and_crossentropy_are_compared_with_guessing(
    fresh: bool, of: str
) -> None:
    assert said(GOOD, 11.5, fresh=fresh, of=of) == ()


def test_a_run_tells_of_it_and_goes_on(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw.cnn").write_text("input 1x4x4\nflatten -> dense 2 -> softmax\n")
    pictures = numpy.random.default_rng(0).integers(0, 256, (64, 1, 4, 4)).astype(numpy.uint8)
    numpy.savez("raw.npz", x=pictures, y=numpy.arange(64) % 2)
    words = ["train", "raw.cnn", "--data", "raw.npz", "--epochs", "1", "--device", "cpu"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "raw pictures need `scale 1/255` in the spec's `input`" in result.output
