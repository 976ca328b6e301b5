"""Frames: which are alike, who answers for whom, and what counts under each split."""

from __future__ import annotations

from dataclasses import replace

import made_corpus
import numpy as np
import pytest
from graphs import without_graphs

from cryutils import claims
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation import Split
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
    assert sorted(tested) == list(range(len(corpus) * (FRAMES if split is Split.FRAME else 1)))
    assert all(fold.stops_on_test == (split is not Split.INFANT) for fold in fitted.folds)
    for fold in fitted.folds if split is Split.INFANT else ():
        training_infants = set(corpus.infants[np.union1d(fold.fit, fold.stop)])
        assert not training_infants & set(corpus.infants[fold.test])


def test_a_readable_state_is_read_on_infants_never_seen() -> None:
    corpus, embeddings = films(8, state=3.0, infant=0.5)
    fitted = framewise.fit(embeddings, corpus, split=Split.INFANT, settings=FAST, n_folds=4)
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
    assert right["frame"] > 0.95
    assert right["clip"] > 0.8
    assert right["infant"] < 0.7


@without_graphs()
def test_over_time_all_frames_are_answered_by_the_fold_that_tests_the_clip() -> None:
    corpus, embeddings = films()
    fitted = framewise.fit(
        embeddings, corpus, split=Split.CLIP, every=2, settings=BARELY, n_folds=3
    )
    over_time = fitted.over_time(embeddings)
    assert [p.shape for p in over_time] == [(FRAMES, 2)] * len(corpus)
    for k, p in enumerate(over_time):
        # Not to the bit: BLAS sums another number of rows in another order.
        np.testing.assert_allclose(p[::2], fitted.rows[fitted.clip == k], atol=1e-6)


@without_graphs()
def test_split_by_frame_there_is_nobody_to_ask_about_a_whole_clip() -> None:
    corpus, embeddings = films()
    fitted = framewise.fit(embeddings, corpus, split=Split.FRAME, settings=BARELY, n_folds=2)
    with pytest.raises(InputError, match="every network has seen"):
        fitted.over_time(embeddings)
    with pytest.raises(InputError, match="every=0"):
        framewise.subsample_frames(embeddings, every=0)


def test_neighbours_are_nearest_and_strangers_at_one() -> None:
    corpus, embeddings = films(8, state=0.0, infant=2.0)
    table = framewise.frame_similarity(embeddings, corpus, fps=2.0, pairs=200)
    assert tuple(dict.fromkeys(table.pair)) == framewise.PAIRS
    middle = table.groupby("pair").distance.median()
    assert middle["other infants"] == pytest.approx(1)
    assert middle["neighbours"] < 0.2 < middle["same infant"] < 0.8


@without_graphs()
def test_fewer_frames_and_infants_are_scored_leak_free() -> None:
    corpus, embeddings = films(8, state=2.0, infant=0.0)
    table = framewise.amounts(
        embeddings, corpus, every=[1, 2], infants=[1, 4, 8, 99], settings=BARELY, n_folds=2
    )  # one infant cannot be divided, and 99 are the 8
    frames = len(embeddings[0])
    assert table.infants.tolist() == [4, 4, 8, 8]
    assert table.frames.tolist() == [16 * frames, 8 * frames, 32 * frames, 16 * frames]
    fitted = framewise.fit(embeddings, corpus, split=Split.INFANT, settings=BARELY, n_folds=2)
    whole = framewise.headline([fitted], corpus).interval()
    assert table["balanced accuracy"].iloc[2] == str(whole)
    folds = framewise.leak_free_folds(corpus, n_folds=2)
    for ours, theirs in zip(folds, fitted.folds, strict=True):
        assert np.array_equal(ours.fit, theirs.fit) and np.array_equal(ours.stop, theirs.stop)
        assert np.array_equal(ours.test, theirs.test)


@without_graphs()
@pytest.mark.parametrize("split", [Split.FRAME, Split.INFANT])
def test_several_trainings_are_averaged(split: Split) -> None:
    corpus, embeddings = films()
    fits = [
        framewise.fit(
            embeddings, corpus, split=split, settings=replace(BARELY, seed=seed), n_folds=2,
            seed=seed,
        )
        for seed in (0, 1)
    ]  # fmt: skip
    whole = framewise.headline(fits, corpus)
    metrics = "accuracy", "balanced_accuracy", "roc_auc"
    table = whole.results(*metrics)
    assert set(table.n) == {len(corpus)}, "frames are no clips"
    assert set(table.trainings) == {2}
    alone = [framewise.headline([fit], corpus).results(*metrics).value for fit in fits]
    assert table.value.to_numpy() == pytest.approx(np.mean(alone, axis=0))
    assert set(whole.predictions().repeat) == {0, 1}


@without_graphs()
def test_scores_of_frames_where_frames_are_divided_else_of_clips() -> None:
    corpus, embeddings = films()
    claims.begin("test_framewise", seed=0)
    fits = {}
    for split in ensemble.SPLITS:
        fits[split] = [framewise.fit(embeddings, corpus, split=split, settings=BARELY, n_folds=3)]
        whole = framewise.headline(fits[split], corpus)
        assert len(whole.corpus) == len(corpus) * (FRAMES if split is Split.FRAME else 1)
        claims.record_scores(whole, "balanced_accuracy", study="frames", model="made")
    table = framewise.comparison({"made": fits}, corpus)
    assert list(table.columns[::3]) == ["frame", "clip", "infant"]
    assert set(claims.results().trainings) == {1}
    stored = claims.results().set_index("split").value
    assert stored[["frame", "clip", "infant"]].tolist() == [
        table.loc["made", column] for column in ("frame", "clip", "infant")
    ]
