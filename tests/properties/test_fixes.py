"""What `--fix` leaves has no error that was not there before, for every kind of fix there is.

The kinds are the functions of the product that build a fix: they are read off its source, and one
that is never offered here fails the test.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections import Counter
from types import FrameType

import pytest
from documents import ROOT
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cnndsl.diagnostics.edit import apply_edits, compatible
from cnndsl.diagnostics.model import Diagnostic, Fix
from cnndsl.layers import FOREIGN
from cnndsl.layers.absent import absent_names
from cnndsl.pipeline import check_text

BUILDERS = frozenset(("Fix", "_replace", "replacements"))
"""What builds a fix; the last two do so for others."""

HEAD = "input 3x8x8\n"

TEXTS = (
    "input 3 8 8\nrelu\n",
    "input 1x?x?\nconv 6@5 => 6x28x28\n",
    f"{HEAD}conv 4@3 padding 1 stride 2\n",
    f"{HEAD}cnov 4@3\n",
    f"{HEAD}Conv2d 4@3\n",
    f"{HEAD}conv 4@3 strid 1\n",
    f"{HEAD}conv 4@3 dilation_rate 1\n",
    f"{HEAD}conv 4 3\n",
    f"{HEAD}conv 4@3 relu\n",
    f"{HEAD}maxpool 2 2\n",
    f"{HEAD}relu()\n",
    f"{HEAD}conv(4, 3)\n",
    f"{HEAD}stem: conv 4@3\nstem relu\n",
    f"{HEAD}left: conv 4@3\nrelu\nadd(lft, identity)\n",
    f"{HEAD}a: input -> conv 4@3 -> relu\nadd(a, a)\n",
    f"block unit(width) {{ conv width@1 }}\n{HEAD}unit 4\n",
    f"block unit(width) {{ conv width@1 }}\n{HEAD}unit(widht = 4)\n",
    f'import "std/residul"\n{HEAD}relu\n',
    f'{HEAD}conv 4@3 padding "same"\n',
    f"{HEAD}conv 4@3 padding smae\n",
    f"{HEAD}dense 4\n",
    f"{HEAD}relu => 3x8x9\n",
    f"{HEAD}relu\nexpect params ?\n",
    f"{HEAD}relu\nexpect parms 0\n",
    f"{HEAD}flatten -> dense 2\ntrain {{ optimiser adam }}\n",
    f"{HEAD}flatten -> dense 2\ntrain {{ optimizer rmspropp }}\n",
    f"{HEAD}flatten -> dense 2\ntrain {{ batch 4 epochs 3 }}\n",
    "input 3x8x8 { scale 1/255 }\nconv 4@3 bias false\n",
    f"{HEAD}conv 4@3 )\n",
    f"{HEAD}let k = (1]\nconv 4@k\n",
    f"{HEAD}conv 4@3 -> relu relu\nadd(relu, tanh) relu\n",
    f"{HEAD}input: 3x8x8\nrelu // why\n",
    f"block b(k) {{ conv k@1 }}\n{HEAD}b(k: 4)\nk = 3\nrelu = 3x8x8\n",
    f"{HEAD}let k : 3\nfor i = 1..2 {{ relu }}\nif 1 = 1 {{ relu }}\nrelu = 3x8x8\n",
    f"{HEAD}relu\nexpect params 61,706\nclasses = 10\nlet j 3\nconv 4@3 stride=1 padding=0\n",
    f"{HEAD}relu -> -> relu\nrelu --> relu\nrelu ->\nlet k = 3 -> relu\nblock b {{ relu }}\n",
    f"classes cat, dog\n{HEAD}relu → tanh\nconv 4 x 4\n",
)
"""What the specs of `tests/ui` lack, and one text of each kind besides."""

UI = sorted((ROOT / "tests" / "ui").glob("*.cnn"))


def kinds() -> set[tuple[str, str]]:
    """The functions that build fixes: module and name."""
    found: set[tuple[str, str]] = set()
    for path in (ROOT / "cnndsl").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and function.name not in BUILDERS:
                calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
                names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
                if names & BUILDERS:
                    found.add((module, function.name))
    return found


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """How often each function built a fix."""
    counts: Counter[tuple[str, str]] = Counter()

    def recording(*arguments: object, **named: object) -> Fix:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_name in BUILDERS | {"<genexpr>", "<listcomp>"}:
            frame = frame.f_back
        assert frame is not None
        counts[frame.f_globals["__name__"], frame.f_code.co_name] += 1
        return Fix(*arguments, **named)  # type: ignore[arg-type]

    for name in {module for module, _ in kinds()} | {"cnndsl.diagnostics.words"}:
        module = importlib.import_module(name)
        if hasattr(module, "Fix"):  # the others build theirs with `replacements`
            monkeypatch.setattr(module, "Fix", recording)
    return counts


def errors(diagnostics: tuple[Diagnostic, ...]) -> Counter[tuple[str, str]]:
    """The errors; what is said of a hole may change with the numbers of others.

    Messages quote the text, in which spaces may have been mended.
    """
    open_hole = ("CNN403", "CNN405")
    return Counter(
        ("hole", "") if item.code in open_hole else (item.code, item.message.replace(" ", ""))
        for item in diagnostics
        if item.severity == "error"
    )


def mended(text: str, name: str) -> str:
    """The text as `--fix` leaves it; what stands in other files stays."""
    for _ in range(100):
        checked = check_text(text, name)
        safe = [next((f for f in d.fixes if f.safe), None) for d in checked.diagnostics]
        own = [f for f in safe if f and all(e.span.source is checked.source for e in f.edits)]
        if not own:
            return text
        text = apply_edits(text, [edit for fix in compatible(own) for edit in fix.edits])
    raise AssertionError("it never ends")


def examine(text: str, name: str = "spec.cnn") -> int:
    """Whether the safe fixes of a text do what they should; how many there are."""
    before = check_text(text, name)
    after = mended(text, name)
    allowed, left = errors(before.diagnostics), errors(check_text(after, name).diagnostics)
    assert left <= allowed, f"{dict(left - allowed)} in\n{after}\nfrom\n{text}"
    assert mended(after, name) == after
    safe = [fix for item in before.diagnostics for fix in item.fixes if fix.safe]
    assert len(safe) == len({id(fix) for fix in safe})
    return len(safe)


def test_every_kind_of_fix_is_offered_and_keeps_its_word(built: Counter[tuple[str, str]]) -> None:
    safe = 0
    for text in TEXTS:
        safe += examine(text)
    for path in UI:
        safe += examine(path.read_text(encoding="utf-8"), str(path))
    never = kinds() - {*built}
    assert not never, never
    assert safe > 100


WORDS = st.sampled_from(
    (
        *("relu", "conv 4@3 padding 1", "maxpool 2", "dropout 0.5", "batchnorm", "dense 5"),
        *("flatten", "globalavgpool", "add(identity, relu)", "b()", "a: tanh", "concat(a, relu)"),
        *("conv 4@3 stride 2 padding 1", "repeat 2 { relu -> conv 4@1 }", "c(4, stride = 1)"),
        *sorted(FOREIGN)[::9],
        *absent_names()[::9],
    )
)
SETTINGS = st.sampled_from(
    ("optimizer adam lr 0.1", "loss mse", "schedule cosine warmup 2", "batch 8", "augment flip")
)


@st.composite
def mistaken(draw: st.DrawFn) -> str:
    """A spec of a few lines, with a letter or two that are wrong."""
    lines = [
        "block b() { conv 4@3 padding 1 }",
        "block c(width, stride = 1) { conv width@1 stride stride }",
        "input 4x8x8",
        *draw(st.lists(WORDS, min_size=1, max_size=4)),
        f"train {{ {draw(SETTINGS)} }}",
    ]
    text = "\n".join(lines) + "\n"
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text) - 2))
        how = draw(st.sampled_from(("drop", "double", "swap", "replace", "quote", "equal")))
        one, other = text[at], text[at + 1]
        piece = {
            "drop": other,
            "double": one * 2 + other,
            "swap": other + one,
            "replace": "e" + other,
            "quote": f'"{one}{other}"',
            "equal": f"{one}={other}",
        }[how]
        text = text[:at] + piece + text[at + 2 :]
    return text


@pytest.mark.slow
def test_fixes_of_random_mistakes_bring_no_other() -> None:
    safe = 0

    @settings(
        max_examples=250,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(mistaken())
    def check(text: str) -> None:
        nonlocal safe
        safe += examine(text)

    check()
    assert safe > 50
