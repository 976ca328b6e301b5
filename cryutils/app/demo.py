"""The demonstration of `cryutils serve --demo`: a synthetic film and a sample log.

Paper B §3, the live analysis page. The film replaces microphone and camera and is analysed in the
same way. The log of the previous days is made up. All files are in a temporary folder, which is
removed when the process ends.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import outputs_dir, scratch_dir
from cryutils.app.readings import HOP_S, NO_CRY, UNSURE, Reading
from cryutils.errors import InputError
from cryutils.papers.trained_models import runs_with_models

if TYPE_CHECKING:
    from cryutils.app.store import Store

__all__ = [
    "INFANT", "MADE_UP", "make_film", "make_log", "newest_run", "use_scratch_folder",
]  # fmt: skip

INFANT, MADE_UP = "Demo infant", "made up for the demonstration"
# The scenes of the film with their lengths in s: a state in which the infant cries, or a background
# sound while the infant is quiet.
_SCENES = (
    ("household", 4), ("hungry", 14), ("speech", 6), ("pain", 14), ("music", 6), ("tired", 14),
    ("motor", 6), ("discomfort", 14),
)  # fmt: skip
_QUIET = 0.15  # peak of the background sounds, as a fraction of full scale
_SR, _FPS, _SIZE = 16_000, 8.0, 240  # Hz, frames per second, pixels
_DAYS, _HOURS, _SESSION_S = 5, (2, 7, 11, 15, 20), 300.0  # the log: days, hours of sessions, length
_DAY_S, _HOUR_S = 86_400.0, 3_600.0


def newest_run() -> str:
    """Return the name of the run to use: `quick` if it has models, else the page's choice.

    Raises InputError if no run has models yet.
    """
    runs = [run.name for run in runs_with_models("full")]
    if not runs:
        raise InputError(
            f"{outputs_dir()}: no run has models for the page yet; `cryutils run 04_cry2 05_image`"
            " trains them on synthetic infants in about two minutes."
        )
    return "quick" if "quick" in runs else runs[0]


def use_scratch_folder() -> Path:
    """Keep all files of this process in a folder that is removed at the end.

    Returns where the film will be.
    """
    folder = scratch_dir()
    tempfile.tempdir = str(folder)
    os.environ["CRYUTILS_STORE"] = f"sqlite:///{folder}/store.sqlite"
    return folder / "film.mp4"


def make_film(path: Path) -> None:
    """Write the film: an infant that cries for one reason after another, with quiet in between."""
    from cryutils.video import mp4

    rng = np.random.default_rng(0)
    scenes = [_scene(name, float(seconds), rng) for name, seconds in _SCENES]
    sound = np.concatenate([x for x, _ in scenes])
    pictures = chain.from_iterable(frames for _, frames in scenes)
    mp4.write(
        path, pictures, fps=_FPS, sound=sound, sr=_SR, crf=26, preset="superfast", synthetic=True
    )


def _scene(
    name: str, seconds: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], Iterator[npt.NDArray[np.uint8]]]:
    """Return the sound, float32 (samples,), and the frames of a scene."""
    from cryutils.datasets.synthetic import face, voice
    from cryutils.datasets.synthetic.distractors import KINDS, distractor
    from cryutils.datasets.synthetic.states import Dials

    is_quiet = name in KINDS
    # An average infant, with states as distinct as possible.
    dials = Dials(signal=1.0, identity=0.3)
    state = "tired" if is_quiet else name
    cry = voice.plan(state, infant=1, seed=3, dials=dials, duration_s=seconds)
    if is_quiet:
        cry = replace(cry, opening=np.zeros_like(cry.opening))
        x = distractor(name, rng=rng, duration_s=seconds, sr=_SR)
        x *= np.float32(_QUIET / np.abs(x).max())
    else:
        x = voice.render(cry, _SR)
    return x, face.frames(face.plan(cry, fps=_FPS, dials=dials), size=_SIZE)


def make_log(home: Store, *, now: float) -> None:
    """Add the sample infant with a log of five days; each reading's note says it is made up.

    now: s since 1970; the last session ends more than an hour before.
    """
    log, rng = home.add_infant(INFANT), np.random.default_rng(0)
    midnight = now - now % _DAY_S
    starts = (midnight - _DAY_S * day + _HOUR_S * hour for day in range(_DAYS) for hour in _HOURS)
    for start in starts:
        if start + _SESSION_S + _HOUR_S < now:
            log.append(log.begin(MADE_UP), _session(start, rng))


def _session(start: float, rng: np.random.Generator) -> list[Reading]:
    """Return the readings of a session in which the infant cries once."""
    from cryutils.datasets.synthetic.generator import CLASSES

    state, sure = str(rng.choice(CLASSES)), float(rng.uniform(0.5, 0.8))
    first, last = np.sort(rng.uniform(0, _SESSION_S, 2))
    readings = []
    for after in np.arange(HOP_S, _SESSION_S, HOP_S):
        cries = first <= after < last
        verdict = (state if rng.random() < 0.9 else UNSURE) if cries else NO_CRY
        share = 0.25 if verdict == UNSURE else sure
        shares = {name: share if name == state else (1 - share) / 3 for name in CLASSES}
        readings.append(Reading(start + after, verdict, shares if cries else {}, note=MADE_UP))
    return readings
