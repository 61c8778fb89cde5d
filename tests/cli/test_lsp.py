"""``cnndsl lsp``: starts, ends with its editor, and says what is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cnndsl.cli import main

COMMAND = [sys.executable, "-m", "cnndsl", "lsp"]


def message(**body: object) -> bytes:
    """A message as the protocol frames it."""
    data = json.dumps({"jsonrpc": "2.0", **body}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(data), data)


def talk(*messages: bytes) -> subprocess.CompletedProcess[bytes]:
    """What a server answers to some messages, after which its input is closed."""
    return subprocess.run(COMMAND, input=b"".join(messages), capture_output=True, timeout=60)


def test_without_pygls_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.cli.lsp.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["lsp"])
    assert result.exit_code == 1
    assert result.stderr == (
        "error[CNN907]: the language server needs pygls, which is not installed\n"
        '  = help: install it: `pip install "cnndsl[lsp]"`\n'
    )


def test_it_ends_when_its_input_is_closed() -> None:
    done = talk()
    assert done.returncode == 0
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr


def test_an_editor_is_answered_until_it_says_goodbye() -> None:
    done = talk(
        message(id=1, method="initialize", params={"capabilities": {}, "processId": None}),
        message(method="initialized", params={}),
        message(id=2, method="shutdown"),
        message(method="exit"),
    )
    assert done.returncode == 0
    assert b'"name": "cnndsl"' in done.stdout or b'"name":"cnndsl"' in done.stdout
    assert b"hoverProvider" in done.stdout


@pytest.mark.parametrize(
    "nonsense",
    [
        b"Content-Length: 3\r\n\r\n{]}",
        message(id=1, method="no/such"),
        message(method="textDocument/didChange", params={"textDocument": {}}),
        message(method="$/setTrace", params={"value": "off"}),
    ],
)
def test_messages_that_mean_nothing_do_not_end_it(nonsense: bytes) -> None:
    done = talk(
        message(id=7, method="initialize", params={"capabilities": {}, "processId": None}),
        nonsense,
        message(id=8, method="shutdown"),
        message(method="exit"),
    )
    assert done.returncode == 0
    assert b"hoverProvider" in done.stdout


def test_editors_may_name_the_transport() -> None:
    done = subprocess.run([*COMMAND, "--stdio"], input=b"", capture_output=True, timeout=60)
    assert done.returncode == 0


def test_pygls_is_here_in_the_tests() -> None:
    assert importlib.util.find_spec("pygls") is not None


def test_a_refusal_is_an_answer_and_no_traceback_in_the_editors_log() -> None:
    uri = "file:///net.cnn"
    opened = {"uri": uri, "languageId": "cnn", "version": 1, "text": "input 1x8x8\n"}
    where = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 8}}
    done = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert done.stdin is not None
    assert done.stdout is not None
    done.stdin.write(
        message(id=1, method="initialize", params={"capabilities": {}, "processId": None})
        + message(method="textDocument/didOpen", params={"textDocument": opened})
        + message(id=2, method="textDocument/prepareRename", params=where)
    )
    done.stdin.flush()
    said = b""
    while b"CNN908" not in said:
        said += os.read(done.stdout.fileno(), 65536)
    output, log = done.communicate(message(id=3, method="shutdown") + message(method="exit"))
    assert b"nothing here has a name that can be changed" in said
    assert b"window/showMessage" not in said + output
    assert b"Traceback" not in log
