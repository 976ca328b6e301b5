"""Frozen and fine-tuned: what learns, what keeps still, and that a head fits its backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryutils.datasets.corpus import Clip
from cryutils.errors import InputError
from cryutils.models import backbones, backend, second_model
from cryutils.models.backbones import Backbone
from cryutils.models.inputs import Examples
from cryutils.models.training import Settings
from cryutils.papers import finetuning
from cryutils.papers.embeddings import FrameInput
from cryutils.video import mp4

pytestmark = pytest.mark.usefixtures("brief", "apart")

SHAPE = (32, 32, 3)
STATES = ("hug", "hungry", "sleepy")


@pytest.fixture(scope="module")
def tiny() -> Backbone:
    """A frozen backbone with a batch normalisation whose statistics are those of no batch."""
    keras = backend.keras()
    layers = keras.layers
    pixels = keras.Input(SHAPE)
    h = layers.Conv2D(8, 3, strides=4, use_bias=False)(layers.Rescaling(1 / 127.5, -1.0)(pixels))
    model = keras.Model(pixels, layers.ReLU()(layers.BatchNormalization()(h)))
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.normal(0, 0.3, w.shape) if w.ndim > 1 else 1 + rng.random(w.shape) / 4
         for w in model.get_weights()]
    )  # fmt: skip
    model.trainable = False
    return Backbone(model, "tiny", "random weights (seed 0)", "none")


@pytest.fixture(scope="module")
def data() -> tuple[Examples, list[str], list[str]]:
    """18 clips of 6 infants, two frames each; red, green or blue is a little brighter."""
    rng = np.random.default_rng(1)
    labels = [STATES[n % 3] for n in range(18)]
    clips = []
    for label in labels:
        x = rng.integers(0, 200, (2, *SHAPE))
        x[..., STATES.index(label)] += 40
        clips.append(x.astype(np.uint8))
    return Examples.of(clips), labels, [f"i{n // 3}" for n in range(18)]


SETTINGS = Settings(epochs=3, batch_size=8, learning_rate=1e-2, dropout=0.0)
FOLDS = [
    (np.arange(6, 18), np.arange(6)), (np.r_[0:6, 12:18], np.arange(6, 12)),
]  # fmt: skip


@pytest.fixture(scope="module")
def fitted(
    brief: None, tiny: Backbone, data: tuple[Examples, list[str], list[str]]
) -> dict[str, Any]:
    return finetuning.frozen_and_finetuned(
        tiny, *data, [FOLDS], split="infant", settings=SETTINGS, units=8
    )


def backbone_weights(model: Any) -> list[np.ndarray]:
    (inner,) = [layer for layer in model.layers if hasattr(layer, "layers")]
    return list(inner.get_weights())


def test_frozen_keeps_every_weight_and_fine_tuned_changes_the_kernels(
    tiny: Backbone, fitted: dict[str, Any]
) -> None:
    before = tiny.model.get_weights()
    for fit in fitted["frozen"].fits:
        for ours, theirs in zip(backbone_weights(fit.model), before, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for fit in fitted["finetuned"].fits:
        after = backbone_weights(fit.model)
        assert not np.array_equal(after[0], before[0])
        for ours, theirs in zip(after[1:], before[1:], strict=True):
            np.testing.assert_array_equal(ours, theirs)  # the batch normalisation's


def test_the_given_backbone_stays_as_it_is(tiny: Backbone, fitted: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(0, 0.3, tiny.model.get_weights()[0].shape)
    np.testing.assert_allclose(tiny.model.get_weights()[0], first, rtol=1e-6)
    assert tiny.model.trainable_weights == []


def test_both_learn_what_can_be_seen_and_answer_for_the_same_clips(
    fitted: dict[str, Any], data: tuple[Examples, list[str], list[str]]
) -> None:
    truth = np.array([STATES.index(label) for label in data[1]])
    for way in ("frozen", "finetuned"):
        answers = fitted[way].probabilities[0]
        assert np.isnan(answers[12:]).all() and np.isfinite(answers[:12]).all()
    right = fitted["frozen"].probabilities[0, :12].argmax(axis=1) == truth[:12]
    assert right.mean() > 0.6  # chance is a third


def test_the_small_rate_is_the_fine_tuned_ones_alone(fitted: dict[str, Any]) -> None:
    rates = {way: float(f.fits[0].model.optimizer.learning_rate) for way, f in fitted.items()}
    assert rates == pytest.approx({"frozen": 1e-2, "finetuned": finetuning.SMALL_RATE})


def test_the_two_networks_can_be_built_alone(tiny: Backbone) -> None:
    made = finetuning.networks(tiny, units=8)
    head = [(8, 8), (8,), (8, 3), (3,)]
    for way, build in made.items():
        model = build(SHAPE, 3, SETTINGS)
        trained = [tuple(weights.shape) for weights in model.trainable_weights]
        assert trained == (head if way == "frozen" else [(3, 3, 3, 8), *head])


def test_a_head_put_into_the_frozen_network_answers_the_same(
    tiny: Backbone, data: tuple[Examples, list[str], list[str]]
) -> None:
    pixels = data[0].x
    features = backbones.head_input(tiny).predict_on_batch(pixels)
    head, whole = second_model.head((8,), 3, units=8), second_model.network(tiny, 3, units=8)
    for name in ("dense", "states"):
        whole.get_layer(name).set_weights(head.get_layer(name).get_weights())
    answers = whole.predict_on_batch(pixels)
    np.testing.assert_allclose(answers, np.asarray(head(features)), atol=1e-5)


def test_the_second_model_is_the_papers() -> None:
    kinds = [type(layer).__name__ for layer in second_model.head((4, 4, 8), 3).layers]
    assert kinds == [
        "InputLayer", "GlobalAveragePooling2D", "Flatten", "Dense", "Dropout", "Dense",
    ]  # fmt: skip


def test_frames_are_spread_over_each_clip(apart: Path) -> None:
    pictures = [np.full((32, 32, 3), 20 * n, np.uint8) for n in range(9)]
    mp4.write(apart / "a.mp4", pictures, fps=4, sound=None, sr=None, crf=1)
    clips = [
        Clip("a", apart / "a.mp4", "hungry", "i", "i/1", None, 2.25, False, True),
        Clip("b", apart / "b.wav", "hungry", "i", "i/1", None, 2.0, True, False),
    ]
    frame_input = FrameInput(fps=4, size=32)
    examples = finetuning.frames(clips, frame_input, limit=3)
    assert (examples.x.dtype, examples.x.shape) == (np.uint8, (3, *SHAPE))
    assert examples.clip.tolist() == [0, 0, 0]
    np.testing.assert_allclose(examples.x.mean(axis=(1, 2, 3)), [0, 80, 160], atol=2)
    assert len(finetuning.frames(clips, frame_input, limit=10).x) == 9


def test_dropping_every_unit_is_refused() -> None:
    with pytest.raises(InputError, match=r"dropout=1\.0"):
        second_model.head((8,), 3, dropout=1.0)
