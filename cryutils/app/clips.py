"""The sound of what a caregiver corrected, kept as a labelled folder: `Clips`.

Paper B §4, growing the dataset. Nothing is kept unless the server's owner named a folder
(`cryutils serve --clips`) and the caregiver switched it on in the page; then the last minutes of
sound are in memory, and a correction writes its own part of them: <folder>/<label>/<infant>/, which
`cryutils.load` reads.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import resolve, writing
from cryutils.app.clip_view import wav_bytes
from cryutils.app.ring import Ring
from cryutils.errors import InputError
from cryutils.models.gate import WINDOW_S

__all__ = ["HELD_S", "Clips", "clips_dir"]

HELD_S = 300.0  # of sound in memory: 60 MB at 48 kHz


def clips_dir() -> Path | None:
    """Return the folder that `CRYUTILS_CLIPS_DIR` names, or None: then no sound is ever kept."""
    value = os.environ.get("CRYUTILS_CLIPS_DIR")
    return resolve(value) if value else None


class Clips:
    """The last minutes that were heard, and the folder for what is worth keeping of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.forget()

    def forget(self) -> None:
        """Drop what is in memory."""
        self._ring: Ring | None = None

    def push(self, samples: npt.NDArray[np.float32], sr: int, time: float) -> None:
        """Take a block of sound, (samples,) at `sr` Hz, its first sample heard at `time`.

        time: s since 1970.
        """
        if self._ring is None or self._ring.sr != sr:
            self._ring = Ring(sr=sr, seconds=HELD_S)
        self._ring.write(self._ring.position(time), samples)

    def keep(
        self, label: str, infant: str, start: float, stop: float, *, is_in_memory: bool = True
    ) -> Path | None:
        """Write the sound of the readings from `start` to `stop` (s since 1970) under a label.

        A reading is of the second before it. Of sound with a break the last unbroken part counts.
        The same stretch under another label moves there, even if its sound is no longer in memory.
        None where nothing is kept: the sound is not in memory, or another infant's, or shorter than
        that second. Raises InputError where it can't be written.
        """
        before = self.stored(infant, start)
        content = self._wav(start, stop) if is_in_memory else None
        if content is None and before is not None:
            content = before[1]
        if content is None:
            return None
        path = self.folder / label / infant / _file_name(start)
        if path.parent.parent.parent != self.folder or ".." in (label, infant):
            raise InputError(f"{label!r}: no name for a folder, so its sound can't be kept.")
        self.restore(infant, start, (path, content))
        return path

    def stored(self, infant: str, start: float) -> tuple[Path, bytes] | None:
        """Return the file that keeps the sound from `start` on, and its content."""
        for path in self.folder.glob(f"*/{infant}/{_file_name(start)}"):
            return path, path.read_bytes()
        return None

    def restore(self, infant: str, start: float, file: tuple[Path, bytes] | None) -> None:
        """Keep the sound from `start` on in this file alone, with this content; None: nowhere."""
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
        ring = self._ring  # another thread may forget it meanwhile
        if ring is None:
            return None
        x = ring.before(round(stop * ring.sr), most=round((stop - start + WINDOW_S) * ring.sr))
        return wav_bytes(x, ring.sr) if len(x) >= WINDOW_S * ring.sr else None


def _file_name(start: float) -> str:
    return f"{datetime.fromtimestamp(start, UTC):%Y%m%d-%H%M%S-%f}.wav"
