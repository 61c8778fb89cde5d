"""What cfg files say of training, and what is said of what no spec says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imported_runs import checked

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.importers.networks.darknet.reader import read_darknet
from cnndsl.importers.networks.graph import ImportedNetwork

DATA = Path(__file__).parent / "data"

NET = "[net]\nheight=12\nwidth=12\nchannels=3\n"
CONV = "[convolutional]\nfilters=4\nsize=3\nactivation=linear\n"


def read(folder: Path, text: str) -> ImportedNetwork:
    path = folder / "it.cfg"
    path.write_text(text, encoding="utf-8")
    return read_darknet(path)


def test_the_first_section_is_input_and_recipe() -> None:
    network = read_darknet(DATA / "darknet19.cfg")
    text = checked(network)[0].text
    head = "input 3x256x256 {\n  scale 1/255\n  fit crop\n}"
    assert head in text
    recipe = text.partition("train {")[2].split("\n")
    assert [line.strip() for line in recipe if line.strip(" }")] == [
        "optimizer sgd lr 0.1 momentum 0.9",
        "schedule polynomial power 4",
        "weight_decay 0.0005",
        "augment flip horizontal -> rotate 7",
    ]


@pytest.mark.parametrize(
    ("batch", "subdivisions", "said"),
    [(64, 16, ["batch 64", "shards 16"]), (64, 1, ["batch 64"]), (4, 8, ["batch 4", "shards 4"])],
)
def test_subdivisions_are_shards(
    tmp_path: Path, batch: int, subdivisions: int, said: list[str]
) -> None:
    net = NET.replace("[net]\n", f"[net]\nbatch={batch}\nsubdivisions={subdivisions}\n")
    end = "[avgpool]\n[softmax]\n"
    text = checked(read(tmp_path, f"{net}{CONV}{end}"))[0].text
    lines = [line.strip() for line in text.partition("train {")[2].splitlines()]
    assert [line for line in lines if line.startswith(("batch ", "shards "))] == said


def test_heads_of_detectors_are_listed_and_what_they_read_is_kept() -> None:
    network = read_darknet(DATA / "yolov3-tiny.cfg")
    assert [one.place for one in network.refused] == [
        "line 132, section 16",
        "line 174, section 23",
    ]
    assert {one.why for one in network.refused} == {
        "what it makes of its maps are boxes, whose number hangs on the picture"
    }
    assert [str(network.types[value]) for value in network.outputs.values()] == [
        "255x13x13",
        "255x26x26",
    ]


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ("[lstm]\noutput=3\n", "it carries a state from one step to the next (docs/scope.md)"),
        ("[convolutonal]\n", "Darknet has no such section; perhaps `[convolutional]` is meant"),
        ("[convolutional]\nactivation=stair\n", "no layer computes steps"),
        ("[softmax]\ntree=9k.tree\n", "no layer has a softmax for each branch of a tree"),
        ("[convolutional]\nxnor=1\n", "no convolution here does that"),
        (
            "[maxpool]\nsize=20\nstride=2\npadding=0\n",
            "the kernel is larger than the input: 20 > 10",
        ),
    ],
)
def test_what_no_layer_says_is_listed_with_its_place(
    section: str, why: str, tmp_path: Path
) -> None:
    network = read(tmp_path, NET + CONV + section + "[avgpool]\n")
    [refused] = network.refused
    assert refused.place == "line 9, section 1"
    assert why in refused.why
    assert "conv" in [node.keyword for node in network.nodes]


@pytest.mark.parametrize(
    ("text", "code", "line", "message", "help"),
    [
        ("height=3\n", "CNN680", 1, "an option before the first section", "write `[net]` above it"),
        ("[convolutional]\n", "CNN680", 1, "the first section is `[convolutional]`, not `[net]`",
         "a cfg file begins with `[net]`, which says how large the input is"),
        ("[net\n", "CNN680", 1, "the bracket of a section's name is never closed: `[net`",
         "write `]`"),
        (NET + "maxpool\n", "CNN680", 5,
         "a line that is neither a section nor an option: `maxpool`", "write `[maxpool]`"),
        (NET + "[maxpool] # a pool\n", "CNN680", 5,
         "behind the name of a section stands `#apool`",
         "put a comment on a line of its own: Darknet takes it for a part of the name"),
        ("", "CNN680", 1, "no section in the file", "it begins with `[net]`"),
        (NET, "CNN681", 1, "a network without layers: `[net]` is the only section", ""),
        ("[net]\nheight=3\n" + CONV, "CNN681", 1,
         "`[net]` does not say how large the input is: no `channels`",
         "write `height=…`, `width=…` and `channels=…`"),
        (NET + CONV.replace("filters=4", "filters=four"), "CNN681", 6,
         "`filters` takes a whole number, not `four`", ""),
        (NET + CONV.replace("linear", "leeky"), "CNN681", 8, "there is no activation `leeky`",
         "did you mean `leaky`?"),
        (NET + CONV + "[route]\nlayers=-4\n", "CNN681", 10,
         "`layers=-4` in section 1 means section -3, which is none",
         "sections count from 0 behind `[net]`"),
        (NET + CONV + "[shortcut]\nfrom=1\n", "CNN681", 10,
         "`from=1` in section 1 means section 1, which is not above it",
         "sections count from 0 behind `[net]`"),
        (NET + CONV + "[route]\n", "CNN681", 9, "`[route]` has no `layers`",
         "write `layers=-1,-7`"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_at_its_place(
    text: str, code: str, line: int, message: str, help: str, tmp_path: Path
) -> None:
    with pytest.raises(CompileError) as caught:
        read(tmp_path, text)
    [found] = caught.value.diagnostics
    assert (found.code, found.message, found.help) == (code, message, help)
    assert found.span.first.line == line


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    network = read(tmp_path, NET + CONV + "wobble=1\n" + CONV + "wobble=2\n")
    assert network.notes == ("line 9, 14: `wobble` of `[convolutional]` is not read",)


def test_numbers_end_where_a_comment_begins(tmp_path: Path) -> None:
    network = read(tmp_path, NET + CONV.replace("size=3", "size=3 # three"))
    assert network.nodes[0].settings["kernel"] == (3, 3)


_SECTIONS = (
    "convolutional", "maxpool", "avgpool", "connected", "route", "shortcut", "upsample", "reorg",
    "softmax", "dropout", "local", "crop", "batchnorm", "activation", "normalization", "cost",
    "scale_channels", "sam", "deconvolutional",
)  # fmt: skip
_NAMES = (
    "size", "stride", "pad", "padding", "filters", "groups", "layers", "from", "activation",
    "output", "batch_normalize", "probability", "group_id", "crop_height", "crop_width",
)  # fmt: skip
_VALUES = ("-2", "-1", "0", "1", "2", "3", "5", "-1,-2", "leaky", "linear", "1e9")
_OPTIONS = st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VALUES))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_SECTIONS), st.lists(_OPTIONS, max_size=5)), max_size=6))
def test_any_sections_make_a_network_or_an_error(
    tmp_path: Path, sections: list[tuple[str, list[tuple[str, str]]]]
) -> None:
    text = NET + "".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options)
        for name, options in sections
    )
    try:
        network = read(tmp_path, text)
    except CompileError:
        return
    if network.nodes:
        # A loss may not fit the last layer: that is for whoever writes such sections.
        checked(replace(network, recipe=None))
