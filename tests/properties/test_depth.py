"""Long and deep texts are answered: no function calls itself as often as a text says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from cnndsl.analysis.summary import summarize
from cnndsl.elaborate.canonical import canonical_text
from cnndsl.limits import DEEPEST, Limits
from cnndsl.pipeline import check_text, compile, typed

HEAD = "input 3x8x8\n"

TEXTS: dict[str, Callable[[int], str]] = {
    "chain": lambda n: f"{HEAD}{'relu -> ' * n}relu\n",
    "lines": lambda n: HEAD + "conv 3@3 padding 1\n" * n,
    "holes": lambda n: HEAD + "conv 4@3 padding ?\n" * n,
    "holes in claims": lambda n: HEAD + "relu => ?x8x8\n" * n,
    "sum": lambda n: f"{HEAD}let k = {'1 + ' * n}2\nconv k@1\n",
    "difference": lambda n: f"{HEAD}let k = 9999{' - 1' * n}\nconv k@1\n",
    "and": lambda n: f"{HEAD}if {'yes and ' * n}yes {{ relu }}\nrelu\n",
    "not": lambda n: f"{HEAD}if {'not ' * n}yes {{ relu }}\nrelu\n",
    "else if": lambda n: f"{HEAD}if no {{ relu }}{' else if no { relu }' * n} else {{ tanh }}\n",
    "conditional": lambda n: f"{HEAD}let k = {'1 if no else ' * n}2\nconv k@1\n",
    "lists": lambda n: f"{HEAD}let k = {'[' * n}1{']' * n}\nconv 4@k\n",
    "parentheses": lambda n: f"{HEAD}let k = {'(' * n}1{')' * n}\nconv 4@k\n",
    "joins": lambda n: f"{HEAD}{'add(identity, ' * n}relu{')' * n}\n",
    "joins in a row": lambda n: HEAD + "add(identity, relu)\n" * n,
    "loops": lambda n: f"{HEAD}{'repeat 1 { ' * n}relu{' }' * n}\n",
    "bodies": lambda n: f"{HEAD}{'if yes { ' * n}relu{' }' * n}\n",
    "blocks": lambda n: (
        "".join(f"block b{i}() {{ b{i + 1}() }}\n" for i in range(n))
        + f"block b{n}() {{ relu }}\n{HEAD}b0()\n"
    ),
    "constants": lambda n: (
        "let a0 = 1\n"
        + "".join(f"let a{i + 1} = a{i} + 1\n" for i in range(n))
        + f"{HEAD}conv a{n}@1\n"
    ),
    "minima": lambda n: f"{HEAD}conv {'min(1, ' * n}8{')' * n}@1\n",
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("times", [62, 2_000])
def test_a_long_text_is_answered(name: str, times: int) -> None:
    checked = check_text(TEXTS[name](times), annotate=True)
    if checked.network is not None:
        summarize(checked.network)
        assert canonical_text(checked.network.network)
    assert checked.network is not None or checked.diagnostics


@pytest.mark.parametrize("name", ["chain", "lines", "joins in a row"])
def test_a_long_network_is_compiled(name: str) -> None:
    artifact = compile(typed(check_text(TEXTS[name](1_500))))
    assert len(artifact.graph_only.graph.node) >= 1_500


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_the_largest_depth_that_can_be_asked_for_is_reached(name: str) -> None:
    """In a process of its own: how deep Python may call is a setting of the process."""
    program = (
        "from cnndsl.pipeline import check_text\n"
        "from cnndsl.limits import Limits\n"
        "from cnndsl.elaborate.canonical import canonical_text\n"
        f"checked = check_text({TEXTS[name](DEEPEST - 20)!r}, limits=Limits(depth={DEEPEST}))\n"
        "print(checked.network and len(canonical_text(checked.network.network)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-600:]


def test_no_larger_depth_can_be_asked_for() -> None:
    with pytest.raises(ValueError, match="the limit `depth` must be at most 500, not 501"):
        Limits.parse("depth=501")
