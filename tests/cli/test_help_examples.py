"""The examples at the end of a verb's help do what they say, word for word."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from console import run
from foreign_weights import drawn
from safetensors.numpy import save

import cnndsl
from cnndsl.cli import main
from cnndsl.cli.verbs import VERBS
from cnndsl.importers.weights.pytorch_writer import checkpoint

SPEC = "input 1x8x8\nconv 4@3 -> relu   # a comment\nflatten -> dense 10 -> softmax\n"


def examples(verb: str) -> list[str]:
    """The commands below `Example:` in a verb's help."""
    help = CliRunner().invoke(main, [verb, "--help"]).stdout
    _, found, text = help.partition("\nExample:\n")
    lines = [line.strip() for line in text.splitlines()]
    assert not found or all(line.startswith("cnndsl ") for line in lines)
    return lines


def weights(ending: str) -> bytes:
    """Those of the spec, as PyTorch saves them and as the spec names them."""
    shapes = {"conv1.weight": (4, 1, 3, 3), "conv1.bias": (4,)}
    shapes |= {"dense1.weight": (10, 144), "dense1.bias": (10,)}
    arrays = {name: drawn(*shape) for name, shape in shapes.items()}
    return b"".join(checkpoint(arrays)) if ending == "pt" else save(arrays)


EXAMPLES = [(verb, line) for verb in VERBS for line in examples(verb)]


@pytest.mark.parametrize(("verb", "line"), EXAMPLES)
def test_an_example_of_the_help_works(verb: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "net.cnn").write_text(SPEC)
    for name, ending in (("theirs", "pt"), ("net", "safetensors")):
        (tmp_path / f"{name}.{ending}").write_bytes(weights(ending))
    cnndsl.parse(SPEC).compile(device="cpu").save(tmp_path / "net.onnx")
    assert shlex.split(line)[1] == verb
    printed = run(line, tmp_path)
    assert "error" not in printed
    assert "Usage:" not in printed
