"""The notebook of the test of a slider: cells are split at `# %%`."""

# %%
import json

import ipywidgets
from IPython.display import display
from matplotlib import pyplot as plt

from cryutils.app.knobs import knobs


def bars(n):
    fig, ax = plt.subplots(figsize=(n, 1))
    ax.bar(range(n), range(n))
    return fig


slider = ipywidgets.IntSlider(min=2, max=6, value=4)
turned = knobs(bars, n=slider)

# %%
turned  # noqa: B018

# %%
mirror = ipywidgets.HTML()


def show(change) -> None:
    mirror.value = f"<pre class='mirror'>{json.dumps({'value': slider.value})}</pre>"


slider.observe(show, "value")
show(None)
display(mirror)
