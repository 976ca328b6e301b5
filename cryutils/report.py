"""Show finished runs: the scoreboard, and one self-contained HTML page each.

Everything shown is drawn from what the runs wrote (`results.json`, figures, state files)
and from the papers' figures in `data/claims.csv`; nothing is computed here.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cryutils import claims
from cryutils.errors import InputError
from cryutils.locations import writing
from cryutils.models import CLASSIFIERS

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Cell", "print_scoreboard", "table1", "table2", "write"]

FEATURES = ("stft", "mfcc")


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of Table 2: the published accuracy beside ours under each protocol, shares 0-1."""

    data: str
    feature: str
    classifier: str
    published: float
    paper: dict[str, Any] | None
    leak_free: dict[str, Any] | None
    p_value: float | None


def table2(results: pd.DataFrame) -> list[Cell]:
    """Return Table 2 of Paper A from a run's results, cells that weren't measured left out."""
    published = _published("Table 2")
    cells = []
    for data in sorted(set(results.data)):
        for feature in FEATURES:
            for model in CLASSIFIERS:
                key = f"feature_validation.{feature}.{model}"
                paper, leak_free = (
                    _result(results, f"{key}.accuracy", protocol, data)
                    for protocol in claims.PROTOCOLS
                )
                p = _result(results, f"{key}.p_value", "leak_free", data)
                if paper or leak_free:
                    share = published[f"{key}.accuracy"]
                    p_value = float(p["value"]) if p else None
                    cells.append(Cell(data, feature, model, share, paper, leak_free, p_value))
    return cells


def table1(results: pd.DataFrame) -> pd.DataFrame:
    """Return Table 1 of Paper A beside a run's counts: one row a class, clips, NaN for none."""
    published = _published("Table 1")
    rows: dict[str, dict[str, float]] = {}
    for key, value in zip(results.key, results.value, strict=True):
        if key.startswith("table1."):
            _, label, what = key.split(".")
            row = rows.setdefault(label, {})
            row[what] = float(value)
            row[f"published_{what}"] = published.get(key, float("nan"))
    columns = ["published_count", "count", "published_test_count", "test_count"]
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=columns, dtype=float)


def _published(where: str) -> dict[str, float]:
    figures = claims.published()
    figures = figures[figures["where"] == where]
    return dict(zip(figures.key, figures.value.astype(float), strict=True))


def _result(results: pd.DataFrame, key: str, protocol: str, data: str) -> dict[str, Any] | None:
    found = results[(results.key == key) & (results.protocol == protocol) & (results.data == data)]
    return None if found.empty else {str(k): v for k, v in found.iloc[-1].items()}


def _majorities(results: pd.DataFrame) -> dict[str, float]:
    key = "feature_validation.majority.accuracy"
    found = {data: _result(results, key, "leak_free", data) for data in set(results.data)}
    return {data: float(result["value"]) for data, result in found.items() if result}


def _read(folder: Path) -> pd.DataFrame:
    path = folder / "results.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: no JSON ({error}); remove it and run again.") from error
    return pd.DataFrame(rows, columns=list(claims.Result.__slots__))


def write(folder: Path) -> Path:
    """Write `report.html` of the run in `folder`, a page that needs no other file; return it."""
    import jinja2

    results = _read(folder)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = _share
    environment.filters["words"] = lambda text: str(text).replace("_", " ")
    cells, majorities = table2(results), _majorities(results)
    tables = {
        data: [c for c in cells if c.data == data] for data in sorted({c.data for c in cells})
    }
    page = environment.get_template("report.html").render(
        run=folder.name,
        corpora=sorted(set(results.data)),
        tables=tables,
        majorities=majorities,
        summaries={data: _summary(rows, majorities.get(data)) for data, rows in tables.items()},
        classifiers=CLASSIFIERS,
        table1=table1(results),
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


def _summary(cells: Sequence[Cell], majority: float | None) -> dict[str, Any] | None:
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
        "majority": majority,
        "significant": sum(p < 0.05 for p in tested),
        "tested": len(tested),
        "cells": len(measured),
    }


def _figures(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Return the run's figures by notebook, as drawn: title, and the picture as a data address."""
    by_notebook: dict[str, list[dict[str, str]]] = {}
    drawn = sorted((folder / "figures").glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    for path in drawn:
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
            return {str(key): str(value) for key, value in image.info.items()}
    except (OSError, struct.error):
        return {}


def _states(folder: Path) -> list[dict[str, Any]]:
    found = sorted((folder / "state").glob("*.json"))
    return [{"name": path.stem, **json.loads(path.read_text())} for path in found]


def print_scoreboard(runs: Sequence[Path]) -> None:
    """Print Table 2 of every run: published, the paper's protocol, leak-free, p."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 100)
    for folder in runs:
        results = _read(folder)
        cells = table2(results)
        if not cells:
            console.print(f"{folder.name}: no row of Table 2 was measured in this run.")
        for data in sorted({cell.data for cell in cells}):
            rows = [cell for cell in cells if cell.data == data]
            console.print(_scoreboard(folder.name, data, rows, _majorities(results).get(data)))


def _scoreboard(run: str, data: str, cells: Sequence[Cell], majority: float | None) -> Table:
    from rich.markup import escape
    from rich.table import Table

    warning = " — no evidence about real infants" if data == "synthetic" else ""
    table = Table(title=escape(f"{run}: Paper A, Table 2, accuracy on {data}{warning}"))
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
    if majority is not None:
        table.caption = (
            f"always the commonest class: {_share(majority)}; p from the leak-free "
            "balanced accuracy, adjusted over all cells"
        )
    return table


def _with_interval(result: dict[str, Any] | None) -> str:
    if result is None:
        return "–"
    if result["low"] is None or pd.isna(result["low"]):
        return _share(result["value"])
    return f"{_share(result['value'])} [{100 * result['low']:.0f}, {100 * result['high']:.0f}]"
