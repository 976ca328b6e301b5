"""The `cryutils` command: doctor, run, report, article, bench; other commands are in `cli_*`.

Exit codes: 0 done, 1 something failed, 2 the user's input is wrong (then one line on
stderr that names the problem and the remedy), 130 stopped by Ctrl-C, 143 by SIGTERM. Each command
imports the heavy libraries that it needs, so that `--help` answers at once.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils._io import extras
from cryutils._io.paths import project_dir, writable, writing
from cryutils.course.cli_audit import audit
from cryutils.course.cli_claims import claims
from cryutils.course.cli_data import counted, data, fetch_files, say_problems
from cryutils.course.cli_export import export
from cryutils.course.cli_group import SuggestingGroup, outputs_option, say
from cryutils.course.cli_notebooks import chosen_notebooks, copy_notebooks
from cryutils.course.cli_predict import predict
from cryutils.course.cli_serve import serve
from cryutils.course.cli_store import infants, log, users
from cryutils.course.watch import watching
from cryutils.datasets import registry
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    from cryutils.course.runner import Job
    from cryutils.datasets.corpus import Corpus

__all__ = ["main"]


@click.group(cls=SuggestingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cryutils")
def cryutils() -> None:
    """Rebuild two published infant-cry classifiers and measure what they can do.

    \b
    Example:
      cryutils run --profile quick
    """


@cryutils.command()
def doctor() -> None:
    """Check whether this machine is ready, and name what is missing.

    \b
    Example:
      cryutils doctor
    """
    from cryutils.course.doctor import examine

    findings = list(examine())
    for finding in findings:
        mark = "BAD" if finding.state == "bad" else finding.state
        say(f"{mark:7}  {finding.what}: {finding.detail}")
    if bad := sum(finding.state == "bad" for finding in findings):
        say(f"{bad} of these must be fixed before the course runs.", err=True)
        raise SystemExit(1)


for each in (
    audit,
    claims,
    data,
    copy_notebooks,
    export,
    predict,
    users,
    infants,
    log,
    serve,
):
    cryutils.add_command(each)


def _assigned(_context: object, _option: object, texts: Sequence[str]) -> dict[str, object]:
    """Return the values of parameters given as "key=value"."""
    from cryutils.course.parameters import read_value

    values: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"-p {text}: write it as key=value, for example -p test_size=0.2.")
        if key in values:
            raise InputError(f"-p {text}: {key} has a value already; give one.")
        values[key] = read_value(value)
    return values


@cryutils.command()
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK]...")
@click.option("--profile", default="quick", show_default=True, metavar="NAME",
              help="Set of parameters: quick, real, uploads, simulated, judged or paper."
              )  # fmt: skip
@click.option("-p", "--parameter", "values", multiple=True, metavar="KEY=VALUE", callback=_assigned,
              help="Set a parameter in each notebook that has it; a list is JSON.")  # fmt: skip
@click.option("--jobs", "processes", type=click.IntRange(1, 1024), metavar="N",
              help="Notebooks to run in parallel (default: one for each core).")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="Run the notebooks on the workers of this"
              " Dask scheduler: tcp://host:8786.")  # fmt: skip
@click.option("--data", metavar="FOLDER|CSV", help="Use your own recordings:"
              " <label>/<infant>/<file>, or a CSV file with the columns file, label, infant."
              )  # fmt: skip
@outputs_option
@click.option("--name", metavar="NAME", help="Name of the run, a folder in outputs; see above.")
@click.option("--fresh", is_flag=True,
              help="Run all notebooks again, also those that have finished.")  # fmt: skip
@click.option("--list", "listing", is_flag=True,
              help="List notebooks and their parameters without running them.")  # fmt: skip
def run(
    notebooks: tuple[str, ...],
    profile: str,
    values: dict[str, object],
    data: str | None,
    outputs: Path,
    name: str | None,
    listing: bool,
    **execution: Any,
) -> None:
    """Run notebooks and write their results, figures and a report.

    Without NOTEBOOK the whole course runs. NOTEBOOK is the name of a notebook, or the beginning of
    its name if it fits one notebook alone (03), or the path of a copy that you have changed.

    To resume a run that was stopped, repeat the command. Results of a notebook are replaced once
    its new execution has finished.

    A run is named after its profile, such as quick. With -p, the parameters are added to the name:
    quick-repeats-2. With --data, the name begins with that of the folder: FOLDER-quick. To choose
    another name, use --name.

    \b
    Examples:
      cryutils run --profile quick
      cryutils run 03_feature_validation --profile real -p test_size=0.2
      cryutils run 03_feature_validation --data FOLDER -p classes='["hungry","tired"]'
      cryutils run 03_feature_validation -p repeats=2 --name two-repeats
      cryutils run --list 03
      cryutils run course/02_audio_features.ipynb
    """
    from cryutils import course
    from cryutils.claims import run_folder

    if data and "data" in values:
        raise InputError(f"--data {data}, -p data={values['data']}: give one of them.")
    if name is not None:
        run_folder.require_name(name, course.profiles())
    only, sources = chosen_notebooks(notebooks)
    todo, skipped = course.plan(
        profile, only=only, overrides=values, data=data, outputs=outputs, sources=sources,
        run_name=name,
    )  # fmt: skip
    if listing:
        click.echo(_listing(todo), file=sys.stdout, nl=False)
    else:
        _require_extras(todo, execution["scheduler"])
        unable = _look_for_recordings(todo, all_of_them=bool(notebooks))
        todo, skipped = [job for job in todo if job.name not in unable], skipped | unable
    for name, why in skipped.items():
        say(f"{name}: skipped, {why}")
    if listing:
        return
    for name, what in course.remarks(todo, skipped, values if notebooks else {}):
        say(f"{name}: {what}")
    if not todo:
        raise InputError(f"profile {profile}: none of the chosen notebooks runs in it.")
    _execute(todo, **execution)


def _require_extras(todo: Sequence[Job], scheduler: str | None) -> None:
    """Raise InputError if packages that a notebook or `scheduler` needs are not installed."""
    if scheduler:
        extras.require("distributed", "cluster", "--scheduler")
    for engine in {str(job.values.get("engine")) for job in todo}:
        if engine.startswith("openvino"):
            extras.require("openvino", "openvino", f"engine={engine}")


def _execute(
    todo: Sequence[Job], *, processes: int | None, scheduler: str | None, fresh: bool
) -> None:
    """Run the jobs of one run and write its report; exit with 1 if a job failed."""
    from cryutils import course
    from cryutils.claims import report

    folder, processes = todo[0].folder, processes or os.cpu_count() or 1
    if not writable(folder):
        raise InputError(f"{folder}: can't be written to; choose another with --outputs DIR.")
    names, before = [job.name for job in todo], course.history(todo)
    with watching(names, before=before, processes=processes, title=folder.name) as show:
        failed = course.run(
            todo, processes=processes, scheduler=scheduler, fresh=fresh, report=show
        )
    for name, error in failed.items():
        say(f"{name}: {error}", err=True)
    say(f"Report: {_shown(report.write(folder))}")
    if failed:
        raise SystemExit(1)


def _listing(jobs: Sequence[Job]) -> str:
    """Return notebooks and their parameters, with default, meaning and range, 80 columns wide."""
    from cryutils.course import execute, parameters

    page = click.HelpFormatter(max_width=80)
    for job in jobs:
        title = execute.source_text(job.source).partition("\n")[0].strip("# ")
        page.write_text(f"{job.name}: {title.partition('· ')[2] or title}")
        rows = []
        for name, parameter in parameters.inspect(job.source).items():
            description = filter(None, [parameter["help"], parameters.accepted(name)])
            rows.append((f"{name} = {json.dumps(job.values[name])}", "; ".join(description)))
        with page.indentation():
            page.write_dl(rows, col_max=24)
        page.write("\n")
    return page.getvalue()


def _look_for_recordings(jobs: Sequence[Job], *, all_of_them: bool) -> dict[str, str]:
    """Load each corpus before any notebook does, and print its problems once.

    Returns the notebooks that can't run on their corpus, with the reason. Raises InputError if no
    notebook can run, or if one can't and `all_of_them` is set.
    """
    from cryutils.course import parameters, recordings
    from cryutils.datasets import load

    corpora: dict[str, Corpus] = {}
    unable, remarks = {}, {}
    for job in jobs:
        name = job.parameters.get("data")
        # Synthetic recordings and the notebook's own default corpus need no check.
        if name in (None, parameters.read(job.source).get("data")) or registry.is_synthetic(name):
            continue
        if name not in corpora:
            dataset = registry.find(name)
            if dataset and dataset.files:
                fetch_files(dataset.files)
            corpora[name] = load(name)
        parameters.check_corpus(job.parameters, corpora[name])
        try:
            remarks[job.name] = recordings.check(job.name, job.values, corpora[name])
        except InputError as error:
            unable[job.name] = str(error)
            if all_of_them or len(unable) == len(jobs):
                raise
    for name, corpus in corpora.items():
        say(f"{corpus.note}; {len(corpus)} clips of {len(set(corpus.infants))} infants")
        problems = corpus.problems()
        is_doubtful = problems.kind == "doubtful"
        say_problems(problems[is_doubtful].itertuples())
        if not is_doubtful.all():
            listing = f"`cryutils data describe {shlex.quote(name)} --problems` lists them"
            say(f"{counted(problems[~is_doubtful])}; {listing}.")
    for notebook, remark in remarks.items():
        if remark:
            say(f"{notebook}: {remark}")
    return unable


@cryutils.command("report")
@outputs_option
def report_command(outputs: Path) -> None:
    """Write the report of each run and the scoreboard of all runs.

    The pages are report.html in each run's folder, and scoreboard.html. The scoreboard is also
    printed.

    \b
    Example:
      cryutils report
    """
    from cryutils.claims import report

    runs = sorted({path.parents[1] for path in outputs.glob("*/state/*.json")}
                  | {path.parent for path in outputs.glob("*/results.json")})  # fmt: skip
    if not runs:
        raise InputError(f"{outputs}: no run has finished here; start one with `cryutils run`.")
    pages, damages = [], []
    for folder in runs:
        try:
            report.print_scoreboard(folder)
            pages.append(report.write(folder))
            damages += report.damages(folder)
        except InputError as error:
            damages.append(str(error))
        except BrokenPipeError:
            raise
        except OSError as error:  # such as a full disk
            damages.append(f"{folder}: its report can't be made ({error.strerror}).")
    if pages:
        say(f"Scoreboard of all runs: {_shown(report.write_scoreboard(outputs))}")
    for page in pages:
        say(f"Report: {_shown(page)}")
    for damage in damages:
        say(damage if pages else f"cryutils: {damage}", err=True)
    if damages:
        raise SystemExit(1 if pages else 2)


@cryutils.command("article")
@outputs_option
def article_command(outputs: Path) -> None:
    """Write a replication article on Paper A as HTML pages.

    Both are made from the reference runs that come with the code, in the style of ReScience C. The
    supplement shows each number and claim of both papers as printed, as measured under the paper's
    protocol, and leak-free.

    \b
    Example:
      cryutils article
    """
    from cryutils.claims import article, report
    from cryutils.course import parameters

    values = parameters.of_run(report.run_path(article.RUN))
    page = article.write(outputs / "article", values)
    say(f"Article: {_shown(page)}")
    say(f"Supplement: {_shown(page.with_name('supplement.html'))}")


@cryutils.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the output to this file as well.",
)
def bench(names: tuple[str, ...], output: Path | None) -> None:
    """Run this project's benchmarks, or the named ones only.

    A benchmark of speed measures this project's code and the alternative in the same run.

    \b
    Examples:
      cryutils bench features
      cryutils bench power --output power.txt
    """
    import subprocess

    scripts = {path.stem: path for path in sorted((project_dir() / "benchmarks").glob("*.py"))}
    for name in names:
        if name not in scripts:
            raise InputError(f"no benchmark {name!r}.{near_miss(name, scripts)}")
    names = names or tuple(scripts)
    for name in {"pages", "store"}.intersection(names):  # benchmarks of the application
        for package in ("jupyter_server", "psycopg"):
            extras.require(package, "app", f"cryutils bench {name}")
    if "workers" in names:
        extras.require("distributed", "cluster", "cryutils bench workers")
    lines, failed = [], []
    for name in names:
        with subprocess.Popen(
            [sys.executable, "-u", str(scripts[name])], stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"}, encoding="utf-8",
        ) as running:  # fmt: skip
            for line in running.stdout or ():
                say(line.rstrip("\n"))
                lines.append(line)
        if running.returncode:
            failed.append(name)
    if output:
        with writing(output) as part:
            part.write_text("".join(lines), encoding="utf-8")
    if failed:
        say(f"failed: {', '.join(failed)}", err=True)
        raise SystemExit(1)


def _shown(path: Path) -> str:
    """Return `path`, relative to the current folder if it is inside that folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _start() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError as error:
        raise InputError(
            "the folder you are in was deleted; repeat this in another one."
        ) from error


class _Stopped(SystemExit):
    """A signal ends this process. The exit code is 128 + its number, as in a shell."""

    code: int


@contextmanager
def _stoppable() -> Iterator[None]:
    """Raise `_Stopped` for the first signal to end this process, and ignore later signals."""
    handlers: dict[signal.Signals, Any] = {}

    def stop(number: int, _frame: object) -> None:
        for each in handlers:
            signal.signal(each, signal.SIG_IGN)
        raise _Stopped(128 + number)

    def send_again(lost: Any) -> None:
        # Python drops what is raised while it calls a destructor or a weak reference's callback.
        if not isinstance(lost.exc_value, _Stopped):
            return unraisable(lost)
        for each in handlers:
            signal.signal(each, stop)
        number = lost.exc_value.code - 128
        threading.Timer(0.01, os.kill, [os.getpid(), number]).start()

    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            # Keep ignoring signals that are already ignored, as in a shell's background job.
            if signal.getsignal(each) in (signal.SIG_DFL, signal.default_int_handler):
                handlers[each] = signal.signal(each, stop)
    unraisable, sys.unraisablehook = sys.unraisablehook, send_again
    try:
        yield
    finally:
        sys.unraisablehook = unraisable
    for each, handler in handlers.items():
        signal.signal(each, handler)


def main(arguments: list[str] | None = None) -> None:
    """Run the command. A mistake by the user gives one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        # Notebooks run in their own folder; paths are relative to where the command was started.
        os.environ.setdefault("CRYUTILS_START_DIR", _start())
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
