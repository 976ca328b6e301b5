"""What a person gives to an upload button, heard and seen as soon as it is there.

Walked by notebook 00_start_here. `ipywidgets.FileUpload` keeps its files in a dictionary by
name in version 7 (Colab) and in a tuple in version 8; here both read the same.
"""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils import audio
from cryutils.app.clip_view import wav_bytes
from cryutils.app.knobs import PICTURE, drawing, figure_png
from cryutils.audio.spectral import normalise_amplitude
from cryutils.errors import InputError
from cryutils.models.inputs import sound_problem

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.figure import Figure

__all__ = ["sound_upload", "uploaded_files", "uploaded_sounds"]

Sounds = npt.NDArray[np.float32]


def sound_upload(draw: Callable[[str, Sounds], Figure], *, sr: int) -> ipywidgets.VBox:
    """Return an upload button above the picture and the sound of what is uploaded.

    A file that can't be heard is answered in one line. Nothing is kept on disk.

    Parameters
    ----------
    draw : function
        `draw(name, x)` returns the figure of a recording, x float32 (samples,). It is called by the
        upload itself, so no cell has to run again, and under Voilà none could.
    sr : int
        Rate of x in Hz.
    """
    import ipywidgets

    button = ipywidgets.FileUpload(accept="audio/*,video/*", multiple=False)
    says = ipywidgets.HTML("Nothing uploaded yet.")
    results = ipywidgets.VBox()

    def show(change: Any) -> None:
        try:
            sounds = uploaded_sounds(button, sr=sr)
        except InputError as error:
            results.children, says.value = (), html.escape(str(error))
            return
        with drawing:
            results.children = tuple(
                widget
                for name, x in sounds.items()
                for widget in (
                    ipywidgets.Image(
                        value=figure_png(draw(name, x)), format="png", layout=PICTURE
                    ),
                    ipywidgets.Audio(
                        value=wav_bytes(normalise_amplitude(x), sr), format="wav",
                        autoplay=False, loop=False,
                    ),
                )
            )  # fmt: skip
        says.value = "<br/>".join(
            f"{html.escape(name)}: {sound_problem(x, sr) or f'{len(x) / sr:.1f} s'}"
            for name, x in sounds.items()
        )

    button.observe(show, names="value")
    return ipywidgets.VBox([button, says, results])


def uploaded_files(widget: Any) -> dict[str, bytes]:
    """Return the bytes of each file in a `FileUpload`, by file name; empty before any upload."""
    value = widget.value
    if isinstance(value, dict):
        return {name: bytes(file["content"]) for name, file in value.items()}
    return {file["name"]: bytes(file["content"]) for file in value}


def uploaded_sounds(widget: Any, *, sr: int) -> dict[str, Sounds]:
    """Return the sound of each uploaded file, float32 (samples,) at `sr` Hz, by file name.

    Any container that `audio.read` knows; nothing is kept on disk. Raises InputError for a
    file that holds no sound.
    """
    sounds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in uploaded_files(widget).items():
            path = Path(folder, Path(name).name)  # a browser's name may not leave the folder
            path.write_bytes(content)
            try:
                sounds[name] = audio.read(path, sr=sr)
            except InputError as error:  # the folder is gone before the person could look for it
                raise InputError(str(error).replace(str(path), name)) from error
    return sounds
