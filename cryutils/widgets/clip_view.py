"""What pages show: scripts, and a clip's picture and sound.

Introduced in notebook lesson_4_who_is_in_the_data. The still picture needs no kernel.
"""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryutils.audio.files import wav_bytes
from cryutils.audio.spectral import normalise_amplitude, resample, stft_db
from cryutils.errors import InputError

if TYPE_CHECKING:
    import PIL.Image
    from IPython.display import Audio

TOP_KHZ = 8.0  # above a cry's formants
DASHES = ("-", "--", ":", "-.")  # so that lines also differ without colour
STILL_SR = 8000
STILL_S = 8.0


def asset(name: str) -> str:
    """Return a widget's script or style such as "player.js", preceded by what all widgets share."""
    folder, kind = Path(__file__).parent, Path(name).suffix
    parts = (folder / f"shared{kind}", folder / name)
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A named sound in memory: `samples` float32 (n,) in [-1, 1] at `sr` Hz.

    Raises InputError for another shape, no samples, NaN or infinity, or an invalid rate.
    """

    name: str
    label: str
    samples: NDArray[np.float32]
    sr: int

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, dtype=np.float32)
        is_row = samples.ndim == 1 and samples.size > 0
        if not (is_row and np.isfinite(samples).all() and self.sr > 0):
            what = f"{self.name}: samples of shape {samples.shape} at {self.sr} Hz"
            raise InputError(f"{what}; a sound is one row of finite samples at a rate above 0.")
        object.__setattr__(self, "samples", samples)

    @property
    def duration_s(self) -> float:
        """The length in s."""
        return self.samples.size / self.sr


def listen(samples: NDArray[np.float32], *, sr: int) -> "Audio":
    """Return a player of a sound, scaled to full scale.

    Parameters
    ----------
    samples : array
        Float32 (n,).
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    IPython.display.Audio
        An audio element, which plays without a kernel.

    Examples
    --------
    >>> "audio/wav" in listen(np.sin(np.arange(8000, dtype=np.float32)), sr=8000)._repr_html_()
    True
    """
    from IPython.display import Audio

    # IPython's own scaling divides by the loudest sample and shows a red warning for silence.
    return Audio(wav_bytes(normalise_amplitude(samples), sr))


def picture(
    samples: NDArray[np.float32],
    sr: int,
    tracks: Mapping[str, NDArray[np.float64]],
    classes: Sequence[str],
    step_s: float,
) -> tuple[bytes, dict[str, float]]:
    """Return a clip's waveform, spectrogram and answers as PNG, and where the axes are.

    samples: float32 (n,) at `sr` Hz. tracks: by model float (moments, classes), NaN for no answer,
    a moment every `step_s` seconds. The position has left, top, width and height of the axes as
    fractions of the picture. Margins are fixed, because a layout engine takes as long as drawing.
    """
    from matplotlib.figure import Figure

    from cryutils import plots
    from cryutils.plots.palette import INK

    panels = len(tracks)
    labels = 0.7 if panels else 0.45  # below the axes, in inches, as is `height`
    height = 2.4 + labels + 0.55 * panels
    top, bottom, gap = 0.07 / height, labels / height, 0.2 if panels else 0.12
    margins = {"left": 0.07, "right": 0.98, "top": 1 - top, "bottom": bottom, "hspace": gap}
    figure = Figure((10, height))
    axes = figure.subplots(
        2 + panels, sharex=True, height_ratios=(1, 2, *[0.7] * panels), gridspec_kw=margins
    )
    plots.waveform(samples, axes[0], sr=sr)
    n_fft = 2 ** max(4, round(np.log2(0.032 * sr)))  # about 32 ms resolve a cry's harmonics
    hop_length = max(n_fft // 2, samples.size // 1000)
    level = stft_db(samples, n_fft=n_fft, hop_length=hop_length)
    plots.spectrogram(level, axes[1], sr=sr, hop_length=hop_length)
    axes[1].images[0].colorbar.remove()  # there is no room for it
    axes[1].set_ylim(0, min(TOP_KHZ, sr / 2000))
    for ax, (model, rows) in zip(axes[2:], tracks.items(), strict=True):
        edges = np.arange(len(rows) + 1) * step_s
        for name, shares, ink, dash in zip(classes, rows.T, cycle(INK), cycle(DASHES)):
            ax.stairs(shares, edges, baseline=None, color=ink, ls=dash, lw=1.8, label=name)
        ax.set(ylim=(-0.05, 1.05), yticks=(0, 1), yticklabels=("0", "100"), ylabel=f"{model}, %")
    for ax in axes:
        ax.set(xlabel="time in s" if ax is axes[-1] else "")
    if panels:
        lines = axes[-1].get_legend_handles_labels()
        figure.legend(*lines, loc="outside lower center", ncols=len(lines[0]), frameon=False, borderpad=0)
    figure.savefig(png := io.BytesIO(), format="png", dpi=100)
    return png.getvalue(), {"left": 0.07, "top": top, "width": 0.91, "height": 1 - top - bottom}


def still_html(sound: Sound, png: bytes, *, source: str, frame: NDArray[np.uint8] | None = None) -> str:
    """Return HTML that shows and plays `sound` without a kernel or network.

    png: its `picture`. A `frame` of its video, uint8 (height, width, 3) RGB, is shown above. To keep
    saved notebooks small, the sound is resampled to 8 kHz and cut after 8 s, which the text states.
    """
    from PIL import Image

    samples, sr = sound.samples, sound.sr
    if sr > STILL_SR:
        samples, sr = resample(samples, sr=sr, to=STILL_SR), STILL_SR
    excerpt = samples[: int(STILL_S * sr)]
    cut = f" (the first {STILL_S:g} s)" if excerpt.size < samples.size else ""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((720, 720))
    image = image.quantize(64)
    sound_64 = base64.b64encode(wav_bytes(excerpt, sr)).decode()
    text, above = html.escape(f"{sound.label}: {sound.name}, {sound.duration_s:.2f} s"), ""
    if frame is not None:
        still = Image.fromarray(frame)
        still.thumbnail((224, 224))
        above = f'<img alt="A frame of {text}" src="{_image_url(still, "jpeg", quality=85)}"/><br/>'
    return (
        f'<div><p><b>{text}</b>{cut}</p>{above}<img alt="Waveform and spectrogram of {text}" '
        f'src="{_image_url(image, "png", optimize=True)}" width="720"/><br/>'
        f'<audio controls src="data:audio/wav;base64,{sound_64}"></audio>'
        f"<p><small>{html.escape(source)}</small></p></div>"
    )


def _image_url(image: "PIL.Image.Image", kind: str, **options: Any) -> str:
    image.save(buffer := io.BytesIO(), kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
