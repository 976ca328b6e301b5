"""`cryutils predict` and `export`: what to do with trained models. See `cli`.

`predict` prints a line per episode of crying in any files. Answers go to stdout, messages to
stderr. A bad file affects only its own line. The exit code is 1 if some files were bad, 2 if all
were.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils._io.media import RECORDINGS
from cryutils._io.paths import other_kind, resolve
from cryutils._io.progress import say
from cryutils._io.spreadsheet import no_formula
from cryutils.errors import InputError, printable
from cryutils.inference.readings import Reading
from cryutils.words import GAP

if TYPE_CHECKING:
    from cryutils.inference.predict import Predictor

__all__ = ["export", "predict", "run_option"]

_TYPES = "give sounds (such as wav, mp3, m4a), videos (mp4, mov, mkv) or pictures (jpg, png, heic)"
run_option = click.option("--run", help="Run that trained the models (default: the newest on real infants).")
_USED = {"both": "sound and face", "audio": "sound", "image": "face"}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIRECTORY...")
@click.option("--model", default="full", help="cry2, image or full.")
@run_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line of text.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one row per line of text.")
def predict(files: tuple[str, ...], model: str, run: str | None, as_json: bool, as_csv: bool) -> None:
    """Find the crying in sounds and videos, and predict the infant's state.

    A line is printed for each episode of crying, or one for a file without crying. Pictures are
    judged by the face. For a directory, all recordings in it and in its subfolders are used.

    \b
    Examples:
      cryutils predict cry.wav crying.mp4
      cryutils predict recordings --csv
    """
    from tqdm import tqdm

    from cryutils.inference.predict import Predictor

    if as_json and as_csv:
        raise InputError("--json, --csv: give one of them.")
    names = [path for name in files for path in _recordings(name)]
    predictor = Predictor(model, run=run)
    about = f"Models: {predictor.run.name}, trained on {predictor.note}."
    parts = [part for part in (predictor.sound, predictor.face) if part]
    if not any(part.answers_for(synthetic=False) for part in parts):
        about += " They know computer-made infants only and say nothing about real ones."
    say(f"{about} No medical device.", err=True)
    rows, bad = [], 0
    for name in tqdm(names, "recordings", leave=False, disable=None if len(names) > 1 else True):
        message = None
        try:
            readings = predictor(resolve(name))
        except InputError as error:
            message = printable(error)
            say(f"cryutils: {message}", err=True)
            bad += 1
            readings = [Reading(0.0, GAP)]
        for reading in readings:
            rows.append(_row(name, reading, predictor) | {"error": message})
            if not (as_json or as_csv or message):
                say(_line(rows[-1]))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif as_csv:
        click.echo(_table(rows, predictor.classes), nl=False)
    if bad:
        raise SystemExit(2 if bad == len(names) else 1)


def _recordings(name: str) -> Iterator[str]:
    """Yield `name`, or if it is a directory the recordings in it, sorted."""
    from cryutils.datasets.folder import walk

    if not name:
        raise InputError("'': an empty name; give a file or directory.")
    root = resolve(name)
    if not os.path.isdir(root):  # noqa: PTH112  Path.is_dir raises an OSError for a long name
        yield name
        return
    count = 0
    for path, why in walk(root):
        shown = str(Path(name, path.relative_to(root)))
        if not why and path.suffix.lower() in RECORDINGS:
            count += 1
            yield shown
        elif why := why or other_kind(path):
            say(f"{shown}: {why}.", err=True)
    if not count:
        raise InputError(f"{name}: no recording in this directory; {_TYPES}.")


def _row(name: str, reading: Reading, predictor: Predictor) -> dict[str, Any]:
    """Return an answer to a file as JSON types."""
    used, start = reading.used, reading.start
    alone = {"audio": predictor.sound, "image": predictor.face}.get(used)
    return {
        "file": name,
        "start_s": start,
        "end_s": None if start is None else reading.time,
        "state": None if reading.verdict == GAP else reading.verdict,
        "probabilities": {state: round(p, 4) for state, p in reading.probabilities.items()},
        "used": used,
        "note": reading.note,
        "run": predictor.run.name,
        "model": {"audio": "cry2", "image": "image"}.get(used, predictor.model),
        "data": alone.data if alone else predictor.data,
    }


def _line(row: dict[str, Any]) -> str:
    """Return an answer as one line: times, state, probabilities, what was used, and the note."""
    parts = []
    if row["start_s"] is not None:
        start, end = (timedelta(seconds=round(row[name])) for name in ("start_s", "end_s"))
        parts.append(f"crying from {start} to {end}")
    ranked = sorted(row["probabilities"].items(), key=lambda share: -share[1])
    shares = ", ".join(f"{state.replace('_', ' ')} {share:.0%}" for state, share in ranked)
    parts.append(f"{row['state']} ({shares})" if shares else row["state"] or "no prediction")
    parts += [f"by {_USED[row['used']]}"] if shares else []
    return f"{row['file']}: {'; '.join(filter(None, [*parts, row['note']]))}"


def _table(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> str:
    """Return the rows as CSV with a column `p_<class>` for each probability."""
    fixed = [name for name in rows[0] if name != "probabilities"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*fixed, *(f"p_{state}" for state in classes)])
    for row in rows:
        safe = [no_formula(row[name]) if isinstance(row[name], str) else row[name] for name in fixed]
        table.writerow([*safe, *(row["probabilities"].get(state) for state in classes)])
    return text.getvalue()


@click.command(epilog="Example: cryutils export --model cry2 --output device")
@click.option("--model", required=True, help="cry2, image or full (both).")
@run_option
@click.option("--output", metavar="DIR", help="Folder to write to (default: export in the run's folder).")
def export(model: str, run: str | None, output: str | None) -> None:
    """Write trained models as LiteRT files.

    The files need no TensorFlow. Each comes with a card that describes its input.
    """
    from cryutils.inference.trained_models import export_model

    for path in export_model(model, run=run, folder=resolve(output) if output else None):
        say(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    say("No medical device.", err=True)
