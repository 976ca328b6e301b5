"""Listening without a page, for `cryutils listen`: the cry gate on a sound card, a file or a stream.

`readings` opens a source again whenever it fails; `listen` turns readings into events by the rule of
`alarm`. `Mqtt` and `Webhook` pass events on and catch up after a broker or a server was away. No
sound is stored or sent.
"""

import json
import os
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt

import cryutils
from crydecode.alarm import LOST_S, Alarm, Change, Event, is_crying
from crydecode.store.threads import Writer
from cryutils._io import extras
from cryutils._io.progress import say
from cryutils.errors import InputError, printable
from cryutils.inference.readings import HOP_S, Reading
from cryutils.models.gate import LEAST
from cryutils.widgets.monitor import Models, Monitor, replay

Block: TypeAlias = tuple[npt.NDArray[np.float32], int]  # sound in mono (samples,), and its rate in Hz
Open: TypeAlias = Callable[[], Iterator[Block]]  # opens a source
Tell: TypeAlias = Callable[[Event], object]

LISTENING, NOT_LISTENING = "listening", "not listening"
STREAMS = ("rtsp", "rtsps", "http", "https")
SR, BLOCK_S = 16_000, 0.25  # of a stream, of a block from the sound card
OPEN_S = 10.0  # how long a stream or a server may take to answer
AGAIN_S = 2  # between attempts
LATE_S = 1.5  # how long a reading waits for its sound, because networks deliver it in lumps
ADRIFT_S = 2.0  # a source's own time that is off by more is set again
_PROTOCOLS = "rtp,rtsp,srtp,tcp,tls,udp,http,https,httpproxy,crypto"  # no file of this machine
_PASSWORD = "CRYUTILS_MQTT_PASSWORD"


def listen(heard: Iterable[Reading], alarm: Alarm, tell: Sequence[Tell], writer: Writer | None) -> None:
    """Pass events on to all of `tell`: those of `alarm`, `LISTENING` and `NOT_LISTENING`.

    writer: gets all readings, if any. Raises InputError if it refuses them.
    """
    trouble, state, last = "", "", np.nan
    for reading in heard:
        now, crying, new = reading.time, is_crying(reading.verdict), state
        if crying is not None or np.isnan(last):
            last = now
        if crying is not None or now - last >= LOST_S:
            new = NOT_LISTENING if crying is None else LISTENING
        changed, state = [Event(new, now, last)] * (new != state), new
        for event in filter(None, [*changed, alarm.add(now, crying)]):
            for each in tell:
                each(event)
        if writer is not None:
            writer.put([reading])
            if writer.refused:
                raise InputError(writer.refused)
            if bool(found := writer.trouble()) != bool(trouble):
                say(found or "The diary is saved again.", err=True)
            trouble = found


class Trouble:
    """Says once why something fails, and once that it works again."""

    def __init__(self, what: str) -> None:
        self._what, self._why = what, ""

    def tell(self, why: str = "") -> None:
        """Say why it fails, or that it works."""
        if why != self._why:
            self._why = why
            now = f"{printable(why)}. Trying again" if why else "works again"
            say(f"{self._what}: {now}.", err=True)


# Sources


def readings(
    source: str | None, device: str | None = None, least: int = LEAST, threshold: float | None = None
) -> Iterator[Reading]:
    """Return the readings of a stream, a file, or without a source of a sound card.

    least, threshold: of the windows that must pass, and of their score (None: the gate's own). Raises
    InputError if the file can't be read, or the sound card or the kind of stream is unknown.
    """
    monitor = Monitor(models=Models(None))
    monitor.least = least
    if threshold is not None:
        monitor.gate = replace(monitor.gate, threshold=threshold)
    if source is None:
        return live(microphone(device), monitor)
    return live(stream(source), monitor) if "://" in source else replay(source, monitor)


def microphone(device: str | None) -> Open:
    """Return what opens a sound card: the default one, or a number or part of a name."""
    extras.require("sounddevice", "listen", "listening to a sound card")
    try:
        import sounddevice

        number = int(device) if device and device.isdecimal() else device
        sr = round(sounddevice.query_devices(number, "input")["default_samplerate"])
    except Exception as error:  # OSError without the library, ValueError, PortAudioError
        why = f"--device {device or 'default'}: {printable(str(error)).rstrip('.')}"
        remedy = "Debian's libportaudio2 is needed, and `python -m sounddevice` lists sound cards"
        raise InputError(f"{why}; {remedy}.") from error

    def blocks() -> Iterator[Block]:
        sound = queue.Queue[npt.NDArray[np.float32]]()
        settings = {"samplerate": sr, "blocksize": round(BLOCK_S * sr), "channels": 1, "dtype": "float32"}
        settings |= {"device": number, "callback": lambda x, *_: sound.put(x[:, 0].copy())}
        with sounddevice.InputStream(**settings):
            while True:
                try:
                    yield sound.get(timeout=LOST_S), sr
                except queue.Empty:
                    raise TimeoutError(0, f"no sound for {LOST_S:.0f} s") from None

    return blocks


def stream(address: str) -> Open:
    """Return what opens a stream, such as a camera's."""
    scheme = urlsplit(address).scheme
    if scheme not in STREAMS or not urlsplit(address).hostname:
        raise InputError(f"{scheme}://: give the address of a stream ({', '.join(STREAMS)}) or a file.")
    import av

    def blocks() -> Iterator[Block]:
        options = {"protocol_whitelist": _PROTOCOLS}
        options |= {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
        with av.open(address, options=options, timeout=(OPEN_S, LOST_S)) as container:
            if not container.streams.audio:
                raise OSError(0, "it has no sound; switch the camera's microphone on")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SR)
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    yield part.to_ndarray()[0], SR

    return blocks


def live(blocks: Open, monitor: Monitor) -> Iterator[Reading]:
    """Yield the readings of a source forever. Without sound they are gaps."""
    sounds: queue.Queue[Block] = queue.Queue(400)
    threading.Thread(target=_feed, args=(blocks, sounds), name="sound", daemon=True).start()
    at = -np.inf  # when the next block begins, because blocks arrive late, and several at once
    while True:
        with suppress(queue.Empty):
            x, sr = sounds.get(timeout=HOP_S)
            begins = time.time() - len(x) / sr
            at = at if abs(at - begins) < ADRIFT_S else begins
            monitor.push_audio(x, sr, at)
            at += len(x) / sr
        yield from monitor.readings(time.time() - LATE_S)


def _feed(blocks: Open, sounds: "queue.Queue[Block]") -> None:
    """Put the sound of a source into a queue; open the source again whenever it ends."""
    trouble = Trouble("Sound")
    while True:
        why = "it ended"
        try:
            for block in blocks():
                sounds.put(block)
                trouble.tell()
        except Exception as error:  # of any library; FFmpeg's strerror does not name the address
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        trouble.tell(why)
        time.sleep(AGAIN_S)


# Whom events are passed on to


class Webhook:
    """Posts events as JSON to an address, in order, until its server takes them."""

    def __init__(self, address: str, infant: str) -> None:
        if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname:
            raise InputError("--webhook: give an address that begins with http:// or https://.")
        self._address, self._infant = address, infant
        self._waiting = queue.Queue[Event]()
        self.tell = self._waiting.put
        threading.Thread(target=self._run, name="webhook", daemon=True).start()

    def close(self) -> None:
        """Wait a moment for what is queued."""
        for _ in range(100):
            time.sleep(0.05 * bool(self._waiting.unfinished_tasks))

    def _run(self) -> None:
        trouble = Trouble("Webhook")
        while event := self._waiting.get():
            while why := self._post(event):
                trouble.tell(why)
                time.sleep(AGAIN_S)
            trouble.tell()
            self._waiting.task_done()

    def _post(self, event: Event) -> str:
        """Post an event; return why that failed, or ""."""
        import requests

        try:
            requests.post(self._address, json=event.json(self._infant), timeout=OPEN_S).raise_for_status()
        except requests.RequestException as error:  # its text has the address
            return f"no success ({getattr(error.response, 'status_code', type(error).__name__)})"
        return ""


class Mqtt:
    """Tells a broker whether the infant cries, as Home Assistant's MQTT discovery expects.

    A binary sensor of class "sound" is on from an alarm until quiet, and unavailable while nothing
    is heard; the broker says so itself if this program dies. All is retained, and sent again after a
    lost connection. The last event is the sensor's attributes.
    """

    def __init__(self, address: str, infant: str) -> None:
        """Connect to HOST[:PORT] or mqtt[s]://[USER@]HOST[:PORT], in the background."""
        extras.require("paho", "listen", "telling an MQTT broker")
        from paho.mqtt import client

        url, port = urlsplit(address if "://" in address else f"mqtt://{address}"), None
        with suppress(ValueError):
            port = url.port or {"mqtt": 1883, "mqtts": 8883}.get(url.scheme)
        if not port or not url.hostname or url.scheme not in ("mqtt", "mqtts"):
            raise InputError("--mqtt: give HOST, HOST:PORT or mqtts://USER@HOST.")
        self._id, self._infant = f"cryutils_{zlib.crc32(infant.encode()):08x}", infant
        self._now = {"state": "OFF", "availability": "offline", "event": "{}"}  # by topic
        self._trouble = Trouble("MQTT")
        self._client = client.Client(client.CallbackAPIVersion.VERSION2)
        if url.username:
            password = unquote(url.password or "") or os.environ.get(_PASSWORD)
            self._client.username_pw_set(unquote(url.username), password)
        if url.scheme == "mqtts":
            self._client.tls_set()
        self._client.will_set(f"cryutils/{self._id}/availability", "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(AGAIN_S, AGAIN_S)
        self._client.on_connect = lambda _client, _data, _flags, code, _properties: self._connected(code)
        self._client.on_connect_fail = lambda *_: self._trouble.tell("no answer")
        self._client.connect_async(url.hostname, port, keepalive=15)
        self._client.loop_start()

    def tell(self, event: Event) -> None:
        """Note an event, and publish it if the broker is there."""
        if event.what in (Change.CRYING, Change.QUIET):
            self._now["state"] = "ON" if event.what == Change.CRYING else "OFF"
        if event.what in (LISTENING, NOT_LISTENING):
            self._now["availability"] = "online" if event.what == LISTENING else "offline"
        self._now["event"] = json.dumps(event.json(self._infant))
        if self._client.is_connected():
            self._publish()

    def close(self) -> None:
        """Say that nothing is heard any more, and end the connection."""
        self.tell(Event(NOT_LISTENING, time.time(), time.time()))
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self) -> None:
        for what, payload in self._now.items():
            self._client.publish(f"cryutils/{self._id}/{what}", payload, qos=1, retain=True)

    def _connected(self, code: Any) -> None:
        if code.is_failure:
            return self._trouble.tell(f"{code}; a password may be in {_PASSWORD}")
        sensor = {
            "name": "Crying",
            "unique_id": self._id,
            "device_class": "sound",
            "~": f"cryutils/{self._id}",
            "state_topic": "~/state",
            "availability_topic": "~/availability",
            "json_attributes_topic": "~/event",
            "device": {"identifiers": [self._id], "name": self._infant or "Baby", "model": "cryutils"},
            "origin": {"name": "cryutils", "sw_version": cryutils.__version__},
        }
        place = f"homeassistant/binary_sensor/{self._id}/config"
        self._client.publish(place, json.dumps(sensor), qos=1, retain=True)
        self._publish()
        self._trouble.tell()
