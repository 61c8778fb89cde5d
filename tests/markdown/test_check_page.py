"""What is wrong with the specs of a page, at their places in it; and how that is mended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT, documents, name_of

import cnndsl
from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.render import FORMATS
from cnndsl.markdown.check import CheckedPage, check_page_text
from cnndsl.pipeline import check_text

WRONG = "input 3x224x224\nconv 96@11 stride 4\n"
RIGHT = "input 1x8x8\nconv 4@3 -> relu\nflatten -> dense 2 -> softmax\n"


def block(text: str = RIGHT, words: str = "", margin: str = "") -> str:
    lines = [f"```cnn {words}".rstrip(), *text.splitlines(), "```"]
    return "".join(f"{margin}{line}\n" for line in lines)


def found(page: CheckedPage | str) -> list[tuple[int, int, str]]:
    if isinstance(page, str):
        page = check_page_text(page)
    places = [(one.span.first, one.code) for one in page.diagnostics]
    return [(place.line, place.column, code) for place, code in places]


def test_places_are_those_of_the_page() -> None:
    assert found("# A title\n\n" + block(WRONG)) == [(5, 9, "CNN301")]
    assert found("# A title\n\n" + block(WRONG, margin="> ")) == [(5, 11, "CNN301")]
    assert found("- item\n\n" + block(WRONG, margin="  ")) == [(5, 11, "CNN301")]
    text = "1. > text\n   >\n" + block(WRONG, margin="   >  ")
    assert found(text) == [(5, 15, "CNN301")]


def test_labels_notes_and_fixes_speak_of_the_page() -> None:
    [problem] = check_page_text("text\n\n" + block(WRONG, margin="> ")).diagnostics
    assert problem.span.source.name == "page.md"
    [label] = problem.labels
    assert (label.span.first.line, label.span.text) == (4, "input 3x224x224")
    [alone] = check_text("\n\n\n" + WRONG).diagnostics
    assert problem.notes == alone.notes
    assert [fix.title for fix in problem.fixes] == [fix.title for fix in alone.fixes]


@pytest.mark.parametrize("margin", ["", "> ", "   > ", "  "])
def test_every_fix_changes_the_block_as_it_changes_a_file(margin: str) -> None:
    text = "network a\ninput 3x224x224\nconv 96@11 stride 4\nmaxpool 3 stride 2\nfc 3\n"
    above = "- text\n\n" if margin == "  " else "text\n\n"
    page = check_page_text(above + block(text, margin=margin) + "\nmore\n")
    alone = check_text("\n\n\n" + text)
    assert len(page.diagnostics) == len(alone.diagnostics) > 0
    for mapped, plain in zip(page.diagnostics, alone.diagnostics, strict=True):
        assert len(mapped.fixes) == len(plain.fixes)
        for fix, same in zip(mapped.fixes, plain.fixes, strict=True):
            changed = apply_edits(alone.source.text, same.edits).lstrip("\n")
            expected = above + block(changed, margin=margin) + "\nmore\n"
            assert apply_edits(page.source.text, fix.edits) == expected


def test_claims_are_written_into_the_page() -> None:
    page = check_page_text("> text\n>\n" + block(margin="> "), annotate=True)
    text = apply_edits(page.source.text, page.annotations)
    assert "> conv 4@3 -> relu => 4x6x6\n" in text
    assert "> ```\n" in text
    assert found(text) == []


def test_blocks_import_each_other_and_read_each_others_files() -> None:
    parts = block("block unit(n) {\n  conv n@3 -> relu\n}\n", "file=parts.cnn")
    main = block(
        'import "parts"\ninput 1x8x8\nclasses from "names.txt"\nunit(4)\nflatten\ndense 2\n'
    )
    names = "```text file=names.txt\ncat\ndog\n```\n"
    assert found(main + parts + names) == []
    assert found(main + names)[0][2] == "CNN107"
    assert [code for _, _, code in found(main + parts)] == ["CNN005"]
    three = names.replace("dog", "dog\nbird")
    assert [code for _, _, code in found(main + parts + three)] == ["CNN502"]


def test_a_mistake_in_an_imported_block_is_said_once_and_where_it_is() -> None:
    parts = block("block unit(n) { conv n@3 -> rely }\n", "file=parts.cnn")
    main = block('import "parts"\ninput 1x8x8\nunit(4)\n')
    assert found(parts + main + main) == [(2, 29, "CNN101")]


def test_a_block_that_fails_says_so_and_is_held_to_it() -> None:
    assert found(block(WRONG, "fails")) == []
    assert found(block(RIGHT, "fails")) == [(1, 1, "CNN691")]
    warns = "input 1x8x8\na: conv 4@3\nlet n = 3\n"
    assert found(block(warns, "fails")) == [(1, 1, "CNN691")]


def test_a_block_that_is_to_be_ignored_is() -> None:
    assert found(block(WRONG, "ignore")) == []
    assert found(block("...", "ignore file=parts.cnn")) == []


@pytest.mark.parametrize(
    ("comment", "codes"),
    [
        ("# error: CNN301", []),
        ('# error: CNN301 "54.25"', []),
        ('# error: CNN301 "54.5"', ["CNN301", "CNN690"]),
        ("# error: CNN302", ["CNN301", "CNN690"]),
        ("# warning: CNN301", ["CNN301", "CNN690"]),
        ("# error: CNN301 # error: CNN301", ["CNN690"]),
    ],
)
def test_a_comment_claims_a_problem(comment: str, codes: list[str]) -> None:
    text = "input 3x224x224\nconv 96@11 stride 4   " + comment + "\n"
    assert sorted(code for _, _, code in found(block(text))) == codes


def test_a_claim_of_another_problem_is_told_what_there_is() -> None:
    text = "input 3x224x224\nconv 96@11 stride 4   # error: CNN302\n"
    [problem] = [one for one in check_page_text(block(text)).diagnostics if one.code == "CNN690"]
    assert problem.message == "this line has no error `CNN302`"
    assert problem.notes == (
        "here is error CNN301: the kernel does not tile the input: (224 - 11)/4 + 1 = 54.25",
    )
    assert problem.span.text == "# error: CNN302"


@pytest.mark.parametrize("name", ["../a.cnn", "/etc/a.cnn", "a\\0.cnn/../../.."])
def test_names_of_blocks_stay_beside_the_page(name: str) -> None:
    problems = check_page_text(block(words=f"file={name}")).diagnostics
    assert [one.code for one in problems] == ["CNN692"]


def test_a_name_is_given_once() -> None:
    page = check_page_text(block(words="file=a.cnn") + block(words="file=./a.cnn"))
    [problem] = page.diagnostics
    assert (problem.code, problem.span.first.line) == ("CNN692", 6)
    assert problem.labels[0].span.first.line == 1


def test_a_block_without_an_end_is_checked_and_left_as_it_is() -> None:
    page = check_page_text("> ```cnn\n> input 3x224x224\n> conv 96@11 stride 4\n\nafter\n")
    [problem] = page.diagnostics
    assert (problem.span.first.line, problem.fixes) == (3, ())
    [problem] = check_page_text("```cnn\ninput 3x224x224\nconv 96@11 stride 4").diagnostics
    assert problem.fixes


def test_carriage_returns_move_nothing() -> None:
    plain, other = block(WRONG), block(WRONG).replace("\n", "\r\n")
    assert found(plain) == found(other)


def test_an_empty_block_and_an_empty_page() -> None:
    assert [code for _, _, code in found("text\n\n```cnn\n```\n")] == [
        one.code for one in check_text("\n").diagnostics
    ]
    assert check_page_text("").blocks == check_page_text("```python\nx\n```\n").blocks == ()


@pytest.mark.parametrize("page", documents(), ids=name_of)
def test_our_own_pages_are_right(page: Path) -> None:
    assert cnndsl.check(page) == []


# --- the command ------------------------------------------------------------------------------


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cnndsl", "check", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_tells_of_blocks(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(block() + "\n" + block(WRONG), encoding="utf-8")
    (tmp_path / "b.md").write_text("no blocks\n", encoding="utf-8")
    done = run(tmp_path, "a.md", "b.md")
    assert done.returncode == 1
    assert " --> a.md:9:9\n" in done.stdout
    assert "conv1  conv 96@11 stride 4" in done.stdout
    assert "softmax1" not in done.stdout
    assert done.stdout.endswith("a.md: 2 blocks: 1 error\n\nb.md: 0 blocks: no problems\n")
    assert "softmax1" in run(tmp_path, "--table", "all", "a.md").stdout
    assert run(tmp_path, "b.md").returncode == 0


def test_formats_have_the_places_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text\n\n" + block(WRONG, margin="> "), encoding="utf-8")
    said = {style: run(tmp_path, "--format", style, "a.md").stdout for style in FORMATS}
    [problem] = json.loads(said["json"])
    assert problem["file"] == "a.md"
    assert (problem["start"]["line"], problem["start"]["column"]) == (5, 11)
    assert said["concise"].startswith("a.md:5:11: error[CNN301] ")
    assert "file=a.md,line=5,endLine=5,col=11," in said["github"]
    [result] = json.loads(said["sarif"])["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 5


def test_pages_are_mended_and_annotated(tmp_path: Path) -> None:
    text = "\ufeff# é\n\n" + block("input 1x8x8\nmaxpol 2\nflatten -> dense 2\n", margin="> ")
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    done = run(tmp_path, "--fix", "--annotate", "a.md")
    assert done.returncode == 0, done.stdout
    assert "fixed a.md:5:3: " in done.stderr
    changed = (tmp_path / "a.md").read_text(encoding="utf-8")
    assert changed.startswith("\ufeff# é\n\n> ```cnn\n> input 1x8x8\n> maxpool 2 ")
    assert "=> 1x4x4\n> flatten" in changed


def test_a_page_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "none.md")
    assert (done.returncode, done.stdout) == (1, "")
    assert "CNN010" in done.stderr


def test_the_readme_is_checked_in_ci_as_users_check_theirs() -> None:
    assert run(ROOT, "README.md").returncode == 0
