"""Training: what is learnt, when it stops, that it equals Keras' own, and its cache."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from graphs import without_graphs

from cryutils.errors import InputError
from cryutils.models import image, training
from cryutils.models.backend import keras
from cryutils.models.inputs import Examples
from cryutils.models.training import Settings, fit

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


def network(rows: np.ndarray) -> Any:
    return image.build(rows.shape[1:], 3, filters=(4,))


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

    model = network(x)
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
    x, y = faces()
    parts = {"train": TRAIN, "validation": VALIDATION}
    fitted = fit(network, Examples(x, np.arange(N)), y, settings=settings, **parts)
    assert equal(fitted.model, model)
    for name in training.MEASURES:
        np.testing.assert_array_equal(fitted.history[name], history[name])
    assert fitted.best_epoch == np.argmin(history["val_loss"][2:]) + 3  # two epochs warm up
    before = fitted.predict(x)
    other = fit(network, Examples(x, np.arange(N)), y, settings=replace(settings, seed=9), **parts)
    assert not equal(fitted.model, other.model)
    np.testing.assert_array_equal(fitted.predict(x), before)  # an earlier network still answers


@pytest.mark.parametrize(("rows", "batch_size"), [(1, 8), (33, 32), (397, 40)])
def test_no_batch_is_much_smaller_than_the_others_and_each_row_comes_once(rows, batch_size) -> None:
    drawn = training.batches(np.arange(rows), batch_size=batch_size, seed=1)
    epoch = [batch[0].numpy() for batch in drawn]
    assert sorted(np.concatenate(epoch)) == list(range(rows))
    assert max(map(len, epoch)) <= batch_size
    assert 2 * min(map(len, epoch)) >= max(map(len, epoch))


# The cache


@without_graphs()
def test_what_shapes_a_fit_belongs_to_its_key_and_nothing_else(cache) -> None:
    once = replace(SHORT, epochs=1, batch_size=28)
    rows = {"train": TRAIN, "validation": VALIDATION, "settings": once}
    x, y = faces()
    clips = np.arange(N)
    first, again = (fit(network, Examples(x, clips), y, **rows) for _ in range(2))
    assert equal(first.model, again.model)
    pd.testing.assert_frame_equal(first.history, again.history, check_exact=True)
    for change in ({"seed": 4}, {"patience": 5}):
        fit(network, Examples(x, clips), y, **{**rows, "settings": replace(once, **change)})
    for row in (3, 38):
        pixels = x.copy()
        pixels[row, 0, 0, 0] ^= 1
        fit(network, Examples(pixels, clips), y, **rows)
    # The first, two settings, one row that takes part (38 is nobody's).
    assert len(list(cache.rglob("output.pkl"))) == 1 + 2 + 1


# Errors


def test_a_clip_in_both_parts_and_a_class_too_many_are_refused() -> None:
    x, y = faces()
    with pytest.raises(InputError, match="clip 27 is in train and in validation"):
        fit(network, Examples(x, np.arange(N)), y, train=TRAIN, validation=np.arange(27, 30))
    with pytest.raises(InputError, match="class 3 is none of the network's 3"):
        fit(network, Examples(x, np.arange(N)), y + 1, train=TRAIN, validation=VALIDATION)
