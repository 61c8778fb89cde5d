"""The checksum of weights that cnndsl wrote: a damaged number is noticed before it is used.

It is an entry of a safetensors file's metadata: the SHA-256 of the other entries, of the tensors'
names, types and shapes, and of their numbers, all in the order of the names. Where the tensors
stand in the file does not count, so a tool that loads and saves them with their metadata changes
nothing. Files of other tools have no such entry.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular

__all__ = ["WEIGHTS_CHECKSUM_KEY", "checksum_of_weights", "verify_weights"]

WEIGHTS_CHECKSUM_KEY = "content_sha256"
"""The entry of the metadata that holds the checksum."""

Tensor: TypeAlias = tuple[str, str, Sequence[int]]
"""A tensor's name, type and shape."""

_PIECE = 2**20


def checksum_of_weights(
    metadata: Mapping[str, str],
    tensors: Sequence[Tensor],
    numbers: Iterable[bytes | memoryview],
) -> str:
    """The checksum of tensors in the order of their names, whose numbers may come in pieces."""
    rest = {key: text for key, text in metadata.items() if key != WEIGHTS_CHECKSUM_KEY}
    head = [rest, [[name, dtype, list(shape)] for name, dtype, shape in tensors]]
    digest = hashlib.sha256(json.dumps(head, sort_keys=True, separators=(",", ":")).encode())
    for piece in numbers:
        digest.update(piece)
    return digest.hexdigest()


def verify_weights(path: str | os.PathLike[str]) -> None:
    """Compare the checksum of a whole safetensors file with its content, where it has one.

    Raises:
        UserError: CNN607 where it was damaged or changed.
        OSError: where it cannot be read.
    """
    with open_regular(path) as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(start - 8))
        metadata = header.pop("__metadata__", None) or {}
        if WEIGHTS_CHECKSUM_KEY not in metadata:
            return
        found = sorted(header.items())

        def numbers() -> Iterator[bytes]:
            for _, tensor in found:
                begin, end = tensor["data_offsets"]
                file.seek(start + begin)
                for at in range(begin, end, _PIECE):
                    yield file.read(min(_PIECE, end - at))

        tensors = [(name, tensor["dtype"], tensor["shape"]) for name, tensor in found]
        computed = checksum_of_weights(metadata, tensors, numbers())
    if computed != metadata[WEIGHTS_CHECKSUM_KEY]:
        raise UserError(
            "CNN607",
            f"the weights in `{os.fspath(path)}` were damaged or changed: their content is not that"
            " of their checksum",
            help="copy the file again from where it was whole; if it was changed on purpose, add"
            " `--no-verify` (in Python, `verify=False`)",
        )
