"""Unseen predictions: every clip by a model that was not trained on it."""

from __future__ import annotations

from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.metrics import recall_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from cryutils.errors import InputError
from cryutils.evaluation.crossval import (
    NOT_DRAWN,
    balanced_accuracy,
    majority_baseline,
    out_of_fold,
    scored_out_of_fold,
)
from cryutils.evaluation.splits import Split, folds


@pytest.fixture
def corpus() -> SimpleNamespace:
    """Twelve infants with five clips; each infant of one class, each sounding like itself."""
    return SimpleNamespace(
        labels=[f"class{i // 4}" for i in range(12) for _ in range(5)],
        infants=[f"infant{i}" for i in range(12) for _ in range(5)],
    )


@pytest.fixture
def voices(corpus: SimpleNamespace) -> np.ndarray:
    """Features that tell the infant and nothing of the state."""
    rng = np.random.default_rng(0)
    return np.repeat(rng.normal(size=(12, 8)), 5, axis=0) + 0.1 * rng.normal(size=(60, 8))


def test_each_clip_is_predicted_by_a_model_that_did_not_see_it(corpus) -> None:
    class Remembers:
        """Predicts a clip's label only if it was trained on it."""

        def predict_proba_folds(self, X, y, divisions):
            answers = [np.where(np.isin(test, train), y[test], 3) for train, test in divisions]
            return [np.eye(4)[classes] for classes in answers]

    drawn = folds(corpus.labels, None, repeats=3)
    predicted = out_of_fold(Remembers(), np.zeros((60, 1)), corpus.labels, drawn)
    assert predicted.shape == (3, 60)
    assert np.all(predicted == 3)


def test_one_nearest_neighbour_recognises_the_infant_only_where_the_protocol_leaks(
    corpus, voices
) -> None:
    def accuracy(split: Split) -> float:
        drawn = split.k_folds(corpus, n_splits=4)
        predicted = out_of_fold(KNeighborsClassifier(1), voices, corpus.labels, drawn)
        return float(np.mean(predicted == np.repeat(np.arange(3), 20)))

    assert accuracy(Split.CLIP) > 0.95
    assert accuracy(Split.INFANT) < 0.6


def test_pooling_equals_a_plain_loop_in_parallel_too(corpus, voices) -> None:
    drawn = folds(corpus.labels, corpus.infants, n_splits=4, repeats=2)
    labels = np.array(corpus.labels)
    expected = np.empty((2, 60), dtype=object)
    for row, repeat in zip(expected, drawn, strict=True):
        for train, test in repeat:
            model = KNeighborsClassifier(3).fit(voices[train], labels[train])
            row[test] = model.predict(voices[test])
    predicted = out_of_fold(KNeighborsClassifier(3), voices, corpus.labels, drawn, jobs=1)
    np.testing.assert_array_equal(np.array(["class0", "class1", "class2"])[predicted], expected)
    # Real processes are started in test_permutation; they need seconds to come up.
    with joblib.parallel_config(backend="threading"):
        together = out_of_fold(KNeighborsClassifier(3), voices, corpus.labels, drawn, jobs=2)
    np.testing.assert_array_equal(predicted, together)


def test_features_may_be_prepared_from_the_training_part_alone(corpus, voices) -> None:
    asked = []

    def standardised(train: np.ndarray) -> np.ndarray:
        asked.append(tuple(train))
        return (voices - voices[train].mean(axis=0)) / voices[train].std(axis=0)

    drawn = folds(corpus.labels, corpus.infants, n_splits=4, repeats=2)
    out_of_fold(KNeighborsClassifier(), standardised, corpus.labels, drawn)
    assert asked == [tuple(train) for repeat in drawn for train, _ in repeat]


def test_probabilities_sum_to_one_and_keep_the_order_of_the_classes_given(corpus, voices) -> None:
    drawn = folds(corpus.labels, corpus.infants, n_splits=4, repeats=2)
    order = ["class2", "never", "class0", "class1"]
    arguments = (KNeighborsClassifier(), voices, corpus.labels, drawn)
    predicted, p = scored_out_of_fold(*arguments, classes=order)
    assert p.shape == (2, 60, 4)
    np.testing.assert_allclose(p.sum(axis=2), 1)
    assert np.all(p[:, :, 1] == 0)
    np.testing.assert_array_equal(predicted, p.argmax(axis=2))
    by_name, scores = scored_out_of_fold(*arguments)
    np.testing.assert_allclose(p[:, :, [2, 3, 0]], scores)
    np.testing.assert_array_equal(by_name, out_of_fold(*arguments))


@pytest.mark.parametrize("states", [2, 3])
def test_a_decision_function_scores_where_there_are_no_probabilities(
    corpus, voices, states
) -> None:
    some = np.isin(corpus.labels, ["class0", "class1", "class2"][:states])
    labels, infants = ([a for a, wanted in zip(b, some, strict=True) if wanted]
                       for b in (corpus.labels, corpus.infants))  # fmt: skip
    drawn = folds(labels, infants, n_splits=4, repeats=1)
    predicted, scores = scored_out_of_fold(RidgeClassifier(), voices[some], labels, drawn)
    assert scores.shape == (1, int(some.sum()), states)
    np.testing.assert_array_equal(predicted, scores.argmax(axis=2))


def test_a_model_without_scores_is_named(corpus, voices) -> None:
    drawn = folds(corpus.labels, corpus.infants, n_splits=4, repeats=1)
    with pytest.raises(InputError, match="LinearRegression has no predict_proba or decision"):
        scored_out_of_fold(LinearRegression(), voices, corpus.labels, drawn)
    with pytest.raises(InputError, match="StandardScaler has no predict; give"):
        out_of_fold(StandardScaler(), voices, corpus.labels, drawn)


def test_folds_that_leave_a_clip_out_are_refused(corpus, voices) -> None:
    drawn = folds(corpus.labels, corpus.infants, n_splits=4, repeats=2)
    drawn[1] = drawn[1][:-1]
    with pytest.raises(InputError, match="repeat 1 of the folds"):
        out_of_fold(KNeighborsClassifier(), voices, corpus.labels, drawn)


def test_the_majority_is_learnt_from_the_training_part_only() -> None:
    # Three of each: whichever class is tested more is rarer in training, so the baseline errs.
    labels = ["a", "a", "a", "b", "b", "b"]
    train, test = np.array([0, 1, 3, 4, 5]), np.array([2])
    rest = [(np.array([0, 1, 2, 3]), np.array([4, 5])), (np.array([2, 4, 5]), np.array([0, 1, 3]))]
    predicted = majority_baseline(labels, [[(train, test), *rest]])
    assert predicted.tolist() == [[1, 1, 1, 1, 0, 0]]


def test_a_repeat_may_draw_its_own_clips(corpus, voices) -> None:
    labels, infants = np.array(corpus.labels), np.array(corpus.infants)
    some = np.arange(0, 60, 2)
    within = folds(labels[some].tolist(), infants[some].tolist(), n_splits=3, repeats=1)
    drawn = [(some[train], some[test]) for train, test in within[0]]
    whole = folds(corpus.labels, corpus.infants, n_splits=3, repeats=1)
    model = KNeighborsClassifier()
    predicted, p = scored_out_of_fold(model, voices, corpus.labels, [drawn, whole[0]])
    alone = scored_out_of_fold(model, voices[some], labels[some].tolist(), within)
    np.testing.assert_array_equal(predicted[0, some], alone[0][0])
    np.testing.assert_array_equal(p[0, some], alone[1][0])
    rest = np.setdiff1d(np.arange(60), some)
    assert (predicted[0, rest] == NOT_DRAWN).all() and np.isnan(p[0, rest]).all()
    np.testing.assert_array_equal(predicted[1], out_of_fold(model, voices, labels, whole)[0])


def test_balanced_accuracy_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        y, guess = rng.integers(0, 4, 30) * 2, rng.integers(0, 8, 30)  # some guesses are no class
        assert balanced_accuracy(y, guess) == pytest.approx(recall_score(
            y, guess, average="macro", labels=np.unique(y), zero_division=0
        ))  # fmt: skip
