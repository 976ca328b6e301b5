"""Bars of long work are gone when it is done, also from a saved notebook."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

SHOW = """
from cryutils._io import progress
progress._PIPE_S = 0.0
with progress.counting("Training", "networks") as report:
    for done in (1, 2):
        report(done, 2)
        {}
print("done")
"""


@pytest.mark.parametrize(("ends", "kept"), [("pass", [{}]), ("if done == 2: 1 / 0", None)])
def test_a_finished_bar_leaves_nothing_in_a_notebook(
    ends: str, kept: list[dict[str, str]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    cell = nbformat.v4.new_code_cell(SHOW.format(ends))
    client = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), allow_errors=True)
    client.execute()
    shown = [output.data for output in cell.outputs if output.output_type == "display_data"]
    assert not [data for data in shown if data], "no bar and no widget"
    if kept is not None:
        assert shown == kept
        assert [o.text for o in cell.outputs if o.output_type == "stream"] == ["done\n"]
