"""An audit of predictions, by cases whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

import cryutils
from cryutils.claims import audit as audits
from cryutils.errors import InputError

EXAMPLE = Path(__file__).parents[1] / "data" / "table2_predictions.csv"


def answers(infants: int = 12, each: int = 4) -> pd.DataFrame:
    """With a random split every answer is right; leak-free, only the first class is."""
    rows = []
    for split in ("random", "leak_free"):
        for infant in range(infants):
            truth = ("hungry", "tired")[infant % 2]
            rows += [
                {
                    "clip": f"{infant}/{k}", "infant": f"infant {infant}", "truth": truth,
                    "prediction": truth if split == "random" else "hungry", "split": split,
                    "fold": k % 3 if split == "random" else infant // 2 % 3,
                }
                for k in range(each)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def audited(table: pd.DataFrame, folder: Path) -> audits.Audit:
    table.to_csv(folder / "table.csv", index=False)
    return audits.audit(audits.read(folder / "table.csv"), permutations=19)


def test_scores_leaks_and_gap_are_those_of_the_answers(tmp_path: Path) -> None:
    result = audited(answers(), tmp_path)
    scores = result.scores.set_index(["split", "metric"])
    assert scores.value["random split", "accuracy"] == 1
    assert scores.value["leak-free", "balanced accuracy"] == 0.5
    assert scores.guess["leak-free", "balanced accuracy"] == 0.5
    assert scores.value["leak-free", "macro F1"] == pytest.approx(1 / 3)
    assert scores.guess["leak-free", "macro F1"] == pytest.approx(1 / 3)
    leaks = result.leaks.set_index("split")
    assert leaks.shared.to_dict() == {"random split": 1, "leak-free": 0}
    assert leaks.p_value["random split"] == pytest.approx(
        0.05
    )  # the best of 19 permutations and itself
    (gap,) = result.gaps.itertuples()
    assert gap.value == 0.5
    assert result.classes.infants.tolist() == [6, 6]


def test_probabilities_answer_as_their_largest(tmp_path: Path) -> None:
    table = answers().query("split == 'leak_free'").drop(columns=["prediction", "split", "fold"])
    table["p_hungry"] = np.where(table.truth == "hungry", 0.9, 0.8)
    result = audited(table.assign(p_tired=1 - table.p_hungry), tmp_path)
    scores = result.scores.set_index("metric").value
    assert scores["accuracy"] == 0.5
    assert scores["area under the ROC curve"] == 1, "the ranking is perfect all the same"
    assert np.isnan(result.leaks.shared).all(), "without folds nobody knows"
    assert result.gaps.empty


def test_many_classes_are_not_mixed_up(tmp_path: Path) -> None:
    """With more than ten, the indices of classes sort differently as numbers and as texts."""
    names = [f"reason {k:02d}" for k in range(12)] * 5
    everyone = [f"infant {k}" for k in range(len(names))]
    columns = {"truth": names, "prediction": names, "infant": everyone, "clip": everyone}
    result = audited(pd.DataFrame(columns), tmp_path)
    assert set(result.scores[result.scores.metric != "area under the ROC curve"].value) == {1.0}
    assert result.leaks.p_value.tolist() == [0.05]


def test_the_example_is_of_table_2() -> None:
    table = audits.read(EXAMPLE)
    assert table.groupby("split").clip.nunique().tolist() == [76, 76]
    clips = table.drop_duplicates("clip")
    assert sorted(clips.groupby("truth").size()) == [16, 20, 20, 20]


def test_a_corpus_is_tested_with_both_splits() -> None:
    corpus = cryutils.load(
        "synthetic", infants=8, clips_per_infant=2, duration_s=2.0, sr=8000, progress=False
    )
    table = audits.of_corpus(corpus, n_folds=2, repeats=2)
    assert len(table) == 2 * 2 * len(corpus)
    leak_free = table[table.split == "leak_free"]
    assert (leak_free.groupby(["repeat", "infant"]).fold.nunique() == 1).all()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"drop": "infant"}, "infant"),
        ({"drop": "prediction"}, "prediction"),
        ({"split": "donor"}, "donor"),
        ({"clip": "0/0"}, "0/0"),
        ({"truth": None}, "truth"),
    ],
)
def test_a_table_that_cannot_be_audited_is_refused(tmp_path: Path, change: dict, word: str) -> None:
    table = answers()
    if column := change.pop("drop", None):
        table = table.drop(columns=column)
    table.assign(**change).to_csv(tmp_path / "table.csv", index=False)
    assert word in refusal(tmp_path / "table.csv", audits.read)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name in ("table.parquet", "table.csv"):
        (tmp_path / name).write_bytes(b"\x89PNG")
        refusal(tmp_path / name, audits.read)


def test_one_class_or_one_infant_is_too_few(tmp_path: Path) -> None:
    for column in ("truth", "infant"):
        with pytest.raises(InputError, match="an audit needs two classes"):
            audited(answers().assign(**{column: "one"}), tmp_path)
