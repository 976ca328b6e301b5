"""The small backbone that comes with the package: what it learned from, and what it can do."""

from __future__ import annotations

import numpy as np
import pretrain
from sizes import large

from cryutils.datasets.synthetic.states import FACES
from cryutils.models import backbones

SIZE = 48


def test_it_is_taught_nothing_that_a_state_shapes() -> None:
    changes = np.any([*FACES.states.values()], axis=0)
    shaped = {name for name, is_changed in zip(FACES.names, changes, strict=True) if is_changed}
    assert {"lid", "furrow", "gape", "blush"} < shaped
    assert not shaped & set(pretrain.LABELS)
    # Nor what moves with the cry, nor the shape of what states move.
    moved = {"opening", "effort", "blink"}
    near = {"eye_size", "eye_slant", "brow", "brow_height", "mouth_width", "lips", "iris"}
    assert not (moved | near) & set(pretrain.LABELS)


def explained_share(backbone: backbones.Backbone, pixels: np.ndarray, wanted: np.ndarray) -> float:
    """How much of a label a linear head on the embeddings explains in other faces."""
    from sklearn.linear_model import Ridge

    rows = backbones.head_input(backbone).predict(pixels, verbose=0)
    rows = (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-6)
    half = len(pixels) // 2
    return float(Ridge(10.0).fit(rows[:half], wanted[:half]).score(rows[half:], wanted[half:]))


@large
def test_the_one_that_comes_with_the_package_is_what_training_makes(tmp_path, monkeypatch) -> None:
    pretrain.main(tmp_path / "again.npz")
    with np.load(backbones.READY) as ready, np.load(tmp_path / "again.npz") as again:
        assert set(ready.files) == set(again.files)
        assert str(ready["told"]) == str(again["told"]) == pretrain.recipe()
    pixels, labels = pretrain.faces(240, seed=1)
    clear = [pretrain.LABELS.index(name) for name in ("skin", "hair", "light", "light_x")]
    # Rounding differs between machines, so the networks need not be equal, only equally good.
    scores = [explained_share(backbones.small(), pixels, labels[:, clear])]
    monkeypatch.setattr(backbones, "READY", tmp_path / "again.npz")
    scores.append(explained_share(backbones.small(), pixels, labels[:, clear]))
    assert min(scores) > 0.5
    assert abs(scores[0] - scores[1]) < 0.1


def test_it_is_frozen_and_says_what_it_is() -> None:
    backbone = backbones.small(size=SIZE)
    assert backbone.model.trainable_weights == []
    assert backbone.words == "small CNN, pretrained on 800 other synthetic infants"
    assert backbone.trained and not backbone.imagenet
    assert backbone.model.output_shape == (None, 3, 3, 128)
    assert backbone.digest == backbones.small().digest


def test_the_small_one_replaces_resnet50_without_weights_and_gives_the_cause(monkeypatch) -> None:
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    backbone = backbones.choose(size=SIZE)
    assert backbone.name == "small CNN"
    assert backbones.choose("ResNet50", size=32).weights.startswith("random weights")
