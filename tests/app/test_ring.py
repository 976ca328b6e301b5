"""The last seconds of sound: what stands where, whatever the order in which it came."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cryutils.app.ring import Ring

SIZE = 20
STARTS, LENGTHS = st.integers(0, 15).map(lambda k: 4 * k), st.sampled_from([0, 4, 4, 5, 8, 50])


@given(st.lists(st.tuples(STARTS, LENGTHS), max_size=12), st.sampled_from([0, 100, 10**13]))
def test_the_newest_samples_are_kept_up_to_the_last_break(
    blocks: list[tuple[int, int]], first: int
) -> None:
    ring, head, heard = Ring(sr=10, seconds=SIZE / 10), 0, dict[int, float]()
    for number, (start, length) in enumerate(blocks):
        start += first
        x = 100 * number + np.arange(length, dtype=np.float32)
        ring.write(start / 10, x)
        start = head if abs(start - head) <= 1 else start  # by less than 0.1 s
        heard |= dict(zip(range(start, start + length), x, strict=True))
        head = max(head, start + length)
    assert ring.head == head
    for end in range(head - SIZE, head + 1):
        expected = list[float]()
        while (at := end - 1 - len(expected)) in heard and at >= head - SIZE:
            expected.insert(0, heard[at])
        for most in (3, SIZE):
            np.testing.assert_array_equal(ring.before(end, most=most), expected[-most:])
    assert len(ring.before(head + 1, most=SIZE)) == 0


@given(st.permutations(range(5)))
def test_blocks_in_any_order_come_to_the_same(order: list[int]) -> None:
    ring, sound = Ring(sr=10, seconds=2), np.arange(20, dtype=np.float32)
    for k in order:
        ring.write(100 + 0.4 * k, sound[4 * k : 4 * k + 4])
    np.testing.assert_array_equal(ring.before(1020, most=SIZE), sound)
