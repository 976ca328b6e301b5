"""The results store: what is recorded comes back whole, and nothing else gets in."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryutils import claims
from cryutils.errors import InputError
from cryutils.evaluation import mean_interval

ABOUT: dict[str, Any] = {"study": "s", "metric": "accuracy", "data": "mine"}


@pytest.fixture(autouse=True)
def run(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run."""
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(apart / "outputs" / "quick"))
    return apart / "outputs" / "quick"


def stored(run: Path, notebook: str) -> list[dict[str, Any]]:
    return json.loads((run / "results" / f"{notebook}.json").read_text())


def studies(run: Path) -> list[str]:
    return [row["study"] for row in json.loads((run / "results.json").read_text())]


def collected(notebook: str, **columns: Any) -> None:
    """Write a notebook with one result."""
    claims.begin(notebook)
    claims.record(1.0, **{**ABOUT, **columns})
    claims.write()


def test_a_result_is_stored_with_every_column(run: Path) -> None:
    claims.begin("03_feature_validation", seed=7)
    claims.record(
        0.4583,
        low=0.2,
        high=0.7,
        n=23,
        n_infants=11,
        study="feature_validation",
        feature="stft",
        model="svm",
        metric="accuracy",
        split="leak_free",
        data="donateacry",
    )
    claims.write()
    assert stored(run, "03_feature_validation") == [
        {
            "key": "feature_validation.stft.svm.accuracy",
            "study": "feature_validation",
            "condition": "",
            "feature": "stft",
            "model": "svm",
            "rival": "",
            "metric": "accuracy",
            "split": "leak_free",
            "data": "donateacry",
            "value": 0.4583,
            "low": 0.2,
            "high": 0.7,
            "n": 23,
            "n_infants": 11,
            "trainings": None,
            "permutations": None,
            "notebook": "03_feature_validation",
            "seed": 7,
        }
    ]


def test_an_interval_brings_its_ends_clips_and_infants() -> None:
    interval = mean_interval(np.array([0.0, 1.0, 1.0, 0.0]), ["a", "a", "b", "c"], limits=(0, 1))
    claims.begin("a")
    claims.record(interval, **ABOUT, n=2)
    (row,) = claims.results().itertuples()
    assert (row.value, row.low, row.high) == (interval.value, interval.low, interval.high)
    assert (row.n, row.n_infants) == (2, 3), "what is given counts"


def test_a_number_measured_again_replaces_the_first() -> None:
    claims.begin("a")
    for value, split, data in (
        (0.1, "random", "x"),
        (0.2, "leak_free", "x"),
        (0.3, "random", "y"),
        (0.4, "random", "x"),
    ):
        claims.record(value, study="s", metric="m", split=split, data=data)
    assert claims.results().value.tolist() == [0.4, 0.2, 0.3]
    claims.begin("a")
    assert claims.results().empty


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"value": math.nan}, "value: nan"),
        ({"low": math.inf}, "low"),
        ({"split": "leakfree"}, "split: 'leakfree'"),
        ({"metrik": "accuracy"}, "metrik.*metric"),
        ({"data": ""}, "data"),
        ({"n": -1}, "n:"),
    ],
)
def test_what_is_no_result_is_refused_in_one_line(columns: dict[str, Any], message: str) -> None:
    claims.begin("a")
    value, rest = columns.get("value", 0.5), {k: v for k, v in columns.items() if k != "value"}
    with pytest.raises(InputError, match=message) as error:
        claims.record(value, **{**ABOUT, **rest})
    assert "\n" not in str(error.value)
    assert claims.results().empty


# Files


def test_loading_gives_every_notebooks_rows(run: Path) -> None:
    for notebook in ("a", "b"):
        collected(notebook, study=f"of_{notebook}")
    table = claims.load_results()
    assert list(table.columns) == ["key", *claims.Result.__slots__]
    assert table.study.tolist() == ["of_a", "of_b"]
    assert table.equals(claims.load_results("quick"))
    kept = claims.load_results("reference/simulated")  # whatever the outputs folder
    assert not kept.empty and not kept.equals(table)
    assert table.equals(claims.load_results(run))
    with pytest.raises(InputError, match=r"outputs/real: no results here; `cryutils run`"):
        claims.load_results("real")


def test_merging_keeps_the_notebooks_asked_for(run: Path) -> None:
    for notebook in ("a", "b", "c"):
        collected(notebook, study=notebook)
    claims.merge(run, ["a", "c"])
    assert studies(run) == ["a", "c"]
    (run / "results" / "b.json").write_text("[{")
    with pytest.raises(InputError, match=r"b\.json: damaged or of an older version"):
        claims.load_results()
    claims.merge(run, ["a", "b"])
    assert studies(run) == ["a"]
    assert not (run / "results" / "b.json").exists()


@pytest.mark.parametrize("content", ["[1]", '[{"key": "a.b", "value": 1, "protocol": "paper"}]', "[" * 9999])
def test_a_file_that_holds_no_results_is_named(run: Path, content: str) -> None:
    collected("a")
    path = run / "results" / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"a\.json: damaged or of an older version .*makes it again"):
        claims.read_results(path)


def test_by_hand_results_go_to_a_run_of_their_own(apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYUTILS_RUN_DIR")
    assert claims.run_dir() == apart / "outputs" / "manual"


def answers(study: str, split: str, predicted: list[str | None], **columns: Any) -> pd.DataFrame:
    rows = {
        "study": study,
        "split": split,
        "data": "mine",
        "clip": ["a/1", "b/2"],
        "infant": ["a", "b"],
        "repeat": 0,
        "fold": [0, 1],
        "truth": ["hungry", "tired"],
        "predicted": predicted,
        **columns,
    }
    return pd.DataFrame(rows)


def test_predictions_are_found_by_their_columns() -> None:
    claims.begin("04_test", seed=3)
    claims.record(answers("cry2", "random", ["hungry", None]), "accuracy", model="cry2")
    claims.record(answers("x", "random", ["a", "b"], p_a=[0.9, 0.1]), "accuracy")
    claims.record(answers("cry2", "leak_free", ["tired", "tired"]), "accuracy", model="cry2")
    claims.record(answers("cry2", "random", ["hungry", "hungry"]), "accuracy", model="cry2")
    claims.write()
    table = claims.load_predictions(study="cry2")
    assert table.split.tolist() == ["random", "random", "leak_free", "leak_free"]
    assert table.predicted.tolist() == ["hungry", "hungry", "tired", "tired"]
    assert set(table.seed) == {3} and "p_a" not in table
    other = claims.load_predictions(claims.run_dir(), study="x", split="random")
    assert other.p_a.tolist() == [0.9, 0.1] and set(other.model) == {""}
    with pytest.raises(InputError, match=r"predictions: no predictions of cry\.cry2 here"):
        claims.load_predictions(study="cry", model="cry2")


def test_results_are_selected_by_their_columns() -> None:
    about = {"study": "cry2", "rival": "", "metric": "balanced_accuracy"}
    results = claims.load_results("reference/judged", **about)
    assert set(results.data) == {"donateacry"} and {"cry2", "majority"} <= set(results.model)
    with pytest.raises(InputError, match="no results of cries"):
        claims.load_results("reference/judged", study="cries")
