"""Faces are found where they are, cut out as asked, and the detector says who it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cryutils.datasets.synthetic import face as drawn
from cryutils.datasets.synthetic import voice
from cryutils.errors import InputError
from cryutils.video import faces

_NAMED = os.environ.get("CRYUTILS_WEIGHTS_DIR", "")


@pytest.fixture(autouse=True)
def _no_model(monkeypatch) -> None:
    monkeypatch.delenv("CRYUTILS_WEIGHTS_DIR", raising=False)


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


def test_the_cascade_finds_the_one_face_where_it_is(baby) -> None:
    boxes = faces.detector("haar").detect(baby)
    assert boxes.shape == (1, 5)
    assert boxes.dtype == np.float32
    x, y, width, height, score = boxes[0]
    assert 0.3 * 224 < width < 0.9 * 224
    assert abs(x + width / 2 - 112) < 0.2 * 224
    assert abs(y + height / 2 - 112) < 0.2 * 224
    assert score >= 3


@pytest.mark.parametrize("scale", [0.5, 2.0, 4.0])
def test_boxes_are_in_pixels_of_the_frame_whatever_its_size(baby, scale) -> None:
    boxes = faces.detector("haar").detect(baby)
    scaled_boxes = faces.detector("haar").detect(cv2.resize(baby, None, fx=scale, fy=scale))
    assert len(scaled_boxes) == 1
    np.testing.assert_allclose(scaled_boxes[0, :4] / scale, boxes[0, :4], atol=0.08 * 224)


@pytest.mark.parametrize("shape", [(48, 64, 3), (2, 2, 3), (1, 300, 3), (400, 3, 3)])
def test_no_face_in_noise_or_in_slivers(shape) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert faces.detector("haar").detect(picture).shape == (0, 5)


def test_auto_is_the_cascade_without_a_model_and_yunet_with_one(tmp_path, monkeypatch) -> None:
    assert faces.resolve("auto") == "haar"
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", str(tmp_path))
    assert faces.resolve("auto") == "haar"
    (tmp_path / faces.YUNET).touch()
    assert faces.resolve("auto") == "yunet"
    assert faces.resolve("haar") == "haar"


def test_yunet_without_its_model_says_where_to_put_it() -> None:
    with pytest.raises(InputError, match=f"put {faces.YUNET} into a folder .*CRYUTILS_WEIGHTS_DIR"):
        faces.detector("yunet")


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_is_no_model_is_refused(tmp_path, monkeypatch, content) -> None:
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", str(tmp_path))
    (tmp_path / faces.YUNET).write_bytes(content)
    with pytest.raises(InputError, match="not a YuNet model") as caught:
        faces.detector("yunet")
    assert "\n" not in str(caught.value)


def test_the_real_yunet_finds_the_face_too(baby, monkeypatch) -> None:
    if not Path(_NAMED, faces.YUNET).is_file():
        pytest.skip(f"CRYUTILS_WEIGHTS_DIR holds no {faces.YUNET} here")
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", _NAMED)
    boxes = faces.detector("yunet").detect(baby)
    assert len(boxes) == 1
    haar_box = faces.detector("haar").detect(baby)[0]
    centre = boxes[0, :2] + boxes[0, 2:4] / 2
    np.testing.assert_allclose(centre, haar_box[:2] + haar_box[2:4] / 2, atol=0.15 * 224)


@pytest.mark.parametrize(
    ("height", "width", "square"),
    [(40, 60, (10, 0, 40, 40)), (60, 40, (0, 10, 40, 40)), (5, 5, (0, 0, 5, 5))],
)
def test_the_centre_is_the_largest_square(height, width, square) -> None:
    np.testing.assert_array_equal(faces.centre(height, width), square)


@pytest.mark.parametrize(
    ("box", "margin", "shown"),
    [
        ((20, 10, 16, 16), 0.0, (10, 26, 20, 36)),
        ((22, 10, 12, 16), 0.0, (10, 26, 20, 36)),  # square around the middle of the box
        ((20, 10, 16, 16), 0.25, (6, 30, 16, 40)),
    ],
)
def test_a_crop_of_the_same_size_is_the_pixels_themselves(box, margin, shown) -> None:
    top, bottom, left, right = shown
    cut = faces.crop(ramp(), np.array(box, np.float32), size=bottom - top, margin=margin)
    np.testing.assert_array_equal(cut, ramp()[top:bottom, left:right])


def test_outside_the_frame_the_edge_is_repeated() -> None:
    cut = faces.crop(ramp(), np.array([-4, 30, 16, 16], np.float32), size=16)
    np.testing.assert_array_equal(cut[0, :5, 0], [0, 0, 0, 0, 0])
    np.testing.assert_array_equal(cut[0, 4:, 0], np.arange(12))
    np.testing.assert_array_equal(cut[:, 0, 1], [*range(30, 40), *[39] * 6])


@pytest.mark.parametrize(
    "box", [(-500, -500, 10, 10), (900, 900, 10, 10), (0, 0, 0, 0), (5, 5, 900, 2)]
)
def test_a_crop_has_its_size_wherever_the_box_lies(box) -> None:
    cut = faces.crop(ramp(), np.array(box, np.float32), size=8, margin=0.1)
    assert cut.shape == (8, 8, 3)
    assert cut.dtype == np.uint8


@pytest.mark.parametrize(
    ("picture", "is_blank"),
    [
        (np.zeros((32, 32, 3)), True),
        (np.full((32, 32, 3), (200, 30, 90)), True),
        (np.random.default_rng(0).normal(8, 2, (32, 32, 3)), True),  # a covered lens
        (np.random.default_rng(0).normal(90, 20, (32, 32, 3)), False),
        (ramp() * 2, False),
    ],
    ids=["black", "one colour", "noise in the dark", "noise", "ramp"],
)
def test_blank_is_what_shows_nothing(picture, is_blank) -> None:
    assert faces.is_blank(np.clip(picture, 0, 255).astype(np.uint8)) is is_blank


@pytest.mark.parametrize("module", ["empty", "missing"])
def test_opencv_without_cascades_is_told(tmp_path, monkeypatch, module) -> None:
    if module == "missing":  # as in OpenCV 5
        monkeypatch.setitem(sys.modules, "cv2.data", None)
    else:
        monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    with pytest.raises(InputError, match="pip install"):
        faces.detector("haar")
