"""`cryutils predict`: apply the trained models to any files and print one row per file.

Rows go to stdout, messages to stderr. A bad file affects only its own row. The exit code is 1 if
some files were bad, 2 if all were.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils._io.paths import resolve
from cryutils.app.readings import GAP, Reading
from cryutils.app.store.database import StoreUnavailable
from cryutils.course.cli_group import run_option, say
from cryutils.course.cli_store import opened
from cryutils.errors import NO_MEMORY, InputError, printable

if TYPE_CHECKING:
    from rich.table import Table

    from cryutils.papers.predict import Models, Prediction, Timeline

__all__ = ["predict"]

_TYPES = "give sounds (such as wav, mp3, m4a), videos (mp4, mov, mkv) or pictures (jpg, png, heic)"
_USED = {"both": "sound + face", "audio": "sound", "image": "face", "none": "-"}
_FOLDED = ("file", "remarks")  # columns that may take several lines
_FOLDED_WIDTH = 20  # characters that each of these columns needs


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIRECTORY...")
@click.option("--model", default="full", show_default=True, metavar="NAME",
              help="Model to use: cry2, image, full or ensemble.")  # fmt: skip
@run_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per file. Its field"
              " unlike is the share of training cries that are less unusual, 0 to 1.")  # fmt: skip
@click.option(
    "--annotate", metavar="DIR", help="Also write videos and pictures with the answer drawn in."
)
@click.option("--log", "infant", metavar="INFANT", help="Also log the answers for this infant.")
def predict(
    files: tuple[str, ...],
    model: str,
    run: str | None,
    as_json: bool,
    annotate: str | None,
    infant: str | None,
) -> None:
    """Predict the infant's state from sounds, videos or pictures.

    For a directory, all recordings in it and in its subfolders are used. A sound that is far from
    all training cries is marked as unlike them. Nothing else checks that a sound is a cry.

    \b
    Examples:
      cryutils predict cry.wav crying.mp4
      cryutils predict recordings --annotate drawn --json
      cryutils predict crying.mp4 --model ensemble
      cryutils predict crying.mp4 --log Mia
    """
    from tqdm import tqdm

    from cryutils.papers.predict import Models

    if "" in (*files, annotate):
        raise InputError("'': an empty name; give a file or directory.")
    if infant is not None:
        log = click.get_current_context().with_resource(opened()).infants.infant(infant, user=None)
    models = Models(model, run=run)
    main = models.first
    say(f"Models: {main.run.name}, trained on {main.note}. No medical device.", err=True)
    artist = _Artist(resolve(annotate)) if annotate else None
    unanswered: dict[str, Any] = {
        "state": None, "probabilities": {}, "used": "none", "why": [], "run": main.run.name,
        "model": model, "data": main.data, "unlike": None, "error": None,
        **({"annotated": None} if artist else {}),
    }  # fmt: skip
    rows = [{"file": name, **unanswered} for name in _expanded(files)]
    record = None
    if infant is not None:
        record = partial(log.append, log.begin(f"cryutils predict --model {model}"))
    hidden = True if len(rows) < 2 or sys.stderr is None else None  # None: in a pipe
    bar = tqdm(rows, "recordings", leave=False, disable=hidden)
    complete = [_answer(row, models, artist, record) for row in bar]
    done = [row for row in rows if row["error"] is None]
    if as_json:
        shown = [{k: v for k, v in row.items() if k != "remarks"} for row in rows]
        click.echo(json.dumps(shown, indent=1))
    elif done:
        _print_table(done)
    if artist and artist.problem:
        raise InputError(artist.problem)
    if not all(complete):
        raise SystemExit(1 if done else 2)


def _answer(
    row: dict[str, Any],
    models: Models,
    artist: _Artist | None,
    record: Callable[[list[Reading]], int] | None,
) -> bool:
    """Fill in the row of a file and print any problem; return whether there was none."""
    name = row["file"]
    try:
        _require_file(name)
        prediction = models(resolve(name))
        row |= {**prediction.row(), "file": name, "remarks": "; ".join(prediction.remarks)}
        if prediction.run != models.first.run.name:
            say(f"{name}: answered by {prediction.run}, trained on {prediction.note}.", err=True)
        if artist is not None:
            row["annotated"] = artist.draw(prediction)
        if record is not None:
            record([_reading(prediction)])
    except StoreUnavailable as error:  # the answer is valid without the log
        say(f"cryutils: {name}: not logged, {error.filename}: {error.strerror}.", err=True)
        return False
    except (InputError, MemoryError) as error:
        message = f"{name}: {NO_MEMORY}." if isinstance(error, MemoryError) else str(error)
        if "remarks" not in row:  # otherwise there is an answer that could not be drawn
            message = row["error"] = _with_types(name, message)
        say(f"cryutils: {message}", err=True)
        return False
    return True


def _reading(prediction: Prediction) -> Reading:
    """Return a prediction as a log entry with the current time."""

    def mean(timeline: Timeline | None) -> dict[str, float] | None:
        if timeline is None:
            return None
        return dict(zip(prediction.probabilities, timeline.mean.tolist(), strict=True))

    return Reading(
        time=time.time(),
        verdict=prediction.state or GAP,  # GAP: no usable sound or picture in the file
        probabilities=prediction.probabilities,
        sound=mean(prediction.sound),
        face=mean(prediction.face),
        note="; ".join([prediction.file.name, *prediction.remarks]),
    )


def _expanded(names: Sequence[str]) -> list[str]:
    """Return the files, with each directory replaced by its recordings, sorted by name.

    A directory without recordings is kept; `_require_file` rejects it.
    """
    from cryutils.datasets.folder import walk

    files: list[str] = []
    for name in names:
        root = resolve(name)
        recordings, others = [], 0
        for path, why in walk(root) if _is_open_directory(root) else ():
            shown = str(Path(name, path.relative_to(root)))
            if why and (path.is_dir() or not _is_known(path)):
                say(f"{shown}: {why}.", err=True)
            elif _is_known(path):
                recordings.append(shown)
            else:
                others += 1
        if recordings and others:
            noun = "file" if others == 1 else "files"
            say(f"{name}: {others} other {noun} left aside; {_TYPES}.", err=True)
        files += recordings or [name]
    return files


def _is_open_directory(path: Path) -> bool:
    # Path.is_dir raises an OSError for a name that is too long.
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)  # noqa: PTH112


def _require_file(name: str) -> None:
    path = resolve(name)
    if _is_open_directory(path):
        raise InputError(f"{name}: no recording in this directory; {_TYPES}.")
    if os.path.isdir(path):  # noqa: PTH112
        raise InputError(f"{name}: this directory can't be opened; allow it to be read.")


def _is_known(path: Path) -> bool:
    from cryutils._io import media

    return path.suffix.lower() in media.SOUND | media.VIDEO | media.STILL


def _with_types(name: str, message: str) -> str:
    """Return `message`, or the list of readable types if the file's type is unknown."""
    path = resolve(name)
    if _is_known(path) or not os.path.isfile(path) or not path.stat().st_size:  # noqa: PTH113
        return message
    return f"{name}: no sound, video or picture that can be read; {_TYPES}."


class _Artist:
    """Writes annotated files to one folder. Existing files are never replaced.

    problem: why no more files can be written, such as a full disk; "" if there is no problem.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.problem = folder, ""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(self._cannot(error)) from error

    def _cannot(self, error: OSError) -> str:
        why = error.strerror or error
        return f"--annotate {self.folder}: can't be written to ({why}); name another folder."

    def draw(self, prediction: Prediction) -> str | None:
        """Draw a prediction, print the file's path and return it; None if nothing is drawn."""
        from cryutils.papers.annotate import annotate

        name = prediction.file.name
        if not prediction.info.has_video:
            say(f"{name}: a sound, so there's no picture to draw in.", err=True)
            return None
        if self.problem:
            return None
        note = f"Trained on {prediction.note}."
        try:
            stem = self._free(prediction.file.stem)
            path = str(annotate(prediction, self.folder, note=note, name=stem))
        except OSError as error:
            self.problem = self._cannot(error)
            return None
        say(f"{name}: drawn in {path}", err=True)
        return path

    def _free(self, stem: str) -> str:
        """Return `stem`, with a number if a file has it, ignoring case as some disks do."""
        taken = {path.stem.casefold() for path in self.folder.iterdir()}
        numbered = (f"{stem}-{k}" for k in count(2))
        return next(name for name in chain([stem], numbered) if name.casefold() not in taken)


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print a row for each file; on a narrow terminal the remarks follow below the table."""
    from rich.console import Console
    from rich.markup import escape

    # Outside a terminal, each row is one line of any length.
    fits = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if fits else 1000, highlight=False)
    columns = _columns(rows)
    widths = {head: max(map(len, (head, *cells))) for head, cells in columns.items()}
    for head in _FOLDED:
        widths[head] = min(widths[head], _FOLDED_WIDTH)
    if sum(widths.values()) + 3 * len(widths) + 1 <= console.width:
        console.print(_table(columns, folded=_FOLDED))
        return
    compact = {
        "file": columns["file"],
        "state": [row["state"] or "-" for row in rows],
        "probabilities": [_ranked(row["probabilities"]) or "no prediction" for row in rows],
        "by": columns["by"],
        "run": columns["run"],
    }
    console.print(_table(compact, folded=("file", "by", "run"), box=None, padding=(0, 2, 0, 0)))
    for name, remarks in zip(columns["file"], columns["remarks"], strict=True):
        if remarks:
            console.print(f"{escape(name)}: {escape(remarks)}")


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the cells of each column by heading; each state has a column of probabilities."""
    states = dict.fromkeys(name for row in rows for name in row["probabilities"])
    shares = [
        {name: f"{share:.0%}" for name, share in row["probabilities"].items()} for row in rows
    ]
    return {
        "file": _names(rows),
        "state": [row["state"] or "no prediction" for row in rows],
        **{name.replace("_", " "): [row.get(name, "-") for row in shares] for name in states},
        "by": [_USED[row["used"]] for row in rows],
        "run": [row["run"] for row in rows],
        "remarks": [row["remarks"] for row in rows],
    }


def _ranked(probabilities: dict[str, float]) -> str:
    """Return a line for each state, the most probable first."""
    ranked = sorted(probabilities.items(), key=lambda share: -share[1])
    return "\n".join(f"{state.replace('_', ' ')} {share:.0%}" for state, share in ranked)


def _table(columns: dict[str, list[str]], *, folded: Sequence[str], **style: Any) -> Table:
    """Return a table; cells of the `folded` columns may take several lines."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(**style)
    for head, cells in columns.items():
        is_number = set(cells) != {"-"} and all(re.fullmatch(r"-|\d+%", cell) for cell in cells)
        table.add_column(
            head, justify="right" if is_number else "left", overflow="fold",
            no_wrap=head not in folded,
        )  # fmt: skip
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(escape, row))
    return table


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the file names, with their folders where two files have the same name."""
    names = [Path(row["file"]).name for row in rows]
    return [
        printable(row["file"] if names.count(name) > 1 else name)
        for name, row in zip(names, rows, strict=True)
    ]
