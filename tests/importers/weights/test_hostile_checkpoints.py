"""Checkpoints that lie: whatever their bytes say, an error of ours and bounded memory.

Whole files are changed byte by byte, and pickles are made of instructions at random.
"""

from __future__ import annotations

import contextlib
import io
import pickletools
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.weights import Numbers
from cnndsl.importers.weights.pickles import PickleError, read_pickle
from cnndsl.importers.weights.pytorch_file import open_pytorch
from cnndsl.importers.weights.pytorch_writer import checkpoint

TENSORS: dict[str, Numbers] = {
    "conv1.weight": numpy.ones((4, 3, 3, 3), numpy.float32),
    "conv1.bias": numpy.zeros(4, numpy.float32),
    "bn1.num_batches_tracked": numpy.zeros((), numpy.int64),
}
WHOLE = b"".join(checkpoint(TENSORS))
SLOW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def read_all(path: Path) -> None:
    with open_pytorch(str(path)) as source:
        for one in source.tensors.values():
            one.read()


def refused_or_read(path: Path) -> None:
    with contextlib.suppress(UserError):
        read_all(path)


def at_most(megabytes: float, what: Callable[[], None]) -> None:
    tracemalloc.start()
    try:
        what()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < megabytes * 2**20, f"{peak / 2**20:.0f} MiB"


def pickled() -> bytes:
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as archive:
        [name] = [one for one in archive.namelist() if one.endswith("data.pkl")]
        return archive.read(name)


def zipped(path: Path, pickle: bytes, how: int = zipfile.ZIP_STORED) -> Path:
    """A checkpoint with this pickle, and the numbers of the whole one."""
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as old, zipfile.ZipFile(path, "w", how) as new:
        for name in old.namelist():
            new.writestr(name, pickle if name.endswith("data.pkl") else old.read(name))
    return path


@SLOW
@given(changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6))
def test_a_file_with_other_bytes(
    changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(WHOLE)
    for at, byte in changes:
        content[at] = byte
    path = tmp_path_factory.getbasetemp() / "changed.pt"
    path.write_bytes(content)
    at_most(16, lambda: refused_or_read(path))


PICKLE = pickled()


@SLOW
@given(
    changes=st.lists(st.tuples(st.integers(0, len(PICKLE) - 1), st.binary(max_size=3)), max_size=4),
    end=st.integers(0, len(PICKLE)),
)
def test_a_pickle_with_other_instructions(
    changes: list[tuple[int, bytes]], end: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(PICKLE)
    for at, some in changes:
        content[at : at + 1] = some
    path = zipped(tmp_path_factory.getbasetemp() / "pickle.pt", bytes(content[: end or None]))
    at_most(16, lambda: refused_or_read(path))


OPCODES = [one.code.encode("latin-1") for one in pickletools.opcodes]
PIECES = st.one_of(
    st.sampled_from(OPCODES),
    st.sampled_from(
        [
            b"ctorch._utils\n_rebuild_tensor_v2\n",
            b"ctorch\nFloatStorage\n",
            b"ccollections\nOrderedDict\n",
            b"X\x07\x00\x00\x00storage",
            b"K\x04",
            b"(lp0\n",
            b"}q\x01",
            b"h\x01",
            b"\x88",
            b")R",
        ]
    ),
    st.binary(max_size=4),
)


@SLOW
@given(st.lists(PIECES, max_size=40))
def test_any_instructions(pieces: list[bytes]) -> None:
    def run() -> None:
        with contextlib.suppress(PickleError):
            read_pickle(io.BytesIO(b"\x80\x02" + b"".join(pieces) + b"."), lambda name: True)

    at_most(16, run)


def long_list(count: int) -> bytes:
    """A list of so many pairs in few bytes, kept as number 0."""
    return b"(NN\x86" + b"2" * (count - 1) + b"lq\x00"


def test_what_is_made_of_one_list_again_and_again_is_not_made_without_end() -> None:
    again = b"ccollections\nOrderedDict\nh\x00\x85R0"
    content = b"\x80\x02" + long_list(10_000) + b"0" + again * 3_000 + b"N."

    def run() -> None:
        with pytest.raises(PickleError, match="copies more than 1,000,000 items"):
            read_pickle(io.BytesIO(content), lambda name: True)

    at_most(64, run)


def test_pairs_that_are_lists_of_lists_are_not_laid_out() -> None:
    # A thousand times a list of 100,000: a dictionary of it would have 100 million items.
    content = b"\x80\x02" + long_list(100_000) + b"0ccollections\nOrderedDict\n("
    content += b"h\x00" * 1_000 + b"l\x85R."

    def run() -> None:
        with pytest.raises(PickleError, match="what holds no pairs"):
            read_pickle(io.BytesIO(content), lambda name: True)

    at_most(64, run)


def test_long_names_are_not_repeated_for_each_tensor(tmp_path: Path) -> None:
    name = b"A" * 2**20
    inside = b"}(" + b"".join(b"K%cN" % at for at in range(256) if at != 10) + b"u"
    # Dictionaries, not numbers, so that names are made.
    inside = inside.replace(b"N", b"}")
    content = b"\x80\x02}X" + struct.pack("<I", len(name)) + name + inside + b"s."
    path = zipped(tmp_path / "a.pt", content)

    def run() -> None:
        with pytest.raises(UserError) as caught:
            read_all(path)
        assert "longer than 2,000 characters" in str(caught.value)

    at_most(32, run)


def test_a_packed_pickle_unpacks_to_a_bounded_size(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.pt", b"\x80\x02" + b"}" * (2**27), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**18

    def run() -> None:
        with pytest.raises(UserError) as caught:
            read_all(path)
        assert caught.value.code == "CNN650"

    at_most(300, run)


def test_a_storage_that_is_part_of_another_is_refused(tmp_path: Path) -> None:
    # As before PyTorch 0.4: the sixth thing says where in the other it begins.
    part = PICKLE.replace(b"tQ", b"(X\x01\x00\x00\x000K\x01K\x02ttQ", 1)
    with pytest.raises(UserError) as caught:
        read_all(zipped(tmp_path / "a.pt", part))
    assert "is a part of another" in str(caught.value)
