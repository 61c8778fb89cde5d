"""``cnndsl train``: a spec and labelled data in, a folder with the trained model out."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click
from typing_extensions import override

from cnndsl.cli.options import color_option, parameters_option
from cnndsl.cli.progress import duration, number, watching

if TYPE_CHECKING:
    from cnndsl.runtime.events import EpochRecord, Outcome
    from cnndsl.runtime.trainer import TrainingRequest

__all__ = ["train"]

Parameters: TypeAlias = Mapping[str, int | float | bool | str]

_WORDS = "cnndsl.words"
"""Where the words of the command line are kept, for the command that resumes."""


class _RememberingCommand(click.Command):
    """A command that knows the words it was called with."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = tuple(args)
        return super().parse_args(ctx, args)


def _valid(ctx: click.Context, option: click.Parameter, text: str | None) -> float | str | None:
    """A share of the data where it is a number, else the path of other data."""
    if text is None or os.path.exists(text):
        return text
    try:
        share = float(text)
    except ValueError:
        return text
    if not 0 < share < 1:
        raise click.BadParameter(f"'{text}' is neither data nor a share between 0 and 1, as 0.2")
    return share


def _overrides(
    ctx: click.Context, option: click.Parameter, pairs: tuple[str, ...]
) -> tuple[str, ...]:
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        section, dot, setting = key.partition(".")
        if not equals or not value or section != "train" or not dot or not setting:
            raise click.BadParameter(
                f"'{pair}' is not train.KEY=VALUE, as in --set train.weight_decay=5e-4"
            )
    return pairs
