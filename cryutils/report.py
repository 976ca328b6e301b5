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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cryutils import claims, run_folder
from cryutils.errors import InputError
from cryutils.locations import writing
from cryutils.models import CLASSIFIERS
from cryutils.tables import (
    Cell,
    EnsembleRow,
    ModelRow,
    majorities,
    paper_b,
    table1,
    table2,
    table3,
)

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["print_scoreboard", "write"]


def _read(folder: Path) -> pd.DataFrame:
    rows = claims.read_results(folder / "results.json")
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
    cells, commonest = table2(results), majorities(results)
    tables = {
        data: [c for c in cells if c.data == data] for data in sorted({c.data for c in cells})
    }
    ensembles, models = table3(results), paper_b(results)
    of_a = {
        data: {
            "rows": [row for row in ensembles if row.data == data],
            "verdicts": claims.verdicts(results[results.data == data], paper="A", every=True),
        }
        for data in sorted({row.data for row in ensembles})
    }
    of_b = {
        data: {
            "rows": [row for row in models if row.data == data],
            "verdicts": claims.verdicts(results[results.data == data], paper="B"),
        }
        for data in sorted({row.data for row in models})
    }
    page = environment.get_template("report.html").render(
        run=folder.name,
        corpora=sorted(set(results.data)),
        tables=tables,
        majorities=commonest,
        summaries={data: _summary(rows, commonest.get(data)) for data, rows in tables.items()},
        classifiers=CLASSIFIERS,
        table1=table1(results),
        table3=of_a,
        image=_image(folder, sorted(of_a)),
        paper_b=of_b,
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
    return [{"name": name, **state} for name, state in run_folder.states(folder).items()]


def _image(folder: Path, corpora: Sequence[str]) -> dict[str, str]:
    """Return by corpus what looked at the pictures of Table 3: the backbone, and whose weights.

    It stands in what the run's ensemble was kept with, which is of one corpus alone.
    """
    path = folder / "models" / "ensemble.json"
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        data, words = about["data"], about["backbone"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error}); remove it and run again.") from error
    return {data: words or "none, sound alone"} if data in corpora else {}


def print_scoreboard(runs: Sequence[Path]) -> None:
    """Print Tables 2 and 3 of Paper A and the models of Paper B of every run."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 100)
    for folder in runs:
        results = _read(folder)
        cells, ensembles, models = table2(results), table3(results), paper_b(results)
        if not cells and not ensembles and not models:
            console.print(f"{folder.name}: no table of a paper was measured in this run.")
        for data in sorted({cell.data for cell in cells}):
            rows = [cell for cell in cells if cell.data == data]
            console.print(_scoreboard(folder.name, data, rows, majorities(results).get(data)))
        of_a = sorted({row.data for row in ensembles})
        image = _image(folder, of_a)
        for data in of_a:
            rows_a = [row for row in ensembles if row.data == data]
            console.print(_ensembles(folder.name, rows_a, image.get(data)))
        for data in sorted({row.data for row in models}):
            console.print(_models(folder.name, [row for row in models if row.data == data]))


def _ensembles(run: str, rows: Sequence[EnsembleRow], image: str | None) -> Table:
    from rich.markup import escape
    from rich.table import Table

    data = rows[0].data
    table = Table(title=escape(f"{run}: Paper A, Table 3, accuracy on {data}{_warning(data)}"))
    if image is not None:
        table.caption = escape(f"image: {image}")
    for column in ("states", "model"):
        table.add_column(column)
    for column in ("published", "split by frame", "split by clip", "leak-free"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.pair, row.model, _share(row.published),
            *(_with_interval(found) for found in (row.frame, row.paper, row.leak_free)),
        )  # fmt: skip
    return table


def _models(run: str, rows: Sequence[ModelRow]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    data = rows[0].data
    table = Table(title=escape(f"{run}: Paper B, balanced accuracy on {data}{_warning(data)}"))
    table.add_column("model")
    for column in ("paper's protocol", "leak-free", "leak-free macro F1"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            _with_interval(row.balanced_accuracy["paper"]),
            _with_interval(row.balanced_accuracy["leak_free"]),
            _with_interval(row.macro_f1["leak_free"]),
        )
    return table


def _warning(data: str) -> str:
    return " — no evidence about real infants" if data == "synthetic" else ""


def _scoreboard(run: str, data: str, cells: Sequence[Cell], majority: float | None) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(f"{run}: Paper A, Table 2, accuracy on {data}{_warning(data)}"))
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
