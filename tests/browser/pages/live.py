"""The notebook of the live page's browser tests: cells are split at `# %%`.

The ear is no model: it stands in for a monitor, calls loud high tones hungry and loud low ones
tired, and keeps what it was sent.
"""

# %%
import json
import threading
import time

import ipywidgets
import numpy as np
from IPython.display import display

from crydecode.writer import Writer
from cryutils.inference.readings import Reading
from cryutils.widgets.listener import Listener
from cryutils.widgets.live import LiveAnalysis
from cryutils.words import GAP, NO_CRY


class Ear:
    classes, uses_camera, every = ("hungry", "tired"), True, 1

    def __init__(self):
        self.frames, self.due, self.log = 0, [], []

    def push_audio(self, samples, sr, time):
        if np.abs(samples).max() < 0.01:
            self.due.append(Reading(time, NO_CRY))
            return
        hz = np.argmax(np.abs(np.fft.rfft(samples))) * sr / len(samples)
        state, other = ("hungry", "tired") if hz > 700 else ("tired", "hungry")
        self.due.append(Reading(time, state, {state: 0.8, other: 0.2}))

    def push_frame(self, rgb, time):
        self.frames += 1

    def restart(self, *, synthetic):
        self.due = []

    def readings(self):
        while self.due:
            yield self.due.pop(0)

    def write(self, readings):
        self.log += readings


ear = Ear()
live = LiveAnalysis(ear, source="An ear that hears pitch, no model of infants.")
live.listener = Listener(ear, writer=Writer(ear.write))

# %%
live  # noqa: B018

# %%
mirror = ipywidgets.HTML()


def show():
    while True:
        text = json.dumps(
            {
                "listening": live.listener.listening,
                "frames": ear.frames,
                "gaps": [reading.note for reading in ear.log if reading.verdict == GAP],
                "verdicts": sorted({reading.verdict for reading in ear.log}),
                "logged": len(ear.log),
            }
        )
        mirror.value = f"<pre class='mirror'>{text}</pre>"
        time.sleep(0.2)


threading.Thread(target=show, daemon=True).start()
display(mirror)
