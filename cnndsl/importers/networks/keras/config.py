"""Reads a layer's configuration by names and types, and knows what nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from cnndsl.diagnostics.model import UserError

__all__ = ["Config", "Unsaid"]

_STANDARD = frozenset(
    (
        "activity_regularizer", "autocast", "batch_input_shape", "batch_shape", "build_config",
        "data_format", "dtype", "embeddings_constraint", "input_dtype", "input_shape", "input_spec",
        "lora_alpha", "lora_rank", "name", "quantization_config", "registered_name", "synchronized",
        "trainable",
    )
)  # fmt: skip
"""What says nothing about a layer, or is looked at elsewhere."""

_EMPTY: tuple[object, ...] = (None, False, [], {}, "", 0)


class Unsaid(Exception):  # noqa: N818 - not an error: what no layer says
    """Raised where a layer cannot be said in ours; ``str()`` is why."""


class Config:
    """The configuration of one layer.

    Args:
        values: by name.
        kind: the layer's class.
        name: the layer's name.
    """

    def __init__(self, values: Mapping[str, Any], kind: str, name: str) -> None:
        self.values = values
        self.kind = kind
        self.name = name
        self._asked: set[str] = set(_STANDARD)

    def get(self, name: str, default: Any = None) -> Any:
        """A value as it stands there; the default where it is not there or null."""
        self._asked.add(name)
        value = self.values.get(name, default)
        return default if value is None else value

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number; without a default it has to be there."""
        value = self.get(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self._mistyped(name, value, "a whole number")
        return value

    def number(self, name: str, default: float) -> float:
        """A number."""
        value = self.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            self._mistyped(name, value, "a number")
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Yes or no."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            self._mistyped(name, value, "`true` or `false`")
        return value

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        value = self.get(name, default)
        if not isinstance(value, str):
            self._mistyped(name, value, "a string")
        return value

    def sizes(
        self, name: str, rank: int, default: Sequence[int] | int | None = None
    ) -> tuple[int, ...]:
        """One whole number for each dimension: a number for all, or a list."""
        value = self.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return (value,) * rank
        whole = isinstance(value, list | tuple) and all(
            isinstance(one, int) and not isinstance(one, bool) for one in value
        )
        if not whole or len(value) != rank:
            self._mistyped(name, value, f"{rank} whole numbers")
        return tuple(value)

    def axes(self, name: str, default: int) -> list[int]:
        """One whole number, or a list of them."""
        value = self.get(name, default)
        found = value if isinstance(value, list) else [value]
        if not found or any(not isinstance(one, int) or isinstance(one, bool) for one in found):
            self._mistyped(name, value, "a whole number, or a list of them")
        return found

    def wholes(self, name: str) -> list[int]:
        """A list of whole numbers."""
        value = self.get(name, [])
        whole = isinstance(value, list | tuple) and all(
            isinstance(one, int) and not isinstance(one, bool) for one in value
        )
        if not whole:
            self._mistyped(name, value, "a list of whole numbers")
        return list(value)

    def pairs(self, name: str, rank: int) -> list[tuple[int, int]]:
        """Two whole numbers for each dimension: one for all, one for each, or pairs."""
        value = self.get(name, 1)
        if isinstance(value, int) and not isinstance(value, bool):
            return [(value, value)] * rank
        if not isinstance(value, list):
            self._mistyped(name, value, f"{rank} pairs of whole numbers")
        if rank == 1 and all(isinstance(one, int) for one in value):
            value = [value]
        found = [tuple(one) if isinstance(one, list) else (one, one) for one in value]
        whole = all(isinstance(number, int) for one in found for number in one)
        if len(found) != rank or any(len(one) != 2 for one in found) or not whole:
            self._mistyped(name, value, f"{rank} pairs of whole numbers")
        return found

    def ignore(self, *names: str) -> None:
        """Count values as asked for that say nothing here."""
        self._asked.update(names)

    def unread(self) -> Iterator[str]:
        """The values that nobody asked for and that say something."""
        for name, value in self.values.items():
            if name not in self._asked and value not in _EMPTY:
                yield name

    def _mistyped(self, name: str, value: object, wanted: str) -> NoReturn:
        shown = repr(value)[:40]
        raise UserError(
            "CNN681",
            f"`{name}` of layer `{self.name}` ({self.kind}) is {wanted}, not {shown}",
            help="is the file whole, and written by Keras?",
        )
