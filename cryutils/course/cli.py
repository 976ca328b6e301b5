"""The `cryutils` command; `users`, `log` and `listen` are in `crydecode`.

Exit codes: 0 done, 1 something failed, 2 the user's input is wrong (then one line on stderr that
names the problem and the remedy), 130 stopped by Ctrl-C, 143 by SIGTERM. Each command imports the
heavy libraries that it needs, so that `--help` answers at once.
"""

import errno
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils._io import extras
from cryutils._io.media import RECORDINGS
from cryutils._io.paths import other_kind, outputs_dir, project_dir, resolve, writable, writing
from cryutils._io.progress import say
from cryutils._io.spreadsheet import no_formula
from cryutils.datasets import registry
from cryutils.errors import InputError, near_miss, printable
from cryutils.inference.readings import Reading
from cryutils.words import GAP

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.course.runner import Job
    from cryutils.datasets.archives import Dataset, Files
    from cryutils.datasets.corpus import Corpus
    from cryutils.inference.predict import Predictor

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}


@click.group(context_settings=SETTINGS, epilog="Example: cryutils run --profile quick")
@click.version_option(package_name="cryutils")
def cryutils() -> None:
    """Rebuild two published infant-cry classifiers and measure what they can do."""


def commands() -> click.Group:
    """Return the group of all commands, with those of the application."""
    from crydecode.commands import listen, log, users

    for command in (users, log, listen):
        cryutils.add_command(command)
    return cryutils


def _to_write(file: str, *inputs: Path) -> Path:
    """Return the path of a file to write. Raises InputError if it can't be written, or is an input."""
    path = resolve(file)
    if path.is_dir():
        raise InputError(f"{path}: it is a folder; name a file in it.")
    if path in inputs or path.is_symlink() or (path.exists() and not path.is_file()):
        kind = "the command reads it" if path in inputs else "it is no regular file"
        raise InputError(f"{path}: {kind}; name another file to write.")
    if not writable(path.parent):
        raise InputError(f"{path}: you cannot write there; name a file in another folder.")
    return path


_VALUE = "Set a parameter in each notebook that has it; a list is JSON."
_WAIT = "With --scheduler: how long to wait once no worker is left (default: 600)."
_RECORDINGS = "Your own recordings: <label>/<infant>/<file>, or a CSV file with file, label, infant."


def _assigned(_context: object, _option: object, texts: Sequence[str]) -> dict[str, object]:
    """Return the values of parameters given as "key=value": JSON, Python's constants, or text."""
    values: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"-p {text}: write it as key=value, for example -p test_size=0.2.")
        values[key] = {"True": True, "False": False, "None": None}.get(value, value)
        for reader in (float, json.loads):  # not papermill's YAML, which reads 1e-3 as text
            with suppress(ValueError):
                values[key] = reader(value)
    return values


@cryutils.command()
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK]...")
@click.option(
    "--profile",
    default="quick",
    help="quick, own, real, uploads, crying, corvin, judged, simulated, imagenet or paper.",
)
@click.option("-p", "values", multiple=True, metavar="KEY=VALUE", callback=_assigned, help=_VALUE)
@click.option("--jobs", "processes", type=click.IntRange(1), metavar="N", help="Notebooks to run at once.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on a Dask cluster: tcp://host:8786.")
@click.option(
    "--wait-for-workers", "patience_s", type=click.IntRange(0), default=600, metavar="SECONDS", help=_WAIT
)
@click.option("--data", metavar="FOLDER|CSV", help=_RECORDINGS)
@click.option("--name", help="Name of the run, a folder in outputs.")
@click.option("--fresh", is_flag=True, help="Run all notebooks again, also those that have finished.")
def run(
    notebooks: tuple[str, ...],
    profile: str,
    values: dict[str, object],
    data: str | None,
    name: str | None,
    **options: Any,
) -> None:
    """Run notebooks and write their results, figures and the report.

    NOTEBOOK is the name of a notebook, the beginning of its name (03), or the path of your copy; by
    default the notebooks of the profile run. To resume a run that was stopped, repeat the command.

    \b
    Examples:
      cryutils run 03_feature_validation --profile real -p test_size=0.2
      cryutils run 03_feature_validation --data FOLDER -p classes='["hungry","tired"]'
    """
    extras.require("papermill", "course", "running notebooks")
    from cryutils.claims import every_run
    from cryutils.course import runner

    taken = ("manual", "reference", *runner.profiles())
    if name is not None and (name in taken or not re.fullmatch(r"\w[\w. -]*", name)):
        raise InputError(f"--name {name}: give a plain name that is not taken, such as trial-2.")
    jobs = runner.plan(profile, notebooks, values, data=data, run_name=name)
    if options["scheduler"]:
        extras.require("distributed", "cluster", "--scheduler")
    for corpus in {str(job.parameters["data"]) for job in jobs if "data" in job.parameters}:
        if not registry.is_synthetic(corpus):
            unable = _loaded(corpus, jobs if data else ())
            jobs = [job for job in jobs if job.name not in unable]
    if data and profile == "quick":
        say("The profile quick is for a first look, with few folds and epochs; --profile own is for a study.")
    if any(job.parameters.get("backbone") == "ResNet50" for job in jobs):
        from cryutils.models import backbones

        backbones.choose("ResNet50")  # downloads ImageNet's weights, or refuses here
    failed = runner.run(jobs, **options)
    for notebook, error in failed.items():
        say(f"{notebook}: {error}", err=True)
    folder = jobs[0].folder
    _show({name: table for name, table in every_run().items() if name == folder.name})
    if failed:
        raise SystemExit(1)


def _loaded(corpus: str, jobs: "Iterable[Job]") -> list[str]:
    """Load a corpus before notebooks do, and describe it; return which of these jobs cannot use it."""
    from cryutils.claims import records
    from cryutils.course import needs

    clips = registry.load(corpus)
    parameters = {job.name: {**records.defaults(job.source), **job.parameters} for job in jobs}
    lines, unable = needs.check(clips, parameters)
    if unable and len(unable) == len(lines):
        raise InputError(f"no chosen notebook can use these recordings. {lines[0]}")
    say(f"{clips.note}; {len(clips)} clips of {len(set(clips.infants))} infants")
    for line in (_problems(clips, corpus), *lines):
        say(line)
    return unable


@cryutils.command(epilog="Example: cryutils report --share")
@click.option("--share", is_flag=True, help="Write one page of at most 3 MB to send, without recordings.")
@click.option("--run", "name", help="With --share: the run to write about (default: the newest).")
def report(share: bool, name: str | None) -> None:
    """Print the scores of all runs, and write the report of each, outputs/<run>/report.html.

    The report is the run's notebook 14 as a page. With --share, only one is written, to
    outputs/<run>/<run>.html. It has no link to this machine.
    """
    extras.require("nbconvert", "course", "the report")
    from cryutils.claims import every_run
    from cryutils.course import report

    runs = every_run()
    if not share:
        return _show(runs)
    able = [run for run in runs if (outputs_dir() / run / report.NOTEBOOK).is_file()]
    if name is not None and name not in able:
        raise InputError(f"no run {name!r} with notebook 14.{near_miss(name, able)}")
    if not able:
        raise InputError(f"{outputs_dir()}: no run with notebook 14 here; `cryutils run` makes one.")
    page = report.write(outputs_dir() / (name or able[0]), share=True)
    say(f"{page}: {page.stat().st_size / 1e6:.1f} MB")
    return None


def _show(runs: "dict[str, pd.DataFrame]") -> None:
    """Print what the runs have measured, write their reports, and say where they are."""
    from cryutils.claims import tables
    from cryutils.course import report

    for line in tables.scoreboard_lines(tables.scores(runs)):
        say(line)
    for run in runs:
        if (outputs_dir() / run / report.NOTEBOOK).is_file():
            say(f"Report: {report.write(outputs_dir() / run)}")


@cryutils.command("lab", context_settings={"ignore_unknown_options": True}, epilog="Example: cryutils lab")
@click.argument("arguments", metavar="[DIR] [OPTION OF JUPYTERLAB]...", nargs=-1)
def lab(arguments: tuple[str, ...]) -> None:
    """Copy the course to the folder DIR, and open it in JupyterLab.

    Notebooks and solutions that DIR does not have are copied (default: the folder course).
    Those that you have changed stay as they are. Without JupyterLab, they are only copied.
    """
    folder, options = "course", list(arguments)
    if options and not options[0].startswith("-"):
        folder = options.pop(0)
    same = _copy_course(folder)
    extras.require("jupyterlab", "lab", "JupyterLab")
    jupyter = [sys.executable, "-m", "jupyter"]
    # JupyterLab removes the sounds of a notebook that it does not trust.
    subprocess.run([*jupyter, "trust", *same], check=False, stdout=subprocess.DEVNULL)
    os.chdir(resolve(folder))
    os.execv(sys.executable, [*jupyter, "lab", "lesson_1_start_here.ipynb", *options])


@cryutils.command("notebooks", epilog="Example: cryutils notebooks course")
@click.argument("folder", metavar="DIR")
def copy_notebooks(folder: str) -> None:
    """Copy the course to the folder DIR. What is there already stays as it is."""
    _copy_course(folder)


def _copy_course(folder: str) -> list[str]:
    """Copy what a folder lacks of the course; return its notebooks that are as in the course."""
    home, same = project_dir() / "notebooks", []
    for source in (*home.glob("*.ipynb"), *home.glob("solutions/*.py")):
        copy = resolve(folder) / source.relative_to(home)
        if not copy.exists():
            with writing(copy) as part:
                shutil.copyfile(source, part)
        if copy.suffix == ".ipynb" and copy.read_bytes() == source.read_bytes():
            same.append(str(copy))
    say(f"The course is in {folder}.")
    return same


@cryutils.command(epilog="Example: cryutils grade submissions")
@click.argument("folder", metavar="FOLDER")
@click.option("--csv", "table", default="grades.csv", metavar="FILE", help="The table to write.")
@click.option("--limit", "limit_s", type=click.IntRange(1), default=300, help="Seconds for each cell.")
def grade(folder: str, table: str, limit_s: int) -> None:
    """Grade the exercises of submitted notebooks, and write the points to a CSV file.

    A file's name contains that of the notebook. The student is the subfolder of FOLDER, or the file.
    Answers are programs of other people: grade in a container without a network (docs/syllabus.md).
    """
    extras.require("papermill", "course", "grading")
    import pandas as pd

    from cryutils.course import grading

    rows: list[tuple[str, ...]] = []
    output = _to_write(table)
    for path in sorted(resolve(folder).rglob("*.ipynb")):
        file = printable(path.relative_to(resolve(folder)))
        notebook, verdicts = grading.grade(path, limit_s=limit_s)
        new = [(str(k), str(points), printable(why)) for k, (points, why) in enumerate(verdicts, 1)]
        missing = [f"{k}: {why}" for k, points, why in new if points == "0"]
        points = f"{len(new) - len(missing)} of {len(new)} points" if new else "no notebook of the course"
        say(f"{file}: {'; '.join([points, *missing])}")
        rows += [(file.partition("/")[0], notebook, *row, file) for row in new]
    if not rows:
        raise InputError(f"{folder}: no submitted notebook, such as anna/lesson_1_start_here.ipynb.")
    columns = ["student", "notebook", "exercise", "points", "reason", "file"]
    with writing(output) as part:
        pd.DataFrame(rows, columns=columns).map(no_formula).to_csv(part, index=False)
    say(f"{table}: {len(rows)} exercises.")


@cryutils.command(epilog="Example: cryutils claims --run reference/judged")
@click.option("--run", help="Use the results of this run only (default: all runs).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with null if nothing was measured.")
def claims(run: str | None, as_json: bool) -> None:
    """Compare each claim of both papers with the measurements.

    Each claim has two verdicts, with a random split (our reading of the papers) and leak-free. If
    several runs measured a claim on the same recordings, the run that tested most clips counts. The
    verdicts: reproduced, not reproduced (also: with a substitute class), not shown, in simulation
    (measured on synthetic infants alone) and cannot be tested; for sums, captions and references,
    consistent and inconsistent.
    """
    from cryutils.claims import every_run, tables

    runs = every_run()
    if run is not None and run not in runs:
        raise InputError(f"no run {run!r}.{near_miss(run, runs)}")
    judged = tables.judge_runs({name: runs[name] for name in runs if run in (None, name)})
    if as_json:
        click.echo(judged.to_json(orient="records", double_precision=15, indent=1))
        return
    for line in tables.claim_lines(judged):
        say(line)


@cryutils.command()
@click.argument("source", metavar="TABLE|FOLDER")
@click.option("--unit", metavar="COLUMN", help="What a row is about: clip, image ...")
@click.option("--group", metavar="COLUMN", help="What rows share: infant, patient, speaker ...")
@click.option("--truth", metavar="COLUMN", help="The true label.")
@click.option("--prediction", metavar="COLUMN", help="The model's answer.")
@click.option("--device", metavar="COLUMN", help="What may decide instead: device, site, scanner ...")
@click.option("--permutations", metavar="N", default=999, type=click.IntRange(19), help="For the p-values.")
@click.option("--folds", metavar="CSV", help="Refuse answers that were not made on these fixed folds.")
@click.option("--train-groups", metavar="TABLE", help="Groups (same column) that trained the model.")
@click.option("--distinct-groups", is_flag=True, help="Keep names apart that differ by case, spaces or _.")
@click.option("--background", is_flag=True, help="Also score the room and the voice of recordings.")
@click.option("--html", metavar="FILE", help="Also write a page with three figures.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the report.")
@click.option(
    "--fail-below", metavar="PERCENT", type=click.FloatRange(1, 100), help="Exit 1 below this score."
)
def audit(
    source: str,
    permutations: int,
    distinct_groups: bool,
    background: bool,
    as_json: bool,
    fail_below: float | None,
    **named: str | None,
) -> None:
    """Measure what predictions or recordings can show.

    TABLE is a CSV or Parquet file of any program and any field, with a row for each answer: group
    (what several rows share, such as infant, patient or speaker), truth, and prediction or p_<class>
    for each class; if known, unit (clip, image ...), fold, repeat, model, device or site, and split
    ("random" or "leak_free", or train and test). Usual names of columns are understood. With FOLDER,
    a manifest or the name of a corpus, a logistic regression is tested with both splits.

    \b
    Examples:
      cryutils audit answers.csv --group patient --html audit.html
      cryutils audit donateacry
      cryutils audit corvin2024 --background
      cryutils audit answers.csv --folds data/benchmark/donateacry.csv
    """
    from cryutils.claims import audit as audits
    from cryutils.datasets import manifest

    path, html = resolve(source), named.pop("html")
    files = {name: resolve(file) for name in ("folds", "train_groups") if (file := named.pop(name))}
    page = None if html is None else _to_write(html, path, *files.values())
    columns = {option: column for option, column in named.items() if column}
    parts = None
    if path.is_file() and not manifest.is_manifest(path):
        if background:
            raise InputError(f"{source}: --background needs recordings: give a folder, manifest or corpus.")
        training = files.get("train_groups")
        table = audits.read(path, training, distinct_groups=distinct_groups, columns=columns)
        if "folds" in files:
            audits.check_folds(table, files["folds"])
    elif files or columns or distinct_groups:
        what = "--folds, --train-groups, --distinct-groups and names of columns need a table of predictions"
        raise InputError(f"{source}: {what}.")
    else:
        corpus = registry.load(source)
        table = audits.of_corpus(corpus)
        table.attrs["notes"].append(_problems(corpus, source))
        parts = audits.of_parts(corpus) if background else None
    result = audits.audit(table, permutations=permutations)
    if page:  # before the report, whose reader may close the pipe
        with writing(page) as part:
            part.write_text(audits.page(result, table, title=path.name), encoding="utf-8")
    for line in [audits.as_json(result)] if as_json else audits.lines(result):
        (click.echo if as_json else say)(line)
    if parts is not None and not as_json:
        _print_parts(audits.parts_in_words(parts))
    if fail_below is not None and (low := audits.below(result, fail_below)):
        say(f"cryutils: {source}: {'; '.join(low)}.", err=True)
        raise click.exceptions.Exit(1)


def _print_parts(table: "pd.DataFrame") -> None:
    """Print what parts of the recordings score."""
    caption = (
        "Parts of the recordings, by an SVM, leak-free, in percent (docs/audit.md). Pairs: of an infant's"
        " recordings with different labels, those ranked right; 50 by guessing. Matched pairs: those that"
        " the room hardly ranks."
    )
    for line in ["", *textwrap.wrap(caption), *table.reset_index().to_string(index=False).splitlines()]:
        say(line)
    if "pairs" not in table:
        say("No pairs: fewer than two infants have recordings with different labels.")


@cryutils.group(epilog="Example: cryutils data fetch donateacry")
def data() -> None:
    """List, fetch, check and describe the corpora."""


@data.command("list", epilog="Example: cryutils data list")
def data_list() -> None:
    """List the corpora that can be loaded by name, and their folders."""
    for name in registry.DATASETS:
        if dataset := registry.find(name):
            say(f"{name:<20}{dataset.contents}; {dataset.licence}")
        if dataset and dataset.files:
            folder = dataset.files.find()
            say(f"{'':<20}{folder or f'not on this machine: cryutils data fetch {name}'}")


@data.command("fetch", epilog="Example: cryutils data fetch donateacry")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Download the corpus NAME into the cache, unless it is on this machine."""
    dataset, files = _downloaded(name)
    say(f"{dataset.title}: {files.fetch()}")
    say(f"Licence: {dataset.licence}")
    say(f"Cite: {dataset.citation}")


@data.command("check", epilog="Example: cryutils data check donateacry")
@click.argument("name")
def data_check(name: str) -> None:
    """Compare every file of the corpus NAME with its SHA-256 checksum."""
    _, files = _downloaded(name)
    folder = files.fetch()
    wrong = files.check(folder)
    for file, what in wrong.items():
        say(f"{folder / file}: {what}", err=True)
    say(f"{len(files.registry()) - len(wrong)} files are right, {len(wrong)} wrong or missing.")
    if wrong:
        say(f"Remove these and run `cryutils data fetch {name}`.", err=True)
        raise SystemExit(1)


def _downloaded(name: str) -> "tuple[Dataset, Files]":
    """Return a corpus of recordings and its files. Raises InputError if there are none."""
    dataset = registry.find(name)
    if dataset is None:
        raise InputError(f"no corpus {name!r}.{near_miss(name, registry.DATASETS)}")
    if dataset.files is None:
        raise InputError(f"{name}: it is generated when it is used; nothing to fetch or check.")
    return dataset, dataset.files


@data.command("describe", epilog="Example: cryutils data describe donateacry --problems")
@click.argument("name")
@click.option("--problems", is_flag=True, help="Also list each problem on its own line.")
def data_describe(name: str, problems: bool) -> None:
    """Count the clips, infants, sessions and problems of a corpus, and say which notebooks can use it.

    NAME is a corpus that `cryutils data list` shows, a folder of recordings, or a manifest.
    """
    try:
        corpus = registry.load(name)
    except InputError as error:
        _list(error.problems if problems else ())
        raise
    origin = ("", corpus.note, f"Licence: {corpus.licence}", f"Cite: {corpus.cite()}")
    for line in (*corpus.describe().to_string().split("\n"), *origin, _problems(corpus, name)):
        say(line)
    _list(corpus.problems().itertuples() if problems else ())
    if registry.find(name) is None and extras.is_installed("yaml"):
        from cryutils.claims import records
        from cryutils.course import needs, runner

        parameters = {each: records.defaults(path) for each, path in runner.notebooks().items()}
        for line in ("", "What each notebook uses:", *needs.check(corpus, parameters)[0]):
            say(line)


@data.command("film", epilog="Example: cryutils data film demo.mp4")
@click.argument("target", metavar="MP4")
def data_film(target: str) -> None:
    """Write the film of `cryutils serve --demo`, a synthetic infant, to the file MP4."""
    extras.require("av", "course", "a film")
    from cryutils.datasets.synthetic.film import make_film

    if not target.lower().endswith(".mp4"):
        raise InputError(f"{target}: give the file a name that ends with .mp4.")
    make_film(resolve(target))
    say(f"{target}: a synthetic infant; try `cryutils predict {shlex.quote(target)}`.")


def _list(problems: Iterable[Any]) -> None:
    for problem in problems:
        say(f"{problem.kind}  {problem.item}: {problem.what}")


def _problems(corpus: "Corpus", name: str) -> str:
    """Return a line with the number of problems of each kind, and the command that lists them."""
    counts = corpus.problems().kind.value_counts()
    kinds = (f"{n} {kind}" + "s" * (kind == "contradiction" and n > 1) for kind, n in counts.items())
    listed = f"; `cryutils data describe {shlex.quote(name)} --problems` lists them" * bool(len(counts))
    return f"Problems: {', '.join(kinds) or 'none'}{listed}."


# Trained models and the caregiver application

_TYPES = "give sounds (such as wav, mp3, m4a), videos (mp4, mov, mkv) or pictures (jpg, png)"
_USED = {"both": "sound and face", "audio": "sound", "image": "face"}
_run_option = click.option("--run", help="Run that trained the models (default: the newest on real infants).")


@cryutils.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIRECTORY...")
@click.option("--model", default="full", help="cry2, image, full (Paper B) or ensemble (Paper A).")
@_run_option
@click.option("--annotate", metavar="MP4", help="Write a copy of the film that shows the answers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line of text.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one row per line of text.")
def predict(
    files: tuple[str, ...], model: str, run: str | None, annotate: str | None, as_json: bool, as_csv: bool
) -> None:
    """Find the crying in sounds and videos, and predict the infant's state.

    A line is printed for each episode of crying, or one for a file without crying. Pictures are
    judged by the face. For a directory, all recordings in it and in its subfolders are used. If a
    model has several networks, the line has the answer of each, and that of the face over time. The
    exit code is 1 if some files were bad, 2 if all were.

    \b
    Examples:
      cryutils predict cry.wav crying.mp4
      cryutils predict recordings --csv
      cryutils predict --model ensemble crying.mp4 --annotate answers.mp4
    """
    from tqdm import tqdm

    from cryutils.inference import annotate as annotation
    from cryutils.inference.predict import Predictor

    if as_json and as_csv:
        raise InputError("--json, --csv: give one of them.")
    names = [path for name in files for path in _recordings(name)]
    if annotate and len(names) > 1:
        raise InputError(f"--annotate {annotate}: give one film.")
    if annotate:
        annotation.check(resolve(names[0]), resolve(annotate))
    predictor = Predictor(model, run=run)
    about = f"Models: {predictor.run.name}, trained on {predictor.note}."
    if not predictor.system.answering(synthetic=False).parts:
        about += " They know computer-made infants only and say nothing about real ones."
    say(f"{about} No medical device.", err=True)
    rows, bad = [], 0
    for name in tqdm(names, "recordings", leave=False, disable=None if len(names) > 1 else True):
        readings, message = _answers(predictor, name)
        bad += message is not None
        for reading in readings:
            rows.append(_row(name, reading, predictor) | {"error": message})
            if not (as_json or as_csv or message):
                say(_line(rows[-1]))
        if annotate and not message:
            target = annotation.annotate(resolve(name), resolve(annotate), readings)
            say(f"{target}: written.", err=True)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif as_csv:
        click.echo(_table(rows, predictor.classes), nl=False)
    if bad:
        raise SystemExit(2 if bad == len(names) else 1)


def _answers(predictor: "Predictor", name: str) -> tuple[list[Reading], str | None]:
    """Return the answers to a file, or one without an answer and what is wrong with the file."""
    try:
        return predictor(resolve(name)), None
    except InputError as error:
        message = printable(error)
        say(f"cryutils: {message}", err=True)
        return [Reading(0.0, GAP)], message


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


def _row(name: str, reading: Reading, predictor: "Predictor") -> dict[str, Any]:
    """Return an answer to a file as JSON types."""
    used, start = reading.used, reading.start
    joint = predictor.system.joint
    is_joined = joint is not None and [*reading.submodels] == list(joint.input.parts)
    names = reading.submodels if used in ("audio", "image") and not is_joined else ()
    answering = [part for part in predictor.system.parts if part.name in names]
    by_face = [(round(at, 2), max(p, key=lambda state: p[state])) for at, p in reading.frames]
    return {
        "file": name,
        "start_s": start,
        "end_s": None if start is None else reading.time,
        "state": None if reading.verdict == GAP else reading.verdict,
        "probabilities": _rounded(reading.probabilities),
        "used": used,
        "note": reading.note,
        "run": predictor.run.name,
        "model": "+".join(part.name for part in answering) or predictor.model,
        "data": ", ".join(dict.fromkeys(part.data for part in answering)) or predictor.data,
        "submodels": {name: _rounded(p) for name, p in reading.submodels.items()},
        "face_over_time": [next(same) for _, same in groupby(by_face, itemgetter(1))],
    }


def _rounded(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {state: round(p, 4) for state, p in probabilities.items()}


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
    for name, p in row["submodels"].items() if len(row["submodels"]) > 1 else ():
        state, share = max(p.items(), key=lambda pair: pair[1])
        parts.append(f"{name}: {state} {share:.0%}")
    by_second = {timedelta(seconds=round(at)): state for at, state in row["face_over_time"]}
    if len(by_second) > 1:
        shown = ", ".join(f"{state} from {at}" for at, state in by_second.items())
        parts.append(f"face over time: {shown}")
    return f"{row['file']}: {'; '.join(filter(None, [*parts, row['note']]))}"


def _table(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> str:
    """Return the rows as CSV with a column `p_<class>` for each probability."""
    import pandas as pd

    table = pd.DataFrame(rows).drop(columns=["probabilities", "submodels", "face_over_time"])
    table = table.map(lambda value: no_formula(value) if isinstance(value, str) else value)
    for state in classes:
        table[f"p_{state}"] = [row["probabilities"].get(state) for row in rows]
    return table.to_csv(index=False)


@cryutils.command(epilog="Example: cryutils export --model cry2 --output device")
@click.option("--model", required=True, help="cry2, image, full (both) or ensemble (not for docs/device.py).")
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


@cryutils.command(epilog="Example: cryutils serve --demo")
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 is every address.")
@click.option("--port", type=click.IntRange(0, 65535), default=8866, help="0 takes any free port.")
@click.option("--name", "names", multiple=True, help="Another name of the server (repeatable).")
@_run_option
@click.option("--demo", is_flag=True, help="Show a synthetic infant; everything is deleted at the end.")
@click.option("--phone", is_flag=True, help="Let phones in your network open the pages, over HTTPS.")
def serve(host: str, port: int, names: tuple[str, ...], run: str | None, demo: bool, phone: bool) -> None:
    """Serve the caregiver application: a page with a login.

    Ctrl+C stops the server. `cryutils users add NAME` adds a user. By default, only this machine
    can open the page. --phone makes a certificate, and shows codes that a phone's camera reads:
    docs/application.md.
    """
    extras.require("starlette", "app", "the application")
    from crydecode import binding, commands

    phones, place, tls = None, binding.reachable(host), {}
    if phone:
        if demo or names:
            raise InputError("--phone makes its own certificate: omit --demo and --name.")
        from crydecode.phone import Phones

        phones = Phones(host)
        host, place, names = phones.host, phones.place, tuple(phones.names)
        tls = {"ssl_certfile": phones.pem, "ssl_keyfile": phones.pem}
    hosts, sockets = binding.hosts(place, names), binding.listen(host, port)
    plain = binding.listen(host, port and (port + 1) % 65536) if phones else []
    if demo and not binding.is_local(sockets):
        raise InputError("--demo: a demonstration is for this machine alone.")
    folder = _models(run, demo)
    address = f"{'https' if tls else 'http'}://{place}:{sockets[0].getsockname()[1]}/"
    if demo:
        from crydecode import serve as application

        application.demonstrate(address, hosts, sockets, folder)
        return
    # Loading the application takes seconds; connections wait until then.
    with commands.opened() as store:
        if not store.users.names():
            say("Nobody can log in yet: `cryutils users add NAME` adds a user.")
        say(f"Open {address} (Ctrl+C stops).")
        if phones:
            phones.open(sockets[0].getsockname()[1], plain[0])
        if not tls and not binding.is_local(sockets):
            say(
                "Without HTTPS, browsers on other machines refuse camera and microphone, and"
                " anyone on the network can read passwords: --phone encrypts."
            )
        from crydecode import serve as application

        app = application.application(store, hosts, run=folder, phones=phones)
        if folder and not app.state.models:
            what = "No model has learned from real infants, so the page names no reason"
            say(f"{what}: `cryutils run 04_cry2 --profile real` trains one.")
        application.run(app, sockets, **tls)


def _models(run: str | None, demo: bool) -> Path | None:
    """Return the folder of the models that answer; if there are none, say so."""
    from cryutils.inference.trained_models import DEMO, find_run

    if demo and run is None:
        return DEMO
    try:
        return find_run("full", run)
    except InputError as error:  # the page detects crying without them
        if demo or run is not None:
            raise
        say(f"The page detects crying and names no reason: {error}")
        return None


SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # which end this process


class _Stopped(SystemExit):
    """A signal ends this process. The exit code is 128 + its number, as in a shell."""


def _stop(number: int, _frame: object) -> None:
    for each in SIGNALS:  # later ones are ignored while this process ends
        signal.signal(each, signal.SIG_IGN)
    raise _Stopped(128 + number)


def main(arguments: list[str] | None = None) -> None:
    """Run the command. A mistake by the user gives one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        # Notebooks run in their own folder; paths are relative to where the command was started.
        os.environ.setdefault("CRYUTILS_START_DIR", str(Path.cwd()))
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as in a shell's background job
                signal.signal(number, _stop)
        code = commands().main(arguments, prog_name="cryutils", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message())
        sys.exit(0)
    except (InputError, click.ClickException) as error:
        message = error if isinstance(error, InputError) else error.format_message()
        say(f"cryutils: {message}", err=True)
        sys.exit(2)
    except (_Stopped, click.Abort) as stop:
        say("cryutils: stopped; the same command goes on where it was.", err=True)
        sys.exit(stop.code if isinstance(stop, _Stopped) else 1)
    except BrokenPipeError:  # as in `cryutils ... | head`: the rest of the output is dropped
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        is_full = error.errno == errno.ENOSPC
        remedy = "; make room and repeat the command, what has finished is kept" if is_full else ""
        say(f"cryutils: {error.filename or 'the system'}: {error.strerror}{remedy}.", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
