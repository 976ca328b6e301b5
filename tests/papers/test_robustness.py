"""Disturbed clips go to the networks that never met the infant, and what is lost is no answer.

Networks are replaced by what measures its input; that the disturbances have their amount is tested
in `tests/audio/test_stress.py` and `tests/video/test_degradation.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax

import cryutils
from cryutils import audio, claims, video
from cryutils.datasets.corpus import Corpus
from cryutils.models.inputs import FaceInput, SoundInput
from cryutils.models.training import CrossFit
from cryutils.papers import robustness
from cryutils.papers.robustness import STRESSES, Bench

HEARING = SoundInput(sr=8000, kind="mel", window_s=1.0, n_mels=20)
SEEING = FaceInput(fps=2.0, size=32, limit=2)


@dataclass
class Meter:
    """Stands for a fitted network: the brighter an example, the surer of the second class."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        light = x.mean(axis=tuple(range(1, x.ndim))) / 100
        return softmax(np.stack([np.zeros(len(x)), light], axis=1), axis=1).astype(np.float32)


@pytest.fixture(scope="module", name="corpus")
def small_corpus() -> Corpus:
    return cryutils.load(
        "synthetic", classes=["hungry", "pain"], infants=4, clips_per_infant=1, duration_s=2.0,
        video=True, fps=6, size=112,
    )  # fmt: skip


@pytest.fixture(scope="module", name="tracks")
def faces_found(corpus: Corpus) -> list[video.FaceTrack]:
    return video.crops(corpus, fps=2.0, size=32, limit=2, detector="haar")


@pytest.fixture(scope="module", name="bench")
def both_modalities(corpus: Corpus, tracks: list[video.FaceTrack]) -> Bench:
    sounds = audio.signals(corpus, sr=8000)
    views = [
        robustness.face_view(clip, track, fps=2.0, detector="haar")
        for clip, track in zip(corpus, tracks, strict=True)
    ]
    n = np.arange(len(corpus))
    folds = [(n[n % 2 != k], n[n % 2 == k]) for k in (0, 1)]
    fits = {}
    for name, examples in (("audio", HEARING.examples(sounds)), ("image", SEEING.examples(tracks))):
        empty = np.full((1, len(corpus), 2), np.nan, np.float32)
        fit = CrossFit(empty, [Meter(), Meter()], [folds], ["a", "b"], [n[:1], n[1:2]])  # type: ignore[list-item]
        fits[name] = replace(fit, probabilities=fit.predict(examples))
    return Bench(corpus, fits, HEARING, sounds, SEEING, views)


def test_a_frame_that_was_made_worse_before_is_looked_at_too() -> None:
    worse = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    box = np.array([[24, 24, 48, 48]], np.float32)
    for seen_before, rows in ((True, 0), (False, 1)):  # a face that was there is lost in noise
        view = robustness.View([worse], box, np.array([seen_before]))
        assert len(view.disturbed(lambda same, _: same, SEEING)) == rows


def test_undisturbed_frames_give_the_very_crops(bench: Bench, tracks) -> None:
    assert sum(len(view.frames) for view in bench.views) >= 4
    for view, track in zip(bench.views, tracks, strict=True):
        crops = view.disturbed(lambda frame, _: frame, SEEING)
        np.testing.assert_array_equal(crops, track.crops[track.usable])


@pytest.mark.parametrize("key", STRESSES)
def test_a_stress_spares_the_other_modality_and_fusion_follows(bench: Bench, key: str) -> None:
    stress, before = STRESSES[key], bench.undisturbed
    answers = bench.answers(stress, stress.levels[-1])
    other = {"audio": "image", "image": "audio"}[stress.modality]
    np.testing.assert_array_equal(answers[other], before[other])
    assert answers["fused"].shape == before["fused"].shape
    gone = np.isnan(answers[stress.modality][..., 0])
    np.testing.assert_array_equal(answers["fused"][gone], before[other][gone])
    again = bench.answers(stress, stress.levels[-1])
    np.testing.assert_array_equal(answers["fused"], again["fused"])


def test_a_face_that_the_detector_loses_is_no_answer(bench: Bench) -> None:
    assert all(view.in_sight.any() for view in bench.views)
    covered = bench.answers(STRESSES["side"], 1.0)
    assert np.isnan(covered["image"]).all()
    np.testing.assert_array_equal(covered["fused"], bench.undisturbed["audio"])


def test_a_clip_has_noise_of_its_own_whatever_the_others_are(bench: Bench) -> None:
    fewer = replace(bench, sounds=[bench.sounds[0], *(x[:0] for x in bench.sounds[1:])])
    noise = STRESSES["noise"]
    first, second = (b.answers(noise, 10)["audio"][0] for b in (bench, fewer))
    np.testing.assert_array_equal(first[0], second[0])
    assert np.isnan(second[1:]).all()


def test_every_claim_on_robustness_is_of_a_level_that_is_tried() -> None:
    keys = [key for key in claims.published().key if key.startswith("robust.")]
    assert len(keys) >= 15
    for key in keys:
        parts = key.split(".")
        (name,) = {*STRESSES, "side_light"} & {*parts}
        if name == "side_light":  # only in the stored run
            continue
        level = float(".".join(part for part in parts if part.isdigit()))
        assert level in STRESSES[name].levels, key
        assert f"{name}.{level:g}." in key, "as it is recorded"


def test_temperature_and_threshold_come_from_each_folds_validation_clips() -> None:
    # Fold 0's network says 0.9 and is right 7 in 10 times, fold 1's says 0.6 and always is.
    corpus = SimpleNamespace(labels=np.array([*"aaaaaaabbbaaaaaaaaaa"]))
    validation = np.full((2, 20, 2), np.nan, np.float32)
    validation[0, :10] = [0.9, 0.1]
    validation[1, 10:] = [0.6, 0.4]
    p = np.tile(np.array([[0.9, 0.1], [0.6, 0.4]], np.float32), (10, 1))
    folds = [(np.arange(10, 20), np.arange(10)), (np.arange(10), np.arange(10, 20))]
    fit = SimpleNamespace(probabilities=p[None], folds=[folds], validation=lambda _: validation)
    (result,) = robustness.calibrate({"audio": fit}, {"audio": None}, corpus, coverage=0.5)["audio"]
    assert result.temperatures[0] == pytest.approx(np.log(9) / np.log(7 / 3), rel=1e-3)
    assert result.temperatures[1] == pytest.approx(0.05, rel=1e-3)
    np.testing.assert_allclose(result.after[0], [0.7, 0.3], atol=1e-3)
    np.testing.assert_array_equal(result.after.argmax(axis=1), p.argmax(axis=1))
    # In fold 0 all validation clips are as sure as 0.7: the surer of its clips are answered.
    assert result.thresholds[0] == pytest.approx(0.7, abs=1e-3)
    assert np.isnan(result.sure[:10, 0]).tolist() == [False, True] * 5


def test_a_table_has_every_level_and_model_and_what_is_left_of_the_answers(bench: Bench) -> None:
    table = bench.test([STRESSES["noise"], STRESSES["no_picture"]]).table
    table = table.set_index(["key", "level", "modality"])
    assert len(table) == 3 * (1 + 3 + 2)
    assert table.answered["no_picture", 1, "image"] == 0
    assert table.answered["no_picture", 0.5, "image"] == 0.5
    assert table.answered["no_picture", 1, "fused"] == 1
    assert table.hit["noise", 20, "fused"] == "audio"
    assert table.macro_f1["noise", 0, "image"] == table.macro_f1["none", 0, "image"]
