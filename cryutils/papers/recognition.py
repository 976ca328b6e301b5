"""What the three notebooks of Paper B share: its four states, its scores, the model to keep.

Walked by notebooks 04_cry2, 05_image and 06_full, which train and compare the models of Paper B
§3. Each is scored by the same function on the same splits, so that fusion is compared like with
like ("identical test splits").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation import calibration
from cryutils.evaluation.splits import Indices, fold_numbers
from cryutils.models import checkpoints, export, novelty, training
from cryutils.models.crossfit import fit_clips, validation_split
from cryutils.models.examples import Examples, by_clip
from cryutils.models.fusion import NO_PREDICTION, decide, late_fusion
from cryutils.models.inputs import FaceInput, SoundInput

if TYPE_CHECKING:
    from cryutils.video.tracks import FaceTrack

__all__ = ["STATES", "Scored", "comparison", "deploy", "flicker", "state_corpus", "windows"]

Array = npt.NDArray[np.float32]

Folds = Sequence[Sequence[evaluation.Fold]]
STATES = ("discomfort", "hungry", "pain", "tired")
_SUMMARY = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")
_WITH_INTERVAL: tuple[evaluation.Metric, ...] = ("accuracy", "balanced_accuracy", "macro_f1")


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


class Scored:
    """One model's scores under one protocol, from out-of-fold answers.

    Parameters
    ----------
    predicted : ndarray of int64
        (repeats, clips) or (clips,); -1 where there was no answer, which counts as wrong.
    corpus : Corpus
    split : {"clip", "infant"}
    strengths : ndarray of float, optional
        Probabilities or the like, (repeats, clips, classes).
    folds : list of lists of (train, test), optional
        Of each repeat, as `evaluation.folds` gives them.
    trainings : int, optional
        As in `claims.Result`: a network's repeats.

    Attributes
    ----------
    scores : Scores
        Of `evaluation.scores`.
    intervals : dict of str to Interval
        Over infants: of accuracy, balanced accuracy and macro F1, and of the area under the ROC
        curve ("roc_auc") where it is known how strongly each class was answered in which fold.
    """

    def __init__(
        self,
        predicted: npt.NDArray[np.int64],
        corpus: Corpus,
        *,
        split: str,
        strengths: npt.NDArray[np.floating[Any]] | None = None,
        folds: Folds | None = None,
        trainings: int | None = None,
    ) -> None:
        """Score the answers."""
        self.corpus, self.split, self.trainings = corpus, split, trainings
        self.predicted = np.atleast_2d(predicted)
        self.truth, self.classes = evaluation.class_indices(corpus.labels)
        self.scores = evaluation.scores(self.truth, self.predicted, self.classes)
        infants = corpus.infants.tolist()
        self.intervals: dict[str, evaluation.Interval] = {
            metric: evaluation.interval(
                self.predicted, corpus.labels, infants, metric=metric, split=split
            )
            for metric in _WITH_INTERVAL
        }
        if len(np.unique(self.predicted)) == 1:
            self._forget_intervals()
        self._folds, self._strengths = folds, strengths
        if strengths is not None and folds is not None:
            self.intervals["roc_auc"] = evaluation.auc_interval(
                strengths, corpus.labels, infants, folds, split=split
            )

    @classmethod
    def of(
        cls,
        probabilities: npt.NDArray[np.floating[Any]],
        corpus: Corpus,
        folds: Folds | None = None,
        *,
        split: str,
    ) -> Scored:
        """Return the scores of networks' probabilities, one training a repeat.

        Parameters
        ----------
        probabilities : ndarray of float
            (clips, classes) or (repeats, clips, classes); a row of NaN is no answer.
        corpus, folds, split : as in `Scored`
        """
        p = probabilities if probabilities.ndim == 3 else probabilities[None]
        return cls(decide(p), corpus, split=split, strengths=p, folds=folds, trainings=len(p))

    @classmethod
    def majority(cls, corpus: Corpus, folds: Folds, *, split: str) -> Scored:
        """Return the scores of always saying the training part's commonest class.

        Parameters
        ----------
        corpus, folds, split : as in `Scored`
        """
        predicted = evaluation.majority_baseline(corpus.labels.tolist(), folds)
        equal = np.zeros((*predicted.shape, len(corpus.classes)))
        scored = cls(predicted, corpus, split=split, strengths=equal, folds=folds)
        scored._forget_intervals()
        return scored

    @classmethod
    def from_classifier(
        cls,
        model: Any,
        features: npt.NDArray[np.floating[Any]],
        corpus: Corpus,
        folds: Folds,
        *,
        split: str,
    ) -> Scored:
        """Return the scores of a classical model on the same folds.

        Parameters
        ----------
        model : estimator
            Of scikit-learn's kind.
        features : ndarray of float
            (clips, n). A clip whose row holds NaN trains nothing and gets no answer, which counts
            as wrong, as it does for a network.
        corpus, folds, split : as in `Scored`
        """
        usable = np.flatnonzero(np.isfinite(features).all(axis=1))
        place = np.full(len(corpus), -1)
        place[usable] = np.arange(len(usable))
        inside = [
            [
                (place[np.intersect1d(train, usable)], place[np.intersect1d(test, usable)])
                for train, test in repeat
                if np.isin(test, usable).any()
            ]
            for repeat in folds
        ]
        labels = [str(corpus.labels[k]) for k in usable]
        predicted = np.full((len(folds), len(corpus)), NO_PREDICTION)
        strengths = np.full((*predicted.shape, len(corpus.classes)), np.nan)
        predicted[:, usable], strengths[:, usable] = evaluation.scored_out_of_fold(
            model, features[usable], labels, inside, classes=corpus.classes
        )
        return cls(predicted, corpus, split=split, strengths=strengths, folds=folds)

    @classmethod
    def from_examples(
        cls,
        model: Any,
        features: npt.NDArray[np.floating[Any]],
        clip: Indices,
        corpus: Corpus,
        folds: Folds,
        *,
        split: str,
    ) -> Scored:
        """Return the scores of a classical model that is fitted on examples, as a network is.

        A clip is answered by the mean of its rows' strengths; one without rows gets no answer.

        Parameters
        ----------
        model : estimator
            Of scikit-learn's kind.
        features : ndarray of float
            A row an example (rows, n).
        clip : ndarray of int
            Of which clip each is (rows,).
        corpus, folds, split : as in `Scored`
        """
        rows = [
            [
                (np.flatnonzero(np.isin(clip, train)), np.flatnonzero(np.isin(clip, test)))
                for train, test in repeat
                if np.isin(test, clip).any()
            ]
            for repeat in folds
        ]
        _, strengths = evaluation.scored_out_of_fold(
            model, features, corpus.labels[clip], rows, classes=corpus.classes
        )
        p = np.stack([by_clip(row, clip, len(corpus)) for row in strengths])
        return cls(decide(p), corpus, split=split, strengths=p, folds=folds)

    def _forget_intervals(self) -> None:
        # What always says the same knows nothing that could be sure or unsure.
        reason = "always the same answer"
        self.intervals = {
            metric: replace(interval, low=None, high=None, se=None, reason=reason)
            for metric, interval in self.intervals.items()
        }

    @property
    def table(self) -> pd.DataFrame:
        """Precision, recall, F1 and number of clips of each class, and the macro means."""
        rows = {
            name: {"precision": c.precision, "recall": c.recall, "f1": c.f1, "clips": c.support}
            for name, c in self.scores.per_class.items()
        }
        means = {m: getattr(self.scores, f"macro_{m}") for m in ("precision", "recall", "f1")}
        clips = sum(row["clips"] for row in rows.values())
        table = pd.DataFrame.from_dict({**rows, "macro mean": {**means, "clips": clips}}, "index")
        return table.astype({"clips": int})

    def results(self, *metrics: str) -> pd.DataFrame:
        """Return the scores as rows for `claims.record_scores`.

        Parameters
        ----------
        *metrics : str
            Summary scores, with their intervals if they have one. None: all of them, and
            precision, recall and F1 of each class, which is the row's `condition`.
        """
        values = {name: getattr(self.scores, name) for name in _SUMMARY}
        rows = [{"metric": name, "value": value} for name, value in values.items()]
        rows = [row for row in rows if row["metric"] not in self.intervals]
        rows += [
            {"metric": name, "value": interval.value, "low": interval.low, "high": interval.high}
            for name, interval in self.intervals.items()
        ]
        if metrics:
            rows = [row for name in metrics for row in rows if row["metric"] == name]
        else:
            rows += [
                {"metric": name, "condition": label, "value": getattr(scores, name)}
                for label, scores in self.scores.per_class.items()
                for name in ("precision", "recall", "f1")
            ]
        return pd.DataFrame(rows).assign(
            n=len({clip.id for clip in self.corpus}), n_infants=len(set(self.corpus.infants)),
            split=self.split, data=self.corpus.name, trainings=self.trainings,
        )  # fmt: skip

    def predictions(self) -> pd.DataFrame:
        """Return every answer as a row for `claims.record_scores`."""
        repeats, clips = self.predicted.shape
        tests = [[test for _, test in repeat] for repeat in self._folds or [[]] * repeats]
        names = np.array([*self.classes, None], dtype=object)  # -1 is the last
        table = pd.DataFrame(
            {
                "split": self.split, "data": self.corpus.name,
                "clip": [clip.id for clip in self.corpus] * repeats,
                "infant": np.tile(self.corpus.infants, repeats),
                "repeat": np.repeat(np.arange(repeats), clips),
                "fold": np.concatenate([fold_numbers(parts, clips) for parts in tests]),
                "truth": np.tile(self.corpus.labels, repeats),
                "predicted": names[self.predicted.ravel()],
            }
        )  # fmt: skip
        if self._strengths is not None:
            columns = [f"p_{name}" for name in self.classes]
            table[columns] = self._strengths.reshape(-1, len(columns))
        return table


def comparison(
    scores: Mapping[tuple[str, str], Scored],
    names: Mapping[str, str],
    *,
    metric: evaluation.Metric = "balanced_accuracy",
) -> pd.DataFrame:
    """Return a row a model for `plots.model_scores`: `<split>` with `_low` and `_high`.

    Parameters
    ----------
    scores : mapping
        `Scored` by (model, protocol).
    names : mapping
        The row's name by model, in the order of the rows.
    metric : str
        One that the scores have an interval of.
    """
    rows: dict[str, dict[str, float]] = {name: {} for name in names.values()}
    for (model, split), scored in scores.items():
        interval = scored.intervals[metric]
        low, high = (interval.value if x is None else x for x in (interval.low, interval.high))
        ends = {split: interval.value, f"{split}_low": low, f"{split}_high": high}
        rows[names[model]] |= ends
    return pd.DataFrame.from_dict(rows, orient="index")


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
