"""What a run looks like while it goes on: lines, and a bar on a terminal."""

import io
import math
import re
import sys
from dataclasses import replace

import pytest
from typing_extensions import override

from cnndsl.cli.progress import duration, epoch_line, number, percent, watching
from cnndsl.runtime.events import EpochRecord, Outcome, Progress, Start

START = Start("lenet5", "cpu", samples=1438, valid_samples=359, epochs=12, steps=22, batch=64)
PROGRESS = Progress(3, 12, 11, 22, 0.08913, 0.9731, 14_600.4, 65.2)
RECORD = EpochRecord(3, 66, 0.08913, 0.9731, 0.07102, 0.979, 0.05, 4.12, 14_600.4, best=True)


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True

    def seen(self) -> list[str]:
        """What was written, line by line, without what moves the cursor or sets colours."""
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())
        return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 110) -> Terminal:
    """Let standard error be a terminal; not a fixture, as pytest sets the streams before a test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return stream


def clock(monkeypatch: pytest.MonkeyPatch, *moments: float) -> None:
    """Let the clock show these moments, the last one for ever."""
    left = list(moments)
    monkeypatch.setattr(
        "cnndsl.cli.progress.time.perf_counter", lambda: left.pop(0) if len(left) > 1 else left[0]
    )


# --- lines --------------------------------------------------------------------------------------


def test_without_a_terminal_there_is_a_line_for_the_start_and_one_for_each_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with watching() as listener:
        listener.start(START)
        listener.progress(PROGRESS)
        listener.epoch(RECORD)
        listener.epoch(replace(RECORD, epoch=12, loss=0.00004, accuracy=1.0, best=False))
        listener.end(Outcome("finished", (RECORD,), RECORD, 49.0))
    output, errors = capsys.readouterr()
    assert output.splitlines() == [
        "training lenet5 on cpu: 1,438 samples, 359 to validate;"
        " 12 epochs of 22 steps, 64 samples each",
        "epoch  3/12  loss 0.0891  accuracy 97.3%  valid 0.0710 / 97.9%  lr 0.0500    4.1 s"
        "   14,600 samples/s  *best",
        "epoch 12/12  loss 4.0e-5  accuracy  100%  valid 0.0710 / 97.9%  lr 0.0500    4.1 s"
        "   14,600 samples/s",
    ]
    assert errors == ""


def test_who_shares_a_batch_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as listener:
        listener.start(replace(START, shards=8, workers=4))
    assert capsys.readouterr().out == (
        "training lenet5 on cpu with 4 workers: 1,438 samples, 359 to validate;"
        " 12 epochs of 22 steps, 64 samples each in 8 shards\n"
    )


def test_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as listener:
        listener.note("class `9` has 3 samples, class `0` has 900")
    output, errors = capsys.readouterr()
    assert (output, errors) == ("", "note: class `9` has 3 samples, class `0` has 900\n")


def test_a_run_that_goes_on_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as listener:
        listener.start(replace(START, epoch=4, step=7))
    assert capsys.readouterr().out.splitlines()[1] == "going on in epoch 4 after step 7"


def test_without_validation_its_column_is_missing() -> None:
    line = epoch_line(replace(RECORD, valid_loss=None, valid_accuracy=None), 12)
    assert "accuracy 97.3%  lr 0.0500" in line


def test_where_numbers_are_to_be_met_errors_stand_in_place_of_accuracies() -> None:
    line = epoch_line(
        replace(
            RECORD, accuracy=None, valid_accuracy=None, mae=0.21, rmse=0.29861, valid_mae=0.1904
        ),
        12,
    )
    assert line.startswith(
        "epoch  3/12  loss 0.0891  mae 0.2100  rmse 0.2986  valid 0.0710 / mae 0.1904  lr 0.0500"
    )
    assert "accuracy" not in line


def test_without_an_accuracy_only_the_losses_stand() -> None:
    line = epoch_line(replace(RECORD, accuracy=math.nan, valid_accuracy=None), 12)
    assert "loss 0.0891  valid 0.0710  lr" in line


def test_a_narrow_line_leaves_out_rate_and_speed_and_fits_80_columns() -> None:
    line = epoch_line(RECORD, 12, narrow=True)
    assert line == (
        "epoch  3/12  loss 0.0891  accuracy 97.3%  valid 0.0710 / 97.9%    4.1 s  *best"
    )
    assert len(line) <= 80


@pytest.mark.parametrize(
    "other",
    [
        replace(RECORD, epoch=1, loss=12.3456, valid_loss=123.4567, seconds=3725.0, rate=3.21),
        replace(RECORD, accuracy=1.0, valid_accuracy=0.0, lr=0.000123, seconds=59.96),
        replace(RECORD, loss=math.nan, valid_loss=math.inf, rate=123_456.0),
        replace(RECORD, loss=2.5e7, valid_loss=0.0, lr=1.0, seconds=600.0),
    ],
)
def test_columns_stay_where_they_are(other: EpochRecord) -> None:
    def ends(line: str) -> list[int]:
        words = ("loss", "accuracy", "valid", "/ ", "lr", "samples/s", "*best")
        return [line.index(word) for word in words]

    line, usual = epoch_line(other, 12), epoch_line(RECORD, 12)
    assert ends(line) == ends(usual)
    assert len(line) == len(usual)


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.08913, "0.0891"),
        (2.302585, "2.3026"),
        (12.3456, "12.346"),
        (99999.4, " 99999"),
        (123456.0, " 1.2e5"),
        (0.001, "0.0010"),
        (0.00099, "9.9e-4"),
        (0.0, "0.0000"),
        (math.inf, "   inf"),
        (math.nan, "   nan"),
    ],
)
def test_numbers_have_six_places(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, " 100%"), (0.99999, "99.9%"), (0.9731, "97.3%"), (0.05, " 5.0%"), (0.0, " 0.0%")],
)
def test_only_all_is_a_hundred_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1:00"), (725, "12:05"), (3723, "1:02:03")],
)
def test_durations_read_as_on_a_clock_from_a_minute_on(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# --- the bar ------------------------------------------------------------------------------------


def test_a_terminal_gets_a_bar_with_the_facts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = on_terminal(monkeypatch)
    with watching() as listener:
        listener.start(START)
        listener.progress(PROGRESS)
        assert any(
            line.startswith("epoch  3/12 ")
            and line.endswith("loss 0.0891  accuracy 97.3%  14,600 samples/s  1:05 left")
            for line in terminal.seen()
        )
        listener.epoch(RECORD)
    assert capsys.readouterr().out.splitlines()[1] == epoch_line(RECORD, 12)


def test_the_bar_fits_into_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, 80)
    with watching() as listener:
        listener.start(START)
        listener.progress(replace(PROGRESS, rate=123_456.0, seconds_left=3723.0))
    drawn = [line for line in terminal.seen() if "samples/s" in line]
    assert drawn
    assert all(line.endswith("1:02:03 left") and len(line) <= 80 for line in drawn)


def test_notes_stand_whole_beside_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with watching() as listener:
        listener.start(START)
        listener.progress(PROGRESS)
        listener.note("3 units of `C3` are dead")
    assert "note: 3 units of `C3` are dead" in terminal.seen()


def test_the_bar_is_drawn_a_few_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with watching() as listener:
        listener.start(START)
        clock(monkeypatch, 100.0)
        for loss in (0.1, 0.2, 0.3):
            listener.progress(replace(PROGRESS, loss=loss))
        clock(monkeypatch, 100.39)
        listener.progress(replace(PROGRESS, loss=0.4))
        clock(monkeypatch, 100.41)
        listener.progress(replace(PROGRESS, loss=0.5))
    text = terminal.getvalue()
    shown = [loss for loss in ("0.1", "0.2", "0.3", "0.4", "0.5") if f"loss {loss}000" in text]
    assert shown == ["0.1", "0.5"]


def test_the_terminal_is_as_before_also_after_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_terminal(monkeypatch)
    output = sys.stdout

    def fail() -> None:
        with watching() as listener:
            listener.start(START)
            assert "\x1b[?25l" in terminal.getvalue()
            raise ValueError("oh")

    with pytest.raises(ValueError, match="oh"):
        fail()
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")
    assert sys.stdout is output
    assert sys.stderr is terminal


@pytest.mark.parametrize("kind", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_lines_only(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("TERM", kind)
    with watching() as listener:
        listener.start(START)
        listener.progress(PROGRESS)
    assert terminal.getvalue() == ""


def test_without_colours_the_bar_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    with watching() as listener:
        listener.start(START)
        listener.progress(PROGRESS)
    assert any("loss 0.0891" in line for line in terminal.seen())
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", terminal.getvalue())


def test_progress_between_two_drawings_costs_next_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between two drawings nothing is written, however often there is progress."""
    terminal = on_terminal(monkeypatch)
    clock(monkeypatch, 0.0)
    with watching() as listener:
        listener.start(START)
        listener.progress(PROGRESS)
        before = terminal.getvalue()
        for _ in range(1_000):
            listener.progress(PROGRESS)
        assert terminal.getvalue() == before


def test_lines_and_notes_do_not_stand_behind_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch)
    written = io.BytesIO()
    # With bytes below, as real streams have them: whoever writes there goes past the bar.
    stream = io.TextIOWrapper(written, encoding="utf-8", write_through=True)
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    with watching() as listener:
        listener.start(START)
        listener.progress(PROGRESS)
        listener.epoch(RECORD)
        listener.note("beware")
    shown = Terminal(written.getvalue().decode()).seen()
    assert epoch_line(RECORD, 12) in shown
    assert "note: beware" in shown


def test_a_single_image_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as listener:
        listener.start(replace(START, samples=1, batch=1))
    assert ": 1 sample, 359 to validate; 12 epochs of 22 steps, 1 sample each" in (
        capsys.readouterr().out
    )
