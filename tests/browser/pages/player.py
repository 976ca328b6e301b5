"""The notebook of the player's browser tests: cells are split at `# %%`.

The mirror shows what Python holds, in every frontend alike, so the tests read the state
that came through the kernel and not what the page believes of itself.
"""

# %%
import json

import ipywidgets
import numpy as np
from IPython.display import display

from cryutils.widgets.player import CryPlayer

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
starts: list[None] = []


def show(change) -> None:
    state = {"index": player.index, "starts": len(starts)}
    mirror.value = f"<pre class='mirror'>{json.dumps(state)}</pre>"


def start_over(_) -> None:
    player.index = 1  # so that the page gets another clip and then the first
    player.index = 0
    starts.append(None)
    show(None)


player.observe(show, "index")
show(None)
button = ipywidgets.Button(description="start over")
button.on_click(start_over)
display(mirror, button)
