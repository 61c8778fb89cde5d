"""Protocol buffers' text format is read as it is; what is wrong with it is said at its place."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.source import Source
from cnndsl.importers.networks.caffe.prototext import Message, Word, parse


def read(text: str) -> Message:
    return parse(Source("net.prototxt", text))


def pairs(message: Message) -> list[tuple[str, object]]:
    return [
        (field.name, pairs(field.value) if isinstance(field.value, Message) else field.value)
        for field in message.fields
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a: 1", [("a", 1)]),
        ("a: -1 b: 0x1F c: 017", [("a", -1), ("b", 31), ("c", 15)]),
        ("a: 1.5 b: .5 c: 1. d: 1e-3 e: 2f f: -3.5F", [
            ("a", 1.5), ("b", 0.5), ("c", 1.0), ("d", 1e-3), ("e", 2.0), ("f", -3.5)]),
        ("a: MAX b: true c: -inf", [("a", Word("MAX")), ("b", Word("true")), ("c", Word("-inf"))]),
        ("a: 'it''s' \"ok\"", [("a", "itsok")]),
        (r'a: "\t\"\\\x41\101é"', [("a", '\t"\\AAé')]),
        ("a { b: 1 } c: { d: 2 } e < f: 3 >", [
            ("a", [("b", 1)]), ("c", [("d", 2)]), ("e", [("f", 3)])]),
        ("a: [1, 2] b: [] c: [{ d: 1 }, < d: 2 >]", [
            ("a", 1), ("a", 2), ("c", [("d", 1)]), ("c", [("d", 2)])]),
        ("a: 1, b: 2; c { } d: 3", [("a", 1), ("b", 2), ("c", []), ("d", 3)]),
        ("# one\na: 1 # two\n#three", [("a", 1)]),
        ("[caffe.more] { x: 1 }", [("caffe.more", [("x", 1)])]),
        ("", []),
    ],
)  # fmt: skip
def test_values_are_what_the_format_says(text: str, values: list[tuple[str, object]]) -> None:
    assert pairs(read(text)) == values


def test_a_field_knows_its_line() -> None:
    message = read("a: 1\n\nlayer {\n  name: 'x'\n}")
    layer = message.fields[1]
    assert layer.line == 3
    assert isinstance(layer.value, Message)
    assert layer.value.fields[0].span.text == "name"


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("layer {\n  name: 'a'\n", "the file ends, and `{` was never closed", (1, 7)),
        ("a: [1, 2", "the file ends, and `[` was never closed", (1, 4)),
        ("a: 1\n}", "`}` without its partner", (2, 1)),
        ("layer { name 'a' }", "unexpected `'a'`", (1, 14)),
        ('a: "abc\nb: 1', 'a string that is never closed on its line: "abc', (1, 4)),
        ("a: }", "no value before `}`", (1, 4)),
        ("a: 1.2.3", "unexpected `1`", (1, 4)),
        ("a: % 3", "unexpected `%`", (1, 4)),
        ("layer", "the file ends behind a name without a value", (1, 5)),
    ],
)
def test_what_is_wrong_is_said_at_its_place(
    text: str, message: str, place: tuple[int, int]
) -> None:
    with pytest.raises(CompileError) as caught:
        read(text)
    [found] = caught.value.diagnostics
    assert (found.code, found.message) == ("CNN680", message)
    assert (found.span.first.line, found.span.first.column) == place


def test_messages_in_messages_end_somewhere() -> None:
    with pytest.raises(CompileError, match="more than 100 deep"):
        read("a {" * 5000 + "}" * 5000)


@given(st.text(max_size=60))
def test_any_text_is_a_message_or_refused(text: str) -> None:
    with suppress(CompileError):
        read(text)


# --- against Google's own reader ---------------------------------------------------------------


def _google() -> Any:
    """A message of the fields that texts are drawn from."""
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto2")
    message = file.message_type.add(name="M")
    kinds = descriptor_pb2.FieldDescriptorProto
    for number, (name, kind) in enumerate(
        [("i", kinds.TYPE_INT64), ("d", kinds.TYPE_DOUBLE), ("s", kinds.TYPE_STRING)], start=1
    ):
        message.field.add(name=name, number=number, type=kind, label=kinds.LABEL_REPEATED)
    message.field.add(
        name="m", number=9, type=kinds.TYPE_MESSAGE, type_name=".t.M", label=kinds.LABEL_REPEATED
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.M"))


GOOGLE = _google()

_LEAF = st.one_of(
    st.builds("i: {}".format, st.integers(-(2**63), 2**63 - 1)),
    st.builds("d: {!r}".format, st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(
        "s: {}".format,
        st.text(st.characters(codec="ascii"), max_size=8).map(
            lambda text: '"' + text_format.text_encoding.CEscape(text, as_utf8=True) + '"'
        ),
    ),
)
_TEXTS = st.recursive(
    st.lists(_LEAF, max_size=3).map("\n".join),
    lambda inner: st.lists(
        st.one_of(_LEAF, inner.map("m {{ {} }}".format), inner.map("m: < {} >".format)), max_size=3
    ).map(" ".join),
    max_leaves=8,
)


def _values(message: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for descriptor, values in message.ListFields():  # type: ignore[attr-defined]
        inner = descriptor.name == "m"
        found[descriptor.name] = [_values(one) if inner else one for one in values]
    return found


def _ours(message: Message) -> dict[str, object]:
    found: dict[str, list[object]] = {}
    for field in message.fields:
        value = _ours(field.value) if isinstance(field.value, Message) else field.value
        found.setdefault(field.name, []).append(value)
    return dict(found)


@given(_TEXTS)
def test_texts_are_read_as_google_reads_them(text: str) -> None:
    assert _ours(read(text)) == _values(text_format.Parse(text, GOOGLE()))
