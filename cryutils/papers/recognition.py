"""Shared code of Paper B's notebooks: its four states, a model to keep, answers over time.

Used in notebooks 04_cry2, 05_image and 06_full, which train and compare the models of Paper B §3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.registry import load_or_simulate
from cryutils.evaluation import calibration
from cryutils.models import export, novelty, training
from cryutils.models.fusion import decide, late_fusion
from cryutils.models.inputs import Examples, FaceInput, SoundInput
from cryutils.models.training import fit_clips

if TYPE_CHECKING:
    from cryutils.video.tracks import FaceTrack

__all__ = ["STATES", "card", "deploy", "flicker", "load", "windows"]

Array = npt.NDArray[np.float32]

STATES = ("discomfort", "hungry", "pain", "tired")


def load(data: str, *, stand_in: str = "belly_pain", **simulation: Any) -> Corpus:
    """Return the corpus `data` as in `cryutils.load`, with the clips of Paper B's four states.

    stand_in: the label of "pain" if there is none. simulation: options of synthetic voices and
    faces. Raises InputError if fewer than two of the four states occur.
    """
    options = {"classes": list(STATES), "video": True} | simulation
    return load_or_simulate(data, **options).among(STATES, {"pain": [stand_in]})


def deploy(
    name: str,
    build: training.Build,
    examples: Examples,
    corpus: Corpus,
    *,
    settings: training.Settings,
    model_input: SoundInput | FaceInput,
    scored: pd.DataFrame,
    folder: Path,
) -> tuple[Path, ...]:
    """Train `name` on all clips except a validation part, save it, and return the paths.

    They are `<name>.keras`, `<name>.json` and `<name>.tflite` in `folder`. The JSON file includes a
    temperature, fitted to single windows or crops of the validation part. It is at least 1: this
    small part has already chosen the epoch, so it may only lower a network's confidence.

    build: as in `training.fit`. examples: rows of all clips. model_input: how a recording is
    prepared. scored: answers of such networks to unseen infants, from `evaluation.out_of_fold`.
    """
    fitting, stopping = evaluation.hold_back(
        corpus, np.unique(examples.clip), split="leak_free", seed=settings.seed
    )
    truth, _ = evaluation.class_indices(corpus.labels)
    fitted = fit_clips(build, examples, truth, fitting, stopping, settings)
    held_back = examples.rows(stopping)
    answers = fitted.predict(examples.x[held_back])
    temperature = calibration.temperature(answers, truth[examples.clip[held_back]])
    scores = evaluation.score(scored).reset_index().astype(object)
    scores = scores.where(scores.notna(), None)  # without an interval
    intervals = {str(row.metric): row for row in scores.itertuples()}
    about = card(corpus, settings, intervals) | {
        "input": asdict(model_input),
        "learned_from": sorted(set(corpus.infants[fitting].tolist())),
        "temperature": max(1.0, round(temperature, 3)),
    }
    if isinstance(model_input, SoundInput):
        about["reference"] = novelty.reference(examples, corpus.infants)
    return export.save(fitted.model, folder, name, about)


def card(corpus: Corpus, settings: Any, scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a model's card on its data, training and leak-free scores."""
    return {
        "classes": corpus.classes,
        "data": corpus.name,
        "note": corpus.note,
        "clips": len(corpus),
        "infants": len(set(corpus.infants)),
        "source": corpus.source,
        "training": asdict(settings),
        "seed": settings.seed,
        "leak_free": {
            m: {"value": s.value, "low": s.low, "high": s.high} for m, s in scores.items()
        },
    }


def windows(
    sound_rows: Array,
    face_rows: Array,
    hearing: SoundInput,
    sounds: Examples,
    tracks: Sequence[FaceTrack],
    faces: Examples,
) -> dict[str, list[Array]]:
    """Return the answers of "audio", "image" and "fused" over time, one array per clip.

    An array is float32 (windows, classes), for the windows of sound. The image's answer for a
    window is the mean over its crops, else the last crop before it, NaN before the first crop.

    sound_rows, face_rows: answers to each of `sounds` and `faces`, float32 (rows, classes), by
    networks that have not seen the clip: one repeat of `CrossFit.rows`. hearing: how the windows of
    `sounds` were cut. tracks: one per clip; `faces` are their usable crops.
    """
    answers: dict[str, list[Array]] = {"audio": [], "image": [], "fused": []}
    for k, track in enumerate(tracks):
        audio, image = sound_rows[sounds.rows([k])], face_rows[faces.rows([k])]
        times = track.times_s[track.usable]
        at = hearing.starts_s(len(audio))
        at_face = np.full_like(audio, np.nan)
        for row, start in enumerate(at):
            within = np.flatnonzero((times >= start) & (times < start + hearing.window_s))
            before = np.flatnonzero(times < start)[-1:]
            chosen = within if len(within) else before
            if len(chosen):
                at_face[row] = image[chosen].mean(axis=0)
        answers["audio"].append(audio)
        answers["image"].append(at_face)
        answers["fused"].append(late_fusion(audio, at_face).probabilities if len(audio) else audio)
    return answers


def flicker(over_time: Sequence[Array], *, step_s: float) -> npt.NDArray[np.float64]:
    """Return how often the most probable class changes, per minute, float64 (clips,).

    Windows without an answer are skipped. NaN for a clip with fewer than two answers. over_time:
    probabilities of each clip (windows, classes). step_s: from one window to the next, in s.
    """
    changes = np.full(len(over_time), np.nan)
    for k, p in enumerate(over_time):
        labels = decide(p) if len(p) else np.zeros(0, np.int64)
        labels = labels[labels >= 0]
        if len(labels) > 1:
            changes[k] = np.mean(labels[1:] != labels[:-1]) * 60 / step_s
    return changes
