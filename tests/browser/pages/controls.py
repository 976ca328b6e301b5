"""The notebook of the tests of sliders and upload: cells are split at `# %%`."""

# %%
import json

import ipywidgets
from IPython.display import display
from matplotlib import pyplot as plt

from cryutils import plots
from cryutils.app.knobs import knobs
from cryutils.app.upload import sound_upload


def bars(n):
    fig, ax = plt.subplots(figsize=(n, 1))
    ax.bar(range(n), range(n))
    return fig


def waveform(name, samples):
    fig, ax = plt.subplots(figsize=(6, 2), layout="constrained")
    plots.waveform(samples, ax, sr=8000).set(title=name)
    return fig


slider = ipywidgets.IntSlider(min=2, max=6, value=4)
turned = knobs(bars, n=slider)

# %%
turned  # noqa: B018

# %%
sound_upload(waveform, sr=8000)

# %%
mirror = ipywidgets.HTML()


def show(change) -> None:
    mirror.value = f"<pre class='mirror'>{json.dumps({'value': slider.value})}</pre>"


slider.observe(show, "value")
show(None)
display(mirror)
