"""Scores over the dials: the arithmetic by hand, and the same again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from cryutils import audio, load
from cryutils.datasets.synthetic.dials import Dials
from cryutils.errors import InputError
from cryutils.evaluation.splits import SPLITS
from cryutils.papers import dials
from cryutils.papers.audit import vectors

CLASSES = ["hungry", "tired"]
SMALL = {"infants": 10, "clips_per_infant": 3, "duration_s": 0.5, "sr": 8000}


@pytest.fixture(autouse=True)
def small(apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dials, "CORPUS", SMALL)


def test_a_score_is_the_discriminants_on_folds_of_clips_and_of_infants() -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import balanced_accuracy_score

    turned = Dials(signal=0.5, interaction=0.3, session=0.2)
    table = dials.scores([turned], classes=CLASSES, seed=3).set_index("split")
    assert list(table.index) == ["clip", "infant"]
    corpus = load("synthetic", classes=CLASSES, seed=3, progress=False, **SMALL, **asdict(turned))
    x = np.concatenate([vectors(y, sr=8000) for y in audio.signals(corpus, sr=8000)])
    labels = np.array(corpus.labels)
    for split in SPLITS:
        by_hand = []
        for folds in split.k_folds(corpus, n_splits=5, repeats=3, seed=3):
            answers = np.empty_like(labels)
            for train, test in folds:
                model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
                answers[test] = model.fit(x[train], labels[train]).predict(x[test])
            by_hand.append(balanced_accuracy_score(labels, answers))
        row = table.loc[str(split)]
        assert row.score == pytest.approx(np.mean(by_hand))
        assert row.low <= row.score <= row.high
    assert dict(table.iloc[0][list(asdict(turned))]) == asdict(turned)


def test_a_dial_outside_its_range_is_named() -> None:
    with pytest.raises(InputError, match="interaction=2"):
        dials.scores([Dials(interaction=2.0)], classes=CLASSES)
