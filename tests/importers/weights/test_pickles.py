"""Pickles are data: whatever they say, nothing is imported, called or built."""

from __future__ import annotations

import contextlib
import datetime
import io
import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from cnndsl.importers.weights.pickles import (
    BoundedFile,
    Call,
    PickleError,
    UnsafePickleError,
    read_pickle,
)


def read(content: bytes, allowed: Callable[[str], bool] = lambda name: False) -> Any:
    return read_pickle(io.BytesIO(content), allowed)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.text() | st.integers(), inside, max_size=4)
        | st.tuples(inside, inside)
    ),
    max_leaves=12,
)


@given(PLAIN, st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_numbers_texts_and_what_holds_them_are_as_python_reads_them(
    value: object, protocol: int
) -> None:
    def is_allowed(name: str) -> bool:
        return name in ("_codecs.encode", "__builtin__.bytes")  # bytes in protocol 2

    found = read(pickle.dumps(value, protocol), is_allowed)
    if "Call(" not in repr(found):
        assert found == value


def test_ordered_dictionaries_are_dictionaries() -> None:
    value = OrderedDict(a=1, b=OrderedDict(c=2))
    assert read(pickle.dumps(value), lambda name: name == "collections.OrderedDict") == {
        "a": 1,
        "b": {"c": 2},
    }


class Hostile:
    def __init__(self, *what: Any) -> None:
        self.what = what

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return self.what


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "what",
    [
        (os.system, ("touch here",)),
        (eval, ("open('here', 'w')",)),
        (exec, ("open('here', 'w')",)),
        (Path, ("here",)),
        (getattr, ("", "upper")),
        (OrderedDict, ([("a", Hostile(os.system, ("touch here",)))],)),
    ],
    ids=lambda what: getattr(what[0], "__name__", "?"),
)
def test_names_that_are_not_allowed_are_refused(
    what: tuple[Any, ...], protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(Hostile(*what), protocol)
    with pytest.raises(UnsafePickleError):
        read(content, lambda name: name == "collections.OrderedDict")
    assert list(tmp_path.iterdir()) == []


def test_even_what_is_allowed_is_never_called(tmp_path: Path) -> None:
    content = pickle.dumps(Hostile(os.system, (f"touch {tmp_path / 'here'}",)))
    found = read(content, lambda name: True)
    assert isinstance(found, Call)
    assert found.name.endswith(".system")
    assert list(tmp_path.iterdir()) == []
    date = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert isinstance(read(pickle.dumps(date), lambda name: True), Call)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02}q\x00",
        b"(.",
        b"\x80\x02R.",
        b"\x80\x02s.",
        b"\x80\x02}K\x01s.",
        b"\x80\x02(K\x01K\x02u.",
        b"\x80\x02h\x07.",
        b"c__builtin__\n",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93",
        b"\x82\x01.",  # an extension
        b"\x80\x05\x97.",  # a buffer out of band
        b"\x80\x02](K\x01.",
        b"\x80\x02K\x01K\x02.",
        b"\x80\x02K\x01K\x02a.",
        b"\xff" * 40,
    ],
)
def test_what_is_no_whole_pickle_is_refused(content: bytes) -> None:
    with pytest.raises(PickleError):
        read(content, lambda name: True)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_an_error_of_ours(content: bytes) -> None:
    with contextlib.suppress(PickleError):
        read(b"\x80\x04" + content, lambda name: True)


@pytest.mark.parametrize("opcode", [b"\x8e", b"\x8d", b"\x96"])
def test_a_length_beyond_the_file_allocates_nothing(opcode: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\x80\x05" + opcode + struct.pack("<Q", 2**40) + b"abc.")
    with path.open("rb") as file, pytest.raises(PickleError, match="cut short"):
        read_pickle(BoundedFile(file, path.stat().st_size), lambda name: True)


def test_depth_costs_nothing() -> None:
    deep = b"\x80\x02" + b"(" * 200_000 + b"l" * 200_000 + b"."
    assert isinstance(read(deep), list)
    nested = b"\x80\x02N" + b"\x85" * 200_000 + b"."
    assert isinstance(read(nested), tuple)
