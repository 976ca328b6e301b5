"""Detection of sounds that are filed under several infants: `merge_copies`.

`datasets.load` calls it for any folder, because a leak-free split would otherwise train on
recordings that it tests. The decoded sound is compared, in two ways:

1. *Samples.* Files with equal samples are one recording, whatever their format.
2. *Peaks.* The gaps between five loud moments in a row identify a place in a recording, as pairs of
   spectral peaks do in Wang (2003), An industrial-strength audio search algorithm, ISMIR. Sounds
   that share four such places at the same shift share a part. For example, peaks at 0, 200, 500,
   900 and 1500 samples have the gaps 200, 300, 400, 600. An excerpt that starts 100 samples earlier
   has its peaks at 100, 300, 600, 1000 and 1600, with the same gaps and a shift of 100.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cryutils._io.cache import cached
from cryutils._io.parallel import identity, thread_map
from cryutils._io.paths import file_digest
from cryutils.audio.files import inspect, read
from cryutils.audio.spectral import resample
from cryutils.datasets.corpus import Clip, Problem
from cryutils.errors import printable

Times = npt.NDArray[np.int32]

_SR = 8000  # Hz; telephones transmit no more
_LEAST_S = 0.8  # that two sounds share
_APART = 120  # samples; a peak is the loudest sample within this distance
_GAPS = 4  # between peaks in a row, which identify a moment
_NEAR = 4  # samples by which equal gaps and times may differ
_MOMENTS = 4  # moments that two sounds with a common part share at least, in the same order
_COMMON = 0.4  # share of the peaks in the overlap that coincide
_VERSION = 3  # raise it when the same files give other digests or peaks


def merge_copies(clips: Sequence[Clip]) -> tuple[list[Clip], list[Problem]]:
    """Return the clips with infants that share a recording merged, and the problems found.

    Recordings are copies if their decoded samples are equal; silent recordings and pictures, if
    their files are equal. Different infants' sounds with a common part are listed as doubtful and not
    merged.
    """
    from scipy.cluster.hierarchy import DisjointSet

    audible = [clip for clip in clips if clip.has_audio]
    files = [identity(clip.path) for clip in audible]
    rows = partial(thread_map, _sound, audible, what="Comparing", progress=True)
    sounds = cached(lambda: list(rows()), "sounds", _VERSION, files)
    digests = {clip.path: digest for clip, (digest, _) in zip(audible, sounds, strict=True)}
    merged, problems = _merge(clips, _copies(clips, digests))
    audible = [clip for clip in merged if clip.has_audio]
    linked = DisjointSet(range(len(sounds)))
    for a, b in _overlaps([peaks for _, peaks in sounds]):
        linked.merge(a, b)
    for group in sorted(map(sorted, linked.subsets())):
        first, *others = (audible[k] for k in group)
        if any(clip.infant != first.infant for clip in others):
            names = ", ".join(clip.id for clip in others)
            what = f"shares a part with {names}, of another infant"
            problems.append(Problem("doubtful", first.id, f"{what}; give them the same infant"))
    return merged, problems


def _merge(clips: Sequence[Clip], sets: Sequence[dict[str, Clip]]) -> tuple[list[Clip], list[Problem]]:
    """Return the clips with the infants of each set of copies merged, and a problem per set."""
    from scipy.cluster.hierarchy import DisjointSet

    same = DisjointSet(clip.infant for clip in clips)
    problems = []
    for copies in sets:
        infants = sorted({clip.infant for clip in copies.values()})
        labels = sorted({clip.label for clip in copies.values()})
        for infant in infants:
            same.merge(infants[0], infant)
        item, *others = copies
        what = f"identical recordings: {', '.join(others)}"
        what += f"; infants {', '.join(infants)} count as one" if len(infants) > 1 else ""
        what += f"; labels {', '.join(labels)}" if len(labels) > 1 else ""
        problems.append(Problem("contradiction", item, what))
    names = {infant: " + ".join(sorted(same.subset(infant))) for infant in same}
    return [replace(clip, infant=names[clip.infant]) for clip in clips], problems


def _copies(clips: Sequence[Clip], digests: dict[Path, str]) -> list[dict[str, Clip]]:
    """Return each set of equal recordings or stills: their clips by file name."""
    by_content: dict[str, dict[str, Clip]] = defaultdict(dict)
    for clip in clips:
        for path in filter(None, (clip.path, clip.still)):
            name = Path(clip.id).with_name(printable(path.name)).as_posix()
            by_content[digests.get(path) or file_digest(path)][name] = clip
    return [copies for copies in by_content.values() if len(copies) > 1]


def _sound(clip: Clip) -> tuple[str, Times]:
    """Return a digest of a clip's samples, "" for silence, and its peaks.

    These are the samples at 8 kHz that are loudest within 15 ms, int32 (peaks,).
    """
    rate, x = inspect(clip.path).sr, read(clip.path)
    if not x.any():
        return "", np.zeros(0, np.int32)
    digest = hashlib.sha256(f"{rate} Hz".encode())
    digest.update(np.ascontiguousarray(x).data)
    return digest.hexdigest(), _peaks(resample(x, sr=rate, to=_SR))


def _peaks(x: npt.NDArray[np.float32]) -> Times:
    from scipy.ndimage import maximum_filter1d

    level = np.convolve(x**2, np.ones(9), "same")
    peaks = np.flatnonzero((level > 0) & (level == maximum_filter1d(level, 2 * _APART + 1)))
    return peaks[np.diff(peaks, prepend=-_APART - 1) > _APART].astype(np.int32)


def _overlaps(peaks: Sequence[Times]) -> Iterator[tuple[int, int]]:
    """Yield pairs of sounds with a common part of about a second, whatever its place and level.

    Gaps between peaks in a row identify a moment. Moments that occur in several sounds link each of
    these with the next one only, so that memory grows with the number of sounds.
    """
    if sum(map(len, peaks)) <= _GAPS:
        return
    times, sound = np.concatenate(peaks), np.repeat(np.arange(len(peaks)), [*map(len, peaks)])
    gaps = np.minimum(np.diff(times) // _NEAR, 4095).astype(np.int64)
    moments = np.lib.stride_tricks.sliding_window_view(gaps, _GAPS)
    # Equal gaps come from steady tones, which sound alike in different recordings.
    usable = (np.diff(np.sort(moments, axis=1), axis=1) > 0).all(axis=1)
    (place,) = np.nonzero(usable & (sound[_GAPS:] == sound[:-_GAPS]))
    moment = moments[place] @ np.int64(4096) ** np.arange(_GAPS)  # also where integers have 32 bits
    order = np.lexsort((place, moment))
    same = (np.diff(moment[order]) == 0) & (np.diff(sound[place[order]]) > 0)
    first, second = place[order[:-1][same]], place[order[1:][same]]
    shift = (times[first] - times[second] + _NEAR // 2) // _NEAR
    links, count = np.unique([sound[first], sound[second], shift], axis=1, return_counts=True)
    for a, b, shift in links.T[count >= _MOMENTS].tolist():
        if _coincide(peaks[a], peaks[b] + shift * _NEAR):
            yield a, b


def _coincide(first: Times, second: Times) -> bool:
    """Return whether enough peaks of two sounds are at the same times where both have sound."""
    start, stop = max(first[0], second[0]) - _NEAR, min(first[-1], second[-1]) + _NEAR
    both = np.sort([t for each in (first, second) for t in each[(each >= start) & (each <= stop)]])
    equal = np.count_nonzero(np.diff(both) <= _NEAR)
    return bool(stop - start > _LEAST_S * _SR and 2 * equal >= _COMMON * len(both))
