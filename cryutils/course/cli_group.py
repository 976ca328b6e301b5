"""What the commands share: `SuggestingGroup`, which helps, and `say`, which prints a line."""

from __future__ import annotations

import sys
from contextlib import nullcontext

import click

from cryutils.errors import InputError, near_miss, printable

__all__ = ["SuggestingGroup", "say"]


def say(line: object, *, err: bool = False) -> None:
    """Print one line to stdout or stderr, whatever control characters a name in it holds."""
    # click.echo takes a stream of ASCII for a mistake, and writes UTF-8 to it.
    if (stream := sys.stderr if err else sys.stdout) is None:  # it was closed
        return
    bars = sys.modules.get("tqdm")  # those that are drawn now make room
    with bars.tqdm.external_write_mode(stream) if bars else nullcontext():
        # In one piece: a signal between text and end would join it to the next line.
        print(f"{printable(line)}\n", end="", file=stream, flush=True)


class SuggestingGroup(click.Group):
    """A click group that names the near miss of a mistyped command, and shows help for none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the arguments left to a command; alone, the group's name asks for its help."""
        return super().parse_args(ctx, args or ["--help"])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begin with. Raises InputError for an unknown one."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            names = self.list_commands(ctx)
            raise InputError(f"no command {args[0]!r}.{near_miss(args[0], names)}")
        return super().resolve_command(ctx, args)
