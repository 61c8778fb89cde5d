"""What a student reads: every `NAME.cnn` here gives exactly the text of its `NAME.stderr`.

`CNNDSL_REWRITE=1 pytest tests/ui` writes these texts anew. So that a rewritten text cannot hide a
lost error, each spec also says itself what is wrong with it, and where: `# error: CNN301` at the
end of the line, `# error in line 4: CNN008` where there is no room, `# error in std/x.cnn: CNN305`
for a place in a shipped file, line 0 for a problem that is not in a file. `# limits: …` and
`# parameters: …` are what the spec is checked with.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from documents import ROOT

from cnndsl.diagnostics.codes import CODES
from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, UserError
from cnndsl.diagnostics.render import render_text, render_user_error
from cnndsl.diagnostics.source import Source
from cnndsl.limits import Limits
from cnndsl.pipeline import check

FOLDER = Path(__file__).parent
CASES = sorted(path.name for path in FOLDER.glob("*.cnn"))

_CLAIM = re.compile(r"# (error|warning)(?: in (line [0-9]+|\S+))?: (CNN[0-9]{3})")
_OPTION = re.compile(r"^# (limits|parameters): (.*)$", re.MULTILINE)


class Found(NamedTuple):
    """One problem, claimed or real; line 0 where it is in no file of this folder."""

    file: str
    line: int
    severity: str
    code: str


def options(name: str) -> tuple[Limits, dict[str, object]]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    found = dict(_OPTION.findall(text))
    pairs = [pair.split("=") for pair in found.get("parameters", "").split("; ") if pair]
    return Limits.parse(found.get("limits", "")), dict(pairs)


def diagnose(name: str) -> tuple[Diagnostic, ...]:
    """Check a case in the current folder."""
    limits, parameters = options(name)
    return check(name, parameters, limits=limits).diagnostics


def answer(name: str) -> tuple[str, list[Found]]:
    """What the checker says, as text and as facts."""
    try:
        diagnostics = diagnose(name)
    except UserError as error:
        return render_user_error(error), [Found("", 0, "error", error.code)]
    text = render_text(diagnostics).replace(str(ROOT / "specs" / "std"), "std")
    return text, [found(diagnostic) for diagnostic in diagnostics]


def found(diagnostic: Diagnostic) -> Found:
    span = diagnostic.span
    name = span.source.name.replace(str(ROOT / "specs" / "std"), "std")
    line = 0 if name.startswith("std") else span.first.line
    return Found(name, line, str(diagnostic.severity), diagnostic.code)


def claims(name: str, files: Iterable[str]) -> list[Found]:
    """What a case and the files that were reported say about themselves."""
    claimed: list[Found] = []
    for file in {name, *files}:
        path = FOLDER / file
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            for severity, place, code in _CLAIM.findall(line):
                if place.startswith("line "):
                    at = int(place.removeprefix("line "))
                    claimed.append(Found(file if at else "", at, severity, code))
                elif place:
                    claimed.append(Found(place, 0, severity, code))
                else:
                    claimed.append(Found(file, number, severity, code))
    return claimed


@pytest.fixture(autouse=True)
def _in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in messages are relative to the folder of the cases."""
    monkeypatch.chdir(FOLDER)


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_the_recorded_one(name: str) -> None:
    text, problems = answer(name)
    expected = FOLDER / f"{name.removesuffix('.cnn')}.stderr"
    claimed = claims(name, {problem.file for problem in problems if problem.file})
    assert Counter(problems) == Counter(claimed)
    if os.environ.get("CNNDSL_REWRITE"):
        expected.write_text(f"{text}\n", encoding="utf-8")
    assert f"{text}\n" == expected.read_text(encoding="utf-8")


def test_every_recorded_answer_has_its_case() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.stderr")) == [
        name.removesuffix(".cnn") for name in CASES
    ]


ELSEWHERE = {
    "CNN010": "a spec that does not exist cannot be a case",
    "CNN011": "it speaks of a verb's output",
    "CNN012": "it speaks of folders",
    "CNN906": "it speaks of data",
    "CNN907": "it speaks of what is installed",
    "CNN908": "it speaks of what an editor asks for",
}
"""Codes of specs that have no case, and why."""


def test_every_code_of_a_spec_has_a_case() -> None:
    claimed = {
        code
        for path in FOLDER.rglob("*.cnn")
        for _, _, code in _CLAIM.findall(path.read_text(encoding="utf-8", errors="replace"))
    }
    speaking_of_specs = {code for code in CODES if code[3] not in "678"}
    assert speaking_of_specs - claimed == ELSEWHERE.keys()


# --- fixes ------------------------------------------------------------------------------------


FIXED = [
    name for name in CASES if "# parameters:" not in (FOLDER / name).read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all cases, in which each test leaves everything as it was."""
    folder = tmp_path_factory.mktemp("ui") / "ui"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.stderr", "*.py", "__*"))
    return folder


def moved(diagnostic: Diagnostic, fix: Fix) -> tuple[str, str, int]:
    """The code and the place of a problem, as they would be after the fix."""
    span = diagnostic.span
    start = span.start
    for edit in fix.edits:
        replaced = edit.span
        if replaced.source is span.source and replaced.end <= span.start:
            start += len(edit.text) - (replaced.end - replaced.start)
    return diagnostic.code, span.source.name, start


def place(diagnostic: Diagnostic) -> tuple[str, str, int]:
    return diagnostic.code, diagnostic.span.source.name, diagnostic.span.start


@pytest.mark.parametrize("name", FIXED)
def test_each_fix_mends_its_error(name: str, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = diagnose(name)
    monkeypatch.chdir(copy)
    for diagnostic in before:
        for fix in diagnostic.fixes:
            if all(not Path(edit.span.source.name).is_absolute() for edit in fix.edits):
                after = {place(one) for one in fixed(name, fix)}
                known = {moved(one, fix) for one in before if one is not diagnostic}
                assert moved(diagnostic, fix) not in after - known, fix
                unreadable = {problem for problem in after - known if problem[0][:4] == "CNN0"}
                assert not unreadable, f"{fix}: the text can be read less well than before"


def fixed(name: str, fix: Fix) -> tuple[Diagnostic, ...]:
    """What is wrong with a case after a fix."""
    edits: dict[Source, list[Edit]] = {}
    for edit in fix.edits:
        edits.setdefault(edit.span.source, []).append(edit)
    try:
        for source, group in edits.items():
            Path(source.name).write_text(apply_edits(source.text, group), encoding="utf-8")
        return diagnose(name)
    finally:
        for source in edits:
            shutil.copyfile(FOLDER / source.name, source.name)
