"""Words for messages: what a misspelt one may have meant, lists, numbers of things, short pieces.

Did you mean: from a word that is unknown and the words that exist to the ones it may have meant.

Nearness is the Damerau-Levenshtein distance (optimal string alignment): how many letters were
added, left out, replaced or swapped with their neighbour. Case, underscores and hyphens do not
count, and a beginning of at least three letters (``batch`` for ``batchnorm``) counts as near.

What is near may still be another thing (``elu`` and ``relu``, ``branch1`` and ``branch2``): only a
slip of the fingers that can hardly be meant is mended unasked (:func:`is_slip`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice

from cnndsl.diagnostics.model import Edit, Fix
from cnndsl.diagnostics.source import Span

__all__ = [
    "abridged",
    "abridged_lines",
    "closest",
    "count",
    "is_slip",
    "listed",
    "quoted",
    "replacements",
    "rivals",
    "shorten",
]

_MOST = 3
_CONSIDERED = 1_000
_COMPARED = 64
"""So many candidates are compared letter by letter: those that begin and end most like the word."""
_LONGEST = 64


# --- lists and numbers ------------------------------------------------------------------------


def count(number: int, noun: str, plural: str = "", *, commas: bool = False) -> str:
    """A number of things; with ``commas`` between the thousands, where it may be large.

    >>> count(1, "name"), count(2, "name"), count(0, "class", "classes")
    ('1 name', '2 names', '0 classes')
    >>> count(1200, "sample", commas=True)
    '1,200 samples'
    """
    name = noun if number == 1 else plural or f"{noun}s"
    return f"{number:,} {name}" if commas else f"{number} {name}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words in a sentence.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "or")
    ('a', 'a and b', 'a, b or c')
    """
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def quoted(words: Iterable[object], between: str = ", ") -> str:
    """Words as code.

    >>> quoted(["a", "b"]), quoted([1, 2], " or ")
    ('`a`, `b`', '`1` or `2`')
    """
    return between.join(f"`{word}`" for word in words)


def abridged(words: Sequence[str], most: int) -> str:
    """The first of many words, and how many more there are.

    >>> abridged(["a", "b"], 2), abridged(["a", "b", "c", "d"], 2)
    ('a, b', 'a, b and 2 more')
    """
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def abridged_lines(lines: Sequence[str], most: int) -> list[str]:
    """The first of many lines, and one that says how many more there are.

    >>> abridged_lines(["a", "b", "c"], 2), abridged_lines(["a", "b"], 2)
    (['a', 'b', 'and 1 more'], ['a', 'b'])
    """
    more = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return [*lines[:most], *more]


def shorten(text: str, limit: int = 40) -> str:
    """A piece of a spec for a message: on one line, not too long."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


# --- did you mean -----------------------------------------------------------------------------


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
    ours = filter(str.isascii, dict.fromkeys(candidates))  # other letters are mistakes themselves
    return _closest(_plain(word), tuple(islice(ours, _CONSIDERED)))


@lru_cache(maxsize=2_048)
def _closest(plain: str, candidates: tuple[str, ...]) -> tuple[str, ...]:
    """The same for a plain word; kept, since a text is checked again with what might mend it."""
    known = [(candidate, _plain(candidate)) for candidate in candidates]
    if len(known) > _COMPARED:
        known.sort(key=lambda one: -_shared(plain, one[1]))
        del known[_COMPARED:]
    found: list[tuple[int, int, str]] = []
    for position, (candidate, spelled) in enumerate(known):
        distance = _nearness(plain, spelled)
        if distance is not None:
            found.append((distance, position, candidate))
    found.sort()
    if found and found[0][0] == 0:
        found = [item for item in found if item[0] == 0]
    return tuple(candidate for _, _, candidate in found[:_MOST])


def replacements(span: Span, near: Sequence[str], word: str = "") -> tuple[Fix, ...]:
    """The fix that writes the nearest name in place of a word; safe where it was a mere slip.

    Args:
        span: where the word stands.
        near: what it may mean, as :func:`closest` gives it.
        word: what stands there, where it is not the place's text.
    """
    if not near:
        return ()
    safe = len(near) == 1 and is_slip(word or span.text, near[0])
    return (Fix(f"write `{near[0]}`", (Edit(span, near[0]),), safe=safe),)


def is_slip(word: str, meant: str) -> bool:
    """Whether a word is surely another one, mistyped: no name of its own that is merely alike.

    Where names differ by a digit, by their first letter, by their last one or by a short part
    between underscores, people mean the difference.

    >>> is_slip("maxpol", "maxpool"), is_slip("ocnv", "conv"), is_slip("Batch_Norm", "batchnorm")
    (True, True, True)
    >>> is_slip("elu", "relu"), is_slip("adamw", "adam"), is_slip("enc_b_out", "enc_a_out")
    (False, False, False)
    """
    left, right = _plain(word), _plain(meant)
    if left == right:
        return True
    if len(left) < 4 or re.findall(r"\d", left) != re.findall(r"\d", right):
        return False
    distance = _distance(left, right, 1 if min(len(left), len(right)) < 8 else 2)
    if distance is None:
        return False
    swapped = distance == 1 and left[:2] == right[1::-1]
    return (left[0] == right[0] or swapped) and _ends_alike(left, right) and not _parts(word, meant)


def rivals(word: str, meant: str, others: Iterable[str]) -> tuple[str, ...]:
    """The other words of which a word is as likely a slip as of the one that seems to be meant.

    >>> rivals("gleu", "gelu", ["glu", "relu", "sigmoid"])
    ('glu',)
    """
    plain = _plain(word)
    found = _distance(plain, _plain(meant), len(plain))
    most = len(plain) if found is None else found
    near = (one for one in others if one != meant)
    return tuple(one for one in near if _distance(plain, _plain(one), most) is not None)


def _ends_alike(left: str, right: str) -> bool:
    """Whether the ends of two words that differ are no ends of two names."""
    if left[-1] == right[-1] or sorted(left[-2:]) == sorted(right[-2:]):
        return True
    shorter, longer = sorted((left, right), key=len)
    return longer.startswith(shorter) and longer[len(shorter) :] in ("s", "e", shorter[-1])


def _parts(word: str, meant: str) -> bool:
    """Whether the parts between underscores differ in a short one: ``enc_a``, ``enc_b``."""
    pairs = list(zip(word.split("_"), meant.split("_"), strict=False))
    alike = word.count("_") == meant.count("_")
    return alike and any(a != b and min(len(a), len(b)) < 3 for a, b in pairs)


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
