"""What a compiled model says of itself, and how that is read back from its file.

A model carries its manifest in its ``metadata_props``:

==========================  ========================================================
``cnndsl.format``           which properties there are: 2, of this table
``cnndsl.version``          of the compiler
``cnndsl.network``          the network's name
``cnndsl.spec``             the canonical text of the spec
``cnndsl.spec_sha256``      the SHA-256 of that text in UTF-8, hexadecimal
``cnndsl.parameters``       JSON: the compile-time parameters, with values as a spec writes them
``cnndsl.preparation``      JSON: for each input, how raw data becomes it
``cnndsl.vocabularies``     JSON: for each input of tokens how many ids there are; absent for none
``cnndsl.raw``              JSON: the inputs that take pictures as bytes, absent where none does
``cnndsl.precision``        what it computes in: ``float16`` or ``int8``; absent for float32
``cnndsl.classes``          JSON: the names of the classes, empty where there are none
``cnndsl.answers``          JSON: for each output what its numbers are; older models lack it
``cnndsl.learnable``        how many learnable numbers it has
``cnndsl.seed``             of the initialiser; absent where the weights came from a file
``cnndsl.layers``           JSON: the values of layers that do not carry the layer's name
``cnndsl.sha256``           the checksum of the file; see :mod:`cnndsl.graph.checksum`
==========================  ========================================================

Format 1 had no ``cnndsl.format`` and no checksum. Such models are read, and said to have none.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, TypeAlias, TypeVar, get_args

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.checksum import CHECKSUM_KEY, checksum_of, stored_checksum
from cnndsl.graph.files import reason
from cnndsl.graph.protobuf import ProtobufError, fields, read_without, size_of
from cnndsl.recipe.preparation import Preparation
from cnndsl.typecheck.answers import Answers

__all__ = [
    "FORMAT_KEY",
    "LAYERS_KEY",
    "MODEL_GRAPH",
    "Manifest",
    "Precision",
    "read_artifact",
    "sha256",
]

T = TypeVar("T")

LAYERS_KEY = "cnndsl.layers"
"""The property of a model that maps a layer to its value, where that has another name."""

FORMAT_KEY = "cnndsl.format"
"""The property of a model that says which properties it has."""

Precision: TypeAlias = Literal["float32", "float16", "int8"]
"""What a model computes in."""

_PRECISIONS: Mapping[str, Precision] = {one: one for one in get_args(Precision)}

_FORMAT = 2

MODEL_GRAPH = 7
"""The number of the field of a ``ModelProto`` that holds its graph."""

_MODEL_TRAINING = 20
_MODEL_FUNCTIONS = 25
_LARGEST_HEAD = 64 * 2**20
"""Bytes of a model without its graph; a spec has 4 MB at most."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a compiled model says of itself.

    ``layers`` maps a layer to the value that holds its result, for those whose value has another
    name than the layer: the last layer's is ``output``. ``seed`` is None where the weights were
    read from a file. ``has_checksum`` is false for a model of an older cnndsl, and ``answers``,
    which says what each output's numbers are, may be empty. ``raw`` names the inputs that take
    pictures as bytes, channels last: the graph prepares them. ``vocabularies`` says of each input
    of token ids how many there are. ``precision`` is what it computes in: where that is not
    float32, its weights are not the network's any more, and only the model itself gives its
    answers.
    """

    version: str
    network: str
    spec: str
    spec_sha256: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    preparation: Mapping[str, Preparation] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    learnable: int = 0
    seed: int | None = None
    layers: Mapping[str, str] = field(default_factory=dict)
    has_checksum: bool = True
    answers: Mapping[str, Answers] = field(default_factory=dict)
    raw: tuple[str, ...] = ()
    precision: Precision = "float32"
    vocabularies: Mapping[str, int] = field(default_factory=dict)

    @override
    def __repr__(self) -> str:
        return f"<Manifest of {self.network}, by cnndsl {self.version}>"

    @property
    def untrained(self) -> bool:
        """Whether it has weights that were drawn, so that its answers mean nothing yet."""
        return self.seed is not None and self.learnable > 0

    @property
    def intact(self) -> bool:
        """Whether the spec's text is the one that was compiled."""
        return sha256(self.spec) == self.spec_sha256

    def value_of(self, layer: str) -> str:
        """The name of the value that holds a layer's result."""
        return self.layers.get(layer, layer)

    def properties(self) -> dict[str, str]:
        """The manifest as the properties of a model."""
        properties = {
            FORMAT_KEY: str(_FORMAT),
            "cnndsl.version": self.version,
            "cnndsl.network": self.network,
            "cnndsl.spec": self.spec,
            "cnndsl.spec_sha256": self.spec_sha256,
            "cnndsl.parameters": _json(dict(self.parameters)),
            "cnndsl.preparation": _json(
                {name: preparation.to_json() for name, preparation in self.preparation.items()}
            ),
            "cnndsl.classes": _json(self.classes),
            "cnndsl.learnable": str(self.learnable),
        }
        if self.seed is not None:
            properties["cnndsl.seed"] = str(self.seed)
        if self.vocabularies:
            properties["cnndsl.vocabularies"] = _json(dict(self.vocabularies))
        if self.raw:
            properties["cnndsl.raw"] = _json(self.raw)
        if self.precision != "float32":
            properties["cnndsl.precision"] = self.precision
        if self.answers:
            properties["cnndsl.answers"] = _json(
                {name: answers.to_json() for name, answers in self.answers.items()}
            )
        if self.layers:
            properties[LAYERS_KEY] = _json(dict(self.layers))
        return properties

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> Manifest:
        """The manifest that :meth:`properties` wrote.

        Raises:
            KeyError, TypeError, ValueError: where it is incomplete or damaged.
        """
        preparation = _parsed(properties["cnndsl.preparation"], dict)
        answers = _parsed(properties.get("cnndsl.answers", "{}"), dict)
        seed = properties.get("cnndsl.seed")
        return cls(
            version=properties["cnndsl.version"],
            network=properties["cnndsl.network"],
            spec=properties["cnndsl.spec"],
            spec_sha256=properties["cnndsl.spec_sha256"],
            parameters=_texts(properties["cnndsl.parameters"]),
            preparation={
                name: Preparation.from_json(dict(data)) for name, data in preparation.items()
            },
            classes=tuple(map(str, _parsed(properties["cnndsl.classes"], list))),
            learnable=int(properties["cnndsl.learnable"]),
            seed=None if seed is None else int(seed),
            layers=_texts(properties.get(LAYERS_KEY, "{}")),
            has_checksum=FORMAT_KEY in properties,
            answers={name: Answers.from_json(dict(data)) for name, data in answers.items()},
            raw=tuple(map(str, _parsed(properties.get("cnndsl.raw", "[]"), list))),
            precision=_PRECISIONS[properties.get("cnndsl.precision", "float32")],
            vocabularies={
                name: _count(size)
                for name, size in _parsed(properties.get("cnndsl.vocabularies", "{}"), dict).items()
            },
        )


def read_artifact(path: str | os.PathLike[str], *, verify: bool = True) -> Manifest:
    """The manifest of a compiled model; the graph and its weights are never in memory.

    With ``verify``, the whole file is read and its checksum compared, piece by piece.

    Raises:
        UserError: CNN604, for a file that is not a model, or not one of cnndsl's, CNN607 for one
            that was damaged or changed.
    """
    try:
        with open_regular(path) as file:
            properties = _properties(file)
            if any(one.number == _MODEL_FUNCTIONS for one in fields(file, 0, size_of(file))):
                raise _not_ours(path, "defines functions, which cnndsl never does")
            if "cnndsl.spec" not in properties:
                raise _not_ours(path, "was not compiled by cnndsl: it carries no spec")
            if properties.get(FORMAT_KEY, str(_FORMAT)) != str(_FORMAT):
                raise _not_ours(path, f"is not of format {_FORMAT}: another cnndsl wrote it")
            if verify:
                _verify(path, file, properties)
    except (ProtobufError, DecodeError) as error:
        raise _not_ours(path, "is not an ONNX model") from error
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise _not_ours(path, f"cannot be read: {why}") from error
    try:
        return Manifest.from_properties(properties)
    except (KeyError, TypeError, ValueError) as error:
        raise _not_ours(path, "carries a damaged manifest") from error


def _properties(file: BinaryIO) -> dict[str, str]:
    skipped = (MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS)
    model = onnx.ModelProto.FromString(read_without(file, skipped, _LARGEST_HEAD))
    return {entry.key: entry.value for entry in model.metadata_props}


def _verify(path: str | os.PathLike[str], file: BinaryIO, properties: Mapping[str, str]) -> None:
    """Raise CNN607 where a model's checksum is not that of its content."""
    stored = stored_checksum(file)
    if stored is None and FORMAT_KEY not in properties and CHECKSUM_KEY not in properties:
        return
    if stored is not None and stored == checksum_of(file):
        return
    why = "its checksum is missing" if stored is None else "its content is not that of its checksum"
    raise UserError(
        "CNN607",
        f"`{os.fspath(path)}` was damaged or changed: {why}",
        help="copy or compile it again; if it was changed on purpose, add `--no-verify`"
        " (in Python, `verify=False`)",
    )


def sha256(text: str) -> str:
    """The SHA-256 of a text in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("a vocabulary has at least one id")
    return value


def _texts(text: str) -> dict[str, str]:
    return {name: str(value) for name, value in _parsed(text, dict).items()}


def _parsed(text: str, kind: type[T]) -> T:
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    # An escape in JSON can be half a character, which is no text.
    json.dumps(value, ensure_ascii=False).encode()
    if not isinstance(value, kind):
        raise TypeError(f"not a JSON {kind.__name__}")
    return value


def _not_ours(path: str | os.PathLike[str], why: str) -> UserError:
    return UserError(
        "CNN604",
        f"`{os.fspath(path)}` {why}",
        help="give a model that `cnndsl compile` wrote",
    )
