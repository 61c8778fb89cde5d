"""A repair that is offered makes its error go away and brings no other, whatever the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Diagnostic, Fix
from cnndsl.pipeline import check_text

REPAIRED = ("CNN301", "CNN302", "CNN303", "CNN340", "CNN341")


# --- random networks --------------------------------------------------------------------------


def sizes(draw: st.DrawFn, rank: int, smallest: int, largest: int) -> str:
    """One size for all dimensions, or one for each, in one of its two forms."""
    numbers = st.integers(smallest, largest)
    form = draw(st.sampled_from(("one", "one", "one", "word", "list")))
    if form == "one":
        return str(draw(numbers))
    each = draw(st.lists(numbers, min_size=rank, max_size=rank))
    return f"[{', '.join(map(str, each))}]" if form == "list" else "x".join(map(str, each))


def padding(draw: st.DrawFn, rank: int) -> str:
    form = draw(st.sampled_from(("sizes", "sizes", "sizes", "word", "sides")))
    if form == "word":
        return draw(st.sampled_from(("valid", "full", "same")))
    if form == "sides":
        each = draw(st.lists(st.integers(0, 2), min_size=2 * rank, max_size=2 * rank))
        return f"[{', '.join(map(str, each))}]"
    return sizes(draw, rank, 0, 3)


@st.composite
def layers(draw: st.DrawFn, rank: int) -> str:
    """A layer with a window, its arguments in any combination."""
    keyword = draw(st.sampled_from(("conv", "conv", "depthwise", "maxpool", "avgpool", "sumpool")))
    words = [keyword, ("4@" if keyword == "conv" else "") + sizes(draw, rank, 1, 6)]
    if draw(st.integers(0, 2)):
        words.append(f"stride {sizes(draw, rank, 2, 4)}")
    if draw(st.booleans()):
        words.append(f"padding {padding(draw, rank)}")
    if keyword in ("conv", "maxpool") and draw(st.integers(0, 3)) == 0:
        words.append(f"dilation {sizes(draw, rank, 2, 4)}")
    if draw(st.integers(0, 9)) == 0:
        words.append(draw(st.sampled_from(("rounding exact", "rounding floor", "rounding ceil"))))
    return " ".join(words)


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A spec of a few layers, some of them in a block that is called, some with claims."""
    rank = draw(st.sampled_from((1, 2, 2, 2, 3)))
    side = st.integers(4, 40)
    dims = [draw(side)] * rank if draw(st.booleans()) else [draw(side) for _ in range(rank)]
    head = draw(st.sampled_from(("", "", "network n\n", "rounding exact\n")))
    lines = [f"input {'x'.join(map(str, (3, *dims)))}"]
    if draw(st.integers(0, 3)) == 0:
        chain = " -> ".join(draw(st.lists(layers(rank), min_size=1, max_size=2)))
        lines = [f"block b() {{ {chain} }}", *lines, *["b()"] * draw(st.integers(1, 2))]
    lines += draw(st.lists(layers(rank), min_size=1, max_size=4))
    if draw(st.integers(0, 3)) == 0:
        lines.append(f"add({draw(layers(rank))}, {draw(layers(rank))})")
    if draw(st.booleans()):
        lines += ["flatten", "dense 5"]
    text = head + "\n".join(lines) + "\n"
    return _claimed(draw, text) if draw(st.booleans()) else text


def _claimed(draw: st.DrawFn, text: str) -> str:
    """The text with claims that hold where outputs are known; then one more thing goes wrong."""
    checked = check_text(text)
    outputs = [row.output for row in checked.table]
    known = [line for line in text.splitlines() if line.split()[0] not in ("network", "rounding")]
    if len(outputs) == len(known):
        pairs = zip(known, outputs, strict=True)
        claimed = [
            f"{line} => {output}"
            if "?" not in output and not line.startswith("input") and draw(st.booleans())
            else line
            for line, output in pairs
        ]
        text = text.replace("\n".join(known), "\n".join(claimed))
    old, new = draw(st.sampled_from((("stride 2", "stride 3"), ("@3", "@4"), (" 2", " 3"))))
    return text.replace(old, new, 1)


# --- the property -----------------------------------------------------------------------------


def problems(diagnostics: Iterable[Diagnostic], inserted_at: int | None = None) -> Counter[object]:
    """Codes and lines; lines from an inserted one on move down."""
    return Counter(
        (d.code, line + (inserted_at is not None and line >= inserted_at))
        for d in diagnostics
        for line in [d.span.first.line]
    )


def complaint(text: str, diagnostics: tuple[Diagnostic, ...], at: int, fix: Fix) -> str | None:
    """What is wrong with a repair of the diagnostic at a position, or None."""
    lines = [edit.span.first.line for edit in fix.edits if "\n" in edit.text]
    others = problems((*diagnostics[:at], *diagnostics[at + 1 :]), lines[0] if lines else None)
    after = problems(check_text(apply_edits(text, fix.edits)).diagnostics)
    if after <= others:
        return None
    return f"{fix.title!r} brings {dict(after - others)} in\n{text}"


def repairs_of(specs: st.SearchStrategy[str], counted: Collection[str]) -> Counter[str]:
    """How often each kind of repair is offered for errors of these codes; every repair is tried."""
    kinds: Counter[str] = Counter()

    @settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(specs)
    def check(text: str) -> None:
        diagnostics = check_text(text).diagnostics
        for at, diagnostic in enumerate(diagnostics):
            if diagnostic.code not in REPAIRED:
                continue
            assert diagnostic.help
            assert len(diagnostic.fixes) <= 6
            for fix in diagnostic.fixes:
                if diagnostic.code in counted:
                    kinds[fix.title.split(":")[0].rstrip("0123456789x[], `")] += 1
                assert complaint(text, diagnostics, at, fix) is None
            if diagnostic.fixes:
                assert diagnostic.help == diagnostic.fixes[0].title

    check()
    return kinds


@pytest.mark.slow
def test_every_repair_mends_its_error_and_brings_no_other() -> None:
    kinds = repairs_of(specs(), REPAIRED)
    offered = {
        "change the input to",
        "change the kernel to",
        "write `padding",
        "write `stride",
        "write `dilation",
        "write `padding same",
        "write `rounding floor",
        "write `rounding floor` at the top of the file",
        "write `rounding ceil",
    }
    missing = {kind: kinds[kind] for kind in offered if not kinds[kind]}
    assert not missing, kinds


# --- transposed windows -----------------------------------------------------------------------


@st.composite
def transposed(draw: st.DrawFn, rank: int) -> str:
    """A transposed convolution, its arguments in any combination."""
    words = ["upconv", "4@" + sizes(draw, rank, 1, 4)]
    if draw(st.booleans()):
        words.append(f"stride {sizes(draw, rank, 1, 4)}")
    if draw(st.integers(0, 3)):
        form = draw(st.sampled_from(("sizes", "sizes", "sides", "same")))
        if form == "sides":
            each = draw(st.lists(st.integers(0, 6), min_size=2 * rank, max_size=2 * rank))
            words.append(f"padding [{', '.join(map(str, each))}]")
        else:
            words.append("padding " + ("same" if form == "same" else sizes(draw, rank, 0, 5)))
    if draw(st.integers(0, 2)) == 0:
        words.append(f"output_padding {sizes(draw, rank, 0, 3)}")
    if draw(st.integers(0, 3)) == 0:
        words.append(f"dilation {sizes(draw, rank, 2, 3)}")
    return " ".join(words)


@st.composite
def decoders(draw: st.DrawFn) -> str:
    """A spec with transposed convolutions on small maps, among other windows, some with claims."""
    rank = draw(st.sampled_from((1, 2, 2, 2, 3)))
    side = st.integers(1, 5)
    dims = [draw(side)] * rank if draw(st.booleans()) else [draw(side) for _ in range(rank)]
    lines = [f"input {'x'.join(map(str, (3, *dims)))}"]
    kinds = [transposed(rank), transposed(rank), transposed(rank), layers(rank)]
    lines += draw(st.lists(st.one_of(kinds), min_size=1, max_size=3))
    text = "\n".join(lines) + "\n"
    return _claimed(draw, text) if draw(st.booleans()) else text


@pytest.mark.slow
def test_every_repair_of_a_transposed_window_mends_its_error_and_brings_no_other() -> None:
    kinds = repairs_of(decoders(), ("CNN340", "CNN341"))
    assert kinds.keys() >= {
        "change the input to",
        "change the kernel to",
        "write `padding",
        "write `stride",
        "write `dilation",
        "write `output_padding",
    }
