"""The report of all runs: the scoreboard and the ledger as text, and a page for each notebook.

nbconvert makes the pages from the executed notebooks. Used by the commands `cryutils report`,
`cryutils run` and `cryutils claims`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from cryutils._io.paths import writing
from cryutils.claims import board, ledger
from cryutils.claims.result_store import SPLITS
from cryutils.datasets.registry import is_synthetic, title

__all__ = ["claim_lines", "scoreboard_lines", "write"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .6rem; text-align: left }
.banner { background: #fff3cd; padding: .5rem 1rem }
"""
_SIMULATED = "Synthetic infants: no evidence about real infants."
_WIDGET = "application/vnd.jupyter.widget-view+json"
# A run can come from somebody else, so that a page's only scripts are these; an output's are not
# executed. nbconvert's MathJax 2 needs `eval`, with which outputs could execute theirs.
_MATHJAX = "https://cdn.jsdelivr.net/npm/mathjax@3.2.2/es5/"
_SETTING = r"MathJax = {tex: {inlineMath: [['$', '$'], ['\\(', '\\)']], tags: 'ams'}}"
_POLICY = (
    f"script-src {_MATHJAX} 'sha256-{b64encode(sha256(_SETTING.encode()).digest()).decode()}';"
    " object-src 'none'; frame-src 'none'; base-uri 'none'; form-action 'none'"
)
_HEAD = (
    f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    f'<script>{_SETTING}</script><script defer src="{_MATHJAX}tex-chtml.js"></script>'
)
# What nbconvert writes before that.
_BEFORE = r'<!DOCTYPE html>\s*<html lang="en">\s*<head>\s*'


def scoreboard_lines(scores: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the papers' tables, from `board.scores`."""
    short = {SPLITS["random_frames"]: "random, windows"}  # so that a line fits 80 columns
    for name, warning, texts in _tables(scores):
        yield name
        if warning:
            yield warning
        for group, rows in texts.rename(columns=short).groupby(level="group", sort=False):
            yield from [str(group)] * bool(group)
            yield from rows.droplevel("group").rename_axis(None).to_string().splitlines()
        yield ""


def _tables(scores: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield each table of a paper on each corpus, by metric: title, warning and texts."""
    layouts = {layout.title: layout for layout in board.LAYOUTS}
    for (data, table), rows in scores.groupby(["data", "table"], sort=False):
        for metric in layouts[str(table)].metrics:
            texts = board.words(rows, metric).droplevel("table")
            texts = texts.drop(columns=["commonest", "B"], errors="ignore")
            name = f"{table}, {board.METRICS[metric]} in % on {title(str(data))} ({rows.run.iloc[0]})"
            if len(texts):
                yield name, _SIMULATED * is_synthetic(str(data)), texts


def claim_lines(judged: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the ledger from `ledger.of_runs`, real and synthetic infants apart."""
    order = judged.assign(synthetic=judged.data.map(is_synthetic).astype(bool))
    order = order.sort_values(["paper", "synthetic", "data"])
    for (paper, data), rows in order.groupby(["paper", "data"], sort=False):
        yield f"Paper {paper}: {f'on {data}' if data else 'measured on nothing'}"
        if is_synthetic(str(data)):
            yield _SIMULATED
        for row in rows.to_dict("records"):
            yield f"- {row['claim']}"
            yield f"  {', '.join(filter(None, [row['id'], row['where'], row['run']]))}"
            if in_print := _number(row["unit"], row["value"]):
                yield f"  in print: {in_print}"
            texts = {SPLITS[split]: _judged(row, split) for split in ledger.SPLITS}
            if not data and len(set(texts.values())) == 1:
                yield f"  {texts[SPLITS['random']]}"
            else:
                yield from (f"  {split}: {text}" for split, text in texts.items())
        yield ""
    yield "How many rows have which verdict:"
    yield from ledger.summary(judged).to_string().splitlines()


def _judged(row: Mapping[Any, Any], split: str) -> str:
    """Return the measurement, if any, the verdict and its reason."""
    ends = (row[f"{split}_{name}"] for name in ("value", "low", "high"))
    measured = _number(row["unit"], *ends) if row["data"] else ""
    verdict, reason = row[f"{split}_verdict"], row[f"{split}_reason"]
    return f"{measured}{'; ' * bool(measured)}{verdict}{f' ({reason})' * bool(reason)}"


def _number(unit: str, value: float, low: float = nan, high: float = nan) -> str:
    """Return a number with its interval and unit, "" if it is missing."""
    if pd.isna(value):
        return ""
    factor, end = (100, " %") if unit == "share" else (1, f" {unit}".rstrip())
    if pd.isna(low):
        return f"{factor * value:,.6g}{end}"
    digits = "z.0f" if unit == "share" else "z.2f"
    return f"{factor * value:{digits}} [{factor * low:{digits}}, {factor * high:{digits}}]{end}"


def write(home: Path, runs: Mapping[str, pd.DataFrame]) -> Path:
    """Write `report/index.html` in `home`, the outputs folder, and a page for each notebook.

    runs: results by run name, as from `claims.every_run`. Pages that are newer than their notebook
    are kept. Returns the path of the index.
    """
    target = home / "report" / "index.html"
    parts = [
        "<h1>What may be concluded from an infant's cry?</h1>",
        '<p class="banner"><b>This is not a medical device.</b> Synthetic infants are never'
        " evidence about real ones.</p>",
        "<h2>Notebooks</h2>",
    ]
    for folder in sorted({path.parents[1] for path in home.glob("*/notebooks/*.ipynb")}):
        notebooks = sorted(folder.glob("notebooks/*.ipynb"))
        notebooks.sort(key=lambda path: not path.stem.startswith("14"))
        names = [_page(path, target.parent / folder.name) for path in notebooks]
        links = [f'<a href="{escape(f"{folder.name}/{n}")}.html">{escape(n)}</a>' for n in names]
        parts.append(f"<p><b>{escape(folder.name)}</b>: {', '.join(links)}</p>")
    parts.append("<h2>The scoreboard</h2>")
    for name, warning, texts in _tables(board.scores(runs)):
        parts.append(f"<h3>{escape(name)}</h3>{f'<p class=banner>{warning}</p>' * bool(warning)}")
        parts.append(texts.reset_index().to_html(index=False, border=0))
    head = '<!doctype html><html lang="en"><meta charset="utf-8">'
    head += f"<title>Infant cries: the report of all runs</title><style>{_STYLE}</style>"
    with writing(target) as part:
        part.write_text("\n".join([head, *parts, "</html>"]), encoding="utf-8")
    return target


def _page(notebook: Path, folder: Path) -> str:
    """Write an executed notebook as a page in `folder`, unless it is up to date.

    Returns its name.
    """
    import nbformat
    from nbconvert.exporters import HTMLExporter

    page = folder / f"{notebook.stem}.html"
    if page.is_file() and page.stat().st_mtime_ns >= notebook.stat().st_mtime_ns:
        with page.open(encoding="utf-8", errors="replace") as file:
            before, policy, _ = file.read(2 * len(_HEAD)).partition(_HEAD)
            # Not one of an earlier version, nor one that somebody has written.
            if policy and re.fullmatch(_BEFORE, before):
                return notebook.stem
    executed = nbformat.read(notebook, as_version=4)
    for cell in executed.cells:  # a widget needs a kernel; its text and pictures don't
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(_WIDGET, None)
    executed.metadata.pop("widgets", None)
    text, _ = HTMLExporter().from_notebook_node(executed)
    before, _, rest = text.partition('<meta charset="utf-8"/>')
    if not re.fullmatch(_BEFORE, before):
        raise RuntimeError("a page of nbconvert begins in another way, so it would have no policy")
    text = before + _HEAD + rest
    with writing(page) as part:  # links between notebooks lead to their pages
        part.write_text(re.sub(r'(<a href="[\w.]+)\.ipynb', r"\1.html", text), encoding="utf-8")
    return notebook.stem
