"""The command line: one thin file per verb, loaded when the verb is used."""

from __future__ import annotations

import sys
from typing import Any

import click
from typing_extensions import override

from cnndsl.cli.errors import exit_code_of, report
from cnndsl.cli.options import LINE, color_option
from cnndsl.cli.verbs import VERBS, command
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import UserError
from cnndsl.version import __version__

__all__ = ["VerbGroup", "main"]


class VerbGroup(click.Group):
    """A group that imports a verb's file when the verb is used."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        return command(cmd_name)

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        ctx.meta[LINE] = tuple(args)
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from cnndsl.diagnostics.words import closest

            near = closest(args[0], VERBS)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in VERBS.items()])

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (UserError, CompileError) as error:
            return report(error)

    @override
    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line and exit: 0 clean, 1 for what a user can mend, 2 usage."""
        extra["standalone_mode"] = False
        sys.exit(exit_code_of(lambda: super(VerbGroup, self).main(*args, **extra)))


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="cnndsl %(version)s")
@color_option
def main() -> None:
    """A language for convolutional networks, and its compiler to ONNX."""
