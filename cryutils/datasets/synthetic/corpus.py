"""The synthetic corpus: the WAV or MP4 files of everyone in `schedule.py`, made once and kept.

Walked by notebooks 01 (data and playback) and 05 (image); `cryutils.load("synthetic", **dials)`
reads what `build` returns. It has the structure that makes or breaks an evaluation: several clips
an infant, most of them with the same label, in sessions of a few minutes. (DonateACry has it; of
Paper A's videos nobody knows.) It is NEVER evidence about real infants; see `states.py` and
`face_states.py` for what is assumed.
"""

from __future__ import annotations

import hashlib
import json
import wave
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryutils._io import paths
from cryutils._io.parallel import thread_map
from cryutils._io.paths import file_digest, naming, writing
from cryutils.datasets.synthetic import face, voice
from cryutils.datasets.synthetic.dials import Dials
from cryutils.datasets.synthetic.schedule import CLASSES, PlannedClip, plan
from cryutils.errors import InputError
from cryutils.video import mp4

__all__ = ["FACES", "VERSION", "Picture", "build", "write_mp4", "write_wav"]

CRF, PRESET = 26, "superfast"  # 38 dB at two thirds of the time and size that 23, "veryfast" take


@dataclass(frozen=True, slots=True)
class Picture:
    """How clips are filmed: frames a second, pixels of a side, and the face's own dials."""

    fps: float
    size: int
    dials: Dials

    def check(self, *, sr: int) -> None:
        """Raise InputError where no MP4 file could be written with these values."""
        face.check(fps=self.fps, size=self.size, dials=self.dials)
        if sr not in mp4.SOUND_RATES:
            rates = ", ".join(map(str, mp4.SOUND_RATES))
            raise InputError(f"sr={sr} is no rate of a video's sound; use one of {rates} Hz")


def write_wav(
    path: Path,
    state: str,
    *,
    infant: int,
    seed: int,
    session: int,
    dials: Dials,
    duration_s: float,
    sr: int,
) -> None:
    """Write the sound that `voice.cry` gives for these arguments, 16 bits a sample."""
    sound = voice.cry(
        state, infant=infant, seed=seed, session=session, dials=dials, duration_s=duration_s, sr=sr
    )
    with writing(path) as part, wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sr)
        file.writeframes(np.round(sound * 32767).astype("<i2").tobytes())


def write_mp4(
    path: Path,
    state: str,
    *,
    infant: int,
    seed: int,
    session: int,
    dials: Dials,
    duration_s: float,
    sr: int,
    picture: Picture,
) -> None:
    """Write the same sound as AAC and a face that cries it as H.264.

    Where the face has dials of its own, its mouth moves with the cry that those dials plan and
    no longer with the sound: when and how wide it opens would give the label away.
    """

    def planned(dials: Dials) -> voice.CryPlan:
        return voice.plan(
            state, infant=infant, seed=seed, session=session, dials=dials, duration_s=duration_s
        )

    heard = planned(dials)
    visible = heard if picture.dials == dials else planned(picture.dials)
    moves = face.plan(visible, fps=picture.fps, dials=picture.dials)
    frames = face.frames(moves, size=picture.size)
    sound = voice.render(heard, sr)
    mp4.write(path, frames, fps=picture.fps, sound=sound, sr=sr, crf=CRF, preset=PRESET)


PARALLEL_FROM_S = 60.0  # less sound than this is not worth a second thread


# Raise it whenever the same dials give other files: nothing outdated is then read from the cache.
# Two of them, so that a changed face makes no new voices.
VERSION = 2
FACES = 2


def build(
    classes: Sequence[str] = CLASSES,
    *,
    signal: float = 1.0,
    identity: float = 1.0,
    interaction: float = 0.0,
    session: float = 0.0,
    infants: int = 24,
    clips_per_infant: int = 5,
    mostly: float = 0.85,
    duration_s: float = 7.0,
    sr: int = 16000,
    seed: int = 0,
    video: bool = False,
    fps: float = 30,
    size: int = 224,
    face_signal: float | None = None,
    face_identity: float | None = None,
    progress: bool = True,
) -> tuple[Path, list[dict[str, Any]]]:
    """Return the folder of a synthetic corpus and a row for each clip, making what is missing.

    The 16-bit WAV files are `<label>/<infant>/<id>.wav` below the returned folder, which is
    named after everything that shaped them; each is written whole, so a killed build resumes,
    and compared with its sha256 each time, so a damaged one is made again.
    signal, identity, interaction, session: see `dials.Dials`, each in [0, 1]. sr: samples a second.
    video: MP4 files with a face instead, of the same voices. fps: frames a second, 1 to 120. size:
    pixels of a side, even, 64 to 1024. face_signal, face_identity: the face's own dials in [0, 1],
    None for the voice's; with others its mouth no longer moves with the sound (see `write_mp4`).
    progress: a bar on a terminal or in a notebook. The others as in `plan`. A row has `id, path,
    label, infant, session, start_s, duration_s, sex, age`, with `path` relative to the folder.
    Raises InputError for a value outside its range or a class that is unknown.
    """
    clips = plan(
        classes, infants=infants, clips_per_infant=clips_per_infant, mostly=mostly,
        duration_s=duration_s, seed=seed,
    )  # fmt: skip
    dials = Dials(float(signal), float(identity), float(interaction), float(session))
    voice.check(clips[0].label, infant=0, seed=0, session=0, dials=dials, duration_s=duration_s)
    voice.check_rate(sr)
    shaped: dict[str, Any] = {
        "version": VERSION, "numpy": np.__version__, "classes": list(classes), "infants": infants,
        "clips_per_infant": clips_per_infant, "mostly": float(mostly), "sr": sr, "seed": seed,
        "duration_s": float(duration_s), **asdict(dials),
    }  # fmt: skip
    face_dials = {"signal": face_signal, "identity": face_identity}
    picture = _picture(face_dials, dials, video=video, fps=fps, size=size, sr=sr)
    if picture:
        shaped |= {"faces": FACES, "picture": asdict(picture), **_codecs()}
    key = hashlib.sha256(json.dumps(shaped, sort_keys=True).encode()).hexdigest()[:16]
    root = paths.cache_dir() / "synthetic" / key
    write = partial(write_mp4, picture=picture) if picture else write_wav
    rows = [_row(clip, clip.path(".mp4" if picture else ".wav"), duration_s) for clip in clips]
    files = {
        row["path"]: partial(
            write, root / row["path"], clip.label, infant=clip.voice_seed, seed=clip.seed,
            session=clip.session_seed, dials=dials, duration_s=float(duration_s), sr=sr,
        )
        for clip, row in zip(clips, rows, strict=True)
    }  # fmt: skip
    what = "synthetic videos" if picture else "synthetic cries"
    threads_from = 0.0 if picture else PARALLEL_FROM_S / duration_s
    made = _make(root, files, what, threads_from=threads_from, progress=progress)
    index = root / "index.json"
    if made or not index.is_file():
        with paths.writing(index) as path:
            path.write_text(json.dumps({"shaped_by": shaped, "clips": rows}, indent=1))
    return root, rows


def _picture(
    face_dials: dict[str, float | None],
    dials: Dials,
    *,
    video: bool,
    fps: float,
    size: int,
    sr: int,
) -> Picture | None:
    """How the clips are filmed, if they are: with the face's own dials, else with the voice's."""
    if not video:
        for name, dial in face_dials.items():
            if dial is not None:
                raise InputError(f"face_{name}={dial} shapes a face; give video=True as well")
        return None
    faces = {name: float(dial) for name, dial in face_dials.items() if dial is not None}
    picture = Picture(fps=float(fps), size=size, dials=replace(dials, **faces))
    picture.check(sr=sr)
    return picture


def _codecs() -> dict[str, str]:
    """What else shapes a video's bytes."""
    import av
    import cv2

    return {"av": av.__version__, "opencv": cv2.__version__}


def _row(clip: PlannedClip, path: str, duration_s: float) -> dict[str, Any]:
    return {
        "id": clip.id,
        "path": path,
        "label": clip.label,
        "infant": clip.infant,
        "session": clip.session,
        "start_s": clip.start_s,
        "duration_s": float(duration_s),
        "sex": clip.sex,
        "age": clip.age,
    }


def _make(
    root: Path,
    files: Mapping[str, Callable[[], None]],
    what: str,
    *,
    threads_from: float,
    progress: bool,
) -> bool:
    """Write those of `files` that aren't in `root` as they were written; tell whether any."""
    sums = root / "SHA256SUMS"  # for `sha256sum --check`, in the folder above
    lines = set(sums.read_text(errors="replace").splitlines()) if sums.is_file() else set()
    with ThreadPoolExecutor() as pool:
        digests = pool.map(partial(_line, root), files)
        wrong = [path for path, line in zip(files, digests, strict=True) if line not in lines]
    if not wrong:
        return False
    listed = {line.partition("  ")[2] for line in lines}
    if damaged := sum(f"{root.name}/{path}" in listed for path in wrong):
        what += f" ({damaged} lost or damaged, made again)"

    def make(path: str) -> None:
        files[path]()
        with naming(sums), sums.open("a") as file:
            file.write(f"{_line(root, path)}\n")

    # Threads, because NumPy, OpenCV and the codecs let go of the interpreter's lock; processes
    # were no faster, and a script without a main guard can't start them.
    jobs = 1 if len(wrong) < threads_from else None
    for _ in thread_map(make, wrong, what=what, progress=progress, jobs=jobs):
        pass
    return True


def _line(root: Path, path: str) -> str | None:
    """Return the sha256 and name of a file, None where it can't be read."""
    with suppress(OSError):
        return f"{file_digest(root / path)}  {root.name}/{path}"
    return None
