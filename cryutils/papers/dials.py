"""Scores of a classical model on synthetic voices for different settings, by both protocols.

Used in notebook 03_feature_validation (section 8); `benchmarks/dials.py` evaluates many corpora.
Real recordings have one setting of these parameters, which nobody knows. Here they are known, so we
can see what an honest score depends on and a leaky one doesn't. How states differ in these voices
is an ASSUMPTION FOR TEACHING; no score here is evidence about infants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from cryutils import audio
from cryutils._io.progress import counting
from cryutils.datasets import load
from cryutils.datasets.synthetic.dials import Dials
from cryutils.evaluation.crossval import out_of_fold
from cryutils.evaluation.intervals import interval
from cryutils.evaluation.splits import SPLITS
from cryutils.papers.audit import vectors

__all__ = ["CORPUS", "FOLDS", "REPEATS", "scores"]

CORPUS: Mapping[str, Any] = {
    "infants": 20, "clips_per_infant": 4, "duration_s": 2.0, "sr": 8000,
}  # fmt: skip
FOLDS, REPEATS = 5, 3


def scores(
    settings: Sequence[Dials], *, classes: Sequence[str], seed: int = 0, progress: bool = False
) -> pd.DataFrame:
    """Return the balanced accuracy on one corpus for each setting and protocol.

    The model is a linear discriminant with shrinkage on the mean and standard deviation over time
    of mel bands in dB and MFCC (`audit.vectors`). Its within-class spread includes the differences
    between infants, so it discounts them as far as a linear model can. Recordings are kept in the
    cache. Columns are `signal`, `identity`, `interaction`, `session`, `split` ("clip" or "infant"),
    `score`, and `low` and `high`, its 95 % interval over infants.

    classes: states of the voices, two or more. seed: of the infants, clips and folds of every
    corpus. Raises InputError for a setting outside [0, 1], or an unknown class.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    rows = []
    with counting("synthetic corpora", "corpora", shown=progress) as report:
        for dials in settings:
            corpus = load(
                "synthetic", classes=list(classes), seed=seed, progress=False,
                **CORPUS, **asdict(dials),
            )  # fmt: skip
            sr = CORPUS["sr"]
            x = np.concatenate([vectors(y, sr=sr) for y in audio.signals(corpus, sr=sr)])
            for split in SPLITS:
                folds = split.k_folds(corpus, n_splits=FOLDS, repeats=REPEATS, seed=seed)
                guesses = out_of_fold(model, x, corpus.labels, folds)
                score = interval(guesses, corpus.labels, corpus.infants)
                rows.append(
                    {**asdict(dials), "split": str(split), "score": score.value,
                     "low": score.low, "high": score.high}
                )  # fmt: skip
            report(len(rows) // len(SPLITS), len(settings))
    return pd.DataFrame(rows)
