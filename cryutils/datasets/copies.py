"""Detection of recordings that are filed under several infants: `merge_copies`.

`datasets.load` calls it for any folder, because a leak-free split would otherwise train on
recordings that it tests. The decoded sound is compared, so the format of a file does not matter.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cryutils._io.cache import cached
from cryutils._io.parallel import identity, thread_map
from cryutils._io.paths import file_digest
from cryutils.audio.files import native_rate, read
from cryutils.audio.spectral import mel_db, resample
from cryutils.datasets.corpus import Clip, Problem
from cryutils.errors import printable

__all__ = ["merge_copies"]

Array = npt.NDArray[np.float32]

# The threshold was chosen after looking at DonateACry and at synthetic voices (docs/deviations.md).
_NEARLY = 0.95  # correlation of two contours that count as nearly equal
_LEAST_S = 1.0  # shorter sounds resemble each other by chance
_SR = 8000  # Hz; telephones transmit no more
_HOP = 100  # samples, 12.5 ms
_BANDS = slice(2, 18)  # of 18 mel bands; a constant offset and mains hum are below these
_STEPS = 96  # time steps, for any duration
_EDGE = 0.005  # share of the energy cut off before the first step and after the last
_NO_CONTOUR = np.zeros((_BANDS.stop - _BANDS.start, _STEPS), np.float32)
_VERSION = 1  # raise it when the same files give other digests or contours


def merge_copies(clips: Sequence[Clip]) -> tuple[list[Clip], list[Problem]]:
    """Return the clips with infants that share a recording merged, and the problems found.

    Recordings are copies if their decoded samples are equal; silent recordings and pictures, if
    their files are equal. Nearly equal sounds of different infants, such as a louder, compressed or
    slightly faster copy, are listed as doubtful and not merged. Excerpts are not recognised.
    """
    audible = [clip for clip in clips if clip.has_audio]
    sounds = _sounds(audible)
    digests = {clip.path: digest for clip, (digest, _) in zip(audible, sounds, strict=True)}
    merged, problems = _merge(clips, _copies(clips, digests))
    infants = {clip.id: clip.infant for clip in merged}
    for similar in _similar(np.array([contour for _, contour in sounds])):
        first, *others = (audible[k] for k in similar)
        if len({infants[clip.id] for clip in (first, *others)}) > 1:
            what = (
                f"sounds nearly the same as {', '.join(clip.id for clip in others)}, of another"
                " infant; if these are copies, keep one"
            )
            problems.append(Problem("doubtful", first.id, what))
    return merged, problems


def _merge(
    clips: Sequence[Clip], sets: Sequence[dict[str, Clip]]
) -> tuple[list[Clip], list[Problem]]:
    """Return the clips with the infants of each set of copies merged, and a problem per set."""
    group = {clip.infant: {clip.infant} for clip in clips}
    problems = []
    for copies in sets:
        infants = sorted({clip.infant for clip in copies.values()})
        labels = sorted({clip.label for clip in copies.values()})
        whole = set().union(*(group[infant] for infant in infants))
        group.update(dict.fromkeys(whole, whole))
        item, *others = copies
        what = f"identical recordings: {', '.join(others)}"
        what += f"; infants {', '.join(infants)} count as one" if len(infants) > 1 else ""
        what += f"; labels {', '.join(labels)}" if len(labels) > 1 else ""
        problems.append(Problem("contradiction", item, what))
    names = {infant: " + ".join(sorted(whole)) for infant, whole in group.items()}
    return [replace(clip, infant=names[clip.infant]) for clip in clips], problems


def _copies(clips: Sequence[Clip], digests: dict[Path, str]) -> list[dict[str, Clip]]:
    """Return each set of equal recordings or stills: their clips by file name."""
    by_content: dict[str, dict[str, Clip]] = defaultdict(dict)
    for clip in clips:
        for path in filter(None, (clip.path, clip.still)):
            name = Path(clip.id).with_name(printable(path.name)).as_posix()
            by_content[digests.get(path) or file_digest(path)][name] = clip
    return [copies for copies in by_content.values() if len(copies) > 1]


def _sounds(clips: Sequence[Clip]) -> list[tuple[str, Array]]:
    """Return the `_sound` of each clip, from the cache while their files are the same.

    Without it, every notebook decodes the 1,128 uploads again, which takes half a minute.
    """
    files = [identity(clip.path) for clip in clips]
    return cached(
        lambda: list(thread_map(_sound, clips, what="Comparing")), "sounds", _VERSION, files
    )


def _sound(clip: Clip) -> tuple[str, Array]:
    """Return a digest of a clip's samples, "" for silence, and its contour.

    The contour is float32 (bands, steps) of norm 1, or 0 if there is too little sound. It shows how
    the level of each band changes between the first and the last sound, whatever the recording's
    level and tempo.
    """
    rate, x = native_rate(clip.path), read(clip.path)
    if not x.any():
        return "", _NO_CONTOUR
    digest = hashlib.sha256(f"{rate} Hz".encode())
    digest.update(np.ascontiguousarray(x).data)
    return digest.hexdigest(), _contour(resample(x, sr=rate, to=_SR))


def _contour(x: Array) -> Array:
    if len(x) < _LEAST_S * _SR:
        return _NO_CONTOUR
    db = mel_db(x, sr=_SR, n_fft=512, hop_length=_HOP, n_mels=_BANDS.stop)[:, _BANDS]
    energy = np.cumsum((10 ** (db.astype(np.float64) / 10)).sum(axis=1))
    first, last = np.searchsorted(energy, np.array([_EDGE, 1 - _EDGE]) * energy[-1])
    if (last - first) * _HOP < _LEAST_S * _SR:
        return _NO_CONTOUR
    sums = np.cumsum(db[first : last + 1].astype(np.float64), axis=0)
    edges = np.linspace(0, len(sums) - 1, _STEPS + 1)
    steps = np.diff([np.interp(edges, np.arange(len(sums)), band) for band in sums.T])
    steps -= steps.mean(axis=1, keepdims=True)
    return (steps / max(float(np.linalg.norm(steps)), 1e-9)).astype(np.float32)


def _similar(contours: Array) -> Iterator[list[int]]:
    """Yield the numbers of each group of contours that are linked by near equality."""
    from sklearn.cluster import DBSCAN

    if not len(contours):
        return
    # A cluster of DBSCAN may have a single member here, so clusters are the linked groups.
    links = DBSCAN(eps=1 - _NEARLY, min_samples=1, metric="cosine")
    group = links.fit_predict(np.reshape(contours, (len(contours), -1)))
    for number in np.flatnonzero(np.bincount(group) > 1):
        yield np.flatnonzero(group == number).tolist()
