"""The notebook tool keeps what the lesson needs and drops what differs from run to run."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from types import ModuleType

import nbformat
import numpy as np
import pytest
from PIL import Image


def picture(colours: int) -> str:
    values = np.random.default_rng(0).integers(0, colours, (60, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def opened(png: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(png)))


def test_pictures_get_smaller_and_stay_of_one_size(tool: ModuleType) -> None:
    before = picture(256)
    after = tool.smaller(before)
    assert len(after) < 0.6 * len(before)
    assert opened(after).size == opened(before).size


def test_few_colours_stay_exactly_as_they_are(tool: ModuleType) -> None:
    before = picture(4)  # at most 64 colours
    np.testing.assert_array_equal(
        np.asarray(opened(tool.smaller(before)).convert("RGB")), np.asarray(opened(before))
    )


def test_making_smaller_twice_changes_nothing_more(tool: ModuleType) -> None:
    once = tool.smaller(picture(256))
    assert tool.smaller(once) == once


def test_clean_keeps_tags_and_pictures_and_drops_views_and_stderr(tool: ModuleType) -> None:
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


def test_a_widget_without_a_picture_is_one_sentence(tool: ModuleType) -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}
    cells = [nbformat.v4.new_code_cell("1", metadata={"tags": ["nbval-ignore-output"]})]
    cells[0].outputs = [nbformat.v4.new_output("display_data", data=view)]
    (cell,) = tool.clean(nbformat.v4.new_notebook(cells=cells)).cells
    assert cell.outputs[0].data == {"text/plain": "(a widget: run the cell to use it)"}


def test_clean_folds_a_solution_with_its_output(tool: ModuleType) -> None:
    """JupyterLab goes by `outputs_hidden`, Colab and the classic notebook by `collapsed`."""
    hidden = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["solution"]}
    cells = [nbformat.v4.new_code_cell("1", metadata=m) for m in (hidden, {"tags": ["other"]})]
    once = tool.clean(nbformat.v4.new_notebook(cells=cells))
    solution, other = tool.clean(once).cells
    assert solution.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
    assert solution.metadata.collapsed is True
    assert other.metadata == {"tags": ["other"]}


def test_students_see_what_their_solution_prints(tool: ModuleType, tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("1", metadata={"tags": ["solution"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "00_a.ipynb")
    tool.students(tmp_path / "00_a.ipynb", tmp_path / "edition")
    (stripped,) = nbformat.read(tmp_path / "edition" / "00_a.ipynb", as_version=4).cells
    assert stripped.metadata == {"tags": ["solution"]}


@pytest.mark.parametrize(
    ("name", "message"),
    [("0", "notebook '0': give more of the name; it fits 00_start_here, "),
     ("99", "no notebook '99'. Known: 00_start_here, ")],
)  # fmt: skip
def test_a_wrong_name_is_refused(
    name: str, message: str, tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["clean", name]) == 2
    assert capsys.readouterr().err.startswith(message)


def test_a_beginning_names_the_notebook(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    paths = [tmp_path / "notebooks" / f"{name}.ipynb" for name in ("01_first", "02_second")]
    for path in paths:
        nbformat.write(nbformat.v4.new_notebook(metadata={"odd": 1}), path)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    assert tool.main(["clean", "02"]) == 0
    assert ["odd" in nbformat.read(path, as_version=4).metadata for path in paths] == [True, False]
