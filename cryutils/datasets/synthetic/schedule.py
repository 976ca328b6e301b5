"""The structure of the synthetic corpus: infants, labels, sessions and seeds.

`corpus.py` generates the files of this structure. Used in notebook 01_data_and_playback. As in
DonateACry, most clips of an infant share a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryutils.datasets.synthetic import voice
from cryutils.errors import InputError, near_miss

__all__ = ["AGES", "CLASSES", "PlannedClip", "plan"]

CLASSES = ("discomfort", "hungry", "pain", "tired")  # Paper B's four states
AGES = ("0-4 weeks", "4-8 weeks", "2-6 months", "7 months-2 years")  # in DonateACry's words

EPOCH_S = 1_420_070_400.0  # 2015-01-01, when DonateACry was recorded


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """A clip that is planned but not generated yet.

    start_s: unix time in s. voice_seed: of the infant. session_seed: of the session, which is the
    seed of its first clip. seed: of the clip.
    """

    id: str
    label: str
    infant: str
    session: str
    start_s: float
    sex: str
    age: str
    voice_seed: int
    session_seed: int
    seed: int


def plan(
    classes: Sequence[str] = CLASSES,
    *,
    infants: int = 24,
    clips_per_infant: int = 5,
    mostly: float = 0.85,
    duration_s: float = 7.0,
    seed: int = 0,
) -> list[PlannedClip]:
    """Return the planned clips of a corpus.

    classes: names in `voice.STATES`. infants: at least two for each class. clips_per_infant: at
    least 1. mostly: share of clips with their infant's main label, in [0, 1]; the rest go to the
    classes with fewest clips. duration_s: of a clip. seed: at least 0. Raises InputError for other
    values.

    >>> len(plan(["hungry", "tired"], infants=4, clips_per_infant=3))
    12
    """
    _check(classes, infants=infants, clips=clips_per_infant, mostly=mostly, seed=seed)
    rng = np.random.default_rng([seed, 3])
    kinds = list(classes)
    labels = _labels(len(kinds), infants, clips_per_infant, mostly, rng)
    sexes = rng.permutation(np.arange(infants) % 2)
    ages = rng.permutation(np.arange(infants) % len(AGES))
    seeds = rng.permutation(2 * infants * (clips_per_infant + 1)) + int(rng.integers(2**40))
    clips = []
    for i in range(infants):
        infant = f"infant-{i:03d}"
        infant_seed, *noise = (int(s) for s in seeds[i::infants][: clips_per_infant + 1])
        first: dict[int, int] = {}  # the seed of a session's first clip
        sessions = _sessions(clips_per_infant, duration_s, rng)
        for j, (session, start_s) in enumerate(sessions):
            clip = PlannedClip(
                id=f"{infant}-{j:02d}", label=kinds[labels[i][j]], infant=infant,
                session=f"{infant}-session-{session}", start_s=start_s,
                sex="fm"[sexes[i]], age=AGES[ages[i]], voice_seed=infant_seed,
                session_seed=first.setdefault(session, noise[j]), seed=noise[j],
            )  # fmt: skip
            clips.append(clip)
    return clips


def _check(classes: Sequence[str], *, infants: int, clips: int, mostly: float, seed: int) -> None:
    if isinstance(classes, str) or not classes:
        raise InputError(f"classes={classes!r} is not a list of states; try {list(CLASSES)}")
    for name in classes:
        if name not in voice.STATES:
            raise InputError(f"No state {name!r}.{near_miss(str(name), voice.STATES)}")
    if len(set(classes)) < len(classes):
        raise InputError(f"classes={list(classes)} names a state twice")
    if infants < 2 * len(classes):
        raise InputError(
            f"infants={infants} is too few: {len(classes)} classes need {2 * len(classes)} or more,"
            " two a class, for one infant to be held out"
        )
    if clips < 1:
        raise InputError(f"clips_per_infant={clips} leaves no clip; use 1 or more")
    if not 0.0 <= mostly <= 1.0:
        raise InputError(f"mostly={mostly} is not a share; use a number from 0 to 1")
    if seed < 0:
        raise InputError(f"seed={seed} is negative; use 0 or more")


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
