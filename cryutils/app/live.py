"""The live analysis page: a browser's microphone and camera, analysed by a `Monitor`.

Used in notebook 13_live_and_deployment (Paper B §3). `live.js` records and draws. Python answers
every message, so the page can tell how far behind the kernel is and send less. Sound and pictures
stay in memory. A `Writer` writes the readings to the log in its own thread. While the log can't be
written, readings wait in the `Writer`, and the page says so.
"""

from __future__ import annotations

import base64
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets
from PIL import Image

from cryutils.app.clip_view import asset
from cryutils.app.readings import ANY, GAP, HOP_S, UNSURE, Reading, actions
from cryutils.app.writer import Log, Writer
from cryutils.errors import InputError

if TYPE_CHECKING:
    from cryutils.app.monitor import Monitor

__all__ = ["LiveAnalysis"]

RATES_HZ = (8_000, 192_000)  # of a sound card
BLOCK_S = 10  # most sound in one message; the page sends a quarter of a second
LONGEST_SIDE = 1920  # pixels of a picture; the page sends 320
LARGEST_JPEG = 2**20  # bytes of a picture; the page sends about 20,000
SCAN = b"\xff\xda"  # marker of a scan; decoders visit all pixels in each, and browsers write one
GAP_EVERY_S = 1.0  # of the gaps reported within this time, only the first counts
STOP_S = 1.0  # how long the end of a session waits for its last readings to be written
ADRIFT_S = 20.0  # a page's clock that is off by more is reset: it stops while the device sleeps


class LiveAnalysis(anywidget.AnyWidget):
    """A widget that sends the page's microphone and camera to a monitor and shows its readings.

    log: called in a thread with lists of new readings. If it raises StoreUnavailable, the reason is
    shown and the readings wait for another try. If it raises an InputError, its message is shown
    and the readings are dropped. source: which models answer and what they were trained on; always
    visible. film: a synthetic video for a demonstration, instead of microphone and camera. clock:
    the time in s since 1970, UTC.
    """

    _esm = asset("live.js")
    _css = asset("live.css")
    # ipywidgets 7 would display through this method and omit the picture.
    _ipython_display_ = None

    listening = traitlets.Bool(False).tag(sync=True)
    from_file = traitlets.Bool(False).tag(sync=True)  # instead of microphone and camera
    notice = traitlets.Unicode("").tag(sync=True)
    waiting = traitlets.Int(0).tag(sync=True)  # readings that could not be logged yet
    film = traitlets.Bytes(b"").tag(sync=True)  # played in a loop instead of both; it is logged
    _about = traitlets.Dict().tag(sync=True)

    def __init__(
        self, monitor: Monitor, *, log: Log | None = None, source: str = "", film: bytes = b"",
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._monitor = monitor
        self.states = list(monitor.classes)
        self._log = log
        self._clock = clock
        self._start: float | None = None  # zero of the page's clock, in s since 1970
        self._writer = Writer()
        self._gap = -math.inf  # when the last reported gap was logged
        warning = "Course material, not a medical device: its answers may be wrong."
        super().__init__(
            film=film,
            _about={
                "states": self.states,
                "camera": monitor.uses_camera or bool(film),
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

    def log_to(self, log: Log) -> None:
        """Log to another function from now on. Waiting readings still go to the old one."""
        self._log = log

    @traitlets.observe("listening")
    def _on_listening(self, change: Any) -> None:
        self._start = None  # the page's clock starts again
        if change.new:
            self._monitor.restart(synthetic=bool(self.film) and not self.from_file)
        else:
            self._writer.flush(STOP_S)
        self._report("")

    def __repr__(self) -> str:
        return "LiveAnalysis()"  # without an id: nbval compares this text between runs

    def _repr_mimebundle_(self, **kwargs: dict) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture = base64.b64encode(Path(__file__).with_name("live.png").read_bytes()).decode()
        data["text/html"] = (  # what a saved notebook shows
            "<p>A picture of the live analysis of a synthetic film. Run the cell to use it.</p>"
            '<img alt="The live page: verdict, camera, what to try, a probability for each state, '
            f'the last two minutes" src="data:image/png;base64,{picture}"/>'
        )
        return data, metadata

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        readings: list[Reading] = []
        refused = ""
        try:
            if content.get("type") != "look":  # "look" only asks for the notice
                readings = self._readings(content, buffers)
            if self._log is not None and not self.from_file:
                self._writer.put(self._log, readings)
        except InputError as error:
            refused = str(error)
        finally:  # otherwise the page waits for an answer
            self._report(refused)
            page = [asdict(reading) for reading in readings]
            self.send({"type": "answer", "number": content.get("number"), "readings": page})

    def _report(self, refused: str) -> None:
        """Show why input was refused, or else why readings are not being logged."""
        trouble = self._writer.trouble()
        is_file = self._log is not None and self.listening and self.from_file
        self.notice = refused or trouble or "Results from a file are not saved." * is_file
        self.waiting = self._writer.waiting if trouble or not self.listening else 0

    def _readings(self, content: Mapping[str, Any], buffers: Sequence[Any]) -> list[Reading]:
        at = _number(content, "at")
        if self._start is None or abs(self._start + at - self._clock()) > ADRIFT_S:
            self._start = self._clock() - at
        now, gap = self._start + at, []
        match content.get("type"):
            case "sound":
                samples, sr = _sound(content, buffers)
                self._monitor.push_audio(samples, sr, now - len(samples) / sr)
            case "frame":
                self._monitor.push_frame(_picture(buffers), now)
            case "gap" if self._clock() - self._gap >= GAP_EVERY_S:
                self._gap = self._clock()
                gap = [Reading(now, GAP, note=str(content.get("reason", ""))[:80])]
            case "gap":
                pass
            case kind:
                raise InputError(f"The page sent {kind!r}, which is not a known message.")
        return [*self._monitor.readings(), *gap]


def _number(content: Mapping[str, Any], name: str) -> float:
    value = content.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"The page sent {name} {value!r}, which is not a number.")
    return float(value)


def _sound(
    content: Mapping[str, Any], buffers: Sequence[Any]
) -> tuple[npt.NDArray[np.float32], int]:
    sr = round(_number(content, "sr"))
    if not RATES_HZ[0] <= sr <= RATES_HZ[1]:
        low, high = RATES_HZ
        raise InputError(f"The page sent sound at {sr} Hz; only {low} to {high} Hz can be used.")
    if len(buffers) != 1 or len(buffers[0]) % 4 or len(buffers[0]) > 4 * BLOCK_S * sr:
        raise InputError("The page sent a block of sound that can't be read.")
    return np.frombuffer(buffers[0], dtype="<f4"), sr


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
