"""The extension for VS Code: its grammar on all specs, its package, its client started once.

They need Node.js and what `npm ci` installs in `editors/vscode`, and skip without them. Code itself
is stood in for: nothing that can be installed as a package holds it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT

from cnndsl import resources
from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.limits import Limits
from cnndsl.syntax.collector import Collector
from cnndsl.syntax.lexer import spellings, tokenize
from cnndsl.syntax.tokens import NEWLINE
from cnndsl.version import __version__

EXTENSION = ROOT / "editors" / "vscode"
NODE = shutil.which("node")
SPECS = sorted(resources.specs().rglob("*.cnn"))

pytestmark = pytest.mark.skipif(
    NODE is None or not (EXTENSION / "node_modules").is_dir(),
    reason="needs Node.js, and `npm ci` in editors/vscode",
)


def node(*arguments: str) -> str:
    """What a script of the extension prints."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, *arguments], cwd=EXTENSION, capture_output=True, encoding="utf-8", timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@cache
def coloured() -> dict[Path, dict[int, tuple[str, str]]]:
    """The words of each shipped spec by the grammar: text and scope, by offset."""
    found = json.loads(node("test/tokens.js", *map(str, SPECS)))
    return {
        path: {at: (text, scope) for at, text, scope in tokens}
        for path, tokens in zip(SPECS, found, strict=True)
    }


SCOPES = {
    "NUMBER": "constant.numeric",
    "SIZE": "constant.numeric",
    "HOLE": "constant.numeric",
    "STRING": "string.",
    "ARROW": "keyword.operator.arrow",
    "CLAIM": "keyword.operator.arrow",
    "AT": "keyword.operator",
}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_grammar_sees_the_words_that_our_lexer_sees(path: Path) -> None:
    text = path.read_text("utf-8")
    read = tokenize(Collector(Source("", text), Report(), 100), Limits())
    found = coloured()[path]
    words = set(spellings()[0].values()) | {"NAME"}
    for kind, start, end in zip(read.kinds, read.starts, read.ends, strict=True):
        if kind == NEWLINE:
            continue
        if kind in words or kind in SCOPES:
            shown, scope = found[start]
            assert shown == text[start:end]
            assert scope.startswith(SCOPES.get(kind, ""))
            if kind in words:
                assert not scope.startswith(("comment", "string", "constant.numeric"))
    for start, end in read.comments:
        assert found[start] == (text[start:end], "comment.line.number-sign.cnn")


def test_a_layer_an_attribute_and_a_label_have_scopes_of_their_own() -> None:
    path = next(path for path in SPECS if path.stem == "lenet5")
    scopes = dict(coloured()[path].values())
    assert scopes["conv"] == "support.class.cnn"
    assert scopes["stride"] == "support.type.property-name.cnn"
    assert scopes["C1"] == "entity.name.label.cnn"
    assert scopes["expect"] == "keyword.control.cnn"
    assert scopes["lenet5"] == "entity.name.type.cnn"
    assert scopes["params"] == "support.constant.cnn"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed extension, unpacked."""
    folder = tmp_path_factory.mktemp("extension")
    node("package.js", str(folder / "cnndsl.vsix"))
    with zipfile.ZipFile(folder / "cnndsl.vsix") as archive:
        archive.extractall(folder)
    return folder / "extension"


def test_the_package_holds_what_it_names(package: Path) -> None:
    manifest = json.loads((package / "package.json").read_text("utf-8"))
    assert (package / manifest["main"]).is_file()
    for kind, key in (("languages", "configuration"), ("grammars", "path"), ("snippets", "path")):
        for one in manifest["contributes"][kind]:
            json.loads((package / one[key]).read_text("utf-8"))
    assert manifest["version"] == __version__
    assert (package.parent / "extension.vsixmanifest").is_file()
    assert not (package / "node_modules").exists()


def started(package: Path, file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "cnndsl", "lsp"]
    client = str(EXTENSION / "test" / "client.js")
    found: dict[str, Any] = json.loads(node(client, str(package), str(file), *command))
    return found


def test_the_client_starts_the_server_and_shows_what_it_says(package: Path, tmp_path: Path) -> None:
    (tmp_path / "net.cnn").write_text("input 1x8x8\nconf 4@3\n")
    found = started(package / "dist" / "extension.js", tmp_path / "net.cnn")
    [said] = found["said"]
    assert (said["line"], said["code"]) == (1, "CNN101")
    assert said["message"].startswith("there is no layer or block `conf`")
    assert {"Hover", "CompletionItem", "Rename", "InlayHints", "CodeLens"} <= set(
        found["providers"]
    )


def test_a_command_that_does_not_start_is_told(package: Path, tmp_path: Path) -> None:
    assert NODE is not None
    (tmp_path / "net.cnn").write_text("input 1x8x8\n")
    client = str(EXTENSION / "test" / "client.js")
    words = [
        NODE,
        client,
        str(package / "dist" / "extension.js"),
        str(tmp_path / "net.cnn"),
        "no-such",
    ]
    done = subprocess.run(words, cwd=EXTENSION, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert '`no-such` does not start. Install it by pip install "cnndsl[lsp]"' in done.stderr
