"""The notebook tool keeps what the lesson needs and drops what differs from run to run."""

import base64
import importlib.util
import io
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from PIL import Image

from cryutils.course import runner as course

ROOT = Path(__file__).resolve().parents[2]
tool = SimpleNamespace(**runpy.run_path(str(ROOT / "tools" / "notebooks.py")))
NOTEBOOKS = course.notebooks()


def picture(colours: int) -> str:
    values = np.random.default_rng(0).integers(0, colours, (60, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_clean_keeps_tags_and_pictures_and_drops_views_and_stderr() -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "W"}
    cell = nbformat.v4.new_code_cell("1", metadata={"tags": ["a"], "papermill": {"duration": 1}})
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="noise"),
        nbformat.v4.new_output("stream", name="stdout", text="lesson"),
        nbformat.v4.new_output("display_data", data=view),
        nbformat.v4.new_output("display_data", data={"image/png": picture(4)}),
    ]
    cleaned = tool.clean(nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"x": 1}}))
    (clean_cell,) = cleaned.cells
    assert clean_cell.metadata == {"tags": ["a"]}
    assert "widgets" not in cleaned.metadata
    assert [o.get("text") for o in clean_cell.outputs] == ["lesson", None, None]
    assert list(clean_cell.outputs[1].data) == ["text/plain"]
    assert list(clean_cell.outputs[2].data) == ["image/png"]


def test_a_setup_cell_whose_clone_fails_ends_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    magics: list[str] = []
    shell = SimpleNamespace(system=magics.append, run_line_magic=lambda *words: magics.extend(words))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "google.colab", shell)
    monkeypatch.setattr(Path, "is_dir", lambda path: False)
    setup = TransformerManager().transform_cell(tool.SETUP)
    with pytest.raises(SystemExit, match="the course was not downloaded: "):
        exec(setup, {"get_ipython": lambda: shell})
    assert len(magics) == 1 and "git clone" in magics[0]
    monkeypatch.delitem(sys.modules, "google.colab")
    with pytest.raises(SystemExit, match="run `pip install -e"):  # elsewhere
        exec(setup)


# Colab


def test_every_notebook_and_readme_open_in_colab() -> None:
    """A failure after a change of the address: run `python tools/notebooks.py clean`."""
    for name, path in NOTEBOOKS.items():
        notebook = nbformat.read(path, as_version=4)
        (setup,) = [cell for cell in notebook.cells if cell.source.startswith(tool.TITLE)]
        assert tool.links(name) in notebook.cells[0].source
        assert setup.source.startswith(tool.setup(notebook))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(link in readme for link in tool.links("lesson_1_start_here").split(" · "))
    assert f"git clone {tool.REPOSITORY} && cd cryutils" in readme


def test_in_colab_the_setup_cell_installs_the_course_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clone is real, from this folder; pip prepares the installation, but does not install."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is nothing to clone")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{ROOT}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", tool.REPOSITORY)
    for name in ("PIP_DRY_RUN", "PIP_NO_DEPS", "PIP_NO_BUILD_ISOLATION"):
        monkeypatch.setenv(name, "1")
    hide = "import os, sys\nsys.path = [p for p in sys.path if not os.path.isdir(p + '/cryutils')]"
    setup = tool.SETUP.replace("/content", str(tmp_path))
    sources = [f"{hide}\nsys.modules['google.colab'] = sys", setup, setup, "print(cryutils.__file__)"]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))
    printed = [output.get("text") for cell in cells[1:] for output in cell.outputs]
    course = tmp_path / "course"
    assert printed[-1] == f"{course / 'cryutils' / '__init__.py'}\n"
    assert "".join(printed).count(f"{course / 'notebooks'}\n") == 1, printed
