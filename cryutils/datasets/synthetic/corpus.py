"""Generate the synthetic corpus: WAV or MP4 files of the infants in `schedule.py`, in the cache.

Used in notebooks 01_data_and_playback and 05_image. Each infant has several clips, most of them
with the same label, in sessions of a few minutes. Whether a score is valid depends on how the split
treats this structure. DonateACry has it; for Paper A's videos it is unknown. The corpus is NEVER
evidence about real infants; `states.py` and `face_states.py` list the assumptions.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from cryutils._io.parallel import thread_map
from cryutils._io.paths import cache_dir, explain_write_errors, file_digest, naming, writing
from cryutils.audio.files import wav_bytes
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.datasets.registry import Dataset
from cryutils.datasets.synthetic import face, voice
from cryutils.datasets.synthetic.dials import Dials
from cryutils.datasets.synthetic.schedule import CLASSES, plan
from cryutils.errors import InputError
from cryutils.video import mp4

__all__ = ["DATASET", "FACES", "VERSION", "load", "write_mp4", "write_wav"]

# Raise these when the same parameters give different files, so that no outdated file is read from
# the cache. There are two, because changed faces need no new voices.
VERSION = 2
FACES = 2
CRF, PRESET = 26, "superfast"  # 38 dB, in two thirds of the time and size of 23 and "veryfast"


def write_wav(path: Path, cry: voice.CryPlan, *, sr: int) -> None:
    """Write the sound of a cry as WAV, 16 bits per sample, `sr` samples per second."""
    sound = voice.render(cry, sr)
    with writing(path) as part:
        part.write_bytes(wav_bytes(sound, sr))


def write_mp4(path: Path, cry: voice.CryPlan, moves: face.FacePlan, *, size: int, sr: int) -> None:
    """Write the sound of a cry as AAC, and a face of `size` pixels per side as H.264."""
    frames, sound = face.frames(moves, size=size), voice.render(cry, sr)
    mp4.write(path, frames, fps=moves.fps, sound=sound, sr=sr, crf=CRF, preset=PRESET)


def load(
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
) -> Corpus:
    """Return a synthetic corpus, generating the files that are not in the cache.

    The files are `<label>/<infant>/<id>` in a folder named by a hash of everything that shapes
    them. Files are written whole, so a killed call can be repeated. Every call compares each file
    with its sha256 and generates damaged files again.

    classes, infants, clips_per_infant, mostly, duration_s, seed: as in `schedule.plan`.
    signal, identity, interaction, session: 0 to 1, see `dials.Dials`.
    sr: samples per second.
    video: whether to write MP4 files with faces and the same voices, instead of WAV files.
    fps, size: frames per second, 1 to 120; pixels per side, even, 64 to 1024.
    face_signal, face_identity: 0 to 1, separate dials for the face. The mouth then follows a cry
    planned with these dials, not the sound, because the timing and width of its opening would
    reveal the label.
    progress: whether to show a bar on a terminal or in a notebook.

    Raises InputError for a value outside its range, an unknown class, or a cache that can't be
    written.
    """
    planned = plan(
        classes, infants=infants, clips_per_infant=clips_per_infant, mostly=mostly,
        duration_s=duration_s, seed=seed,
    )  # fmt: skip
    dials = Dials(float(signal), float(identity), float(interaction), float(session))
    shaped: dict[str, Any] = {
        "version": VERSION, "numpy": np.__version__, "classes": list(classes), "infants": infants,
        "clips_per_infant": clips_per_infant, "mostly": float(mostly), "sr": sr, "seed": seed,
        "duration_s": float(duration_s), **asdict(dials),
    }  # fmt: skip
    of_face = {"signal": face_signal, "identity": face_identity}
    separate = {name: float(dial) for name, dial in of_face.items() if dial is not None}
    face_dials = replace(dials, **separate)

    def cry(number: int, dials: Dials) -> voice.CryPlan:
        clip = planned[number]
        return voice.plan(
            clip.label, infant=clip.voice_seed, seed=clip.seed, session=clip.session_seed,
            dials=dials, duration_s=float(duration_s),
        )  # fmt: skip

    cry(0, dials)  # raises InputError for dials and a duration out of range
    voice.check_rate(sr)
    if video:
        shaped |= _shaped_by_video(face_dials, fps=fps, size=size, sr=sr)
    elif separate:
        raise InputError("face_signal and face_identity shape a face; give video=True as well.")
    key = hashlib.sha256(json.dumps(shaped, sort_keys=True).encode()).hexdigest()[:16]
    root = cache_dir() / "synthetic" / key
    suffix = ".mp4" if video else ".wav"
    clips = [
        Clip(
            id=clip.id, path=root / clip.label / clip.infant / f"{clip.id}{suffix}",
            label=clip.label, infant=clip.infant, session=clip.session, start_s=clip.start_s,
            duration_s=float(duration_s), has_audio=True, has_video=video, sex=clip.sex,
            age=clip.age,
        )
        for clip in planned
    ]  # fmt: skip

    def make(number: int) -> None:
        path, heard = clips[number].path, cry(number, dials)
        if video:
            moves = face.plan(cry(number, face_dials), fps=float(fps), dials=face_dials)
            write_mp4(path, heard, moves, size=size, sr=sr)
        else:
            write_wav(path, heard, sr=sr)

    what = f"synthetic {'videos' if video else 'cries'}"
    _make_missing(clips, make, root=root, what=what, progress=progress)
    return Corpus(
        clips,
        name="synthetic",
        note=f"synthetic voices{' and faces' * video}: no evidence about real infants",
        citation=DATASET.citation,
        licence=DATASET.licence,
    )


def _shaped_by_video(dials: Dials, *, fps: float, size: int, sr: int) -> dict[str, Any]:
    """Return what else shapes a video's bytes. Raises InputError for values out of range."""
    import av
    import cv2

    face.check(fps=fps, size=size, dials=dials)
    if sr not in mp4.SOUND_RATES:
        rates = ", ".join(map(str, mp4.SOUND_RATES))
        raise InputError(f"sr={sr} is no rate of a video's sound; use one of {rates} Hz.")
    picture = {"fps": float(fps), "size": size, "dials": asdict(dials)}
    codecs = {"av": av.__version__, "opencv": cv2.__version__}
    return {"faces": FACES, "picture": picture, **codecs}


def _make_missing(
    clips: Sequence[Clip], make: Callable[[int], None], *, root: Path, what: str, progress: bool
) -> None:
    """Call `make` for the number of each clip whose file in `root` is missing or damaged."""
    names = [f"{root.name}/{clip.path.relative_to(root).as_posix()}" for clip in clips]
    sums = root / "SHA256SUMS"  # for `sha256sum --check` in the parent folder
    lines = sums.read_text(errors="replace").splitlines() if sums.is_file() else []
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def is_wrong(number: int) -> bool:
        try:
            return file_digest(clips[number].path) != listed.get(names[number])
        except OSError:  # missing or unreadable
            return True

    def make_and_list(number: int) -> None:
        make(number)
        with naming(sums), sums.open("a") as file:
            file.write(f"{file_digest(clips[number].path)}  {names[number]}\n")

    with ThreadPoolExecutor() as pool:
        checked = pool.map(is_wrong, range(len(clips)))
        wrong = [number for number, bad in enumerate(checked) if bad]
    if not wrong:
        return
    damaged = sum(names[number] in listed for number in wrong)
    what += f" ({damaged} lost or damaged, made again)" if damaged else ""
    with explain_write_errors(root):
        try:
            # Threads, because NumPy, OpenCV and the codecs release the interpreter's lock, and a
            # script without a main guard can't start processes.
            for _ in thread_map(make_and_list, wrong, what=what, progress=progress):
                pass
        except OSError:
            if not listed.keys() >= set(names):  # free the space, the disk may be full
                shutil.rmtree(root, ignore_errors=True)
            raise


DATASET = Dataset(
    title="synthetic infants",
    contents="generated voices and faces, no evidence about real infants",
    load=load,
    licence="MIT, as the software",
    citation="Generated by cryutils; nothing to cite but this software.",
    is_synthetic=True,
)
