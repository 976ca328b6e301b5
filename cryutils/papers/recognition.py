"""Shared code of Paper B's notebooks: its four states, cross-validation, a model to keep.

Used in notebooks 04_cry2, 05_image and 06_full, which train and compare the models of Paper B §3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.registry import load_or_simulate
from cryutils.evaluation import calibration
from cryutils.evaluation.splits import Fold, Indices, Split
from cryutils.models import classical, export, novelty, training
from cryutils.models.fusion import decide, late_fusion
from cryutils.models.inputs import Examples, FaceInput, SoundInput
from cryutils.models.training import CrossFit, cross_fit, fit_clips
from cryutils.papers.scored import Scored

if TYPE_CHECKING:
    from cryutils.video.tracks import FaceTrack

__all__ = [
    "STATES", "CrossValidated", "card", "cross_validate", "deploy", "flicker", "load", "results",
    "rivals", "windows",
]  # fmt: skip

Array = npt.NDArray[np.float32]

STATES = ("discomfort", "hungry", "pain", "tired")


def load(data: str, *, stand_in: str = "belly_pain", **simulation: Any) -> Corpus:
    """Return the corpus `data` as in `cryutils.load`, with the clips of Paper B's four states.

    stand_in: the label of "pain" if there is none. simulation: options of synthetic voices and
    faces. Raises InputError if fewer than two of the four states occur.
    """
    options = {"classes": list(STATES), "video": True} | simulation
    return load_or_simulate(data, **options).among(STATES, {"pain": [stand_in]})


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """One recipe for a network, evaluated with both splits: "random" and "leak_free".

    folds: (train, test) of each repeat and fold, by split. networks: one per fold. scored: their
    answers to the test clips.
    """

    folds: Mapping[str, list[list[Fold]]]
    networks: Mapping[str, CrossFit]
    scored: Mapping[str, Scored]


def cross_validate(
    build: training.Build,
    examples: Examples,
    corpus: Corpus,
    *,
    n_folds: int,
    settings: training.Settings,
    repeats: int = 1,
    progress: bool = False,
) -> tuple[CrossValidated, CrossValidated]:
    """Train and score networks with class weights, and networks without, on the same folds.

    build: as in `training.fit`. examples: rows of all clips. settings: of both, except
    `class_weights`; its seed also draws the folds.
    """
    folds: dict[str, list[list[Fold]]] = {
        split: Split(split).k_folds(corpus, n_splits=n_folds, repeats=repeats, seed=settings.seed)
        for split in evaluation.SPLITS
    }

    def evaluated(recipe: training.Settings) -> CrossValidated:
        networks = {
            split: cross_fit(
                build, examples, corpus.labels.tolist(), corpus.infants.tolist(), folds[split],
                split=split, settings=recipe, progress=progress,
            )
            for split in folds
        }  # fmt: skip
        scored = {
            split: Scored.of(fitted.probabilities, corpus, folds[split], split=split)
            for split, fitted in networks.items()
        }
        return CrossValidated(folds, networks, scored)

    weighted = evaluated(replace(settings, class_weights=True))
    return weighted, evaluated(replace(settings, class_weights=False))


def results(weighted: CrossValidated, unweighted: CrossValidated, *, name: str) -> pd.DataFrame:
    """Return accuracy and balanced accuracy of both networks and of the commonest class.

    Rows as in `claims.table`, with the model names `name`, `<name>_unweighted` and "majority".
    """
    folds = weighted.folds["leak_free"]
    majority = Scored.majority(weighted.scored["leak_free"].corpus, folds, split="leak_free")
    models = {
        name: weighted.scored.values(),
        f"{name}_unweighted": unweighted.scored.values(),
        "majority": [majority],
    }
    return pd.concat(
        [
            scored.results("accuracy", "balanced_accuracy").assign(model=model, rival="")
            for model, both in models.items()
            for scored in both
        ],
        ignore_index=True,
    )


def rivals(
    features: npt.NDArray[np.floating[Any]],
    network: CrossValidated,
    *,
    clip: Indices | None = None,
    seed: int = 0,
) -> dict[tuple[str, str], Scored]:
    """Return the scores of classical models on a network's folds, by (model, split).

    features: float (clips, n), for training on all training clips, validation clips included. With
    `clip`, the clip index of each row: float (rows, n) of windows or crops, for training without
    validation clips. A clip's answer is then the mean over its rows.
    """
    scores: dict[tuple[str, str], Scored] = {}
    for split, folds in network.folds.items():
        corpus = network.scored[split].corpus
        for name, model in classical.baselines(seed=seed).items():
            used = folds if clip is None else network.networks[split].fit_folds
            scores[name, split] = Scored.from_classifier(
                model, features, corpus, used, split=split, clip=clip
            )
    return scores


def deploy(
    name: str,
    build: training.Build,
    examples: Examples,
    corpus: Corpus,
    *,
    settings: training.Settings,
    model_input: SoundInput | FaceInput,
    scored: pd.DataFrame | Scored,
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
    about = card(corpus, settings, _intervals(scored)) | {
        "input": asdict(model_input),
        "learned_from": sorted(set(corpus.infants[fitting].tolist())),
        "temperature": max(1.0, round(temperature, 3)),
    }
    if isinstance(model_input, SoundInput):
        about["reference"] = novelty.reference(examples, corpus.infants)
    return export.save(fitted.model, folder, name, about)


def _intervals(scored: pd.DataFrame | Scored) -> Mapping[str, Any]:
    """Return value, low and high of each score, by metric; None without an interval."""
    if isinstance(scored, Scored):
        return scored.intervals
    rows = evaluation.score(scored).reset_index().astype(object)
    return {row.metric: row for row in rows.where(rows.notna(), None).itertuples()}


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
