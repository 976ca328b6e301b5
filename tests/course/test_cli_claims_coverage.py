"""`cryutils claims --coverage` measures, prints what covers too seldom, and refuses what is odd."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryutils import claims
from cryutils.evaluation import intervals

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run with two intervals, of which one has the answers behind it."""
    folder = apart / "outputs" / "quick"
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(folder))
    claims.begin("04_cry2")
    truth, infants = np.repeat(["hungry", "tired"], 12), [f"i{k // 2}" for k in range(24)]
    predicted = np.where(np.arange(24) % 3 == 0, "tired", truth)
    score = intervals.interval((predicted == "tired").astype(int), truth, infants)
    record = {"protocol": "leak_free", "data": "donateacry"}
    claims.record_interval("cry2.balanced_accuracy", score, **record)  # type: ignore[arg-type]
    claims.record("cry2.gain.svm.balanced_accuracy", 0.1, low=0.0, high=0.2, **record)  # type: ignore[arg-type]
    claims.record_predictions(pd.DataFrame({
        **record, "key": "cry2", "clip": range(24), "infant": infants, "repeat": 0, "fold": 0,
        "truth": truth, "predicted": predicted,
    }))  # fmt: skip
    claims.merge(folder)
    return folder


def lower(run: Path, coverage: float) -> None:
    """Say of what was measured that it covers as seldom as that."""
    rows = json.loads((run / "coverage.json").read_text())
    rows = [row | {"coverage": coverage} if row["digest"] else row for row in rows]
    (run / "coverage.json").write_text(json.dumps(rows))


def test_it_measures_counts_and_prints_each_that_covers_too_seldom(
    run: Path, command: Command
) -> None:
    code, out, err = command("claims", "--coverage", "--run", "quick")
    assert (code, err) == (0, "")
    (row,) = (row for row in json.loads((run / "coverage.json").read_text()) if row["digest"])
    assert row["key"] == "cry2.balanced_accuracy" and row["coverage"] > 0.9
    share = f"{100 * row['coverage']:.1f} %"
    assert out.splitlines() == [
        f"quick: 2 intervals, 1 of them simulated, 0 below 93 %; the lowest {share}.",
        "  1 not simulated: its answers aren't kept clip by clip",
    ]
    lower(run, 0.891)
    code, out, _ = command("claims", "--coverage", "--run", "quick", "--data", "donateacry")
    score = "{value:.2f} [{low:.2f}, {high:.2f}]".format(**row)
    assert out.splitlines()[:2] == [
        "quick: 2 intervals, 1 of them simulated, 1 below 93 %; the lowest 89.1 %.",
        f"  cry2.balanced_accuracy (leak-free, donateacry): {score}, covers 89 %",
    ]


def test_its_json_has_a_row_an_interval(run: Path, command: Command) -> None:
    code, out, err = command("claims", "--coverage", "--run", "quick", "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out, parse_constant=pytest.fail)
    assert [row["run"] for row in rows] == ["quick", "quick"]
    assert [row["key"] for row in rows] == [
        "cry2.balanced_accuracy", "cry2.gain.svm.balanced_accuracy",
    ]  # fmt: skip
    assert rows[0]["coverage"] > 0.9 and rows[0]["reason"] == ""
    assert rows[1]["coverage"] is None and "aren't kept" in rows[1]["reason"]


def test_the_ledger_in_json_says_what_its_intervals_cover(run: Path, command: Command) -> None:
    _, out, _ = command("claims", "--run", "quick", "--json")
    assert all("coverage" not in row["leak_free"] for row in json.loads(out))
    command("claims", "--coverage", "--run", "quick")
    lower(run, 0.891)
    _, out, _ = command("claims", "--run", "quick", "--json")
    stated = {row["key"]: row["leak_free"]["coverage"] for row in json.loads(out)}
    assert stated["cry2.balanced_accuracy"] == 0.891
    _, out, _ = command("claims", "--run", "quick", "--data", "donateacry")
    assert "covers" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--run", "quick", "--paper", "A"], "--coverage, --paper: it is about results"),
        (["--run", "quick", "--verdict", "holds"], "leave out --verdict."),
        (["--run", "quick", "--kind", "number"], "leave out --kind."),
        (["--run", "quik"], "no run 'quik'. Did you mean quick?"),
        (["--run", "quick", "--data", "donatecry"],
         "no data 'donatecry'. Did you mean donateacry?"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_refused_before_anything_is_measured(
    arguments: list[str], words: str, run: Path, command: Command
) -> None:
    code, out, err = command("claims", "--coverage", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("cryutils: ") and words in err and err.count("\n") == 1
    assert not (run / "coverage.json").exists()
