"""Paper B's two networks: what is in them, what they scale inside, and what training alone does."""

from __future__ import annotations

import numpy as np
import pytest

from cryutils.errors import InputError
from cryutils.models import blocks, cry2, image

RNG = np.random.default_rng(0)
CROPS = RNG.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def kinds(model) -> list[str]:
    return blocks.describe(model)["kind"].tolist()


BLOCK = ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D"]


def test_cry2_is_the_papers_blocks_then_dropout_and_a_dense_softmax() -> None:
    model = cry2.build((63, 40), 4, filters=(4, 8))
    layers = kinds(model)
    start = layers.index("Conv2D")
    assert layers[start : start + 8] == BLOCK * 2
    assert layers[-2:] == ["Dropout", "Dense"]
    assert model.layers[-1].activation.__name__ == "softmax"
    assert type(model.optimizer).__name__ == "Adam"


def test_image_is_the_same_blocks_behind_augmentation() -> None:
    layers = kinds(image.build((32, 32, 3), 4, filters=(4, 8)))
    assert layers.index("Sequential") < layers.index("Conv2D")
    start = layers.index("LayerNormalization") + 1
    assert layers[start : start + 8] == BLOCK * 2
    assert "Sequential" not in kinds(image.build((32, 32, 3), 4, augment=False))


def test_image_sees_grey_with_the_crops_own_mean_and_deviation() -> None:
    import keras

    model = image.build((32, 32, 3), 4, filters=(4,))
    inside = keras.Model(model.inputs[0], model.get_layer("own_contrast").output)
    luma = CROPS @ np.array([0.299, 0.587, 0.114])
    axes = {"axis": (1, 2), "keepdims": True}
    expected = (luma - luma.mean(**axes)) / luma.std(**axes)
    np.testing.assert_allclose(np.asarray(inside(CROPS, training=False))[..., 0], expected, atol=0.01)
    # Half the light and another tint of all of it are another room, not another state.
    dim = np.asarray(inside(CROPS // 2, training=False))
    np.testing.assert_allclose(dim, np.asarray(inside(CROPS // 2 * 2, training=False)), atol=0.05)
    assert not model.get_layer("grey").trainable


def test_the_table_of_layers_counts_the_parameters() -> None:
    table = blocks.describe(cry2.build((16, 16), 3, filters=(4,))).set_index("layer")
    assert table.loc["conv1", "parameters"] == 3 * 3 * 4
    assert table.loc["norm1", ["parameters", "trained"]].tolist() == [16, 8]
    # 16 x 16 is strided to 8 x 8, pooled to 4 x 4, averaged over time to 1 x 4.
    assert table.loc["mean_over_time", "output"] == "1 x 4 x 4"
    assert table.loc["states", "parameters"] == 16 * 3 + 3
    assert table.loc["normalise", "trained"] == 0


def test_every_coefficient_is_normalised_by_the_rows_given() -> None:
    import keras

    rows = RNG.normal(3, [0, 10, 100, *[1] * 13], (20, 24, 16)).astype(np.float32)
    model = cry2.build((24, 16), 2, filters=(4,))
    cry2.adapt(model, rows)
    model.fit(rows, np.arange(20) % 2, epochs=1, verbose=0)  # which leaves it as it is
    inside = keras.Model(model.inputs[0], model.get_layer("normalise").output)
    out = np.asarray(inside(rows)).reshape(-1, 16)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=0), [0] + [1] * 15, atol=1e-4)  # the first is constant


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: cry2.build((8, 40), 4), "16 x 16 at least"),
        (lambda: cry2.build((63, 40), 4, dropout=1.0), "dropout=1.0"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(build, words) -> None:
    with pytest.raises(InputError, match=words) as error:
        build()
    assert "\n" not in str(error.value)
