"""`cryutils export`: trained models as files for other machines. See `cli`.

Used by notebook 13_live_and_deployment. Prints one line for each network that it has written.
"""

from __future__ import annotations

import click

from cryutils.course.cli_group import run_option, say
from cryutils.errors import InputError

__all__ = ["export"]


@click.command()
@click.option("--model", required=True, metavar="NAME",
              help="Model to export: cry2, image, full (both) or ensemble.")  # fmt: skip
@click.option("--format", "format_", default="litert", show_default=True, metavar="NAME",
              help="File format: litert, or openvino, which needs an extra.")  # fmt: skip
@click.option("--int8", is_flag=True, help="Quantise to 8-bit integers, calibrated on"
              " recordings of training infants.")  # fmt: skip
@click.option("--float16", is_flag=True, help="Store weights as 16-bit floats.")
@run_option
@click.option(
    "--output", metavar="DIR", help="Folder to write to (default: export in the run's folder)."
)
def export(
    model: str, format_: str, int8: bool, float16: bool, run: str | None, output: str | None
) -> None:
    """Write trained models for machines without TensorFlow.

    Each model comes with a card that describes its input. A LiteRT model of sound also comes with
    on_device.py, which runs it with LiteRT and NumPy alone.

    \b
    Examples:
      cryutils export --model cry2 --int8
      cryutils export --model ensemble --format openvino --output handed-over
    """
    from cryutils._io.paths import resolve
    from cryutils.models.export import FORMATS
    from cryutils.papers import deployment

    if int8 and float16:
        raise InputError("--int8, --float16: give one of them.")
    if output == "":
        raise InputError("--output '': an empty name; give a folder.")
    precision = "int8" if int8 else "float16" if float16 else "float"
    for path in deployment.export(
        model, run=run, format=format_, precision=precision,
        folder=None if output is None else resolve(output), progress=True,
    ):  # fmt: skip
        size_kb = sum(file.stat().st_size for file in FORMATS[format_].files(path)) / 1000
        say(f"{path}: {size_kb:.0f} kB")
    say("No medical device.", err=True)
