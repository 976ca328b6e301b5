"""The notebook of the widgets' browser tests: cells are split at `# %%`.

The player has three real MP4 files of two infants. The ear of the live page is no model: it calls high
tones hungry and low ones tired. The mirror shows what Python holds.
"""

# %%
import json
import tempfile
import threading
import time
from pathlib import Path

import ipywidgets
import numpy as np
from IPython.display import display

from cryutils.datasets.corpus import Clip
from cryutils.inference.readings import Reading
from cryutils.video import mp4
from cryutils.widgets.live import LiveAnalysis
from cryutils.widgets.player import CryPlayer

SR = 8000
folder = Path(tempfile.mkdtemp())
clips = []
for number, (infant, label) in enumerate([("ada", "hungry"), ("ben", "hungry"), ("ben", "tired")]):
    path = folder / f"{number}.mp4"
    frames = (np.full((64, 64, 3), 10 * k, np.uint8) for k in range(20))
    tone = (0.5 * np.sin(np.arange(2 * SR) * (0.2 + 0.2 * number))).astype(np.float32)
    mp4.write(path, frames, fps=10, sound=tone, sr=SR)
    clips.append(Clip(f"clip-{number}", path, label, infant, "", None, 2.0, True, True))
sure = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [np.nan, np.nan]]
player = CryPlayer(
    clips,
    over_time={"sound": [sure] * 3, "face": [[[0.2, 0.8]] * 4] * 3},
    step_s=0.5,
    data="grey frames and tones, no infant",
)


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
mirror = ipywidgets.HTML()


def show():
    while True:
        state = {"index": player.index, "listening": live.listener.listening}
        state |= {"frames": ear.frames, "heard": ear.heard}
        mirror.value = f"<pre class='mirror'>{json.dumps(state)}</pre>"
        time.sleep(0.2)


threading.Thread(target=show, daemon=True).start()
display(player, mirror, live)
