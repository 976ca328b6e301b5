"""The notebook of the live page's browser tests: cells are split at `# %%`.

The ear is no model: it calls high tones hungry and low ones tired.
"""

# %%
import json
import threading
import time

import ipywidgets
import numpy as np
from IPython.display import display

from cryutils.inference.readings import Reading
from cryutils.widgets.live import LiveAnalysis


class Ear:
    classes, uses_camera = ("hungry", "tired"), True
    frames, heard = 0, 0

    def push_audio(self, samples, sr, time):
        hz = np.argmax(np.abs(np.fft.rfft(samples))) * sr / len(samples)
        state, other = ("hungry", "tired") if hz > 700 else ("tired", "hungry")
        self.due.append(Reading(time, state, {state: 0.8, other: 0.2}))
        self.heard += 1

    def push_frame(self, rgb, time):
        self.frames += 1

    def restart(self, *, synthetic):
        self.due = []

    def readings(self):
        due, self.due = self.due, []
        return due


live = LiveAnalysis(ear := Ear(), source="An ear that hears pitch, no model of infants.")

# %%
live  # noqa: B018

# %%
mirror = ipywidgets.HTML()


def show():
    while True:
        state = {"listening": live.listener.listening, "frames": ear.frames, "heard": ear.heard}
        mirror.value = f"<pre class='mirror'>{json.dumps(state)}</pre>"
        time.sleep(0.2)


threading.Thread(target=show, daemon=True).start()
display(mirror)
