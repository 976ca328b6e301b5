"""The tool that draws the figures and fills the tables from the results of the reference runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import figures
import matplotlib.pyplot as plt
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGES = list(figures.TABLES)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the pages, figures, ledger and stored results that the tool uses."""
    for name in (*PAGES, *figures.FIGURES):
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


def test_a_number_that_has_moved_is_named_then_written_and_nothing_differs_any_more(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {page: (project / page).read_text(encoding="utf-8") for page in PAGES}
    assert figures.main(["--check"]) == 0, "run tools/figures.py"
    measured(project, "feature_validation.stft.svm.accuracy", "random", 0.399)
    measured(project, "cry2.accuracy", "leak_free", 0.4567)
    capsys.readouterr()
    assert figures.main(["--check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    names = ["README.md", "docs/article.md", "docs/results.md", "docs/table2.png"]
    assert lines == [f"{name}: differs from outputs/reference" for name in names]
    assert {page: (project / page).read_text(encoding="utf-8") for page in PAGES} == before
    assert figures.main([]) == 0
    assert "| 46 [28, 45] |" in (project / "README.md").read_text(encoding="utf-8")
    for page in ("article", "results"):
        assert "| 40 [19, 40] |" in (project / "docs" / f"{page}.md").read_text(encoding="utf-8")
    with Image.open(project / "docs" / "table2.png") as picture:
        assert picture.info["Description"].startswith("Paper A's Table 2")
    assert figures.main(["--check"]) == 0


@pytest.mark.parametrize("times", [0, 2])
def test_a_block_that_is_missing_or_doubled_is_refused(project: Path, times: int) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match=r"README\.md: the block networks"):
        figures.filled(text * times, "README.md")


def test_a_digest_is_of_what_is_drawn_and_not_of_how() -> None:
    def digest(x: float, title: str = "one", dpi: int = 100, colour: str = "red") -> str:
        figure, ax = plt.subplots(dpi=dpi)
        ax.plot([0, x], [0, 1], color=colour)
        ax.hlines([0.5], [0.1], [x])
        ax.set_title(title, loc="left")
        plt.close(figure)
        return figures.digest(figure)

    assert digest(0.5) == digest(0.5, dpi=50, colour="blue") == digest(0.5 + 1e-7)
    assert len({digest(0.5), digest(0.6), digest(0.5, "two")}) == 3
