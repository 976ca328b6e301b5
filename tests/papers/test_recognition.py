"""Paper B's answers over time, by hand, and the model that is kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from graphs import without_graphs
from trained_run import Trained

from cryutils import audio, claims, evaluation
from cryutils.evaluation import calibration
from cryutils.models import cry2, export, novelty, training
from cryutils.models.export import Lite
from cryutils.models.inputs import Examples, SoundInput
from cryutils.papers.predict import Predictor
from cryutils.papers.recognition import STATES, deploy, flicker, windows
from cryutils.video.tracks import FaceTrack

# Over time


def over_time(*labels: int) -> np.ndarray:
    """Windows in which a model says these classes, -1 nothing."""
    rows = np.full((len(labels), 3), 0.2, np.float32)
    for row, label in zip(rows, labels, strict=True):
        row[label if label >= 0 else slice(None)] = 0.6 if label >= 0 else np.nan
    return rows


def test_flicker_by_hand() -> None:
    clips = [
        over_time(0, 0, 1, 0),  # two changes in three steps of half a second
        over_time(2, 2, 2),
        over_time(0, -1, 1, 1),  # of two steps between answers, one is a change
        over_time(1),
        over_time(-1, 2, -1),
        over_time(),
    ]
    rates = flicker(clips, step_s=0.5)
    np.testing.assert_allclose(rates, [80, 0, 60, np.nan, np.nan, np.nan])


def shares(*first: float) -> np.ndarray:
    """Answers of three probabilities, of which these are the first."""
    return np.array([[p, 1 - p, 0] for p in first], np.float32)


def track(times_s: list[float], *, faces: list[int] | None = None, blank=None) -> FaceTrack:
    n = len(times_s)
    return FaceTrack(
        np.zeros((n, 1, 1, 3), np.uint8), np.zeros((n, 4), np.float32),
        np.array(faces if faces is not None else [1] * n, bool),
        np.array(blank if blank is not None else [0] * n, bool), np.array(times_s, float), "haar",
    )  # fmt: skip


def test_windows_pair_a_stretch_of_sound_with_the_faces_in_it() -> None:
    hearing = SoundInput(window_s=1.024, step_s=1.024)  # starts at 0, 1.024, 2.048, 3.072
    sounds = Examples(np.zeros((6, 1)), np.array([0, 0, 0, 0, 1, 1]))
    early = track([0.5, 1.5, 1.9, 2.2, 2.5], faces=[1, 1, 1, 0, 1], blank=[0, 0, 0, 0, 1])
    late = track([1.2])
    faces = Examples(np.zeros((4, 1)), np.array([0, 0, 0, 1]))
    of_sounds, of_faces = shares(*np.arange(6) / 100), shares(0.1, 0.2, 0.4, 0.6)
    timelines = windows(of_sounds, of_faces, hearing, sounds, [early, late], faces)
    assert {name: [len(p) for p in clips] for name, clips in timelines.items()} == {
        "audio": [4, 2], "image": [4, 2], "fused": [4, 2],
    }  # fmt: skip
    np.testing.assert_allclose(timelines["audio"][0][:, 0], [0, 0.01, 0.02, 0.03], atol=1e-6)
    # The face at 0.5 s; the mean of those at 1.5 and 1.9 s; none after, so the last one before.
    np.testing.assert_allclose(timelines["image"][0][:, 0], [0.1, 0.3, 0.4, 0.4], atol=1e-6)
    np.testing.assert_allclose(timelines["fused"][0][:, 0], [0.05, 0.155, 0.21, 0.215], atol=1e-6)
    # Before the first face of the other clip the sound answers alone.
    np.testing.assert_allclose(timelines["image"][1][:, 0], [np.nan, 0.6], atol=1e-6)
    np.testing.assert_allclose(timelines["fused"][1][:, 0], [0.04, 0.325], atol=1e-6)


# The model that is kept


@without_graphs()
def test_deploy_keeps_a_network_that_predict_can_use(
    trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing, cries = trained.hearing, trained.corpus
    examples = hearing.examples(audio.signals(cries, sr=hearing.sr))
    calls: list[dict] = []
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda *a, **k: calls.append(k) or fit(*a, **k))
    truth, _ = evaluation.class_indices(cries.labels)
    answers = evaluation.out_of_fold(
        lambda _, test: np.where(test % 3, truth[test], -1), cries, split="leak_free", folds=2
    )
    settings = training.Settings(epochs=1, warm_up=0, seed=7)
    files = deploy(
        "cry2",
        lambda s: cry2.build(hearing.shape, 4, filters=(4, 8)),
        examples, cries, settings=settings, model_input=hearing, scored=answers,
        folder=claims.run_dir() / "models",
    )  # fmt: skip

    folder = apart / "outputs" / "manual" / "models"
    assert files == tuple(folder / f"cry2.{end}" for end in ("keras", "json", "tflite"))
    # All clips but a validation part of whole infants, under the seed that is told.
    parts = [cries.infants[examples.clip[calls[0][part]]] for part in ("train", "validation")]
    assert set(parts[0]) | set(parts[1]) == set(cries.infants)
    assert not set(parts[0]) & set(parts[1])
    assert calls[0]["settings"] == settings

    about = json.loads(files[1].read_text())
    assert about["classes"] == list(STATES)
    assert SoundInput(**about["input"]) == hearing
    assert (about["data"], about["note"], about["seed"]) == ("synthetic", cries.note, 7)
    assert (about["clips"], about["infants"]) == (16, 8)
    assert about["learned_from"] == sorted(set(parts[0]))
    assert about["source"] == cries.source
    assert about["training"] == asdict(settings)
    scores = evaluation.score(answers).reset_index().set_index("metric")
    assert {m: list(row.values()) for m, row in about["leak_free"].items()} == {
        metric: [row.value, row.low, row.high] for metric, row in scores.iterrows()
    }

    # Fitted to the validation part, whose answers may make a network less sure, never more.
    held_back = calls[0]["validation"]
    network = export.network(files[0])
    fitted = calibration.temperature(
        network.predict(examples.x[held_back], verbose=0), truth[examples.clip[held_back]]
    )
    assert about["temperature"] == pytest.approx(max(1.0, fitted), abs=0.01)

    assert novelty.share(about["reference"], examples.x[:2] + 40) == 1

    expected = network.predict(examples.x, verbose=0)
    np.testing.assert_allclose(Lite(files[2]).predict(examples.x), expected, atol=1e-4)
    (prediction,) = Predictor("cry2", run=apart / "outputs" / "manual")(cries[3].path)
    calibrated = calibration.at_temperature(expected[examples.clip == 3], about["temperature"])
    mine = calibrated.mean(axis=0)
    np.testing.assert_allclose(list(prediction.probabilities.values()), mine, atol=1e-4)
