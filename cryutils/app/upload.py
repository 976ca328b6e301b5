"""An upload button that shows and plays a recording, `sound_upload`, for notebook 00_start_here.

`ipywidgets.FileUpload` sends a file in one message, and Jupyter's servers close a connection
silently above 10 MiB. This button sends a file in pieces.
"""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from cryutils import audio
from cryutils.app.knobs import PICTURE, drawing, figure_png
from cryutils.app.scripts import asset
from cryutils.audio.files import wav_bytes
from cryutils.audio.spectral import normalise_amplitude
from cryutils.errors import InputError
from cryutils.models.inputs import sound_problem

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.figure import Figure

__all__ = ["UploadButton", "sound_upload"]

Sounds = npt.NDArray[np.float32]


class UploadButton(anywidget.AnyWidget):
    """A button that asks for a file and calls `take(name, content)` once it has arrived.

    For a file above `most_bytes`, which is not sent, it calls `refuse(message)`.
    """

    _esm = asset("upload.js")

    most_bytes = traitlets.Int(500_000_000).tag(sync=True)  # held in memory

    def __init__(
        self, take: Callable[[str, bytes], object], refuse: Callable[[str], object]
    ) -> None:
        super().__init__()
        self._content = bytearray()
        self._take, self._refuse = take, refuse
        self.on_msg(self._receive)

    def __repr__(self) -> str:
        return "UploadButton()"

    def _receive(self, _widget: Any, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        name, size, at = message["name"], message["size"], message["at"]
        if size > self.most_bytes:
            most = f"at most {self.most_bytes / 1e6:.0f} MB, such as a part of it"
            self._refuse(f"{name}: {size / 1e6:.0f} MB; give a file of {most}.")
            return
        if at == 0:
            self._content = bytearray()
        if at != len(self._content):  # the rest of a file that a newer upload replaced
            return
        self._content += buffers[0]
        if len(self._content) == size:
            content, self._content = bytes(self._content), bytearray()
            self._take(name, content)


def sound_upload(draw: Callable[[str, Sounds], Figure], *, sr: int) -> ipywidgets.VBox:
    """Return an upload button above the figure and the sound of the uploaded recording.

    At each upload `draw(name, x)` returns the figure of the recording, x float32 (samples,) at `sr`
    Hz. A file that can't be read gives a one-line message. Nothing is kept on disk.
    """
    import ipywidgets

    says = ipywidgets.HTML("Nothing uploaded yet.")
    results = ipywidgets.VBox()

    def refuse(message: str) -> None:
        results.children, says.value = (), html.escape(message)

    def show(name: str, content: bytes) -> None:
        try:
            x = _sound(name, content, sr)
        except InputError as error:
            refuse(str(error))
            return
        with drawing:
            picture = figure_png(draw(name, x))
        results.children = (
            ipywidgets.Image(value=picture, format="png", layout=PICTURE),
            ipywidgets.Audio(
                value=wav_bytes(normalise_amplitude(x), sr), format="wav",
                autoplay=False, loop=False,
            ),
        )  # fmt: skip
        says.value = f"{html.escape(name)}: {sound_problem(x, sr) or f'{len(x) / sr:.1f} s'}"

    return ipywidgets.VBox([UploadButton(show, refuse), says, results])


def _sound(name: str, content: bytes, sr: int) -> Sounds:
    """Return the sound of an uploaded file. Raises InputError for a file without sound."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(name).name)  # the browser's name may contain folders
        path.write_bytes(content)
        try:
            return audio.read(path, sr=sr)
        except InputError as error:  # name the user's file, not the temporary one
            raise InputError(str(error).replace(str(path), name)) from error
