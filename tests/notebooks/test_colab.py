"""The notebooks run with Colab's versions, in the environment of `make test-colab`."""

from importlib import metadata
from pathlib import Path

import pytest
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from cryutils.course import runner as course

HERE = Path(__file__).parent
PINNED = dict(line.split("==") for line in (HERE / "colab.txt").read_text().splitlines() if "==" in line)
NOTEBOOKS = course.notebooks()

pytestmark = pytest.mark.skipif(
    metadata.version("ipywidgets") != PINNED["ipywidgets"],
    reason="needs the environment that `make test-colab` makes",
)


@pytest.mark.parametrize("package", sorted(PINNED))
def test_installing_the_course_changed_none_of_colabs_versions(package: str) -> None:
    assert metadata.version(package) == PINNED[package]


@pytest.mark.parametrize("name", list(NOTEBOOKS))
def test_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    monkeypatch.delenv("CRYUTILS_DATA_DIR", raising=False)
    (job,) = course.plan("quick", [name])  # the others need DonateACry
    notebook = parameterize_notebook(load_notebook_node(str(NOTEBOOKS[name])), job.parameters)
    client = NotebookClient(notebook, timeout=3600, startup_timeout=600, kernel_name="python3")
    client.execute(cwd=str(HERE.parents[1] / "notebooks"))
    records = any("claims.write()" in cell.source for cell in notebook.cells)
    assert (tmp_path / "run" / "results" / f"{name}.json").is_file() == records
