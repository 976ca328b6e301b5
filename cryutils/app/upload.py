"""What a person gave to an upload button, as bytes and as sound.

Walked by notebook 00_start_here. `ipywidgets.FileUpload` keeps its files in a dictionary by
name in version 7 (Colab) and in a tuple in version 8; here both read the same.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import audio

__all__ = ["uploaded_files", "uploaded_sounds"]


def uploaded_files(widget: Any) -> dict[str, bytes]:
    """Return the bytes of each file in a `FileUpload`, by file name; empty before any upload."""
    value = widget.value
    if isinstance(value, dict):
        return {name: bytes(file["content"]) for name, file in value.items()}
    return {file["name"]: bytes(file["content"]) for file in value}


def uploaded_sounds(widget: Any, *, sr: int) -> dict[str, npt.NDArray[np.float32]]:
    """Return the sound of each uploaded file, float32 (samples,) at `sr` Hz, by file name.

    Any container that `audio.read` knows; nothing is kept on disk. Raises InputError for a
    file that holds no sound.
    """
    sounds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in uploaded_files(widget).items():
            path = Path(folder, Path(name).name)  # a browser's name may not leave the folder
            path.write_bytes(content)
            sounds[name] = audio.read(path, sr=sr)
    return sounds
