"""The film of a synthetic infant for `cryutils data film` and `cryutils serve --demo`: `make_film`."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from cryutils.datasets.synthetic import face, voice
from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.datasets.synthetic.states import Dials
from cryutils.video import mp4

# The scenes of the film with their lengths in s: a state in which the infant cries, or a background
# sound while the infant is quiet. The picture of a quiet scene names the state of the cry before it.
_SCENES = [("household", 4), ("hungry", 14), ("speech", 6), ("pain", 14), ("music", 6), ("tired", 14)]
_SCENES += [("motor", 6), ("discomfort", 14), ("household", 6)]
_QUIET = 0.15  # peak of the background sounds, as a fraction of full scale
_SR, _FPS, _SIZE = 16_000, 8.0, 240  # Hz, frames per second, pixels


def make_film(path: Path) -> None:
    """Write the film: an infant that cries for one reason after another, with quiet in between."""
    rng = np.random.default_rng(0)
    before = ["", *(name for name, _ in _SCENES)]
    scenes = [_scene(*scene, rng, last) for scene, last in zip(_SCENES, before, strict=False)]
    sound = np.concatenate([x for x, _ in scenes])
    pictures = chain.from_iterable(frames for _, frames in scenes)
    mp4.write(path, pictures, fps=_FPS, sound=sound, sr=_SR, synthetic=True)


def _scene(
    name: str, seconds: float, rng: np.random.Generator, last: str
) -> tuple[npt.NDArray[np.float32], Iterator[npt.NDArray[np.uint8]]]:
    """Return the sound, float32 (samples,), and the frames of a scene. last: the scene before."""
    is_quiet = name in KINDS
    # An average infant, with states as distinct as possible.
    dials = Dials(signal=1.0, identity=0.3)
    state = "tired" if is_quiet else name
    cry = voice.plan(state, infant=1, seed=3, dials=dials, duration_s=seconds)
    if is_quiet:
        cry = replace(cry, opening=np.zeros_like(cry.opening))
        x = distractor(name, rng=rng, duration_s=seconds, sr=_SR)
        x *= np.float32(_QUIET / np.abs(x).max())
    else:
        x = voice.render(cry, _SR)
    frames = face.frames(face.plan(cry, fps=_FPS), size=_SIZE)
    return x, (_captioned(frame, f"That cry: {last}") for frame in frames) if is_quiet and last else frames


def _captioned(frame: npt.NDArray[np.uint8], text: str) -> npt.NDArray[np.uint8]:
    """Return a frame with a line of text at the bottom."""
    picture = Image.fromarray(frame)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(18)
    draw.rectangle((0, _SIZE - 30, _SIZE, _SIZE), "black")
    draw.text((_SIZE / 2, _SIZE - 15), text, "white", font, anchor="mm")
    return np.asarray(picture)
