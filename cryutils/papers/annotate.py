"""A video or picture with the models' answer drawn in: `annotate`, for `cryutils predict`.

Walked by notebook 06_full; it stands in for the screenshots of Paper B's Figures 3 to 5. Beside
each frame stand the states with their probabilities at that moment, on the frame the face that
was judged, below it what the whole recording came to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io import media
from cryutils._io.paths import writing
from cryutils.errors import InputError
from cryutils.models.fusion import late_fusion
from cryutils.papers.predict import Prediction, Timeline
from cryutils.video import mp4

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

__all__ = ["annotate", "panel"]

Pixels = npt.NDArray[np.uint8]

FPS = 25.0
HEIGHT, PANEL = 360, 280  # pixels of the picture's height and of the width beside it
SOUND_SR = 44100
BOX_S = 1.0  # a box is drawn no longer after its face was seen
_INK, _PAPER, _QUIET = (30, 30, 30), (255, 255, 255), (120, 120, 120)
_BAR, _FACE = (0, 114, 178), (230, 159, 0)


def annotate(
    prediction: Prediction, folder: Path, *, note: str = "", name: str | None = None
) -> Path:
    """Write the file of `prediction` into `folder` with the answer drawn in; return its path.

    A video becomes an MP4 at 25 frames a second with its sound, a picture a PNG.

    Parameters
    ----------
    prediction : Prediction
        Of a video or a picture.
    folder : Path
        Where to.
    note : str
        What the models were trained on.
    name : str, optional
        The file's, without its suffix; None: the recording's.

    Raises
    ------
    InputError
        A sound, which has no picture, or the recording's own folder.
    """
    source = prediction.file
    if not prediction.info.has_video:
        raise InputError(f"{source}: a sound has no picture to draw in.")
    if folder.resolve() in (source.parent.resolve(), source.resolve().parent):
        raise InputError(f"{folder}: the recording itself is in there; choose another folder.")
    is_still = source.suffix.lower() in media.STILL
    target = folder / f"{name or source.stem}{'.png' if is_still else '.mp4'}"
    if is_still:
        drawn = next(_drawn(prediction, video.frames(source), note))
        with writing(target) as part:
            _write_png(part, drawn)
        return target
    sound = audio.read(source, sr=SOUND_SR) if prediction.info.has_audio else None
    frames = _drawn(prediction, video.frames(source, fps=FPS), note)
    mp4.write(target, frames, fps=FPS, sound=sound, sr=None if sound is None else SOUND_SR)
    return target


def panel(shares: dict[str, float], *, heading: str, lines: Sequence[str]) -> Pixels:
    """Return the strip beside a frame, uint8 (HEIGHT, PANEL, 3): a bar a state, `lines` below."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (PANEL, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((16, 14), heading, fill=_INK, font=_font(17, bold=True))
    best = max(shares, key=lambda name: shares[name], default=None)
    top = 52
    for name, share in shares.items():
        _bar(draw, top, name.replace("_", " "), share, bold=name == best)
        top += 44
    for line in lines:
        for piece in _wrapped(line):
            draw.text((16, top), piece, fill=_QUIET, font=_font(11))
            top += 15
    return np.asarray(image)


def _bar(draw: ImageDraw, top: int, name: str, share: float, *, bold: bool) -> None:
    font = _font(13, bold=bold)
    draw.text((16, top), name, fill=_INK, font=font)
    draw.text((PANEL - 16, top), f"{share:.0%}", fill=_INK, font=font, anchor="ra")
    left, right = 16, PANEL - 16
    draw.rectangle((left, top + 20, right, top + 30), fill=(235, 235, 235))
    filled = left + (right - left) * share
    if filled > left + 1:
        draw.rectangle((left, top + 20, filled, top + 30), fill=_BAR if bold else (150, 190, 215))


def _drawn(prediction: Prediction, frames: Iterator[Pixels], note: str) -> Iterator[Pixels]:
    import cv2

    whole = prediction.state or "no prediction"
    by = {"both": "sound and face", "audio": "sound alone", "image": "face alone"}
    words = [f"Whole recording: {whole}"]
    if prediction.used in by:
        words[0] += f", by {by[prediction.used]}"
    # The note comes last: it alone may be too long for the panel.
    words += [*prediction.remarks, "No medical device.", note]
    is_still = prediction.file.suffix.lower() in media.STILL
    for number, frame in enumerate(frames):
        time_s = number / FPS
        heading = "picture" if is_still else f"at {int(time_s)} s"
        shares, box = _at(prediction, time_s)
        width = max(1, round(frame.shape[1] * HEIGHT / frame.shape[0]))
        picture = np.asarray(
            cv2.resize(_with_box(frame, box), (width, HEIGHT), interpolation=cv2.INTER_AREA),
            np.uint8,
        )
        yield np.concatenate(
            [picture, _panel(tuple(shares.items()), heading, tuple(words))], axis=1
        )


@lru_cache(maxsize=32)
def _panel(shares: tuple[tuple[str, float], ...], heading: str, lines: tuple[str, ...]) -> Pixels:
    # Most frames show what the one before showed.
    return panel(dict(shares), heading=heading, lines=[line for line in lines if line])


def _at(prediction: Prediction, time_s: float) -> tuple[dict[str, float], Any]:
    """Return the states' probabilities at a time, and the face's box where there is one."""
    sound, _ = _latest(prediction.sound, time_s)
    face, index = _latest(prediction.face, time_s)
    fused, _ = _latest(prediction.fused, time_s)
    if sound is None and face is None:
        return {}, None
    missing = np.full(len(prediction.probabilities), np.nan, np.float32)
    mean = late_fusion(
        missing if sound is None else sound, missing if face is None else face
    ).probabilities[0]
    row = mean if fused is None else fused
    shares = dict(zip(prediction.probabilities, (float(p) for p in row), strict=True))
    if prediction.face is None or prediction.face.boxes is None or index is None:
        return shares, None
    seen_s = abs(float(prediction.face.times_s[index]) - time_s)
    return shares, prediction.face.boxes[index] if seen_s <= BOX_S else None


def _latest(timeline: Timeline | None, time_s: float) -> tuple[Any, int | None]:
    """Return the last answer that had begun at `time_s`, or the first."""
    if timeline is None:
        return None, None
    index = max(0, int(np.searchsorted(timeline.times_s, time_s + 1e-6, side="right")) - 1)
    return timeline.probabilities[index], index


def _with_box(frame: Pixels, box: Any) -> Pixels:
    import cv2

    if box is None:
        return frame
    x, y, width, height = (round(float(value)) for value in box)
    thick = max(1, round(min(frame.shape[:2]) / 120))
    drawn = cv2.rectangle(frame.copy(), (x, y), (x + width, y + height), _FACE, thick)
    return np.asarray(drawn, np.uint8)


@lru_cache(maxsize=8)
def _font(size: int, *, bold: bool = False) -> FreeTypeFont:
    from matplotlib import font_manager
    from PIL import ImageFont

    # matplotlib brings its font along, so the letters are there on every machine.
    weight = "bold" if bold else "normal"
    path = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight))
    return ImageFont.truetype(path, size)


def _wrapped(line: str) -> list[str]:
    import textwrap

    return textwrap.wrap(line, 40)


def _write_png(path: Path, pixels: Pixels) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(path, format="PNG")
