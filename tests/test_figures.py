"""The tool that draws the figures and fills the tables from the results of the reference runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import figures
import pandas as pd
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGES = list(figures.TABLES)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the pages, figures, ledger and stored results that the tool uses."""
    first = "notebooks/00_start_here.ipynb"
    for name in (*PAGES, figures.FIGURE, "docs/two_splits.png", first):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("data", "outputs/reference"):
        shutil.copytree(ROOT / name, tmp_path / name, dirs_exist_ok=True)
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(tmp_path))
    figures.scores.cache_clear()
    yield tmp_path
    figures.scores.cache_clear()


def measured(project: Path, key: str, split: str, value: float) -> None:
    """Change a stored result of the run `judged`."""
    path = project / "outputs" / "reference" / "judged" / "results.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    (row,) = (row for row in rows if (row["key"], row["split"]) == (key, split))
    path.write_text(json.dumps([*(r for r in rows if r is not row), row | {"value": value}]))
    figures.scores.cache_clear()


def test_table_1_has_the_papers_counts_next_to_those_of_the_corpus() -> None:
    table = figures.counts()
    assert table.loc["tired"].tolist() == ["24", "24", "20", "20"]
    assert table.loc["pain"].tolist() == ["38", "0", "20", "0"]
    assert table.loc["burping"].tolist() == ["–", "8", "–", "0"]


def test_the_pages_show_the_stored_results() -> None:
    figures.main(["--check"])  # an exit here: run tools/figures.py


def test_a_number_that_has_moved_is_named_then_written_and_nothing_differs_any_more(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Two pages and their quick tables.
    tables = {
        "docs/results.md": {"networks": figures.networks},
        "docs/article.md": {"table2": figures.table2},
    }
    monkeypatch.setattr(figures, "TABLES", tables)
    names = [*tables, "docs/table2.png"]
    before = {name: (project / name).read_bytes() for name in names}
    measured(project, "feature_validation.stft.svm.accuracy", "random", 0.399)
    measured(project, "cry2.accuracy", "leak_free", 0.4567)
    with pytest.raises(SystemExit, match="1"):
        figures.main(["--check"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: differs from outputs/reference" for name in tables]
    assert {name: (project / name).read_bytes() for name in names} == before
    figures.main([])
    assert {f"{name}: written" for name in names} <= {*capsys.readouterr().out.splitlines()}
    assert "| 46 [27, 48] |" in (project / "docs" / "results.md").read_text(encoding="utf-8")
    assert "| 40 [17, 39] |" in (project / "docs" / "article.md").read_text(encoding="utf-8")
    with Image.open(project / "docs" / "table2.png") as picture:
        assert picture.info["Description"].startswith("Paper A's Table 2")
    figures.main(["--check"])


@pytest.mark.parametrize("times", [0, 2])
def test_a_block_that_is_missing_or_doubled_is_refused(project: Path, times: int) -> None:
    text = "<!-- table: networks -->\n<!-- end -->"
    with pytest.raises(SystemExit, match=r"results\.md: the block networks"):
        figures.filled(text * times, "docs/results.md")


def test_a_rounded_zero_keeps_its_sign() -> None:
    rows = pd.DataFrame({"value": [0.08, -0.0], "low": [-0.00065, -0.1], "high": [0.15, 0.004]})
    assert figures.in_points(rows) == ["+8 [-0, +15]", "+0 [-10, +0]"]


def test_events_are_not_extrapolated_from_seconds_of_sound() -> None:
    table = figures.gate()["held out (events an hour)"]
    assert table["singing", "real"] == "–" and table["speech", "real"] == "32"
