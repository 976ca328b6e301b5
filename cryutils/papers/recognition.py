"""What the three notebooks of Paper B share: its four states, answers over time, a model to keep.

Notebooks 04_cry2, 05_image and 06_full train and compare the models of Paper B §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils import evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation import calibration
from cryutils.models import checkpoints, export, novelty, training
from cryutils.models.crossfit import fit_clips, validation_split
from cryutils.models.examples import Examples
from cryutils.models.fusion import decide, late_fusion
from cryutils.models.inputs import FaceInput, SoundInput
from cryutils.papers.scored import Scored

if TYPE_CHECKING:
    from cryutils.video.tracks import FaceTrack

__all__ = ["STATES", "deploy", "flicker", "state_corpus", "windows"]

Array = npt.NDArray[np.float32]

STATES = ("discomfort", "hungry", "pain", "tired")


def state_corpus(corpus: Corpus, *, stand_in: str = "belly_pain") -> Corpus:
    """Return the clips of Paper B's four states; `stand_in` is pain where a corpus has no pain.

    Parameters
    ----------
    corpus : Corpus
    stand_in : str
        A label.

    Raises
    ------
    InputError
        Fewer than two of the four states occur.
    """
    return corpus.among(STATES, {"pain": [stand_in]})


def deploy(
    name: str,
    build: training.Build,
    examples: Examples,
    corpus: Corpus,
    *,
    settings: training.Settings,
    model_input: SoundInput | FaceInput,
    scored: Scored,
    folder: Path,
) -> tuple[Path, ...]:
    """Train `name` on all clips but a validation part, and return the files that it is kept in.

    They are `<name>.keras`, `<name>.json` and `<name>.tflite` in `folder`. The second also holds
    the temperature at which the answers to single windows or crops of the validation part fit their
    truth best, for `predict` and the live analysis. It is never below 1: that part is a few
    infants and has already chosen the epoch, so it may make a network less sure, not more.

    Parameters
    ----------
    name : str
        Of the files.
    build : function
        As in `training.fit`.
    examples : Examples
        Rows of all clips.
    corpus : Corpus
        The clips.
    settings : Settings
        Of the training.
    model_input : SoundInput or FaceInput
        How a recording is prepared for it.
    scored : Scored
        What such a network is worth on infants that it has not met; the kept network itself is
        never scored.
    folder : Path
        Where the files go.
    """
    clips = np.unique(examples.clip)
    fitting, stopping = validation_split(
        clips,
        corpus.labels.tolist(),
        corpus.infants.tolist(),
        split="infant",
        seed=settings.seed,
    )
    truth, classes = evaluation.class_indices(corpus.labels)
    fitted = fit_clips(build, examples, truth, fitting, stopping, settings)
    held_back = examples.rows(stopping)
    answers = fitted.predict(examples.x[held_back])
    temperature = calibration.temperature(answers, truth[examples.clip[held_back]])
    about = {
        "classes": classes,
        "input": asdict(model_input),
        "data": corpus.name,
        "note": corpus.note,
        "clips": len(corpus),
        "infants": len(set(corpus.infants)),
        "source": corpus.source,
        "learned_from": sorted(set(corpus.infants[fitting].tolist())),
        "training": asdict(settings),
        "seed": settings.seed,
        "temperature": max(1.0, round(temperature, 3)),
        "leak_free": {m: _as_dict(interval) for m, interval in scored.intervals.items()},
    }
    if isinstance(model_input, SoundInput):
        reference = novelty.Reference.of(examples, corpus.infants)
        about["reference"] = reference and reference.as_json()
    light = export.litert(fitted.model, folder / f"{name}.tflite")
    return *checkpoints.save(fitted.model, folder, name, about, exported=[light]), light


def _as_dict(interval: evaluation.Interval) -> dict[str, float | None]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def windows(
    sound_rows: Array,
    face_rows: Array,
    hearing: SoundInput,
    sounds: Examples,
    tracks: Sequence[FaceTrack],
    faces: Examples,
) -> dict[str, list[Array]]:
    """Return what each model says over time, "audio", "image" and "fused": (windows, classes).

    One array a clip. The windows are those of sound; the picture's answer to one is the mean of the
    crops within it, or the last one before it, NaN before the first.

    Parameters
    ----------
    sound_rows, face_rows : ndarray of float32
        Answers to each of `sounds` and `faces`, (rows, classes), by networks that have not seen the
        clip: one repeat of `CrossFit.rows`.
    hearing : SoundInput
        How the windows were cut.
    sounds : Examples
        Windows of sound.
    tracks : sequence of FaceTrack
        One a clip.
    faces : Examples
        Their usable crops.
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

    Windows without an answer are passed over. NaN for a clip with fewer than two answers.

    Parameters
    ----------
    over_time : sequence of ndarray
        Of each clip, probabilities (windows, classes).
    step_s : float
        From one window to the next, in s.
    """
    changes = np.full(len(over_time), np.nan)
    for k, p in enumerate(over_time):
        labels = decide(p) if len(p) else np.zeros(0, np.int64)
        labels = labels[labels >= 0]
        if len(labels) > 1:
            changes[k] = np.mean(labels[1:] != labels[:-1]) * 60 / step_s
    return changes
