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


def test_sound_is_shown_above_its_weights() -> None:
    levels = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    fig = plots.attention(levels, WEIGHTS, window_s=3.0, title="a sound")
    above, below = fig.axes
    np.testing.assert_array_equal(above.images[0].get_array(), levels.T)
    np.testing.assert_allclose(below.lines[0].get_xdata(), [0.5, 1.5, 2.5])
    assert below.get_xlabel() == "time (s)" and below.get_ylabel() == "weight"
