"""Files of a git revision: read from what git has stored, with what that revision imports."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import git

import cnndsl
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.revisions import checked_out, is_revision
from cnndsl.limits import Limits

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

OLD = 'import "parts/unit"\ninput 1x8x8\nunit(4)\nflatten -> dense 3\nclasses from "names.txt"\n'
UNIT = "block unit(width) { conv width@3 -> relu }\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose first commit has a spec of 4 filters, and whose second has others."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    git(Path(), "init", "-q")
    (tmp_path / "nets" / "parts").mkdir(parents=True)
    write(tmp_path, OLD, UNIT, "a\nb\nc\n")
    commit("first")
    write(tmp_path, OLD, UNIT.replace("@3", "@5"), "a\nb\nd\n")
    commit("second")
    return tmp_path


def write(folder: Path, spec: str, unit: str, names: str) -> None:
    (folder / "nets" / "net.cnn").write_text(spec)
    (folder / "nets" / "parts" / "unit.cnn").write_text(unit)
    (folder / "nets" / "names.txt").write_text(names)


def commit(message: str) -> None:
    git(Path(), "add", "-A")
    git(Path(), "commit", "-q", "-m", message)


def test_imports_and_classes_are_those_of_the_revision(repository: Path) -> None:
    found = cnndsl.diff("HEAD~1:nets/net.cnn", "nets/net.cnn")
    (change,) = [one for one in found.layers if one.kind == "changed"]
    assert [(one.what, one.old, one.new) for one in change.changes] == [("kernel", "3", "5")]
    assert [(one.what, one.old, one.new) for one in found.interface] == [
        ("classes named", "c", "d")
    ]
    assert (found.old, found.new) == ("HEAD~1:nets/net.cnn", "nets/net.cnn")


def test_a_revision_that_lacks_an_import_does_not_take_that_of_today(repository: Path) -> None:
    git(Path(), "rm", "-q", "--cached", "nets/parts/unit.cnn")
    git(Path(), "commit", "-q", "-m", "third")
    with pytest.raises(UserError, match="is wrong: there is no file") as failed:
        cnndsl.diff("HEAD:nets/net.cnn", "nets/net.cnn")
    assert failed.value.code == "CNN644"


def test_paths_are_those_of_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "nets")
    assert not cnndsl.diff("HEAD:./net.cnn", "net.cnn")
    with pytest.raises(UserError) as failed:
        cnndsl.diff("HEAD:net.cnn", "net.cnn")
    assert (failed.value.code, str(failed.value)) == (
        "CNN643",
        "`net.cnn` is nothing in the revision `HEAD`",
    )
    assert failed.value.help.startswith("did you mean `HEAD:./net.cnn`?")


def test_a_model_of_a_revision_is_read(repository: Path) -> None:
    cnndsl.load("nets/net.cnn").compile().save(repository / "m.onnx")
    commit("model")
    (repository / "m.onnx").unlink()
    assert not cnndsl.diff("HEAD:m.onnx", "nets/net.cnn")


@pytest.mark.parametrize(
    ("word", "code", "message"),
    [
        ("nowhere:nets/net.cnn", "CNN642", "the git repository has no revision `nowhere`"),
        ("--help:net.cnn", "CNN642", "`--help:net.cnn` names no revision"),
        ("HEAD --all:net.cnn", "CNN642", "`HEAD --all:net.cnn` names no revision"),
        ("HEAD:nets", "CNN643", "`nets` is a folder in the revision `HEAD`"),
        ("HEAD:nets/other.cnn", "CNN643", "`nets/other.cnn` is nothing in the revision `HEAD`"),
    ],
)
def test_what_is_not_there_is_refused(repository: Path, word: str, code: str, message: str) -> None:
    with pytest.raises(UserError) as failed:
        cnndsl.diff(word, "nets/net.cnn")
    assert (failed.value.code, str(failed.value)) == (code, message)


def test_outside_of_a_repository_and_without_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match="there is no git repository here") as failed:
        cnndsl.diff("HEAD:net.cnn", "lenet5")
    assert failed.value.code == "CNN642"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="git is needed for a file of a revision") as failed:
        cnndsl.diff("HEAD:net.cnn", "lenet5")
    assert failed.value.code == "CNN642"


def test_a_file_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "HEAD:net.cnn").write_text("input 4\ndense 2\n")
    assert not is_revision("HEAD:net.cnn")
    assert is_revision("HEAD~1:net.cnn")
    assert not is_revision("net.cnn")
    assert not cnndsl.diff("HEAD:net.cnn", "HEAD:net.cnn")


@pytest.mark.parametrize("edit", [lambda text: text + "# " + "x" * 2_000_000])
def test_what_is_too_large_is_refused(repository: Path, edit: Callable[[str], str]) -> None:
    (repository / "nets" / "net.cnn").write_text(edit(OLD))
    commit("large")
    with (
        pytest.raises(UserError, match="is larger than"),
        checked_out("HEAD:nets/net.cnn", Limits()),
    ):
        pass


def test_an_import_that_leaves_the_folder_is_not_read(repository: Path) -> None:
    (repository / "secret.cnn").write_text(UNIT)
    (repository / "nets" / "net.cnn").write_text(OLD.replace("parts/unit", "../secret"))
    commit("leaves")
    with checked_out("HEAD:nets/net.cnn", Limits()) as path:
        assert [one.name for one in path.parent.iterdir()] == ["net.cnn", "names.txt"] or {
            one.name for one in path.parent.iterdir()
        } == {"net.cnn", "names.txt"}
