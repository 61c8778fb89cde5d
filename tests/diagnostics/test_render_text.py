"""The text that a person reads, to the last blank."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Severity, UserError
from cnndsl.diagnostics.render import render_text, render_user_error
from cnndsl.diagnostics.source import Source, Span


def place(source: Source, text: str, occurrence: int = 0) -> Span:
    start = -1
    for _ in range(occurrence + 1):
        start = source.text.index(text, start + 1)
    return Span(source, start, start + len(text))


def rendered(diagnostic: Diagnostic) -> str:
    return "\n" + render_text([diagnostic]) + "\n"


def expected(text: str) -> str:
    return dedent(text)


ALEXNET = Source(
    "alexnet.cnn", "network alexnet\ninput 3x224x224\nconv 96@11x11 stride 4 -> relu\n"
)


def test_one_label_with_notes_help_and_a_further_fix() -> None:
    stride = place(ALEXNET, "4", 2)
    diagnostic = Diagnostic(
        "CNN301",
        "the kernel does not tile the input: (224 - 11)/4 + 1 = 54.25",
        stride,
        "does not divide 213",
        notes=("the size rule is (W - K + 2P)/S + 1",),
        help="use an input of 227",
        fixes=(
            Fix("Use an input of 227", (Edit(place(ALEXNET, "3x224x224"), "3x227x227"),)),
            Fix("write `rounding floor`", (Edit(Span(ALEXNET, 54, 54), " rounding floor"),)),
        ),
    )
    assert rendered(diagnostic) == expected("""
        error[CNN301]: the kernel does not tile the input: (224 - 11)/4 + 1 = 54.25
         --> alexnet.cnn:3:22
          |
        3 | conv 96@11x11 stride 4 -> relu
          |                      ^ does not divide 213
          |
          = note: the size rule is (W - K + 2P)/S + 1
          = help: use an input of 227
          = fix: write `rounding floor`
        """)


def test_labels_on_the_same_line_hang_below_each_other() -> None:
    diagnostic = Diagnostic(
        "CNN301",
        "it does not tile",
        place(ALEXNET, "stride 4"),
        "the stride",
        labels=(
            Label(place(ALEXNET, "96"), "how many"),
            Label(place(ALEXNET, "11x11"), "of which size"),
        ),
    )
    assert rendered(diagnostic) == expected("""
        error[CNN301]: it does not tile
         --> alexnet.cnn:3:15
          |
        3 | conv 96@11x11 stride 4 -> relu
          |      -- ----- ^^^^^^^^ the stride
          |      |  |
          |      |  of which size
          |      how many
        """)


def test_a_label_inside_the_span_is_drawn_over_it() -> None:
    diagnostic = Diagnostic(
        "CNN204",
        "this is wrong",
        place(ALEXNET, "conv 96@11x11 stride 4"),
        "all of it",
        labels=(Label(place(ALEXNET, "11x11"), "above all this"),),
    )
    assert rendered(diagnostic) == expected("""
        error[CNN204]: this is wrong
         --> alexnet.cnn:3:1
          |
        3 | conv 96@11x11 stride 4 -> relu
          | ^^^^^^^^-----^^^^^^^^^ all of it
          |         |
          |         above all this
        """)


def test_labels_above_and_in_another_file() -> None:
    blocks = Source("std/blocks.cnn", "# blocks\n\n\nblock unit(width) {\n}\n")
    diagnostic = Diagnostic(
        "CNN202",
        "`unit` needs a width",
        place(ALEXNET, "conv"),
        labels=(
            Label(place(ALEXNET, "alexnet"), "the network"),
            Label(place(blocks, "unit"), "defined here"),
        ),
        severity=Severity.WARNING,
    )
    assert rendered(diagnostic) == expected("""
        warning[CNN202]: `unit` needs a width
         --> alexnet.cnn:3:1
          |
        1 | network alexnet
          |         ------- the network
        2 | input 3x224x224
        3 | conv 96@11x11 stride 4 -> relu
          | ^^^^
          |
         ::: std/blocks.cnn:4:7
          |
        4 | block unit(width) {
          |       ---- defined here
        """)


def test_lines_far_apart_leave_a_gap() -> None:
    source = Source("a.cnn", "C1: conv 6@5\n" + "relu\n" * 10 + "C1: conv 6@5\n")
    diagnostic = Diagnostic(
        "CNN104",
        "the label `C1` is given twice",
        place(source, "C1", 1),
        labels=(Label(place(source, "C1"), "first here"),),
    )
    assert rendered(diagnostic) == expected("""
        error[CNN104]: the label `C1` is given twice
          --> a.cnn:12:1
           |
         1 | C1: conv 6@5
           | -- first here
        ...
        12 | C1: conv 6@5
           | ^^
        """)


def test_a_span_over_several_lines_is_underlined_on_the_first_and_the_last() -> None:
    source = Source(
        "a.cnn", "x -> add(  # two paths\n  conv 16@3,\n  conv 8@3,\n  identity\n  ) -> relu\n"
    )
    start, end = source.text.index("add"), source.text.index(")") + 1
    diagnostic = Diagnostic("CNN305", "the shapes differ", Span(source, start, end), "joined here")
    assert rendered(diagnostic) == expected("""
        error[CNN305]: the shapes differ
         --> a.cnn:1:6
          |
        1 | x -> add(  # two paths
          |      ^^^^
        ...
        5 |   ) -> relu
          |   ^ joined here
        """)


def test_a_span_that_ends_with_a_line_end_stays_on_its_line() -> None:
    source = Source("a.cnn", "let k =\n\nrelu\n")
    diagnostic = Diagnostic("CNN004", "a value is missing", Span(source, 0, 9))
    assert rendered(diagnostic) == expected("""
        error[CNN004]: a value is missing
         --> a.cnn:1:1
          |
        1 | let k =
          | ^^^^^^^
        """)


def test_wide_and_combining_characters_and_tabs_are_aligned() -> None:
    source = Source("a.cnn", '\tclasses "猫", "e\u0301te\u0301"\tbad\n')
    diagnostic = Diagnostic(
        "CNN001",
        "unexpected `bad`",
        place(source, "bad"),
        "here",
        labels=(Label(place(source, "猫"), "wide"), Label(place(source, "te\u0301"), "accents")),
    )
    assert rendered(diagnostic) == expected("""
        error[CNN001]: unexpected `bad`
         --> a.cnn:1:23
          |
        1 |     classes "猫", "e\u0301te\u0301"    bad
          |              --     --     ^^^ here
          |              |      |
          |              |      accents
          |              wide
        """)


def test_the_end_of_a_file_without_and_with_a_last_line_end() -> None:
    for text, line in (("conv", 1), ("conv\n", 2)):
        source = Source("a.cnn", text)
        found = render_text(
            [Diagnostic("CNN004", "unfinished", Span(source, len(text), len(text)))]
        )
        shown = "1 | conv\n  |     ^" if line == 1 else "2 |\n  | ^"
        assert found.endswith(shown)


def test_an_empty_file() -> None:
    source = Source("empty.cnn", "")
    assert rendered(Diagnostic("CNN105", "there is no input", Span(source, 0, 0))) == expected("""
        error[CNN105]: there is no input
         --> empty.cnn:1:1
          |
        1 |
          | ^
        """)


def test_line_ends_of_windows_leave_no_trace() -> None:
    unix = Source("a.cnn", "input 1x8x8\nconv 6\nrelu\n")
    windows = Source("a.cnn", unix.text.replace("\n", "\r\n"))
    texts = {
        render_text([Diagnostic("CNN202", "no kernel", place(source, "6"))])
        for source in (unix, windows)
    }
    assert len(texts) == 1
    whole = Diagnostic("CNN202", "no kernel", Span(windows, 13, 21))
    assert render_text([whole]).endswith("2 | conv 6\n  | ^^^^^^")


def test_control_characters_are_shown_and_not_obeyed() -> None:
    source = Source("a\x1b.cnn", "conv \x1b[31m\u202e\x00\x85 6\n")
    diagnostic = Diagnostic(
        "CNN002", "unknown `\x1b`", place(source, "6"), "a\x07b", notes=("\x1b",)
    )
    assert rendered(diagnostic) == expected("""
        error[CNN002]: unknown `␛`
         --> a␛.cnn:1:15
          |
        1 | conv ␛[31m<U+202E>␀<U+0085> 6
          |                             ^ a␇b
          |
          = note: ␛
        """)


def test_a_long_line_is_cut_around_the_span() -> None:
    source = Source("a.cnn", "a" * 300 + " bad " + "b" * 3000)
    lines = render_text([Diagnostic("CNN001", "unexpected", place(source, "bad"))]).splitlines()
    shown, mark = lines[3].removeprefix("1 | "), lines[4].removeprefix("  | ")
    assert shown[0] == shown[-1] == "…"
    assert len(shown) == 102
    assert shown[mark.index("^") : mark.rindex("^") + 1] == "bad"


def test_what_is_cut_off_is_marked_at_the_edge() -> None:
    source = Source("a.cnn", "a" * 300 + " bad " + "b" * 3000)
    end = len(source.text)
    labels = (Label(Span(source, 0, 1), "left"), Label(Span(source, end - 1, end), "right"))
    text = render_text([Diagnostic("CNN001", "unexpected", place(source, "bad"), labels=labels)])
    marks, hangers, left = text.splitlines()[4:]
    assert marks.startswith("  | - ")
    assert marks.endswith(" - right")
    assert hangers == "  | |"
    assert left == "  | left"


def test_a_span_longer_than_the_window_is_shown_from_its_beginning() -> None:
    source = Source("a.cnn", "x" * 5000)
    shown, mark = render_text([Diagnostic("CNN008", "never closed", Span(source, 10, 5000))]).split(
        "\n"
    )[3:]
    assert shown == "1 | …" + "x" * 100 + "…"
    assert mark == "  |  " + "^" * 100


def test_any_number_of_combining_characters_is_cut_too() -> None:
    source = Source("a.cnn", "e" + "\u0301" * 100_000)
    text = render_text([Diagnostic("CNN002", "unknown character", Span(source, 500, 501))])
    assert len(text) < 2000


def test_notes_of_several_lines_are_indented() -> None:
    diagnostic = Diagnostic(
        "CNN301", "no", place(ALEXNET, "relu"), notes=("height: 54.25\nwidth: 54.25",)
    )
    assert render_text([diagnostic]).endswith(
        "  |\n  = note: height: 54.25\n          width: 54.25"
    )


def test_several_diagnostics_are_separated_by_a_blank_line() -> None:
    one = Diagnostic("CNN101", "first", place(ALEXNET, "relu"))
    assert render_text([one, one]) == f"{render_text([one])}\n\n{render_text([one])}"
    assert render_text([]) == ""


def test_colour_adds_escapes_and_changes_nothing_else() -> None:
    diagnostic = Diagnostic(
        "CNN301",
        "no",
        place(ALEXNET, "stride 4"),
        "primary",
        (Label(place(ALEXNET, "96"), "other"),),
        ("note",),
        "help",
    )
    colored = render_text([diagnostic], color=True)
    assert "\x1b[1;31merror[CNN301]\x1b[0m" in colored
    assert "\x1b[1;31m^^^^^^^^ primary\x1b[0m" in colored
    assert "\x1b[1;34m--\x1b[0m" in colored
    plain = colored
    for escape in ("\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"):
        plain = plain.replace(escape, "")
    assert plain == render_text([diagnostic])


def test_a_problem_outside_any_spec_has_no_excerpt() -> None:
    error = UserError("CNN601", "the weights do not fit", ["`C1.weight` is missing"], "retrain")
    assert render_user_error(error, "text") == (
        "error[CNN601]: the weights do not fit\n  = note: `C1.weight` is missing\n  = help: retrain"
    )


def test_a_compile_error_reads_as_the_text_that_check_shows() -> None:
    diagnostic = Diagnostic("CNN101", "unknown layer", place(ALEXNET, "relu"))
    assert str(CompileError([diagnostic])) == render_text([diagnostic])


@pytest.mark.parametrize(
    ("help", "title", "shown"),
    [
        ("did you mean `stride`?", "write `stride`", False),
        ("write `=> 6x28x28` if the network is right", "write `=> 6x28x28`", False),
        ("write `=> 6x28x28` if the network is right", "write `6x28x28`", False),
        ("use an input of 227", "Use an input of 227", False),
        ("use an input of 227", "write `rounding floor`", True),
        ("did you mean `stride`?", "write `strides`", True),
        ("", "remove it", True),
    ],
)
def test_a_fix_is_listed_where_the_help_does_not_name_it(
    help: str, title: str, shown: bool
) -> None:
    diagnostic = Diagnostic(
        "CNN201", "no", place(ALEXNET, "stride"), help=help, fixes=(Fix(title, ()),)
    )
    assert ("= fix:" in render_text([diagnostic])) is shown


@pytest.mark.parametrize("length", [99, 100, 101, 102])
def test_lines_at_the_limit_lose_nothing_that_is_marked(length: int) -> None:
    source = Source("a.cnn", "é" * (length - 1) + "!")
    lines = render_text([Diagnostic("CNN001", "unexpected", place(source, "!"))]).splitlines()
    assert lines[3][lines[4].index("^")] == "!"


@given(
    st.text(alphabet="ab \t\r\n\x00\u0301猫\u202e#", max_size=60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=5),
)
def test_any_places_in_any_text_are_rendered(text: str, pairs: list[tuple[int, int]]) -> None:
    source = Source("a.cnn", text)
    spans = [Span(source, *sorted(min(place, len(text)) for place in pair)) for pair in pairs]
    labels = tuple(Label(span, f"label {number}") for number, span in enumerate(spans[1:]))
    found = render_text([Diagnostic("CNN001", "unexpected", spans[0], "primary", labels)])
    assert "^" in found
    for label in ("primary", *(label.message for label in labels)):
        assert found.count(label) == 1
    assert not set(found) & set("\t\r\x00\u202e")
