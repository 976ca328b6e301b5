"""The live analysis of one page, `Listener`: messages of `live.js` in, readings out.

Used by the widget `live.LiveAnalysis` in notebooks and by the application's WebSocket. Every
message is answered, so a page notices when the server falls behind, and sends less. Sound and
pictures stay in memory. The application passes a `Writer`, which keeps the readings.
"""

import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cryutils import words
from cryutils.errors import InputError
from cryutils.inference.episodes import Episodes, Sums
from cryutils.inference.readings import Reading, actions
from cryutils.words import ANY, CALM, GAP, QUIET

if TYPE_CHECKING:
    from cryutils.widgets.monitor import Monitor

RATES_HZ = (8_000, 192_000)  # of a sound card
BLOCK_S = 2  # most sound in one message; the page sends a quarter of a second, or one of a file
LONGEST_SIDE = 1920  # pixels of a picture; the page sends 320
LARGEST_JPEG = 2**20  # bytes of a picture; the page sends about 20,000
SCAN = b"\xff\xda"  # marker of a scan; decoders visit all pixels in each, and browsers write one
LARGEST = 2**32  # number in a message; the page sends its age in s, and a sampling rate
GAP_EVERY_S = 1.0  # of the gaps reported within this time, only the first counts
STOP_S = 1.0  # how long the end of a session waits for its last readings to be written
ADRIFT_S = 20.0  # a page's clock that is off by more is reset: it stops while the device sleeps


class Listener:
    """Analyses what a page hears and sees with a monitor.

    writer: what new readings are given to, such as `crydecode.store.threads.Writer`; None: nothing. film:
    whether the pictures are of a drawn face, as in the demonstration.
    """

    def __init__(self, monitor: "Monitor", *, writer: Any = None, film: bool = False) -> None:
        self.monitor, self._film = monitor, film
        self.clock = time.time  # s since 1970, UTC
        self.listening = self.from_file = False
        self._start: float | None = None  # zero of the page's clock, in s since 1970
        self._writer = writer
        self._gap = -math.inf  # when the last reported gap was logged
        self._cries = Episodes()
        self._is_crying = self._has_sound = False

    def about(self, **more: Any) -> dict[str, Any]:
        """Return what the page has to know before it starts, as JSON types."""
        return {
            "states": {state: words.name(state) for state in self.monitor.classes},
            "camera": self.monitor.uses_camera or self._film,
            "gap": GAP,
            "advice": actions(),
            "any": ANY,
            **more,
        }

    def receive(self, content: Mapping[str, Any], buffers: Sequence[Any]) -> dict[str, Any]:
        """Return the answer to a message of the page, as JSON types."""
        readings: list[Reading] = []
        notice, waiting, over = "", 0, ""
        try:
            match content.get("type"):
                case "start" | "stop" as kind:
                    self._listen(kind == "start", content.get("file") is True)
                case "look":  # asks for the notice only
                    pass
                case _:
                    readings = self._readings(content, buffers)
            if self._writer is not None and not self.from_file:
                self._writer.put(readings)
        except InputError as error:
            notice = str(error)
        ended = self._ended(readings)
        if self._writer is not None:
            trouble, waiting, over = self._writer.trouble(), self._writer.waiting, self._writer.refused
            is_file = self.listening and self.from_file
            remark = "This is a file, so nothing is written into the diary." if is_file else ""
            waiting = waiting if trouble or not self.listening else 0
            notice = notice or trouble or remark
        return {
            "type": "answer",
            "number": content.get("number"),
            "readings": [self._shown(reading) for reading in readings],
            "notice": notice,
            "waiting": waiting,
            "ended": ended,
            "over": over,
        }

    def close(self) -> None:
        """Write what waits, within `STOP_S`; later readings are still written by the thread."""
        if self._writer is not None:
            self._writer.flush(STOP_S)

    def _listen(self, is_on: bool, from_file: bool) -> None:
        self._start = None  # the page's clock starts again
        self.listening = is_on
        if is_on:
            if from_file or self.from_file:
                self._cries, self._has_sound = Episodes(), False
            self.from_file = from_file
            self.monitor.restart(synthetic=self._film and not from_file)
        else:
            self.close()

    def _shown(self, reading: Reading) -> dict[str, Any]:
        """Return a reading as JSON types, with the answer to the whole episode so far in words."""
        cries = reading.verdict not in CALM
        state, mean = self._cries.all()[-1].answer() if cries else (reading.verdict, {})
        share = mean.get(state)
        said = f"Crying: {words.answer(state, share)}" if cries else "Quiet"
        return asdict(reading) | {
            "probabilities": mean,
            "words": "Crying" if cries and not self.monitor.classes else said,
            "remark": ""
            if reading.verdict == QUIET
            else words.remark(reading.verdict, reading.kind, reading.note),
            "state": state,
            "share": share,
            "cries": cries,
        }

    def _ended(self, readings: Sequence[Reading]) -> str | None:
        """Return the answer to the newest episode if crying has paused, or to a whole file."""
        for reading in readings:
            self._has_sound |= reading.verdict != GAP
            if reading.verdict not in CALM:
                self._cries.add(reading.time, reading.kind, reading.probabilities)
        crying = [self._is_crying, *(reading.verdict not in CALM for reading in readings)]
        crying += [] if self.listening else [False]
        self._is_crying = crying[-1]
        if self.from_file and self.listening:
            return None
        if self.from_file:
            cries, self.from_file, self._cries = self._cries.all(), False, Episodes()
            none = "no crying in this file" if self._has_sound else "no sound in this file"
            return "; then ".join(map(self._answer, cries)) or none
        return self._answer(self._cries.all()[-1]) if (True, False) in pairwise(crying) else None

    def _answer(self, episode: Sums) -> str:
        """Return the answer to an episode in words."""
        state, mean = episode.answer()
        return words.answer(state, mean.get(state), by_model=bool(self.monitor.classes))

    def _readings(self, content: Mapping[str, Any], buffers: Sequence[Any]) -> list[Reading]:
        at = _number(content, "at")
        is_adrift = self._start is not None and abs(self._start + at - self.clock()) > ADRIFT_S
        if self._start is None or (is_adrift and not self.from_file):  # a file comes faster
            self._start = self.clock() - at
        now, gap = self._start + at, []
        match content.get("type"):
            case "sound":
                samples, sr = _sound(content, buffers)
                self.monitor.push_audio(samples, sr, now - len(samples) / sr)
            case "frame":
                self.monitor.push_frame(_picture(buffers), now)
            case "gap" if self.clock() - self._gap >= GAP_EVERY_S:
                self._gap = self.clock()
                gap = [Reading(now, GAP, note=str(content.get("reason", ""))[:80])]
            case "gap":
                pass
            case kind:
                raise InputError(f"The page sent {kind!r}, which is not a known message.")
        return [*self.monitor.readings(), *gap]


def _number(content: Mapping[str, Any], name: str) -> float:
    value = content.get(name)
    if not isinstance(value, int | float) or not abs(value) < LARGEST:  # nor NaN
        raise InputError(f"The page sent {name} {value!r:.40}, which is out of range.")
    return float(value)


def _sound(content: Mapping[str, Any], buffers: Sequence[Any]) -> tuple[npt.NDArray[np.float32], int]:
    sr = round(_number(content, "sr"))
    if not RATES_HZ[0] <= sr <= RATES_HZ[1]:
        low, high = RATES_HZ
        raise InputError(f"The page sent sound at {sr} Hz; only {low} to {high} Hz can be used.")
    if len(buffers) != 1 or len(buffers[0]) % 2 or len(buffers[0]) > 2 * BLOCK_S * sr:
        raise InputError("The page sent a block of sound that can't be read.")
    return np.frombuffer(buffers[0], dtype="<i2").astype(np.float32) * np.float32(2**-15), sr


def _picture(buffers: Sequence[Any]) -> npt.NDArray[np.uint8]:
    try:
        (content,) = map(bytes, buffers)
        if len(content) <= LARGEST_JPEG and content.count(SCAN) == 1:
            with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
                if max(picture.size) <= LONGEST_SIDE:  # known before anything is decoded
                    return np.asarray(picture.convert("RGB"))
    except (ValueError, OSError, Image.DecompressionBombError):  # all that Pillow raises
        pass
    raise InputError("The page sent a picture that can't be read.")
