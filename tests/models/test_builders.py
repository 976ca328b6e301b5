"""Paper A's networks as plain Keras layers: what they are made of, and what is trained of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryutils.errors import InputError
from cryutils.models import autoencoders, blocks, ensemble, stacked
from cryutils.models.stacked import DenseSettings


def dense_sizes(model) -> list[tuple[int, ...]]:
    """Return the kernels' shapes in the order of the layers."""
    return [weights.shape for weights in model.get_weights() if weights.ndim > 1]


def side_by_side(d: int, settings: DenseSettings, classes: int | None) -> list[tuple[int, ...]]:
    """Return the shapes of one network among those that are trained together."""
    allowed = None if classes is None else np.ones((1, classes), bool)
    return [w.shape[1:] for w in stacked.network(d, [0], settings, allowed).get_weights()[::2]]


def test_the_autoencoder_returns_to_the_size_of_its_patch_through_a_linear_code() -> None:
    settings = autoencoders.sized(5, hidden=12)
    model = autoencoders.build(40, settings)
    assert dense_sizes(model) == [(40, 12), (12, 5), (5, 12), (12, 40)]
    assert dense_sizes(model) == side_by_side(40, settings, None)
    kinds = {name: model.get_layer(name).activation.__name__
             for name in ("encoder", "bottleneck", "decoder", "back")}  # fmt: skip
    assert kinds == {"encoder": "relu", "bottleneck": "linear", "decoder": "relu", "back": "linear"}


def test_the_dnn_leads_from_codes_through_dropout_to_probabilities() -> None:
    settings = replace(autoencoders.DNN, units=(9, 4), dropout=0.25)
    code = autoencoders.sized(5, hidden=12)
    model = autoencoders.build_submodel((8, 8), 3, patch=4, autoencoder=code, dnn=settings)
    assert dense_sizes(model)[2:] == side_by_side(10, settings, 3) == [(10, 9), (9, 4), (4, 3)]
    assert list(blocks.describe(model).kind[-5:]) == ["Dense", "Dropout"] * 2 + ["Dense"]
    assert model.get_layer("dropout2").rate == 0.25
    answers = model.predict(np.ones((2, 8, 8)), verbose=0)
    assert answers.sum(axis=1) == pytest.approx(1)


def test_the_submodel_is_the_front_on_each_whole_patch_and_the_dnn_on_mean_and_deviation() -> None:
    keras = pytest.importorskip("keras")
    code = autoencoders.sized(5, hidden=12)
    model = autoencoders.build_submodel((11, 8), 3, patch=4, autoencoder=code)
    x = np.random.default_rng(0).normal(size=(2, 11, 8)).astype(np.float32)
    front = keras.Sequential([model.get_layer(name) for name in ("encoder", "bottleneck")])
    codes = front.predict(x[:, :8].reshape(4, 32), verbose=0).reshape(2, 2, 5)
    wanted = np.concatenate([codes.mean(axis=1), codes.std(axis=1)], axis=1)
    looked_at = keras.Model(model.input, model.get_layer("mean_and_deviation").output)
    np.testing.assert_allclose(looked_at.predict(x, verbose=0), wanted, atol=1e-5)
    dnn = keras.Sequential([model.get_layer(name) for name in ("dense1", "answer")])
    np.testing.assert_allclose(
        model.predict(x, verbose=0), dnn.predict(wanted, verbose=0), atol=1e-5
    )


def test_the_ensemble_joins_the_submodels_outputs_before_its_dense_layers() -> None:
    model = ensemble.build({"mfcc": 3, "stft": 3, "image": 2}, 3, units=(7, 4), dropout=0.5)
    kinds = list(blocks.describe(model).kind)
    assert kinds == ["InputLayer"] * 3 + ["Concatenate", "Flatten"] + ["Dense", "Dropout"] * 2 + [
        "Dense"
    ]
    settings = DenseSettings(units=(7, 4), dropout=0.5)
    assert dense_sizes(model) == side_by_side(8, settings, 3)
    parts = [np.full((1, n), n, np.float32) for n in (3, 3, 2)]
    assert [t.name for t in model.inputs] == ["mfcc", "stft", "image"]
    assert model.get_layer("concatenate").output.shape == (None, 8)
    assert model.predict(parts, verbose=0).sum() == pytest.approx(1)
    alone = ensemble.build({"mfcc": 3}, 2)
    assert "Concatenate" not in set(blocks.describe(alone).kind)


def test_a_dropout_of_all_units_is_refused() -> None:
    with pytest.raises(InputError, match=r"dropout=1\.0"):
        ensemble.build({"mfcc": 3}, 3, dropout=1.0)
