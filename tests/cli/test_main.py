"""The shell around the verbs: lazy loading, exit codes, and no traceback for anybody."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner, Result

from cnndsl.cli import main
from cnndsl.cli.verbs import VERBS
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Diagnostic, UserError
from cnndsl.diagnostics.source import Source, Span


def cnndsl(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cnndsl", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let `cnndsl explain` do something else."""

    def replace(action: Callable[[], object]) -> None:
        @click.command
        def explain() -> object:
            return action()

        monkeypatch.setattr("cnndsl.cli.explain.explain", explain)

    import_module("cnndsl.cli.explain")
    return replace


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def action() -> NoReturn:
        raise error

    return action


# --- the group ----------------------------------------------------------------------------------


def test_help_lists_every_verb_without_loading_one() -> None:
    program = (
        "import sys\n"
        "from cnndsl.cli import main\n"
        "try:\n"
        "    main(['--help'], prog_name='cnndsl')\n"
        "finally:\n"
        "    print(sorted(name for name in sys.modules if name.startswith('cnndsl.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    *help, modules = done.stdout.splitlines()
    for name in VERBS:
        assert any(line.split()[:1] == [name] for line in help)
        assert f"'cnndsl.cli.{name}'" not in modules
    assert "pydantic" not in modules


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_is_a_command_of_its_name_that_has_help(name: str) -> None:
    result = cnndsl(name, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main {name} ")


def test_no_arguments_show_the_help() -> None:
    assert "Commands:" in cnndsl().output


@pytest.mark.parametrize(("word", "meant"), [("chek", "check"), ("sumary", "summary")])
def test_an_unknown_verb_is_refused_with_the_one_that_was_meant(word: str, meant: str) -> None:
    result = cnndsl(word)
    assert result.exit_code == 2
    assert f"Did you mean '{meant}'?" in result.stderr


def test_the_version_is_told() -> None:
    result = cnndsl("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("cnndsl ")


# --- how commands end ---------------------------------------------------------------------------


def test_a_user_error_is_one_clean_message(verb: Callable[[Callable[[], object]], None]) -> None:
    verb(raising(UserError("CNN601", "the weights do not fit", ["one is missing"], "retrain")))
    result = cnndsl("explain")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "error[CNN601]: the weights do not fit\n  = note: one is missing\n  = help: retrain\n"
    )


def test_a_user_error_is_coloured_where_it_is_wanted(
    verb: Callable[[Callable[[], object]], None],
) -> None:
    verb(raising(UserError("CNN601", "the weights do not fit")))
    assert "\x1b[1;31merror" in cnndsl("--color", "always", "explain").stderr
    assert "\x1b[" not in cnndsl("--color", "never", "explain").stderr


def test_a_compile_error_shows_its_diagnostics(
    verb: Callable[[Callable[[], object]], None],
) -> None:
    place = Span(Source("a.cnn", "conv"), 0, 4)
    verb(raising(CompileError([Diagnostic("CNN105", "no input", place)])))
    result = cnndsl("explain")
    assert result.exit_code == 1
    assert result.stderr.startswith("error[CNN105]: no input\n --> a.cnn:1:1\n")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left", "m.onnx"), 1, "cannot read or write `m.onnx`: no space left"),
        (PermissionError(13, "Permission denied", b"m.onnx"), 1, "`m.onnx`: permission denied"),
        (MemoryError(), 1, "error[CNN905]: not enough memory"),
        (click.UsageError("not so"), 2, "Error: not so"),
        (click.ClickException("no"), 1, "Error: no"),
        (ValueError("oh\nno"), 70, "internal error, please report it: ValueError: oh\n"),
        (RecursionError(), 70, "CNNDSL_DEBUG=1"),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
        (SystemExit(3), 3, ""),
        (SystemExit(None), 0, ""),
        (click.exceptions.Exit(4), 4, ""),
    ],
)  # fmt: skip
def test_nothing_ends_in_a_traceback(
    verb: Callable[[Callable[[], object]], None], error: BaseException, code: int, words: str
) -> None:
    verb(raising(error))
    result = cnndsl("explain")
    assert result.exit_code == code
    assert words in result.stderr
    assert bool(words) == bool(result.stderr)
    assert "Traceback" not in result.stderr


def test_debugging_shows_the_traceback_of_an_internal_error(
    verb: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNDSL_DEBUG", "1")
    verb(raising(ValueError("oh")))
    result = cnndsl("explain")
    assert result.exit_code == 70
    assert "Traceback" in result.stderr


# --- real processes -----------------------------------------------------------------------------


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "cnndsl", "explain"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_a_clean_error() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "cnndsl", "explain"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error[CNN603]: cannot write the output: no space left on device\n"
        "  = help: make room where the output goes, or send it elsewhere\n"
    )


@pytest.mark.parametrize("verb", [("explain",), ("check", "lenet5"), ("check", "nothing")])
def test_a_closed_standard_output_is_no_error(verb: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "cnndsl", *verb]
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    done = subprocess.run(closed, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ("nothing" in verb)
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


def test_an_encoding_that_lacks_a_character_is_no_error() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "cnndsl", "explain", "CNN002"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_runs_as_the_command_does() -> None:
    assert process("explain", "CNN301").stdout.startswith("# CNN301: ")
    assert "Usage: cnndsl " in process("chek").stderr


@pytest.mark.parametrize("value", ["9" * 5000, "-1", "1e5", "", "x"])
def test_a_limit_that_is_no_number_is_an_error_of_ours(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNDSL_LIMITS", f"layers={value}")
    done = CliRunner().invoke(main, ["check", "lenet5"])
    assert done.exit_code == 1
    assert "the limit `layers` must be a positive whole number: `" in done.output
