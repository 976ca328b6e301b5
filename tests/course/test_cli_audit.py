"""`cryutils audit` on a table, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import Command, mistake

EXAMPLE = Path(__file__).parents[1] / "data" / "table2_predictions.csv"


def test_a_table_becomes_a_page(command: Command, tmp_path: Path) -> None:
    few = ["--simulations", "1", "--permutations", "19", "--output", str(tmp_path)]
    code, out, _ = command("audit", str(EXAMPLE), "--figures", "83.33", "--test", "6,5,6,6", *few)
    assert code == 0
    assert "83.33 %: mean of class recalls" in out
    assert out.splitlines()[-1] == f"Report: {tmp_path / 'table2_predictions.html'}"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html", ".json"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["nowhere.csv"], "nowhere.csv"), ([str(EXAMPLE), "--test", "six"], "--test 'six'")],
)
def test_wrong_input_is_one_line(command: Command, arguments: list[str], word: str) -> None:
    assert word in mistake(command("audit", *arguments))
