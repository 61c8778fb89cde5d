"""The command of a verb that writes the file of ``-o``: a file given without it is told so."""

from __future__ import annotations

import click
from typing_extensions import override

__all__ = ["WritingVerb"]


class WritingVerb(click.Command):
    """A command with ``-o FILE``, after whose arguments people write the file alone."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; of one argument too many, the error names ``-o``."""
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            words = " ".join(rest)
            hint = f"; the file to write is given by '-o {words}'" if len(rest) == 1 else ""
            ctx.fail(f"'{words}' is more than this verb takes{hint}")
        return rest
