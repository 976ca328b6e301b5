"""The `cryutils` command: doctor, data, run, report, predict, bench.

Exit codes: 0 done, 1 something failed, 2 the user's input is wrong (then one line on
stderr that names the thing and the mend). Heavy libraries are imported by the command
that needs them, so `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import click

from cryutils.cli_data import data
from cryutils.cli_group import SuggestingGroup
from cryutils.cli_predict import predict
from cryutils.errors import InputError, near_miss
from cryutils.progress import counting, watching

__all__ = ["main"]


@click.group(cls=SuggestingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cryutils")
def cryutils() -> None:
    """Rebuild two infant-cry classifiers and see what they can do.

    \b
    Example:
      cryutils run --profile quick
    """


@cryutils.command()
def doctor() -> None:
    """Say whether this machine is ready, and what will be missing.

    \b
    Example:
      cryutils doctor
    """
    from cryutils.doctor import examine

    bad = 0
    for finding in examine():
        mark = {"ok": "ok     ", "missing": "missing", "bad": "BAD    "}[finding.state]
        click.echo(f"{mark}  {finding.what}: {finding.detail}")
        bad += finding.state == "bad"
    if bad:
        click.echo(f"{bad} of these must be mended before the course runs.", err=True)
        raise SystemExit(1)


cryutils.add_command(data)
cryutils.add_command(predict)


@cryutils.command()
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK]...")
@click.option("--profile", default="quick", show_default=True, help="quick, real or paper.")
@click.option("-p", "--parameter", "given", multiple=True, metavar="KEY=VALUE",
              help="Set a parameter of the notebooks that have it; lists as JSON.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), help="Processes side by side.")
@click.option("--data", metavar="FOLDER", help="Your own recordings: <label>/<infant>/<file>.")
@click.option("--outputs", metavar="DIR", help="Where runs are written (default: outputs).")
@click.option("--fresh", is_flag=True, help="Run again what has finished before.")
def run(
    notebooks: tuple[str, ...],
    profile: str,
    given: tuple[str, ...],
    jobs: int | None,
    data: str | None,
    outputs: str | None,
    fresh: bool,
) -> None:
    """Execute notebooks (all of them, or those named) and write results, figures and a report.

    A run that was stopped goes on where it was: repeat the command.

    \b
    Examples:
      cryutils run --profile quick
      cryutils run 03_feature_validation --profile real -p test_size=0.2
      cryutils run 03_feature_validation --data FOLDER -p classes='["hungry","tired"]'
    """
    from cryutils import claims, course, report
    from cryutils.locations import outputs_dir, resolve

    home = resolve(outputs) if outputs else outputs_dir()
    chosen = course.load_profile(profile)
    todo, skipped = course.plan(
        chosen,
        only=notebooks,
        given=dict(_parameter(text) for text in given),
        data=data,
        outputs=home,
    )
    if todo:
        _look_for_recordings(resolve(data) if data else chosen.data)
    for name, why in skipped.items():
        click.echo(f"{name}: skipped, {why}")
    if not todo:
        raise InputError(f"profile {profile}: none of the chosen notebooks runs in it.")
    folder = todo[0].folder
    _make(folder)
    with watching([job.name for job in todo], title=folder.name) as show:
        failed = course.run(todo, processes=jobs, fresh=fresh, report=show)
    whole, _ = course.plan(chosen, data=data, outputs=home)
    claims.merge(folder, [job.name for job in whole if job.state.is_file()])
    page = report.write(folder)
    for name, error in failed.items():
        click.echo(f"{name}: {error}", err=True)
    click.echo(f"Report: {_shown(page)}")
    if failed:
        raise SystemExit(1)


def _look_for_recordings(data: str | Path | None) -> None:
    """Fetch or read the corpus before any notebook does, so that what is wrong is said once."""
    from cryutils import donateacry, load

    if isinstance(data, Path):
        load(data)
    elif data == "donateacry":
        with counting("Looking for DonateACry", "files") as report:
            donateacry.fetch(report=report, announce=partial(click.echo, err=True))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: can't be written to ({error.strerror}).") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: can't be written to; choose another with --outputs DIR.")


@cryutils.command("report")
@click.option("--outputs", metavar="DIR", help="Where the runs are (default: outputs).")
def report_command(outputs: str | None) -> None:
    """Print the scoreboard of all runs and write each run's report.html.

    \b
    Example:
      cryutils report
    """
    from cryutils import report
    from cryutils.locations import outputs_dir, resolve

    home = resolve(outputs) if outputs else outputs_dir()
    runs = sorted(path.parent for path in home.glob("*/results.json"))
    if not runs:
        raise InputError(f"{home}: no run has finished here; start one with `cryutils run`.")
    report.print_scoreboard(runs)
    for folder in runs:
        click.echo(f"Report: {_shown(report.write(folder))}")


@cryutils.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def bench(names: tuple[str, ...]) -> None:
    """Measure this project's speed claims, each against its rival in one run.

    \b
    Example:
      cryutils bench features
    """
    import subprocess

    from cryutils.locations import project_dir

    found = {path.stem: path for path in sorted((project_dir() / "benchmarks").glob("*.py"))}
    for name in names:
        if name not in found:
            raise InputError(f"no benchmark {name!r}.{near_miss(name, found)}")
    failed = [
        name
        for name in names or tuple(found)
        if subprocess.run([sys.executable, str(found[name])], check=False).returncode
    ]
    if failed:
        click.echo(f"failed: {', '.join(failed)}", err=True)
        raise SystemExit(1)


def _parameter(text: str) -> tuple[str, object]:
    from cryutils.course import read_value

    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise InputError(f"-p {text}: write it as key=value, for example -p test_size=0.2.")
    return key, read_value(value)


def _shown(path: Path) -> str:
    """Return `path` relative to where the command was started, where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; every mistake of the user ends in one line on stderr and exit code 2."""
    # Notebooks run in their own folder; relative paths mean where the command was started.
    os.environ.setdefault("CRYUTILS_START_DIR", str(Path.cwd()))
    try:
        code = cryutils.main(arguments, prog_name="cryutils", standalone_mode=False)
    except InputError as error:
        click.echo(f"cryutils: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"cryutils: {error.format_message()}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("cryutils: stopped; the same command goes on where it was.", err=True)
        sys.exit(130)
    except BrokenPipeError:  # as `cryutils ... | head` does; what else is printed goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        click.echo(f"cryutils: {error.filename}: {error.strerror}.", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
