"""`cnndsl draw`: a picture or a text of a network, and the line that says so."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import cnndsl
from cnndsl.cli import main

ODD = 'input 1x8x8\nconv 2@3 -> relu\nflatten -> dense 2\nclasses "<&>", "ä猫"\n'


def draw(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["draw", *arguments])


@pytest.mark.parametrize(
    ("ending", "begin"),
    [
        ("svg", b"<?xml"),
        ("png", b"\x89PNG"),
        ("pdf", b"%PDF-"),
        ("dot", b'digraph "lenet5"'),
        ("gv", b'digraph "lenet5"'),
        ("mmd", b'---\ntitle: "lenet5"'),
        ("mermaid", b'---\ntitle: "lenet5"'),
    ],
)
def test_the_ending_says_what_it_becomes(tmp_path: Path, ending: str, begin: bytes) -> None:
    target = tmp_path / f"a.{ending}"
    result = draw("lenet5", "-o", str(target))
    assert result.stdout == f"{target}: lenet5 as blocks\n"
    assert target.read_bytes().startswith(begin)


@pytest.mark.parametrize(
    ("form", "begin"),
    [
        ((), b"<?xml"),
        (("--format", "svg"), b"<?xml"),
        (("--format", "png"), b"\x89PNG"),
        (("--format", "pdf"), b"%PDF-"),
        (("--format", "dot"), b'digraph "lenet5"'),
        (("--format", "mermaid"), b'---\ntitle: "lenet5"'),
    ],
)
def test_standard_output_takes_the_drawing_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...], begin: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    result = draw("lenet5", "-o", "-", *form)
    assert result.exit_code == 0
    assert result.stdout_bytes.startswith(begin)
    assert draw("lenet5", "-o", "a", *(form or ("--format", "svg"))).exit_code == 0
    assert result.stdout_bytes == Path("a").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_format_names_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert draw("lenet5", "--format", "mermaid").stdout == "lenet5.mmd: lenet5 as blocks\n"


@pytest.mark.parametrize("style", ["blocks", "volumes"])
def test_an_svg_says_what_it_shows(style: str) -> None:
    root = ElementTree.fromstring(draw("lenet5", "-o", "-", "--style", style).stdout_bytes)
    assert root.get("role") == "img"
    title, words = root[0], root[1]
    assert (title.tag.rpartition("}")[2], title.text) == ("title", f"lenet5 as {style}")
    assert words.tag.endswith("desc")
    assert words.text is not None
    assert "C1 conv 6 @ 5×5" in " ".join(words.text.split())


@pytest.mark.parametrize("style", ["blocks", "volumes"])
def test_an_svg_needs_nothing_from_elsewhere(style: str) -> None:
    content = draw("lenet5", "-o", "-", "--style", style).stdout
    root = ElementTree.fromstring(content.encode())
    tags = {one.tag.rpartition("}")[2] for one in root.iter()}
    assert not tags & {"script", "image", "foreignObject", "text"}, "letters are paths"
    addresses = [
        value
        for one in root.iter()
        for name, value in one.attrib.items()
        if name.endswith("href") or "url(" in value
    ]
    assert all(one.startswith(("#", "url(#")) for one in addresses)
    assert "@import" not in content


def test_a_pdf_holds_its_fonts(tmp_path: Path) -> None:
    content = draw("lenet5", "-o", "-", "--format", "pdf").stdout_bytes
    assert content.count(b"/FontDescriptor /") == content.count(b"/FontFile2 ") > 0
    assert b"/Type3" not in content
    assert b"/Title (lenet5 as blocks)" in content


def test_without_a_name_it_is_the_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert draw("lenet5").stdout == "lenet5.svg: lenet5 as blocks\n"
    assert [path.name for path in tmp_path.iterdir()] == ["lenet5.svg"]


def test_a_compiled_model_carries_what_is_drawn(tmp_path: Path) -> None:
    model, one, other = (tmp_path / name for name in ("m.onnx", "one.dot", "other.dot"))
    cnndsl.load("lenet5").compile().save(model)
    assert draw(str(model), "-o", str(one)).exit_code == 0
    assert draw("lenet5", "-o", str(other)).exit_code == 0
    assert one.read_bytes() == other.read_bytes()


def test_parameters_are_drawn(tmp_path: Path) -> None:
    target = tmp_path / "a.dot"
    assert draw("resnet18", "-D", "classes=7", "-o", str(target)).exit_code == 0
    assert "dense 7" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize("style", ["blocks", "volumes"])
def test_the_dark_theme_is_light_on_dark(tmp_path: Path, style: str) -> None:
    for theme, least, most in (("light", 200, 255), ("dark", 0, 60)):
        target = tmp_path / f"{theme}.png"
        assert draw("lenet5", "--theme", theme, "--style", style, "-o", str(target)).exit_code == 0
        with Image.open(target) as image:
            assert least <= image.convert("L").getpixel((0, 0)) <= most  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["lenet5", "-o", "a.jpg"], "CNN621"),
        (["lenet5", "-o", "a"], "CNN621"),
        (["octresnet26", "--style", "volumes", "-o", "a.svg"], "CNN622"),
        (["lenet5", "--style", "volumes", "-o", "a.mmd"], "CNN623"),
        (["lenet5", "-o", "nowhere/a.svg"], "CNN603"),
        (["lenet6", "-o", "a.svg"], "CNN010"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = draw(*arguments)
    assert result.exit_code == 1
    assert f"error[{code}]" in result.stderr
    assert [*tmp_path.iterdir()] == []


def test_a_svg_is_xml_whatever_the_names(tmp_path: Path) -> None:
    spec, target = tmp_path / "<&>.cnn", tmp_path / "a.svg"
    spec.write_text(ODD, encoding="utf-8")
    assert draw(str(spec), "-o", str(target)).exit_code == 0
    assert ElementTree.parse(target).getroot().tag.endswith("svg")
