"""Scored answers: against scikit-learn and by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from made_corpus import corpus
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
)

from cryutils import claims, evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.papers.recognition import STATES
from cryutils.papers.scored import Scored, comparison


@dataclass(frozen=True)
class Case:
    """Cries of twelve infants and answers to them; some clips have none."""

    corpus: Corpus
    truth: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray


@pytest.fixture(scope="module")
def case() -> Case:
    rng = np.random.default_rng(3)
    truth = np.array([(k // 5 + (k % 5 == 4)) % 4 for k in range(60)])
    cries = corpus([STATES[k] for k in truth], [f"i{k // 5:02d}" for k in range(60)])
    predicted = np.where(rng.random(60) < 0.6, truth, rng.integers(0, 4, 60))
    predicted[rng.permutation(60)[:7]] = -1
    probabilities = np.full((60, 4), 0.1, np.float32)
    probabilities[np.arange(60), predicted] = 0.7
    probabilities[predicted < 0] = np.nan
    return Case(cries, truth, predicted, probabilities)


def test_scores_are_scikit_learns_and_no_answer_counts_as_wrong(case: Case) -> None:
    scored = Scored.of(case.probabilities, case.corpus, split="leak_free")
    np.testing.assert_array_equal(scored.predicted, case.predicted[None])
    precision, recall, f1, clips = precision_recall_fscore_support(
        case.truth, case.predicted, labels=range(4), zero_division=0
    )
    assert scored.scores.accuracy == pytest.approx(accuracy_score(case.truth, case.predicted))
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        balanced = balanced_accuracy_score(case.truth, case.predicted)
    assert scored.scores.balanced_accuracy == pytest.approx(balanced)
    assert scored.scores.macro_f1 == pytest.approx(f1.mean())
    table = scored.table
    assert table.index.tolist() == [*STATES, "macro mean"]
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert table[name].tolist() == pytest.approx([*values, values.mean()])
    assert table.clips.tolist() == [*clips, 60]
    confusion = confusion_matrix(case.truth, case.predicted, labels=range(4))
    np.testing.assert_array_equal(scored.scores.confusion, confusion)
    assert scored.scores.confusion.sum() == 60 - 7


def test_with_their_folds_answers_have_an_area_under_the_roc_curve(case: Case) -> None:
    infants = case.corpus.infants.tolist()
    folds = evaluation.Split("leak_free").k_folds(case.corpus, n_splits=3, repeats=1, seed=0)
    scored = Scored.of(case.probabilities, case.corpus, folds, split="leak_free")
    area = evaluation.auc_interval(case.probabilities, case.corpus.labels, infants, folds)
    assert scored.intervals["roc_auc"] == area
    assert 0.5 < area.low < area.value < area.high < 1  # type: ignore[operator]
    row = scored.results("roc_auc").iloc[0]
    assert (row.metric, row.value, row.low) == ("roc_auc", area.value, area.low)
    assert "roc_auc" in set(scored.results().metric)
    majority = Scored.majority(case.corpus, folds, split="leak_free")
    assert (majority.intervals["roc_auc"].value, majority.intervals["roc_auc"].low) == (0.5, None)
    # One that always says the same may rank well all the same.
    bold = np.where([True, False, False, False], 5.0, 1.0) + np.eye(4)[case.truth]
    always = Scored.of(bold, case.corpus, folds, split="leak_free")
    assert always.intervals["accuracy"].low is None
    assert always.intervals["roc_auc"].value == 1
    assert always.intervals["roc_auc"].low is not None


def test_each_score_can_be_computed_from_the_predictions_that_are_kept(
    case: Case, apart: Path
) -> None:
    claims.begin("04_test", seed=5)
    for split in evaluation.SPLITS:
        folds = split.k_folds(case.corpus, n_splits=3, repeats=2, seed=0)
        twice = np.stack([case.probabilities, case.probabilities[::-1]])
        scored = Scored.of(twice, case.corpus, folds, split=str(split))
        claims.record_scores(scored, study="cry2", model="cry2")
    claims.write()
    table = claims.load_predictions(study="cry2", model="cry2")
    results = claims.load_results().set_index(["key", "split"]).value
    assert len(table) == 2 * 2 * 60
    assert set(table.seed) == {5} and set(table.data) == {"cries"}
    for split, rows in table.groupby("split"):
        answer = rows.predicted.fillna("none")
        by_repeat = [part for _, part in rows.assign(answer=answer).groupby("repeat")]
        for name, score in (
            ("accuracy", accuracy_score),
            ("balanced_accuracy", lambda t, p: recall_score(t, p, labels=STATES, average="macro")),
        ):
            again = np.mean([score(part.truth, part.answer) for part in by_repeat])
            assert again == pytest.approx(results[f"cry2.{name}", split])
        f1 = f1_score(rows.truth, answer, labels=STATES, average="macro")
        assert f1 == pytest.approx(results["cry2.macro_f1", split])
        areas = []
        for state in STATES:
            right = pairs = 0.0
            for _, part in rows.groupby(["repeat", "fold"]):
                p, is_state = part[f"p_{state}"].to_numpy(), (part.truth == state).to_numpy()
                for mine in p[is_state]:
                    for other in p[~is_state]:
                        pairs += 1
                        right += 0.5 if np.isnan(mine + other) or mine == other else mine > other
            areas.append(right / pairs)
        assert np.mean(areas) == pytest.approx(results["cry2.roc_auc", split])
    assert not table.groupby(["split", "repeat"]).clip.value_counts().gt(1).any()


def test_a_comparison_is_a_row_a_model_in_the_order_of_the_names(case: Case) -> None:
    best = np.eye(4, dtype=np.float32)[case.truth]
    by_model = {
        (model, split): Scored.of(p, case.corpus, split=split)
        for model, p in (("weak", case.probabilities), ("best", best))
        for split in ("random", "leak_free")
    }
    table = comparison(by_model, {"best": "The best", "weak": "The weak"}, metric="macro_f1")
    assert table.index.tolist() == ["The best", "The weak"]
    interval = by_model["weak", "random"].intervals["macro_f1"]
    row = table.loc["The weak"]
    assert (row.random, row.random_low, row.random_high) == pytest.approx(
        (interval.value, interval.low, interval.high)
    )
    assert table.loc["The best", "leak_free"] == 1


def test_a_difference_is_paired_over_infants(case: Case) -> None:
    weak = Scored.of(case.probabilities, case.corpus, split="leak_free")
    best = Scored.of(np.eye(4)[case.truth], case.corpus, split="leak_free")
    gain = best.minus(weak)
    assert gain.value == pytest.approx(1 - weak.scores.balanced_accuracy)
    assert gain == evaluation.paired_interval(
        best.predicted, weak.predicted, case.truth, case.corpus.infants
    )
    assert best.minus(best, "accuracy").value == 0


def test_a_rival_is_scikit_learns_out_of_fold_answer_and_silent_where_nothing_is_known() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    labels = ["hungry", "pain"] * 12
    cries = corpus(labels, [f"i{k // 2}" for k in range(24)])
    features = rng.normal(size=(24, 3)) + np.array([[0], [3]] * 12)
    folds = evaluation.Split("leak_free").k_folds(cries, n_splits=3, repeats=2, seed=0)
    model = LogisticRegression()
    whole = Scored.from_classifier(model, features, cries, folds, split="leak_free")
    assert whole.trainings is None and whole.results().trainings.isna().all()
    np.testing.assert_array_equal(
        whole.predicted, evaluation.cross_predict(model, features, cries.labels, folds)
    )
    strengths = evaluation.scored_out_of_fold(model, features, cries.labels, folds)[1]
    area = evaluation.auc_interval(strengths, cries.labels, cries.infants.tolist(), folds)
    assert whole.intervals["roc_auc"] == area
    features[[4, 11]] = np.nan
    scored = Scored.from_classifier(model, features, cries, folds, split="leak_free")
    assert (scored.predicted[:, [4, 11]] == -1).all()
    others = np.setdiff1d(np.arange(24), [4, 11])
    assert (scored.predicted[:, others] >= 0).all()
    # By hand: the first fold of the first repeat, without the clips of which nothing is known.
    train, test = (np.setdiff1d(part, [4, 11]) for part in folds[0][0])
    truth = scored.truth
    by_hand = LogisticRegression().fit(features[train], truth[train]).predict(features[test])
    np.testing.assert_array_equal(scored.predicted[0][test], by_hand)


def test_a_classical_model_on_examples_answers_each_clip_by_the_mean_of_its_rows() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    cries = corpus(["hungry", "pain"] * 12)
    clip = np.repeat(np.delete(np.arange(24), 7), 3)  # three rows a clip, and none of clip 7
    x = rng.normal(size=(len(clip), 3)) + np.array([[0], [1]])[clip % 2]
    folds = evaluation.Split("leak_free").k_folds(cries, n_splits=3, repeats=2, seed=0)
    learnt_from = [[(train[train != 0], test) for train, test in repeat] for repeat in folds]
    model = LogisticRegression()
    scored = Scored.from_classifier(model, x, cries, learnt_from, split="leak_free", clip=clip)
    assert (scored.predicted[:, 7] == -1).all()
    # By hand: the second fold of the second repeat. Clip 0 is learnt from in none.
    train, test = (np.isin(clip, part) for part in learnt_from[1][1])
    fitted = model.fit(x[train], scored.truth[clip[train]])
    for k in np.unique(clip[test]):
        likely = fitted.predict_proba(x[clip == k]).mean(axis=0)
        assert scored.predicted[1, k] == likely.argmax()
    answers = scored.predictions()
    row = answers[(answers["repeat"] == 1) & (answers["clip"] == cries[int(k)].id)]
    np.testing.assert_allclose(row[["p_hungry", "p_pain"]].to_numpy()[0], likely, rtol=1e-6)
    assert set(row["fold"]) == {1}
    assert set(row.fold) == {1}


def test_the_type_of_phone_alone_is_answered_by_its_commonest_class_of_equal_weight() -> None:
    """Half of the tired, a quarter of the hungry clips are from iOS, so iOS means tired."""
    labels = ["hungry"] * 32 + ["tired"] * 8
    seconds = [k % 4 == 0 if k < 32 else k % 2 == 0 for k in range(40)]
    cries = corpus(labels, [f"i{k:02d}" for k in range(40)])
    times = ["1430742197" if ios else "1430742197000" for ios in seconds]
    clips = [
        replace(clip, path=Path(f"{clip.infant}-{time}-1.0-m-04-hu.wav"))
        for clip, time in zip(cries, times, strict=True)
    ]
    cries = Corpus(clips, name="donateacry", note="")
    assert cries.phones.tolist() == ["iOS" if ios else "Android" for ios in seconds]
    part = np.arange(40) // 4 % 2
    folds = [[(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in (0, 1)]]
    scored = Scored.phone_alone(cries, folds, split="leak_free")
    assert scored.predicted[0].tolist() == [int(ios) for ios in seconds]
    assert scored.scores.balanced_accuracy == pytest.approx((3 / 4 + 1 / 2) / 2)
