"""`cryutils claims`: every number and claim of both papers, with both verdicts. See `cli`."""

from __future__ import annotations

from pathlib import Path

import click

from cryutils.course.cli_group import outputs_option, say
from cryutils.errors import InputError, near_miss

__all__ = ["claims"]


@click.command()
@click.option("--verdict", metavar="WORDS", help="Rows with this verdict with either split.")
@click.option("--run", metavar="NAME", help="Use the results of this run only (default: all runs).")
@outputs_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON: an object for each row, with null if nothing was measured.",
)
def claims(verdict: str | None, run: str | None, outputs: Path, as_json: bool) -> None:
    """Compare each claim of both papers with the measurements.

    Each claim has two verdicts, with a random split (our reading of the papers) and leak-free. The
    results are those of all runs and of the reference runs that come with the code. If several runs
    measured a claim on the same recordings, the run that tested most clips counts. The
    verdicts: reproduced, not reproduced (also: with a substitute class), not shown, in simulation
    (measured on synthetic infants alone) and cannot be tested; for sums, captions and references,
    consistent and inconsistent. The reason says why.

    \b
    Examples:
      cryutils claims --verdict inconsistent
      cryutils claims --run reference/judged --json
    """
    from cryutils.claims import every_run, ledger, report

    runs = every_run(outputs)
    if run is not None and run not in runs:
        raise InputError(f"no run {run!r}.{near_miss(run, runs)}")
    runs = {name: runs[name] for name in runs if run in (None, name)}
    judged = ledger.of_runs(runs)
    if verdict is not None:
        judged = ledger.with_verdict(judged, verdict)
    if as_json:
        click.echo(judged.to_json(orient="records", double_precision=15, indent=1))
    elif judged.empty:
        say("No row of the ledger is like this.")
    else:
        for line in report.claim_lines(judged):
            say(line)
