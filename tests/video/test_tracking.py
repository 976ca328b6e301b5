"""One face is chosen among what a detector saw, and followed between its looks."""

from __future__ import annotations

import numpy as np
import pytest

from cryutils.video.tracks import HOLD_S, choose, follow


def faces(*boxes: tuple[float, ...]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 5)


def box(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


NEAR = (10, 10, 40, 40, 9)
FAR = (100, 10, 20, 20, 9)


MOVING = [(10.0 + 5 * i, 10, 40, 40, 9) for i in range(9)]
BLUNDER = (0, 40, 90, 90, 9)
AWAY = [[]] * 6
FOLLOWED = {  # what is seen at each look, and the face that is followed
    "nothing": ([[], []], [None, None]),
    "the larger, wherever it stands": ([[NEAR, FAR], [FAR, NEAR], [FAR, NEAR]], [NEAR] * 3),
    "one that moves": ([[face, FAR] for face in MOVING], MOVING),
    "no large blunder of one look": ([*[[FAR]] * 3, [FAR, BLUNDER], *[[FAR]] * 8], [FAR] * 12),
    "no blunder while it is away": ([*[[NEAR]] * 4, *AWAY, [FAR], *AWAY], [*[NEAR] * 4, *[None] * 13]),
    "one that comes back elsewhere": (
        [*[[NEAR]] * 4, *AWAY, *[[FAR]] * 4],
        [*[NEAR] * 4, *[None] * 6, *[FAR] * 4],
    ),
}


@pytest.mark.parametrize(("seen", "followed"), FOLLOWED.values(), ids=FOLLOWED)
def test_one_face_is_followed(seen, followed) -> None:
    looks = choose([faces(*boxes) for boxes in seen], [0.25 * i for i in range(len(seen))])
    expected = [(0.25 * i, face[:4]) for i, face in enumerate(followed) if face]
    assert [(time, tuple(face)) for time, face in looks] == expected


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
