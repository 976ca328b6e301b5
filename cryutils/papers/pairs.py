"""Paper B's sound model and face model on the same folds, and their late fusion.

Used in notebooks 06_full, 11_robustness and appendix_explanations. Paper B §3 asks for "identical
test splits" for the single models and their fusion. In results the models are "audio" (cry2),
"image" and "fused".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation.splits import Fold
from cryutils.models.fusion import late_fusion
from cryutils.models.inputs import Examples, SoundInput
from cryutils.models.training import Build, CrossFit, Settings, cross_fit
from cryutils.papers import recognition
from cryutils.papers.robustness import fused
from cryutils.papers.scored import Scored

if TYPE_CHECKING:
    from cryutils.video.tracks import FaceTrack

__all__ = ["Pair", "by_weight", "label_changes", "macro_f1", "over_seeds", "scores", "train"]

Array = npt.NDArray[np.float32]
OverTime = list[dict[str, list[Array]]]


@dataclass(frozen=True, eq=False)
class Pair:
    """Networks of sound ("audio") and, if there are pictures, of faces ("image"), fold by fold."""

    corpus: Corpus = field(repr=False)
    split: str
    fits: Mapping[str, CrossFit] = field(repr=False)

    @property
    def audio(self) -> Array:
        """The sound networks' probabilities, float32 (trainings, clips, classes)."""
        return self.fits["audio"].probabilities

    @property
    def image(self) -> Array:
        """The face networks' probabilities, float32 (trainings, clips, classes)."""
        return self.fits["image"].probabilities

    def scored(self, **changed: Array) -> dict[str, Scored]:
        """Return the scores of "audio", "image" and "fused" on the test clips.

        changed: other probabilities of a modality, shaped as `audio`, such as those for noisy
        sounds. A row of NaN is a missing input: the fusion then uses the other modality alone.
        """
        single = {name: fit.probabilities for name, fit in self.fits.items()} | changed
        folds = self.fits["audio"].folds
        return {
            name: Scored.of(p, self.corpus, folds, split=self.split)
            for name, p in fused(single).items()
        }

    def over_time(
        self, hearing: SoundInput, sounds: Examples, tracks: Sequence[FaceTrack], faces: Examples
    ) -> OverTime:
        """Return the answers at each window of sound, as `recognition.windows`, per training.

        sounds: on which the sound networks were fitted. faces: the crops of `tracks`.
        """
        audio, image = self.fits["audio"].rows(sounds), self.fits["image"].rows(faces)
        return [
            recognition.windows(a, b, hearing, sounds, tracks, faces)
            for a, b in zip(audio, image, strict=True)
        ]


def train(
    networks: Mapping[str, Build],
    examples: Mapping[str, Examples],
    corpus: Corpus,
    *,
    split: str,
    n_folds: int,
    repeats: int = 1,
    settings: Settings,
) -> Pair:
    """Draw folds, train each network on each of them, and return the networks.

    networks, examples: by modality. split: "clip" or "infant". repeats: divisions into folds, each
    with new networks. Raises InputError as `cross_fit` and `Split.k_folds` do.
    """
    folds = evaluation.Split(split).k_folds(
        corpus, n_splits=n_folds, repeats=repeats, seed=settings.seed
    )
    fits = _fits(networks, examples, corpus, folds, split=split, settings=settings, progress=True)
    return Pair(corpus, split, fits)


def _fits(
    networks: Mapping[str, Build],
    examples: Mapping[str, Examples],
    corpus: Corpus,
    folds: Sequence[Sequence[Fold]],
    **options: Any,
) -> dict[str, CrossFit]:
    labels, infants = corpus.labels.tolist(), corpus.infants.tolist()
    return {
        name: cross_fit(build, examples[name], labels, infants, folds, **options)
        for name, build in networks.items()
    }


def scores(by_split: Mapping[str, Pair]) -> dict[tuple[str, str], Scored]:
    """Return the scores of "audio", "image" and "fused" by (model, split), for all splits."""
    return {
        (name, split): scored
        for split, pair in by_split.items()
        for name, scored in pair.scored().items()
    }


def macro_f1(levels: Mapping[float, Mapping[str, Scored]]) -> pd.DataFrame:
    """Return the macro F1 at each level of a disturbance, columns level, modality and macro_f1."""
    rows = [
        {"level": level, "modality": name, "macro_f1": scored.scores.macro_f1}
        for level, scores in levels.items()
        for name, scored in scores.items()
    ]
    return pd.DataFrame(rows)


def by_weight(pair: Pair, audio: Mapping[float, Array], weights: Iterable[float]) -> pd.DataFrame:
    """Return the macro F1 of weighted means, columns level, weight (of sound) and macro_f1.

    audio: the sound networks' probabilities at each noise level, shaped as `Pair.audio`.
    """
    n_classes = pair.image.shape[-1]
    face = pair.image.reshape(-1, n_classes)
    rows = []
    for level, heard in audio.items():
        for weight in weights:
            mean = late_fusion(heard.reshape(-1, n_classes), face, weight=weight).probabilities
            scored = Scored.of(mean.reshape(heard.shape), pair.corpus, split=pair.split)
            rows.append({"level": level, "weight": weight, "macro_f1": scored.scores.macro_f1})
    return pd.DataFrame(rows)


def over_seeds(
    networks: Mapping[str, Build],
    examples: Mapping[str, Examples],
    pair: Pair,
    *,
    seeds: int,
    settings: Settings,
) -> pd.DataFrame:
    """Return the macro F1 on the first fold for each of `seeds` trainings, a column per model."""
    fold = pair.fits["audio"].folds[0][0]
    part = pair.corpus.take(fold[1])
    rows = []
    for seed in range(settings.seed, settings.seed + seeds):
        options = {"split": pair.split, "settings": replace(settings, seed=seed)}
        fits = _fits(networks, examples, pair.corpus, [[fold]], **options)
        answers = fused({name: fit.probabilities[0][fold[1]] for name, fit in fits.items()})
        scored = {name: Scored.of(p, part, split=pair.split) for name, p in answers.items()}
        rows.append({"seed": seed} | {name: s.scores.macro_f1 for name, s in scored.items()})
    return pd.DataFrame(rows).set_index("seed")


def label_changes(over_time: OverTime, infants: Sequence[str], *, step_s: float) -> pd.DataFrame:
    """Return how often each model's answer changes within a recording, per minute.

    Only recordings in which every model has two answers or more count; without any, the table is
    empty. Columns are model, rival, value, low, high, n and n_infants. With a rival, the value is
    the model's number of changes minus the rival's, on the same recordings.

    over_time: from `Pair.over_time`. step_s: from one window to the next, in s.
    """
    changes = {
        name: np.stack([recognition.flicker(p[name], step_s=step_s) for p in over_time])
        for name in ("audio", "image", "fused")
    }
    usable = np.all([np.isfinite(rows) for rows in changes.values()], axis=(0, 1))
    changes = {name: np.where(usable, rows, np.nan) for name, rows in changes.items()}
    columns = ["model", "rival", "value", "low", "high", "n", "n_infants"]
    if not usable.any():
        return pd.DataFrame(columns=columns)
    rows = []
    for model, rival in [*((name, "") for name in changes), ("fused", "audio"), ("fused", "image")]:
        less, limits = (changes[rival], None) if rival else (0.0, (0.0, np.inf))
        mean = evaluation.mean_interval(changes[model] - less, infants, limits=limits)
        rows.append({"model": model, "rival": rival} | mean.row())
    return pd.DataFrame(rows)[columns]
