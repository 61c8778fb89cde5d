"""Shipped networks, with fewer maps where they are large, learn what they were made for.

The data is drawn here: pictures to be segmented, sentences, sounds, the values of actions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

import cnndsl
from cnndsl import resources

Array = NDArray[Any]


def trained(name: str, changes: dict[str, str], train: str, data: Any, folder: Path) -> Any:
    """A run of a shipped spec, without its claims, with other sizes and another recipe."""
    text = (resources.specs() / f"{name}.cnn").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^expect .*\n|[ \t]*=> [^#\n]*", "", text)
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    losses = re.findall(r"(?m)^  loss .*\n", text)
    text = f"{text[: text.index('train {')]}train {{\n{''.join(losses)}{train}\n}}\n"
    return cnndsl.parse(text).train(data, out=folder, device="cpu")


# --- segmentation -----------------------------------------------------------------------------


def discs(count: int, seed: int) -> tuple[Array, Array]:
    """Noisy pictures with a bright disc, a dark square that is none, and where the disc is."""
    random = numpy.random.default_rng(seed)
    down, right = numpy.mgrid[:32, :32]
    x = random.normal(0.3, 0.1, (count, 1, 32, 32)).astype(numpy.float32)
    y = numpy.zeros((count, 32, 32), numpy.int64)
    for picture, mask in zip(x, y, strict=True):
        top, left = random.integers(0, 24, 2)
        picture[0, top : top + 6, left : left + 6] -= 0.4
        middle, radius = random.uniform(8, 24, 2), random.uniform(4, 8)
        inside = (down - middle[0]) ** 2 + (right - middle[1]) ** 2 < radius**2
        picture[0, inside] += 0.8
        mask[inside] = 1
    return x, y


def test_a_unet_segments_discs(tmp_path: Path) -> None:
    """It has an eighth of the maps, and borders that keep the size."""
    changes = {"param border = 0": "param border = 1", "1x572x572": "1x32x32"}
    for width in (1024, 512, 256, 128, 64):
        changes |= {f"({width})": f"({width // 8})", f", {width})": f", {width // 8})"}
    del changes[", 1024)"]
    train = "optimizer adam lr 0.003\nbatch 8\nepochs 9\nseed 1"
    run = trained("unet", changes, train, discs(128, 0), tmp_path / "run")
    x, truth = discs(32, 1)
    found = run.model.run(x).argmax(axis=1)
    both, either = ((found & truth).sum(), (found | truth).sum())
    assert both / either > 0.95


# --- sentences --------------------------------------------------------------------------------


def sentences(count: int, seed: int) -> tuple[Array, Array]:
    """Words from 1 to 49; praise (2) is in all, and in half of them `not` (1) before it."""
    random = numpy.random.default_rng(seed)
    x = random.integers(3, 50, (count, 16))
    y = random.integers(0, 2, count)
    for sentence, label in zip(x, y, strict=True):
        at = random.integers(1, 14)
        sentence[at] = 2
        sentence[at - 1 if label else at + 1] = 1  # `not good` or `good not`
        sentence[random.integers(15, 17) :] = 0
    return x, y


def test_kims_network_learns_the_order_of_two_words(tmp_path: Path) -> None:
    changes = {
        "tokens 64 vocabulary 18766": "tokens 16 vocabulary 50",
        "embedding 300": "embedding 32",
    }
    changes["100@[k, 300]"] = "30@[k, 32]"
    train = "optimizer adadelta\nmax_norm fc 3\nbatch 50\nepochs 15"
    run = trained("textcnn", changes, train, sentences(600, 0), tmp_path / "run")
    x, labels = sentences(200, 1)
    assert (run.model.run(x).argmax(axis=1) == labels).mean() > 0.95


# --- sounds -----------------------------------------------------------------------------------


def glides(count: int, seed: int) -> tuple[Array, Array]:
    """A tone that rises, falls or stays, for six frames that begin anywhere."""
    random = numpy.random.default_rng(seed)
    x = random.normal(0, 0.2, (count, 16, 15)).astype(numpy.float32)
    kinds = random.integers(0, 3, count)
    for sound, kind in zip(x, kinds, strict=True):
        begin, pitch = random.integers(0, 9), random.integers(6, 10)
        for frame in range(6):
            sound[pitch + (1, -1, 0)[kind] * frame, begin + frame] += 1.5
    return x, numpy.eye(3, dtype=numpy.float32)[kinds]


def test_a_tdnn_hears_what_a_tone_does_whenever_it_does_it(tmp_path: Path) -> None:
    train = "optimizer adam lr 0.02\nbatch 16\nepochs 40"
    run = trained("tdnn", {}, train, glides(400, 0), tmp_path / "run")
    x, targets = glides(200, 1)
    assert (run.model.run(x).argmax(axis=1) == targets.argmax(axis=1)).mean() > 0.95


# --- the values of actions --------------------------------------------------------------------


def positions(count: int, seed: int) -> tuple[Array, Array]:
    """A ball in four frames, and how near each of four walls it is."""
    random = numpy.random.default_rng(seed)
    x = numpy.zeros((count, 4, 84, 84), numpy.float32)
    places = random.integers(0, 60, (count, 2))
    for frames, (top, left) in zip(x, places, strict=True):
        frames[:, top : top + 24, left : left + 24] = 1
    down, right = places.T / 60
    return x, numpy.stack([down, 1 - down, right, 1 - right], 1).astype(numpy.float32)


def test_a_dqn_learns_values_that_are_given(tmp_path: Path) -> None:
    train = "optimizer rmsprop lr 2.5e-4 alpha 0.95 eps 0.01\nbatch 16\nepochs 10"
    run = trained("dqn", {}, train, positions(512, 0), tmp_path / "run")
    x, values = positions(64, 1)
    # One answer for all would be 0.25 off.
    assert numpy.abs(run.model.run(x) - values).mean() < 0.1
