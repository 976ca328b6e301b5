"""The notebook of the player's browser tests: cells are split at `# %%`.

Three real MP4 files of two infants. The mirror shows what Python holds.
"""

# %%
import json
import tempfile
from pathlib import Path

import ipywidgets
import numpy as np
from IPython.display import display

from cryutils.datasets.corpus import Clip
from cryutils.video import mp4
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
    probabilities=[[0.7, 0.3], [0.4, 0.6], [0.1, 0.9]],
    over_time={"sound": [sure] * 3, "face": [[[0.2, 0.8]] * 4] * 3},
    step_s=0.5,
    data="grey frames and tones, no infant",
)

# %%
player  # noqa: B018

# %%
mirror = ipywidgets.HTML()


def show(change) -> None:
    mirror.value = f"<pre class='mirror'>{json.dumps({'index': player.index})}</pre>"


player.observe(show, "index")
show(None)
display(mirror)
