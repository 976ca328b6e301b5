"""The classifiers of Table 2, and that networks trained together stay independent."""

from __future__ import annotations

import numpy as np
import pytest

from cryutils.evaluation.crossval import cross_predict
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


def probabilities(x, y, folds, **options) -> list[np.ndarray]:
    """Of a network that learns fast: 30 clips give one step an epoch."""
    settings = {"units": (16,), "epochs": 60, "learning_rate": 0.01, **options}
    network = DeepNeuralNetwork(DenseSettings(class_weights=False, **settings))
    return network.predict_proba_folds(x, y, folds)


# Table 2


def test_feature_scaling_is_fitted_on_training_data_alone() -> None:
    train = np.array([[0.0], [10.0], [20.0]])
    model = table2_classifiers(scaling="features")["knn"].set_params(
        kneighborsclassifier__n_neighbors=1
    )
    model.fit(train, [0, 1, 2])
    scaled = model[:-1].transform([[0.0], [20.0], [40.0]])
    np.testing.assert_allclose(scaled, [[0], [1], [2]], atol=1e-12)


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (table2_classifiers(scaling="features", seed=1), CLASSIFIERS),
        (baselines(1), list(BASELINES)[:2]),
    ],
)
def test_each_model_has_a_name_and_learns_what_is_separable(models, names, data) -> None:
    x, y = data
    assert list(models) == list(names)
    for name, model in models.items():
        (predicted,) = cross_predict(model, x, [str(k) for k in y], [halves()])
        assert (predicted == y).mean() > 0.8, name


# Compared with Paper B's networks


# The network


@pytest.fixture
def noise(data) -> tuple[np.ndarray, np.ndarray]:
    """Nothing to learn, so every clip wavers."""
    x, y = data
    return np.random.default_rng(3).normal(size=x.shape).astype(np.float32), y


def test_a_folds_labels_never_reach_another_fold(noise) -> None:
    """Shapes, and so all that is drawn at random, stay equal; only fold 1's labels change."""
    x, y = np.vstack([noise[0]] * 2), np.tile(noise[1], 2)
    folds = [(train + i * N, test + i * N) for i in (0, 1) for train, test in halves()]
    changed = np.concatenate([y[:N], np.random.default_rng(3).permutation(y[N:])])
    before = probabilities(x, y, folds, epochs=10)
    after = probabilities(x, changed, folds, epochs=10)
    for fold in (0, 1):
        np.testing.assert_array_equal(before[fold], after[fold])
    assert any((before[fold] != after[fold]).any() for fold in (2, 3))


def test_each_repeat_has_networks_with_initial_weights_of_its_own(noise) -> None:
    both = probabilities(*noise, halves() * 2, epochs=10)
    first, second = np.split(np.stack(both), 2)
    assert abs(first - second).max() > 0.01
    np.testing.assert_allclose(probabilities(*noise, halves(), epochs=10), first, atol=1e-5)
