"""A film that shows its answers: the label, each network's probabilities as bars, and the sound.

Behind `cryutils predict --annotate` and a cell of notebook 09_ensemble. Paper A's system "receives
three forms of input and produces a single output" for a video; this shows all four while the film
plays.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io import media
from cryutils._io.paths import explain_write_errors
from cryutils.errors import InputError
from cryutils.inference.readings import Reading
from cryutils.video import mp4

Pixels = npt.NDArray[np.uint8]

SR = 16_000  # Hz, of the sound
WIDTH = 480  # pixels; a narrower film is enlarged
FPS = 25.0
_ROW, _TITLE, _EDGE = 20, 30, 8  # pixels
_INK, _PAPER, _BAR, _BEST = (30, 30, 30), (255, 255, 255), (200, 205, 215), (222, 143, 5)  # RGB
_HEADINGS = {"mfcc": "MFCC", "stft": "STFT", "frames": "face", "image": "face", "cry2": "sound"}


def annotate(source: Path, target: Path, readings: Sequence[Reading]) -> Path:
    """Write the film `source` with its answers below the picture as an MP4 file; return its path.

    readings: from `Predictor`. The face's bars are rolling averages over frames, all others those of
    the whole cry. Raises InputError as `check` does.
    """
    info = check(source, target)
    sound = audio.read(source, sr=SR) if info.has_audio else None
    with explain_write_errors(target.parent, "choose another folder"):
        mp4.write(
            target,
            _pictures(source, readings),
            fps=FPS,
            sound=sound,
            sr=SR if sound is not None else None,
            synthetic=info.is_synthetic,
        )
    return target


def check(source: Path, target: Path) -> media.MediaInfo:
    """Return the contents of a film that can be annotated.

    Raises InputError if `source` has no pictures that move, or `target` is no `.mp4` or the same file.
    """
    info = media.probe(source)
    if not info.has_video or not info.duration_s:
        raise InputError(f"{source}: no film, so there is nothing to draw on; leave out --annotate.")
    if target.suffix.lower() != ".mp4" or target.resolve() == source.resolve():
        raise InputError(f"{target}: give another file that ends with .mp4.")
    return info


def _pictures(source: Path, readings: Sequence[Reading]) -> Iterator[Pixels]:
    """Yield each picture of the film with the answers below it."""
    import cv2

    networks = dict.fromkeys(name for reading in readings for name in reading.submodels)
    states = next((list(reading.probabilities) for reading in readings if reading.probabilities), [])
    for k, picture in enumerate(video.frames(source, fps=FPS)):
        height, width = picture.shape[:2]
        scale = max(1.0, WIDTH / width)
        size = [2 * round(scale * side / 2) for side in (width, height)]  # H.264 needs even sides
        reading = at(readings, k / FPS)
        panel = np.full((_TITLE + _ROW * (len(states) + 1) + 2 * _EDGE, size[0], 3), _PAPER, np.uint8)
        panel = panel[: len(panel) // 2 * 2]
        _write(panel, title(reading, k / FPS), (_EDGE, _TITLE - _EDGE), 0.55)
        columns = [*networks, *(["answer"] if len(networks) > 1 else [])]
        for place, name in enumerate(columns):
            shares = {} if reading is None else shown(reading, name, k / FPS)
            _column(panel, states, name, shares, place / len(columns), 1 / len(columns))
        yield np.concatenate([cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), panel])


def at(readings: Sequence[Reading], time: float) -> Reading | None:
    """Return the answer to the cry at `time` in s, or that to the whole file, if there is one."""
    for reading in readings:
        if reading.start is None or reading.start <= time <= reading.time:
            return reading
    return None


def shown(reading: Reading, name: str, time: float) -> Mapping[str, float]:
    """Return the probabilities to show for a network, or of the "answer", at `time` in s."""
    if name == "answer":
        return reading.probabilities
    if name in ("frames", "image") and reading.frames:
        earlier = [p for begun, p in reading.frames if begun <= time + 1e-6]
        return earlier[-1] if earlier else {}
    return reading.submodels.get(name, {})


def title(reading: Reading | None, time: float) -> str:
    """Return the line above the bars: the time, the verdict, and how probable it is."""
    clock = str(timedelta(seconds=int(time)))
    if reading is None:
        return f"{clock}  no cry"
    share = reading.probabilities.get(reading.verdict)
    return f"{clock}  {reading.verdict}" + ("" if share is None else f" ({share:.0%})")


def _column(
    panel: Pixels, states: Sequence[str], name: str, shares: Mapping[str, float], begin: float, part: float
) -> None:
    """Draw the bars of one network into its part of the panel's width."""
    import cv2

    left, right = (round(panel.shape[1] * x) + _EDGE for x in (begin, begin + part))
    right -= 2 * _EDGE
    _write(panel, _HEADINGS.get(name, name), (left, _TITLE + _ROW - _EDGE), 0.42)
    for k, state in enumerate(states):
        top = _TITLE + _ROW * (k + 1)
        if p := shares.get(state, 0.0):
            colour = _BEST if p == max(shares.values()) else _BAR
            corner = (left + max(1, round(p * (right - left))), top + _ROW - 4)
            cv2.rectangle(panel, (left, top), corner, colour, -1)
        _write(panel, state, (left + 3, top + _ROW - 8), 0.4)


def _write(panel: Pixels, text: str, corner: tuple[int, int], size: float) -> None:
    import cv2

    cv2.putText(panel, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
