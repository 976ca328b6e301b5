"""One face is chosen among what a detector saw, and followed between its looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.video.tracks import HOLD_S, choose, follow, overlap


def faces(*boxes: tuple[float, ...]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 5)


def box(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


NEAR = (10, 10, 40, 40, 9)
FAR = (100, 10, 20, 20, 9)


def test_overlap_by_hand() -> None:
    others = np.array([[0, 0, 4, 4], [2, 0, 4, 4], [4, 0, 4, 4], [1, 1, 2, 2]], np.float32)
    shared = overlap(box(0, 0, 4, 4), others)
    np.testing.assert_allclose(shared, [1, 8 / 24, 0, 4 / 16], rtol=1e-6)


def test_nothing_seen_is_nothing_followed() -> None:
    assert choose([faces(), faces()], [0, 0.25]) == []
    boxes, visible = follow([], np.arange(3.0))
    assert boxes.shape == (3, 4)
    assert not visible.any()


def test_the_larger_face_is_followed_wherever_it_stands_in_the_list() -> None:
    looks = choose([faces(NEAR, FAR), faces(FAR, NEAR), faces(FAR, NEAR)], [0, 0.25, 0.5])
    assert [time for time, _ in looks] == [0, 0.25, 0.5]
    assert all((face == NEAR[:4]).all() for _, face in looks)


def test_a_face_is_followed_where_it_moves() -> None:
    steps = [faces((10.0 + 5 * i, 10, 40, 40, 9), FAR) for i in range(9)]
    looks = choose(steps, [0.25 * i for i in range(9)])
    np.testing.assert_array_equal([face[0] for _, face in looks], [10 + 5 * i for i in range(9)])


def test_a_large_blunder_of_one_look_is_not_the_face() -> None:
    steps = [faces(FAR)] * 3 + [faces(FAR, (0, 40, 90, 90, 9))] + [faces(FAR)] * 8
    looks = choose(steps, [0.25 * i for i in range(12)])
    assert len(looks) == 12
    assert all((face == FAR[:4]).all() for _, face in looks)


def test_a_blunder_while_the_face_is_away_is_not_the_face_either() -> None:
    steps = [faces(NEAR)] * 4 + [faces()] * 6 + [faces(FAR)] + [faces()] * 6
    looks = choose(steps, [0.25 * i for i in range(17)])
    assert [time for time, _ in looks] == [0, 0.25, 0.5, 0.75]


def test_a_face_that_comes_back_elsewhere_is_found_again() -> None:
    steps = [faces(NEAR)] * 4 + [faces()] * 6 + [faces(FAR)] * 4
    looks = choose(steps, [0.25 * i for i in range(14)])
    assert [time for time, _ in looks] == [0, 0.25, 0.5, 0.75, 2.5, 2.75, 3, 3.25]


def test_a_face_is_bridged_over_a_look_that_missed_it() -> None:
    looks = choose([faces(NEAR), faces(), faces(NEAR)], [0, 0.25, 0.5])
    boxes, visible = follow(looks, np.array([0, 0.25, 0.5]))
    assert visible.all()
    np.testing.assert_allclose(boxes, [NEAR[:4]] * 3)


def test_rare_looks_are_taken_each_for_itself() -> None:
    """At a frame in three seconds nothing links one look to the next."""
    looks = choose([faces(NEAR, FAR), faces(FAR), faces(NEAR, FAR)], [0, 3, 6])
    assert [tuple(face) for _, face in looks] == [NEAR[:4], FAR[:4], NEAR[:4]]


def test_found_reaches_half_a_second_either_way_and_no_further() -> None:
    times = np.array([0.0, 1.0, 1.5, 2.0, 2.25, 2.5, 2.75, 4.0])
    _, visible = follow([(2.0, box(*NEAR[:4]))], times)
    assert HOLD_S == 0.5
    np.testing.assert_array_equal(visible, [0, 0, 1, 1, 1, 1, 0, 0])


def test_boxes_go_straight_between_looks_and_stay_beyond_them() -> None:
    a, b = box(0, 0, 40, 40), box(100, 50, 60, 60)  # apart, so that neither steadies the other
    boxes, _ = follow([(1.0, a), (2.0, b)], np.array([0.0, 1.0, 1.25, 2.0, 5.0]))
    np.testing.assert_allclose(boxes, [a, a, 0.75 * a + 0.25 * b, b, b])


def test_a_trembling_box_is_steadied() -> None:
    looks = [(0.25 * i, box(10 + (-1) ** i, 10, 40, 40)) for i in range(5)]
    boxes, _ = follow(looks, np.arange(5) * 0.25)
    np.testing.assert_allclose(boxes[1:-1, 0], 10, atol=1e-6)  # (1, 2, 1) / 4 of -1, 1, -1
    np.testing.assert_allclose(boxes[[0, -1], 0], 10 + 1 / 3, atol=1e-6)


@given(
    st.lists(
        st.lists(
            st.tuples(*(st.floats(0, 200, width=32),) * 2, *(st.floats(1, 99, width=32),) * 3),
            max_size=4,
        ),
        min_size=1,
        max_size=12,
    ),
    st.floats(0.05, 2),
)
def test_at_most_one_face_a_look_and_only_ones_that_were_seen(steps, every_s) -> None:
    times = [every_s * i for i in range(len(steps))]
    boxes = [faces(*step) for step in steps]
    looks = choose(boxes, times)
    at = [time for time, _ in looks]
    assert at == sorted(set(at))
    for time, face in looks:
        assert (boxes[times.index(time)][:, :4] == face).all(axis=1).any()
    assert bool(looks) == any(len(step) for step in steps)
    followed, _ = follow(looks, np.linspace(-1, times[-1] + 1, 20))
    if looks:
        look_boxes = np.array([face for _, face in looks])
        assert (followed >= look_boxes.min(axis=0) - 1e-3).all()
        assert (followed <= look_boxes.max(axis=0) + 1e-3).all()


def test_times_and_looks_must_agree() -> None:
    with pytest.raises(ValueError, match="zip"):
        choose([faces(NEAR)], [0, 1])
