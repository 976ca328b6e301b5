"""Shared by the commands: options, a group that shows its help, and `say`, which prints a line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

import click

from cryutils._io.paths import outputs_dir, resolve
from cryutils.errors import printable

__all__ = ["HelpGroup", "example", "outputs_option", "run_option", "say"]

Function = TypeVar("Function", bound=Callable[..., Any])

outputs_option = click.option(
    "--outputs",
    metavar="DIR",
    help="Folder of the runs (default: outputs).",
    callback=lambda _context, _option, value: resolve(value) if value else outputs_dir(),
)
run_option = click.option(
    "--run",
    metavar="NAME",
    help="Run that trained the models (default: the newest on real infants, otherwise on synthetic infants).",
)


def example(*lines: str) -> Callable[[Function], Function]:
    """Return a decorator that ends a command's help with examples."""

    def add(function: Function) -> Function:
        shown = "".join(f"\n      {line}" for line in lines)
        function.__doc__ = f"{function.__doc__}\n\n    \b\n    Example:{shown}"
        return function

    return add


def say(line: object, *, err: bool = False) -> None:
    """Print one line to stdout or stderr, with control characters escaped."""
    # Not click.echo, which writes UTF-8 even to an ASCII stream.
    if (stream := sys.stderr if err else sys.stdout) is None:  # it was closed
        return
    bars = sys.modules.get("tqdm")  # progress bars are cleared first and redrawn afterwards
    with bars.tqdm.external_write_mode(stream) if bars else nullcontext():
        # In one write: a signal between text and line end would join it to the next line.
        print(f"{printable(line)}\n", end="", file=stream, flush=True)


class HelpGroup(click.Group):
    """A click group that shows its help if no command is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; `--help` if there are none."""
        return super().parse_args(ctx, args or ["--help"])
