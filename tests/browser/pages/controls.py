"""The notebook of the tests of sliders and upload: cells are split at `# %%`.

The figures are as heavy as notebook 02's, so that a slider moves on while one is drawn.
"""

# %%
import json

import ipywidgets
import numpy as np
from IPython.display import display
from matplotlib import pyplot as plt

from cryutils import plots
from cryutils.app.knobs import knobs
from cryutils.app.upload import sound_upload
from cryutils.audio import spectral

x = np.random.default_rng(0).uniform(-0.5, 0.5, 40_000).astype(np.float32)


def look(n_fft, n_mfcc):
    fig, axes = plt.subplots(1, 2, figsize=(12, 3.2), layout="constrained")
    settings = {"n_fft": n_fft, "hop_length": n_fft // 4}
    level = spectral.stft_db(x, **settings)
    plots.spectrogram(level, axes[0], sr=8000, hop_length=n_fft // 4)
    picture = spectral.mfcc(x, sr=8000, n_mfcc=n_mfcc, n_mels=40, **settings)
    plots.cepstrogram(picture, axes[1], sr=8000, hop_length=n_fft // 4)
    return plots.source(fig, "noise")


def waveform(name, samples):
    fig, ax = plt.subplots(figsize=(6, 2), layout="constrained")
    plots.waveform(samples, ax, sr=8000).set(title=name)
    return fig


first = ipywidgets.SelectionSlider(options=[128, 256, 512, 1024, 2048], value=512)
second = ipywidgets.IntSlider(min=2, max=40, value=20)
turned = knobs(look, n_fft=first, n_mfcc=second)

# %%
turned  # noqa: B018

# %%
sound_upload(waveform, sr=8000)

# %%
mirror = ipywidgets.HTML()
sizes = []


def show(change) -> None:
    if change and change["owner"] is turned.children[-1]:
        sizes.append(len(change["new"]))
    state = {"values": [first.value, second.value], "sizes": sizes}
    mirror.value = f"<pre class='mirror'>{json.dumps(state)}</pre>"


for widget in turned.children:
    widget.observe(show, "value")
show(None)
display(mirror)
