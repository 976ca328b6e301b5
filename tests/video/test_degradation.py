"""Disturbances of pictures: light, blur and cover of a known amount."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cryutils.errors import InputError
from cryutils.video import degradation

BOX = np.array([20, 10, 40, 60], np.float32)  # x, y, width, height


def grey(level: int = 188, height: int = 80, width: int = 100) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def light(frame: np.ndarray) -> np.ndarray:
    """Return linear light by the standard's formula, byte by byte."""
    level = frame / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


# Light


@pytest.mark.parametrize("stops", [0, 1, 2, 3])
def test_light_is_halved_so_often_and_trembles_as_photons_do(stops) -> None:
    before = grey(188)  # half of full white
    after = light(degradation.dim(before, stops=stops, rng=np.random.default_rng(0)))
    mean = light(before).mean() * 0.5**stops
    assert after.mean() == pytest.approx(mean, rel=0.01)
    assert after.var() == pytest.approx(mean / degradation.ELECTRONS, rel=0.1)


# Focus


@pytest.mark.parametrize("sigma", [0.02, 0.05])
def test_a_point_becomes_a_gaussian_of_that_deviation(sigma) -> None:
    point = np.zeros((201, 201, 3), np.uint8)
    point[95:106, 95:106] = 255  # so bright that bytes don't round it away
    spread = degradation.blur(point, sigma=sigma)[:, :, 0].astype(float)
    at = np.arange(201) - 100
    variance = (spread.sum(axis=0) * at**2).sum() / spread.sum() - (11**2 - 1) / 12
    assert np.sqrt(variance) == pytest.approx(sigma * 201, rel=0.05)


# Cover


@given(
    st.sampled_from(["eyes", "mouth", "side"]),
    st.floats(0, 1),
    st.integers(0, 30),
    st.integers(0, 15),
)
def test_that_share_of_the_face_is_covered_and_nothing_else(place, share, x, y) -> None:
    box = np.array([x, y, 40, 60], np.float32)
    before = grey(0)
    covered = (degradation.occlude(before, box, place=place, share=share) != before).any(axis=2)
    assert covered.sum() / (40 * 60) == pytest.approx(share, abs=0.5 / 40 + 1e-6)
    covered[y : y + 60, x : x + 40] = False
    assert not covered.any()


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ("eyes", (slice(10, 40), slice(20, 60))),
        ("mouth", (slice(40, 70), slice(20, 60))),
        ("side", (slice(10, 70), slice(20, 40))),
    ],
)
def test_half_of_a_face_is_covered_from_its_place(place, where) -> None:
    expected = grey()
    expected[where] = degradation.CLOTH
    np.testing.assert_array_equal(
        degradation.occlude(grey(), BOX, place=place, share=0.5), expected
    )


# All of them

STRESSES = {
    "dim": lambda f: degradation.dim(f, stops=2, rng=np.random.default_rng(0)),
    "blur": lambda f: degradation.blur(f, sigma=0.03),
    "occlude": lambda f: degradation.occlude(f, BOX, place="mouth", share=0.3),
}


@pytest.mark.parametrize("name", STRESSES)
@given(frame=arrays.arrays(np.uint8, (8, 9, 3)))
def test_a_frame_stays_a_frame_and_the_first_as_it_was(name, frame) -> None:
    before = frame.copy()
    changed, again = STRESSES[name](frame), STRESSES[name](frame)
    assert changed.dtype == np.uint8 and changed.shape == frame.shape
    np.testing.assert_array_equal(changed, again)
    np.testing.assert_array_equal(frame, before)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: degradation.dim(f, stops=-1, rng=np.random.default_rng(0)), "stops=-1"),
        (lambda f: degradation.blur(f, sigma=-0.1), "sigma=-0.1"),
        (lambda f: degradation.occlude(f, BOX, place="mouth", share=1.2), "share=1.2"),
        (lambda f: degradation.occlude(f, BOX, place="muoth", share=0.2), "Did you mean mouth"),
        (lambda f: degradation.blur(f.astype(float), sigma=0.1), "float64"),
    ],
)
def test_wrong_amounts_are_refused(call, words) -> None:
    with pytest.raises(InputError, match=words):
        call(grey())
