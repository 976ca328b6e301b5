"""The results store: what is recorded comes back, whole, and nothing else gets in."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryutils import claims
from cryutils._io import paths
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.evaluation.permutation import PermutationTest
from cryutils.papers import recognition


@pytest.fixture(autouse=True)
def run(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run."""
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(apart / "outputs" / "quick"))
    return apart / "outputs" / "quick"


def stored(run: Path, notebook: str) -> list[dict[str, object]]:
    return json.loads((run / "results" / f"{notebook}.json").read_text())


def merged(run: Path) -> list[object]:
    return [row["key"] for row in json.loads((run / "results.json").read_text())]


def test_a_result_is_stored_with_all_that_the_contract_names(run: Path) -> None:
    claims.begin("03_feature_validation", seed=7)
    claims.record(
        "feature_validation.stft.svm.accuracy", 0.4583, low=0.2, high=0.7, n=23, n_infants=11,
        protocol="leak_free", data="donateacry",
    )  # fmt: skip
    assert stored(run, "03_feature_validation") == [
        {
            "key": "feature_validation.stft.svm.accuracy", "value": 0.4583, "low": 0.2,
            "high": 0.7, "n": 23, "n_infants": 11, "protocol": "leak_free",
            "data": "donateacry", "notebook": "03_feature_validation", "seed": 7,
            "trainings": None, "permutations": None,
        }
    ]  # fmt: skip


def test_how_often_a_network_was_trained_is_stored_and_missing_in_older_files(run: Path) -> None:
    claims.begin("a")
    claims.record("k", 0.5, data="synthetic", trainings=np.int64(5))
    claims.record_table(pd.DataFrame([{"key": "n", "value": 1, "data": "x", "trainings": np.nan}]))
    assert [row["trainings"] for row in stored(run, "a")] == [5, None]
    later = ("trainings", "permutations")
    older = [{k: v for k, v in row.items() if k not in later} for row in stored(run, "a")]
    (run / "results" / "a.json").write_text(json.dumps(older))
    assert claims.load_results().trainings.tolist() == [None, None]


def test_a_p_value_is_stored_with_the_clips_that_were_tested_and_its_permutations(run) -> None:
    clips = [Clip(f"{k}", Path(f"{k}.wav"), label, f"infant{k}", "s", None, 1.0, True, False)
             for k, label in enumerate(["a", "b", "a", "b"])]  # fmt: skip
    corpus = Corpus(clips, name="mine", note="")
    scored = recognition.Scored(np.array([[0, 1, 0, 1]]), corpus, protocol="leak_free")
    test = PermutationTest(("m",), np.array([1.0]), np.array([[0.5], [1.0], [0.0]]), seed=0)
    claims.begin("a")
    assert claims.record_test("cry2", test, "m", scored) == "p = 0.5"
    (row,) = stored(run, "a")
    assert (row["key"], row["value"], row["permutations"]) == ("cry2.p_value", 0.5, 3)
    assert (row["n"], row["n_infants"], row["protocol"]) == (4, 4, "leak_free")
    assert (row["low"], row["high"], row["data"]) == (None, None, corpus.name)


def test_numbers_of_numpy_are_stored_as_plain_ones(run: Path) -> None:
    claims.begin("a")
    claims.record("k", np.float32(0.5), low=np.float64(0.25), n=np.int64(3), data="synthetic")
    (row,) = stored(run, "a")
    assert (row["value"], row["low"], row["n"]) == (0.5, 0.25, 3)
    assert (row["high"], row["protocol"], row["seed"]) == (None, None, None)


def test_a_key_is_kept_once_for_each_protocol_and_corpus(run: Path) -> None:
    claims.begin("a")
    for value, protocol, data in (
        (0.1, "paper", "x"), (0.2, "leak_free", "x"), (0.3, "paper", "y"), (0.4, "paper", "x"),
    ):  # fmt: skip
        claims.record("k", value, protocol=protocol, data=data)
    assert [row["value"] for row in stored(run, "a")] == [0.4, 0.2, 0.3]


def test_beginning_again_forgets_what_was_measured_before(run: Path) -> None:
    claims.begin("a")
    claims.record("old", 1, data="synthetic")
    claims.begin("a")
    assert stored(run, "a") == []
    assert claims.current() == "a"


def test_loading_gives_every_notebooks_rows(run: Path) -> None:
    for notebook in ("a", "b"):
        claims.begin(notebook, seed=1)
        claims.record(f"of.{notebook}", 1.5, data="synthetic")
    table = claims.load_results()
    assert list(table.columns) == list(claims.Result.__slots__)
    assert table.key.tolist() == ["of.a", "of.b"]
    assert table.equals(claims.load_results("quick"))
    assert table.equals(claims.load_results(run))


def test_loading_an_absent_run_names_the_folder() -> None:
    with pytest.raises(InputError, match=r"outputs/real: no results here; `cryutils run`"):
        claims.load_results("real")


def test_merging_keeps_the_notebooks_asked_for(run: Path) -> None:
    for notebook in ("a", "b", "c"):
        claims.begin(notebook)
        claims.record(f"of.{notebook}", 1.0, data="synthetic")
    assert claims.merge(run, ["a", "c"]) == []
    assert merged(run) == ["of.a", "of.c"]
    claims.merge(run)
    assert merged(run) == ["of.a", "of.b", "of.c"]
    (run / "results" / "b.json").write_text("[{")
    assert claims.merge(run) == claims.unreadable(run) == [run / "results" / "b.json"]
    assert merged(run) == ["of.a", "of.c"]
    with pytest.raises(InputError, match=r"b\.json: no JSON"):
        claims.load_results()


def test_a_writer_that_fails_leaves_the_old_results(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims.begin("a")
    claims.record("k", 1.0, data="synthetic")
    before = (run / "results" / "a.json").read_bytes()

    def fail(self: Path, text: str) -> None:
        with self.open("w") as half:
            half.write(text[: len(text) // 2])
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_text", fail)
        with pytest.raises(OSError, match="full"):
            claims.record("other", 2.0, data="synthetic")
    assert (run / "results" / "a.json").read_bytes() == before
    assert claims.load_results().key.tolist() == ["k"]


def test_what_a_killed_writer_left_is_never_read(run: Path) -> None:
    claims.begin("a")
    claims.record("k", 1.0, data="synthetic")
    writer = paths.writing(run / "results" / "b.json")
    part = writer.__enter__()  # and never left, as by a process that was killed
    part.write_text('[{"key": ')
    assert claims.load_results().key.tolist() == ["k"]
    claims.merge(run)
    assert merged(run) == ["k"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["value", "low", "high"])
def test_only_finite_numbers_are_results(run: Path, bad: float, where: str) -> None:
    claims.begin("a")
    numbers = {"value": 0.5, "low": 0.1, "high": 0.9, where: bad}
    with pytest.raises(InputError, match=r"k: .* isn't finite"):
        claims.record("k", **numbers, data="synthetic")
    assert stored(run, "a") == []


def test_another_protocol_is_refused() -> None:
    claims.begin("a")
    with pytest.raises(InputError, match="'leakfree' is neither 'paper' nor 'leak_free'"):
        claims.record("k", 0.5, protocol="leakfree", data="synthetic")


BEFORE = """
import pandas as pd
from cryutils import InputError, claims

answers = pd.DataFrame({"key": ["k"], "protocol": ["paper"], "data": ["mine"]})
for record in (lambda: claims.record("k", 0.5, data="mine"),
               lambda: claims.record_predictions(answers)):
    try:
        record()
    except InputError as error:
        print(error)
print(repr(claims.current()))
"""


def test_recording_before_beginning_is_refused(run: Path) -> None:
    # In a process of its own: in this one other tests have begun.
    done = subprocess.run([sys.executable, "-c", BEFORE], capture_output=True, text=True)
    first, second, name = done.stdout.splitlines()
    assert "claims.begin" in first and "claims.begin" in second and name == "''"
    assert not run.exists()


def test_by_hand_results_go_to_a_run_of_their_own(
    apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CRYUTILS_RUN_DIR")
    assert claims.run_dir() == apart / "outputs" / "manual"
    figure = claims.figure_path("f1")
    assert figure == apart / "outputs" / "manual" / "figures" / "f1.png"
    assert figure.parent.is_dir()


# Predictions


def answers(key: str, protocol: str, predicted: list[str | None]) -> pd.DataFrame:
    columns = {
        "key": key, "protocol": protocol, "data": "mine", "clip": ["a/1", "b/2"],
        "infant": ["a", "b"], "repeat": 0, "fold": [0, 1], "truth": ["hungry", "tired"],
        "predicted": predicted,
    }  # fmt: skip
    return pd.DataFrame(columns)


def test_predictions_are_kept_by_key_and_replaced_by_protocol(apart: Path) -> None:
    claims.begin("04_test", seed=3)
    both = pd.concat(
        [answers("cry2", "paper", ["hungry", None]), answers("x.y", "paper", ["a", "b"])]
    )
    claims.record_predictions(both)
    claims.record_predictions(answers("cry2", "leak_free", ["tired", "tired"]))
    claims.record_predictions(answers("cry2", "paper", ["hungry", "hungry"]))
    table = claims.load_predictions("cry2")
    assert table.protocol.tolist() == ["paper", "paper", "leak_free", "leak_free"]
    assert table.predicted.tolist() == ["hungry", "hungry", "tired", "tired"]
    assert set(table.seed) == {3} and "key" not in table
    assert claims.load_predictions("x.y", claims.run_dir()).predicted.tolist() == ["a", "b"]
    with pytest.raises(InputError, match=r"no predictions of that name\. Did you mean cry2"):
        claims.load_predictions("cry")


def test_what_benchmarks_printed_is_kept_by_name() -> None:
    (count,) = re.findall(r"rejected at 0\.05 in (\d+) of 200", claims.benchmark_output("audit"))
    assert int(count) <= 21, "a binomial(200, 0.05) exceeds that 5 times in ten thousand"
    assert "no evidence about infants" in claims.benchmark_output("audit")
    with pytest.raises(InputError, match=r"no such output is kept\. Did you mean audit"):
        claims.benchmark_output("audits")
