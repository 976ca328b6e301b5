"""The contract of a corpus: a sequence of clips that can be counted, selected and drawn from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryutils.datasets.corpus import (
    SESSION_GAP_S,
    Clip,
    Corpus,
    Problem,
    contradictions,
    effective_infants,
    number_sessions,
)
from cryutils.errors import InputError


def clip(name: str, label: str, infant: str, *, session: int = 1, seconds: float = 6.0) -> Clip:
    return Clip(
        id=name,
        path=Path(f"{name}.wav"),
        label=label,
        infant=infant,
        session=f"{infant}/{session}",
        start_s=None,
        duration_s=seconds,
        has_audio=True,
        has_video=False,
    )


CLIPS = [
    clip("a", "tired", "anna"),
    clip("b", "hungry", "anna", session=2),
    clip("c", "hungry", "anna", session=2),
    clip("d", "hungry", "bo", seconds=18.0),
    clip("e", "tired", "cleo"),
    clip("f", "burping", "bo"),
]


@pytest.fixture
def corpus() -> Corpus:
    return Corpus(
        CLIPS,
        name="made",
        note="made by hand",
        problems=[Problem("left out", "x.wav", "the file is empty")],
        citation="A reference.",
        licence="a licence",
    )


def test_a_corpus_is_a_sequence_of_clips(corpus: Corpus) -> None:
    assert isinstance(corpus, Sequence)
    assert (len(corpus), corpus[0], corpus[-1]) == (6, CLIPS[0], CLIPS[5])
    assert list(corpus) == CLIPS
    assert corpus[1:3] == tuple(CLIPS[1:3])
    assert CLIPS[3] in corpus
    assert corpus.index(CLIPS[3]) == 3
    with pytest.raises(IndexError):
        corpus[6]
    assert repr(corpus) == "<Corpus made: 6 clips, 3 infants, 3 classes, 1 problems>"


def test_labels_infants_and_classes(corpus: Corpus) -> None:
    assert corpus.labels.tolist() == ["tired", "hungry", "hungry", "hungry", "tired", "burping"]
    assert corpus.infants.tolist() == ["anna", "anna", "anna", "bo", "cleo", "bo"]
    assert corpus.classes == ("burping", "hungry", "tired")


def test_problems_are_a_table(corpus: Corpus) -> None:
    wanted = pd.DataFrame({"kind": ["left out"], "item": ["x.wav"], "what": ["the file is empty"]})
    pd.testing.assert_frame_equal(corpus.problems(), wanted)
    empty = Corpus([], name="none", note="").problems()
    assert (len(empty), list(empty.columns)) == (0, ["kind", "item", "what"])


def test_description_by_hand(corpus: Corpus) -> None:
    table = corpus.describe()
    assert list(table.index) == ["burping", "hungry", "tired", "all"]
    assert table.clips.tolist() == [1, 3, 2, 6]
    assert table.infants.tolist() == [1, 2, 2, 3]
    # Kish, (sum n)^2 / sum n^2: hungry 9 / (4 + 1), all 36 / (9 + 4 + 1).
    assert table.effective_infants.tolist() == [1.0, 1.8, 2.0, 2.6]
    assert table.largest_infant.tolist() == [1, 2, 1, 3]
    assert table.sessions.tolist() == [1, 2, 2, 4]
    assert table.minutes.tolist() == [0.1, 0.5, 0.2, 0.8]


def test_the_frame_has_a_row_a_clip(corpus: Corpus) -> None:
    frame = corpus.frame()
    assert frame.id.tolist() == list("abcdef")
    assert {"label", "infant", "session", "start_s", "duration_s", "reason"} <= set(frame)


def test_take_keeps_order_and_source(corpus: Corpus) -> None:
    part = corpus.take(np.array([4, 0]))
    assert [c.id for c in part] == ["e", "a"]
    assert (part.name, part.licence, part.cite()) == (corpus.name, corpus.licence, corpus.cite())
    assert part.problems().equals(corpus.problems())


def test_where_and_select_keep_what_was_asked_for(corpus: Corpus) -> None:
    assert [c.id for c in corpus.where(lambda c: c.infant == "bo")] == ["d", "f"]
    part = corpus.select(["tired", "burping"])
    assert [c.id for c in part] == ["a", "e", "f"]
    assert part.classes == ("burping", "tired")


def test_an_absent_class_is_a_near_miss(corpus: Corpus) -> None:
    with pytest.raises(InputError, match=r"made has no class 'hungyr'. Did you mean hungry\?"):
        corpus.select(["tired", "hungyr"])
    with pytest.raises(InputError, match="Did you mean hungry"):
        corpus.subsample({"hungyr": 2}, seed=0)


def test_a_subsample_has_the_counts_asked_for_and_no_other_class(corpus: Corpus) -> None:
    part = corpus.subsample({"hungry": 2, "burping": 5}, seed=0)
    assert part.labels.tolist().count("hungry") == 2
    assert part.labels.tolist().count("burping") == 1
    assert part.classes == ("burping", "hungry")
    assert len({c.id for c in part}) == 3


def test_a_subsample_is_drawn_by_seed_whatever_the_order_of_its_counts(corpus: Corpus) -> None:
    counts = {"hungry": 2, "tired": 1}
    drawn = {tuple(c.id for c in corpus.subsample(counts, seed=seed)) for seed in range(40)}
    assert len(drawn) == 6, "three pairs of hungry clips times two tired ones"
    for seed in range(5):
        once = list(corpus.subsample(counts, seed=seed))
        assert once == list(corpus.subsample(dict(reversed(counts.items())), seed=seed))


def test_a_subsample_of_nothing_is_empty_and_of_less_is_refused(corpus: Corpus) -> None:
    assert len(corpus.subsample({}, seed=0)) == 0
    assert len(corpus.subsample({"tired": 0}, seed=0)) == 0
    with pytest.raises(InputError, match="-1 clips of tired"):
        corpus.subsample({"tired": -1}, seed=0)


def test_relabel_says_what_stands_for_what_and_keeps_the_reason(corpus: Corpus) -> None:
    renamed = corpus.relabel({"burping": "pain"})
    assert renamed.classes == ("hungry", "pain", "tired")
    assert renamed.labels.tolist() == ["tired", "hungry", "hungry", "hungry", "tired", "pain"]
    assert renamed.note == "made by hand; burping stands for pain"
    assert corpus.note == "made by hand"
    assert renamed.infants.tolist() == corpus.infants.tolist()


def test_relabel_refuses_an_unknown_label_and_a_name_that_is_taken(corpus: Corpus) -> None:
    with pytest.raises(InputError, match="no class 'burpin'"):
        corpus.relabel({"burpin": "pain"})
    with pytest.raises(InputError, match="has a class 'tired' already"):
        corpus.relabel({"burping": "tired"})


def test_effective_infants_by_hand() -> None:
    assert effective_infants(["a"] * 8 + ["b"] * 2) == pytest.approx(100 / 68)
    assert effective_infants(list("abcd") * 3) == pytest.approx(4)


@pytest.mark.parametrize(
    ("times", "infants", "sessions"),
    [
        ([0.0, SESSION_GAP_S], "aa", ["a/1", "a/1"]),
        ([0.0, SESSION_GAP_S + 1], "aa", ["a/1", "a/2"]),
        ([0.0, 500.0, 1000.0, 1601.0], "aaaa", ["a/1", "a/1", "a/1", "a/2"]),
        ([9000.0, 0.0, 9100.0], "aaa", ["a/2", "a/1", "a/2"]),
        ([0.0, 1.0, 2.0], "aba", ["a/1", "b/1", "a/1"]),
        ([None, None], "aa", ["a/1", "a/1"]),
        ([None, 0.0, None, 10.0], "aaaa", ["a/2", "a/1", "a/2", "a/1"]),
    ],
)
def test_a_session_has_no_longer_pause_and_unknown_times_are_one_more(
    times: list[float | None], infants: str, sessions: list[str]
) -> None:
    clips = [
        dataclasses.replace(clip(str(i), "tired", infant), start_s=time)
        for i, (infant, time) in enumerate(zip(infants, times, strict=True))
    ]
    assert [c.session for c in number_sessions(clips)] == sessions


def test_contradictions_by_hand() -> None:
    def known(name: str, label: str, **fields: object) -> Clip:
        return dataclasses.replace(clip(name, label, "a"), **fields)  # type: ignore[arg-type]

    clips = [
        known("1", "tired", reason="hungry", sex="f", age="0-4 weeks", start_s=0.0),
        known("2", "hungry", reason="hungry", sex="m", age="0-4 weeks", start_s=1.0),
        known("3", "burping", session="a/2"),
        known("4", "tired", session="a/2"),  # unknown times: nobody knows how far apart
    ]
    assert [(p.kind, p.item, p.what) for p in contradictions(clips)] == [
        ("contradiction", "1", "folder says tired, its name says hungry"),
        ("contradiction", "a", "one app instance, both sexes: f, m"),
        ("contradiction", "a/1", "clips minutes apart, different labels: hungry, tired"),
    ]
