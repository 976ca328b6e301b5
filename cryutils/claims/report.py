"""Show finished runs: the scoreboard of all runs, and one self-contained HTML page for each.

Everything shown comes from files that the runs wrote (`results.json`, figures, state files) and
from the published figures in `data/claims.csv`; nothing is computed here. Only the page's links to
the executed notebooks, converted to HTML next to them, need the run's folder. Used in notebook 14.
"""

from __future__ import annotations

import base64
import re
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from cryutils import claims
from cryutils._io.paths import outputs_dir, project_dir, writing
from cryutils._io.progress import counting
from cryutils.claims import ledger, run_folder, scoreboard
from cryutils.claims.scoreboard import Table
from cryutils.claims.tables import COMMONEST, METRICS, TABLE2, in_percent
from cryutils.datasets import registry
from cryutils.errors import InputError, printable

if TYPE_CHECKING:
    import jinja2
    import rich.console
    import rich.table

__all__ = ["damages", "every_run", "print_claims", "print_scoreboard", "rendered", "run_path",
           "scored", "scrollable", "worded", "write", "write_scoreboard"]  # fmt: skip


def _read(folder: Path) -> pd.DataFrame:
    """Return the run's results. A missing or damaged `results.json` is rebuilt first."""
    path = folder / "results.json"
    try:
        rows = claims.read_results(path)
    except (InputError, FileNotFoundError):
        if path.is_file() and not any(folder.glob("results/*.json")):
            raise
        claims.merge(folder, run_folder.states(folder))
        rows = claims.read_results(path)
    return claims.table(rows)


def run_path(name: str) -> Path:
    """Return the folder of a run, by its name in `every_run`."""
    return (project_dir() / "outputs" if name.startswith("reference/") else outputs_dir()) / name


def every_run(home: Path | None = None) -> dict[str, pd.DataFrame]:
    """Return the results of each run in `home`, the outputs folder, by run name, newest first.

    Columns as in `claims.table`. The results kept in git, named `reference/<run>`, come last. A run
    whose results can't be read is left out; `damages` lists its damaged files.
    """
    results = {}
    references = sorted((project_dir() / "outputs" / "reference").glob("*/results.json"))
    home = home or outputs_dir()
    newest = sorted(home.glob("*/results.json"), key=lambda path: -path.stat().st_mtime_ns)
    for path in [*newest, *references]:
        name = f"reference/{path.parent.name}" if path in references else path.parent.name
        with suppress(InputError):
            results[name] = _read(path.parent)
    return results


def damages(folder: Path) -> list[str]:
    """Return a line for each damaged or missing file of a run, which its report lacks."""
    states = run_folder.states(folder)
    without_page = [path for path in _notebooks(folder, states) if not _has_page(path)]
    damaged = [*run_folder.unreadable(folder), *claims.unreadable(folder), *without_page]
    return [
        f"{path}: damaged, so {path.stem} counts as not done; run it again." for path in damaged
    ]


def write(folder: Path) -> Path:
    """Write `report.html` of the run in `folder`, a self-contained page; return its path."""
    results = _read(folder)
    tables = _tables(folder, results)
    judged = ledger.judge(results)
    judged = judged[judged.paper.isin(judged.paper[judged.data != ""])]
    states, figures = run_folder.states(folder), _figures(folder)
    page = rendered(
        "report.html",
        run=printable(folder.name),
        corpora=sorted(set(results.data)),
        synthetic=_synthetic(results, tables),
        tables=tables,
        summaries={table.data: _summary(table) for table in tables if table.layout == TABLE2},
        judged=worded(judged),
        table1=scoreboard.table1(results),
        figures=figures,
        merged=_merged(figures),
        states=states,
        pages=_pages(folder, states),
        results=results,
    )
    target = folder / "report.html"
    with writing(target) as part:
        part.write_text(page, encoding="utf-8")
    return target


def _tables(folder: Path, results: pd.DataFrame) -> list[Table]:
    board = scoreboard.board({printable(folder.name): results}, scoreboard.EVERY)
    return scoreboard.tables(board)


def write_scoreboard(home: Path) -> Path:
    """Write `scoreboard.html` of all runs in `home` and of the reference runs; return its path."""
    target = home / "scoreboard.html"
    page = rendered("scoreboard.html", **scored(every_run(home)))
    with writing(target) as part:
        part.write_text(page, encoding="utf-8")
    return target


def scored(runs: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the values for the scoreboard's template, from the results of `runs` by run name."""
    board, judged = scoreboard.board(runs), ledger.of_runs(runs)
    tables = scoreboard.tables(board)
    return {
        "runs": [printable(name) for name in runs],
        "real": [table for table in tables if not registry.is_synthetic(table.data)],
        "simulated": [table for table in tables if registry.is_synthetic(table.data)],
        "conclusions": scoreboard.conclusions(board, judged),
        "summary": ledger.summary(judged),
        "judged": worded(judged),
    }


def rendered(template: str, **values: Any) -> str:
    """Return the page rendered from a template in `claims/templates` with `values`."""
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["share"] = _share
    environment.filters["corpus"] = registry.title
    environment.filters["words"] = lambda text: str(text).replace("_", " ")
    environment.tests["missing"] = pd.isna
    environment.globals |= {"metrics": METRICS, "commonest": COMMONEST, "papers": ledger.PAPERS}
    return environment


def _share(value: float) -> str:
    return "–" if pd.isna(value) else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def _synthetic(results: pd.DataFrame, tables: Sequence[Table]) -> list[str]:
    """Return a run's tables on synthetic infants, or the notebooks that used them if none."""
    titles = [table.layout.title for table in tables if table.data == "synthetic"]
    return titles or sorted(set(results[results.data == "synthetic"].notebook))


def _summary(table: Table) -> dict[str, Any] | None:
    """Return ranges and counts of Table 2's cells that were measured under both protocols."""
    rows = table.rows[(table.rows.metric == "accuracy") & (table.rows.model != COMMONEST)]
    rows = rows[rows["clip"].notna() & rows.infant.notna()]
    if rows.empty:
        return None
    columns = ["clip", "infant", "published"]
    return {
        "ranges": rows[columns].agg(["min", "max"]).to_dict(),
        "commonest": rows.commonest.iloc[0],
        "significant": (rows.p_value < 0.05).sum(),
        "tested": rows.p_value.count(),
        "cells": len(rows),
    }


def _figures(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Return the run's figures by notebook, in the order drawn: caption, data and PNG of each."""
    by_notebook: dict[str, list[dict[str, str]]] = {}
    drawn = sorted((folder / "figures").glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    for path in drawn:
        text = _png_text(path)
        figure = {
            "key": path.stem,
            "caption": text.get("Description", path.stem),
            "data": text.get("Comment", ""),
            "picture": base64.b64encode(path.read_bytes()).decode(),
        }
        by_notebook.setdefault(text.get("Source", ""), []).append(figure)
    return dict(sorted(by_notebook.items()))


def _png_text(path: Path) -> dict[str, str]:
    """Return the texts that `plots.save` wrote into the picture: caption, data, notebook."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return {str(key): str(value) for key, value in image.info.items()}
    # ValueError: a chunk too short for its type.
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        return {}


def _merged(figures: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return the remarks in figures on infants counted as one because they share recordings."""
    notes = [figure["data"] for drawn in figures.values() for figure in drawn]
    return sorted(set(re.findall(r"\d+ infants counted as \d+", " ".join(notes))))


def _notebooks(folder: Path, names: Iterable[str]) -> list[Path]:
    paths = [folder / "notebooks" / f"{name}.ipynb" for name in names]
    return [path for path in paths if path.is_file()]


def _has_page(notebook: Path) -> bool:
    page = notebook.with_suffix(".html")
    return page.is_file() and page.stat().st_mtime_ns >= notebook.stat().st_mtime_ns


def _pages(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Write missing notebook pages; return each page's address relative to the report, by name."""
    from joblib import Parallel, cpu_count, delayed

    from cryutils.claims import notebook_page

    notebooks = _notebooks(folder, names)
    missing = [path for path in notebooks if not _has_page(path)]
    workers = Parallel(n_jobs=min(cpu_count(), max(1, len(missing))), return_as="generator")
    with counting("Notebooks as pages", "notebooks", shown=bool(missing)) as report:
        report(0, len(missing))
        for done, _ in enumerate(
            workers(delayed(notebook_page.write)(path) for path in missing), start=1
        ):
            report(done, len(missing))
    return {p.stem: f"notebooks/{p.stem}.html" for p in notebooks if _has_page(p)}


def print_scoreboard(folder: Path) -> None:
    """Print the papers' tables as the run in `folder` measured them, 80 columns wide."""
    console = _console()
    tables, name = _tables(folder, _read(folder)), printable(folder.name)
    if not tables:
        console.print(f"{name}: no table of a paper was measured in this run.")
    for table in tables:
        for metric in table.metrics:
            title = f"{name}: {table.layout.title}, {METRICS[metric]} in % on {table.data}"
            console.print(title, style="bold")
            if registry.is_synthetic(table.data):
                console.print("no evidence about real infants")
            is_first = metric == table.metrics[0]
            console.print(_printed(_percentages(table, metric, with_p=is_first)))
            for line in _remarks(table, metric):
                console.print(line)
            console.print()


def _console() -> rich.console.Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 80, markup=False, highlight=False)


def _percentages(table: Table, metric: str, *, with_p: bool) -> pd.DataFrame:
    """Return one metric of a table as texts, with an empty row to head each group."""
    texts = scoreboard.words(table.rows, metric).droplevel("table")
    splits = {scoreboard.SPLITS[split]: words for split, words in table.layout.splits.items()}
    names = {"published": "paper's\nfigure", **splits} | ({"p": "p"} if with_p else {})
    shown = [name for name in names if name in texts or name in splits]
    texts = texts.reindex(columns=shown, fill_value="–").rename(columns=names)
    parts = []
    for group, rows in texts.groupby(level="group", sort=False):
        rows = rows.droplevel("group")
        if group:
            parts.append(pd.DataFrame("", index=[str(group)], columns=texts.columns))
            rows = rows.rename(" {}".format)
        parts.append(rows)
    return pd.concat(parts)


def _remarks(table: Table, metric: str) -> Iterator[str]:
    """Yield the remarks needed to read one metric of a table."""
    if metric == table.metrics[0]:
        of = f", of {table.permutations} permutations" if table.permutations else ""
        yield (
            f"p: of the leak-free balanced accuracy, adjusted over the models{of}"
            if table.tested
            else "no p: this run tested none of these rows"
        )
        if table.layout.note:
            yield table.layout.note
    if metric == "accuracy" and not table.comparable:
        yield "no published figures: the paper has other classes"


def _printed(texts: pd.DataFrame, widths: Mapping[str, int] | None = None) -> rich.table.Table:
    """Return texts as a table for the terminal. widths: shares of the width; rows get gaps."""
    from rich import box
    from rich.table import Table as Printed

    # Narrow enough for 80 columns even if every score is "100 [100, 100]".
    printed = Printed(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    if widths:
        for heading in texts.columns:
            printed.add_column(heading, ratio=widths[heading])
    else:
        texts = texts.reset_index(names="")
        for heading in texts.columns:
            # Scores stay on one line; names of models may take two.
            side: Literal["left", "right"] = "right" if heading else "left"
            printed.add_column(heading.replace(" ", "\n"), justify=side, no_wrap=bool(heading))
    for row in texts.to_numpy():
        printed.add_row(*row)
        if widths:
            printed.add_row()
    return printed


def print_claims(judged: pd.DataFrame) -> None:
    """Print the ledger from `ledger.of_runs`, 80 columns wide, real and synthetic data apart."""
    console = _console()
    widths = {"claim": 36, "in print": 11, "paper's protocol": 20, "leak-free": 20}
    for (paper, data), rows in worded(judged).groupby(["paper", "data"], sort=False):
        where = f"on {printable(data)}" if data else "measured on nothing"
        console.print(f"{ledger.PAPERS[str(paper)]}: {where}", style="bold")
        if registry.is_synthetic(str(data)):
            console.print("no evidence about real infants")
        runs = rows.run.map(lambda run: f"; {printable(run)}" if run else "")
        claim = rows.claim + "\n" + rows.id + ", " + rows["where"] + runs
        columns = [claim, rows.figure, rows.paper_words, rows.leak_free_words]
        texts = pd.DataFrame(dict(zip(widths, columns, strict=True)))
        console.print(_printed(texts, widths))
    console.print("How many rows have which verdict:", style="bold")
    summary = ledger.summary(judged)
    summary.columns = [",\n".join(heading) for heading in summary.columns]
    console.print(_printed(summary.map(str)))


def worded(judged: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger, `judged`, with the texts that pages and the terminal show.

    Added columns: figure, paper_words, leak_free_words. If neither protocol was needed and both
    give the same verdict, it is shown once. Rows are sorted by paper and corpus, those without a
    corpus first, synthetic ones last.
    """
    records: Any = judged.to_dict("records")
    words = {
        f"{protocol}_words": [_judged(row, protocol) for row in records]
        for protocol in ledger.PROTOCOLS
    }
    figures = [_figure(row["value"], row["unit"]) for row in records]
    table = judged.assign(figure=figures, **words)
    alike = (table.data == "") & (table.leak_free_words == table.paper_words)
    table["leak_free_words"] = table.leak_free_words.mask(alike, "")
    synthetic = table.data.map(registry.is_synthetic).astype(bool)
    order = table.assign(synthetic=synthetic).sort_values(["paper", "synthetic", "data"])
    return order[table.columns]


def scrollable(judged: pd.DataFrame) -> str:
    """Return the ledger, `judged`, as an HTML table in a frame that scrolls."""
    texts = worded(judged)
    columns = {
        "id": texts.id,
        "where": texts["where"],
        "claim": texts.claim,
        "in print": texts.figure.replace("", "–"),
        "recordings": texts.data.replace("", "–"),
        "paper's protocol": texts.paper_words.str.replace("\n", "; "),
        "leak-free": texts.leak_free_words.str.replace("\n", "; "),
    }
    rows = pd.DataFrame(columns).to_html(index=False, justify="left")
    rows = rows.replace("<td>", '<td style="text-align: left">')
    return f'<div style="max-height: 36em; overflow: auto">{rows}</div>'


def _judged(row: dict[str, Any], protocol: str) -> str:
    """Return a line with the measurement, if any, and a line with the verdict and its reason."""
    value, low, high = (row[f"{protocol}_{name}"] for name in ("value", "low", "high"))
    if pd.isna(value) or not row["data"]:
        measured = ""
    elif row["unit"] == "share":
        measured = f"{in_percent(value, low, high)} %\n"
    elif pd.isna(low):
        measured = f"{_figure(value, row['unit'])}\n"
    else:
        measured = f"{value:z.2f} [{low:z.2f}, {high:z.2f}]\n"
    verdict = ledger.Judgement(row[f"{protocol}_verdict"], row[f"{protocol}_reason"])
    return f"{measured}{verdict}"


def _figure(value: float, unit: str) -> str:
    if pd.isna(value):
        return ""
    return f"{100 * value:.4g} %" if unit == "share" else f"{value:,.6g} {unit}".strip()
