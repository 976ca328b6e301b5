"""The `cryutils` command: doctor, data, run, report, bench.

Exit codes: 0 done, 1 something failed, 2 the user's input is wrong (then one line on
stderr that names the thing and the mend). Heavy libraries are imported by the command
that needs them, so `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from cryutils.errors import InputError, near_miss

__all__ = ["main"]

CORPORA = ("donateacry", "synthetic")


class _Suggesting(click.Group):
    """A group of commands that names the near miss of a mistyped one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            raise InputError(f"no command {args[0]!r}.{near_miss(args[0], known)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Suggesting, context_settings={"help_option_names": ["-h", "--help"]})
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


@cryutils.group(cls=_Suggesting)
def data() -> None:
    """List, fetch, check and describe the corpora.

    \b
    Example:
      cryutils data fetch donateacry
    """


@data.command("list")
def data_list() -> None:
    """List the corpora that can be loaded by name, and where each was found.

    \b
    Example:
      cryutils data list
    """
    from cryutils import donateacry

    found = donateacry.find()
    click.echo(f"donateacry  457 real recordings, {donateacry.LICENCE}")
    click.echo(f"            {found or 'not on this machine: cryutils data fetch donateacry'}")
    click.echo("synthetic   generated voices, no evidence about real infants")
    click.echo("FOLDER      your own recordings as <label>/<infant>/<file>")


@data.command("fetch")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Download the corpus NAME into the cache, or say where it was found.

    \b
    Example:
      cryutils data fetch donateacry
    """
    from cryutils import donateacry

    if _corpus_name(name) == "synthetic":
        raise InputError("synthetic: it is generated when it is used; nothing to fetch.")
    with _progress("Downloading", "files") as report:
        folder = donateacry.fetch(report=report)
    click.echo(f"DonateACry: {folder}")
    click.echo(f"Licence: {donateacry.LICENCE}")
    click.echo(f"Cite: {donateacry.CITATION}")


@data.command("check")
@click.argument("name")
def data_check(name: str) -> None:
    """Verify every file of the corpus NAME against its sha256.

    \b
    Example:
      cryutils data check donateacry
    """
    from cryutils import donateacry

    if _corpus_name(name) == "synthetic":
        raise InputError("synthetic: it is generated when it is used; nothing to check.")
    folder = donateacry.find() or donateacry.fetch()
    with _progress("Verifying", "files") as report:
        wrong = donateacry.check(folder, report=report)
    for file, what in wrong:
        click.echo(f"{folder / file}: {what}", err=True)
    total = len(donateacry.registry())
    click.echo(f"{total - len(wrong)} files verified in {folder}, {len(wrong)} wrong or missing.")
    if wrong:
        raise SystemExit(1)


@data.command("describe")
@click.argument("name")
@click.option("--problems", is_flag=True, help="List each problem on a line of its own.")
def data_describe(name: str, problems: bool) -> None:
    """Count clips, infants and sessions of a corpus or FOLDER, and list its problems.

    \b
    Example:
      cryutils data describe donateacry --problems
    """
    from cryutils import load

    corpus = load(name)
    click.echo(corpus.describe().to_string())
    found = corpus.problems()
    click.echo(f"\n{corpus.note}\nLicence: {corpus.licence}\nCite: {corpus.cite()}")
    counts = found.kind.value_counts()
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
    click.echo(f"Problems: {said}.")
    if problems:
        for row in found.itertuples():
            click.echo(f"{row.kind}  {row.item}: {row.what}")


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

    if outputs:
        os.environ["CRYUTILS_OUTPUTS_DIR"] = str(resolve(outputs))
    chosen = course.load_profile(profile)
    todo, skipped = course.plan(
        chosen, only=notebooks, given=dict(_parameter(text) for text in given), data=data
    )
    if not data and chosen.data == "donateacry":
        from cryutils import donateacry

        with _progress("Looking for DonateACry", "files") as fetched:
            donateacry.fetch(report=fetched)
    elif data:
        from cryutils import load

        load(data)
    for name, why in skipped.items():
        click.echo(f"{name}: skipped, {why}")
    if not todo:
        raise InputError(f"profile {profile}: none of the chosen notebooks runs in it.")
    folder = todo[0].folder
    with report.watching([job.name for job in todo], title=folder.name) as show:
        failed = course.run(todo, processes=jobs, fresh=fresh, report=show)
    done = [job.name for job in course.plan(chosen, data=data)[0] if job.state.is_file()]
    claims.merge(folder, done)
    page = report.write(folder)
    for name, error in failed.items():
        click.echo(f"{name}: {error}", err=True)
    click.echo(f"Report: {_shown(page)}")
    if failed:
        raise SystemExit(1)
    assert outputs_dir()


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


def _corpus_name(name: str) -> str:
    if name not in CORPORA:
        raise InputError(f"no corpus {name!r}.{near_miss(name, CORPORA)}")
    return name


def _shown(path: Path) -> str:
    """Return `path` relative to where the command was started, where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


class _progress:
    """A progress bar on a terminal, nothing elsewhere; gives `report(done, total)`."""

    def __init__(self, what: str, unit: str) -> None:
        self.what, self.unit = what, unit

    def __enter__(self) -> Callable[[int, int], None]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn(self.unit), console=console, disable=not console.is_terminal,
            transient=True,
        )  # fmt: skip
        self.bar.start()
        task = self.bar.add_task(self.what, total=None)
        return lambda done, total: self.bar.update(task, completed=done, total=total)

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()


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
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
