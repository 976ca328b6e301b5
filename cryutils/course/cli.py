"""The `cryutils` command with `run` and `report`; other commands are in `cli_*`.

Exit codes: 0 done, 1 something failed, 2 the user's input is wrong (then one line on
stderr that names the problem and the remedy), 130 stopped by Ctrl-C, 143 by SIGTERM. Each command
imports the heavy libraries that it needs, so that `--help` answers at once.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils._io import extras
from cryutils._io.parallel import PATIENCE_S
from cryutils.course.cli_audit import audit
from cryutils.course.cli_claims import claims
from cryutils.course.cli_data import counted, data
from cryutils.course.cli_group import HelpGroup, outputs_option, say
from cryutils.course.cli_notebooks import copy_notebooks, lab
from cryutils.course.cli_predict import export, predict
from cryutils.course.cli_serve import serve
from cryutils.course.cli_store import log, users
from cryutils.datasets import registry
from cryutils.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["main"]


@click.group(cls=HelpGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cryutils")
def cryutils() -> None:
    """Rebuild two published infant-cry classifiers and measure what they can do.

    \b
    Example:
      cryutils run --profile quick
    """


for each in (audit, claims, copy_notebooks, data, export, lab, log, predict, serve, users):
    cryutils.add_command(each)


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
    show_default=True,
    metavar="NAME",
    help="Set of parameters: quick, real, uploads, simulated, judged or paper.",
)
@click.option(
    "-p",
    "--parameter",
    "values",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_assigned,
    help="Set a parameter in each notebook that has it; a list is JSON.",
)
@click.option(
    "--jobs",
    "processes",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Notebooks to run at once (default: one for each core and 2 GiB).",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Run the notebooks on the workers of this Dask scheduler: tcp://host:8786.",
)
@click.option(
    "--wait-for-workers",
    "patience_s",
    type=click.IntRange(0),
    default=PATIENCE_S,
    show_default=True,
    metavar="SECONDS",
    help="With --scheduler: how long to wait once no worker is left.",
)
@click.option(
    "--data",
    metavar="FOLDER|CSV",
    help="Use your own recordings:"
    " <label>/<infant>/<file>, or a CSV file with the columns file, label, infant.",
)
@outputs_option
@click.option("--name", metavar="NAME", help="Name of the run, a folder in outputs.")
@click.option("--fresh", is_flag=True, help="Run all notebooks again, also those that have finished.")
@click.option(
    "--list", "listing", is_flag=True, help="List notebooks and their parameters without running them."
)
def run(
    notebooks: tuple[str, ...],
    profile: str,
    values: dict[str, object],
    processes: int | None,
    scheduler: str | None,
    data: str | None,
    outputs: Path,
    **options: Any,
) -> None:
    """Run notebooks and write their results, figures and the report.

    Without NOTEBOOK the notebooks of the profile run. NOTEBOOK is the name of a notebook, or the
    beginning of its name if it fits one notebook alone (03), or the path of a copy that you have
    changed.

    To resume a run that was stopped, repeat the command. A run is named after its profile, such as
    quick; with -p the parameters are added, quick-repeats-2, with --data the folder, FOLDER-quick.

    \b
    Examples:
      cryutils run --profile quick
      cryutils run 03_feature_validation --profile real -p test_size=0.2
      cryutils run 03_feature_validation --data FOLDER -p classes='["hungry","tired"]'
      cryutils run 03_feature_validation -p repeats=2 --name two-repeats
      cryutils run --list 03
      cryutils run course/02_audio_features.ipynb
    """
    extras.require("papermill", "course", "running notebooks")
    from cryutils.claims import every_run
    from cryutils.course import runner

    if options["name"] is not None:
        _require_free(options["name"], ["manual", "reference", "report", *runner.profiles()])
    jobs = runner.plan(profile, notebooks, values, data=data, outputs=outputs, run_name=options["name"])
    if options["listing"]:
        for job in jobs:
            say(job.name)
            for name, parameter in runner.parameters(job.source).items():
                value = json.dumps(job.parameters[name]) if name in job.parameters else ""
                say(f"  {name} = {value or parameter['default']}  # {parameter['help']}")
        return
    if scheduler:
        extras.require("distributed", "cluster", "--scheduler")
    _find_recordings({str(job.parameters["data"]) for job in jobs if "data" in job.parameters})
    failed = runner.run(
        jobs,
        processes=processes,
        scheduler=scheduler,
        patience_s=options["patience_s"],
        fresh=options["fresh"],
    )
    for name, error in failed.items():
        say(f"{name}: {error}", err=True)
    runs = every_run(outputs)
    _show(outputs, runs, {jobs[0].folder.name} & set(runs))
    if failed:
        raise SystemExit(1)


def _require_free(name: str, taken: Iterable[str]) -> None:
    """Raise InputError if `--name` is no plain folder name, or is `taken`."""
    if not re.fullmatch(r"[^./\\][^/\\]*", name) or not name.isprintable():
        raise InputError(f"--name {name!r}: give a plain name, without / or \\, such as trial-2.")
    if name in taken:
        raise InputError(f"--name {name}: that name is taken; give another, such as trial-2.")


def _find_recordings(names: Iterable[str]) -> None:
    """Load each corpus before any notebook does, and say how many problems it has."""
    from cryutils.datasets import load

    for name in names:
        if registry.is_synthetic(name):
            continue
        corpus = load(name)
        say(f"{corpus.note}; {len(corpus)} clips of {len(set(corpus.infants))} infants")
        if problems := counted(corpus.problems()):
            hint = f"`cryutils data describe {shlex.quote(name)} --problems` lists them"
            say(f"Problems: {problems}; {hint}.")


def _show(outputs: Path, runs: dict[str, pd.DataFrame], shown: Iterable[str]) -> None:
    """Print what the runs in `shown` have measured, write the report and print where it is."""
    from cryutils.claims import board, report

    for line in report.scoreboard_lines(board.scores({name: runs[name] for name in shown})):
        say(line)
    say(f"Report: {report.write(outputs, runs)}")


@cryutils.command("report")
@outputs_option
def report_command(outputs: Path) -> None:
    """Print the scoreboard of all runs and write their report.

    The report, outputs/report/index.html, has the scoreboard and each executed notebook.

    \b
    Example:
      cryutils report
    """
    extras.require("nbconvert", "course", "the report")
    from cryutils.claims import every_run

    runs = every_run(outputs)
    folders = [path.parent for path in sorted(outputs.glob("*/results.json"))]
    if not folders:
        raise InputError(f"{outputs}: no run has finished here; start one with `cryutils run`.")
    _show(outputs, runs, runs)
    damaged = [folder for folder in folders if folder.name not in runs]
    for folder in damaged:
        say(f"{folder}/results.json can't be read; run its notebooks again.", err=True)
    if damaged:
        raise SystemExit(1)


class _Stopped(SystemExit):
    """A signal ends this process. The exit code is 128 + its number, as in a shell."""

    code: int


@contextmanager
def _stoppable() -> Iterator[None]:
    """Raise `_Stopped` for the first signal to end this process, and ignore later signals."""

    handlers: dict[int, Any] = {}

    def stop(number: int, _frame: object) -> None:
        for each in handlers:
            signal.signal(each, signal.SIG_IGN)
        raise _Stopped(128 + number)

    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            # Keep ignoring signals that are already ignored, as in a shell's background job.
            if signal.getsignal(each) in (signal.SIG_DFL, signal.default_int_handler):
                handlers[each] = signal.signal(each, stop)
    try:
        yield
    except _Stopped:
        handlers.clear()  # later signals stay ignored while this process ends
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def main(arguments: list[str] | None = None) -> None:
    """Run the command. A mistake by the user gives one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        # Notebooks run in their own folder; paths are relative to where the command was started.
        os.environ.setdefault("CRYUTILS_START_DIR", str(Path.cwd()))
        with _stoppable():
            code = cryutils.main(arguments, prog_name="cryutils", standalone_mode=False)
    except (InputError, click.ClickException) as error:
        message = error if isinstance(error, InputError) else error.format_message()
        say(f"cryutils: {message}", err=True)
        sys.exit(2)
    except (_Stopped, click.Abort, KeyboardInterrupt) as stop:
        say("cryutils: stopped; the same command goes on where it was.", err=True)
        sys.exit(stop.code if isinstance(stop, _Stopped) else 128 + signal.SIGINT)
    except BrokenPipeError:  # as in `cryutils ... | head`: the rest of the output is dropped
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "; make room and repeat the command, what has finished is kept" if full else ""
        what = "the disk is full" if full else error.strerror
        say(f"cryutils: {error.filename or 'the system'}: {what}{remedy}.", err=True)
        sys.exit(2 if full else 1)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
