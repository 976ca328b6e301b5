"""The replication report: one page in the style of a ReScience article, on all results.

Abstract, methods with every choice that the papers leave open, results, the ledger number by
number, deviations and limits. It extends the scoreboard's page (`report`), so no number in it is
written by hand. `cryutils article` and `make article` write it; no notebook uses this module.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import cryutils
from cryutils._io.paths import project_dir, writing
from cryutils.claims import ledger, report, scoreboard
from cryutils.datasets import registry

__all__ = ["STUDIES", "write"]

STUDIES = {
    "Table 2": "Paper A, Table 2",
    "Table 3": "Paper A, Table 3",
    "Paper B": "Paper B",
}


def write(target: Path, runs: Mapping[str, pd.DataFrame], pictures: Mapping[str, bytes]) -> Path:
    """Write the article on the results of all `runs` to `target`; return its path.

    runs: results by run name. pictures: the figure of the scores as a PNG file, by corpus.
    """
    values = report.scored(runs)
    page = report.rendered(
        "article.html",
        **values,
        **_ledger(values["judged"]),
        version=cryutils.__version__,
        pictures={
            synthetic: {
                data: base64.b64encode(picture).decode()
                for data, picture in pictures.items()
                if registry.is_synthetic(data) == synthetic
            }
            for synthetic in (False, True)
        },
        unstated={words: ledger.unstated(study) for study, words in STUDIES.items()},
        deviations=_html(project_dir() / "docs" / "deviations.md"),
        infants=_infants(values["real"]),
    )
    with writing(target) as part:
        part.write_text(page, encoding="utf-8")
    return target


def _ledger(judged: pd.DataFrame) -> dict[str, Any]:
    """Return the ledger in parts, each of its rows in exactly one of them."""
    synthetic = judged.data.map(registry.is_synthetic)
    stated = judged[judged.data == ""]
    printed = stated.paper_verdict != ledger.Verdict.CANNOT_BE_TESTED
    return {
        "measured": dict(list(judged[(judged.data != "") & ~synthetic].groupby("data"))),
        "printed": stated[printed],
        "untested": stated[~printed],
        "simulation": judged[synthetic],
    }


def _infants(tables: list[scoreboard.Table]) -> dict[str, int]:
    """Return by corpus the largest number of infants in any of its tables."""
    counts: dict[str, int] = {}
    for table in tables:
        n = table.rows.n_infants.max()
        if not pd.isna(n):
            counts[table.data] = max(counts.get(table.data, 0), int(n))
    return counts


def _html(path: Path) -> str:
    """Return a Markdown file as HTML, without its heading; "" if there is no such file."""
    from nbconvert.filters import markdown2html

    if not path.is_file():
        return ""
    return str(markdown2html(path.read_text(encoding="utf-8").partition("\n")[2]))
