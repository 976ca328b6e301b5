"""The commands `predict`, `export` and `serve`: what to do with trained models.

`predict` writes answers to stdout, messages to stderr. Its exit code is 1 if some files were bad, 2
if all were.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils._io import extras
from cryutils._io.media import RECORDINGS
from cryutils._io.paths import other_kind, resolve
from cryutils._io.progress import say
from cryutils._io.spreadsheet import no_formula
from cryutils.errors import InputError, printable
from cryutils.inference.readings import Reading
from cryutils.words import GAP

if TYPE_CHECKING:
    from cryutils.inference.predict import Predictor

_TYPES = "give sounds (such as wav, mp3, m4a), videos (mp4, mov, mkv) or pictures (jpg, png, heic)"
_run_option = click.option("--run", help="Run that trained the models (default: the newest on real infants).")
_USED = {"both": "sound and face", "audio": "sound", "image": "face"}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIRECTORY...")
@click.option("--model", default="full", help="cry2, image or full.")
@_run_option
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
    import pandas as pd

    table = pd.DataFrame(rows).drop(columns="probabilities")
    table = table.map(lambda value: no_formula(value) if isinstance(value, str) else value)
    for state in classes:
        table[f"p_{state}"] = [row["probabilities"].get(state) for row in rows]
    return table.to_csv(index=False)


@click.command(epilog="Example: cryutils export --model cry2 --output device")
@click.option("--model", required=True, help="cry2, image or full (both).")
@_run_option
@click.option("--output", metavar="DIR", help="Folder to write to (default: export in the run's folder).")
def export(model: str, run: str | None, output: str | None) -> None:
    """Write trained models as LiteRT files.

    The files need no TensorFlow. Each comes with a card that describes its input.
    """
    from cryutils.inference.trained_models import export_model

    for path in export_model(model, run=run, folder=resolve(output) if output else None):
        say(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    say("No medical device.", err=True)


# The caregiver application


@click.command(epilog="Example: cryutils serve --demo")
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 is every address.")
@click.option("--port", type=click.IntRange(0, 65535), default=8866, help="0 takes any free port.")
@click.option("--certfile", metavar="FILE", help="Certificate for HTTPS, a PEM file.")
@click.option("--keyfile", metavar="FILE", help="Private key of the certificate, a PEM file.")
@click.option("--name", "names", multiple=True, help="Another name of the server (repeatable).")
@_run_option
@click.option("--demo", is_flag=True, help="Show a synthetic infant; everything is deleted at the end.")
def serve(
    host: str,
    port: int,
    certfile: str | None,
    keyfile: str | None,
    names: tuple[str, ...],
    run: str | None,
    demo: bool,
) -> None:
    """Serve the caregiver application: a page with a login.

    Ctrl+C stops the server. By default, only this machine can open the page. On a phone, a page may
    use camera and microphone over HTTPS only: docs/application.md.
    """
    extras.require("starlette", "app", "the application")
    from crydecode import binding, commands

    tls, place = binding.certificate(certfile, keyfile), binding.reachable(host)
    hosts, sockets = binding.hosts(place, names), binding.listen(host, port)
    if demo and (tls or not binding.is_local(sockets)):
        raise InputError("--demo: a demonstration is for this machine alone and needs no HTTPS.")
    from cryutils.inference.trained_models import find_run, runs_with_models

    if demo and run is None and "quick" in [path.name for path in runs_with_models("full")]:
        run = "quick"  # trained on infants of the program that makes the film
    folder = None
    try:
        folder = find_run("full", run)
    except InputError as error:  # the page detects crying without them
        if demo or run is not None:
            raise
        say(f"The page detects crying and names no reason: {error}")
    address = f"{'https' if tls else 'http'}://{place}:{sockets[0].getsockname()[1]}/"
    if demo:
        from crydecode import demo as demonstration

        demonstration.serve(address, hosts, sockets, folder)
        return
    # Loading the application takes seconds; connections wait until then.
    with commands.opened() as store:
        if not store.users.names():
            say("Nobody can log in yet: `cryutils users add NAME` adds a user.")
        say(f"Open {address} (Ctrl+C stops).")
        if not tls and not binding.is_local(sockets):
            say(
                "Without HTTPS, browsers on other machines refuse camera and microphone, and"
                " anyone on the network can read passwords: --certfile, --keyfile."
            )
        from crydecode import serve as application

        app = application.application(store, hosts, run=folder)
        if folder and not app.state.models:
            what = "No model has learned from real infants, so the page names no reason"
            say(f"{what}: `cryutils run 04_cry2 --profile real` trains one.")
        application.run(app, sockets, **tls)
