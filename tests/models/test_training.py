"""Training: what is learnt, when it stops, that it equals Keras' own, and its cache."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.errors import InputError
from cryutils.models import cry2, image, training
from cryutils.models.backend import keras
from cryutils.models.training import Fitted, Settings, fit

N = 40
TRAIN, VALIDATION = np.arange(0, 28), np.arange(28, 36)  # 36-39 are in neither part
SHORT = Settings(epochs=2, batch_size=8, patience=2, warm_up=0, seed=3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where fits are kept."""
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "joblib"


def faces() -> tuple[np.ndarray, np.ndarray]:
    """Pictures of noise with dull labels: there is little to learn, so every step wavers."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (N, 16, 16, 3), dtype=np.uint8)
    return x, rng.permutation(np.arange(N) % 3)


def bands() -> tuple[np.ndarray, np.ndarray]:
    """Windows whose class is the place of a loud band, float32 (40, 16, 16)."""
    rng = np.random.default_rng(2)
    y = np.arange(N) % 2
    x = rng.normal(-60, 3, (N, 16, 16)).astype(np.float32)
    x[y == 0, :, 2:6] += 30
    x[y == 1, :, 10:14] += 30
    return x, y


def network(settings: Settings, *, builder: Any, classes: int, eager: bool = True) -> Any:
    """Build a small network, without a graph, which takes longer than these few steps."""
    shape = (16, 16, 3) if builder is image else (16, 16)
    rates = {"dropout": settings.dropout, "learning_rate": settings.learning_rate}
    model = builder.build(shape, classes, filters=(4,), **rates)
    model.run_eagerly = eager
    return model


picture_network = partial(network, builder=image, classes=3)
graph_network = partial(picture_network, eager=False)
sound_network = partial(network, builder=cry2, classes=2)


def thin_network(settings: Settings) -> Any:
    """A single layer, for what doesn't depend on the network."""
    layers = keras().layers
    inputs = keras().Input((16, 16, 3))
    h = layers.Dropout(settings.dropout)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs)))
    model = keras().Model(inputs, layers.Dense(3, activation="softmax")(h))
    model.compile(
        keras().optimizers.Adam(settings.learning_rate),
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
        run_eagerly=True,
    )
    return model


def trained(settings: Settings, build: training.Build = picture_network) -> Fitted:
    """The picture network on noise: augmentation, dropout and batch normalisation at work."""
    return fit(build, *faces(), train=TRAIN, validation=VALIDATION, settings=settings)


def equal(first: Any, second: Any) -> bool:
    """Return whether two Keras models have the same weights to the last bit."""
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


# Compared with Keras


def by_hand(settings: Settings) -> tuple[Any, Any]:
    """Train as anyone would: the network, and its history."""
    x, y = faces()
    keras().utils.set_random_seed(settings.seed)
    import tensorflow as tf

    model = graph_network(settings)
    weights, held = (
        np.array([len(rows) / 3 / np.sum(y[rows] == k) for k in y[rows]], np.float32)
        for rows in (TRAIN, VALIDATION)
    )
    order = tf.data.Dataset.range(28).shuffle(28, seed=settings.seed).batch(8)
    stopping = keras().callbacks.EarlyStopping(
        patience=settings.patience, start_from_epoch=settings.warm_up, restore_best_weights=True
    )
    history = model.fit(
        order.map(lambda k: tuple(tf.gather(a, k) for a in (x[TRAIN], y[TRAIN], weights))),
        shuffle=False,
        epochs=settings.epochs,
        verbose=0,
        callbacks=[stopping],
        validation_data=(x[VALIDATION], y[VALIDATION], held),
        validation_batch_size=256,
    )
    return model, history.history


def test_a_fit_is_keras_own() -> None:
    settings = replace(SHORT, epochs=5, warm_up=2)
    model, history = by_hand(settings)
    fitted = trained(settings, graph_network)
    assert fitted.predict(faces()[0][:0]).shape == (0, 3)
    assert equal(fitted.model, model)
    for name in training.MEASURES:
        np.testing.assert_array_equal(fitted.history[name], history[name])
    assert fitted.best_epoch == np.argmin(history["val_loss"][2:]) + 3  # two epochs warm up
    assert not equal(fitted.model, trained(replace(settings, seed=9), graph_network).model)


@hypothesis.settings(max_examples=30)
@given(rows=st.integers(1, 400), batch_size=st.integers(1, 40))
def test_no_batch_is_much_smaller_than_the_others_and_each_row_comes_once(rows, batch_size) -> None:
    drawn = training.batches(np.arange(rows), batch_size=batch_size, seed=1)
    epoch = [batch[0].numpy() for batch in drawn]
    assert sorted(np.concatenate(epoch)) == list(range(rows))
    assert max(map(len, epoch)) <= batch_size
    assert 2 * min(map(len, epoch)) >= max(map(len, epoch))


# Learning and stopping


def test_a_network_learns_what_is_separable_normalised_by_its_training_rows_alone() -> None:
    x, y = bands()
    settings = Settings(epochs=8, batch_size=8, learning_rate=1e-2, patience=8)
    fitted = fit(sound_network, x, y, train=TRAIN, validation=VALIDATION, settings=settings)
    p = fitted.predict(x)
    assert p.dtype == np.float32
    assert p.shape == (N, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (p.argmax(axis=1) == y).mean() == 1  # also the four clips in neither part
    mean, variance = fitted.model.get_layer("normalise").get_weights()
    np.testing.assert_allclose(mean, x[TRAIN].mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(variance, x[TRAIN].var(axis=(0, 1)), rtol=1e-4)


# The cache


def test_what_shapes_a_fit_belongs_to_its_key_and_nothing_else(cache) -> None:
    once = replace(SHORT, epochs=1, batch_size=28)
    rows = {"train": TRAIN, "validation": VALIDATION, "settings": once}
    x, y = faces()
    first, again = fit(thin_network, x, y, **rows), fit(thin_network, x, y, **rows)
    assert equal(first.model, again.model) and first.best_epoch == again.best_epoch
    pd.testing.assert_frame_equal(first.history, again.history, check_exact=True)
    for change in ({"seed": 4}, {"patience": 5}, {"class_weights": False}):
        fit(thin_network, x, y, **{**rows, "settings": replace(once, **change)})
    for row in (3, 38):
        pixels = x.copy()
        pixels[row, 0, 0, 0] ^= 1
        fit(thin_network, pixels, y, **rows)
    fit(thin_network, x, y, **{**rows, "train": TRAIN[::-1]})
    # The first, three settings, one row that takes part (38 is nobody's), another order.
    assert len(list(cache.rglob("output.pkl"))) == 1 + 3 + 1 + 1


# Errors


def test_a_row_in_both_parts_and_a_class_too_many_are_refused() -> None:
    x, y = faces()
    with pytest.raises(InputError, match="row 27 is in train and in validation"):
        fit(picture_network, x, y, train=TRAIN, validation=np.arange(27, 30))
    with pytest.raises(InputError, match="class 3 is none of the network's 3"):
        fit(picture_network, x, y + 1, train=TRAIN, validation=VALIDATION)
