"""Cries by their onset and offset, by hand-computed cases."""

from __future__ import annotations

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refusal

from cryutils.errors import InputError
from cryutils.evaluation.events import Agreement, compare, joined, read

EVENTS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda e: (e[0], e[0] + e[1])), min_size=1
)


def test_time_is_shared_out_by_hand() -> None:
    # Annotated 4 s, detected 3 s, 2 s of them shared; two of three cries are met.
    detected = [(1.0, 3.0), (9.0, 10.0)]
    annotated = [(0.0, 2.0), (2.5, 3.5), (20.0, 21.0)]
    assert compare(detected, annotated) == Agreement(1.5 / 4, 1.5 / 3, 2 / 3, false_alarms=1)


@given(EVENTS)
def test_every_list_agrees_with_itself(events) -> None:
    assert compare(events, events[::-1]) == compare(events * 2, events) == Agreement(1, 1, 1, 0)


@given(EVENTS, EVENTS)
def test_recall_one_way_is_precision_the_other(a, b) -> None:
    assert compare(a, b).recall == pytest.approx(compare(b, a).precision)


def test_without_events_there_is_no_share() -> None:
    agreement = compare([], [(0, 1)])
    assert (agreement.recall, agreement.met) == (0, 0)
    assert isnan(agreement.precision)


def test_readings_one_hop_apart_are_one_cry() -> None:
    times = [0.1 * k for k in range(1, 31)]
    is_cry = [5 <= k < 12 or 20 <= k < 21 for k in range(30)]
    (first, second) = joined(times, is_cry, hop_s=0.1)
    assert first == pytest.approx((0.5, 1.2))
    assert second == pytest.approx((2.0, 2.1))


def test_a_file_of_annotations_is_read(tmp_path) -> None:
    path = tmp_path / "cries.csv"
    path.write_text("onset,offset,label\n0.5,1.25,cry\n3,4,cry\n")
    assert read(path) == [(0.5, 1.25), (3.0, 4.0)]


def test_a_praat_text_grid_is_read(tmp_path) -> None:
    path = tmp_path / "cries.TextGrid"
    path.write_text(
        'File type = "ooTextFile"\nitem [1]:\n class = "IntervalTier"\n xmin = 0\n xmax = 3\n'
        ' intervals [1]:\n xmin = 0.0\n xmax = 1.25\n text = "-"\n'
        ' intervals [2]:\n xmin = 1.25\n xmax = 3\n text = "cry"\n'
    )
    assert read(path) == [(1.25, 3.0)]
    path.write_text('File type = "ooTextFile"\nObject class = "Pitch 1"\n')
    assert "TextGrid" in refusal(path, read)


@pytest.mark.parametrize(
    "text", ["", "start,end\n0,1\n", "onset,offset\n2,1\n", "onset,offset\n0,?\n", None]
)
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path, text) -> None:
    path = tmp_path / "cries.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
