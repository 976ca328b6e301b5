"""Listening without a page: events from a file and from a camera, a webhook, and an MQTT broker.

No test has a sound card.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camera import SR, Camera
from clock import until
from processes import end
from refusals import Command, mistake
from scipy.io import wavfile

from crydecode import store as stores
from crydecode.alarm import Alarm, Change, Event
from crydecode.listen import LISTENING, NOT_LISTENING, Mqtt, listen, readings
from cryutils.datasets.synthetic import voice
from cryutils.inference.readings import HOP_S, Reading
from cryutils.words import GAP, NO_CRY, UNSURE

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
LIMIT_S = 60
CRY = np.concatenate([voice.render(voice.plan("hungry", infant=900, seed=seed), SR) for seed in (900, 901)])


def room(seconds: float) -> np.ndarray:
    """A room's noise at -60 dB re full scale."""
    return np.random.default_rng(0).normal(0, 1e-3, round(seconds * SR)).astype(np.float32)


def test_a_file_is_heard_as_a_room_is(tmp_path: Path) -> None:
    x = np.concatenate([room(10), CRY, room(40)])
    wavfile.write(tmp_path / "night.wav", SR, np.round(32767 * x).astype(np.int16))
    events: list[Event] = []
    listen(readings(str(tmp_path / "night.wav")), Alarm(delay_s=5, hold_s=30), [events.append], None)
    assert [event.what for event in events] == [LISTENING, Change.CRYING, Change.QUIET]
    _, begin, stop = events
    assert 9 <= begin.since <= 12 and 15 <= begin.time <= 21
    assert 22 <= stop.since <= 27 and stop.time == stop.since + 30


def test_sound_that_stops_is_told_and_is_not_quiet() -> None:
    verdicts = [NO_CRY] * 4 + [UNSURE] * 10 + [GAP] * 30 + [NO_CRY] * 20
    heard = [Reading(k * HOP_S, verdict) for k, verdict in enumerate(verdicts)]
    events: list[Event] = []
    listen(heard, Alarm(delay_s=2, hold_s=5), [events.append], None)
    assert [(str(event.what), event.time, event.since) for event in events] == [
        (LISTENING, 0, 0),
        (Change.CRYING, 3.5, 1.5),
        (NOT_LISTENING, 11.5, 6.5),
        (LISTENING, 22, 22),
        (Change.QUIET, 26.5, 21.5),
    ]
    events.clear()
    listen([Reading(k * HOP_S, GAP) for k in range(30)], Alarm(), [events.append], None)
    assert [event.what for event in events] == [NOT_LISTENING], "nothing was heard from the beginning"


class Hook(HTTPServer):
    """A server for events, whose first answer is that it is busy."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.events: list[dict[str, Any]] = []
        self.was_busy = False
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Post(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200 if self.server.was_busy else 503)
        self.end_headers()
        if self.server.was_busy:
            self.server.events.append(content)
        self.server.was_busy = True

    def log_message(self, *_: object) -> None:
        pass


def test_a_camera_that_comes_back_a_webhook_and_the_diary(apart: Path) -> None:
    url = f"sqlite:///{apart / 'store.sqlite'}"
    with stores.open(url) as store, ExitStack() as stack:
        mia = store.add_infant("Mia")
        hook, first = Hook(), Camera(np.concatenate([room(2), CRY[: 6 * SR]]))
        stack.callback(hook.shutdown)
        address = f"rtsp://ann:secret@127.0.0.1:{first.port}/sound"
        options = f"--infant Mia --webhook http://127.0.0.1:{hook.server_port}/ --delay 1 --hold 2"
        command = [sys.executable, "-m", "cryutils.course.cli", "listen", address, *options.split()]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"CRYUTILS_STORE": url}
        )
        stack.callback(end, process)
        until(lambda: len(hook.events) == 2, LIMIT_S)
        first.close()
        second = Camera(room(60), first.port)
        stack.callback(second.close)
        until(lambda: len(hook.events) == 3, LIMIT_S)
        end(process)
        out, err = (text.decode() for text in process.communicate())
        assert [event["event"] for event in hook.events] == ["listening", "crying", "quiet"]
        assert all(event["infant"] == "Mia" and time.time() - 60 < event["since"] for event in hook.events)
        assert [line.split()[1] for line in out.splitlines()] == ["listening", "crying", "quiet"]
        assert "Sound: works again" in err and "Webhook: works again" in err
        assert "secret" not in err + out and "Traceback" not in err and process.returncode == 143
        (line,) = mia.lines()
        assert 1 < line.cried_s < 9
        assert abs(line.start - hook.events[1]["since"]) < 2


class Broker:
    """Mosquitto on this machine, and a client that keeps the last payloads of every topic."""

    def __init__(self) -> None:
        from paho.mqtt import client

        with socket.create_server(("127.0.0.1", 0)) as unused:
            self.port = unused.getsockname()[1]
        self.payloads = defaultdict[str, list[str]](list)
        self.start()
        self.client = client.Client(client.CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda *_: self.client.subscribe("#", qos=1)
        self.client.on_message = lambda _client, _data, message: self.payloads[message.topic].append(
            message.payload.decode()
        )
        self.client.connect_async("127.0.0.1", self.port)
        self.client.loop_start()

    def start(self) -> None:
        assert MOSQUITTO
        self.process = subprocess.Popen([MOSQUITTO, "-p", str(self.port)], stderr=subprocess.DEVNULL)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        end(self.process)

    def ending(self, what: str) -> list[str]:
        """The payloads of the only topic that ends so."""
        return next((some for topic, some in [*self.payloads.items()] if topic.endswith(what)), [])


@pytest.fixture
def broker() -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto, an MQTT broker, is not installed here")
    broker = Broker()
    yield broker
    broker.close()


def test_home_assistant_gets_a_sensor_that_outlives_lost_connections(broker: Broker) -> None:
    sensor = Mqtt(f"127.0.0.1:{broker.port}", "Mia")
    until(lambda: broker.ending("/config") and broker.ending("/state") == ["OFF"], LIMIT_S)
    config = json.loads(broker.ending("/config")[0])
    config |= {key: topic.replace("~", config["~"]) for key, topic in config.items() if key.endswith("topic")}
    assert (config["device_class"], config["device"]["name"]) == ("sound", "Mia")
    until(lambda: broker.payloads[config["availability_topic"]] == ["offline"], LIMIT_S)  # nothing heard yet
    sensor.tell(Event(LISTENING, 1.0, 1.0))
    sensor.tell(Event(Change.CRYING, 12.0, 2.0))
    until(lambda: broker.payloads[config["state_topic"]][-1] == "ON", LIMIT_S)
    until(lambda: broker.payloads[config["availability_topic"]][-1] == "online", LIMIT_S)
    attributes = {"event": "crying", "time": 12.0, "since": 2.0, "infant": "Mia"}
    until(lambda: json.loads(broker.payloads[config["json_attributes_topic"]][-1]) == attributes, LIMIT_S)
    broker.payloads.clear()
    sensor._client.socket().shutdown(socket.SHUT_RDWR)  # as if the program had died
    until(lambda: broker.payloads[config["availability_topic"]][:1] == ["offline"], LIMIT_S)
    until(lambda: broker.payloads[config["availability_topic"]][-1] == "online", LIMIT_S)
    end(broker.process)
    sensor.tell(Event(Change.QUIET, 99.0, 39.0))
    broker.payloads.clear()
    broker.start()
    until(lambda: broker.payloads[config["state_topic"]][-1:] == ["OFF"], LIMIT_S)
    until(lambda: broker.ending("/config"), LIMIT_S)
    sensor.close()
    until(lambda: broker.payloads[config["availability_topic"]][-1:] == ["offline"], LIMIT_S)


@pytest.mark.parametrize(
    "options",
    [
        "ftp://camera/",
        "absent.wav",
        "rtsp://camera/ --device 1",
        "night.wav --infant Mia",
        "rtsp://camera/ --infant Nobody",
        "rtsp://camera/ --mqtt ftp://broker",
        "rtsp://camera/ --mqtt broker:many",
        "rtsp://camera/ --webhook broker",
    ],
)
def test_what_cannot_be_is_refused_in_a_line(options: str, command: Command) -> None:
    mistake(command("listen", *options.split()))
