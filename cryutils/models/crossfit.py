"""Networks on clips that they have not seen: `cross_fit`, and what stops each training.

Notebooks 04_cry2 and 05_image walk this module, 06_full asks its networks again under noise
(Paper B §3, performance evaluation and validation: identical test splits for all models). The
part that stops a training, its validation infants, comes from inside its training clips
(`validation_split` draws it), so no test clip is ever looked at; examples of one clip are never
divided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils._io.progress import counting
from cryutils.errors import InputError
from cryutils.evaluation.splits import Fold, Indices, Protocol, class_indices
from cryutils.models.examples import Examples, by_clip
from cryutils.models.training import Build, Fitted, Settings, fit

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CrossFit", "cross_fit", "fit_clips", "fold_seed", "training_seeds", "validation_split",
]  # fmt: skip

Array = npt.NDArray[np.float32]
_HELD_BACK = 0.2  # share of the training clips whose loss says stop
_ORDERS = 32  # orders of infants tried for a validation part


@dataclass(frozen=True, eq=False)
class CrossFit:
    """A network fitted once a fold, and what each said of the clips it had not seen.

    `probabilities`: float32 (repeats, clips, classes), a row of NaN for a clip without rows or
    that no fold tests. `fits`: one a fold, repeat after repeat, as `folds`. `stopping`: one a fit,
    the training clips that stopped it, int (clips,).
    """

    probabilities: Array = field(repr=False)
    fits: list[Fitted] = field(repr=False)
    folds: list[list[Fold]] = field(repr=False)
    classes: list[str]
    stopping: list[Indices] = field(default_factory=list, repr=False)

    @property
    def fit_folds(self) -> list[list[Fold]]:
        """Its folds, each with the clips that the network learnt from, and none that stopped it."""
        held = iter(self.stopping)
        return [
            [(np.setdiff1d(train, next(held)), test) for train, test in repeat]
            for repeat in self.folds
        ]

    def predict(self, examples: Examples) -> Array:
        """Return what the same networks say of changed examples of the same clips.

        Each clip is answered by the network that has not seen it, as in `probabilities`.
        """
        n_clips = self.probabilities.shape[1]
        return np.stack([by_clip(row, examples.clip, n_clips) for row in self.rows(examples)])

    def rows(self, examples: Examples) -> Array:
        """Return the answers to every single example, float32 (repeats, rows, classes).

        As `predict`, but before the mean over a clip's examples: what was said when.
        """
        return _answers(self.fits, self.folds, examples, len(self.classes))

    def validation(self, examples: Examples) -> Array:
        """Return what each network says of the clips that stopped its training.

        float32 (fits, clips, classes), a row of NaN for any other clip. It was not trained on
        them, but its best epoch was chosen by them: it does a little better there than on new
        ones. What is fitted behind a network (a temperature, a threshold) is fitted here.
        """
        n_clips = self.probabilities.shape[1]
        answers = np.full((len(self.fits), n_clips, len(self.classes)), np.nan, np.float32)
        for answer, fitted, clips in zip(answers, self.fits, self.stopping, strict=True):
            rows = examples.rows(clips)
            answer[:] = by_clip(fitted.predict(examples.x[rows]), examples.clip[rows], n_clips)
        return answers

    def history(self) -> pd.DataFrame:
        """Return the histories of all fits with their repeat and fold, both from 0."""
        import pandas as pd

        places = [(r, k) for r, repeat in enumerate(self.folds) for k in range(len(repeat))]
        parts = [
            fitted.history.assign(repeat=r, fold=k)
            for fitted, (r, k) in zip(self.fits, places, strict=True)
        ]
        table = pd.concat(parts, ignore_index=True)
        return table[["repeat", "fold", *(c for c in parts[0] if c not in ("repeat", "fold"))]]


def cross_fit(
    build: Build,
    examples: Examples,
    labels: Sequence[str],
    infants: Sequence[str],
    repeated_folds: Sequence[Sequence[Fold]] | Sequence[Fold],
    *,
    classes: Sequence[str] | None = None,
    protocol: Protocol | str,
    settings: Settings | None = None,
    progress: bool = False,
) -> CrossFit:
    """Return a network fitted once a fold, and its answers to the fold's test clips.

    Parameters
    ----------
    build : function
        As in `training.fit`.
    examples : Examples
        Rows of all clips.
    labels, infants : sequence of str
        One a clip.
    repeated_folds : list of lists of (train, test)
        From `Protocol.k_folds`, or one list of folds, or one hold-out in a list.
    classes : sequence of str, optional
        Their order in the result; by default the labels found, sorted.
    protocol : {"paper", "leak_free"}
        How `validation_split` takes the part that stops each training.
    settings : Settings, optional
        Of each fit; its seed is derived from `settings.seed`, repeat and fold.
    progress : bool
        Count the networks on a terminal, one line elsewhere.

    Raises
    ------
    InputError
        A fold has an infant on both sides under "leak_free", no clip has rows, or what
        `training.fit` and `validation_split` raise.
    """
    y, names = class_indices(labels, classes)
    repeats = _repeated(repeated_folds)
    settings, protocol = settings or Settings(), Protocol(protocol)
    usable = np.isin(np.arange(len(y)), examples.clip)
    if not usable.any():
        raise InputError("no clip has an example; check the features, or the faces found.")
    flat = [(r, k, fold) for r, repeat in enumerate(repeats) for k, fold in enumerate(repeat)]
    fits: list[Fitted] = []
    held: list[Indices] = []
    with counting("Training", "networks", shown=progress) as report:
        for r, k, (train, test) in flat:
            if protocol is Protocol.LEAK_FREE:
                _check_apart(infants, train, test, r, k)
            seed = fold_seed(settings.seed, r, k)
            fitting, stopping = validation_split(
                train[usable[train]], labels, infants, protocol=protocol, seed=seed
            )
            fold_settings = replace(settings, seed=seed)
            fits.append(fit_clips(build, examples, y, fitting, stopping, fold_settings))
            held.append(stopping)
            report(len(fits), len(flat))
    answers = _answers(fits, repeats, examples, len(names))
    probabilities = np.stack([by_clip(row, examples.clip, len(y)) for row in answers])
    return CrossFit(probabilities, fits, repeats, names, held)


def fold_seed(seed: int, repeat: int, fold: int) -> int:
    """Return the seed of one fold's training and validation part; repeats and folds count from 0.

    Neighbouring folds of neighbouring seeds would else share their draws.
    """
    return int(np.random.SeedSequence([seed, repeat, fold]).generate_state(1)[0] >> 1)


def training_seeds(seed: int, repeats: int) -> list[int]:
    """Return the seeds of so many trainings of one table; the first is `seed` itself.

    Neighbouring seeds would else share their draws, as those of folds in `fold_seed`.
    """
    return [seed, *(fold_seed(seed, repeat, 0) for repeat in range(1, repeats))]


def fit_clips(
    build: Build,
    examples: Examples,
    y: Indices,
    fitting: Indices,
    stopping: Indices,
    settings: Settings,
) -> Fitted:
    """Return `training.fit` on all examples of some clips, stopped by those of others.

    y: class of each clip, int (clips,). fitting, stopping: clip numbers. The rest as there.
    """
    return fit(
        build,
        examples.x,
        y[examples.clip],
        train=examples.rows(fitting),
        validation=examples.rows(stopping),
        settings=settings,
    )


def validation_split(
    train: Indices,
    labels: Sequence[str],
    infants: Sequence[str],
    *,
    protocol: Protocol | str,
    seed: int = 0,
) -> tuple[Indices, Indices]:
    """Return the training clips in two parts: those to fit on, and those whose loss says stop.

    Under "paper" clips are drawn by class; under "leak_free" infants are kept whole, as near to a
    fifth of the clips of each class as whole infants allow. Every class stays in the first part: an
    infant whose class nobody else has is never held back, so a class with few infants may be
    missing in the second. Where every infant is the only one of a class, clips are drawn under
    "leak_free" as well: the test infants stay unseen, but the loss that stops training is of
    infants that are trained on.

    Parameters
    ----------
    train : ndarray of int
        Clip numbers.
    labels, infants : sequence of str
        One a clip of the corpus.
    protocol : {"paper", "leak_free"}
    seed : int
        The same seed gives the same parts.

    Returns
    -------
    (ndarray, ndarray)
        Clip numbers, int64: (train, validation).

    Raises
    ------
    InputError
        Nothing can be held back.
    """
    train = np.sort(np.asarray(train, dtype=np.int64))
    y, names = class_indices([labels[i] for i in train])
    rng = np.random.default_rng(seed)
    held = np.zeros(len(train), dtype=bool)
    if Protocol(protocol) is Protocol.LEAK_FREE:
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
            " class; record more, or leave the class out"
        )
    return train[~held], train[held]


def _repeated(repeats: Sequence[Any]) -> list[list[Fold]]:
    if not len(repeats):
        raise InputError("there are no folds; draw them with Protocol(...).k_folds(corpus).")
    one_list = isinstance(repeats[0], tuple) and isinstance(repeats[0][0], np.ndarray)
    return [list(repeats)] if one_list else [list(repeat) for repeat in repeats]


def _check_apart(infants: Sequence[str], train: Indices, test: Indices, r: int, k: int) -> None:
    both = {infants[i] for i in train} & {infants[i] for i in test}
    if both:
        raise InputError(
            f"repeat {r}, fold {k} has infant {min(both)!r} in training and in test; draw the"
            ' folds with Protocol("leak_free").k_folds.'
        )


def _answers(
    fits: Sequence[Fitted],
    repeats: Sequence[Sequence[Fold]],
    examples: Examples,
    classes: int,
) -> Array:
    """Return each fit's answers to the examples of its fold's test clips, else NaN.

    float32 (repeats, rows, classes).
    """
    answers = np.full((len(repeats), len(examples.x), classes), np.nan, np.float32)
    remaining = iter(fits)
    for repeat_answers, repeat in zip(answers, repeats, strict=True):
        for _, test in repeat:
            rows = examples.rows(test)
            repeat_answers[rows] = next(remaining).predict(examples.x[rows])
    return answers


def _held_infants(
    counts: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return which infants to hold back, the most even of some random orders; maybe none.

    `counts` is clips by infant and class.
    """
    whole, size = counts.sum(axis=0), counts.sum(axis=1)
    wanted = _HELD_BACK * whole.sum()
    chosen, least = np.zeros(len(counts), dtype=bool), np.inf
    for _ in range(_ORDERS):
        held, left, taken = np.zeros(len(counts), dtype=bool), whole.copy(), 0.0
        for infant in rng.permutation(len(counts)):
            # One that takes the part further from its size is left, but the first is welcome.
            nearer = abs(taken + size[infant] - wanted) < abs(taken - wanted) or not taken
            if nearer and (left - counts[infant] >= 1).all():
                held[infant], left, taken = True, left - counts[infant], taken + size[infant]
            if taken >= wanted:
                break
        uneven = np.abs(counts[held].sum(axis=0) / whole - _HELD_BACK).sum()
        if held.any() and uneven < least:
            chosen, least = held, uneven
    return chosen
