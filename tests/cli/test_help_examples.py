"""The examples at the end of a verb's help do what they say, word for word."""

import re
from pathlib import Path

import numpy
import pytest
from console import run
from foreign_weights import drawn
from PIL import Image
from safetensors.numpy import save

import cnndsl
from cnndsl.cli.verbs import VERBS, command
from cnndsl.importers.weights.pytorch_writer import checkpoint

SPEC = "input 1x8x8\nconv 4@3 -> relu   # a comment\nflatten -> dense 10 -> softmax\n"


def examples(verb: str) -> list[str]:
    """The commands below `Example:` at the end of a verb's help."""
    _, found, text = (command(verb).epilog or "").partition("Example:\n")
    lines = [line.strip() for line in text.splitlines()]
    assert found, f"`cnndsl {verb} --help` has no example"
    assert all(line.startswith(f"cnndsl {verb} ") or line == f"cnndsl {verb}" for line in lines)
    return lines


def pictures(folder: Path) -> None:
    """Four pictures of each of ten classes."""
    random = numpy.random.default_rng(0)
    for number in range(10):
        (folder / str(number)).mkdir(parents=True)
        for name in "abcd":
            pixels = random.integers(0, 256, (8, 8), numpy.uint8)
            Image.fromarray(pixels).save(folder / str(number) / f"{name}.png")


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
    pictures(tmp_path / "pictures")
    if "--data digits" in line:
        pytest.importorskip("sklearn")
    printed = run(line, tmp_path)
    assert not re.search(r"^(error|internal error|Usage|Traceback)", printed, re.MULTILINE)
