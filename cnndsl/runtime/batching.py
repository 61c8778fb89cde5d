"""Runs a batch of any size through a session, also where its model was compiled for a fixed one.

What comes back is one row for each sample, or it is refused: a model may say of its outputs what
it likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy

from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.session import Session

__all__ = ["fixed_batch", "run_batch"]


def fixed_batch(session: Session) -> int | None:
    """How many samples the model takes at once; None where it takes any number."""
    size = session.inputs[0].shape[0]
    return size if isinstance(size, int) else None


def run_batch(
    session: Session, feeds: Mapping[str, Array], outputs: Sequence[str]
) -> dict[str, Array]:
    """The values called ``outputs`` for a batch of every input.

    Raises:
        UserError: CNN604 where a value has no row for each sample, CNN703 where it cannot be run.
    """
    fixed = fixed_batch(session)
    count = len(next(iter(feeds.values())))
    if fixed is None or fixed == count:
        return _rows(session.run(feeds, outputs), count)
    parts: list[dict[str, Array]] = []
    for start in range(0, count, fixed):
        piece = {name: batch[start : start + fixed] for name, batch in feeds.items()}
        full = {name: _fill(part, fixed) for name, part in piece.items()}
        parts.append(_rows(session.run(full, outputs), fixed))
    return {name: numpy.concatenate([part[name] for part in parts])[:count] for name in outputs}


def _fill(batch: Array, size: int) -> Array:
    """A batch of the size that the model was compiled for: its last sample again and again."""
    lacking = size - len(batch)
    if not lacking:
        return batch
    try:
        return numpy.concatenate([batch, numpy.repeat(batch[-1:], lacking, axis=0)])
    except MemoryError as error:
        raise UserError(
            "CNN703",
            f"the model was compiled for batches of {size:,}, for which memory does not suffice",
            help="compile it again with a smaller `--batch`",
        ) from error


def _rows(results: dict[str, Array], count: int) -> dict[str, Array]:
    for name, array in results.items():
        if array.dtype.kind not in "fiub" or array.ndim == 0 or len(array) != count:
            raise UserError(
                "CNN604",
                f"the model's `{name}` is not one value for each sample",
                help="compile the model again from its spec",
            )
    return results
