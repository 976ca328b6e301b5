"""Show finished runs: the scoreboard of all of them, and one self-contained HTML page each.

Everything shown is drawn from what the runs wrote (`results.json`, figures, state files)
and from the papers' figures in `data/claims.csv`; nothing is computed here. Only the page's
links to the executed notebooks, made HTML beside them, need the run's folder.
"""

from __future__ import annotations

import base64
import re
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cryutils import claims
from cryutils._io.paths import outputs_dir, project_dir, writing
from cryutils._io.progress import counting
from cryutils.claims import ledger, run_folder, scoreboard
from cryutils.claims.tables import (
    COMMONEST,
    METRICS,
    TABLE2,
    TABLE3,
    Table,
    every,
    in_percent,
    table1,
)
from cryutils.errors import InputError, printable
from cryutils.models.model_card import ModelCard

if TYPE_CHECKING:
    import jinja2
    import rich.table

__all__ = ["damages", "every_run", "print_claims", "print_scoreboard", "rendered", "run_path",
           "scored", "worded", "write", "write_scoreboard"]  # fmt: skip


def _read(folder: Path) -> pd.DataFrame:
    """Return the run's results, put together again where `results.json` is missing or damaged."""
    path = folder / "results.json"
    try:
        rows = claims.read_results(path)
    except (InputError, FileNotFoundError):
        if path.is_file() and not any(folder.glob("results/*.json")):
            raise
        claims.merge(folder, run_folder.states(folder))
        rows = claims.read_results(path)
    return pd.DataFrame(rows, columns=list(claims.Result.__slots__))


def run_path(name: str) -> Path:
    """Return the folder of a run that `every_run` names."""
    return (project_dir() / "outputs" if name.startswith("reference/") else outputs_dir()) / name


def every_run(home: Path | None = None) -> dict[str, pd.DataFrame]:
    """Return the results of each run in `home`, the outputs folder, by its name, newest first.

    Columns as in `claims.Result`. The results that git keeps, `reference/<run>`, come after them. A
    run whose results can't be read is left out; `damages` names it.
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
    """Return a line for each file of a run that is damaged or missing, so its report lacks it."""
    states = run_folder.states(folder)
    broken = [
        *run_folder.unreadable(folder),
        *claims.unreadable(folder),
        *(path for path in _notebooks(folder, states) if not _has_page(path)),
    ]
    lines = [
        f"{path}: damaged, so {path.stem} counts as not done; run it again." for path in broken
    ]
    lines += [
        f"{path}: missing, so {path.stem} counts as not done; run it again."
        for path in run_folder.missing(folder)
    ]
    if (folder / "models" / "ensemble.json").is_file():
        try:
            ModelCard.read(folder / "models", "ensemble")
        except InputError as error:
            lines.append(str(error))
    return lines


def write(folder: Path) -> Path:
    """Write `report.html` of the run in `folder`, a page that stands alone; return its path."""
    results = _read(folder)
    tables = every(results)
    judged = ledger.judge(results)
    judged = judged[judged.paper.isin(judged.paper[judged.data != ""])]
    states, figures = _states(folder), _figures(folder)
    page = rendered(
        "report.html",
        run=printable(folder.name),
        corpora=sorted(set(results.data)),
        synthetic=_synthetic(results, tables),
        tables=tables,
        summaries={table.data: _summary(table) for table in tables if table.layout == TABLE2},
        judged=worded(judged),
        table1=table1(results),
        image=_image(folder, tables),
        figures=figures,
        merged=_merged(figures),
        states=states,
        pages=_pages(folder, [state["name"] for state in states]),
        results=results,
    )
    target = folder / "report.html"
    with writing(target) as part:
        part.write_text(page, encoding="utf-8")
    return target


def write_scoreboard(home: Path) -> Path:
    """Write `scoreboard.html` of all runs in `home` and of the reference; return its path."""
    target = home / "scoreboard.html"
    page = rendered("scoreboard.html", **scored(every_run(home)))
    with writing(target) as part:
        part.write_text(page, encoding="utf-8")
    return target


def scored(runs: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return what the scoreboard's template needs of the results of `runs`, by name."""
    shown, judged = scoreboard.entries(runs), ledger.of_runs(runs)
    concluded = scoreboard.conclusions(scoreboard.board(shown), judged)
    return {
        "runs": [printable(name) for name in runs],
        "real": [entry for entry in shown if not scoreboard.is_synthetic(entry.table.data)],
        "simulated": [entry for entry in shown if scoreboard.is_synthetic(entry.table.data)],
        "conclusions": {
            about: [sentence.text for sentence in concluded if sentence.about == about]
            for about in scoreboard.About
        },
        "summary": ledger.summary(judged),
        "judged": worded(judged),
    }


def rendered(template: str, **values: Any) -> str:
    """Return the page that a template in `claims/templates` makes of `values`."""
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["share"] = _share
    environment.filters["corpus"] = scoreboard.corpus_name
    environment.filters["words"] = lambda text: str(text).replace("_", " ")
    environment.tests["missing"] = pd.isna
    environment.globals |= {"metrics": METRICS, "commonest": COMMONEST, "papers": ledger.PAPERS}
    return environment


def _share(value: float) -> str:
    return "–" if pd.isna(value) else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def _synthetic(results: pd.DataFrame, tables: Sequence[Table]) -> list[str]:
    """Return what of a mixed run is of synthetic infants: its tables, else its notebooks."""
    titles = [table.layout.title for table in tables if table.data == "synthetic"]
    return titles or sorted(set(results[results.data == "synthetic"].notebook))


def _summary(table: Table) -> dict[str, Any] | None:
    """Return the lowest and highest accuracy of Table 2's cells with both protocols measured."""
    scores = table.scores[(table.scores.metric == "accuracy") & (table.scores.model != COMMONEST)]
    counts = scores.groupby(["group", "model"]).value.transform("count")
    cells = scores[counts == len(table.layout.splits)]
    if cells.empty:
        return None
    leak_free = cells[cells.split == "leak_free"]
    return {
        "ranges": cells.groupby("split").value.agg(["min", "max"]).to_dict("index"),
        "published": leak_free.published.agg(["min", "max"]).to_dict(),
        "commonest": leak_free.commonest.iloc[0],
        "significant": (leak_free.p_value < 0.05).sum(),
        "tested": leak_free.p_value.count(),
        "cells": len(leak_free),
    }


def _figures(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the run's figures by notebook, as drawn: what each shows, of which data, and how."""
    by_notebook: dict[str, list[dict[str, Any]]] = {}
    drawn = sorted((folder / "figures").glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    for path in drawn:
        text = _png_text(path)
        picture = base64.b64encode(path.read_bytes()).decode()
        by_notebook.setdefault(text.get("Source", ""), []).append(
            {
                "key": path.stem,
                "caption": text.get("Description", path.stem),
                "data": text.get("Comment", ""),
                "picture": picture,
            }
        )
    return dict(sorted(by_notebook.items()))


def _merged(figures: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return what a corpus' note, which its figures bear, says of infants who share recordings."""
    notes = [figure["data"] for drawn in figures.values() for figure in drawn]
    return sorted(set(re.findall(r"\d+ infants counted as \d+", " ".join(notes))))


def _png_text(path: Path) -> dict[str, str]:
    """Return what `plots.save` wrote into the picture: caption, data, notebook."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return {str(key): str(value) for key, value in image.info.items()}
    # ValueError: a chunk shorter than its kind.
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        return {}


def _states(folder: Path) -> list[dict[str, Any]]:
    return [{"name": name, **state} for name, state in run_folder.states(folder).items()]


def _image(folder: Path, tables: Iterable[Table]) -> dict[str, str]:
    """Return by corpus what looked at the pictures of Table 3: the backbone, and whose weights.

    It stands on the card of the run's ensemble, which is of one corpus alone.
    """
    with suppress(InputError, KeyError):  # no card, or a damaged one, which `damages` names
        card = ModelCard.read(folder / "models", "ensemble").content
        if card["data"] in [table.data for table in tables if table.layout == TABLE3]:
            return {card["data"]: card["backbone"] or "none, sound alone"}
    return {}


def _notebooks(folder: Path, names: Iterable[str]) -> list[Path]:
    paths = [folder / "notebooks" / f"{name}.ipynb" for name in names]
    return [path for path in paths if path.is_file()]


def _has_page(notebook: Path) -> bool:
    page = notebook.with_suffix(".html")
    return page.is_file() and page.stat().st_mtime_ns >= notebook.stat().st_mtime_ns


def _pages(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return by name the addresses of the executed notebooks as HTML, seen from the report."""
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


def print_scoreboard(runs: Sequence[Path]) -> None:
    """Print Tables 2 and 3 of Paper A and the models of Paper B of every run, 80 columns wide."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 80, markup=False, highlight=False)
    for folder in runs:
        tables, name = every(_read(folder)), printable(folder.name)
        if not tables:
            console.print(f"{name}: no table of a paper was measured in this run.")
        image = _image(folder, tables)
        for table in tables:
            for metric in table.metrics:
                title = f"{name}: {table.layout.title}, {METRICS[metric]} in % on {table.data}"
                console.print(title, style="bold")
                if table.data == "synthetic":
                    console.print("no evidence about real infants")
                console.print(_printed(table, metric))
                if metric == table.metrics[0] and table.tested:
                    of = f", of {table.permutations} permutations" if table.permutations else ""
                    console.print(
                        f"p: of the leak-free balanced accuracy, adjusted over the models{of}"
                    )
                elif metric == table.metrics[0]:
                    console.print("no p: this run tested none of these rows")
                if metric == table.metrics[0] and table.layout.note:
                    console.print(table.layout.note)
                if metric == "accuracy" and not table.comparable:
                    console.print("no published figures: the paper has other classes")
                if table.layout == TABLE3 and table.data in image:
                    console.print(f"image: {image[table.data]}")
                console.print()


def _printed(table: Table, metric: str) -> rich.table.Table:
    from rich import box
    from rich.table import Table as Printed

    scores = table.scores[table.scores.metric == metric]
    shows_published = bool(scores.published.notna().any())
    shows_p = metric == table.metrics[0] and table.tested
    # Narrow enough for 80 columns where every score is "100 [100, 100]".
    printed = Printed(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    printed.add_column("", no_wrap=True)
    splits = table.layout.splits.values()
    for column in [*["paper's\nfigure"] * shows_published, *splits, *["p"] * shows_p]:
        printed.add_column(column, justify="right")
    for group, models in scores.groupby("group", sort=False):
        if group:
            printed.add_row(str(group), style="bold")
        for model, cells in models.groupby("model", sort=False):
            row = cells.iloc[0]
            texts = [in_percent(*cell) for cell in cells[["value", "low", "high"]].to_numpy()]
            if shows_published:
                texts.insert(0, in_percent(row.published))
            if shows_p:
                texts.append("–" if pd.isna(row.p_value) else f"{row.p_value:.3f}")
            printed.add_row(f"{' ' if group else ''}{model}", *texts)
    return printed


def print_claims(judged: pd.DataFrame) -> None:
    """Print the ledger as `ledger.of_runs` judges it, 80 columns wide, real and synthetic apart."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Printed

    console = Console(width=None if sys.stdout.isatty() else 80, markup=False, highlight=False)
    for (paper, data), rows in worded(judged).groupby(["paper", "data"], sort=False):
        where = f"on {printable(data)}" if data else "measured on nothing"
        console.print(f"{ledger.PAPERS[str(paper)]}: {where}", style="bold")
        if str(data).startswith("synthetic"):
            console.print("no evidence about real infants")
        printed = Printed(
            box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1)
        )
        for column in ("claim", "in print", "paper's protocol", "leak-free"):
            printed.add_column(column, ratio={"claim": 36, "in print": 11}.get(column, 20))
        for row in rows.itertuples():
            claim = f"{row.claim}\n{row.id}, {row.where}" + f"; {printable(row.run)}" * bool(
                row.run
            )
            printed.add_row(claim, str(row.figure), str(row.paper_words), str(row.leak_free_words))
            printed.add_row()
        console.print(printed)
    console.print("How many rows have which verdict:", style="bold")
    console.print(_counted(ledger.summary(judged)))


def _counted(summary: pd.DataFrame) -> rich.table.Table:
    from rich import box
    from rich.table import Table as Printed

    printed = Printed(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    printed.add_column("")
    for heading in summary.columns:
        printed.add_column(",\n".join(heading), justify="right")
    for verdict, counts in summary.iterrows():
        printed.add_row(str(verdict), *map(str, counts))
    return printed


def worded(judged: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger, `judged`, with the texts that page and terminal show of it.

    Columns, beside its own: figure, paper_words, leak_free_words.

    A verdict that is the same under both protocols, since neither was needed, stands once. Rows of
    a paper come by corpus, those that no corpus was needed for first, synthetic ones last.
    """
    rows = []
    records: Any = judged.to_dict("records")
    for row in records:
        words = {f"{protocol}_words": _judged(row, protocol) for protocol in claims.PROTOCOLS}
        if not row["data"] and words["leak_free_words"] == words["paper_words"]:
            words["leak_free_words"] = ""
        rows.append({"run": "", **row, **words, "figure": _figure(row["value"], row["unit"])})
    table = pd.DataFrame(rows, columns=[*judged.columns.union(["run"], sort=False),
                                        "figure", "paper_words", "leak_free_words"])  # fmt: skip
    synthetic = table.data.str.startswith("synthetic")
    order = table.assign(synthetic=synthetic, place=range(len(table)))
    return order.sort_values(["paper", "synthetic", "data", "place"])[table.columns]


def _judged(row: dict[str, Any], protocol: str) -> str:
    """Return a line of what was measured, and one of the verdict with its reason."""
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
