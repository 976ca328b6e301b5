"""The command `cryutils predict`: the trained models on any files, a row each.

Walked by notebook 06_full. Rows go to stdout, reasons to stderr; a bad file costs its own row
only. Exit code 1 where some files were bad, 2 where all were.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils.errors import InputError

if TYPE_CHECKING:
    from cryutils.predict import Prediction

__all__ = ["predict"]

USED = {"both": "sound + face", "audio": "sound", "image": "face", "none": "–"}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--model", default="full", show_default=True, help="cry2 (sound), image or full.")
@click.option("--run", metavar="NAME", help="The run that trained it (default: the newest).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a file.")
@click.option("--annotate", metavar="DIR", help="Also write videos and pictures, answer drawn in.")
def predict(
    files: tuple[str, ...], model: str, run: str | None, as_json: bool, annotate: str | None
) -> None:
    """Say what state the trained models see in sounds, videos or pictures.

    \b
    Examples:
      cryutils predict cry.wav crying.mp4
      cryutils predict recordings/*.mp4 --annotate drawn --json
    """
    from cryutils.locations import resolve
    from cryutils.predict import Predictor

    predictor = Predictor(model, run=run)
    click.echo(
        f"Models: {predictor.run.name}, trained on {predictor.note}. No medical device.", err=True
    )
    folder = resolve(annotate) if annotate else None
    rows: list[dict[str, Any]] = []
    done: list[Prediction] = []
    failed = 0
    for name in _shown(files):
        try:
            prediction = predictor(resolve(name))
            row = {**prediction.row(), "file": name}
            if folder is not None:
                row["annotated"] = _annotated(prediction, folder, predictor.note)
            done.append(prediction)
        except InputError as error:
            failed += 1
            row = {"file": name, "error": str(error)}
            click.echo(f"cryutils: {error}", err=True)
        rows.append(row)
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    elif done:
        _print_table([row for row in rows if "error" not in row], predictor.classes)
    if failed:
        raise SystemExit(1 if done else 2)


def _annotated(prediction: Prediction, folder: Path, note: str) -> str | None:
    from cryutils.annotate import annotate
    from cryutils.media import probe

    if not probe(prediction.file).has_video:
        click.echo(f"{prediction.file.name}: a sound, so there's no picture to draw in.", err=True)
        return None
    return str(annotate(prediction, folder, note=f"Trained on {note}."))


def _shown(files: Sequence[str]) -> Any:
    if len(files) < 2 or not sys.stderr.isatty():
        return files
    from rich.console import Console
    from rich.progress import track

    return track(files, "recordings", console=Console(stderr=True), transient=True)


def _print_table(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    table.add_column("file", overflow="fold")
    table.add_column("state")
    for name in classes:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_column("by")
    table.add_column("left aside", overflow="fold")
    for row in rows:
        shares = row["probabilities"]
        table.add_row(
            escape(row["file"]), row["state"] or "no prediction",
            *(f"{shares[name]:.0%}" if shares else "–" for name in classes),
            USED[row["used"]], escape("; ".join(row["why"])),
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 110).print(table)
