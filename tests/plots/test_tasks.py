"""Figures of attention: pictures in order, and the weights below the time that they belong to."""

from __future__ import annotations

import numpy as np

from cryutils import plots

WEIGHTS = {"trained": np.array([0.1, 0.2, 0.7], np.float32), "untrained": np.full(3, 1 / 3)}


def test_faces_are_shown_in_order_above_their_weights() -> None:
    faces = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 2, 2, 3)
    fig = plots.attention(faces, WEIGHTS, window_s=6.0, title="a clip")
    above, below = fig.axes
    (strip,) = above.images
    np.testing.assert_array_equal(strip.get_array(), np.concatenate(list(faces), axis=1))
    assert strip.get_extent() == [0, 6, 0, 1] and above.get_title() == "a clip"
    drawn = {line.get_label(): line for line in below.lines}
    assert set(drawn) == {*WEIGHTS, "equal weights"}
    np.testing.assert_allclose(drawn["trained"].get_xdata(), [1, 3, 5])
    np.testing.assert_allclose(drawn["trained"].get_ydata(), WEIGHTS["trained"])
    np.testing.assert_allclose(drawn["equal weights"].get_ydata(), 1 / 3)
