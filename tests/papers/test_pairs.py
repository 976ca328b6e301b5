"""Sound and face on the same folds: what is fused, scored and counted."""

from __future__ import annotations

import numpy as np
import pytest
from made_corpus import corpus

from cryutils.datasets.corpus import Corpus
from cryutils.models.training import CrossFit
from cryutils.papers import pairs

LABELS = ["hungry", "hungry", "tired", "tired"]
SOUND = np.array([[[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]]], np.float32)  # one is wrong
FACE = np.array([[[0.2, 0.8], [0.6, 0.4], [0.1, 0.9], [0.4, 0.6]]], np.float32)  # another one


@pytest.fixture(name="clips")
def four_clips() -> Corpus:
    return corpus(LABELS, ["a", "b", "c", "d"])


@pytest.fixture(name="pair")
def made_pair(clips: Corpus) -> pairs.Pair:
    n = np.arange(4)
    folds = [[(n[n % 2 != k], n[n % 2 == k]) for k in (0, 1)]]
    fits = {
        name: CrossFit(p, [], folds, ["hungry", "tired"])
        for name, p in (("audio", SOUND), ("image", FACE))
    }
    return pairs.Pair(clips, "leak_free", fits)


def test_single_models_and_their_mean_are_scored_on_the_same_clips(pair: pairs.Pair) -> None:
    right = {m: int((s.predicted == s.truth).sum()) for m, s in pair.scored().items()}
    assert right == {"audio": 3, "image": 3, "fused": 4}


def test_a_missing_input_counts_as_wrong_unless_it_is_fused(pair: pairs.Pair) -> None:
    scores = pair.scored(audio=np.full_like(SOUND, np.nan))
    assert (scores["audio"].predicted == -1).all()
    np.testing.assert_array_equal(scores["fused"].predicted, scores["image"].predicted)
    assert pair.scored()["fused"].scores.macro_f1 == 1 and scores["audio"].scores.macro_f1 == 0


def test_label_changes_compare_models_on_the_same_recordings() -> None:
    hungry, tired, none = [0.9, 0.1], [0.1, 0.9], [np.nan, np.nan]
    steady, restless = np.array([hungry] * 3), np.array([hungry, tired, hungry])
    said = {
        "audio": [restless, steady, restless],
        "image": [steady, steady, np.array([none] * 3)],  # the third recording has no face
        "fused": [steady, steady, restless],
    }
    table = pairs.label_changes([said], ["a", "b", "c"], step_s=1.0).set_index(["model", "rival"])
    assert table.value["audio", ""] == 30 and table.value["fused", ""] == 0  # a minute
    assert table.value["fused", "audio"] == -30
    assert (table.n == 2).all()
    short = {name: [rows[:1] for rows in clips] for name, clips in said.items()}
    assert pairs.label_changes([short], ["a", "b", "c"], step_s=1.0).empty
