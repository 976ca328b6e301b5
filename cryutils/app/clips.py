"""Recordings of corrected answers, saved in a labelled folder: `Clips`.

Paper B §4, growing the dataset. Sound is kept only if the server's owner named a folder (`cryutils
serve --clips`) and the caregiver switched it on in the page. The last minutes of sound are then in
memory. A correction writes its part to <folder>/<label>/<infant>/, ready for `cryutils.load`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import resolve, writing
from cryutils.app.ring import Ring
from cryutils.audio.files import wav_bytes
from cryutils.errors import InputError
from cryutils.models.gate import WINDOW_S

__all__ = ["HELD_S", "Clips", "clips_dir"]

HELD_S = 300.0  # length of the sound in memory: 60 MB at 48 kHz


def clips_dir() -> Path | None:
    """Return the folder in `CRYUTILS_CLIPS_DIR`; None if it is not set, so no sound is kept."""
    value = os.environ.get("CRYUTILS_CLIPS_DIR")
    return resolve(value) if value else None


class Clips:
    """The last minutes of sound in memory, and the folder for the corrected parts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.forget()

    def forget(self) -> None:
        """Drop the sound in memory."""
        self._ring: Ring | None = None

    def push(self, samples: npt.NDArray[np.float32], sr: int, time: float) -> None:
        """Add a block of sound, (samples,) at `sr` Hz, that began at `time` (s since 1970)."""
        if self._ring is None or self._ring.sr != sr:
            self._ring = Ring(sr=sr, seconds=HELD_S)
        self._ring.write(time, samples)

    def keep(
        self, label: str, infant: str, start: float, stop: float, *, is_in_memory: bool = True
    ) -> Callable[[], None] | None:
        """Write the sound of the readings from `start` to `stop` (s since 1970) under a label.

        The sound begins one second before `start`, because a reading judges the second before it.
        If the sound has a break, only the last unbroken part is written. If it was already saved
        under another label, its file moves, even if its sound is no longer in memory. Returns a
        function that undoes this, or None if nothing is saved because the sound is too short or not
        in memory. Raises InputError if the file can't be written.
        """
        before = self._stored(infant, start)
        content = self._wav(start, stop) if is_in_memory else None
        if content is None and before is not None:
            content = before[1]
        if content is None:
            return None
        path = self.folder / label / infant / _file_name(start)
        if path.parent.parent.parent != self.folder or ".." in (label, infant):
            raise InputError(f"{label!r}: no name for a folder, so its sound can't be kept.")
        self._replace(infant, start, (path, content))
        return partial(self._replace, infant, start, before)

    def _stored(self, infant: str, start: float) -> tuple[Path, bytes] | None:
        """Return the path and content of the saved file for `start`; None if there is none."""
        for path in self.folder.glob(f"*/{infant}/{_file_name(start)}"):
            return path, path.read_bytes()
        return None

    def _replace(self, infant: str, start: float, file: tuple[Path, bytes] | None) -> None:
        """Make `file` the only saved file for `start`, under any label; None leaves no file."""
        try:
            if file is not None:
                with writing(file[0]) as part:
                    part.write_bytes(file[1])
            for other in self.folder.glob(f"*/{infant}/{_file_name(start)}"):
                if file is None or other != file[0]:
                    other.unlink()
        except OSError as error:
            words = error.strerror or error
            raise InputError(f"{self.folder}: the sound can't be kept there ({words}).") from error

    def _wav(self, start: float, stop: float) -> bytes | None:
        ring = self._ring  # another thread may drop it meanwhile
        if ring is None:
            return None
        x = ring.before(round(stop * ring.sr), most=round((stop - start + WINDOW_S) * ring.sr))
        return wav_bytes(x, ring.sr) if len(x) >= WINDOW_S * ring.sr else None


def _file_name(start: float) -> str:
    return f"{datetime.fromtimestamp(start, UTC):%Y%m%d-%H%M%S-%f}.wav"
