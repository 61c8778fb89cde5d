"""Makes parts of a recipe of numbers that another tool's file has, which need not suit ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cnndsl.layers.base import Schema

__all__ = ["made"]


def made(notes: list[str], schema: type[Schema], values: Mapping[str, Any]) -> Any:
    """A setting of a recipe; None where it needs what it cannot have.

    A value that its schema refuses is left out, and a note says so.
    """
    left = dict(values)
    while True:
        try:
            return schema(**left)
        except ValidationError as error:
            refused = [str(one["loc"][0]) for one in error.errors() if one["loc"]]
            unfit = [name for name in dict.fromkeys(refused) if name in left]
            word = getattr(schema, "keyword", schema.__name__.lower())
            notes.extend(
                f"the recipe has no `{name} {left[name]}` of `{word}`: {_why(error, name)}"
                for name in unfit
            )
            if not unfit:
                return None
            for name in unfit:
                del left[name]


def _why(error: ValidationError, name: str) -> str:
    found = next(one["msg"] for one in error.errors() if one["loc"][:1] == (name,))
    return found[:1].lower() + found[1:]
