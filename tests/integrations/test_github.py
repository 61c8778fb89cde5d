"""What GitHub is given: a problem matcher that meets our lines, and an action that checks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, fences
from repositories import git
from workspaces import UNUSED, WRONG, path_of, workspace

from cnndsl.diagnostics.model import Diagnostic, Severity, UserError
from cnndsl.diagnostics.render import render, render_user_error
from cnndsl.pipeline import check_text

MATCHERS = json.loads((ROOT / ".github" / "problem-matcher.json").read_text("utf-8"))
PLACED, PLACELESS = MATCHERS["problemMatcher"]
KEYS = {"regexp", "file", "fromPath", "line", "column", "severity", "code", "message", "loop"}
"""What the runner knows of a pattern."""


def met(matcher: dict[str, Any], line: str) -> dict[str, str] | None:
    """What a runner reads of a line, by the properties of its only pattern."""
    [pattern] = matcher["pattern"]
    found = re.search(pattern["regexp"], line)
    groups = {name: at for name, at in pattern.items() if name != "regexp"}
    return {name: found[at] for name, at in groups.items()} if found else None


def problems(name: str = "a.cnn") -> tuple[Diagnostic, ...]:
    found = (*check_text(WRONG, name).diagnostics, *check_text(UNUSED, name).diagnostics)
    assert {one.severity for one in found} == set(Severity)
    return found


@pytest.mark.parametrize(
    "name",
    ["a.cnn", "nets/a b.cnn", "C:\\nets\\a.cnn", "a:1:2: b.cnn", "error[CNN001].cnn", "é.md"],
)
def test_a_line_of_ours_is_met_whole(name: str) -> None:
    found = problems(name)
    lines = render(found, "concise").splitlines()
    for line, one in zip(lines, found, strict=True):
        at = one.span.first
        assert met(PLACED, line) == {
            "file": name,
            "line": str(at.line),
            "column": str(at.column),
            "severity": str(one.severity),
            "code": one.code,
            "message": one.message,
        }
        assert met(PLACELESS, line) is None or name.startswith("error[")


def test_a_problem_without_a_place_is_met_by_the_other() -> None:
    line = render_user_error(UserError("CNN010", "there is no file `a.cnn`"), "concise")
    assert met(PLACED, line) is None
    assert met(PLACELESS, line) == {
        "severity": "error",
        "code": "CNN010",
        "message": "there is no file `a.cnn`",
    }


@pytest.mark.parametrize("line", ["a.cnn: no problems", "fixed a.cnn:1:2: write `relu`", ""])
def test_other_lines_are_not_met(line: str) -> None:
    assert met(PLACED, line) is met(PLACELESS, line) is None


def test_the_matchers_have_what_a_runner_knows() -> None:
    owners = [one["owner"] for one in MATCHERS["problemMatcher"]]
    assert len(set(owners)) == len(owners) == 2
    for one in (PLACED, PLACELESS):
        [pattern] = one["pattern"]
        assert {"regexp", "message"} <= pattern.keys() <= KEYS


def test_javascript_reads_the_same() -> None:
    """The runner's regular expressions are ECMAScript's."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node")
    lines = render(problems("nets/é b.cnn"), "concise").splitlines()
    program = (
        "const [m, lines] = JSON.parse(process.argv[1]);"
        "const p = m.pattern[0]; const r = new RegExp(p.regexp);"
        "console.log(JSON.stringify(lines.map(l => { const f = r.exec(l);"
        "return f && Object.fromEntries(Object.entries(p).filter(([k]) => k != 'regexp')"
        ".map(([k, i]) => [k, f[i]])); })))"
    )
    text = json.dumps([PLACED, lines])
    done = subprocess.run([node, "-e", program, text], capture_output=True, check=True)
    assert json.loads(done.stdout) == [met(PLACED, line) for line in lines]


SCHEMA = ("--builtin-schema", "vendor.github-actions")


# --- the action -------------------------------------------------------------------------------


def test_the_action_is_one_to_the_published_schema() -> None:
    pytest.importorskip("check_jsonschema", reason="there is no check-jsonschema")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *SCHEMA, "action.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_action_uses_the_inputs_that_it_has() -> None:
    yaml = pytest.importorskip("yaml", reason="there is no PyYAML")
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    action = yaml.safe_load(text)
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action["inputs"])
    steps = action["runs"]["steps"]
    assert all("shell" in step for step in steps if "run" in step)
    # What a caller gives enters a script as a variable: it is never part of its text.
    assert not any("${{" in step.get("run", "") for step in steps)
    for script in ("check.sh", "diff.sh"):
        readers = (ROOT / ".github" / script).read_text(encoding="utf-8")
        [step] = [step for step in steps if script in step.get("run", "")]
        names = set(step["env"]) - {"GH_TOKEN"}  # which gh reads
        assert all(f"${{{name}" in readers or f"${name}" in readers for name in names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return workspace(tmp_path)


def act(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The step of the action that checks."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    return subprocess.run(
        [bash, str(ROOT / ".github" / "check.sh")],
        cwd=folder,
        env={**os.environ, "PATH": path_of(folder), **inputs},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_action_checks_what_patterns_mean(folder: Path) -> None:
    done = act(folder, SPECS="  nets/**/*.cnn  \nlenet5\n\n", SARIF="found.sarif")
    assert done.returncode == 1, done.stderr
    said = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert {"nets/right.cnn: no problems", "lenet5: no problems"} <= set(said)
    commands = [line for line in said if line.startswith("::")]
    assert len(commands) == len(problems())
    place = "::error file=nets/deep nets/wrong.cnn,line=2,endLine=2,col=9,endColumn=11,"
    assert commands[0].startswith(place)
    results = json.loads((folder / "found.sarif").read_text("utf-8"))["runs"][0]["results"]
    assert len(results) == len(commands)


def test_the_action_passes_where_all_is_well(folder: Path) -> None:
    done = act(folder, SPECS="nets/right.cnn", SARIF="found.sarif")
    assert (done.returncode, done.stdout) == (0, "nets/right.cnn: no problems\n")
    assert json.loads((folder / "found.sarif").read_text("utf-8"))["runs"][0]["results"] == []


@pytest.mark.parametrize("specs", ["", "\n", "none/*.cnn", "$(touch seen)", "`touch seen`/*"])
def test_the_action_says_that_nothing_is_meant_or_there(folder: Path, specs: str) -> None:
    done = act(folder, SPECS=specs)
    assert done.returncode == 1
    assert "::error" in done.stdout or "CNN010" in done.stderr
    assert not (folder / "seen").exists()


def test_the_action_shows_no_annotations_where_none_are_wanted(folder: Path) -> None:
    done = act(folder, SPECS="nets/**/*.cnn", ANNOTATIONS="false")
    assert done.returncode == 1
    assert "::error" not in done.stdout


# --- the action compares ------------------------------------------------------------------------

GH = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in *--jq*) printf '%s' "$OLD_COMMENT" ;; esac
for word in "$@"; do case "$word" in body=@*) cat "${word#body=@}" >> "$CALLS" ;; esac; done
"""


@pytest.fixture
def history(folder: Path) -> Path:
    """Networks that changed since the last commit, in meaning or not."""
    (folder / "nets" / "blocks.cnn").write_text("block unit() { conv 4@3 }\n")
    (folder / "nets" / "user.cnn").write_text('import "blocks"\ninput 1x8x8\nunit()\n')
    (folder / "bin" / "gh").write_text(GH)
    (folder / "bin" / "gh").chmod(0o755)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    (folder / "nets" / "blocks.cnn").write_text("block unit() { conv 5@3 }\n")
    (folder / "nets" / "right.cnn").write_text("# the same\ninput 1x8x8\nconv 4@3\n")
    (folder / "nets" / "new one.cnn").write_text("input 1x8x8\nconv 4@3\n")
    return folder


def compare(folder: Path, old: str = "", **inputs: str) -> tuple[int, str, str]:
    """The exit code of the step that compares, what it said, and what it asked of GitHub."""
    bash = shutil.which("bash")
    if bash is None or shutil.which("git") is None:
        pytest.skip("there is no bash, or no git")
    env = {
        "SPECS": "nets/**/*.cnn\nlenet5\nnone/*.cnn",
        "BASE": "HEAD",
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_REPOSITORY": "me/nets",
        "CALLS": str(folder / "calls"),
        "OLD_COMMENT": old,
        "PATH": path_of(folder),
        **inputs,
    }
    done = subprocess.run(
        [bash, str(ROOT / ".github" / "diff.sh")],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    calls = (folder / "calls").read_text("utf-8") if (folder / "calls").exists() else ""
    return done.returncode, done.stdout, calls


def test_the_action_says_what_changed_in_meaning(history: Path) -> None:
    code, said, calls = compare(history)
    assert (code, calls) == (0, "")
    assert said == (history / "summary.md").read_text("utf-8")
    titles = [line for line in said.splitlines() if line.startswith("### ")]
    assert titles[:2] == [
        "### `nets/deep nets/wrong.cnn` cannot be compared",
        "### `nets/new one.cnn` is new",
    ]
    assert re.fullmatch(r"### `\w+:./nets/user.cnn` → `nets/user.cnn`", titles[2])
    assert len(titles) == 3
    assert "- changed `unit1.conv1`: filters `4` → `5`" in said


def test_the_action_says_that_nothing_changed(history: Path) -> None:
    code, said, calls = compare(history, SPECS="nets/right.cnn", COMMENT="true", PR="7")
    assert code == 0
    assert said.startswith("No network changed in meaning since `")
    assert "body=" not in calls  # nobody is told that there is nothing to tell


@pytest.mark.parametrize("old", ["", "123"])
def test_the_action_keeps_one_comment(history: Path, old: str) -> None:
    code, said, calls = compare(history, old, COMMENT="true", PR="7")
    assert code == 0
    asked, wrote, mark, *body = calls.splitlines()
    assert "repos/me/nets/issues/7/comments" in asked
    place = "issues/comments/123" if old else "issues/7/comments"
    assert f"repos/me/nets/{place} " in wrote
    assert ("PATCH" in wrote) is bool(old)
    assert mark == "<!-- cnndsl diff -->"
    assert body == said.splitlines()


def test_the_action_fetches_the_base_of_a_pull_request(history: Path, tmp_path: Path) -> None:
    git(history, "branch", "-M", "main")
    git(history, "clone", "-q", "--depth=1", f"file://{history}", str(tmp_path / "clone"))
    clone = tmp_path / "clone"
    (clone / "nets" / "right.cnn").write_text("input 1x8x8\nconv 9@3\n")
    code, said, _ = compare(clone, BASE="base", GITHUB_BASE_REF="main", PATH=path_of(history))
    assert code == 0
    assert "filters `4` → `9`" in said


def test_the_action_compares_nothing_where_there_is_no_pull_request(history: Path) -> None:
    code, said, calls = compare(history, BASE="base", GITHUB_BASE_REF="", COMMENT="true", PR="")
    assert (code, calls) == (0, "")
    assert said == "this is no pull request: there is no base to compare with\n"
    assert not (history / "summary.md").exists()


@pytest.mark.parametrize("base", ["nowhere", "base", "--all", "$(touch seen)"])
def test_the_action_says_that_there_is_no_base(history: Path, base: str) -> None:
    code, said, _ = compare(history, BASE=base, GITHUB_BASE_REF="main")
    assert code == 1
    assert said.startswith("::error title=cnndsl::there is no revision")
    assert not (history / "seen").exists()


# --- the page ---------------------------------------------------------------------------------


def test_the_page_shows_the_inputs_and_the_pattern() -> None:
    yaml = pytest.importorskip("yaml", reason="there is no PyYAML")
    page = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    table = page.split("| input | means | default |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(action["inputs"])
    [task] = fences(ROOT / "docs" / "integrations.md", "json")
    assert json.loads(task.text)["problemMatcher"]["pattern"] == PLACED["pattern"][0]
    for fence in fences(ROOT / "docs" / "integrations.md", "yaml"):
        assert yaml.safe_load(fence.text)


def test_vim_reads_a_line_by_the_format_on_the_page(tmp_path: Path) -> None:
    vim = shutil.which("vim")
    if vim is None:
        pytest.skip("there is no Vim")
    page = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    [setting] = re.findall(r"`(set errorformat=.*?)`", page)
    (tmp_path / "lines").write_text(render(problems(), "concise"), encoding="utf-8")
    script = f"{setting}\ncgetfile lines\ncall writefile([json_encode(getqflist())], 'out')\nqa!\n"
    (tmp_path / "script.vim").write_text(script, encoding="utf-8")
    subprocess.run([vim, "-esnNu", "NONE", "-S", "script.vim"], cwd=tmp_path, check=False)
    found = json.loads((tmp_path / "out").read_text(encoding="utf-8"))
    assert [(one["lnum"], one["col"], one["text"], one["type"]) for one in found] == [
        (at.span.first.line, at.span.first.column, at.message, str(at.severity)[0])
        for at in problems()
    ]
