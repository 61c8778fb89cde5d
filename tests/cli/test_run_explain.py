"""`cnndsl run --explain` and `cnndsl compile --salience`: what is drawn, said, written, refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import cnndsl
from cnndsl.cli import main
from cnndsl.runtime.explainer import METHODS, Method

SPEC = """network tiny
input 1x12x12 {{ scale 1/255  mean 0.1  std 0.5 }}
classes "cat", "big dog", "a/b"
C1: conv 4@3 -> {activation} -> maxpool 2
flatten -> F: dense 3 -> softmax
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tiny.cnn").write_text(SPEC.format(activation="relu"))
    random = numpy.random.default_rng(3)
    for name in ("p", "q"):
        Image.fromarray(random.integers(0, 256, (12, 12), numpy.uint8)).save(f"{name}.png")
    return tmp_path


def cnn(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def compiled(*words: str) -> str:
    done = cnn("compile", "tiny.cnn", "--seed", "4", "-o", "tiny.onnx", *words)
    assert done.exit_code == 0, done.output
    return "tiny.onnx"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_draws_what_the_api_finds(method: Method) -> None:
    model = compiled()
    done = cnn("run", model, "p.png", "--explain", method, "-o", "heat.png", "--device", "cpu")
    assert done.exit_code == 0, done.output
    [found] = cnndsl.explain(model, "p.png", method=method, device="cpu")
    said = f"heat.png: {method}, probability {found.answer:.4g} of {found.class_name} for p.png\n"
    assert done.stdout == said
    found.draw("api.png")
    assert Path("heat.png").read_bytes() == Path("api.png").read_bytes()
    assert found.largest > 0


@pytest.mark.parametrize(("words", "method"), [([], "gradient"), (["--layer", "last"], "gradcam")])
@pytest.mark.parametrize("name", ["big dog", "2", "answer"])
def test_a_model_with_salience_gives_it_in_plain_onnxruntime(
    words: list[str], method: Method, name: str
) -> None:
    plain = compiled()
    target = None if name == "answer" else int(name) if name == "2" else name
    [found] = cnndsl.explain(plain, "p.png", method=method, target=target, device="cpu")
    session = onnxruntime.InferenceSession(
        compiled("--salience", name, *words), providers=["CPUExecutionProvider"]
    )
    pixels = numpy.asarray(Image.open("p.png"), numpy.float32)
    x = ((pixels / 255 - 0.1) / 0.5).astype(numpy.float32)[None, None]
    answers, salience = session.run(["output", "salience"], {"input": x})
    assert answers[0, found.index] == pytest.approx(found.answer, rel=1e-5)
    numpy.testing.assert_allclose(salience[0], found.salience, atol=1e-6 * found.largest)


def test_several_pictures_are_numbered_and_a_class_may_have_any_name() -> None:
    options = ["--class", "a/b", "-o", "heat.svg", "--format", "json"]
    done = cnn("run", compiled(), "p.png", "q.png", "--explain", "occlusion", *options)
    said = json.loads(done.stdout)
    assert [one["file"] for one in said] == ["heat-1.svg", "heat-2.svg"]
    assert [one["input"] for one in said] == ["p.png", "q.png"]
    assert {(one["class"], one["index"], one["kind"]) for one in said} == {
        ("a/b", 2, "probability")
    }
    assert all(Path(one["file"]).read_text().startswith("<?xml") for one in said)


def test_where_nothing_speaks_for_the_class_that_is_said() -> None:
    Path("tiny.cnn").write_text(SPEC.format(activation="clip 90 91"))
    words = ["run", compiled(), "p.png", "--explain", "gradient", "-o", "dark.pdf"]
    assert cnn(*words).stdout.endswith("for p.png; nothing of it is above 0\n")
    [said] = json.loads(cnn(*words, "--format", "json").stdout)
    assert said["max"] == 0
    assert Path("dark.pdf").read_bytes().startswith(b"%PDF")


def test_broken_pictures_are_left_out_on_demand() -> None:
    Path("b.png").write_text("nothing")
    words = ["run", compiled(), "b.png", "p.png", "--explain", "gradient", "-o", "heat.png"]
    assert "CNN702" in cnn(*words).stderr
    assert not Path("heat.png").exists()
    done = cnn(*words, "--skip-broken")
    assert (done.exit_code, done.stdout.split(":")[0]) == (0, "heat.png")
    assert "left out: cannot read `b.png`" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--explain", "gradient"], "name the file, as in -o heat.png"),
        (["--explain", "gradient", "-o", "heat.bmp"], "CNN609"),
        (["--explain", "gradient", "-o", "no/heat.png"], "CNN603"),
        (["--explain", "gradient", "-o", "p.png"], "'p.png' is an INPUT: write into another file"),
        (["--layers", "C1", "--draw", "p.png"], "'p.png' is an INPUT"),
        (["--explain", "gradient", "-o", "heat.png", "--class", "cow"], "CNN713"),
        (["--explain", "gradient", "-o", "heat.png", "--class", "3"], "CNN713"),
        (["--explain", "gradcam", "-o", "heat.png", "--layer", "F"], "CNN714"),
        (["--explain", "gradcam", "-o", "heat.png", "--layer", "C9"], "CNN704"),
        (["--explain", "gradient", "-o", "heat.png", "--layer", "C1"], "--layer is for --explain"),
        (["--explain", "gradient", "-o", "heat.png", "--flip"], "one view by one model"),
        (["--explain", "gradient", "-o", "heat.png", "--layers", "C1"], "two questions"),
        (["--class", "cat"], "--class is for --explain"),
    ],
)
def test_what_cannot_be_explained_is_refused(words: list[str], said: str) -> None:
    before = Path("p.png").read_bytes()
    done = cnn("run", "tiny.cnn", "p.png", *words)
    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert {path.name for path in Path().iterdir()} == {"tiny.cnn", "p.png", "q.png"}
    assert Path("p.png").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--salience", "cow"], "CNN713"),
        (["--salience", "cat", "--layer", "F"], "CNN714"),
        (["--salience", "cat", "--raw"], "leave out --raw and --training"),
        (["--layer", "C1"], "--layer is for --salience"),
    ],
)
def test_a_salience_that_cannot_be_is_refused(words: list[str], said: str) -> None:
    done = cnn("compile", "tiny.cnn", "-o", "tiny.onnx", *words)
    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert not Path("tiny.onnx").exists()


def test_a_salience_map_has_no_mean_over_crops_nor_mirror_images() -> None:
    for views in (["--crops", "5"], ["--flip"]):
        done = cnn("run", compiled("--salience", "cat"), "p.png", *views)
        assert "CNN709" in done.stderr
        assert done.stderr.splitlines()[-1].count("--") == 1  # none that would not help


def test_top_is_for_answers_and_not_for_figures() -> None:
    words = ["run", compiled(), "p.png", "--explain", "gradient", "-o", "heat.png"]
    done = cnn(*words, "--top", "2")
    assert done.exit_code == 0
    assert "`--top` does not apply: figures are drawn" in done.stderr
    assert "--top" not in cnn(*words).stderr
