"""``cnndsl specs``: the shipped networks with what their specs say of themselves."""

from __future__ import annotations

import json
from functools import cache

import pytest
from click.testing import CliRunner
from network_counts import COUNTS

from cnndsl.cli import main
from cnndsl.cli.columns import WIDTH
from cnndsl.elaborate.catalogue import Entry, entry
from cnndsl.elaborate.modules import shipped_specs


@cache
def printed(style: str) -> str:
    result = CliRunner().invoke(main, ["specs", "--format", style])
    assert result.exit_code == 0
    return result.stdout


def test_the_list_has_every_shipped_spec_and_is_no_wider_than_a_terminal() -> None:
    head, *rows = printed("text").splitlines()
    assert head.split() == ["name", "input", "params", "MACs", "paper"]
    names = [row.split()[0] for row in rows]
    assert sorted(names) == list(shipped_specs())
    assert names.index("resnet50-v1") < names.index("resnet56") < names.index("resnet101")
    assert max(map(len, rows)) <= WIDTH


@pytest.mark.parametrize("name", COUNTS)
def test_a_spec_is_listed_with_the_true_numbers(name: str) -> None:
    [listed] = [one for one in json.loads(printed("json")) if one["name"] == name]
    expected = COUNTS[name]
    counts = {
        "params": expected.params,
        "inference_params": expected.inference[0] or expected.params,
        "macs": expected.macs,
        "inference_macs": expected.inference[1] or expected.macs,
        "buffers": expected.buffers,
        "depth": expected.depth,
    }
    assert listed == listed | counts
    assert [*listed] == ["name", "title", "input", *counts, "year", "paper"]
    assert listed["input"].split(", ")[0] == "x".join(map(str, expected.input))
    assert 1980 <= listed["year"] <= 2026


def test_paper_and_year_are_those_of_the_first_comment() -> None:
    found = entry("resnet18")
    assert (found.title, found.paper, found.year) == (
        "ResNet-18",
        "He, Zhang, Ren & Sun",
        2015,
    )


def test_more_than_two_authors_are_the_first_and_others() -> None:
    def cited(authors: str) -> str:
        return Entry("x", "X", authors, 2015, ("3x8x8",), {}).citation

    assert cited("He, Zhang, Ren & Sun") == "He et al., 2015"
    assert cited("Simonyan & Zisserman") == "Simonyan & Zisserman, 2015"
    assert cited("Kim") == "Kim, 2015"
    assert cited("") == "2015"
