"""The last seconds of sound: what stands where, whatever the order in which it came."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cryutils.app.ring import Ring

SIZE = 20
SOUND = np.arange(1, 201, dtype=np.float32)


@given(st.lists(st.integers(0, 12), max_size=12), st.integers(0, 10**14))
def test_blocks_of_any_size_leave_the_last_samples(sizes: list[int], first: int) -> None:
    ring, position = Ring(sr=10, seconds=2), 0
    for size in sizes:
        ring.write(first + position, SOUND[position : position + size])
        position += size
    expected = SOUND[max(0, position - SIZE) : position]
    np.testing.assert_array_equal(ring.before(first + position, most=SIZE), expected)


@given(st.permutations(range(5)))
def test_blocks_in_any_order_come_to_the_same(order: list[int]) -> None:
    ring = Ring(sr=10, seconds=2)
    for k in order:
        ring.write(1000 + 4 * k, SOUND[4 * k : 4 * k + 4])
    np.testing.assert_array_equal(ring.before(1020, most=SIZE), SOUND[:20])


def test_sound_before_a_gap_is_left_out() -> None:
    ring = Ring(sr=10, seconds=2)
    ring.write(0, SOUND[:8])
    ring.write(10, SOUND[10:15])
    np.testing.assert_array_equal(ring.before(15, most=SIZE), SOUND[10:15])
    np.testing.assert_array_equal(ring.before(8, most=3), SOUND[5:8])
    assert len(ring.before(9, most=SIZE)) == 0


def test_a_gap_longer_than_the_ring_leaves_nothing_of_before() -> None:
    ring = Ring(sr=10, seconds=2)
    ring.write(0, SOUND[:20])
    ring.write(10**6, SOUND[:1])
    np.testing.assert_array_equal(ring.before(10**6 + 1, most=SIZE), SOUND[:1])


def test_what_comes_later_than_the_ring_is_long_changes_nothing() -> None:
    ring = Ring(sr=10, seconds=2)
    ring.write(100, SOUND[:20])
    ring.write(0, SOUND[:50])
    np.testing.assert_array_equal(ring.before(120, most=SIZE), SOUND[:20])


def test_no_sound_ends_after_the_newest_sample() -> None:
    ring = Ring(sr=10, seconds=2)
    assert (ring.head, len(ring.before(5, most=5))) == (None, 0)
    ring.write(0, SOUND[:5])
    assert (ring.head, len(ring.before(6, most=5))) == (5, 0)
