"""A program for MPI: adds what all workers have, and says what comes out of some seeds.

    mpiexec -n 3 python tests/workers/summing.py BUCKET SEED…

Each seed draws a case, the same in all workers: so many shards, so many numbers, a type. A worker
adds its own shards in NumPy, as :class:`ShardedTrainStep` does, and leaves the rest to ``Mpi.sum``;
what comes out is compared with the tree's sum over all shards, bit by bit. The first worker writes
a line for each case: what it was, and the SHA-256 of the sum.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import numpy
from numpy.typing import NDArray

from cnndsl.runtime.workers import mpi, ordered_sum
from cnndsl.training.shards import Span, added, covering, shards_of

Array = NDArray[Any]


def numbers(seed: int, shard: int, size: int, dtype: str) -> Array:
    """What a shard gives: of all sizes, so that each order of additions has bits of its own."""
    random = numpy.random.default_rng([seed, shard])
    return (random.standard_normal(size) * 2.0 ** random.integers(-20, 20, size)).astype(dtype)


def tree(span: Span, seed: int, size: int, dtype: str) -> Array:
    """The sum of some shards, in the tree's order, by NumPy alone."""

    def leaf(node: Span) -> Array | None:
        return numbers(seed, node[0], size, dtype) if node[1] - node[0] == 1 else None

    def add(left: Array, right: Array) -> Array:
        return left + right

    return added(span, leaf, add)


def main(bucket: str, *seeds: str) -> None:
    ordered_sum.BUCKET = int(bucket)
    others = mpi.Mpi()
    me, count = others.worker.rank, others.worker.count
    for word in seeds:
        seed = int(word)
        random = numpy.random.default_rng(seed)
        # Without regard to the number of workers: the same cases for all of them.
        shards = int(random.integers(4, 14))
        edge = int(bucket)
        sizes = [0, 1, 2, 3, 5, edge - 1, edge, edge + 1, 2 * edge, int(random.integers(8 * edge))]
        size = int(random.choice(sizes))
        dtype = str(random.choice(["float32", "float64"]))
        whole = (0, shards)
        mine = covering(shards_of(me, count, shards), whole)
        parts = {span: tree(span, seed, size, dtype) for span in mine}
        kept = {span: part.copy() for span, part in parts.items()}
        out = numpy.full(size, numpy.nan, dtype)
        # Something small besides, as a step's losses are, of the other type or the same one.
        small = str(random.choice(["float32", "float64"]))
        few = {span: tree(span, seed + 1000, 3, small) for span in parts}
        besides = numpy.full(3, numpy.nan, small)
        others.sum(parts, whole, out, (few, besides))
        assert besides.tobytes() == tree(whole, seed + 1000, 3, small).tobytes()
        expected = tree(whole, seed, size, dtype)
        assert out.tobytes() == expected.tobytes(), (me, count, shards, size, dtype)
        assert all(parts[span].tobytes() == kept[span].tobytes() for span in parts), "changed"
        digests = others.gather(hashlib.sha256(out.tobytes()).hexdigest())
        assert len(set(digests)) == 1
        if others.worker.leads:
            print(seed, shards, size, dtype, digests[0], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
