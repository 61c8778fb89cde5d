"""What the holes of a layer can be: all solutions, those that step evenly in closed form."""

from __future__ import annotations

from random import Random

import pytest

from cnndsl.analysis.solution_sets import numbers_in
from cnndsl.pipeline import check_text
from cnndsl.typecheck.explained import explained


def test_holes_come_with_all_their_solutions() -> None:
    text = "input 3x32x32\nc: conv 6@? padding ? => 6x28x28\np: maxpool ?x2 stride 2 => 6x14x14\n"
    checked = check_text(text)
    (conv,), (pool,) = explained(checked, "c"), explained(checked, "p")
    assert conv.heading.solutions == (
        "numbers below are for kernel 5, padding 0; it can be",
        "kernel 5 + 2i, padding i, for i = 0, 1, 2, …",
    )
    assert "(W - K + 2P)/S + 1 = (32 - K + 2P)/1 + 1 = 28" in conv.text()
    assert pool.heading.solutions == ("kernel 2x2",)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("c: conv 4@? padding 1 => 4x20x20", ("kernel 3",)),
        ("c: conv 4@? padding same", ("kernel 1 + i, for i = 0, 1, 2, …",)),
        ("c: conv 4@20 stride ? => 4x1x1", ("stride 1 + i, for i = 0, 1, 2, …",)),
        ("c: conv 4@?x3 padding [?, 1] => 4x18x20",
         ("kernel (3 + 2i)x3, padding ix1, for i = 0, 1, 2, …",)),
        (
            "c: conv 4@? padding ? stride 3 rounding floor => 4x10x10",
            (
                "kernel 1 + 2i, padding 4 + i, for i = 0, 1, 2, …",
                "kernel 1 + 2i, padding 5 + i, for i = 0, 1, 2, …",
                "kernel 2 + 2i, padding 5 + i, for i = 0, 1, 2, …",
            ),
        ),
        (
            "c: conv 4@?\nflatten -> dense ?",
            ("kernel 1 + i, for i = 0 to 15",
             "and perhaps further ones: some numbers were not tried"),
        ),
        (
            "c: maxpool ? stride ? padding ? => 1x10x10",
            ("kernel 2, stride 2, padding 0", "kernel 4, stride 2, padding 1",
             "and perhaps further ones: some numbers were not tried"),
        ),
    ],
)  # fmt: skip
def test_solutions_that_step_evenly_are_one_line(text: str, lines: tuple[str, ...]) -> None:
    checked = check_text(f"input 1x20x20\n{text}\n")
    (one,) = explained(checked, "c")
    assert one.heading.solutions[-len(lines) :] == lines


@pytest.mark.parametrize("seed", range(40))
def test_families_are_the_solutions(seed: int) -> None:
    """What a family says is what was found, and where it has no end each further one fits."""
    random = Random(seed)
    size, stride, kernel = random.randint(5, 40), random.randint(1, 4), random.randint(1, 5)
    pad = random.randint(0, 4)
    out = (size - kernel + 2 * pad) // stride + 1
    if out < 1:
        return
    rounding = random.choice(["exact", "floor"])
    text = f"input 1x{size}x{size}\nrounding {rounding}\nc: conv 4@? padding ? stride {stride}"
    checked = check_text(f"{text} => 4x{out}x{out}\n")
    if not checked.solved:
        return
    (one,) = explained(checked, "c")
    holes = one.heading.holes
    assert holes is not None
    solved = checked.solved[1]
    found = [tuple(numbers_in(row)) for row in solved.values]
    written = []
    for family in holes.families:
        count = family.count or 2 * solved.largest
        pairs = [tuple(numbers_in(family.at(index))) for index in range(count)]
        written += [pair for pair in pairs if max(pair) <= solved.largest]
        for k, p in pairs[:: max(1, count // 7)]:
            assert (size - k + 2 * p) // stride + 1 == out
            assert rounding == "floor" or (size - k + 2 * p) % stride == 0
    assert sorted(written) == sorted(found)


@pytest.mark.parametrize("padding", range(4))
def test_every_solution_fits(padding: int) -> None:
    text = "input 1x20x20\nc: conv 4@? padding {} stride ? => 4x10x10\n"
    checked = check_text(text.format(padding))
    found = {(row["kernel"], row["stride"]) for row in checked.solved[1].values}
    fits = {
        (kernel, stride)
        for kernel in range(1, 65)
        for stride in range(1, 65)
        if (20 - kernel + 2 * padding) == 9 * stride
    }
    assert found == fits
