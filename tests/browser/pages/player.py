"""The notebook of the player's browser tests: cells are split at `# %%`.

The mirror shows what Python holds, in every frontend alike, so the tests read the state
that came through the kernel and not what the page believes of itself.
"""

# %%
import json

import ipywidgets
import numpy as np
from IPython.display import display

from cryutils.app.player import CryPlayer

SR = 8000


def sweep(start_hz: float, stop_hz: float, seconds: float) -> np.ndarray:
    frequency = np.linspace(start_hz, stop_hz, int(SR * seconds))
    return (0.5 * np.sin(2 * np.pi * np.cumsum(frequency) / SR)).astype(np.float32)


clips = [
    ("rising", "hungry", sweep(300, 900, 2.0), SR),
    ("falling", "hungry", sweep(900, 300, 1.5), SR),
    ("high", "tired", sweep(1500, 3000, 2.0), SR),
]
player = CryPlayer(
    clips,
    probabilities=[[0.7, 0.3], [0.4, 0.6], [0.1, 0.9]],
    title="Sweeps",
    data="generated tones, not a real infant",
)

# %%
player  # noqa: B018

# %%
mirror = ipywidgets.HTML()
heard: list[float] = []
starts: list[None] = []


def show(change) -> None:
    if change and change["name"] == "playing" and change["new"]:
        heard.clear()
    if change and change["name"] == "position_s":
        heard.append(round(change["new"], 3))
    names = ("index", "position_s", "playing", "selection", "loop", "rate", "chosen_class")
    state = {name: getattr(player, name) for name in names} | {
        "heard": heard,
        "starts": len(starts),
    }
    mirror.value = f"<pre class='mirror'>{json.dumps(state)}</pre>"


player.observe(show)
show(None)


def start_over(_) -> None:
    player.playing = player.loop = False
    player.rate = 1.0
    player.chosen_class = ""
    player.index = 0
    player.selection = []
    player.position_s = 0.0
    heard.clear()
    starts.append(None)
    show(None)


button = ipywidgets.Button(description="start over")
button.on_click(start_over)
display(mirror, button)
