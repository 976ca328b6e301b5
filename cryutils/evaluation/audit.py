"""What each usual mistake adds to a score: one honest recipe, and the same with one step wrong.

Walked by notebook 10_leakage_audit. Both papers stay silent about most of these steps (Paper A,
sections 3.2 to 3.5: scaling, autoencoder, epochs, ensemble; Paper B, section 3), so nobody can say
which of them went wrong where. What can be said is how much each would add. The honest recipe
divides by infant, draws equally many windows of a class everywhere, oversamples, adds noisy copies,
scales, selects features, compresses them, trains a small network, picks its best epoch on other
infants, and joins it with a nearest-neighbour classifier. A `Rung` does one of these steps
wrong, or all of them; everything else, the random draws included, stays the same, so a difference
to `honest` is that mistake's. Ambroise & McLachlan (2002, doi 10.1073/pnas.102102699) did it for
the selection of genes, Kapoor & Narayanan (2023, doi 10.1016/j.patter.2023.100804) count the
sciences where such mistakes were made.

PCA stands for the autoencoder: it is what a linear autoencoder learns (Baldi & Hornik 1989, doi
10.1016/0893-6080(89)90014-2), in a thousandth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cryutils._io.progress import counting
from cryutils.errors import InputError
from cryutils.evaluation.crossval import balanced_accuracy, majority_baseline, one_thread
from cryutils.evaluation.intervals import Interval, interval, paired_interval
from cryutils.evaluation.permutation import PermutationTest, permute_labels
from cryutils.evaluation.splits import Labelled, class_indices, folds, infant_split, paper_split

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EXPECTATIONS", "MARGIN", "METRICS", "Audit", "Division", "Effect", "Expectation", "Rows",
    "Rung", "Unit", "Windows", "audit", "divide", "effect", "join", "mistakes", "null_test",
    "out_of_fold", "represent", "training_rows", "training_sizes",
]  # fmt: skip

# The recipe. No value was tried against another: they are small, so that an audit takes seconds.
SELECTED = 20  # features that pass the selection
COMPONENTS = 8  # numbers of the autoencoder's code
HIDDEN = 16  # units of the network
EPOCHS = 20
NEIGHBOURS = 5
VALIDATION = 0.25  # share of the training side on which epoch and weights are chosen
WEIGHTS = (0.5, 0.25, 0.75, 0.0, 1.0)  # of the network in the ensemble; of equals the first is taken

METRICS = ("balanced_accuracy", "accuracy")
MARGIN = 0.05  # a change of five points either way is called none, as in `data/claims.csv`

Array = NDArray[Any]
Indices = NDArray[np.int64]


class Rung(StrEnum):
    """The mistakes, one a rung, between the honest recipe and all of them together."""

    HONEST = "honest"
    WINDOWS = "windows"
    CLIPS = "clips"
    SESSIONS = "sessions"
    AUGMENT = "augment"
    OVERSAMPLE = "oversample"
    SCALER = "scaler"
    SELECTION = "selection"
    AUTOENCODER = "autoencoder"
    EPOCHS = "epochs"
    STACKING = "stacking"
    MAJORITY = "majority"
    ALL = "all"


class Unit(StrEnum):
    """What a division keeps whole; the smaller, the more of an infant lies on both sides."""

    WINDOW = "window"
    CLIP = "clip"
    SESSION = "session"
    INFANT = "infant"


class Effect(StrEnum):
    """What a mistake does to a score."""

    UP = "inflates"
    NONE = "harmless"
    OPEN = "not shown either way"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a mistake was expected to do, on synthetic voices and on DonateACry, and why."""

    synthetic: Effect
    donateacry: Effect
    why: str


# Written and committed before any rung was run on any data; not changed since.
EXPECTATIONS: Mapping[Rung, Expectation] = {
    Rung.WINDOWS: Expectation(
        Effect.UP, Effect.UP, "the same cry a second earlier is in training: the most of the splits"
    ),
    Rung.CLIPS: Expectation(
        Effect.UP, Effect.UP, "the infant minutes earlier, on the same telephone, mostly labelled alike"
    ),
    Rung.SESSIONS: Expectation(
        Effect.UP, Effect.NONE,
        "synthetic voices are the same every day; 195 of DonateACry's 221 donors have one session",
    ),
    Rung.AUGMENT: Expectation(
        Effect.UP, Effect.UP, "a noisy copy of the tested window itself: as much as `windows`"
    ),
    Rung.OVERSAMPLE: Expectation(
        Effect.UP, Effect.UP, "the rare classes' tested windows are in training, many times over"
    ),
    Rung.SCALER: Expectation(
        Effect.NONE, Effect.NONE, "a mean and a deviation of more windows say nothing of labels"
    ),
    Rung.SELECTION: Expectation(
        Effect.UP, Effect.NONE,
        "it looks at labels, and two dozen infants share them; with 221 donors it matters less",
    ),
    Rung.AUTOENCODER: Expectation(
        Effect.NONE, Effect.NONE, "a code that never sees a label can't carry one over"
    ),
    Rung.EPOCHS: Expectation(
        Effect.UP, Effect.UP, "the best of 20 noisy scores, a few points"
    ),
    Rung.STACKING: Expectation(
        Effect.NONE, Effect.NONE, "no test clip is seen: it flatters a member, not the score"
    ),
    Rung.MAJORITY: Expectation(
        Effect.UP, Effect.UP, "in accuracy alone, and without any model"
    ),
    Rung.ALL: Expectation(Effect.UP, Effect.UP, "the highest of all rungs"),
}  # fmt: skip
