"""`cryutils export`: trained models as LiteRT files for other machines. See `cli`."""

from __future__ import annotations

import click

from cryutils.course.cli_group import run_option, say
from cryutils.errors import InputError

__all__ = ["export"]


@click.command()
@click.option("--model", required=True, metavar="NAME",
              help="Model to export: cry2, image or full (both).")  # fmt: skip
@click.option("--int8", is_flag=True, help="Quantise to 8-bit integers, calibrated on"
              " recordings of training infants.")  # fmt: skip
@run_option
@click.option(
    "--output", metavar="DIR", help="Folder to write to (default: export in the run's folder)."
)
def export(model: str, int8: bool, run: str | None, output: str | None) -> None:
    """Write trained models as LiteRT files.

    The files need no TensorFlow. Each comes with a card that describes its input.

    \b
    Example:
      cryutils export --model cry2 --int8
    """
    from cryutils._io.paths import resolve
    from cryutils.papers.deployment import export_model

    if output == "":
        raise InputError("--output '': an empty name; give a folder.")
    folder = None if output is None else resolve(output)
    for path in export_model(model, run=run, int8=int8, folder=folder):
        say(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    say("No medical device.", err=True)
