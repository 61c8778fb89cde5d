"""Specs that come through standard input: ``-`` in place of a path."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cnndsl.diagnostics.model import UserError

if TYPE_CHECKING:
    from cnndsl.typecheck.checked import Checked

__all__ = ["PIPED", "checked_spec", "file_stem", "is_piped", "read_standard_input"]

PIPED = "<stdin>"
"""What standard input is called in messages."""


def is_piped(spec: str) -> bool:
    """Whether a spec comes through standard input."""
    return spec == "-"


def checked_spec(spec: str, parameters: Mapping[str, object], *, models: bool = False) -> Checked:
    """What checking finds of a spec, or of standard input; with ``models``, of a compiled one's.

    Raises:
        UserError: as :func:`cnndsl.load` does, CNN005 and CNN901 for what is piped.
    """
    from cnndsl import pipeline

    if is_piped(spec):
        return pipeline.check_text(read_standard_input(), PIPED, parameters)
    if not models:
        return pipeline.check(spec, parameters)
    from cnndsl import api

    return api.checked(spec, parameters)


def file_stem(spec: str, network: str) -> str:
    """What a file that is made of a spec is called, without its ending.

    That is as the spec's file, or as what is piped calls its ``network``.

    >>> file_stem("nets/lenet5.cnn", "lenet"), file_stem("-", "lenet"), file_stem("-", "<stdin>")
    ('lenet5', 'lenet', 'network')
    """
    if not is_piped(spec):
        return Path(spec).stem
    return "network" if network == PIPED else network


def read_standard_input() -> str:
    """The text on standard input.

    Raises:
        UserError: CNN901 where there is too much of it, CNN005 where it is no text.
    """
    from cnndsl.pipeline import current_limits

    most = 4 * current_limits().text
    data = sys.stdin.buffer.read(most + 1)
    if len(data) > most:
        raise UserError("CNN901", f"standard input is larger than {most:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"byte {error.start} is {data[error.start]:#04x}"
        raise UserError("CNN005", f"standard input is not UTF-8 text: {what}") from None
