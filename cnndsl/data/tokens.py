"""Turns whole numbers into token ids, and finds those that a vocabulary does not have."""

from __future__ import annotations

import numpy

from cnndsl.data.sources import Array, ModelInput

__all__ = ["FOREIGN_HELP", "as_ids", "foreign_id"]

FOREIGN_HELP = "give such tokens an id of the vocabulary, or declare a larger one in the spec"
"""What to do about ids that a vocabulary does not have."""

_LARGEST = 2**63 - 1


def as_ids(values: Array) -> Array:
    """The ids as int64; what is beyond it stays the largest there is."""
    if values.dtype == numpy.uint64:
        values = numpy.minimum(values, numpy.uint64(_LARGEST))
    return values.astype(numpy.int64)


def foreign_id(ids: Array, model_input: ModelInput) -> str | None:
    """What is wrong with the ids of one sample: the first that the vocabulary does not have.

    None where all are well, and of an input that takes no token ids.
    """
    vocabulary = model_input.type.vocabulary
    if vocabulary is None:
        return None
    wrong = (ids < 0) | (ids >= vocabulary)
    if not wrong.any():
        return None
    at = tuple(numpy.argwhere(wrong)[0].tolist())
    place = ", ".join(map(str, at))
    return (
        f"it holds the token id {ids[at]} at {place}, but the vocabulary of"
        f" `{model_input.name}` has {vocabulary:,} ids: 0 to {vocabulary - 1}"
    )
