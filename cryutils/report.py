"""Show runs: progress while they go, the scoreboard after, one self-contained HTML page each.

Everything shown is drawn from what the runs wrote (`results.json`, figures, state files)
and from the papers' figures in `data/claims.csv`; nothing is computed here.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cryutils import claims
from cryutils.locations import writing
from cryutils.models import CLASSIFIERS

__all__ = ["Cell", "print_scoreboard", "table1", "table2", "watching", "write"]

FEATURES = ("stft", "mfcc")


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of Table 2: the published accuracy beside ours under each protocol, shares 0-1."""

    feature: str
    classifier: str
    published: float
    paper: dict[str, Any] | None
    leak_free: dict[str, Any] | None
    p_value: float | None


def table2(results: pd.DataFrame) -> list[Cell]:
    """Return Table 2 of Paper A from a run's results, cells that weren't measured left out."""
    published = claims.published().set_index("key").value
    cells = []
    for feature in FEATURES:
        for model in CLASSIFIERS:
            key = f"feature_validation.{feature}.{model}"
            paper, leak_free = (
                _result(results, f"{key}.accuracy", protocol) for protocol in claims.PROTOCOLS
            )
            p = _result(results, f"{key}.p_value", "leak_free")
            if paper or leak_free:
                share = float(published[f"{key}.accuracy"])
                cells.append(
                    Cell(feature, model, share, paper, leak_free, p["value"] if p else None)
                )
    return cells


def table1(results: pd.DataFrame) -> pd.DataFrame:
    """Return Table 1 of Paper A beside a run's counts: one row a class, clips."""
    published = claims.published().set_index("key").value
    rows = {}
    for row in results[results.key.str.startswith("table1.")].itertuples():
        _, label, what = str(row.key).split(".")
        rows.setdefault(label, {})[what] = int(row.value)
        rows[label][f"published_{what}"] = published.get(row.key)
    return pd.DataFrame.from_dict(rows, orient="index")


def _result(results: pd.DataFrame, key: str, protocol: str | None) -> dict[str, Any] | None:
    found = results[results.key == key]
    found = found[found.protocol.isna() if protocol is None else found.protocol == protocol]
    return None if found.empty else found.iloc[-1].to_dict()


def write(folder: Path) -> Path:
    """Write `report.html` of the run in `folder`, a page that needs no other file; return it."""
    import jinja2

    results = pd.read_json(folder / "results.json", orient="records", dtype=False)
    if results.empty:
        results = pd.DataFrame(columns=list(claims.Result.__slots__))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = _share
    environment.filters["words"] = lambda text: str(text).replace("_", " ")
    majority = _result(results, "feature_validation.majority.accuracy", "leak_free")
    page = environment.get_template("report.html").render(
        run=folder.name,
        synthetic=bool(len(results)) and set(results.data) == {"synthetic"},
        corpora=sorted(set(results.data)),
        cells=table2(results),
        majority=majority,
        classifiers=CLASSIFIERS,
        table1=table1(results),
        summary=_summary(table2(results), majority),
        figures=_figures(folder),
        states=_states(folder),
        results=results.astype(object).where(results.notna(), None).to_dict("records"),
    )
    target = folder / "report.html"
    with writing(target) as part:
        part.write_text(page, encoding="utf-8")
    return target


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _summary(cells: Sequence[Cell], majority: dict[str, Any] | None) -> dict[str, Any] | None:
    measured = [cell for cell in cells if cell.paper and cell.leak_free]
    if not measured:
        return None
    ranges = {
        "published": [cell.published for cell in measured],
        "paper": [cell.paper["value"] for cell in measured if cell.paper],
        "leak_free": [cell.leak_free["value"] for cell in measured if cell.leak_free],
    }
    tested = [cell.p_value for cell in measured if cell.p_value is not None]
    return {
        **{name: (min(values), max(values)) for name, values in ranges.items()},
        "majority": majority["value"] if majority else None,
        "significant": sum(p < 0.05 for p in tested),
        "tested": len(tested),
        "cells": len(measured),
    }


def _figures(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Return the run's figures by notebook: title, and the picture as a data address."""
    by_notebook: dict[str, list[dict[str, str]]] = {}
    for path in sorted((folder / "figures").glob("*.png")):
        said = _png_text(path)
        picture = base64.b64encode(path.read_bytes()).decode()
        by_notebook.setdefault(said.get("Source", ""), []).append(
            {"key": path.stem, "title": said.get("Title", path.stem), "picture": picture}
        )
    return dict(sorted(by_notebook.items()))


def _png_text(path: Path) -> dict[str, str]:
    """Return what `plots.save` wrote into the picture: its title and its notebook."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return {key: str(value) for key, value in image.info.items()}
    except (OSError, struct.error):
        return {}


def _states(folder: Path) -> list[dict[str, Any]]:
    found = sorted((folder / "state").glob("*.json"))
    return [{"name": path.stem, **json.loads(path.read_text())} for path in found]


def print_scoreboard(runs: Sequence[Path]) -> None:
    """Print Table 2 of every run: published, the paper's protocol, leak-free, p."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 100)
    for folder in runs:
        results = pd.read_json(folder / "results.json", orient="records", dtype=False)
        cells = table2(results) if len(results) else []
        if not cells:
            console.print(f"{folder.name}: no row of Table 2 was measured in this run.")
            continue
        data = ", ".join(sorted(set(results.data)))
        warning = " — no evidence about real infants" if data == "synthetic" else ""
        table = Table(title=f"{folder.name}: Paper A, Table 2, accuracy on {data}{warning}")
        for column in ("feature", "classifier"):
            table.add_column(column)
        for column in ("published", "paper's protocol", "leak-free", "p"):
            table.add_column(column, justify="right")
        for cell in cells:
            table.add_row(
                cell.feature.upper(), CLASSIFIERS[cell.classifier], _share(cell.published),
                _with_interval(cell.paper), _with_interval(cell.leak_free),
                "–" if cell.p_value is None else f"{cell.p_value:.3f}",
            )  # fmt: skip
        majority = _result(results, "feature_validation.majority.accuracy", "leak_free")
        if majority:
            table.caption = (
                f"always the commonest class: {_share(majority['value'])}; p from the leak-free "
                "balanced accuracy, adjusted over all cells"
            )
        console.print(table)


def _with_interval(result: dict[str, Any] | None) -> str:
    if result is None:
        return "–"
    if result["low"] is None or pd.isna(result["low"]):
        return _share(result["value"])
    return f"{_share(result['value'])} [{100 * result['low']:.0f}, {100 * result['high']:.0f}]"


@contextmanager
def watching(names: Sequence[str], *, title: str) -> Iterator[Callable[[str, str, float], None]]:
    """Give `report(notebook, what, share)`: bars on a terminal, plain lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TextColumn("{task.fields[what]}"),
    )  # fmt: skip
    console.print(f"Run [bold]{title}[/bold]")
    with Progress(*columns, console=console) as bars:
        tasks = {
            name: bars.add_task(name, total=1.0, start=False, what="waiting") for name in names
        }

        def show(name: str, what: str, share: float) -> None:
            if what == "running" and share == 0:
                bars.start_task(tasks[name])
            bars.update(tasks[name], completed=share, what=what)
            if what != "running":
                bars.stop_task(tasks[name])

        yield show


def _plain_lines(name: str, what: str, share: float) -> None:
    if what != "running" or share == 0:
        said = {"kept": "finished before, kept", "running": "started"}.get(what, what)
        print(f"{name}: {said}", file=sys.stderr, flush=True)
