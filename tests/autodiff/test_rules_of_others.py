"""A package adds the gradient of an operator that has none here, by an entry point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from gradients import check_gradients, emitted

from cnndsl.autodiff import rules
from cnndsl.graph.builder import LoweringError

MODULE = """
def sin(context):
    return [context.op("Mul", context.gradient, context.op("Cos", context.inputs[0]))]
"""
POINTS = """
[cnndsl.gradients]
Sin = more_rules:sin
Sinh = more_rules:sinh
Exp = more_rules:sin
"""
X = numpy.random.default_rng(1).normal(size=(2, 3))


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, with one package installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "more_rules.py").write_text(MODULE, encoding="utf-8")
    install(tmp_path, "more-rules")
    rules._rule_of_others.cache_clear()
    yield tmp_path
    rules._rule_of_others.cache_clear()


def install(site: Path, name: str) -> None:
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS, encoding="utf-8")


def test_a_rule_of_a_package_is_used() -> None:
    check_gradients(lambda emit, x: emit.op("Sin", x), X)


def test_no_package_replaces_a_rule_of_ours() -> None:
    check_gradients(lambda emit, x: emit.op("Exp", x), X)


def test_two_packages_with_a_rule_are_named(site: Path) -> None:
    install(site, "others")
    both = r"^`Sin` has the gradients of 2 packages: `more_rules:sin` and `more_rules:sin`$"
    with pytest.raises(LoweringError, match=both):
        emitted(lambda emit, x: emit.op("Sin", x), [X], [0])


def test_a_rule_that_does_not_load_is_named() -> None:
    with pytest.raises(
        LoweringError, match=r"^the gradient of `Sinh`, `more_rules:sinh`, does not"
    ):
        emitted(lambda emit, x: emit.op("Sinh", x), [X], [0])
