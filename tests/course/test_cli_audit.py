"""`cryutils audit` on a table, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from refusals import Command, mistake

EXAMPLE = Path(__file__).parents[1] / "data" / "table2_predictions.csv"


def test_an_audit_is_printed_as_tables_or_json(command: Command) -> None:
    code, out, _ = command("audit", str(EXAMPLE), "--permutations", "19")
    assert code == 0
    for text in ("33 [15, 51]", "13 [7, 32]", "20 [-12, 39]", "random split"):
        assert text in out
    code, out, _ = command("audit", str(EXAMPLE), "--permutations", "19", "--json")
    parts = json.loads(out, parse_constant=pytest.fail)
    assert list(parts) == ["classes", "scores", "leaks", "gaps", "notes"]
    assert parts["gaps"][0]["value"] == pytest.approx(0.2, abs=0.005)


def test_wrong_input_is_one_line(command: Command) -> None:
    assert "nowhere.csv" in mistake(command("audit", "nowhere.csv"))
