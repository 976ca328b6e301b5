"""Networks trained side by side: as Keras trains each alone, and the same alone and in company."""

import numpy as np
import pytest
from graphs import without_graphs
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.class_weight import compute_sample_weight

from cryutils.errors import InputError
from cryutils.models import stacked
from cryutils.models.backend import keras
from cryutils.models.stacked import DenseSettings, FitSpec


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path))


def blobs(rows=120, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    centres = 2 * rng.standard_normal((3, 6))
    x = 5 + 3 * (centres[y] + rng.standard_normal((rows, 6)))
    return x.astype(np.float32), y


def parts(rows, every=4):
    numbers = np.arange(rows)
    return numbers[numbers % every != 0], numbers[numbers % every == 0]


X, Y = blobs()
TRAIN, VALIDATION = parts(len(X))
TASK = FitSpec(TRAIN, VALIDATION)
TWO_CLASSES = [rows[Y[rows] != 1] for rows in (TRAIN, VALIDATION)]


def fit(tasks=(TASK,), x=X, y=Y, **settings):
    return stacked.fit(x, y, tasks, classes=3, settings=DenseSettings(**settings))


def test_one_network_takes_the_steps_of_keras_rmsprop() -> None:
    settings = {"units": (8,), "dropout": 0.0, "epochs": 3, "batch_size": 16, "patience": 9}
    stack = fit(**settings)

    layers = keras().layers
    model = keras().Sequential([keras().Input((6,)), layers.Dense(8, "relu"), layers.Dense(3, "softmax")])
    start = stacked.network(6, 1, DenseSettings(**settings), np.ones((1, 3), bool)).get_weights()
    model.set_weights([array[0] for array in start])
    model.compile(keras().optimizers.RMSprop(1e-3), "sparse_categorical_crossentropy")
    standard = (X - X[TRAIN].mean(axis=0)) / X[TRAIN].std(axis=0)
    weights = np.zeros(len(Y))
    for rows in (TRAIN, VALIDATION):
        weights[rows] = compute_sample_weight("balanced", Y[rows])
    losses = []
    for epoch in (1, 2, 3):
        order = np.random.default_rng([0, epoch]).permutation(TRAIN)
        for rows in np.array_split(order, 6):
            model.train_on_batch(standard[rows], Y[rows], weights[rows])
        options = {"sample_weight": weights[VALIDATION], "verbose": 0}
        losses.append(model.evaluate(standard[VALIDATION], Y[VALIDATION], **options))
    assert stack.history.val_loss.to_numpy() == pytest.approx(losses, rel=1e-4)
    best = int(np.argmin(losses)) + 1
    assert stack.best_epoch[0] == best == 3  # still learning, so Keras' weights are the best ones
    assert stack.predict(0, X) == pytest.approx(model.predict(standard, verbose=0), abs=1e-5)


@without_graphs()
def test_a_network_is_the_same_alone_and_next_to_others() -> None:
    several = [
        FitSpec(TRAIN[:50], VALIDATION),
        FitSpec(TRAIN[5:60], VALIDATION[:9]),
        FitSpec(*TWO_CLASSES, classes=(0, 2), inputs=np.arange(6) < 2),
    ]
    # As many steps for each, two an epoch: they follow from the one with the most rows.
    settings = {"units": (8, 5), "epochs": 4, "batch_size": 40, "patience": 2, "dropout": 0.2}
    together = fit(several, **settings)
    for k, task in enumerate(several):
        alone = fit([task], **settings)
        assert alone.best_epoch[0] == together.best_epoch[k]
        assert alone.predict(0, X) == pytest.approx(together.predict(k, X), abs=1e-5)


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_it_learns_and_the_kept_epoch_is_the_best_of_its_history(monitor) -> None:
    x, y = blobs(rows=240)
    train, validation = parts(len(x))
    settings = {"units": (16,), "epochs": 30, "learning_rate": 1e-2}
    stack = fit([FitSpec(train, validation, monitor=monitor)], x, y, **settings)
    history = stack.history.set_index("epoch")
    column = history[f"val_{monitor}"].round(5)
    assert stack.best_epoch[0] == (column.idxmin() if monitor == "loss" else column.idxmax())
    answers = stack.predict(0, x[validation])
    right = balanced_accuracy_score(y[validation], answers.argmax(axis=1))
    assert right == pytest.approx(history.val_accuracy[stack.best_epoch[0]])
    assert right > 0.8
    assert answers.sum(axis=1) == pytest.approx(1.0)


@without_graphs()
def test_masked_classes_have_no_probability_and_masked_inputs_no_effect() -> None:
    stack = fit([FitSpec(*TWO_CLASSES, classes=(0, 2), inputs=np.arange(6) != 3)], epochs=3)
    answers = stack.predict(0, X)
    assert (answers[:, 1] == 0).all()
    assert answers.sum(axis=1) == pytest.approx(1.0)
    masked = np.where(np.arange(6) == 3, np.float32(1e3), X)
    assert (stack.predict(0, masked) == answers).all()


def test_a_linear_autoencoder_finds_the_plane_that_principal_components_find() -> None:
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 2)) @ rng.standard_normal((2, 8))
    x = (10 + x + 0.3 * rng.standard_normal(x.shape)).astype(np.float32)
    train, validation = parts(len(x))
    settings = DenseSettings(
        units=(2,), linear=(0,), dropout=0.0, epochs=200, learning_rate=3e-3, patience=200
    )
    stack = stacked.fit(x, x, [FitSpec(train, validation)], settings=settings)
    scale = x[train].std(axis=0)
    z = (x - x[train].mean(axis=0)) / scale
    plane = PCA(2).fit(z[train])
    least = np.mean((plane.inverse_transform(plane.transform(z)) - z)[train] ** 2)
    errors = (stack.predict(0, x) - x) ** 2 / scale**2
    assert least <= np.mean(errors[train]) < 1.1 * least
    assert stack.history.val_loss.min() == pytest.approx(np.mean(errors[validation]), rel=1e-3)
    assert stack.hidden(0, x).shape == (600, 2)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (FitSpec(np.array([0, 1]), np.array([1])), "row 1 is in train and in validation"),
        (FitSpec(np.array([0]), np.array([], int)), "no training or no validation rows"),
        (FitSpec(np.array([0]), np.array([1]), classes=(0, 2)), "distinguishes \\[0, 2\\]"),
    ],
)
def test_tasks_that_ask_for_what_is_not_there_are_refused(task, message) -> None:
    with pytest.raises(InputError, match=message):
        fit([task])
