"""Right networks with numbers left out: each of these is a solution, and must be found."""

from __future__ import annotations

import random
import re

from random_networks import Writer

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.pipeline import check_text

__all__ = ["left_out_numbers"]

_NUMBER = re.compile(
    r"(?<![\w.])[0-9]+(?=x|\b)(?![.\w])|(?<=x)[0-9]+(?=x|\s|$)|(?<==> )[0-9]+(?=x)"
)
_WORDS = re.compile(r"=> |conv|depthwise|pool|dense|stride|padding|dilation|input")


def left_out_numbers(seed: int) -> list[str]:
    """A few networks, in each of which some numbers are replaced by `?`."""
    found = []
    for turn in range(8):
        chance = random.Random(f"holes {seed} {turn}")
        text = Writer(chance.randrange(2**32)).write(layers=chance.randint(1, 4))[0]
        text = _structured(text, chance)
        if check_text(text).network is not None:
            found += _wrong(text, chance)
    return found


def _structured(text: str, chance: random.Random) -> str:
    """The same network with some of its layers in loops and blocks, so that texts are shared."""
    if chance.random() < 0.5:
        return text
    times = chance.randint(1, 3)
    body = chance.choice(("relu", "tanh -> identity", "batchnorm", "identity"))
    return f"{text}repeat {times} {{ {body} }}\n"


def _wrong(text: str, chance: random.Random) -> list[str]:
    places = [
        match
        for match in _NUMBER.finditer(text)
        if _WORDS.search(text[text.rfind("\n", 0, match.start()) + 1 : match.start()])
        and "groups" not in text[max(0, match.start() - 8) : match.start()]
    ]
    if not places:
        return []
    chosen = _chosen(places, text, chance)
    holed, numbers, at = "", {}, 0
    for match in chosen:
        holed += text[at : match.start()]
        numbers[len(holed)] = match.group()
        holed += "?"
        at = match.end()
    holed += text[at:]
    checked = check_text(holed, annotate=True)
    found = []
    for diagnostic in checked.diagnostics:
        if diagnostic.code == "CNN404":
            found.append(f"no number is said to fit, but {[*numbers.values()]} do")
        right = numbers.get(diagnostic.span.start)
        said = re.search(r"can (?:only )?be ([0-9, or]+) here$", diagnostic.message)
        if right is not None and said and right not in re.findall("[0-9]+", said[1]):
            found.append(f"`?` is said to be {said[1]}, but {right} fits")
    edited = apply_edits(holed, checked.annotations)
    if {d.code for d in check_text(edited).diagnostics} - {d.code for d in checked.diagnostics}:
        found.append(f"--annotate brings another problem\n{edited}\n---")
    return [f"{wrong}\n{holed}" for wrong in found]


def _chosen(places: list[re.Match[str]], text: str, chance: random.Random) -> list[re.Match[str]]:
    """One to three places; of a size only one, for all `?` in a size are the same number."""
    chosen: dict[int, re.Match[str]] = {}
    for match in chance.sample(places, min(len(places), chance.randint(1, 3))):
        chosen.setdefault(text.rfind(" ", 0, match.start()), match)
    return sorted(chosen.values(), key=lambda match: match.start())
