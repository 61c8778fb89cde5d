"""The magic `%%cnn`, in IPython's own shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, fences

import cnndsl
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.render import render_user_error

IPython = pytest.importorskip("IPython", reason="there is no IPython")

RIGHT = "input 1x8x8\nconv 4@3 -> relu\nflatten -> dense 2 -> softmax\n"
WRONG = "input 3x224x224\nconv 96@11 stride 4\n"


class Shell:
    """A shell, what its cells display, and what they raise."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        shell: Any = InteractiveShell.instance()
        self.shell = shell
        self.tracebacks: list[list[str]] = []
        shell._showtraceback = self._keep

    def _keep(self, kind: object, value: object, lines: list[str]) -> None:
        self.tracebacks.append(lines)

    def run(self, text: str) -> tuple[list[dict[str, str]], BaseException | None]:
        from IPython.utils.capture import capture_output

        with capture_output() as captured:
            result = self.shell.run_cell(text)
        return [one.data for one in captured.outputs], result.error_in_exec

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns.get(name)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = Shell()
    _, error = shell.run("%load_ext cnndsl")
    assert error is None
    yield shell
    shell.run("%unload_ext cnndsl")
    shell.shell.history_manager.end_session()
    type(shell.shell).clear_instance()


def test_a_network_is_shown_and_bound(shell: Shell) -> None:
    [shown], error = shell.run(f"%%cnn net\n{RIGHT}")
    assert error is None
    assert shell["net"].outputs == {"output": (2,)}
    assert shown["text/plain"] == "<Network net: 1x8x8 -> 2>"
    assert "<table" in shown["text/html"]


@pytest.mark.parametrize(
    ("line", "text", "name"),
    [
        ("", "network tiny\n" + RIGHT, "tiny"),
        ("", RIGHT, "network"),
        ("other", "network tiny\n" + RIGHT, "other"),
    ],
)
def test_the_variable_is_the_one_given_or_the_networks(
    shell: Shell, line: str, text: str, name: str
) -> None:
    shell.run(f"%%cnn {line}\n{text}")
    assert isinstance(shell[name], cnndsl.Network)
    assert [one for one in ("tiny", "network", "other") if shell[one] is not None] == [name]


def test_parameters_are_set(shell: Shell) -> None:
    shell.run(
        "%%cnn net width=7 deep=no\nparam width = 3\nparam deep = yes\ninput 4\n"
        "if deep { dense 9 } else { dense width }\n"
    )
    assert shell["net"].outputs == {"output": (7,)}
    _, error = shell.run("%%cnn net height=7\ninput 4\ndense 3\n")
    assert isinstance(error, UserError)
    assert error.code == "CNN114"


def test_what_is_wrong_is_shown_and_stops(shell: Shell) -> None:
    shell.run(f"%%cnn net\n{RIGHT}")
    [shown], error = shell.run(f"%%cnn net\n{WRONG}")
    assert isinstance(error, cnndsl.CompileError)
    assert [one.code for one in error.diagnostics] == ["CNN301"]
    assert "#e5484d" in shown["text/html"]
    assert "<table" in shown["text/html"]
    assert shown["text/plain"].startswith("error[CNN301]: ")
    assert " --> net.cnn:2:9\n" in shown["text/plain"]
    # It was shown: no traceback, and no network that is not what the cell says.
    assert shell.tracebacks == [[]]
    assert shell["net"] is None


def test_what_is_no_network_stays_what_it_is(shell: Shell) -> None:
    shell.run("net = 3")
    shell.run(f"%%cnn net\n{WRONG}")
    assert shell["net"] == 3


def test_a_mistake_that_is_shown_on_purpose_stops_nothing(shell: Shell) -> None:
    [shown], error = shell.run(f"%%cnn --fails\n{WRONG}")
    assert error is None
    assert "CNN301" in shown["text/plain"]
    shown_now, error = shell.run(f"%%cnn --fails net\n{RIGHT}")
    assert isinstance(error, UserError)
    assert error.code == "CNN694"
    assert shown_now == []
    assert shell["net"] is None


def test_cells_can_be_files(shell: Shell, tmp_path: Path) -> None:
    shown, error = shell.run("%%cnn --file parts.cnn\nblock unit(n) { conv n@3 -> relu }\n")
    assert (shown, error) == ([], None)
    using = 'import "parts"\ninput 1x8x8\nunit(4)\n'
    shell.run(f"%%cnn net\n{using}")
    assert shell["net"].outputs == {"output": (4, 6, 6)}
    assert list(tmp_path.glob("*.cnn")) == []
    shell.run("%%cnn --file parts.cnn\nblock unit(n) { conv n@5 -> relu }\n")
    shell.run(f"%%cnn net\n{using}")
    assert shell["net"].outputs == {"output": (4, 4, 4)}


def test_files_beside_the_notebook_can_be_imported(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "parts.cnn").write_text("block unit(n) { conv n@3 }\n", encoding="utf-8")
    shell.run('%%cnn net\nimport "parts"\ninput 1x8x8\nunit(4)\n')
    assert shell["net"].outputs == {"output": (4, 6, 6)}


@pytest.mark.parametrize(
    "line", ["lenet-5", "3x", "class", "a b", "--draw", "--file", "-x=3", '"open', "--file "]
)
def test_other_words_are_refused(shell: Shell, line: str) -> None:
    _, error = shell.run(f"%%cnn {line}\n{RIGHT}")
    assert isinstance(error, UserError)
    assert error.code == "CNN693"


@pytest.mark.parametrize(
    ("code", "cell"), [("CNN693", f"%%cnn lenet-5\n{RIGHT}"), ("CNN694", f"%%cnn --fails\n{RIGHT}")]
)
def test_the_pages_show_the_messages(shell: Shell, code: str, cell: str) -> None:
    _, error = shell.run(cell)
    assert isinstance(error, UserError)
    [shown] = fences(ROOT / "docs" / "errors" / f"{code}.md", "text")
    assert shown.text == f"{render_user_error(error)}\n"


def test_errors_are_coloured_and_without_a_traceback(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CNNDSL_DEBUG", raising=False)
    shell.run("import cnndsl\ncnndsl.load('lenet')")
    [lines] = shell.tracebacks
    assert lines[0].startswith("\x1b[1;31merror[CNN010]")
    assert not any("Traceback" in line for line in lines)
    shell.run("cnndsl.parse('input 1x8x8\\nconv 4@9\\n')")
    assert "\x1b[1;31m^ its input is 1x8x8" in "\n".join(shell.tracebacks[1])
    monkeypatch.setenv("CNNDSL_DEBUG", "1")
    shell.run("cnndsl.load('lenet')")
    assert any("Traceback" in line for line in shell.tracebacks[2])


def test_the_magic_goes_with_the_extension(shell: Shell) -> None:
    shell.run("%unload_ext cnndsl")
    shell.run(f"%%cnn net\n{RIGHT}")
    assert shell["net"] is None
    shell.run("%load_ext cnndsl")
    shell.run(f"%%cnn net\n{RIGHT}")
    assert shell["net"] is not None


HOLE = "input 1x32x32\nconv 6@? => 6x28x28\nconv 8@3 padding ? => 8x28x28\n"


def test_help_says_what_works_in_a_cell(shell: Shell) -> None:
    [shown], _ = shell.run(f"%%cnn net\n{HOLE}")
    assert "help: write 5; `%%cnn --fix` does" in shown["text/plain"]
    assert "cnndsl check" not in shown["text/html"] + shown["text/plain"]


def test_a_cell_is_mended_where_it_stands(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, bool]] = []

    def write(text: str, replace: bool = False) -> None:
        written.append((text, replace))

    monkeypatch.setattr(shell.shell, "set_next_input", write)
    [shown], error = shell.run(f"%%cnn net --fix a=1\nparam a = 2\n{HOLE}")
    assert error is None
    right = HOLE.replace("@?", "@5").replace("padding ?", "padding 1")
    assert written == [(f"%%cnn net a=1\nparam a = 2\n{right}", True)]
    assert shell["net"].outputs == {"output": (8, 28, 28)}
    assert "CNN403" not in shown["text/html"]
    # What is right, or cannot be mended unasked, stays as it is.
    shell.run(f"%%cnn net --fix\n{RIGHT}")
    [shown], error = shell.run(f"%%cnn net --fix\n{WRONG}")
    assert "CNN301" in shown["text/plain"]
    assert isinstance(error, cnndsl.CompileError)
    assert len(written) == 1


def test_a_cell_that_is_a_file_is_mended_for_the_others(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell.shell, "set_next_input", lambda *_, **__: None)
    shell.run(
        "%%cnn --file parts.cnn --fix\nblock unit(n) { conv n@? => 4x6x6 }\ninput 1x8x8\nunit(4)\n"
    )
    shell.run('%%cnn net\nimport "parts"\ninput 1x8x8\nunit(4)\n')
    assert shell["net"].outputs == {"output": (4, 6, 6)}


def test_help_about_a_run_names_arguments_and_no_options(shell: Shell, tmp_path: Path) -> None:
    shell.run(
        "import cnndsl, numpy\n"
        "net = cnndsl.parse('input 4\\ndense 2 -> softmax\\n', 'net.cnn')\n"
        "x, y = numpy.zeros((8, 4), 'float32'), numpy.arange(8) % 2\n"
        "for _ in range(2):\n    net.train((x, y), epochs=1, device='cpu', out='run')\n"
    )
    [lines] = shell.tracebacks
    said = "\n".join(lines)
    assert "CNN810" in said
    assert "go on with it with `resume=True`, or choose another folder with `out=…`" in said


def test_each_argument_that_help_names_is_one_of_training() -> None:
    from cnndsl.diagnostics.model import _ARGUMENTS
    from cnndsl.runtime.training import TrainingOptions

    for option, argument in _ARGUMENTS.items():
        name = argument.partition("=")[0]
        assert name in TrainingOptions.__annotations__
        assert option.split()[0] == f"--{name.replace('_', '-')}"
