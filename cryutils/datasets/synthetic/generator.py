"""Generate the synthetic corpus: WAV or MP4 files of planned infants, in the cache.

Used in notebooks lesson_4_who_is_in_the_data and 05_image. As in DonateACry, each infant has several clips,
most of them with the same label, in sessions of a few minutes. The corpus is NEVER evidence about
real infants; `states.py` lists the assumptions.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from cryutils._io.parallel import thread_map
from cryutils._io.paths import cache_dir, explain_write_errors, writing
from cryutils.audio.files import wav_bytes
from cryutils.datasets.archives import Dataset
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.datasets.synthetic import face, voice
from cryutils.datasets.synthetic.states import Dials
from cryutils.errors import InputError, near_miss

# Raise these when the same parameters give different files, so that no outdated file is read from
# the cache. There are two, because changed faces need no new voices.
VERSION = 2
FACES = 3
CLASSES = ("discomfort", "hungry", "pain", "tired")  # Paper B's four states
AGES = ("0-4 weeks", "4-8 weeks", "2-6 months", "7 months-2 years")  # in DonateACry's words

EPOCH_S = 1_420_070_400.0  # 2015-01-01, when DonateACry was recorded


def plan(
    classes: Sequence[str] = CLASSES,
    *,
    infants: int = 24,
    clips_per_infant: int = 5,
    mostly: float = 0.85,
    duration_s: float = 7.0,
    seed: int = 0,
) -> list[tuple[Clip, dict[str, int]]]:
    """Return the clips of a corpus, and the seeds of each as arguments of `voice.plan`.

    A clip's path has no folder and no suffix yet. classes: names in `voice.STATES`. infants: at
    least two for each class. mostly: share of clips with their infant's main label, in [0, 1]; the
    rest go to the classes with fewest clips. Raises InputError for values out of range.

    >>> len(plan(["hungry", "tired"], infants=4, clips_per_infant=3))
    12
    """
    _check(classes, infants=infants, clips=clips_per_infant, mostly=mostly, seed=seed)
    rng = np.random.default_rng([seed, 3])
    labels = _labels(len(classes), infants, clips_per_infant, mostly, rng)
    sexes = rng.permutation(np.arange(infants) % 2)
    ages = rng.permutation(np.arange(infants) % len(AGES))
    # 64 bits: a browser's own integers have 32.
    seeds = rng.permutation(2 * infants * (clips_per_infant + 1)).astype(np.int64)
    seeds += int(rng.integers(2**40))
    planned = []
    for i in range(infants):
        infant = f"infant-{i:03d}"
        infant_seed, *clip_seeds = (int(s) for s in seeds[i::infants][: clips_per_infant + 1])
        first: dict[int, int] = {}  # the seed of a session's first clip
        sessions = _sessions(clips_per_infant, duration_s, rng)
        for j, (session, start_s) in enumerate(sessions):
            label, name = classes[labels[i][j]], f"{infant}-{j:02d}"
            clip = Clip(
                id=name,
                path=Path(label, infant, name),
                label=label,
                infant=infant,
                session=f"{infant}-session-{session}",
                start_s=start_s,
                duration_s=float(duration_s),
                has_audio=True,
                has_video=False,
                sex="fm"[sexes[i]],
                age=AGES[ages[i]],
            )
            shared = first.setdefault(session, clip_seeds[j])
            planned.append((clip, {"infant": infant_seed, "session": shared, "seed": clip_seeds[j]}))
    return planned


def _check(classes: Sequence[str], *, infants: int, clips: int, mostly: float, seed: int) -> None:
    for name in classes:
        if name not in voice.STATES:
            raise InputError(f"No state {name!r}.{near_miss(str(name), voice.STATES)}")
    least = 2 * len(classes)
    for is_right, words in (
        (len(set(classes)) == len(classes) > 0, f"classes={list(classes)}: name each state once"),
        (infants >= least, f"infants={infants} is too few; use {least} or more, two a class"),
        (clips >= 1, f"clips_per_infant={clips} leaves no clip; use 1 or more"),
        (0.0 <= mostly <= 1.0, f"mostly={mostly} is not a share; use a number from 0 to 1"),
        (seed >= 0, f"seed={seed} is negative; use 0 or more"),
    ):
        if not is_right:
            raise InputError(words)


def _labels(
    classes: int, infants: int, clips: int, mostly: float, rng: np.random.Generator
) -> list[list[int]]:
    """Return class indices, a list for each infant, with classes as even as whole clips allow."""
    share = mostly if classes > 1 else 1.0
    by_class = sorted(range(infants), key=lambda i: i % classes)
    # Steps of a rounded running sum, so that the total is right although each infant has few clips.
    steps = np.diff(np.floor(share * clips * np.arange(infants + 1) + 0.5)).astype(int)
    labels: list[list[int]] = [[] for _ in range(infants)]
    for i, step in zip(by_class, steps, strict=True):
        labels[i] = [i % classes] * int(step)
    counts = np.bincount([kind for kinds in labels for kind in kinds], minlength=classes)
    for i, kinds in enumerate(labels):
        while len(kinds) < clips:
            others = [kind for kind in range(classes) if kind != i % classes]
            rarest = min(others, key=lambda kind: int(counts[kind]))
            counts[rarest] += 1
            kinds.append(rarest)
    return [[kinds[j] for j in rng.permutation(clips)] for kinds in labels]


def _sessions(clips: int, duration_s: float, rng: np.random.Generator) -> list[tuple[int, float]]:
    """Return each clip's session number and unix time: one to three clips, minutes apart."""
    start = EPOCH_S + rng.uniform(0, 300 * 86400)
    session, left = 0, int(rng.integers(1, 4))
    times = []
    for _ in range(clips):
        if left == 0:
            session, left = session + 1, int(rng.integers(1, 4))
            start += rng.uniform(0.15, 5) * 86400
        times.append((session, round(start, 1)))
        left -= 1
        start += duration_s + rng.uniform(20, 300)
    return times


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
    progress: bool = True,
) -> Corpus:
    """Return a synthetic corpus, generating the files that are not in the cache.

    They are in a folder named by a hash of everything that shapes them. Raises InputError for a
    value outside its range, an unknown class, or a cache that can't be written.

    classes, infants, clips_per_infant, mostly, duration_s, seed: as in `plan`.
    signal, identity, interaction, session: 0 to 1, see `states.Dials`.
    video: whether to write MP4 files with faces and the same voices, instead of WAV files.
    fps, size: frames per second, 1 to 120; pixels per side, even, 64 to 1024.
    """
    structure: dict[str, Any] = {
        "classes": list(classes),
        "infants": infants,
        "clips_per_infant": clips_per_infant,
        "mostly": float(mostly),
        "duration_s": float(duration_s),
        "seed": seed,
    }
    planned = plan(**structure)
    dials = Dials(float(signal), float(identity), float(interaction), float(session))
    shaped = {"version": VERSION, "numpy": np.__version__, "sr": sr, **structure, **asdict(dials)}

    def cry(number: int) -> voice.CryPlan:
        clip, seeds = planned[number]
        return voice.plan(clip.label, **seeds, dials=dials, duration_s=clip.duration_s)

    cry(0)  # raises InputError for a duration out of range
    if video:
        picture = {"fps": float(fps), "size": size, "dials": asdict(dials)}
        shaped |= {"picture": picture, **_versions_of_video(fps, size, sr)}
    key = hashlib.sha256(json.dumps(shaped, sort_keys=True).encode()).hexdigest()[:16]
    root = cache_dir() / "synthetic" / key
    suffix = ".mp4" if video else ".wav"
    clips = [replace(clip, path=root / f"{clip.path}{suffix}", has_video=video) for clip, _ in planned]

    def make(number: int) -> None:
        path, plan = clips[number].path, cry(number)
        sound = voice.render(plan, sr)
        if video:
            from cryutils.video import mp4

            frames = face.frames(face.plan(plan, fps=float(fps)), size=size)
            mp4.write(path, frames, fps=float(fps), sound=sound, sr=sr, synthetic=True)
        else:
            with writing(path) as part:
                part.write_bytes(wav_bytes(sound, sr))

    missing = [number for number, clip in enumerate(clips) if not clip.path.is_file()]
    with explain_write_errors(root):
        # Threads, because a script without a main guard can't start processes.
        what = f"synthetic {'videos' if video else 'cries'}"
        for _ in thread_map(make, missing, what=what, progress=progress):
            pass
    return Corpus(
        clips,
        name="synthetic",
        note=f"synthetic voices{' and faces' * video}: no evidence about real infants",
        citation=DATASET.citation,
        licence=DATASET.licence,
    )


def _versions_of_video(fps: float, size: int, sr: int) -> dict[str, Any]:
    """Return the versions that shape a film's bytes. Raises InputError for what a film can't have."""
    import av
    import cv2

    from cryutils.video.mp4 import SOUND_RATES

    face.check(fps=fps, size=size)
    if sr not in SOUND_RATES:
        rates = ", ".join(map(str, SOUND_RATES))
        raise InputError(f"sr={sr} is no rate of a video's sound; use one of {rates} Hz.")
    return {"faces": FACES, "av": av.__version__, "opencv": cv2.__version__}


DATASET = Dataset(
    title="synthetic infants",
    contents="generated voices and faces, no evidence about real infants",
    load=load,
    licence="MIT, as the software",
    citation="Generated by cryutils; nothing to cite but this software.",
)
