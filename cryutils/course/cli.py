"""The `cryutils` command. Those that use trained models are in `cli_models`.

`users` and `log` are in `crydecode`. Exit codes: 0 done, 1 something failed, 2 the user's input is
wrong (then one line on stderr that names the problem and the remedy), 130 stopped by Ctrl-C, 143 by
SIGTERM. Each command imports the heavy libraries that it needs, so that `--help` answers at once.
"""

from __future__ import annotations

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
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils._io import extras
from cryutils._io.paths import outputs_dir, project_dir, resolve, writing
from cryutils._io.progress import say
from cryutils.course.cli_models import export, predict, serve
from cryutils.datasets import registry
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.claims.audit import Audit
    from cryutils.datasets.archives import Dataset, Files
    from cryutils.datasets.corpus import Corpus

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}
SCOREBOARD = "notebooks/14_scoreboard.ipynb"  # of a run


class _Commands(click.Group):
    """The commands. Those of the application are added once they may be meant."""

    def list_commands(self, context: click.Context) -> list[str]:
        from crydecode.commands import log, users

        self.commands.update(log=log, users=users)
        return super().list_commands(context)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.commands:
            self.list_commands(context)
        return super().get_command(context, name)


@click.group(cls=_Commands, context_settings=SETTINGS, epilog="Example: cryutils run --profile quick")
@click.version_option(package_name="cryutils")
def cryutils() -> None:
    """Rebuild two published infant-cry classifiers and measure what they can do."""


for each in (export, predict, serve):
    cryutils.add_command(each)


# Running notebooks

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
@click.option("--profile", default="quick", help="quick, real, uploads, corvin, simulated, judged or paper.")
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
    # Load each corpus before any notebook does, and say how many problems it has.
    for corpus in {str(job.parameters["data"]) for job in jobs if "data" in job.parameters}:
        if not registry.is_synthetic(corpus):
            clips = registry.load(corpus)
            say(f"{clips.note}; {len(clips)} clips of {len(set(clips.infants))} infants")
            say(_problems(clips, corpus))
    failed = runner.run(jobs, **options)
    for notebook, error in failed.items():
        say(f"{notebook}: {error}", err=True)
    folder = jobs[0].folder
    _show({name: table for name, table in every_run().items() if name == folder.name})
    if failed:
        raise SystemExit(1)


@cryutils.command(epilog="Example: cryutils report")
def report() -> None:
    """Print the scores of all runs, and write the report of each, outputs/<run>/report.html.

    The report is the run's notebook 14 as a page.
    """
    extras.require("nbconvert", "course", "the report")
    from cryutils.claims import every_run

    _show(every_run())


def _show(runs: dict[str, pd.DataFrame]) -> None:
    """Print what the runs have measured, write their reports, and say where they are."""
    from cryutils.claims import tables

    for line in tables.scoreboard_lines(tables.scores(runs)):
        say(line)
    for run in runs:
        if (outputs_dir() / run / SCOREBOARD).is_file():
            say(f"Report: {write_report(outputs_dir() / run)}")


def write_report(run: Path) -> Path:
    """Write a run's notebook 14 as one page that executes no script, and return its path."""
    from nbconvert.exporters import HTMLExporter

    page = run / "report.html"
    text, _ = HTMLExporter().from_filename(str(run / SCOREBOARD))
    # A run can come from somebody else, so no script of an output may be executed.
    policy = "script-src 'none'; object-src 'none'; frame-src 'none'; base-uri 'none'; form-action 'none'"
    meta = f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">'
    text = re.sub("<script.*?</script>", "", text, flags=re.DOTALL).replace("<head>", meta, 1)
    text = re.sub(r'(<a href=")(\w+\.ipynb)', r"\1notebooks/\2", text).replace('"../docs/', '"../../docs/')
    with writing(page) as part:
        part.write_text(text, encoding="utf-8")
    return page


@cryutils.command("lab", context_settings={"ignore_unknown_options": True}, epilog="Example: cryutils lab")
@click.argument("arguments", metavar="[DIR] [OPTION OF JUPYTERLAB]...", nargs=-1)
def lab(arguments: tuple[str, ...]) -> None:
    """Copy the course to the folder DIR, and open it in JupyterLab.

    Notebooks, quizzes and solutions that DIR does not have are copied (default: the folder course).
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
    os.execv(sys.executable, [*jupyter, "lab", "00_start_here.ipynb", *options])


@cryutils.command("notebooks", epilog="Example: cryutils notebooks course")
@click.argument("folder", metavar="DIR")
def copy_notebooks(folder: str) -> None:
    """Copy the course to the folder DIR. What is there already stays as it is."""
    _copy_course(folder)


def _copy_course(folder: str) -> list[str]:
    """Copy what a folder lacks of the course; return its notebooks that are as in the course."""
    home, same = project_dir() / "notebooks", []
    for source in (*home.glob("*.ipynb"), *home.glob("quiz/*.json"), *home.glob("solutions/*.py")):
        copy = resolve(folder) / source.relative_to(home)
        if not copy.exists():
            with writing(copy) as part:
                shutil.copyfile(source, part)
        if copy.suffix == ".ipynb" and copy.read_bytes() == source.read_bytes():
            same.append(str(copy))
    say(f"The course is in {folder}.")
    return same


# Claims and audits


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
@click.option("--permutations", metavar="N", default=999, type=click.IntRange(19), help="For the p-values.")
@click.option("--folds", metavar="CSV", help="Refuse answers that were not made on these fixed folds.")
@click.option("--train-infants", metavar="TABLE", help="Infants (column infant) that trained the model.")
@click.option("--distinct-infants", is_flag=True, help="Keep names apart that differ by case, spaces or _.")
def audit(source: str, permutations: int, distinct_infants: bool, **files: str | None) -> None:
    """Measure what predictions or recordings can show.

    TABLE is a CSV or Parquet file of any program, with a row for each clip: clip, infant, truth,
    and prediction or p_<class> for each class; if known, fold, repeat, model, device and split
    ("random" or "leak_free"). With FOLDER, a manifest or the name of a corpus, a logistic regression
    is tested with both splits.

    \b
    Examples:
      cryutils audit donateacry
      cryutils audit answers.csv --folds data/benchmark/donateacry.csv
    """
    from cryutils.claims import audit as audits
    from cryutils.datasets import manifest

    path = resolve(source)
    others = {name: resolve(file) for name, file in files.items() if file}
    if path.is_file() and not manifest.is_manifest(path):
        training = others.get("train_infants")
        table = audits.read(path, training, distinct_infants=distinct_infants)
        if "folds" in others:
            audits.check_folds(table, others["folds"])
    elif others or distinct_infants:
        what = "--folds, --train-infants and --distinct-infants need a table of predictions"
        raise InputError(f"{source}: {what}.")
    else:
        corpus = registry.load(source)
        table = audits.of_corpus(corpus)
        table.attrs["notes"].append(_problems(corpus, source))
    _print_audit(audits.audit(table, permutations=permutations))


def _print_audit(result: Audit) -> None:
    """Print the parts of an audit as tables, in percent, each below its caption."""
    from cryutils.claims.tables import in_percent

    for table, name in ((result.scores, "score"), (result.gaps, "difference")):
        table[name] = [in_percent(*row) for row in table[["value", "low", "high"]].to_numpy()]
    result.scores["no skill"] = result.scores.guess.map(in_percent)
    result.leaks["known infants"] = result.leaks.shared.map(in_percent).replace("–", "unknown")
    result.leaks["p"] = result.leaks.p_value.map("{:.3f}".format).replace("nan", "–")
    scores = result.scores[["model", "split", "metric", "score", "no skill"]]
    leaks, gaps = result.leaks[["model", "split", "known infants", "p"]], result.gaps[["model", "difference"]]
    tables = {
        "Clips; an infant with several labels is counted in each class.": result.classes,
        "Scores in percent, with 95 % intervals over infants. No skill: guessing, or always the most"
        " common class for accuracy and macro F1.": scores,
        "Known infants: the share of answers from a model trained on other clips of the same infant"
        " (needs several folds or --train-infants), in percent. p: how often the predictions agree as"
        " well with labels exchanged between infants, with the same device if known (needs a repeat"
        " with all clips). With a random split, recognising infants can make p small.": leaks,
        "Balanced accuracy with the random split minus leak-free, in points, on the same clips.": gaps,
    }
    for caption, table in tables.items():
        if len(table):
            for line in [*textwrap.wrap(caption), *table.to_string(index=False).splitlines(), ""]:
                say(line)
    for note in result.notes.note:
        say(note)
    if gaps.empty:
        say("No model has different answers to the same clips with both splits.")


# Corpora


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


def _downloaded(name: str) -> tuple[Dataset, Files]:
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
    """Count the clips, infants, sessions and problems of a corpus.

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


def _list(problems: Iterable[Any]) -> None:
    for problem in problems:
        say(f"{problem.kind}  {problem.item}: {problem.what}")


def _problems(corpus: Corpus, name: str) -> str:
    """Return a line with the number of problems of each kind, and the command that lists them."""
    counts = corpus.problems().kind.value_counts()
    kinds = (f"{n} {kind}" + "s" * (kind == "contradiction" and n > 1) for kind, n in counts.items())
    listed = f"; `cryutils data describe {shlex.quote(name)} --problems` lists them" * bool(len(counts))
    return f"Problems: {', '.join(kinds) or 'none'}{listed}."


# Errors and signals


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
        code = cryutils.main(arguments, prog_name="cryutils", standalone_mode=False)
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
