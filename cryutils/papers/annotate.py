"""A video or picture with the models' answer drawn in: `annotate`, for `cryutils predict`.

It replaces the screenshots in Paper B's Figures 3 to 5. Next to each frame are the states with
their probabilities at that moment, and the answer for the whole recording. A box on the frame marks
the face that was used.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io import media
from cryutils._io.paths import writing
from cryutils.errors import InputError
from cryutils.papers.predict import Prediction
from cryutils.video import mp4

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

__all__ = ["annotate", "panel"]

Pixels = npt.NDArray[np.uint8]

FPS = 25.0
HEIGHT, PANEL = 360, 280  # pixels: height of the picture, width of the panel next to it
SOUND_SR = 44100
BOX_S = 1.0  # how long a box is drawn before and after its face was seen
_RIM = 16  # pixels
_INK, _PAPER, _QUIET = (30, 30, 30), (255, 255, 255), (120, 120, 120)
_BAR, _PALE_BAR, _TRACK = (0, 114, 178), (150, 190, 215), (235, 235, 235)
_FACE = (230, 159, 0)


def annotate(
    prediction: Prediction, folder: Path, *, note: str = "", name: str | None = None
) -> Path:
    """Write the recording of `prediction` with the answer drawn in to `folder`; return the path.

    A video becomes an MP4 with its sound, at 25 frames per second; a picture becomes a PNG.
    note: what the models were trained on. name: of the new file, without its suffix; None: that of
    the recording. Raises InputError if the recording has no picture, or is in `folder` itself.
    """
    source = prediction.file
    if not prediction.info.has_video:
        raise InputError(f"{source}: a sound has no picture to draw in.")
    if folder.resolve() in (source.parent.resolve(), source.resolve().parent):
        raise InputError(f"{folder}: the recording itself is in there; choose another folder.")
    is_still = source.suffix.lower() in media.STILL
    target = folder / f"{name or source.stem}{'.png' if is_still else '.mp4'}"
    frames = _drawn(prediction, note)
    if is_still:
        from PIL import Image

        with writing(target) as part:
            Image.fromarray(next(frames)).save(part, format="PNG")
    else:
        sr = SOUND_SR if prediction.info.has_audio else None
        mp4.write(target, frames, fps=FPS, sound=audio.read(source, sr=sr) if sr else None, sr=sr)
    return target


def panel(shares: dict[str, float], *, heading: str, lines: Sequence[str]) -> Pixels:
    """Return the strip next to a frame, uint8 (HEIGHT, PANEL, 3): a bar for each state, then text.

    shares: probabilities by state, 0 to 1. lines: wrapped to the panel's width.
    """
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (PANEL, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((_RIM, 14), heading, fill=_INK, font=_font(17, bold=True))
    best = max(shares, key=lambda name: shares[name], default=None)
    top = 52
    for name, share in shares.items():
        _bar(draw, top, name.replace("_", " "), share, is_best=name == best)
        top += 44
    for line in lines:
        for piece in textwrap.wrap(line, 40):
            draw.text((_RIM, top), piece, fill=_QUIET, font=_font(11))
            top += 15
    return np.asarray(image)


def _bar(draw: ImageDraw, top: int, name: str, share: float, *, is_best: bool) -> None:
    font, right = _font(13, bold=is_best), PANEL - _RIM
    draw.text((_RIM, top), name, fill=_INK, font=font)
    draw.text((right, top), f"{share:.0%}", fill=_INK, font=font, anchor="ra")
    draw.rectangle((_RIM, top + 20, right, top + 30), fill=_TRACK)
    end = _RIM + (right - _RIM) * share
    if end > _RIM + 1:
        draw.rectangle((_RIM, top + 20, end, top + 30), fill=_BAR if is_best else _PALE_BAR)


def _drawn(prediction: Prediction, note: str) -> Iterator[Pixels]:
    """Yield the frames of a recording with the answer drawn in, uint8 (HEIGHT, width, 3)."""
    import cv2

    by = {"both": ", by sound and face", "audio": ", by sound alone", "image": ", by face alone"}
    whole = f"{prediction.state or 'no prediction'}{by.get(prediction.used, '')}"
    # The note comes last, because it may be too long for the panel.
    words = [f"Whole recording: {whole}", *prediction.remarks, "No medical device.", note]
    is_still = prediction.file.suffix.lower() in media.STILL
    for k, frame in enumerate(video.frames(prediction.file, fps=None if is_still else FPS)):
        time_s = k / FPS
        heading = "picture" if is_still else f"at {int(time_s)} s"
        size = max(1, round(frame.shape[1] * HEIGHT / frame.shape[0])), HEIGHT
        boxed = _with_box(frame, prediction, time_s)
        picture = np.asarray(cv2.resize(boxed, size, interpolation=cv2.INTER_AREA), np.uint8)
        strip = panel(prediction.at(time_s), heading=heading, lines=words)
        yield np.concatenate([picture, strip], axis=1)


def _with_box(frame: Pixels, prediction: Prediction, time_s: float) -> Pixels:
    """Return the frame with a box around the face, if it was seen within `BOX_S` of `time_s`."""
    import cv2

    face = prediction.face
    if face is None or face.boxes is None:
        return frame
    k = face.index(time_s)
    if abs(float(face.times_s[k]) - time_s) > BOX_S:
        return frame
    x, y, width, height = (round(float(value)) for value in face.boxes[k])
    thickness = max(1, round(min(frame.shape[:2]) / 120))
    boxed = cv2.rectangle(frame.copy(), (x, y), (x + width, y + height), _FACE, thickness)
    return np.asarray(boxed, np.uint8)


@lru_cache(maxsize=8)
def _font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """Return matplotlib's own font, which is on every machine."""
    from matplotlib import font_manager
    from PIL import ImageFont

    weight = "bold" if bold else "normal"
    path = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight))
    return ImageFont.truetype(path, size)
