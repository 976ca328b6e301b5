"""What is recorded comes back whole; executions that finish or are killed leave a whole run."""

import json
import math
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cryutils import claims
from cryutils._io.paths import writing
from cryutils.claims import records
from cryutils.errors import InputError

ABOUT: dict[str, Any] = {"study": "s", "metric": "accuracy", "data": "mine"}


@pytest.fixture(autouse=True)
def run(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run."""
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(apart / "outputs" / "quick"))
    return apart / "outputs" / "quick"


def stored(run: Path, notebook: str) -> list[dict[str, Any]]:
    return json.loads((run / "results" / f"{notebook}.json").read_text())


def collected(notebook: str, **columns: Any) -> None:
    """Write a notebook with one result."""
    claims.begin(notebook)
    claims.record(1.0, **{**ABOUT, **columns})
    claims.write()


def test_a_result_is_stored_with_every_column(run: Path) -> None:
    columns = {"study": "s", "condition": "c", "feature": "stft", "model": "svm", "metric": "accuracy"}
    numbers = {"low": 0.2, "high": 0.7, "n": 23, "n_infants": 11, "trainings": None, "permutations": None}
    about = {**columns, "rival": "", **numbers, "split": "leak_free", "data": "donateacry"}
    claims.begin("03_feature_validation", seed=7)
    claims.record(0.4583, **about)
    claims.write()
    (row,) = stored(run, "03_feature_validation")
    origin = {"notebook": "03_feature_validation", "seed": 7, "value": 0.4583}
    assert row == about | origin | {"key": "s.c.stft.svm.accuracy"}


def test_a_number_measured_again_replaces_the_first() -> None:
    claims.begin("a")
    for value, split, data in ((0.1, "random", "x"), (0.2, "leak_free", "x"), (0.4, "random", "x")):
        claims.record(value, study="s", metric="m", split=split, data=data)
    assert claims.results().value.tolist() == [0.4, 0.2]
    claims.begin("a")
    assert claims.results().empty


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"value": math.nan}, "value: nan"),
        ({"split": "leakfree"}, "split: 'leakfree'"),
        ({"metrik": "accuracy"}, "metrik.*metric"),
        ({"data": ""}, "data"),
    ],
)
def test_what_is_no_result_is_refused_in_one_line(columns: dict[str, Any], message: str) -> None:
    claims.begin("a")
    value, rest = columns.get("value", 0.5), {k: v for k, v in columns.items() if k != "value"}
    with pytest.raises(InputError, match=message) as error:
        claims.record(value, **{**ABOUT, **rest})
    assert "\n" not in str(error.value)
    assert claims.results().empty


def test_loading_gives_every_notebooks_rows(run: Path) -> None:
    for notebook in ("a", "b"):
        collected(notebook, study=f"of_{notebook}")
    table = claims.load_results()
    assert list(table.columns) == [*stored(run, "a")[0]]
    assert table.study.tolist() == ["of_a", "of_b"]
    assert table.equals(claims.load_results("quick"))
    kept = claims.load_results("reference/simulated")  # whatever the outputs folder
    assert not kept.empty and not kept.equals(table)
    assert table.equals(claims.load_results(run))
    with pytest.raises(InputError, match=r"outputs/real: no results here; `cryutils run`"):
        claims.load_results("real")
    for content in ("[1]", "[" * 9999):
        (run / "results" / "a.json").write_text(content)
        with pytest.raises(InputError, match=r"a\.json: damaged or of an older version .*makes it again"):
            claims.load_results()


def answers(study: str, split: str, predicted: list[str | None], **columns: Any) -> pd.DataFrame:
    about = {"study": study, "split": split, "data": "mine", "repeat": 0, "fold": [0, 1]}
    clips = {"clip": ["a/1", "b/2"], "infant": ["a", "b"], "truth": ["hungry", "tired"]}
    return pd.DataFrame({**about, **clips, "predicted": predicted, **columns})


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


STATE = {"fingerprint": "f", "parameters": {}, "seconds": 1.0, "versions": {}}


def executed(run: Path, name: str, value: float, *figures: str) -> Path:
    """The execution of a notebook that recorded one number and wrote figures and a model."""
    (run / records.STAGING).mkdir(parents=True, exist_ok=True)
    staging = records.stage(run, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_RUN_DIR", str(staging))
        claims.begin(name)
        claims.record(value, study="made", metric=name, data="made")
        claims.write()
    texts = {f"figures/{figure}.png": f"{figure} {value}" for figure in figures}
    texts |= {f"models/{name}.keras": f"trained {value}", f"notebooks/{name}.ipynb": f"{value}"}
    for file, text in texts.items():
        (staging / file).parent.mkdir(exist_ok=True)
        (staging / file).write_text(text)
    return staging


def finished(run: Path, name: str, value: float, *figures: str) -> None:
    records.finish(executed(run, name, value, *figures), name, STATE)


def numbers(run: Path) -> dict[str, float]:
    rows = json.loads((run / "results.json").read_text())
    return {row["key"]: row["value"] for row in rows}


def is_whole(run: Path, name: str) -> bool:
    state = records.states(run).get(name)
    return state is not None and all((run / file).is_file() for file in state["files"])


def test_every_run_is_read_newest_first_and_the_reference_last(run: Path) -> None:
    home = run.parent
    for folder in (home / "older", home / "damaged", run):
        finished(folder, "01_first", 0.5)
    os.utime(home / "older" / "results.json", (1, 1))
    (home / "damaged" / "results.json").write_text("{")
    names = list(claims.every_run())
    assert names[:2] == ["quick", "older"] and "damaged" not in names
    assert all(name.startswith("reference/") for name in names[2:])


def test_a_notebook_sees_the_files_of_others_and_not_its_own_earlier_ones(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(run, "01_first", 0.5)
    finished(run, "02_second", 0.7)
    staging = records.stage(run, "02_second")
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(staging))
    claims.begin("02_second")
    claims.record(1.0, study="new", metric="n", data="made")
    claims.write()
    assert claims.run_dir().name == "quick"
    assert claims.load_results().key.tolist() == ["made.01_first", "new.n"]
    models = staging / "models"
    assert [path.name for path in models.iterdir()] == ["01_first.keras"]

    # A file that it writes again belongs to it.
    with writing(models / "01_first.keras") as part:
        part.write_text("trained again")
    assert (run / "models" / "01_first.keras").read_text() == "trained 0.5"


def _killed_at(step: int, staging: Path) -> None:
    """Finish, but be killed before the move of that number."""
    replace, steps = Path.replace, iter(range(1000))

    def replacing(path: Path, target: Path) -> Path:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", replacing)
        records.finish(staging, "01_first", STATE)
    os._exit(0)


def test_a_notebook_killed_while_its_files_are_replaced_is_not_done(run: Path) -> None:
    finished(run, "02_second", 0.7)
    for step in range(100):
        finished(run, "01_first", 0.5, "figure", "old")
        staging = executed(run, "01_first", 0.6, "figure")
        process = multiprocessing.get_context("fork").Process(target=_killed_at, args=(step, staging))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert numbers(run)["made.01_first"] in (0.5, 0.6), "whole at any time"
        records.clean(run)
        assert not [path for path in run.rglob("*") if path.name.startswith(".")]
        assert is_whole(run, "02_second")
        kept = {"made.01_first": 0.5} if is_whole(run, "01_first") else {}
        assert bool(kept) == (step == 0), "the first step is in the staging folder"
        assert numbers(run) == {**kept, "made.02_second": 0.7}
    assert step >= 6, "the state twice, four files, results.json"
    assert numbers(run) == {"made.01_first": 0.6, "made.02_second": 0.7}
    assert not (run / "figures" / "old.png").exists()
