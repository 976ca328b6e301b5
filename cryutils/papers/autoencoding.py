"""Paper A's submodel for sound, from recordings to scores: `Study`.

Used in notebook 08_autoencoder_dnn (Paper A §3.4.1, §3.5 and §4). A study trains the networks of
`models.autoencoders` on the folds of both splits, measures the error of codes of several sizes, and
compares the scores with those of support vector machines (SVM).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.datasets.corpus import Corpus
from cryutils.evaluation.splits import (
    SPLITS,
    Division,
    Fold,
    Indices,
    Split,
    class_indices,
    hold_back,
)
from cryutils.models import autoencoders, classical
from cryutils.models.autoencoders import AUTOENCODER, DNN, AeDnn
from cryutils.models.inputs import Examples, SoundInput, sound_problem
from cryutils.models.stacked import DenseSettings, FitSpec, NetworkBatch
from cryutils.models.training import training_seeds
from cryutils.papers.scored import Scored, comparison

__all__ = ["WAYS", "Comparison", "Study"]

Array = npt.NDArray[np.float32]

# How the AE+DNN is trained, in words, and what its split divides.
WAYS = {
    "random": ("random split", Split.RANDOM),
    "by_validation": ("random split, epoch by validation", Split.RANDOM),
    "leak_free": ("leak-free", Split.LEAK_FREE),
    "largest_codes": ("leak-free, largest codes", Split.LEAK_FREE),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """Recordings, their features, and the settings of Paper A's networks for sound.

    sounds: of each clip, float32 (samples,). hearing: by feature, such as "mfcc". patch: in frames.
    per_window: patches of each window to train on. Each of the `repeats` has its own folds and
    networks.
    """

    corpus: Corpus
    sounds: Sequence[Array] = field(repr=False)
    hearing: Mapping[str, SoundInput] = field(repr=False)
    patch: int = 8
    per_window: int = 4
    autoencoder: DenseSettings = AUTOENCODER
    dnn: DenseSettings = DNN
    n_folds: int = 5
    repeats: int = 1
    seed: int = 0

    @cached_property
    def windows(self) -> dict[str, Examples]:
        """Windows of all clips by feature, x float32 (windows, frames, coefficients)."""
        return {kind: hear.examples(self.sounds) for kind, hear in self.hearing.items()}

    @cached_property
    def usable(self) -> list[int]:
        """Numbers of the clips that have windows."""
        sr = next(iter(self.hearing.values())).sr
        return [k for k, x in enumerate(self.sounds) if sound_problem(x, sr) is None]

    @cached_property
    def seeds(self) -> list[int]:
        """The seed of each repeat's networks."""
        return training_seeds(self.seed, self.repeats)

    @cached_property
    def folds(self) -> dict[Split, list[list[Fold]]]:
        """Training and test clips of each repeat and fold, by what the split divides."""
        options = {"n_splits": self.n_folds, "repeats": self.repeats, "seed": self.seed}
        return {split: split.k_folds(self.corpus, **options) for split in SPLITS}

    def divisions(self, split: Split | str = Split.LEAK_FREE, *, repeat: int = 0) -> list[Division]:
        """Return training, validation and test clips of each fold, int64 indices."""
        seed = self.seeds[repeat]
        return [
            Division(*hold_back(self.corpus, train, split=split, seed=seed), test)
            for train, test in self.folds[Split(split)][repeat]
        ]

    def tasks(self, kind: str) -> list[FitSpec]:
        """Return the training and validation windows of each leak-free fold of the first repeat."""
        rows = self.windows[kind].rows
        return [FitSpec(rows(d.fit), rows(d.stop)) for d in self.divisions()]

    def autoencoders(self, kind: str, *, progress: bool = False) -> NetworkBatch:
        """Return one autoencoder per leak-free fold of the first repeat."""
        return autoencoders.fit(
            self.windows[kind].x, self.tasks(kind), patch=self.patch, per_window=self.per_window,
            settings=self.autoencoder, progress=progress,
        )  # fmt: skip

    def sized(self, kind: str, size: int, *, progress: bool = False) -> NetworkBatch:
        """Return the first fold's autoencoder with a code of `size` numbers."""
        hidden, usual, _ = self.autoencoder.units
        if size == usual:  # trained with those of the other folds
            return self.autoencoders(kind, progress=progress)
        return autoencoders.fit(
            self.windows[kind].x, self.tasks(kind)[:1], patch=self.patch,
            per_window=self.per_window, progress=progress,
            settings=replace(self.autoencoder, units=(hidden, size, hidden)),
        )  # fmt: skip

    def patches(self, kind: str, clips: Indices) -> Array:
        """Return all patches of some clips' windows, float32 (windows, patches, n)."""
        windows = self.windows[kind]
        return autoencoders.patches(windows.x[windows.rows(clips)], self.patch)

    def training_patches(self, kind: str) -> Array:
        """Return evenly spaced patches of the first fold's training windows, float32 (rows, n)."""
        cut = self.patches(kind, self.divisions()[0].fit)
        return cut[:, :: max(1, cut.shape[1] // self.per_window)].reshape(-1, cut.shape[2])

    def example(self) -> dict[str, tuple[Array, Array, Array]]:
        """Return a window, its code and its reconstruction, by feature.

        They are float32 (frames, coefficients), (patches, p) and (frames, coefficients), of the
        first window of `example_clip`, without frames after the last whole patch.
        """
        parts = {}
        for kind, windows in self.windows.items():
            network = self.autoencoders(kind)
            window = windows.x[windows.rows(np.array([self.example_clip]))][:1]
            cut = autoencoders.patches(window, self.patch)[0]
            code = network.hidden(0, cut, layer=autoencoders.BOTTLENECK)
            back = autoencoders.reconstruction(network, 0, window)[0]
            parts[kind] = window[0, : len(back)], code, back
        return parts

    @property
    def example_clip(self) -> int:
        """The first usable test clip of the first fold, whose infant is new to its networks."""
        return next(int(k) for k in self.divisions()[0].test if k in self.usable)

    def bottleneck_errors(self, sizes: Sequence[int], *, progress: bool = False) -> pd.DataFrame:
        """Return the error of codes of several sizes on the first fold's test infants.

        Columns: feature, model ("autoencoder", or "pca": principal components), size and error,
        the root mean square in standard deviations of the training patches.
        """
        from sklearn.decomposition import PCA

        test = self.divisions()[0].test
        rows = []
        for kind in self.windows:
            cut = self.training_patches(kind)
            mean, spread = cut.mean(axis=0), cut.std(axis=0)
            spread = np.where(spread > 0, spread, 1)
            learn = (cut - mean) / spread
            new = self.patches(kind, test).reshape(-1, len(mean))
            z = (new - mean) / spread
            for size in sorted({*sizes, self.autoencoder.units[autoencoders.BOTTLENECK]}):
                network = self.sized(kind, size, progress=progress)
                count = min(size, len(learn) - 1)
                linear = PCA(count, svd_solver="randomized", random_state=self.seed).fit(learn)
                reconstructed = {
                    "autoencoder": (network.predict(0, new) - mean) / spread,
                    "pca": linear.inverse_transform(linear.transform(z)),
                }
                rows += [
                    (kind, model, size, float(np.sqrt(np.mean((back - z) ** 2))))
                    for model, back in reconstructed.items()
                ]
        return pd.DataFrame(rows, columns=["feature", "model", "size", "error"])

    def cross_validate(
        self, ways: Sequence[str] = tuple(WAYS), *, progress: bool = False
    ) -> Comparison:
        """Train and score AE+DNN in several `ways` (of `WAYS`), and two SVM, for each feature.

        The SVM get mean and standard deviation over time of the same features: of whole clips
        ("svm"), or of the windows that the networks train on ("svm_windows").
        """
        trainings: dict[tuple[str, str], list[AeDnn]] = {
            (kind, way): [] for kind in self.windows for way in ways
        }
        for repeat, seed in enumerate(self.seeds):
            for kind, way in trainings:
                trainings[kind, way].append(self._train(kind, way, repeat, seed, progress))
        scored = {}
        for (kind, way), fits in trainings.items():
            split = WAYS[way][1]
            probabilities = np.stack([fit.probabilities for fit in fits])
            scored[kind, "ae_dnn", way] = Scored.of(
                probabilities, self.corpus, self.folds[split], split=split
            )
        svm = classical.baselines(seed=self.seed)["svm"]
        for split, kind in product(SPLITS, self.windows):
            x = self.hearing[kind].summary(self.sounds)
            scored[kind, "svm", str(split)] = Scored.from_classifier(
                svm, x, self.corpus, self.folds[split], split=split
            )
            scored[kind, "svm_windows", str(split)] = self._svm_on_windows(svm, kind, split)
        folds = self.folds.items()
        commonest = {split: Scored.majority(self.corpus, f, split=split) for split, f in folds}
        return Comparison({key: fits[0] for key, fits in trainings.items()}, scored, commonest)

    def _train(self, kind: str, way: str, repeat: int, seed: int, progress: bool) -> AeDnn:
        if way == "random":
            folds = self.folds[Split.RANDOM][repeat]
            divisions = [Division(train, test, test) for train, test in folds]
        else:
            divisions = self.divisions(WAYS[way][1], repeat=repeat)
        truth, classes = class_indices(self.corpus.labels)
        return autoencoders.cross_fit(
            self.windows[kind], truth, divisions, classes=len(classes), patch=self.patch,
            per_window=self.per_window, autoencoder=replace(self.autoencoder, seed=seed),
            dnn=replace(self.dnn, seed=seed), largest=way == "largest_codes", progress=progress,
        )  # fmt: skip

    def _svm_on_windows(self, svm: Any, kind: str, split: Split) -> Scored:
        folds: Any = self.folds[split]
        if split is Split.LEAK_FREE:  # without the validation clips
            repeats = range(self.repeats)
            folds = [[(d.fit, d.test) for d in self.divisions(split, repeat=k)] for k in repeats]
        windows = self.windows[kind]
        x = np.hstack([windows.x.mean(axis=1), windows.x.std(axis=1)])
        return Scored.from_classifier(svm, x, self.corpus, folds, split=split, clip=windows.clip)


@dataclass(frozen=True, eq=False)
class Comparison:
    """AE+DNN and SVM on the same folds.

    first: the first repeat's networks by feature and way (of `WAYS`). scored: by feature, model and
    way, which is the split for an SVM. commonest: the scores of always predicting the commonest
    class, by split.
    """

    first: dict[tuple[str, str], AeDnn] = field(repr=False)
    scored: dict[tuple[str, str, str], Scored] = field(repr=False)
    commonest: dict[Split, Scored] = field(repr=False)

    def table(self) -> pd.DataFrame:
        """Return the balanced accuracies with intervals, for `plots.model_scores`."""
        names = {"ae_dnn": "AE+DNN", "svm": "SVM on clips", "svm_windows": "SVM on windows"}
        both = {
            (f"{kind.upper()}: {names[model]}", way): self.scored[kind, model, way]
            for kind, model, way in sorted(self.scored, key=lambda cell: cell[:2])
            if way in SPLITS
        }
        return comparison(both)
