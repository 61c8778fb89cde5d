"""What many machines bring on paper: the reference's table, the bytes of a real step, units."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnndsl
from cnndsl.diagnostics.model import UserError
from cnndsl.training.links import bits_per_second, rate_text, seconds, time_text
from cnndsl.training.scaling import ScalingRow, messages
from cnndsl.training.shards import covering, parts_of, shards_of
from cnndsl.training.split import build_shards

HEADS = """input 1x8x8
c: conv 4@3 -> batchnorm -> relu -> trunk: flatten
side = dense 5
trunk -> dense 10 -> softmax
output side
"""


# --- on paper -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "batch", "step", "ten", "hundred"),
    [
        ("lenet5", 64, "8.5ms", (94, 92, 91), (98, 97, 95)),
        ("resnet50", 32, "80ms", (31, 28, 28), (82, 80, 79)),
        ("alexnet", 128, "50ms", (10, 9, 9), (54, 51, 50)),
    ],
)
def test_the_table_of_the_design(
    name: str, batch: int, step: str, ten: tuple[int, ...], hundred: tuple[int, ...]
) -> None:
    """Computed by hand before there was this program, to whole percents."""
    for line, expected in (("10Gb", ten), ("100Gb", hundred)):
        found = cnndsl.scale(name, bandwidth=line, step=step, batch=batch)
        assert [round(100 * row.computing) for row in found.rows] == [*expected]
        assert [row.workers for row in found.rows] == [8, 64, 512]


def test_more_shards_wait_less_often() -> None:
    found = cnndsl.scale(
        "resnet50", bandwidth="10Gb", step="80ms", batch=32, shards_per_worker=4, workers=[64]
    )
    [row] = found.rows
    assert row.computing == pytest.approx(0.62, abs=0.01)
    assert (row.shards, row.batch) == (256, 8192)


def test_one_row_by_hand() -> None:
    spec = cnndsl.parse("input 1x1x1000\nflatten -> dense 249 bias no -> softmax\n")
    [row] = cnndsl.scale(
        spec, bandwidth=8e9, step=0.001, batch=10, workers=[4], latency="1ms", efficiency=0.5
    ).rows
    # 2 x 3/4 x 996,000 bytes at 0.5 GB/s, and four messages.
    assert row.sum_seconds == pytest.approx(1.5 * 996_000 / 0.5e9 + 4e-3)
    assert row.step_seconds == pytest.approx(row.sum_seconds + 1e-3)
    assert row.samples_per_second == pytest.approx(40 / row.step_seconds)
    assert row.speedup == pytest.approx(4 * 1e-3 / row.step_seconds)
    assert row.needed is None


@pytest.mark.parametrize(
    ("recipe", "batch"), [("batch 256 shards 8", 32), ("batch 10 shards 4", 3)]
)
def test_a_step_is_a_shard_of_the_recipe(recipe: str, batch: int) -> None:
    settings = recipe.replace(" shards", "\nshards")
    text = f"input 1x8x8\nflatten -> dense 10 -> softmax\ntrain {{\n{settings}\n}}\n"
    found = cnndsl.scale(cnndsl.parse(text), bandwidth="1Gb", step="1ms", workers=[8])
    assert (found.batch, found.rows[0].batch) == (batch, 8 * batch)


@given(
    st.integers(1, 700),
    st.integers(1, 6),
    st.floats(1e6, 1e12),
    st.floats(1e-5, 10),
    st.floats(0, 1e-4),
)
def test_the_bandwidth_that_is_needed_is_just_enough(
    workers: int, each: int, line: float, step: float, latency: float
) -> None:
    def row(bandwidth: float) -> ScalingRow:
        [found] = cnndsl.scale(
            NETWORK,
            bandwidth=bandwidth,
            step=step,
            latency=latency,
            workers=[workers],
            shards_per_worker=each,
        ).rows
        return found

    needed = row(line).needed
    if workers == 1:
        assert (needed, row(line).computing) == (0, 1)
    elif needed is None:
        assert row(1e30).computing < 0.9 + 1e-9
    else:
        assert row(needed).computing == pytest.approx(0.9)


NETWORK = cnndsl.parse("input 1x8x8\nflatten -> dense 10 -> softmax\n")


# --- against a step that is really built ----------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        HEADS,
        HEADS + "train { loss crossentropy\n loss side mse weight 0.5 }\n",
        HEADS + "train { freeze c }\n",
        HEADS + "train { freeze c batchnorm1 }\n",
        "input 1x8x8\na: conv 4@3 padding 1\nb: conv 4@3 padding 1\n"
        "c: conv 4@3 padding 1 share b\nflatten -> dense 10 -> softmax\n",
        "input 1x8x8\nfilter [[1, 0], [0, 1]]\nflatten -> dense 10 -> softmax\n",
    ],
)
def test_the_numbers_are_those_that_a_step_gives(text: str) -> None:
    network = cnndsl.parse(text)
    found = cnndsl.scale(network, bandwidth="1Gb", step="1s")
    signature = build_shards(network.typed).signature
    counts = {
        role: sum(math.prod(one.dims) for one in signature.outputs_of(role))
        for role in ("gradient", "share")
    }
    assert {"gradient": found.gradients, "share": found.statistics} == counts
    assert found.bytes == 4 * sum(counts.values())


@given(st.integers(1, 80), st.integers(1, 9))
def test_parts_are_those_that_workers_send(workers: int, each: int) -> None:
    whole = (0, workers * each)
    spans = [shards_of(at, workers, workers * each) for at in range(workers)]
    assert parts_of(workers, each) == max(len([*covering(span, whole)]) for span in spans)


def test_messages_double_what_a_worker_has() -> None:
    for workers in range(1, 600):
        assert messages(workers) == 2 * math.ceil(math.log2(workers))


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["input 8\nrelu\n", "input 8\nd: dense 3\ntrain { freeze d }\n"])
def test_nothing_to_add(text: str) -> None:
    with pytest.raises(UserError, match="learns") as caught:
        cnndsl.scale(cnndsl.parse(text), bandwidth="1Gb", step="1s")
    assert caught.value.code == "CNN808"


@pytest.mark.parametrize(
    "wrong",
    [
        {"bandwidth": 0},
        {"bandwidth": math.inf},
        {"step": -1},
        {"step": math.nan},
        {"latency": -1},
        {"latency": math.nan},
        {"efficiency": 0},
        {"efficiency": 1.5},
        {"batch": 0},
        {"shards_per_worker": 0},
        {"workers": [0]},
        {"workers": [2**16 + 1]},
    ],
)
def test_numbers_that_mean_nothing(wrong: dict[str, float]) -> None:
    given: dict[str, object] = {"bandwidth": 1e9, "step": 1.0, **wrong}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        cnndsl.scale(NETWORK, **given)  # type: ignore[arg-type]


# --- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        *[(one, 1e10) for one in ("10Gb", "10 Gb/s", "10Gbit/s", "10Gbps", "1.25GB", "1.25 GB/s")],
        *[(one, 1e10) for one in ("10e9b", ".01Tb", "10000Mbit", "1250MBps", "10.Gbits")],
        ("1KiB", 8192),
        ("1GiB/s", 8 * 2**30),
        ("56kb", 56000),
    ],
)
def test_bandwidths(text: str, bits: float) -> None:
    assert bits_per_second(text) == pytest.approx(bits)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("80ms", 0.08),
        (" 20 us ", 2e-5),
        ("20µs", 2e-5),
        ("20μs", 2e-5),
        ("1min", 60),
        ("2h", 7200),
        ("5ns", 5e-9),
    ],
)
def test_times(text: str, time: float) -> None:
    assert seconds(text) == pytest.approx(time)


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("10", "`10` is no bandwidth: it has no unit", "`10Gb` for gigabits"),
        ("10gb", "`gb` does not say whether bits or bytes", "`10Gb` for gigabits"),
        ("10mb/s", "`mb/s` does not say whether bits or bytes", "`10Mb` for megabits"),
        ("10G", "`G` does not say whether bits or bytes", "`10GB` for gigabytes"),
        ("5k", "`k` does not say whether bits or bytes", "`5kb` for kilobits"),
        ("fast", "it does not begin with a number", "`10Gb`"),
        ("-1Gb", "it is below 0", "`10Gb`"),
        ("nan", "it does not begin with a number", "`10Gb`"),
        ("0Gb", "to reckon with: it is less than 1 kb/s", "`10Gb`"),
        ("1e308TB", "to reckon with: it is more than 1 Pb/s", "`10Gb`"),
        ("10 apples", "`apples` is no unit of it", "`10Gb`"),
        ("", "it does not begin with a number", "`10Gb`"),
        ("1_0Gb", "`_0Gb` is no unit of it", "`1Gb`"),
    ],
)
def test_what_is_no_bandwidth(text: str, message: str, help: str) -> None:
    with pytest.raises(UserError) as caught:
        bits_per_second(text)
    assert caught.value.code == "CNN886"
    assert message in caught.value.message
    assert caught.value.help is not None
    assert help in caught.value.help


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("80", "`80` is no time: it has no unit"),
        ("80Ms", "`Ms` is no unit of it"),
        ("0ms", "it is less than 1 ns"),
        ("25h", "it is more than 86,400 s"),
        ("-1us", "it is below 0"),
        ("soon", "it does not begin with a number"),
    ],
)
def test_what_is_no_time(text: str, message: str) -> None:
    with pytest.raises(UserError, match="no time") as caught:
        seconds(text)
    assert message in caught.value.message


@given(st.floats(1.01e-9, 86000), st.floats(1.01e3, 0.99e15))
def test_times_and_bandwidths_are_read_as_they_are_written(time: float, rate: float) -> None:
    assert seconds(time_text(time).replace(",", "")) == pytest.approx(time, rel=0.006)
    assert bits_per_second(rate_text(rate).replace(",", "")) == pytest.approx(rate, rel=0.006)
