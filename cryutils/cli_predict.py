"""The command `cryutils predict`: the trained models on any files, a row each.

Walked by notebooks 06_full and 09_ensemble. Rows go to stdout, reasons to stderr; a bad file costs
its own row only. Exit code 1 where some files were bad, 2 where all were.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import chain, count
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
@click.option("--model", default="full", show_default=True, help="cry2, image, full or ensemble.")
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
      cryutils predict crying.mp4 --model ensemble
    """
    from cryutils.locations import resolve
    from cryutils.predict_ensemble import open_models

    predictor = open_models(model, run=run)
    click.echo(
        f"Models: {predictor.run.name}, trained on {predictor.note}. No medical device.", err=True
    )
    artist = _Artist(resolve(annotate), predictor.note) if annotate else None
    rows: list[dict[str, Any]] = []
    failed = False
    for name in _shown(files):
        row: dict[str, Any] = {"file": name}
        rows.append(row)
        try:
            prediction = predictor(resolve(name))
            row |= {**prediction.row(), "file": name}
            if artist is not None:
                row["annotated"] = None  # a prediction that can't be drawn is one nevertheless
                row["annotated"] = artist.draw(prediction)
        except InputError as error:
            failed = True
            if "state" not in row:
                row["error"] = str(error)
            click.echo(f"cryutils: {error}", err=True)
    done = [row for row in rows if "error" not in row]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif done:
        _print_table(done, predictor.classes)
    if failed:
        raise SystemExit(1 if done else 2)


class _Artist:
    """Writes predictions into one folder, a file each, though recordings may share a name."""

    def __init__(self, folder: Path, note: str) -> None:
        self.folder, self.note = folder, f"Trained on {note}."
        self.taken: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"--annotate {folder}: can't be written to ({error.strerror}); name another folder."
            ) from error

    def draw(self, prediction: Prediction) -> str | None:
        """Return the path of what was written; None, and a line on stderr, for a sound."""
        from cryutils.annotate import annotate

        if not prediction.info.has_video:
            click.echo(
                f"{prediction.file.name}: a sound, so there's no picture to draw in.", err=True
            )
            return None
        stem = prediction.file.stem
        numbered = (f"{stem}-{k}" for k in count(2))
        name = next(name for name in chain([stem], numbered) if name.casefold() not in self.taken)
        self.taken.add(name.casefold())
        return str(annotate(prediction, self.folder, note=self.note, name=name))


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
    # Off a terminal as wide as it needs, so that a file is one line for whoever reads it there.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)
