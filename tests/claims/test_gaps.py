"""Stored predictions: back to arrays, and the difference between the two splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus

from cryutils import claims, evaluation
from cryutils.claims.board import paired_gaps
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation import NOT_DRAWN
from cryutils.evaluation.answers import answers


@pytest.fixture
def cries() -> Corpus:
    return corpus(["hungry", "pain", "tired"] * 16, [f"i{k // 4:02d}" for k in range(48)])


def answered(cries: Corpus, split: str, right: float, repeats: int) -> pd.DataFrame:
    """Return answers to 30 drawn clips; the first of each fold has none."""
    rng = np.random.default_rng(repeats)
    draws = [cries.draw(dict.fromkeys(cries.classes, 10), seed=k) for k in range(repeats)]
    truth = evaluation.class_indices(cries.labels)[0]

    def guess(_: np.ndarray, test: np.ndarray) -> np.ndarray:
        p = rng.random((len(test), 3))
        answer = (truth[test] + (rng.random(len(test)) >= right)) % 3
        p[np.arange(len(test)), answer] += 1
        p[0] = np.nan
        return p

    return evaluation.out_of_fold(guess, cries, split=split, folds=3, draws=draws)


def test_arrays_have_the_answers_of_the_table_in_any_order(cries: Corpus) -> None:
    table = answered(cries, "leak_free", 0.5, 3)
    arrays = answers(table.sample(frac=1, random_state=0))
    unit = {name: k for k, name in enumerate(arrays.units)}
    for row in table.itertuples():
        place = row.repeat, unit[row.clip]
        index = -1 if pd.isna(row.predicted) else cries.classes.index(row.predicted)
        assert arrays.predicted[place] == index
        assert place[1] in arrays.folds[row.repeat][row.fold][1]
        assert place[1] not in arrays.folds[row.repeat][row.fold][0]
        strengths = [row.p_hungry, row.p_pain, row.p_tired]
        np.testing.assert_array_equal(arrays.strengths[place], strengths)
    assert (arrays.predicted == NOT_DRAWN).sum() == arrays.predicted.size - len(table)


def test_windows_of_a_clip_stay_apart() -> None:
    table = pd.DataFrame(
        {
            "clip": ["a", "a", "b", "a", "a", "b"],
            "repeat": [0, 0, 0, 1, 1, 1],
            "fold": 0,
            "infant": ["i", "i", "j"] * 2,
            "truth": ["x", "x", "y"] * 2,
            "predicted": ["x", "y", None, "y", "x", "y"],
        }
    )
    stored = answers(table)
    assert stored.predicted.tolist() == [[0, 1, -1], [1, 0, 1]]
    assert stored.units.tolist() == ["a", "a", "b"]


@pytest.mark.parametrize("repeats", [1, 4])
def test_a_gap_is_the_paired_difference_between_the_splits(cries: Corpus, apart: Path, repeats: int) -> None:
    both = {
        split: answered(cries, split, right, repeats)
        for split, right in (("random", 0.8), ("leak_free", 0.4))
    }
    claims.begin("04_test")
    claims.record(pd.concat(both.values()), study="cry2", model="cry2")
    claims.record(both["random"], study="cry2", model="of one split")
    claims.write()
    (row,) = claims.split_gaps(study="cry2").itertuples()
    gap = evaluation.difference(both["random"], both["leak_free"])
    assert (row.model, row.data) == ("cry2", "cries")
    assert (row.value, row.low, row.high) == pytest.approx((gap.value, gap.low, gap.high))
    assert (row.n, row.n_infants) == (30, 12)


def test_a_model_that_always_answers_the_same_has_no_gap(cries: Corpus) -> None:
    tables = [answered(cries, split, 0.5, 3).assign(predicted="pain") for split in evaluation.SPLITS]
    about = dict.fromkeys(("study", "condition", "feature", "model"), "")
    assert paired_gaps(pd.concat(tables).assign(**about)).empty
