"""`cryutils claims`: every number and claim of both papers, with both verdicts. See `cli`.

With `--coverage` it simulates how often each of their intervals covers the true score.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils.course.cli_group import say
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["claims"]


@click.command()
@click.option("--paper", metavar="A|B", help="Rows of this paper.")
@click.option(
    "--kind",
    metavar="KIND",
    help="Rows of this kind: number, claim, arithmetic, figure, citation or setting.",
)
@click.option("--verdict", metavar="WORDS", help="Rows with this verdict under either protocol.")
@click.option(
    "--data", metavar="NAME", help="Rows measured on donateacry, synthetic or your folder."
)
@click.option("--run", metavar="NAME", help="Use the results of this run only (default: all runs).")
@click.option("--outputs", metavar="DIR", help="Folder of the runs (default: outputs).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object for each row, with"
              " null if nothing was measured.")  # fmt: skip
@click.option("--coverage", is_flag=True, help="Simulate instead how often the runs' 95 % intervals"
              " cover the true score, and store it with the results for the reports.")  # fmt: skip
def claims(
    paper: str | None,
    kind: str | None,
    verdict: str | None,
    data: str | None,
    run: str | None,
    outputs: str | None,
    as_json: bool,
    coverage: bool,
) -> None:
    """Compare each claim of both papers with the measurements.

    Each claim has two verdicts. The first verdict is under the paper's own protocol, the second
    leak-free. The results are those of all runs and of the reference runs that come with the code.
    Where several runs measured the same claim on the same recordings, the run that tested most
    clips counts. A verdict from synthetic infants is about the simulation alone.

    \b
    Examples:
      cryutils claims --paper A --kind number --data donateacry
      cryutils claims --verdict "internally inconsistent"
      cryutils claims --run reference/judged --json
      cryutils claims --run reference/judged --coverage
    """
    from cryutils._io.paths import outputs_dir, resolve
    from cryutils.claims import coverage as simulated
    from cryutils.claims import ledger, report

    filters = {"--paper": paper, "--kind": kind, "--verdict": verdict}
    refused = [option for option, value in filters.items() if value is not None]
    if coverage and refused:
        raise InputError(
            f"--coverage, {refused[0]}: it is about results, not about rows of the ledger;"
            f" leave out {refused[0]}."
        )
    home = resolve(outputs) if outputs else outputs_dir()
    runs = report.every_run(home)
    if run is not None and run not in runs:
        raise InputError(f"no run {run!r}.{near_miss(run, runs)}")
    runs = {name: runs[name] for name in runs if run in (None, name)}
    if coverage:
        folders = {
            name: report.run_path(name, home)
            for name, results in runs.items()
            if data is None or data in set(results.data)
        }
        if data is not None and not folders:
            corpora = {corpus for results in runs.values() for corpus in results.data}
            raise InputError(f"no data {data!r}.{near_miss(data, corpora)}")
        _print_coverage(folders, data, as_json=as_json)
        return
    judged = simulated.of_verdicts(ledger.of_runs(runs), runs)
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

    records = _plain(judged)
    for record in records:
        for protocol, name in zip(PROTOCOLS, ("paper_protocol", "leak_free"), strict=True):
            fields = [field for field in record if field.startswith(f"{protocol}_")]
            judged_by = {field.removeprefix(f"{protocol}_"): record.pop(field) for field in fields}
            record[name] = judged_by
    return records


def _print_coverage(folders: dict[str, Path], data: str | None, *, as_json: bool) -> None:
    """Measure what is missing of each run's coverage, and print all of it."""
    from cryutils._io.paths import writable
    from cryutils.claims import coverage

    locked = [folder for folder in folders.values() if not writable(folder)]
    if locked:
        raise InputError(f"{locked[0]}: can't be written to, and coverage.json belongs there.")
    tables = []
    for name, folder in folders.items():
        table = coverage.measure(folder, progress=True)
        table.insert(0, "run", name)
        tables.append(table if data is None else table[table.data == data])
    if as_json:
        records = [record for table in tables for record in _plain(table)]
        click.echo(json.dumps(records, indent=1, allow_nan=False))
    for line in [] if as_json else _summarised(zip(folders, tables, strict=True)):
        say(line)


def _summarised(tables: Iterable[tuple[str, pd.DataFrame]]) -> Iterator[str]:
    """Yield lines about the coverage of each run: counts, what is too low, what has none."""
    from cryutils.claims import coverage

    protocols = {"paper": "paper's protocol, ", "leak_free": "leak-free, "}
    for name, table in tables:
        measured = table.dropna(subset="coverage").sort_values("coverage", kind="stable")
        low = measured[measured.coverage < coverage.ENOUGH]
        lowest = "".join(f"; the lowest {100 * c:.1f} %" for c in measured.coverage[:1])
        yield (
            f"{name}: {len(table)} intervals, {len(measured)} of them simulated,"
            f" {len(low)} below {100 * coverage.ENOUGH:.0f} %{lowest}."
        )
        rows: Any = low.to_dict("records")
        for row in rows:
            about = f"{protocols.get(row['protocol'], '')}{row['data']}"
            score = "{value:z.2f} [{low:z.2f}, {high:z.2f}]".format(**row)
            yield f"  {row['key']} ({about}): {score}{coverage.words(row['coverage'])}"
        for reason, count in table.reason[table.reason != ""].value_counts().items():
            yield f"  {count} not simulated: {reason}"


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a record a row, None for a gap."""
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in record.items()} for record in records]
