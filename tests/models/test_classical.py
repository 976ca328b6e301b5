"""The classifiers of Table 2, above all that networks trained side by side stay apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.utils.class_weight import compute_sample_weight

from cryutils.evaluation.crossval import out_of_fold
from cryutils.models.classical import (
    BASELINES,
    CLASSIFIERS,
    DeepNeuralNetwork,
    baselines,
    table2_classifiers,
)
from cryutils.models.stacked import DenseSettings

N, FEATURES = 60, 4


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    """Three classes, each apart from the others along one feature, float32 (60, 4)."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 3
    x = rng.normal(0, 1, (N, FEATURES))
    x[np.arange(N), y] += 8
    return (x * [1, 100, 1, 0.01] + [0, 5000, 0, 0]).astype(np.float32), y


def halves(n: int = N) -> list[tuple[np.ndarray, np.ndarray]]:
    first, second = np.arange(n // 2), np.arange(n // 2, n)
    return [(first, second), (second, first)]


def network(**options) -> DeepNeuralNetwork:
    """A network that learns fast: 30 clips give one step an epoch."""
    settings = {"units": (16,), "epochs": 60, "learning_rate": 0.01, **options}
    return DeepNeuralNetwork(DenseSettings(class_weights=False, **settings))


# Table 2


def test_the_six_classifiers_of_table_2_in_the_papers_order() -> None:
    assert list(CLASSIFIERS) == ["svm", "nb", "rf", "dt", "knn", "dnn"]
    assert CLASSIFIERS["nb"] == "Naïve Bayes"
    for scaling in ("signal", "features"):
        assert list(table2_classifiers(scaling=scaling)) == list(CLASSIFIERS)


def test_scaled_features_are_standardised_then_brought_to_0_and_1() -> None:
    models = table2_classifiers(scaling="features")
    for name in ("svm", "nb", "knn"):
        steps = [step for step, _ in models[name].steps]
        assert steps[:2] == ["standardscaler", "minmaxscaler"]
    assert not any(hasattr(m, "steps") for m in table2_classifiers(scaling="signal").values())


def test_feature_scaling_is_fitted_on_training_data_alone() -> None:
    train = np.array([[0.0], [10.0], [20.0]])
    model = table2_classifiers(scaling="features")["knn"].set_params(
        kneighborsclassifier__n_neighbors=1
    )
    model.fit(train, [0, 1, 2])
    scaled = model[:-1].transform([[0.0], [20.0], [40.0]])
    np.testing.assert_allclose(scaled, [[0], [1], [2]], atol=1e-12)


@pytest.mark.parametrize("name", ["svm", "nb", "knn"])
def test_each_classical_model_learns_what_is_separable(name: str, data) -> None:
    x, y = data
    model = table2_classifiers(scaling="features")[name]
    (train, test), _ = halves()
    assert (model.fit(x[train], y[train]).predict(x[test]) == y[test]).mean() > 0.9


@pytest.mark.parametrize("name", ["rf", "dt"])
def test_each_forest_learns_what_is_separable(name: str, data) -> None:
    x, y = data
    folds = halves()
    predicted = table2_classifiers(seed=1)[name].predict_folds(x, y, folds)
    for (_, test), answers in zip(folds, predicted, strict=True):
        assert (answers == y[test]).mean() > 0.8


# Beside Paper B's networks


@pytest.mark.parametrize("name", BASELINES)
def test_each_baseline_learns_what_is_separable(name: str, data) -> None:
    x, y = data
    predicted = out_of_fold(baselines(seed=1)[name], x, [str(k) for k in y], [halves()])
    assert (predicted[0] == y).mean() > 0.8


def test_baselines_have_a_name_each_and_their_seed() -> None:
    models = baselines(seed=3)
    assert list(models) == list(BASELINES)
    assert models["forest"].random_state == models["boosting"].random_state == 3


def test_every_baseline_weighs_each_class_alike(data) -> None:
    x, y = data
    x, y = x[(y == 0) | (np.arange(N) < 12)], y[(y == 0) | (np.arange(N) < 12)]  # few of class 1
    models = baselines()
    settings = [models[name].get_params() for name in ("logistic", "svm", "forest")]
    assert all("balanced" in params.values() for params in settings)
    boosting = models["boosting"].fit(x, y)
    plain = GradientBoostingClassifier(**boosting.get_params())
    plain.fit(x, y, sample_weight=compute_sample_weight("balanced", y))
    np.testing.assert_array_equal(boosting.predict_proba(x), plain.predict_proba(x))
    assert (boosting.predict_proba(x) != plain.fit(x, y).predict_proba(x)).any()


@pytest.mark.parametrize("name", ["logistic", "svm"])
def test_baselines_that_measure_distances_do_not_mind_units(name: str, data) -> None:
    x, y = data
    labels = [str(k) for k in y]
    plain, scaled = (
        out_of_fold(baselines()[name], features, labels, [halves()])
        for features in (x, x * np.float32(1024) - 2)
    )
    assert (plain == scaled).mean() > 0.95


# The network


def test_every_fold_learns_what_is_separable(data) -> None:
    x, y = data
    folds = [*halves(), (np.arange(0, N, 2), np.arange(1, N, 2))]
    predicted = network().predict_folds(x, y, folds)
    assert [p.shape for p in predicted] == [(30,)] * 3
    for (_, test), answers in zip(folds, predicted, strict=True):
        assert (answers == y[test]).mean() > 0.9


def test_folds_of_unequal_size_get_their_own_clips_back(data) -> None:
    x, y = data
    folds = [
        (np.arange(45), np.arange(45, N)),
        (np.arange(18, N), np.arange(18)),
        (np.arange(7, N), np.arange(7)),
    ]
    predicted = network().predict_folds(x, y, folds)
    assert [len(p) for p in predicted] == [15, 18, 7]
    for (_, test), answers in zip(folds, predicted, strict=True):
        assert (answers == y[test]).mean() > 0.85


def test_a_folds_labels_never_reach_another_fold(data) -> None:
    """Shapes, and so all that is drawn at random, stay equal; only fold 1's labels change."""
    x, y = data
    rng = np.random.default_rng(3)
    x = rng.normal(size=x.shape).astype(np.float32)  # nothing to learn, so every clip wavers
    x = np.vstack([x, x])
    folds = [(train + i * N, test + i * N) for i in (0, 1) for train, test in halves()]
    twice = np.concatenate([y, y])
    changed = np.concatenate([y, rng.permutation(y)])
    before = network(epochs=10).predict_folds(x, twice, folds)
    after = network(epochs=10).predict_folds(x, changed, folds)
    for fold in (0, 1):
        np.testing.assert_array_equal(before[fold], after[fold])
    assert any((before[fold] != after[fold]).any() for fold in (2, 3))


def test_test_clips_never_reach_training(data) -> None:
    """Other test clips, and no labels for them: the rest is predicted as before."""
    x, y = data
    x = np.random.default_rng(4).normal(size=x.shape).astype(np.float32)
    train, test = np.arange(40), np.arange(40, N)
    before = network(epochs=10).predict_folds(x, y, [(train, test)])[0]
    other_x, other_y = x.copy(), y.copy()
    other_x[50:] = 1e3
    other_y[40:] = 0
    after = network(epochs=10).predict_folds(other_x, other_y, [(train, test)])[0]
    np.testing.assert_array_equal(before[:10], after[:10])


def test_the_same_seed_gives_the_same_answers(data) -> None:
    x, y = data
    x = np.random.default_rng(5).normal(size=x.shape).astype(np.float32)
    runs = [network(epochs=10, seed=seed).predict_folds(x, y, halves()) for seed in (1, 1, 2)]
    same = [np.array_equal(np.concatenate(a), np.concatenate(b)) for a, b in pairwise(runs)]
    assert same == [True, False]


def test_each_division_is_met_by_networks_with_a_start_of_their_own(data) -> None:
    x, y = data
    x = np.random.default_rng(5).normal(size=x.shape).astype(np.float32)
    trained = network(epochs=10)
    first, second = np.split(np.stack(trained.predict_proba_folds(x, y, halves() * 2)), 2)
    assert abs(first - second).max() > 0.01
    np.testing.assert_allclose(trained.predict_proba_folds(x, y, halves()), first, atol=1e-5)


def test_features_may_depend_on_the_training_set(data) -> None:
    """As `design.FoldFeatures` does: each fold is trained and tested on its own matrix."""
    x, y = data
    asked = []

    def prepared(train: np.ndarray) -> np.ndarray:
        asked.append(train[0])
        return x if train[0] == 0 else x[:, ::-1]

    predicted = network().predict_folds(prepared, y, halves())
    assert asked == [0, 30]
    for (_, test), answers in zip(halves(), predicted, strict=True):
        assert (answers == y[test]).mean() > 0.9
