"""``cnndsl check`` as a user meets it: formats, exit codes, fixes on disk, standard input."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnndsl.cli import main

CLEAN = """\
network tiny
input 1x28x28
C1: conv 6@5x5 -> relu
flatten -> dense 10
"""
TYPO = CLEAN.replace("5x5", "5x5 strid 1")
"""One error with one safe fix: ``stride``."""
SIZES = """\
network alexnet
input 3x224x224
conv 96@11x11 stride 4
relu
"""
UNUSED = CLEAN.replace("C1:", "let k = 3\nC1:")


def cnndsl(*arguments: str | Path, input: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return tmp_path / "tiny.cnn"


# --- exit codes and the text format -------------------------------------------------------------


def test_a_clean_spec_exits_0_and_shows_the_layer_table(spec: Path) -> None:
    spec.write_text(CLEAN)
    result = cnndsl("check", spec)
    assert (result.exit_code, result.stderr) == (0, "")
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["name", "layer", "output", "params"]
    assert any(row.split() == ["C1", "conv", "6@5x5", "6x24x24", "156"] for row in rows)
    assert rows[-1] == f"{spec}: no problems"


def test_a_fault_is_shown_with_the_table_up_to_it_and_past_it(spec: Path) -> None:
    spec.write_text(SIZES)
    result = cnndsl("check", spec)
    assert result.exit_code == 1
    assert result.stdout.startswith("error[CNN301]: ")
    assert "54.25" in result.stdout
    rows = result.stdout.split("\n\n")[-2].splitlines()
    assert [row.split()[0] for row in rows] == ["name", "input", "conv1", "relu1"]
    assert [row.endswith("<- fault") for row in rows] == [False, False, True, False]
    assert f"{spec}: 1 error" in result.stdout.splitlines()[-1]


def test_columns_of_the_table_are_aligned(spec: Path) -> None:
    spec.write_text(CLEAN)
    lines = cnndsl("check", spec).stdout.split("\n\n")[0].splitlines()
    starts = {lines[0].index(word) for word in ("layer", "output")}
    for line in lines:
        assert all(line[start - 1] == " " and line[start] != " " for start in starts)
    counted = [line for line in lines if line.endswith(("params", " 156", " 34,570"))]
    assert len(counted) == 3
    assert len(set(map(len, counted))) == 1


def test_a_warning_is_a_finding_too(spec: Path) -> None:
    spec.write_text(UNUSED)
    result = cnndsl("check", spec)
    assert result.exit_code == 1
    assert "warning[CNN122]" in result.stdout
    assert result.stdout.splitlines()[-1] == f"{spec}: 1 warning"


def test_several_specs_are_all_checked(spec: Path, tmp_path: Path) -> None:
    spec.write_text(TYPO)
    missing = tmp_path / "missing.cnn"
    result = cnndsl("check", spec, missing, "lenet5")
    assert result.exit_code == 1
    assert "error[CNN201]" in result.stdout
    assert "error[CNN010]" in result.stderr
    assert result.stdout.splitlines()[-1] == "lenet5: no problems"


def test_parameters_are_handed_over(spec: Path) -> None:
    spec.write_text("network tiny\ninput 1x8x8\nparam units = 10\nflatten -> dense units\n")
    assert "640" not in cnndsl("check", spec).stdout.split()
    assert "1,300" in cnndsl("check", spec, "-D", "units=20").stdout.split()
    unknown = cnndsl("check", spec, "-D", "unit=20")
    assert unknown.exit_code == 1
    assert "error[CNN114]" in unknown.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["lenet5", "--format", "xml"],
        ["lenet5", "-D", "units"],
        ["lenet5", "-D", "=3"],
        ["lenet5", "--nothing"],
    ],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert cnndsl("check", *arguments).exit_code == 2


def test_a_file_that_is_no_text_is_an_error(spec: Path) -> None:
    spec.write_bytes(b"network \xff\xfe")
    result = cnndsl("check", spec)
    assert result.exit_code == 1
    assert result.stderr.startswith("error[CNN005]: ")
    assert result.stdout == ""


def test_colour_only_where_it_is_wanted(spec: Path) -> None:
    spec.write_text(TYPO)
    assert "\x1b[" not in cnndsl("check", spec).stdout
    assert "\x1b[1;31m" in cnndsl("check", spec, "--color", "always").stdout
    assert "\x1b[1;31m" in cnndsl("--color", "always", "check", spec).stdout
    assert "\x1b[" not in cnndsl("--color", "always", "check", spec, "--color", "never").stdout


def test_only_so_many_diagnostics_are_shown_in_text(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNDSL_LIMITS", "diagnostics=3")
    spec.write_text("network tiny\ninput 1x8x8\n" + "".join(f"let k{n} = 1\n" for n in range(9)))
    result = cnndsl("check", spec)
    shown = result.stdout.count("warning[") + result.stdout.count("error[")
    assert shown == 3


# --- the other formats --------------------------------------------------------------------------


def test_json_is_a_list_of_findings_and_nothing_else(spec: Path) -> None:
    spec.write_text(TYPO)
    result = cnndsl("check", spec, "--format", "json")
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert found["code"] == "CNN201"
    assert found["file"] == str(spec)
    assert found["start"] == {"line": 3, "column": 16, "offset": 42}
    assert found["fixes"][0]["edits"][0]["text"] == "stride"


@pytest.mark.parametrize(("format", "text"), [("json", "[]\n"), ("concise", ""), ("github", "")])
def test_a_clean_spec_in_the_other_formats(format: str, text: str) -> None:
    result = cnndsl("check", "lenet5", "--format", format)
    assert (result.exit_code, result.stdout) == (0, text)


def test_sarif_of_a_clean_spec_is_a_log_without_results() -> None:
    log = json.loads(cnndsl("check", "lenet5", "--format", "sarif").stdout)
    assert log["runs"][0]["results"] == []


def test_a_missing_file_is_a_finding_in_the_other_formats(tmp_path: Path) -> None:
    result = cnndsl("check", tmp_path / "missing.cnn", "lenet5", "--format", "json")
    assert result.exit_code == 1
    assert [(item["code"], item["file"]) for item in json.loads(result.stdout)] == [
        ("CNN010", None)
    ]


def test_concise_and_github_name_the_place(spec: Path) -> None:
    spec.write_text(TYPO)
    assert cnndsl("check", spec, "--format", "concise").stdout.startswith(
        f"{spec}:3:16: error[CNN201] "
    )
    assert cnndsl("check", spec, "--format", "github").stdout.startswith(f"::error file={spec},")


# --- standard input -----------------------------------------------------------------------------


def test_a_dash_reads_standard_input() -> None:
    result = cnndsl("check", "-", "--format", "concise", input=TYPO)
    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>:3:16: error[CNN201] ")
    assert cnndsl("check", "-", input=CLEAN).exit_code == 0


def test_a_dash_is_mended_to_standard_output() -> None:
    result = cnndsl("check", "-", "--fix", input=TYPO)
    assert (result.exit_code, result.stdout) == (0, TYPO.replace("strid ", "stride "))
    assert "fixed <stdin>:3:16: write `stride`\n" in result.stderr
    assert result.stderr.endswith("-: no problems\n")


def test_a_dash_is_printed_as_it_is_where_nothing_can_be_mended() -> None:
    for text in (CLEAN, SIZES, "", "input 1x8x8\r\nrelu"):
        for option in ("--fix", "--annotate"):
            result = cnndsl("check", "-", option, "--format", "concise", input=text.encode())
            assert result.exit_code == (0 if "relu" in text and text != SIZES else 1)
            if option == "--fix":
                assert result.stdout_bytes == text.encode()
            assert ("error" in result.stderr) == (result.exit_code == 1)


def test_a_dash_is_annotated_to_standard_output() -> None:
    result = cnndsl("check", "-", "--annotate", input="input 1x8x8\nrelu\n")
    assert (result.exit_code, result.stdout) == (0, "input 1x8x8\nrelu => 1x8x8\n")
    again = cnndsl("check", "-", "--annotate", "--fix", input=result.stdout)
    assert again.stdout == result.stdout


def test_a_dash_that_is_not_to_be_changed_is_not_printed() -> None:
    assert CLEAN not in cnndsl("check", "-", input=CLEAN).stdout


def test_standard_input_that_is_no_text_is_an_error() -> None:
    result = cnndsl("check", "-", input=b"\xff")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        1,
        "error[CNN005]: standard input is not UTF-8 text: byte 0 is 0xff",
    )


def test_standard_input_is_read_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNDSL_LIMITS", "text=100")
    result = cnndsl("check", "-", input="#" * 500)
    assert result.exit_code == 1
    assert "CNN901" in result.stderr


# --- changing files -----------------------------------------------------------------------------


def test_fix_mends_the_file_and_says_so(spec: Path) -> None:
    spec.write_text(TYPO)
    result = cnndsl("check", spec, "--fix")
    assert result.exit_code == 0
    assert result.stderr == f"fixed {spec}:3:16: write `stride`\n"
    assert spec.read_text() == TYPO.replace("strid ", "stride ")


def test_fix_reports_what_remains(spec: Path) -> None:
    spec.write_text(TYPO + "cnvo_2 3\n")
    result = cnndsl("check", spec, "--fix", "--format", "concise")
    assert result.exit_code == 1
    assert "error[CNN101]" in result.stdout
    assert "CNN201" not in result.stdout
    assert spec.read_text().endswith("cnvo_2 3\n")


def test_fix_leaves_alone_what_would_bring_another_error(spec: Path) -> None:
    spec.write_text(TYPO + "expect params 1\n")
    result = cnndsl("check", spec, "--fix")
    assert result.exit_code == 1
    assert "note: with that, line 5 has CNN402: `params` is 34726, not 1" in result.stdout
    assert "mends" not in result.stdout
    assert spec.read_text() == TYPO + "expect params 1\n"


def test_fix_goes_on_with_what_it_uncovers(spec: Path) -> None:
    spec.write_text("network tiny\ninput 1 28 28\nconv 6 5\ndense 10\n")
    assert cnndsl("check", spec, "--fix").exit_code == 0
    assert spec.read_text() == "network tiny\ninput 1x28x28\nconv 6@5\nflatten -> dense 10\n"


def test_fix_mends_several_faults_in_one_go(spec: Path) -> None:
    spec.write_text(TYPO.replace("relu", "relu -> maxpool 2 strid 2"))
    result = cnndsl("check", spec, "--fix")
    assert result.exit_code == 0
    assert result.stderr.count("fixed ") == 2


@pytest.mark.parametrize("number", ["200 K", "1.5 M", "2 GiB"])
def test_fix_sets_a_unit_apart_from_its_number(spec: Path, number: str) -> None:
    claim = "training_bytes" if number.endswith("B") else "macs"
    spec.write_text(CLEAN + f"expect {claim} <= {number.replace(' ', '')}\n")
    assert cnndsl("check", spec, "--fix").exit_code == 0
    assert spec.read_text() == CLEAN + f"expect {claim} <= {number}\n"


def test_fix_keeps_rights_line_ends_marks_and_links(tmp_path: Path) -> None:
    target = tmp_path / "real.cnn"
    link = tmp_path / "link.cnn"
    content = b"\xef\xbb\xbf" + TYPO.replace("\n", "\r\n").encode()
    target.write_bytes(content)
    target.chmod(0o640)
    link.symlink_to(target)
    assert cnndsl("check", link, "--fix").exit_code == 0
    assert target.read_bytes() == content.replace(b"strid ", b"stride ")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link.cnn", "real.cnn"]


def test_fix_leaves_a_clean_file_untouched(spec: Path) -> None:
    spec.write_text(CLEAN)
    before = spec.stat()
    assert cnndsl("check", spec, "--fix").exit_code == 0
    assert spec.stat() == before or spec.stat().st_mtime_ns == before.st_mtime_ns


def test_fix_writes_no_file_for_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cnndsl("check", "-", "--fix", input=TYPO)
    assert result.exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_fix_and_annotate_leave_shipped_specs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "specs"
    shipped.mkdir()
    (shipped / "tiny.cnn").write_text(TYPO)
    monkeypatch.setattr("cnndsl.resources.specs", lambda: shipped)
    result = cnndsl("check", "tiny", "--fix", "--annotate")
    assert result.exit_code == 1
    assert "fixed" not in result.stderr
    assert (shipped / "tiny.cnn").read_text() == TYPO


def test_a_file_that_cannot_be_replaced_stays_whole(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec.write_text(TYPO)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = cnndsl("check", spec, "--fix")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error[CNN603]: cannot write `{spec}`: no space left")
    assert spec.read_text() == TYPO
    assert os.listdir(spec.parent) == [spec.name]


def test_annotate_writes_claims_that_hold(spec: Path) -> None:
    spec.write_text(CLEAN)
    result = cnndsl("check", spec, "--annotate")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"annotated `{spec}`: ")
    assert "6x24x24" in spec.read_text()
    again = cnndsl("check", spec, "--annotate")
    assert (again.exit_code, again.stderr) == (0, "")


# --- a fresh process ----------------------------------------------------------------------------


def test_checking_loads_neither_numpy_nor_onnx_nor_rich(spec: Path) -> None:
    spec.write_text(TYPO)
    program = (
        "import sys\n"
        "from cnndsl.cli import main\n"
        "try:\n"
        f"    main(['check', {str(spec)!r}], prog_name='cnndsl')\n"
        "finally:\n"
        "    heavy = {'numpy', 'onnx', 'onnx_ir', 'onnxruntime', 'rich', 'PIL'}\n"
        "    print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "CNN201" in done.stdout
    assert done.stderr.strip() == "[]"
