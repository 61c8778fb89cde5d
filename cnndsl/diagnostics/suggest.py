"""Did you mean: from a word that is unknown and the words that exist to the ones it may have meant.

Nearness is the Damerau-Levenshtein distance (optimal string alignment): how many letters were
added, left out, replaced or swapped with their neighbour. Case, underscores and hyphens do not
count, and a beginning of at least three letters (``batch`` for ``batchnorm``) counts as near.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

__all__ = ["closest"]

_MOST = 3
_CONSIDERED = 1_000
_COMPARED = 64
"""So many candidates are compared letter by letter: those that begin and end most like the word."""
_LONGEST = 64


def closest(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """The candidates that ``word`` is most likely a misspelling of, the likeliest first.

    At most three; none where nothing is near. Words that differ only in case, underscores or
    hyphens leave no doubt, so nothing else is given beside them.

    >>> closest("pading", ["padding", "stride"]), closest("Max_Pool", ["maxpool", "minpool"])
    (('padding',), ('maxpool',))
    >>> closest("batch", ["batchnorm", "dense"]), closest("x", ["y", "conv"])
    (('batchnorm',), ())
    """
    if len(word) > _LONGEST:
        return ()
    plain = _plain(word)
    ours = filter(str.isascii, dict.fromkeys(candidates))  # other letters are mistakes themselves
    known = list(islice(ours, _CONSIDERED))
    if len(known) > _COMPARED:
        known.sort(key=lambda candidate: -_shared(plain, _plain(candidate)))
        del known[_COMPARED:]
    found: list[tuple[int, int, str]] = []
    for position, candidate in enumerate(known):
        distance = _nearness(plain, _plain(candidate))
        if distance is not None:
            found.append((distance, position, candidate))
    found.sort()
    if found and found[0][0] == 0:
        found = [item for item in found if item[0] == 0]
    return tuple(candidate for _, _, candidate in found[:_MOST])


def _plain(word: str) -> str:
    return word.casefold().replace("_", "").replace("-", "")


def _shared(left: str, right: str) -> int:
    """How many letters two words share at their beginnings and ends."""
    most = min(len(left), len(right))
    begin = end = 0
    while begin < most and left[begin] == right[begin]:
        begin += 1
    while end < most - begin and left[-1 - end] == right[-1 - end]:
        end += 1
    return begin + end


def _nearness(word: str, candidate: str) -> int | None:
    """The distance of two plain words, where it is small enough to be a slip of the fingers."""
    longest = max(len(word), len(candidate))
    if longest == 0 or longest > _LONGEST:
        return None
    limit = max(len(word), 3) // 3
    # Replacing every letter is another word, not a misspelling.
    distance = _distance(word, candidate, min(limit, longest - 1))
    if distance is None and len(word) >= 3 and candidate.startswith(word):
        return limit + 1
    return distance


def _distance(left: str, right: str, limit: int) -> int | None:
    """The optimal string alignment distance, or None where it is above ``limit``."""
    if abs(len(left) - len(right)) > limit or len(set(left) - set(right)) > limit:
        return None
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        above, row = row, [i]
        for j, b in enumerate(right, start=1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return None
        before = above
    return row[-1] if row[-1] <= limit else None
