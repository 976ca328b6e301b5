"""An autoencoder's encoder, frozen, with a DNN behind it: shapes, identities and controls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphs import without_graphs
from hypothesis import given
from hypothesis import strategies as st

import cryutils
from cryutils import audio, evaluation
from cryutils.errors import InputError
from cryutils.models import autoencoders, crossfit, export, fusion
from cryutils.models.examples import Examples
from cryutils.models.inputs import SoundInput
from cryutils.models.stacked import DenseSettings, FitSpec

STATES = ["hug", "hungry", "sleepy"]
FRAMES, COEFFICIENTS, PATCH, CODE = 14, 5, 4, 3
SMALL = replace(autoencoders.sized(CODE, hidden=16), epochs=6, batch_size=16)
HEAD = DenseSettings(units=(8, 6), epochs=4)


def moments(clips: int = 12, each: int = 3, seed: int = 0) -> Examples:
    """Windows that wander, with another mean for each class of clip (clip number modulo 3)."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (clips * each, FRAMES, COEFFICIENTS))
    of = np.repeat(np.arange(clips), each)
    x = np.cumsum(steps, axis=1) * [1, 5, 0.1, 2, 3] + 3 * (of % 3)[:, None, None]
    return Examples(x.astype(np.float32), of)


def divisions() -> list[autoencoders.Division]:
    """Return two of 14 clips: the last but one has no moments, and none tests the last."""
    test = [np.flatnonzero(np.arange(12) // 3 % 2 == side) for side in (0, 1)]
    parts = [(test[1 - k][:3], test[1 - k][3:], test[k]) for k in (0, 1)]
    return [(train, stop, np.append(tested, 12)) for train, stop, tested in parts]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> autoencoders.AeDnn:
    with pytest.MonkeyPatch.context() as patch, without_graphs():
        patch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return autoencoders.cross_fit(
            moments(), np.arange(14) % 3, divisions(), classes=3, patch=PATCH, autoencoder=SMALL,
            dnn=HEAD,
        )  # fmt: skip


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 3))
def test_patches_put_end_to_end_are_the_window(patch: int, more: int, rest: int) -> None:
    frames = patch * more + min(rest, patch - 1)
    x = np.random.default_rng(frames).normal(size=(3, frames, 2)).astype(np.float32)
    back = autoencoders.patches(x, patch).reshape(3, -1, 2)
    assert np.array_equal(back, x[:, : patch * more])


@pytest.mark.parametrize("patch", [0, FRAMES + 1])
def test_a_patch_that_does_not_fit_is_refused(patch: int) -> None:
    with pytest.raises(InputError, match=f"patch={patch}.*{FRAMES} frames"):
        autoencoders.patches(moments().x, patch)


def test_codes_are_mean_and_deviation_of_the_bottleneck_over_a_window(
    fitted: autoencoders.AeDnn,
) -> None:
    x = moments().x
    codes = autoencoders.codes(fitted.autoencoders, 1, x)
    assert codes.shape == (36, 2 * CODE)
    (w1, bias1), (w2, bias2) = fitted.autoencoders.layers(1)[:2]
    by_hand = np.maximum(autoencoders.patches(x[:1], PATCH)[0] @ w1 + bias1, 0) @ w2 + bias2
    assert codes[0] == pytest.approx(np.r_[by_hand.mean(axis=0), by_hand.std(axis=0)], abs=1e-4)
    assert np.array_equal(codes, fitted.codes[1])
    assert autoencoders.codes(fitted.autoencoders, 0, x[:0]).shape == (0, 2 * CODE)


def test_features_of_another_width_are_refused(fitted: autoencoders.AeDnn) -> None:
    with pytest.raises(InputError, match=r"7 coefficients.*20 numbers"):
        autoencoders.codes(fitted.autoencoders, 0, np.zeros((2, FRAMES, 7), np.float32))


def test_the_classifiers_front_gives_exactly_the_autoencoders_bottleneck(
    fitted: autoencoders.AeDnn,
) -> None:
    import keras

    model = autoencoders.keras_classifier(
        fitted.autoencoders, 0, fitted.classifiers, 0, (FRAMES, COEFFICIENTS)
    )
    whole = fitted.autoencoders.keras(0)
    front = keras.Model(model.input, model.get_layer("bottleneck").output)
    encoder = keras.Model(whole.input, whole.layers[2].output)
    cut = autoencoders.patches(moments().x, PATCH)
    in_classifier = front.predict(moments().x, verbose=0)
    in_autoencoder = encoder.predict(
        cut.reshape(-1, PATCH * COEFFICIENTS), verbose=0, batch_size=96
    )
    assert np.array_equal(in_classifier, in_autoencoder.reshape(in_classifier.shape))
    layers = [model.get_layer(name) for name in ("encoder", "bottleneck")]
    for weights, layer in zip(fitted.autoencoders.layers(0)[:2], layers, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(weights, layer.get_weights(), strict=True))
    code = fitted.autoencoders.hidden(0, cut.reshape(-1, cut.shape[2]), layer=1)
    assert in_classifier.reshape(code.shape) == pytest.approx(code, abs=1e-4)


def test_the_classifier_in_keras_and_in_litert_answers_as_the_two_parts_do(
    fitted: autoencoders.AeDnn, tmp_path: Path
) -> None:
    parts = fitted.autoencoders, 1, fitted.classifiers, 1, (FRAMES, COEFFICIENTS)
    model = autoencoders.keras_classifier(*parts)
    x, code = moments().x, fitted.codes[1]
    answers = fitted.classifiers.predict(1, code)
    assert model.predict(x, verbose=0) == pytest.approx(answers, abs=1e-5)
    light = export.Lite(export.litert(model, tmp_path / "stream.tflite"))
    assert light.predict(x) == pytest.approx(answers, abs=1e-5)


def test_each_clip_is_answered_by_the_division_that_tests_it(fitted: autoencoders.AeDnn) -> None:
    for k, (_, _, test) in enumerate(divisions()):
        test = test[:-1]  # the last has no moments
        rows = moments().rows(test)
        answers = fitted.classifiers.predict(k, fitted.codes[k, rows])
        for number, clip in enumerate(test):
            mean = answers[3 * number : 3 * number + 3].mean(axis=0)
            assert fitted.probabilities[clip] == pytest.approx(mean, abs=1e-6)
    # The last but one has no windows, and none tests the last.
    assert np.isnan(fitted.probabilities[12:]).all()


@without_graphs()
def test_a_test_clip_shapes_neither_the_encoder_nor_the_dnn_that_judge_it(
    fitted: autoencoders.AeDnn, apart: Path
) -> None:
    changed = moments()
    test = divisions()[0][2]
    rows = changed.rows(test)
    changed.x[rows] *= np.linspace(1, 4, len(rows))[:, None, None]
    again = autoencoders.cross_fit(
        changed, np.arange(14) % 3, divisions(), classes=3, patch=PATCH, autoencoder=SMALL, dnn=HEAD
    )
    for part in ("autoencoders", "classifiers"):
        before, after = getattr(fitted, part), getattr(again, part)
        for (a, _), (b, _) in zip(before.layers(0), after.layers(0), strict=True):
            assert np.array_equal(a, b)
        assert after.layers(1)[0][0] != pytest.approx(before.layers(1)[0][0], rel=0.1)


def test_patches_on_a_plane_come_back_through_a_code_as_wide_as_the_plane(apart: Path) -> None:
    rng = np.random.default_rng(3)
    plane = rng.normal(size=(2, 3 * 4))
    x = (rng.normal(size=(120, 2)) @ plane).reshape(120, 3, 4).astype(np.float32)
    tasks = [FitSpec(np.arange(90), np.arange(90, 120))]
    left = {}
    for width in (1, 2):
        settings = replace(autoencoders.sized(width, hidden=64), epochs=40, learning_rate=3e-3)
        trained = autoencoders.fit(x, tasks, patch=3, settings=settings)
        back = autoencoders.reconstruction(trained, 0, x[90:])
        left[width] = np.mean((back - x[90:]) ** 2) / np.mean(x[90:] ** 2)
    assert back.shape == (30, 3, 4)
    assert left[2] < 0.05 < left[1]


def test_a_denoising_autoencoder_is_nearer_to_the_clean_windows_than_its_input(apart: Path) -> None:
    rng = np.random.default_rng(4)
    # Two numbers tell each window, so noise can't pass through so narrow a code.
    clean = np.repeat(rng.normal(0, 5, (200, 1, 2)), 8, axis=1).astype(np.float32)
    noisy = clean + rng.normal(0, 2, clean.shape).astype(np.float32)
    trained = autoencoders.fit(
        noisy, [FitSpec(np.arange(150), np.arange(150, 200))], patch=8, clean=clean,
        settings=replace(autoencoders.sized(2, hidden=32), epochs=60),
    )  # fmt: skip
    back = autoencoders.reconstruction(trained, 0, noisy[150:])
    before, after = (np.sqrt(np.mean((w - clean[150:]) ** 2)) for w in (noisy[150:], back))
    assert after < 0.7 * before


@pytest.mark.parametrize("units", [(8,), (8, 2, 8)])
def test_settings_of_another_form_are_refused(units: tuple[int, ...]) -> None:
    settings = DenseSettings(units=units)
    with pytest.raises(InputError, match="three hidden layers"):
        autoencoders.fit(moments().x, [], settings=settings)


def test_at_full_signal_a_submodel_knows_the_state_of_new_infants(apart: Path) -> None:
    corpus = cryutils.load(
        "synthetic", classes=STATES, signal=1.0, identity=1.0, infants=18, clips_per_infant=5,
        duration_s=2.5, sr=8000, seed=1,
    )  # fmt: skip
    hearing = SoundInput(kind="mfcc", n_fft=256, hop_length=128, scaling="recording")
    examples = hearing.examples(audio.signals(corpus, sr=8000))
    y, _ = evaluation.class_indices(corpus.labels)
    (folds,) = evaluation.Split.INFANT.k_folds(corpus, n_splits=3, repeats=1, seed=1)
    parts = []
    for train, test in folds:
        fitting, stopping = crossfit.validation_split(
            train, corpus.labels, corpus.infants, split="infant", seed=1
        )
        parts.append((fitting, stopping, test))
    answers = autoencoders.cross_fit(examples, y, parts, classes=3).probabilities
    score = evaluation.interval(fusion.decide(answers), y, corpus.infants)
    assert score.low is not None
    assert score.low > 1 / len(STATES), score
