"""On every platform exactly one of the two wheels of ONNX Runtime is installed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

import pytest
from documents import ROOT
from packaging.requirements import Requirement

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

PLATFORMS = [
    # What `sys.platform` and `platform.machine()` say, and which wheel has a build there.
    ("linux", "x86_64", "onnxruntime-gpu"),
    ("linux", "aarch64", "onnxruntime"),
    ("linux", "armv7l", "onnxruntime"),
    ("linux", "AMD64", "onnxruntime"),
    ("win32", "AMD64", "onnxruntime-gpu"),
    ("win32", "ARM64", "onnxruntime"),
    ("win32", "x86_64", "onnxruntime"),
    ("darwin", "arm64", "onnxruntime"),
    ("darwin", "x86_64", "onnxruntime"),
    ("freebsd14", "amd64", "onnxruntime"),
]


def wanted(requirements: list[str], system: str, machine: str) -> list[str]:
    """The wheels of ONNX Runtime that pip would take on a platform."""
    found = [Requirement(text) for text in requirements]
    environment = {"sys_platform": system, "platform_machine": machine, "extra": ""}
    return [
        one.name
        for one in found
        if one.name.startswith("onnxruntime")
        and (one.marker is None or one.marker.evaluate(environment))
    ]


@pytest.mark.parametrize(("system", "machine", "wheel"), PLATFORMS)
def test_one_onnxruntime_is_installed(system: str, machine: str, wheel: str) -> None:
    assert wanted(PROJECT["dependencies"], system, machine) == [wheel]


@pytest.mark.parametrize(("system", "machine", "wheel"), PLATFORMS)
def test_the_extra_for_cuda_brings_no_second_one(system: str, machine: str, wheel: str) -> None:
    extra = PROJECT["optional-dependencies"]["cuda"]
    both = wanted([*PROJECT["dependencies"], *extra], system, machine)
    assert set(both) == {wheel}


def test_two_wheels_would_be_noticed() -> None:
    assert len(wanted(["onnxruntime", "onnxruntime-gpu"], "linux", "x86_64")) == 2


# --- versions -----------------------------------------------------------------------------------


def lowest_versions(requirements: Iterable[str]) -> dict[str, str]:
    """The lowest version of each package, by name."""
    found = {}
    for one in map(Requirement, requirements):
        [found[one.name]] = [part.version for part in one.specifier if part.operator == ">="]
    return found


def test_the_lowest_versions_that_are_tested_are_those_that_are_promised() -> None:
    promised = lowest_versions(PROJECT["dependencies"])
    extras = PROJECT["optional-dependencies"]
    others = lowest_versions(
        text for name, texts in extras.items() if name != "test" for text in texts
    )
    lines = (ROOT / ".ci" / "lowest.txt").read_text("utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    # What an extra brings may be tested so too, as far as the tests' own tools do not need newer.
    assert tested == {**{name: others[name] for name in tested.keys() & others}, **promised}


def test_the_tools_of_the_tests_have_exact_versions() -> None:
    for one in map(Requirement, PROJECT["optional-dependencies"]["test"]):
        assert [part.operator for part in one.specifier] == ["=="], one
