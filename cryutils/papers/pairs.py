"""Paper B's sound model and face model on the same folds, and their late fusion.

Used in notebooks 06_full, 11_robustness and appendix_explanations. Paper B §3 asks for "identical
test splits" for the single models and their fusion. In results the models are "audio" (cry2),
"image" and "fused".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.models.inputs import Examples, SoundInput
from cryutils.models.training import Build, CrossFit, Settings, cross_fit
from cryutils.papers import recognition
from cryutils.papers.robustness import fused
from cryutils.papers.scored import Scored

if TYPE_CHECKING:
    from cryutils.video.tracks import FaceTrack

__all__ = ["Pair", "label_changes", "train"]

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

    networks, examples: by modality. split: "random" or "leak_free". repeats: divisions into folds,
    each with new networks. Raises InputError as `cross_fit` and `Split.k_folds` do.
    """
    folds = evaluation.Split(split).k_folds(
        corpus, n_splits=n_folds, repeats=repeats, seed=settings.seed
    )
    labels, infants = corpus.labels.tolist(), corpus.infants.tolist()
    options: dict[str, Any] = {"split": split, "settings": settings, "progress": True}
    fits = {
        name: cross_fit(build, examples[name], labels, infants, folds, **options)
        for name, build in networks.items()
    }
    return Pair(corpus, split, fits)


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
