"""Cross-validation of networks, `cross_fit`, with a validation part for early stopping.

Used in notebooks 04_cry2 and 05_image; 06_full evaluates the networks again under noise
(Paper B §3, performance evaluation and validation: identical test splits for all models).
`validation_split` draws the validation part from the training clips, so no test clip influences
early stopping. All examples of a clip stay in the same part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils._io.progress import counting
from cryutils.errors import InputError
from cryutils.evaluation.splits import Fold, Indices, Split, class_indices
from cryutils.models.examples import Examples, by_clip
from cryutils.models.training import Build, Fitted, Settings, fit

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CrossFit", "cross_fit", "fit_clips", "fold_seed", "training_seeds", "validation_split",
]  # fmt: skip

Array = npt.NDArray[np.float32]
_HELD_BACK = 0.2  # share of the training clips in the validation part
_ORDERS = 32  # random orders of the infants tried when drawing the validation part


@dataclass(frozen=True, eq=False)
class CrossFit:
    """One network per fold, and its probabilities for the fold's test clips.

    probabilities: float32 (repeats, clips, classes), NaN for a clip without examples or in no test
    part. fits: one per fold, repeat after repeat. folds: (train, test) of each repeat and fold.
    stopping: the validation clips of each fit, int (clips,).
    """

    probabilities: Array = field(repr=False)
    fits: list[Fitted] = field(repr=False)
    folds: list[list[Fold]] = field(repr=False)
    classes: list[str]
    stopping: list[Indices] = field(default_factory=list, repr=False)

    @property
    def fit_folds(self) -> list[list[Fold]]:
        """The folds with the validation clips removed from their training clips."""
        held = iter(self.stopping)
        return [
            [(np.setdiff1d(train, next(held)), test) for train, test in repeat]
            for repeat in self.folds
        ]

    def predict(self, examples: Examples) -> Array:
        """Return the networks' probabilities for modified `examples`, shaped as `probabilities`.

        Each clip is predicted by the network whose fold tests it.
        """
        n_clips = self.probabilities.shape[1]
        return np.stack([by_clip(row, examples.clip, n_clips) for row in self.rows(examples)])

    def rows(self, examples: Examples) -> Array:
        """Return the probabilities of test examples, else NaN, float32 (repeats, rows, classes)."""
        shape = len(self.folds), len(examples.x), len(self.classes)
        answers, remaining = np.full(shape, np.nan, np.float32), iter(self.fits)
        for repeat_answers, repeat in zip(answers, self.folds, strict=True):
            for _, test in repeat:
                rows = examples.rows(test)
                repeat_answers[rows] = next(remaining).predict(examples.x[rows])
        return answers

    def validation(self, examples: Examples) -> Array:
        """Return each network's probabilities for its validation clips, NaN for all others.

        float32 (fits, clips, classes), for fitting a temperature or threshold. The network was not
        trained on these clips, but its best epoch was chosen on them, so it does slightly better
        on them than on new clips.
        """
        n_clips = self.probabilities.shape[1]
        answers = np.full((len(self.fits), n_clips, len(self.classes)), np.nan, np.float32)
        for answer, fitted, clips in zip(answers, self.fits, self.stopping, strict=True):
            rows = examples.rows(clips)
            answer[:] = by_clip(fitted.predict(examples.x[rows]), examples.clip[rows], n_clips)
        return answers

    def history(self) -> pd.DataFrame:
        """Return the histories of all fits, preceded by columns repeat and fold, both from 0."""
        import pandas as pd

        places = [(r, k) for r, repeat in enumerate(self.folds) for k in range(len(repeat))]
        histories = dict(zip(places, (fitted.history for fitted in self.fits), strict=True))
        table = pd.concat(histories, names=["repeat", "fold", None])
        return table.reset_index(level=["repeat", "fold"]).reset_index(drop=True)


def cross_fit(
    build: Build,
    examples: Examples,
    labels: Sequence[str],
    infants: Sequence[str],
    repeated_folds: Sequence[Sequence[Fold]],
    *,
    split: Split | str,
    settings: Settings | None = None,
    progress: bool = False,
) -> CrossFit:
    """Train one network per fold and predict the fold's test clips.

    build: as in `training.fit`. labels, infants: one per clip. repeated_folds: from
    `Split.k_folds`. split: "clip" or "infant", how `validation_split` draws the validation part.
    settings: of each fit; its seed is derived from `settings.seed`, repeat and fold. Raises
    InputError if, with split "infant", an infant is in training and test of a fold, no clip has
    examples, or `training.fit` or `validation_split` fails.
    """
    y, names = class_indices(labels)
    settings, split = settings or Settings(), Split(split)
    usable = np.isin(np.arange(len(y)), examples.clip)
    if not usable.any():
        raise InputError("no clip has an example; check the features, or the faces found.")
    flat = [(r, k, fold) for r, folds in enumerate(repeated_folds) for k, fold in enumerate(folds)]
    fits: list[Fitted] = []
    held: list[Indices] = []
    with counting("Training", "networks", shown=progress) as report:
        for r, k, (train, test) in flat:
            both = {infants[i] for i in train} & {infants[i] for i in test}
            if split is Split.INFANT and both:
                raise InputError(
                    f"repeat {r}, fold {k} has infant {min(both)!r} in training and in test; draw"
                    ' the folds with Split("infant").k_folds.'
                )
            seed = fold_seed(settings.seed, r, k)
            fitting, stopping = validation_split(
                train[usable[train]], labels, infants, split=split, seed=seed
            )
            fold_settings = replace(settings, seed=seed)
            fits.append(fit_clips(build, examples, y, fitting, stopping, fold_settings))
            held.append(stopping)
            report(len(fits), len(flat))
    none = np.full((len(repeated_folds), len(y), len(names)), np.nan, np.float32)
    networks = CrossFit(none, fits, [list(repeat) for repeat in repeated_folds], names, held)
    return replace(networks, probabilities=networks.predict(examples))


def fold_seed(seed: int, repeat: int, fold: int) -> int:
    """Return the seed of one fold's training and validation part; repeats and folds count from 0.

    The seed is a hash, so that neighbouring folds and seeds do not share random draws.
    """
    return int(np.random.SeedSequence([seed, repeat, fold]).generate_state(1)[0] >> 1)


def training_seeds(seed: int, repeats: int) -> list[int]:
    """Return the seeds of the repeated trainings of one table; the first is `seed` itself."""
    return [seed, *(fold_seed(seed, repeat, 0) for repeat in range(1, repeats))]


def fit_clips(
    build: Build,
    examples: Examples,
    y: Indices,
    fitting: Indices,
    stopping: Indices,
    settings: Settings,
) -> Fitted:
    """Train a network on the examples of the clips `fitting`, with early stopping on `stopping`.

    y: class index of each clip, int (clips,).
    """
    rows = {"train": examples.rows(fitting), "validation": examples.rows(stopping)}
    return fit(build, examples.x, y[examples.clip], **rows, settings=settings)


def validation_split(
    train: Indices,
    labels: Sequence[str],
    infants: Sequence[str],
    *,
    split: Split | str,
    seed: int = 0,
) -> tuple[Indices, Indices]:
    """Divide the training clips of a fold into training and validation clips.

    With split "clip", a fifth of the clips of each class is held back. With "infant", whole infants
    are held back, as close to a fifth of each class as possible. Each class keeps an infant in the
    training part, so a class with few infants may be missing from the validation part. If no infant
    can be spared, clips are drawn with "infant" as well. The test infants remain unseen, but the
    validation loss is then measured on infants that are trained on.

    train: int clip indices. labels, infants: one per clip of the corpus. The result is int64 clip
    indices. Raises InputError if nothing can be held back.
    """
    train = np.sort(np.asarray(train, dtype=np.int64))
    y, names = class_indices([labels[i] for i in train])
    rng = np.random.default_rng(seed)
    held = np.zeros(len(train), dtype=bool)
    if Split(split) is Split.INFANT:
        group = np.unique([infants[i] for i in train], return_inverse=True)[1]
        counts = np.zeros((group.max(initial=-1) + 1, len(names)))
        np.add.at(counts, (group, y), 1)
        held = _held_infants(counts, rng)[group]
    if not held.any():
        for k in range(len(names)):
            clips = np.flatnonzero(y == k)
            count = min(len(clips) - 1, max(1, round(_HELD_BACK * len(clips))))
            held[rng.permutation(clips)[:count]] = True
    if not held.any():
        raise InputError(
            f"none of {len(train)} training clips can be held back: each is the only one of its"
            " class; record more, or leave the class out."
        )
    return train[~held], train[held]


def _held_infants(
    counts: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return which infants to hold back, if any: the most balanced choice of `_ORDERS` draws.

    counts: the number of clips of each infant (rows) and class (columns).
    """
    whole, size = counts.sum(axis=0), counts.sum(axis=1)
    wanted = _HELD_BACK * whole.sum()
    chosen, least = np.zeros(len(counts), dtype=bool), np.inf
    for _ in range(_ORDERS):
        held, left, taken = np.zeros(len(counts), dtype=bool), whole.copy(), 0.0
        for infant in rng.permutation(len(counts)):
            # Skip an infant that would move the part away from the wanted size, except the first.
            nearer = abs(taken + size[infant] - wanted) < abs(taken - wanted) or not taken
            if nearer and (left - counts[infant] >= 1).all():
                held[infant], left, taken = True, left - counts[infant], taken + size[infant]
            if taken >= wanted:
                break
        uneven = np.abs(counts[held].sum(axis=0) / whole - _HELD_BACK).sum()
        if held.any() and uneven < least:
            chosen, least = held, uneven
    return chosen
