"""Shares of nearest neighbours, on clips that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cryutils import evaluation
from cryutils.datasets import Clip, Corpus


def corpus(*rows: tuple[str, str, str]) -> Corpus:
    clips = [
        Clip(str(i), Path(str(i)), label, infant, session, None, 1.0, True, False)
        for i, (label, infant, session) in enumerate(rows)
    ]
    return Corpus(clips, name="made", note="made")


def test_shares_are_those_counted_by_hand() -> None:
    made = corpus(
        ("hungry", "a", "a/1"), ("hungry", "a", "a/1"), ("tired", "a", "a/2"),
        ("hungry", "b", "b/1"), ("tired", "c", "c/1"),
    )  # fmt: skip
    # In order on a line: a and a together, then b beside a's clip of another session, then c.
    table = evaluation.nearest_neighbours(made, np.array([[0.0], [1.0], [10.0], [11.0], [30.0]]))
    assert table.index.tolist() == [
        "same infant", "same infant, other session", "same label, other infant",
    ]  # fmt: skip
    # The third clip's neighbour is b. For each of a's clips, 2 of the 4 others are also a's.
    assert table.loc["same infant"].tolist() == [2 / 3, 2 / 4, 3]
    # Without its session, the first two have a's third clip at 10 before b and c: 1 of 3 clips.
    assert table.loc["same infant, other session", "measured"] == 2 / 3
    assert table.loc["same label, other infant", "clips"] == 5


def test_a_question_that_no_clip_can_answer_has_no_row() -> None:
    made = corpus(("hungry", "a", "a/1"), ("tired", "b", "b/1"))
    table = evaluation.nearest_neighbours(made, np.array([[0.0], [1.0]]))
    assert table.empty and list(table) == ["measured", "chance", "clips"]
