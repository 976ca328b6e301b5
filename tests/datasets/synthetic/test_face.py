"""The face: found by a cascade, with a mouth that follows the cry, and dials that work."""

import cv2
import numpy as np
import pytest

from cryutils.datasets.synthetic import face, voice
from cryutils.datasets.synthetic.states import Dials
from cryutils.video.tracks import overlap

STATES = list(voice.STATES)


def planned(state: str, *, infant: int = 1, seconds: float = 1.0, fps: float = 5, signal: float = 1.0):
    dials = Dials(signal=signal)
    return face.plan(voice.plan(state, infant=infant, seed=30, duration_s=seconds, dials=dials), fps=fps)


@pytest.mark.parametrize(("signal", "size"), [(0.0, 224), (1.0, 128)])
def test_a_cascade_finds_one_face_in_the_right_place(signal, size) -> None:
    """In frames of 24 infants in all states."""
    hits = []
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    least = round(0.375 * size)
    for i in range(24):
        plan = planned(STATES[i % 8], infant=50 + i, signal=signal, seconds=3, fps=1)
        for frame, box in zip(face.frames(plan, size=size), plan.boxes(size=size), strict=True):
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            detections = detector.detectMultiScale(grey, 1.1, 3, minSize=(least, least))
            hits.append(len(detections) == 1 and overlap(box, detections)[0] > 0.6)
    assert len(hits) == 72
    assert np.mean(hits) >= 0.95


@pytest.mark.parametrize("state", ["hungry", "pain"])
def test_the_mouth_opens_with_the_cry(state) -> None:
    plan = planned(state, infant=20, seconds=3.0, fps=10)
    dark = []
    for frame, (x, y, side, _) in zip(face.frames(plan, size=128), plan.boxes(size=128), strict=True):
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        whole = grey[int(y + 0.3 * side) : int(y + 0.95 * side), int(x + 4) : int(x + side - 4)]
        mouth = grey[int(y + 0.58 * side) : int(y + 0.85 * side), int(x + 0.35 * side) :]
        dark.append(np.mean(mouth[:, : int(0.3 * side)] < 0.6 * np.median(whole)))
    assert np.ptp(plan.opening) > 0.2
    assert np.corrcoef(dark, plan.opening)[0, 1] > 0.8
