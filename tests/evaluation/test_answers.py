"""Experiments: the loop over folds, its table, and scores of such tables."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus
from sklearn.metrics import precision_recall_fscore_support, recall_score
from sklearn.neighbors import KNeighborsClassifier

from cryutils import claims, evaluation
from cryutils.errors import InputError
from cryutils.evaluation.intervals import mean_interval

CRIES = corpus(["hungry", "pain", "tired"] * 20, [f"i{k // 5:02d}" for k in range(60)])
Y = evaluation.class_indices(CRIES.labels)[0]
X = np.random.default_rng(1).normal(size=(60, 2)) + Y[:, None]


def neighbours(train: np.ndarray, test: np.ndarray, k: int = 3) -> Any:
    return KNeighborsClassifier(k).fit(X[train], Y[train]).predict_proba(X[test])


def test_ready_answers_give_the_same_table_and_folds_that_leak_do_not() -> None:
    folds = evaluation.Split.RANDOM.k_folds(CRIES, n_splits=4, repeats=2, seed=3)
    expected = evaluation.out_of_fold(neighbours, CRIES, split="random", folds=folds)
    p = np.full((2, 60, 3), np.nan)
    for row, repeat in zip(p, folds, strict=True):
        for train, test in repeat:
            row[test] = neighbours(train, test)
    table = evaluation.answers_table(p, CRIES, folds, split="random")
    assert (table.truth == table["clip"].map(dict(zip(CRIES.ids, CRIES.labels, strict=True)))).all()
    pd.testing.assert_frame_equal(table, expected)
    with pytest.raises(InputError, match="in training and in test"):
        evaluation.answers_table(p, CRIES, folds, split="leak_free")
    with pytest.raises(InputError, match="2 repeats of 60 clips"):
        evaluation.answers_table(p[:1], CRIES, folds, split="random")


def test_an_experiment_gets_the_seed_and_the_numbers_of_its_fold() -> None:
    def told(train: np.ndarray, test: np.ndarray, seed: int, repeat: int, fold: int) -> Any:
        assert seed == evaluation.fold_seed(1, repeat, fold)
        return np.full((len(test), len(CRIES.classes)), 10.0 * repeat + fold)

    table = evaluation.out_of_fold(told, CRIES, split="leak_free", folds=2, repeats=2, seed=1)
    assert (table[f"p_{CRIES.classes[0]}"] == 10 * table.repeat + table.fold).all()


def test_baselines_know_the_features_or_the_group_alone() -> None:
    answered = evaluation.linear(X, CRIES.labels)(np.arange(0, 60, 2), np.arange(1, 60, 2))
    assert np.mean(answered == CRIES.labels[1::2]) > 0.5
    phones = np.array(["iOS", None])[[0, 0, 0, 1, 1, 1, 1, 1]]
    rule = evaluation.group_rule(phones, [*"aabbbbca"])
    # Weighted: of iOS a has 2/2 and b 1/4, of None b 3/4.
    p = rule(np.arange(6), np.array([7, 0]))
    np.testing.assert_allclose(p, [[0, 1, 0], [0.8, 0.2, 0]])


def test_scores_are_scikit_learns_and_intervals_are_over_infants() -> None:
    both = pd.concat(
        evaluation.out_of_fold(neighbours, CRIES, split=split, repeats=2).assign(model="knn")
        for split in evaluation.SPLITS
    )
    scores = evaluation.score(both)
    assert scores.index.names == ["split", "metric"]
    for split, rows in both.groupby("split"):
        parts = [part for _, part in rows.groupby("repeat")]
        again = np.mean([recall_score(p.truth, p.predicted, average="macro") for p in parts])
        row = scores.loc[(split, "balanced_accuracy")]
        assert row.value == pytest.approx(again) and row.low < row.value < row.high
        assert (row.n, row.n_infants) == (60, 12)
        precision, *_ = precision_recall_fscore_support(rows.truth, rows.predicted)
        classes = evaluation.per_class(rows)
        assert classes.precision.tolist() == pytest.approx([*precision, precision.mean()])
    random, free = (both[both.split == split] for split in evaluation.SPLITS)
    gap = evaluation.difference(random, free.sample(frac=1, random_state=0))
    value = scores.value.xs("balanced_accuracy", level="metric")
    assert gap.value == pytest.approx(value["random"] - value["leak_free"])
    with pytest.raises(InputError, match="different clips"):
        evaluation.difference(random, free[free.infant != "i00"])


def test_a_class_has_its_own_scores_and_gains_with_intervals() -> None:
    knn, forest = (
        evaluation.out_of_fold(partial(neighbours, k=k), CRIES, split="leak_free", repeats=2) for k in (1, 9)
    )
    scores, gains = evaluation.class_scores(knn), evaluation.class_scores(knn, forest)
    keys = ["condition", "metric"]
    values = [evaluation.per_class(each)[["precision", "recall", "f1"]][:-1] for each in (knn, forest)]
    own, gain = (each.set_index(keys).value.unstack() for each in (scores, gains))
    pd.testing.assert_frame_equal(own[values[0].columns], values[0], check_names=False)
    pd.testing.assert_frame_equal(gain[values[0].columns], values[0] - values[1], check_names=False)
    assert (scores.low < scores.value).all() and (scores.value < scores.high).all()
    assert ((gains.high - gains.low) > 0).all() and set(gains.n_infants) == {12}

    name = CRIES.classes[0]
    always = knn.assign(predicted=name)
    rows = evaluation.class_scores(always, knn).set_index(keys)
    assert rows.low.isna()[CRIES.classes[1], "precision"] and not rows.low.isna()[name, "recall"]
    own_clips = [each[each.truth == name] for each in (knn, forest)]
    accuracy = evaluation.difference(*own_clips, metric="accuracy").value
    assert evaluation.difference(knn, forest, "recall", of=name).value == pytest.approx(accuracy)
    with pytest.raises(InputError, match="Did you mean recall"):
        evaluation.difference(knn, forest, "recal", of=name)  # type: ignore[arg-type]


def test_who_is_crying_is_scored_as_a_mean_over_infants() -> None:
    """Each infant is a class of few clips, so infants are known, in other sessions."""
    who = corpus(CRIES.infants.tolist(), CRIES.infants.tolist())
    odd = np.arange(60) % 2 == 1
    sessions = [[(np.flatnonzero(odd), np.flatnonzero(~odd)), (np.flatnonzero(~odd), np.flatnonzero(odd))]]
    x = np.random.default_rng(2).normal(size=60) + 0.5 * np.repeat(np.arange(12), 5)

    def nearest(train: np.ndarray, test: np.ndarray, shift: int) -> Any:
        near = np.abs(x[test][:, None] - (x[train] + shift)).argmin(axis=1)
        return who.labels[train][near]

    table = evaluation.out_of_fold(partial(nearest, shift=0), who, split="leak_free", folds=sessions)
    worse = evaluation.out_of_fold(partial(nearest, shift=3), who, split="leak_free", folds=sessions)
    shares = (table.predicted == table.truth).groupby(table.infant).mean()
    expected = mean_interval(shares.to_numpy(), shares.index.tolist(), limits=(0, 1))
    row = evaluation.score(table.sample(frac=1, random_state=0), "balanced_accuracy").iloc[0]
    assert (row.value, row.low, row.high, row.n) == pytest.approx((*ends(expected), 60))
    losses = (worse.predicted == worse.truth).groupby(worse.infant).mean()
    expected = mean_interval((shares - losses).to_numpy(), shares.index.tolist())
    assert ends(evaluation.difference(table, worse)) == pytest.approx(ends(expected))


def ends(interval: Any) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def test_draws_classes_and_missing_answers() -> None:
    draws = [CRIES.draw({"hungry": 10, "tired": 10}, seed=k) for k in range(3)]
    table = evaluation.out_of_fold(
        lambda _, test: np.full(len(test), "tired"), CRIES, split="random", folds=2, draws=draws
    )
    assert len(table) == 60 and set(table.truth) == {"hungry", "tired"}
    assert set(table["clip"][table.repeat == 1]) == {CRIES[int(k)].id for k in draws[1]}
    row = evaluation.score(table, "accuracy").iloc[0]
    assert row.value == 0.5 and pd.isna(row.low)  # always the same answer has no interval

    silent = lambda train, test: np.where(test[:, None] % 12, neighbours(train, test), np.nan)  # noqa: E731
    silences = evaluation.out_of_fold(silent, CRIES, split="random")
    assert silences.predicted.isna().sum() == 5
    wrong = silences.predicted != silences.truth  # no answer is wrong
    assert evaluation.score(silences, "accuracy").value.item() == pytest.approx(1 - wrong.mean())


@pytest.mark.parametrize("answer", [lambda n: np.zeros((n, 2)), lambda n: ["angry"] * n])
def test_what_is_no_answer_is_refused(answer: Any) -> None:
    with pytest.raises(InputError, match="hungry, pain, tired"):
        evaluation.out_of_fold(lambda _, test: answer(len(test)), CRIES, split="random")


def test_a_clips_answer_is_the_mean_of_its_windows() -> None:
    windows = CRIES.take(np.arange(60).repeat(2))
    given = np.random.default_rng(2).dirichlet(np.ones(3), 120)
    columns = ["p_hungry", "p_pain", "p_tired"]
    for split in ("random_frames", "leak_free"):
        of_windows = evaluation.out_of_fold(lambda _, test: given[test], windows, split=split, repeats=2)
        assert evaluation.score(of_windows, "accuracy").n.tolist() == [60], "windows are no clips"
        answers = evaluation.clip_means(of_windows).set_index(["repeat", "clip"]).loc[1].loc[CRIES.ids]
        expected = given.reshape(60, 2, 3).mean(axis=1)
        np.testing.assert_allclose(answers[columns].astype(float), expected)
        assert answers.predicted.tolist() == np.array(CRIES.classes)[expected.argmax(axis=1)].tolist()
        assert (-1 in set(answers.fold)) == (split == "random_frames"), "a clip in two folds"


def test_answers_and_p_values_are_recorded_with_their_scores(apart: Path) -> None:
    claims.begin("03_test", seed=5)
    table = evaluation.out_of_fold(neighbours, CRIES, split="leak_free").assign(model="svm")
    test = evaluation.fixed_prediction_test({"svm": table}, CRIES, permutations=19)
    claims.record(table, study="validation", trainings=1)
    claims.record(test, study="validation", split="leak_free", data=CRIES.name)
    claims.write()
    results = claims.load_results().set_index("key")
    p, row = (results.loc[f"validation.svm.{metric}"] for metric in ("p_value", "balanced_accuracy"))
    assert (p.value, p.permutations) == (test.adjusted["svm"], 19)
    with pytest.raises(InputError, match="the corpus has 60"):
        evaluation.fixed_prediction_test({"svm": table[table.infant != "i00"]}, CRIES)
    score = evaluation.score(claims.load_predictions(study="validation"), "balanced_accuracy").iloc[0]
    assert (row.value, row.low, row.n) == (score.value, score.low, 60)


def test_other_scores_give_other_answers_and_means_are_over_infants() -> None:
    table = evaluation.out_of_fold(neighbours, CRIES, split="leak_free", repeats=2)
    p = table[["p_hungry", "p_pain", "p_tired"]].to_numpy()[:, ::-1].copy()
    p[:3] = np.nan
    mirrored = evaluation.with_scores(table, p).predicted
    assert mirrored.isna().tolist() == [True] * 3 + [False] * 117
    assert mirrored[3:].tolist() == np.array(CRIES.classes)[p[3:].argmax(axis=1)].tolist()
    right = table.predicted == table.truth
    mean = evaluation.mean_over_infants(table, right, limits=(0, 1))
    assert mean.value == pytest.approx(right.mean()) and (mean.n, mean.n_infants) == (60, 12)
