"""Stored predictions: back to arrays, and the difference between the two splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus

from cryutils import claims, evaluation, papers
from cryutils.claims.gaps import gaps
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation import NOT_DRAWN
from cryutils.evaluation.answers import answers


@pytest.fixture
def cries() -> Corpus:
    return corpus(["hungry", "pain", "tired"] * 16, [f"i{k // 4:02d}" for k in range(48)])


def scored(cries: Corpus, split: str, right: float, repeats: int) -> papers.Scored:
    rng = np.random.default_rng(repeats)
    draws = [cries.draw(dict.fromkeys(cries.classes, 10), seed=k) for k in range(repeats)]
    folds = evaluation.Split(split).folds_of_draws(cries, draws, n_splits=3)
    truth = evaluation.class_indices(cries.labels)[0]
    predicted = np.full((repeats, 48), NOT_DRAWN)
    for row, draw in zip(predicted, draws, strict=True):
        guesses = np.where(rng.random(30) < right, truth[draw], (truth[draw] + 1) % 3)
        row[draw] = guesses
        row[draw[:2]] = -1  # no answer
    strengths = rng.random((repeats, 48, 3))
    return papers.Scored(predicted, cries, split=split, strengths=strengths, folds=folds)


def test_answers_are_those_that_were_stored(cries: Corpus) -> None:
    given = scored(cries, "leak_free", 0.5, 3)
    table = given.predictions().sample(frac=1, random_state=0)  # in any order
    stored = answers(table)
    place = [[clip.id for clip in cries].index(unit) for unit in stored.units]
    np.testing.assert_array_equal(stored.predicted, given.predicted[:, place])
    np.testing.assert_array_equal(stored.truth, given.truth[place])
    np.testing.assert_array_equal(stored.infants, cries.infants[place])
    again = evaluation.auc_interval(stored.strengths, stored.truth, stored.infants, stored.folds)
    assert again.value == pytest.approx(given.interval("roc_auc").value)
    assert again.low == pytest.approx(given.interval("roc_auc").low)
    for (train, test), fold in zip(stored.folds[0], given.folds[0], strict=True):
        tested = {cries[int(k)].id for k in fold[1]}
        assert set(stored.units[test]) == tested
        assert set(stored.units[train]) == {cries[int(k)].id for k in fold[0]}


def test_windows_of_a_clip_stay_apart() -> None:
    table = pd.DataFrame(
        {
            "clip": ["a", "a", "b", "a", "a", "b"], "repeat": [0, 0, 0, 1, 1, 1], "fold": 0,
            "infant": ["i", "i", "j"] * 2, "truth": ["x", "x", "y"] * 2,
            "predicted": ["x", "y", None, "y", "x", "y"],
        }
    )  # fmt: skip
    stored = answers(table)
    assert stored.predicted.tolist() == [[0, 1, -1], [1, 0, 1]]
    assert stored.units.tolist() == ["a", "a", "b"]


@pytest.mark.parametrize("repeats", [1, 4])
def test_a_gap_is_the_paired_difference_between_the_splits(
    cries: Corpus, apart: Path, repeats: int
) -> None:
    both = {split: scored(cries, split, right, repeats)
            for split, right in (("random", 0.8), ("leak_free", 0.4))}  # fmt: skip
    claims.begin("04_test")
    for result in both.values():
        claims.record_scores(result, study="cry2", model="cry2")
    claims.record_scores(both["random"], study="cry2", model="of one split")
    claims.write()
    (row,) = claims.split_gaps(study="cry2").itertuples()
    gap = both["random"].minus(both["leak_free"])
    assert (row.model, row.data) == ("cry2", "cries")
    assert (row.value, row.low, row.high) == pytest.approx((gap.value, gap.low, gap.high))
    assert (row.n, row.n_infants) == (30, 12)


@pytest.mark.parametrize(
    "blind",
    [
        {"predicted": lambda rows: np.where(rows == NOT_DRAWN, NOT_DRAWN, 1)},
        {"strengths": lambda rows: np.zeros((*rows.shape, 3))},
    ],
    ids=["one answer", "no strengths"],
)
def test_a_model_that_always_answers_the_same_has_no_gap(cries: Corpus, blind) -> None:
    ((name, change),) = blind.items()
    tables = []
    for split in ("random", "leak_free"):
        given = scored(cries, split, 0.5, 3)
        tables.append(replace(given, **{name: change(given.predicted)}).predictions())
    about = dict.fromkeys(("study", "condition", "feature", "model"), "")
    assert gaps(pd.concat(tables).assign(**about)).empty
