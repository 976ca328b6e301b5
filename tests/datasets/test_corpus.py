"""The contract of a corpus: a sequence of clips that can be counted, selected and drawn from."""

from dataclasses import replace

import pytest
from made_corpus import corpus as made

from cryutils.datasets.corpus import SESSION_GAP_S, Corpus, contradictions, number_sessions
from cryutils.errors import InputError

LABELS = ["tired", "hungry", "hungry", "hungry", "tired", "burping"]
INFANTS = ["anna", "anna", "anna", "bo", "cleo", "bo"]


@pytest.fixture
def corpus() -> Corpus:
    sessions = ["a/1", "a/2", "a/2", "b/1", "c/1", "b/1"]
    clips = [
        replace(clip, session=session, duration_s=18.0 if k == 3 else 6.0)
        for k, (clip, session) in enumerate(zip(made(LABELS, INFANTS), sessions, strict=True))
    ]
    return Corpus(clips, name="made", note="made by hand")


def test_description_by_hand(corpus) -> None:
    table = corpus.describe()
    assert list(table.index) == ["burping", "hungry", "tired", "all"]
    assert table.clips.tolist() == [1, 3, 2, 6]
    assert table.infants.tolist() == [1, 2, 2, 3]
    # Kish, (sum n)^2 / sum n^2: hungry 9 / (4 + 1), all 36 / (9 + 4 + 1).
    assert table.effective_infants.tolist() == [1.0, 1.8, 2.0, 2.6]
    assert table.largest_infant.tolist() == [1, 2, 1, 3]
    assert table.sessions.tolist() == [1, 2, 2, 4]
    assert table.minutes.tolist() == [0.1, 0.5, 0.2, 0.8]


def test_a_draw_has_the_counts_asked_for_by_seed_whatever_their_order(corpus) -> None:
    drawn = corpus.draw({"hungry": 2, "burping": 5}, seed=0)
    assert sorted(set(drawn)) == drawn.tolist()
    assert sorted(corpus.labels[drawn]) == ["burping", "hungry", "hungry"]
    counts = {"hungry": 2, "tired": 1}
    draws = {tuple(corpus.draw(counts, seed=seed)) for seed in range(40)}
    assert len(draws) == 6, "three pairs of hungry clips times two tired ones"
    backwards = {tuple(corpus.draw({"tired": 1, "hungry": 2}, seed=seed)) for seed in range(40)}
    assert backwards == draws


def test_a_stand_in_replaces_an_absent_state_and_the_note_says_so(corpus) -> None:
    stand_ins = {"pain": ["burping", "colic"], "tired": ["burping"]}
    states = corpus.select(["tired", "pain"], stand_ins)
    assert [(c.id, c.label) for c in states] == [("c0", "tired"), ("c4", "tired"), ("c5", "pain")]
    assert states.note == "made by hand; burping stands for pain"
    assert (corpus.note, corpus[5].label) == ("made by hand", "burping")
    assert corpus.relabel(corpus.infants).labels.tolist() == INFANTS
    with pytest.raises(
        InputError, match=r"at least two of pain or colic, sad are needed, but it has burping"
    ):
        corpus.select(["pain", "sad"], {"pain": ["colic"]})


@pytest.mark.parametrize(
    ("times", "infants", "sessions"),
    [
        ([0.0, SESSION_GAP_S, 2 * SESSION_GAP_S + 1], "aaa", ["a/1", "a/1", "a/2"]),
        ([9000.0, 0.0, 9100.0, 1.0], "aaab", ["a/2", "a/1", "a/2", "b/1"]),
        ([None, 0.0, None, 10.0], "aaaa", ["a/2", "a/1", "a/2", "a/1"]),
    ],
)
def test_a_session_has_no_longer_pause_and_unknown_times_are_one_more(times, infants, sessions) -> None:
    clips = made(["tired"] * len(times), [*infants])
    timed = [replace(clip, start_s=time) for clip, time in zip(clips, times, strict=True)]
    assert [clip.session for clip in number_sessions(timed)] == sessions


def test_contradictions_by_hand() -> None:
    first, second, *others = made(["tired", "hungry", "burping", "tired"], ["a"] * 4)
    known = {"session": "a/1", "reason": "hungry", "age": "0-4 weeks"}
    clips = [
        replace(first, **known, sex="f", start_s=0.0),
        replace(second, **known, sex="m", start_s=1.0),
        *(replace(clip, session="a/2") for clip in others),  # unknown times: nobody knows how far apart
    ]
    assert [(p.kind, p.item, p.what) for p in contradictions(clips)] == [
        ("contradiction", "c0", "folder says tired, its name says hungry"),
        ("contradiction", "a", "one app instance, both sexes: f, m"),
        ("contradiction", "a/1", "clips minutes apart, different labels: hungry, tired"),
    ]
