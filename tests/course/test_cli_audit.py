"""`cryutils audit` on a table, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from refusals import Command, mistake

EXAMPLE = Path(__file__).parents[1] / "data" / "table2_predictions.csv"


def test_an_audit_is_printed_as_tables_or_json(command: Command) -> None:
    code, out, _ = command("audit", str(EXAMPLE), "--permutations", "19")
    assert code == 0
    for text in ("33 [15, 51]", "13 [7, 32]", "20 [-11, 52]", "random split"):
        assert text in out
    code, out, _ = command("audit", str(EXAMPLE), "--permutations", "19", "--json")
    parts = json.loads(out, parse_constant=pytest.fail)
    assert list(parts) == ["classes", "scores", "leaks", "gaps", "notes"]
    assert parts["gaps"][0]["value"] == pytest.approx(0.2, abs=0.005)


def test_an_audit_of_a_folder_counts_its_problems(command: Command, apart: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(10):
        folder = apart / "own" / ("hungry", "tired")[k % 2] / f"infant{k}"
        folder.mkdir(parents=True)
        soundfile.write(folder / "1.wav", 0.1 * rng.normal(size=8000), 8000)
    code, out, _ = command("audit", str(apart / "own"), "--permutations", "19")
    assert code == 0
    assert "Problems of these recordings: 0;" in out


def test_a_single_test_set_says_unknown_or_compares_the_training_infants(
    command: Command, apart: Path
) -> None:
    rows = [f"c{k},i{k},{'ab'[k % 2]},{'ab'[k % 2]},phone {k % 3}" for k in range(20)]
    lines = ["clip,infant,truth,prediction,device", *rows]
    Path("test.csv").write_text("\n".join(lines), encoding="utf-8")
    Path("train.csv").write_text("\n".join(["infant", *(f"i{k}" for k in range(9))]), "utf-8")
    code, out, _ = command("audit", "test.csv", "--permutations", "19")
    assert code == 0 and "unknown" in out and "of the device alone" in out
    code, out, _ = command("audit", "test.csv", "--train-infants", "train.csv")
    assert code == 0 and " 45 " in out and "unknown" not in out


def test_wrong_input_is_one_line(command: Command, apart: Path) -> None:
    assert "nowhere.csv" in mistake(command("audit", "nowhere.csv"))
    assert "none.csv" in mistake(command("audit", str(EXAMPLE), "--train-infants", "none.csv"))
    (apart / "own").mkdir()
    assert "own" in mistake(command("audit", "own", "--train-infants", "none.csv"))
    assert "own" in mistake(command("audit", "own", "--distinct-infants"))
    rows = [f"c{k},{'bB'[k % 2]}{k // 4},{'xy'[k // 2 % 2]},x" for k in range(40)]
    Path("test.csv").write_text("\n".join(["clip,infant,truth,prediction", *rows]), "utf-8")
    assert "'b0'" in mistake(command("audit", "test.csv"))
    assert command("audit", "test.csv", "--permutations", "19", "--distinct-infants")[0] == 0
