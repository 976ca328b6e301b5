"""Frames: which are alike, who answers for whom, and what counts under each split."""

from __future__ import annotations

from dataclasses import replace

import made_corpus
import numpy as np
import pytest
from graphs import without_graphs

from cryutils.datasets.corpus import Corpus
from cryutils.evaluation import Split
from cryutils.models.fusion import rolling_average
from cryutils.models.stacked import DenseSettings
from cryutils.papers import ensemble, framewise

pytestmark = pytest.mark.usefixtures("apart")

FRAMES = 6
STATES = ("hungry", "sleepy")
FAST = DenseSettings(units=(8,), epochs=30, patience=30, dropout=0.0, learning_rate=0.01)
BARELY = replace(FAST, epochs=2)  # where nothing needs to be learned


def films(
    infants: int = 6, each: int = 4, mostly: bool = False, state: float = 1.0, infant: float = 1.0
) -> tuple[Corpus, list[np.ndarray]]:
    """Return clips and their embeddings, (FRAMES, 12) a clip.

    Infants cry for both reasons by turns, or `mostly` for one alone. Embeddings are an offset for
    the state, the infant and the clip.
    """
    places = [(i, k) for i in range(infants) for k in range(each)]
    labels = [STATES[(i if mostly else k) % 2] for i, k in places]
    corpus = made_corpus.corpus(labels, [f"i{i:02d}" for i, _ in places])
    rng = np.random.default_rng(0)
    of_state = {name: state * rng.standard_normal(12) for name in corpus.classes}
    of_infant = {name: infant * rng.standard_normal(12) for name in sorted(set(corpus.infants))}
    embeddings = []
    for clip in corpus:
        middle = of_state[clip.label] + of_infant[clip.infant] + rng.standard_normal(12)
        embeddings.append((middle + 0.1 * rng.standard_normal((FRAMES, 12))).astype(np.float32))
    return corpus, embeddings


@without_graphs()
@pytest.mark.parametrize("split", ensemble.SPLITS)
def test_every_frame_is_answered_by_a_network_that_has_not_seen_its_unit(split: Split) -> None:
    corpus, embeddings = films(8)
    fitted = framewise.fit(embeddings, corpus, split=split, settings=BARELY, n_folds=4)
    assert fitted.rows.shape == (len(corpus) * FRAMES, 2)
    np.testing.assert_allclose(fitted.rows.sum(axis=1), 1, atol=1e-5)
    assert fitted.clip.tolist() == np.repeat(np.arange(len(corpus)), FRAMES).tolist()
    tested = np.concatenate([fold.test for fold in fitted.folds])
    assert sorted(tested) == list(
        range(len(corpus) * (FRAMES if split is Split.RANDOM_FRAMES else 1))
    )
    assert all(fold.stops_on_test == (split is not Split.LEAK_FREE) for fold in fitted.folds)
    for fold in fitted.folds if split is Split.LEAK_FREE else ():
        training_infants = set(corpus.infants[np.union1d(fold.fit, fold.stop)])
        assert not training_infants & set(corpus.infants[fold.test])


def test_a_readable_state_is_read_on_infants_never_seen() -> None:
    corpus, embeddings = films(8, state=3.0, infant=0.5)
    fitted = framewise.fit(embeddings, corpus, split=Split.LEAK_FREE, settings=FAST, n_folds=4)
    states = [corpus.classes[k] for k in fitted.by_clip(len(corpus)).argmax(axis=1)]
    assert np.mean(np.array(states) == corpus.labels) > 0.9


def test_without_a_signal_clips_are_known_by_their_frames_and_infants_by_their_clips() -> None:
    # Who it is tells the state, nothing else does.
    corpus, embeddings = films(16, each=5, mostly=True, state=0.0, infant=2.0)
    right = {}
    for split in ensemble.SPLITS:
        fitted = framewise.fit(embeddings, corpus, split=split, settings=FAST, n_folds=4)
        states = np.array(corpus.classes)[fitted.by_clip(len(corpus)).argmax(axis=1)]
        right[split] = float(np.mean(states == corpus.labels))
    assert right["random_frames"] > 0.95
    assert right["random"] > 0.8
    assert right["leak_free"] < 0.7


@without_graphs()
def test_over_time_all_frames_are_answered_by_the_fold_that_tests_the_clip() -> None:
    corpus, embeddings = films()
    fitted = framewise.fit(
        embeddings, corpus, split=Split.RANDOM, every=2, settings=BARELY, n_folds=3
    )
    over_time = fitted.over_time(embeddings)
    assert [p.shape for p in over_time] == [(FRAMES, 2)] * len(corpus)
    for k, p in enumerate(over_time):
        # Not to the bit: BLAS sums another number of rows in another order.
        np.testing.assert_allclose(p[::2], fitted.rows[fitted.clip == k], atol=1e-6)


def test_neighbours_are_nearest_and_strangers_at_one() -> None:
    corpus, embeddings = films(8, state=0.0, infant=2.0)
    table = framewise.frame_similarity(embeddings, corpus, fps=2.0, pairs=200)
    assert tuple(dict.fromkeys(table.pair)) == framewise.PAIRS
    middle = table.groupby("pair").distance.median()
    assert middle["other infants"] == pytest.approx(1)
    assert middle["neighbours"] < 0.2 < middle["same infant"] < 0.8


# Rolling averages

ROLLED = made_corpus.corpus(["hungry", "sleepy"] * 4, [f"i{k // 2}" for k in range(8)])


def flickering() -> list[np.ndarray]:
    """Return answers that are right but for every third frame; 6 frames, 5 steps, 3 changes."""
    answers = []
    for label in ROLLED.labels:
        p = np.full((FRAMES, 2), 0.2, np.float32)
        p[:, ROLLED.classes.index(label)] = 0.8
        p[2::3] = p[2::3, ::-1]
        answers.append(p)
    return answers


def test_averaging_over_time_by_hand() -> None:
    alone, three, whole = framewise.rolling_scores([flickering()], ROLLED, [1, 3, 99], fps=2.0)
    assert alone.flicker.value == pytest.approx(3 / 5 * 60 * 2)
    assert (alone.accuracy.value, alone.final.value) == (pytest.approx(4 / 6), 0.0)
    assert (alone.flicker_change.value, alone.accuracy_change.value) == (0.0, 0.0)
    for averaged in (three, whole):
        assert averaged.flicker.value == 0
        assert (averaged.accuracy.value, averaged.final.value) == (1.0, 1.0)
        assert averaged.flicker_change.value == pytest.approx(-alone.flicker.value)
    last = rolling_average(flickering()[0], 99)[-1]
    np.testing.assert_allclose(last, flickering()[0].mean(axis=0), rtol=1e-6)


def test_the_delay_is_counted_from_the_change_to_the_new_label() -> None:
    first, second = (np.tile(p, (8, 1)).astype(np.float32) for p in ([1, 0], [0, 1]))
    silent = np.zeros((0, 2), np.float32)
    assert framewise.rolling_delays([first, second], 1).tolist() == [0]
    assert framewise.rolling_delays([first, silent, second, second], 4).tolist() == [2]
    assert framewise.rolling_delays([first, second, first], 8).tolist() == [
        4,
        3,
    ]
    assert framewise.rolling_delays([np.tile(first, (9, 1)), second], 80).tolist() == [8], "never"
    assert framewise.rolling_delays([first, first], 4).tolist() == []
