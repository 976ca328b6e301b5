"""Paper A's Table 2 under several readings of its text: a multiverse.

§3.3 prints one figure for each cell, from 30 % of the clips. It does not say what §3.2's scalers
were fitted on, how a clip became one vector, which clips were drawn, or whether any were copied.
Nor does it say whether a figure is the share of right answers or the mean of the class recalls. So
each cell is evaluated with every combination of five scalings, three summaries over time and the
given selections of clips, each with many draws of clips and split. A published figure is compared
with all of them (Steegen, Tuerlinckx, Gelman & Vanpaemel 2016, Perspectives on Psychological
Science 11, 702-712). Used in notebook 03_feature_validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils import audio
from cryutils._io.cache import cached, key
from cryutils._io.parallel import Identity, identities
from cryutils._io.paths import cache_dir, writing
from cryutils._io.progress import counting
from cryutils.audio.stress import add_noise
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.evaluation.crossval import balanced_accuracy, fit_and_predict, one_thread
from cryutils.evaluation.splits import SPLITS, Fold, Split, class_indices
from cryutils.models.classical import CLASSIFIERS, table2_classifiers
from cryutils.models.inputs import CLIP_SCALINGS, SUMMARIES, FoldFeatures

__all__ = [
    "CHOICES", "SCORES", "Recipe", "Selection", "recipes", "selections", "shares_above", "table2",
]  # fmt: skip

VERSION = 3  # raise it whenever the same recipe gives other scores
# The choices of a recipe, as columns of `table2`.
CHOICES = ("scaling", "summary", "clips")
SCORES = ("accuracy", "macro_recall")

AUGMENTED = 2  # augmented versions of each clip, from which copies are taken
SNR_DB = 20.0
LARGEST_SHIFT = 0.25  # of a clip's length
WINDOW_S = 2.0


@dataclass(frozen=True)
class Selection:
    """Which clips enter the split.

    counts: clips drawn of each class; if a class has fewer, some are drawn twice. copied_to: copies
    are added until each class has so many clips; None: no copies. augmented: each copy is shifted
    in time and has pink noise, instead of being exact. windows: each clip is cut into windows of
    about 2 s, and the windows are split.
    """

    counts: Mapping[str, int]
    copied_to: int | None = None
    augmented: bool = False
    windows: bool = False


def selections(counts: Mapping[str, int]) -> dict[str, Selection]:
    """Return the selections of notebook 03, by name, for Table 1's `counts` of tested clips.

    Paper A mentions no copies and no windows. 38 is the number of clips in the largest class of
    Table 1; most printed figures are numbers of 24 clips, which is 30 % of four classes of 20.
    """
    drawn = Selection(counts)
    return {
        "no copies": drawn,
        **{f"copied to {n}": replace(drawn, copied_to=n) for n in (20, 27, 38, 50)},
        "augmented to 38": replace(drawn, copied_to=38, augmented=True),
        "windows": replace(drawn, windows=True),
    }


class Recipe(NamedTuple):
    """How clips become feature vectors: see `FoldFeatures`."""

    feature: str
    scaling: str
    summary: str
    settings: Mapping[str, int]


def recipes(
    settings: Mapping[str, Mapping[str, int]],
    *,
    scalings: Sequence[str] = CLIP_SCALINGS,
    summaries: Sequence[str] = tuple(SUMMARIES),
) -> list[Recipe]:
    """Return a recipe for each feature, scaling and summary.

    settings: of `audio.features`, for "stft" and "mfcc". scalings, summaries: of `FoldFeatures`.
    """
    return [Recipe(f, s, v, settings[f]) for f, s, v in product(settings, scalings, summaries)]


def table2(
    corpus: Corpus,
    clips: Mapping[str, Selection],
    recipes: Sequence[Recipe],
    classifiers: Sequence[str] = tuple(CLASSIFIERS),
    *,
    sr: int,
    draws: int = 100,
    test_size: float = 0.3,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the scores of single hold-outs for each cell of Table 2, recipe and protocol.

    A draw takes random clips of each class and divides them once; all recipes with the same
    selection have the same draws. Results are kept in the cache, recipe by recipe.

    corpus: the clips to draw from. clips: selections by name. classifiers: keys of
    `classical.CLASSIFIERS`; the network takes longer than all others together. sr: in Hz. draws:
    single hold-outs of each recipe. test_size: share of the clips to test.

    Columns are `feature`, `classifier`, `split`, those of `CHOICES`, `draw`, those of `SCORES` (0
    to 1) and `majority`, the accuracy of always answering the training part's commonest class.
    Raises InputError if a class has too few clips or infants to be divided.
    """
    pool = _Pool.of(corpus, clips.values(), sr)
    y, _ = class_indices(pool.clips.labels)
    files = identities(clip.path for clip in pool.clips)
    holdouts = {
        (name, split): _holdouts(pool, selection, split, draws, test_size, seed)
        for name, selection in clips.items()
        for split in SPLITS
    }
    majority = {
        place: [np.mean(y[test] == np.bincount(y[train]).argmax()) for train, test in folds]
        for place, folds in holdouts.items()
    }
    tables = []
    with counting("Table 2's recipes", "recipes") as report, one_thread():
        for number, recipe in enumerate(recipes):
            report(number, len(recipes))
            kind, scaling, summary, settings = recipe
            X = FoldFeatures(pool.clips, kind, sr, scaling, dict(settings), summary)
            for (name, split), folds in holdouts.items():
                choices = {"feature": kind, "scaling": scaling, "summary": summary, "clips": name}
                for classifier in classifiers:
                    scores = pd.DataFrame(_scores(classifier, X, y, folds, files, seed))
                    tables.append(
                        scores.assign(
                            classifier=classifier, split=str(split), draw=np.arange(draws),
                            majority=majority[name, split], **choices,
                        )
                    )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def shares_above(
    table: pd.DataFrame, published: Mapping[str, float], *, score: str = "accuracy"
) -> pd.DataFrame:
    """Return how often a single hold-out reaches the published figure, by cell and protocol.

    table: from `table2`. published: a share (0 to 1) by "<feature>.<classifier>". score: one of
    `SCORES`. Columns are `feature`, `classifier`, `split`, `published`, `share` (of all recipes and
    draws that reach it), `recipes` (share of the recipes that reach it in one draw of twenty or
    more), and `lowest` and `highest` of all draws.
    """
    rows = []
    columns = ["feature", "classifier", "split"]
    for (feature, name, split), cell in table.groupby(columns, sort=False):
        figure = published.get(f"{feature}.{name}", np.nan)
        # Half of the last printed digit: 0.6667 means two thirds.
        reached = cell[score] >= figure - 0.00005
        by_recipe = reached.groupby([cell[choice] for choice in CHOICES]).mean()
        is_printed = np.isfinite(figure)
        rows.append({
            "feature": feature, "classifier": name, "split": split, "published": figure,
            "share": reached.mean() if is_printed else np.nan,
            "recipes": (by_recipe >= 0.05).mean() if is_printed else np.nan,
            "lowest": cell[score].min(), "highest": cell[score].max(),
        })  # fmt: skip
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Pool:
    """All clips that a draw can take: those of the corpus, their augmented copies and windows.

    clips: the corpus's own come first. parent: the number of the clip that each was made from.
    kind: "clip", "augmented" or "window", of each.
    """

    clips: Corpus
    parent: NDArray[np.int64]
    kind: NDArray[np.str_]

    @classmethod
    def of(cls, corpus: Corpus, wanted: Iterable[Selection], sr: int) -> _Pool:
        """Return the clips of a corpus with the copies and windows that selections need."""
        wanted = list(wanted)
        kinds = {"augmented": any(s.augmented for s in wanted),
                 "window": any(s.windows for s in wanted)}  # fmt: skip
        made: list[tuple[Clip, int, str]] = [(clip, k, "clip") for k, clip in enumerate(corpus)]
        if any(kinds.values()):
            signals = audio.signals(corpus, sr=sr)
            files = identities(clip.path for clip in corpus)
            settings = key(VERSION, files, sr, SNR_DB, LARGEST_SHIFT, WINDOW_S)
            folder = cache_dir() / "multiverse-clips" / settings
            for k, (clip, x) in enumerate(zip(corpus, signals, strict=True)):
                for kind in (kind for kind, needed in kinds.items() if needed):
                    parts = _augmented(x, k) if kind == "augmented" else _windows(x, sr)
                    for number, part in enumerate(parts):
                        path = _written(folder / f"{kind}-{k}-{number}.wav", part, sr)
                        made.append((replace(clip, path=path), k, kind))
        clips, parent, kind_of = zip(*made, strict=True)
        pool = Corpus(clips, name=corpus.name, note=corpus.note)
        return cls(pool, np.array(parent), np.array(kind_of))

    def of_kind(self, kind: str, clips: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the numbers of everything of a kind that was made from some clips."""
        return np.flatnonzero((self.kind == kind) & np.isin(self.parent, clips))


def _augmented(x: NDArray[np.float32], number: int) -> Iterator[NDArray[np.float32]]:
    """Yield a sound with pink noise, shifted around by up to a quarter of its length."""
    for version in range(AUGMENTED):
        rng = np.random.default_rng([number, version])
        largest = int(LARGEST_SHIFT * len(x))
        shifted = np.roll(x, rng.integers(-largest, largest + 1))
        yield add_noise(shifted, snr_db=SNR_DB, rng=rng)


def _windows(x: NDArray[np.float32], sr: int) -> Iterator[NDArray[np.float32]]:
    """Yield the windows of a sound, or the whole sound if it is shorter than two windows."""
    length = int(WINDOW_S * sr)
    yield from np.array_split(x, max(1, len(x) // length))


def _written(path: Path, x: NDArray[np.float32], sr: int) -> Path:
    """Write a sound as a 16-bit WAV file, unless it is there; return its path."""
    if not path.is_file():
        with writing(path) as part:
            part.write_bytes(audio.wav_bytes(x, sr))
    return path


def _holdouts(
    pool: _Pool, selection: Selection, split: Split, draws: int, test_size: float, seed: int
) -> list[Fold]:
    """Return (train, test) positions in the pool for each draw."""
    labels, infants = np.asarray(pool.clips.labels), np.asarray(pool.clips.infants)
    own = pool.kind == "clip"
    folds = []
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        by_class = [
            _drawn(np.flatnonzero(own & (labels == label)), n, rng)
            for label, n in selection.counts.items()
        ]
        if selection.copied_to is not None:
            by_class = [_with_copies(pool, clips, selection, rng) for clips in by_class]
        clips = np.concatenate(by_class)
        if selection.windows:
            clips = pool.of_kind("window", clips)
        part = SimpleNamespace(labels=labels[clips].tolist(), infants=infants[clips].tolist())
        train, test = split.hold_out(part, test_size=test_size, seed=int(rng.integers(2**31)))
        folds.append((clips[train], clips[test]))
    return folds


def _drawn(clips: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return `n` random clips; if there are fewer, all of them and some again."""
    again = rng.choice(clips, max(0, n - len(clips)))
    return np.concatenate([rng.permutation(clips)[:n], again])


def _with_copies(
    pool: _Pool, clips: NDArray[np.intp], selection: Selection, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return the clips of a class and copies of them, `selection.copied_to` in all.

    No clip is copied once more often than another.
    """
    assert selection.copied_to is not None
    missing = max(0, selection.copied_to - len(clips))
    rounds = -(-missing // len(clips))
    again = np.concatenate([rng.permutation(clips) for _ in range(rounds)] or [clips])[:missing]
    if selection.augmented:
        again = np.array([rng.choice(pool.of_kind("augmented", clip)) for clip in again])
    return np.concatenate([clips, again.astype(clips.dtype)])


def _scores(
    name: str,
    X: FoldFeatures,
    y: NDArray[np.int64],
    folds: list[Fold],
    files: tuple[Identity, ...],
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Return the accuracy and macro recall of a classifier on each fold, float64 (folds,) each."""

    def compute() -> dict[str, NDArray[np.float64]]:
        model = table2_classifiers(scaling=X.scaling, seed=seed)[name]
        predicted = fit_and_predict(model, X, y, [[fold] for fold in folds])
        answers = [(y[test], p[test]) for p, (_, test) in zip(predicted, folds, strict=True)]
        return {
            "accuracy": np.array([np.mean(truth == p) for truth, p in answers]),
            "macro_recall": np.array([balanced_accuracy(truth, p) for truth, p in answers]),
        }

    recipe = [VERSION, name, files, X.kind, X.sr, X.scaling, X.settings, X.summary, seed]
    return cached(compute, "multiverse", *recipe, y, folds)
