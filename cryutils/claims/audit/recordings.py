"""Predictions made from recordings: `of_corpus` of their labels, `of_parts` of the room and the cry."""

import numpy as np
import pandas as pd

from cryutils import audio, evaluation
from cryutils._io.parallel import thread_map
from cryutils.claims.tables import in_percent
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation import Split
from cryutils.evaluation.splits import Fold
from cryutils.words import SPLITS

_FOLDS = 5  # of a folder's clips


def of_corpus(corpus: Corpus) -> pd.DataFrame:
    """Return predictions of a corpus's labels by logistic regression, with both splits.

    The features are `studies.ladder.vectors` of mel bands and MFCC. Columns as in `read`. A class with
    fewer clips than folds, or from one infant, is left out if two others are left. Notes name it, and
    a split that has no folds. Raises InputError if both have none.
    """
    from cryutils.studies.ladder import vectors  # which loads scikit-learn

    corpus, rare = _large_classes(corpus)
    notes = [f"Left out: {x!r}; a class needs {_FOLDS} clips and two infants." for x in rare]
    divisions = {}
    for split in (Split.RANDOM, Split.LEAK_FREE):
        try:
            divisions[split] = _divided(corpus, split)
        except InputError as reason:
            notes.append(f"{SPLITS[str(split)].capitalize()}: no scores; {reason}.")
    if not divisions:
        raise InputError(f"{corpus.name}: {' '.join(notes)} Add recordings.")
    sr = 8000
    rows = thread_map(lambda x: vectors(x, sr=sr)[0], audio.signals(corpus, sr=sr), what="clips")
    experiment = evaluation.linear(np.array(list(rows)), corpus.labels)
    parts = [
        evaluation.out_of_fold(experiment, corpus, split=split, folds=folds)
        for split, folds in divisions.items()
    ]
    table = pd.concat(parts, ignore_index=True).drop(columns="data")
    devices = pd.Series(corpus.devices, [clip.id for clip in corpus]).fillna("")
    table = table.assign(model="logistic regression", device=table["clip"].map(devices))
    table.attrs["notes"] = notes
    return table


def of_parts(corpus: Corpus) -> pd.DataFrame:
    """Return the scores of parts of a corpus' recordings, columns as in `studies.background.scores`.

    Classes are left out as in `of_corpus`. Raises InputError if the clips allow no five leak-free folds.
    """
    from cryutils.studies import background  # which loads scikit-learn

    corpus, sr = _large_classes(corpus)[0], 8000
    try:
        folds = _divided(corpus, Split.LEAK_FREE)
    except InputError as reason:
        raise InputError(f"--background: {reason}; add recordings, or leave out --background.") from None
    numbers = background.parts(audio.signals(corpus, sr=sr), sr=sr)
    return background.scores(background.answers(corpus, numbers, folds=folds))


def parts_in_words(scores: pd.DataFrame) -> pd.DataFrame:
    """Return `studies.background.scores` in percent, a row for each part, a column for each metric."""
    from cryutils.studies.background import PARTS

    heads = {"balanced_accuracy": "balanced accuracy", "paired": "pairs", "matched": "matched pairs"}
    texts = [in_percent(*row) for row in scores[["value", "low", "high"]].to_numpy()]
    table = scores.assign(text=texts).pivot(index="condition", columns="metric", values="text").fillna("–")
    table = table.reindex(index=list(PARTS), columns=[name for name in heads if name in table])
    return table.rename(index=PARTS, columns=heads).rename_axis(index="part", columns=None)


def _divided(corpus: Corpus, split: Split) -> list[list[Fold]]:
    """Return five divisions into folds. Raises InputError with the reason alone if there are none."""
    try:
        return split.k_folds(corpus, n_splits=_FOLDS, repeats=5, seed=0)
    except InputError as error:  # after the semicolon it advises other folds
        raise InputError(str(error).partition(";")[0]) from None


def _large_classes(corpus: Corpus) -> tuple[Corpus, list[str]]:
    """Return the clips of classes that are large enough, if there are two, and the other classes."""
    sizes = corpus.frame().groupby("label").infant.agg(["size", "nunique"])
    rare = [*sizes.index[(sizes < [_FOLDS, 2]).any(axis=1)]]
    if len(sizes) - len(rare) < 2:
        return corpus, []
    return corpus.where(lambda clip: clip.label not in rare), rare
