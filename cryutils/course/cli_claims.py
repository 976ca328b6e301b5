"""`cryutils claims`: every number and claim of both papers, with both verdicts. See `cli`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from cryutils.course.cli_group import say
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["claims"]


@click.command()
@click.option("--paper", metavar="A|B|R", help="Paper A, Paper B, or this project's README.")
@click.option(
    "--kind", metavar="KIND", help="number, claim, arithmetic, figure, citation, setting."
)
@click.option("--verdict", metavar="WORDS", help="With this verdict under either protocol.")
@click.option("--data", metavar="NAME", help="Measured on donateacry, synthetic, or your folder.")
@click.option("--run", metavar="NAME", help="By this run's results alone (default: all runs).")
@click.option("--outputs", metavar="DIR", help="Where the runs are (default: outputs).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, an object for each row; null"
              " where nothing was measured.")  # fmt: skip
def claims(
    paper: str | None,
    kind: str | None,
    verdict: str | None,
    data: str | None,
    run: str | None,
    outputs: str | None,
    as_json: bool,
) -> None:
    """Print what both papers and the README claim, beside what was measured, with two verdicts.

    One verdict is by the paper's own protocol, one leak-free. The results are those of all runs and
    of the reference run that comes with the code; where several measured the same on the same
    recordings, the one that tested most clips counts. On synthetic infants every verdict is one
    about the simulation.

    \b
    Examples:
      cryutils claims --paper A --kind number --data donateacry
      cryutils claims --verdict "internally inconsistent"
      cryutils claims --run reference/real --json
    """
    from cryutils._io.paths import outputs_dir, resolve
    from cryutils.claims import ledger, report

    runs = report.every_run(resolve(outputs) if outputs else outputs_dir())
    if run is not None and run not in runs:
        raise InputError(f"no run {run!r}.{near_miss(run, runs)}")
    judged = ledger.of_runs({name: runs[name] for name in runs if run in (None, name)})
    judged = ledger.selected(judged, paper=paper, kind=kind, data=data, verdict=verdict)
    if as_json:
        click.echo(json.dumps(_records(judged), indent=1, allow_nan=False))
    elif judged.empty:
        say("No row of the ledger is like this.")
    else:
        report.print_claims(judged)


def _records(judged: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a record a row, a protocol's fields in an object of their own, None for a gap."""
    from cryutils.claims import PROTOCOLS

    records = []
    for row in judged.astype(object).where(judged.notna(), None).to_dict("records"):
        record = {str(name): value for name, value in row.items()}
        for protocol, name in zip(PROTOCOLS, ("paper_protocol", "leak_free"), strict=True):
            fields = [field for field in record if field.startswith(f"{protocol}_")]
            judged_by = {field.removeprefix(f"{protocol}_"): record.pop(field) for field in fields}
            record[name] = judged_by
        records.append(record)
    return records
