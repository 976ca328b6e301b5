"""The live analysis: a browser's microphone and camera, heard and seen by a `Monitor`.

Walked by notebook 13. Paper B §3, the live analysis page. `live.js` listens, looks and draws;
Python answers every message, so that the page knows how far behind the kernel is and sends less.
Sound and pictures are only ever in memory. Where the log can't be written, the readings wait here
and the page says so.
"""

from __future__ import annotations

import io
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets
from PIL import Image

from cryutils.app.actions import ANY, actions
from cryutils.app.readings import GAP, HOP_S, UNSURE, Reading
from cryutils.app.scripts import script
from cryutils.errors import InputError

__all__ = ["LiveAnalysis"]

RATES_HZ = (8_000, 192_000)  # of a sound card
BLOCK_S = 10  # of sound in one message; the page sends a quarter of a second
LONGEST_SIDE = 1920  # pixels of a picture; the page sends 320
WAITING = 7_200  # readings that wait for the log: an hour
RETRY_S = 5.0  # between two tries to write what waits
ADRIFT_S = 20.0  # a page's clock stands still while its device sleeps


class Listener(Protocol):
    """What the page needs of a `Monitor`."""

    @property
    def classes(self) -> Sequence[str]: ...

    def push_audio(self, samples: npt.ArrayLike, sr: int, time: float | None = None) -> None: ...

    def push_frame(self, rgb: npt.ArrayLike, time: float | None = None) -> None: ...

    def readings(self, now: float | None = None) -> Iterator[Reading]: ...

    def restart(self) -> None: ...


class LiveAnalysis(anywidget.AnyWidget):
    """Microphone and camera of the page it is shown in, and what a monitor makes of them.

    Parameters
    ----------
    monitor : Monitor
    log : function, optional
        Is called with each list of new readings, such as a store's append. What it raises as an
        InputError is shown, and the readings are tried again with the next.
    heard : function, optional
        Is called with each block of sound, float32 (samples,), its rate in Hz and when its first
        sample was heard, such as `Clips.push`; not with a file's.
    source : str
        Which models answer, and on what they were trained: always visible.
    film : bytes
        A video file for a demonstration, instead of microphone and camera.
    clock : function
        The time in s since 1970, UTC.
    """

    _esm = script("live.js")
    _css = Path(__file__).with_name("live.css")

    listening = traitlets.Bool(False).tag(sync=True)
    from_file = traitlets.Bool(False).tag(sync=True)  # in place of microphone and camera
    notice = traitlets.Unicode("").tag(sync=True)
    film = traitlets.Bytes(b"").tag(sync=True)  # is played in a loop in place of both, and logged
    zone = traitlets.Unicode("").tag(sync=True)  # the browser's, such as "Europe/Vienna"
    _about = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        monitor: Listener,
        *,
        log: Callable[[list[Reading]], object] | None = None,
        heard: Callable[[npt.NDArray[np.float32], int, float], object] | None = None,
        source: str = "",
        film: bytes = b"",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._monitor = monitor
        self.states = list(monitor.classes)
        self._log, self._heard = log, heard
        self._clock = clock
        self._start: float | None = None  # of the page's own clock, in s since 1970
        self._waiting: deque[Reading] = deque(maxlen=WAITING)
        self._retry = 0.0  # when to write again what could not be written
        warning = "Course material, no medical device: what it says may be wrong."
        super().__init__(
            film=film,
            _about={
                "states": self.states,
                "hop_s": HOP_S,
                "unsure": UNSURE,
                "gap": GAP,
                "actions": {
                    state: [action._asdict() for action in advice]
                    for state, advice in actions().items()
                },
                "any": ANY,
                "source": f"{source} {warning}".strip(),
            },
        )
        self.on_msg(self._on_message)

    @traitlets.observe("listening")
    def _on_listening(self, change: Any) -> None:
        self._start = None  # the page's clock begins anew
        if change.new:
            self._monitor.restart()
            logged = self._log is not None and self.from_file
            self.notice = "A file is judged, and not logged." if logged else ""
        self._retry = 0.0
        with suppress(InputError):  # is shown as long as it lasts
            self._write([])

    @property
    def waiting(self) -> int:
        """How many readings wait for the log."""
        return len(self._waiting)

    def __repr__(self) -> str:
        return "LiveAnalysis()"  # no id: nbval compares this text between runs

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        readings: list[Reading] = []
        try:
            readings = self._readings(content, buffers)
            self._write(readings)
        except InputError as error:
            self.notice = str(error)
        finally:  # else the page would wait for it
            page = [asdict(reading) for reading in readings]
            self.send({"type": "answer", "number": content.get("number"), "readings": page})

    def _readings(self, content: Mapping[str, Any], buffers: Sequence[Any]) -> list[Reading]:
        at = _number(content, "at")
        if self._start is None or abs(self._start + at - self._clock()) > ADRIFT_S:
            self._start = self._clock() - at
        now, gap = self._start + at, []
        match content.get("type"):
            case "sound":
                samples, sr = _sound(content, buffers)
                start = now - len(samples) / sr
                self._monitor.push_audio(samples, sr, start)
                if self._heard is not None and not self.from_file:
                    self._heard(samples, sr, start)
            case "frame":
                self._monitor.push_frame(_picture(buffers), now)
            case "gap":
                gap = [Reading(now, GAP, note=str(content.get("reason", ""))[:80])]
            case kind:
                raise InputError(f"The page sent {kind!r}, which means nothing here.")
        return [*self._monitor.readings(), *gap]

    def _write(self, readings: Sequence[Reading]) -> None:
        if self._log is None or self.from_file or not (self._waiting or readings):
            return
        self._waiting.extend(readings)
        if self._clock() < self._retry:
            return
        try:
            self._log(list(self._waiting))
        except InputError as error:
            self._retry = self._clock() + RETRY_S
            full = self.waiting == WAITING
            waits = "the oldest are lost" if full else f"readings that wait for it: {self.waiting}"
            raise InputError(f"The log can't be written ({error}); {waits}.") from error
        self._waiting.clear()
        self.notice = ""


def _number(content: Mapping[str, Any], name: str) -> float:
    value = content.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"The page sent {name} {value!r}, which is no number.")
    return float(value)


def _sound(
    content: Mapping[str, Any], buffers: Sequence[Any]
) -> tuple[npt.NDArray[np.float32], int]:
    sr = round(_number(content, "sr"))
    if not RATES_HZ[0] <= sr <= RATES_HZ[1]:
        raise InputError(f"The page sent sound at {sr} Hz; {RATES_HZ[0]} to {RATES_HZ[1]} is read.")
    if len(buffers) != 1 or len(buffers[0]) % 4 or len(buffers[0]) > 4 * BLOCK_S * sr:
        raise InputError("The page sent a block of sound that can't be read.")
    return np.frombuffer(buffers[0], dtype="<f4"), sr


def _picture(buffers: Sequence[Any]) -> npt.NDArray[np.uint8]:
    try:
        (content,) = buffers
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
            if max(picture.size) <= LONGEST_SIDE:  # known before anything is decoded
                return np.asarray(picture.convert("RGB"))
    except (ValueError, OSError, Image.DecompressionBombError):  # as Pillow has it
        pass
    raise InputError("The page sent a picture that can't be read.")
