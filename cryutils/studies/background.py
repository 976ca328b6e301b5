"""The cry or the room? What a classifier scores from parts of recordings that lack one of them.

Used in notebooks lesson_6_pain_or_discomfort and 04_cry2, and by `cryutils audit --background`;
docs/audit.md says what the parts show.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils._io.parallel import thread_map
from cryutils.audio import spectral
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation.answers import Answers
from cryutils.evaluation.answers import answers as arrays
from cryutils.evaluation.splits import Fold, Indices, Names

Array = npt.NDArray[np.float32]

PARTS = {
    "whole": "whole recording",
    "quiet": "quietest tenth of the frames",
    "room": "their mean spectral shape alone (the room)",
    "change": "deviations of MFCC in loud frames (no channel)",
    "voice": "pitch, voicing, harmonicity, bursts (the voice)",
    "pitch": "pitch alone: median, spread, highest",
}
VOICE = (
    *("pitch", "pitch_spread", "highest_pitch", "pitch_change", "pitch_slope"),
    *("voicing", "harmonicity", "harmonicity_spread", "least_harmonicity"),
    *("bursts", "burst_length", "burst_length_spread", "sound_share"),
)
_HOP_S = 0.016
_LOUD_DB = 20.0  # below the loudest frame; quieter frames are no part of the voice
_PITCH_HZ = 150.0, 1200.0
_STEPS = 48  # pitches in an octave
_VOICED = 0.5  # the least autocorrelation of a voiced frame
_OCTAVE_COST = 0.02  # of the autocorrelation, for each octave below the highest pitch
_CALLIPER = 0.2  # standard deviations of the room's score within which two clips match


def features(x: Array, *, sr: int) -> dict[str, Array]:
    """Return the numbers of each part of a recording, float32 (numbers,), by its key in `PARTS`.

    Frames have 32 ms and come every 16 ms; they have 40 mel levels in dB and 20 MFCC. whole, quiet:
    mean and standard deviation over all frames, or the quietest tenth, of both. room: means of MFCC 1
    to 19 over the quietest tenth. change: standard deviations of MFCC 1 to 19 over frames at most
    20 dB below the loudest; a filter that stays the same cancels, noise and echo do not. voice: `voice`.
    Samples below 0.0005 of full scale at both ends are left out.

    x: float32 (samples,) at `sr` Hz. Raises InputError for an empty sound and for NaN.
    """
    x = spectral.without_padding(x)
    y = spectral.pre_emphasis(spectral.normalise_amplitude(x))
    n_fft, hop = 2 * round(_HOP_S * sr), round(_HOP_S * sr)
    spectrum = np.abs(spectral.stft(y, n_fft=n_fft, hop_length=hop)) ** 2
    power = spectrum @ spectral.mel_filters(sr=sr, n_fft=n_fft, n_mels=40).T
    level = power.sum(axis=1)
    quiet = np.argsort(level, kind="stable")[: -(-len(level) // 10)]
    is_loud = level >= level.max() / 10 ** (_LOUD_DB / 10)
    # The 80 dB below the peak that `power_to_db` keeps: of all frames, and of the quiet ones alone.
    mel, pauses = spectral.power_to_db(power), spectral.power_to_db(power[quiet])
    mfcc, shape = spectral.cepstrum(mel), spectral.cepstrum(pauses)
    numbers = voice(*pitch(x, sr=sr), is_loud)
    return {
        "whole": spectral.summarise([np.hstack([mel, mfcc])])[0],
        "quiet": spectral.summarise([np.hstack([pauses, shape])])[0],
        "room": shape[:, 1:].mean(axis=0),
        "change": mfcc[is_loud, 1:].std(axis=0),
        "voice": numbers,
        "pitch": numbers[:3],
    }


def pitch(x: Array, *, sr: int) -> tuple[Array, Array]:
    """Return the pitch in Hz and the periodicity of a sound, two of float32 (1 + samples // hop,).

    There is a frame of 64 ms every 16 ms (hop), as in `spectral.stft`. The periodicity is its
    autocorrelation at the period of the pitch, divided by that of the window: 1 for a periodic sound, 0 for
    noise (Boersma 1993, Proc. Inst. Phonetic Sciences 17:97). The pitch is the one from 150 to 1200 Hz with
    the largest, less 0.02 for each octave below 1200 Hz. x: float32 (samples,) at `sr` Hz.
    """
    hop = round(_HOP_S * sr)
    n = 4 * hop
    padded = np.pad(x, (n // 2, n))
    rows = np.lib.stride_tricks.sliding_window_view(padded, n)[: len(x) + 1 : hop]
    hann = spectral.window(n)
    octaves = np.arange(0, np.log2(_PITCH_HZ[1] / _PITCH_HZ[0]), 1 / _STEPS)
    hz = _PITCH_HZ[1] * 2**-octaves
    bins = np.arange(n + 1)[:, None]
    cosines = np.cos(np.pi * bins / n * np.r_[0, sr / hz]) * np.where(bins % n, 2, 1)

    def autocorrelation(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        lags = np.abs(np.fft.rfft(values, 2 * n)) ** 2 @ cosines
        return np.asarray(lags[..., 1:] / np.maximum(lags[..., :1], 1e-20))

    windowed = (rows - rows.mean(axis=1, keepdims=True)) * hann
    periodicity = autocorrelation(windowed) / autocorrelation(hann)
    rises = np.diff(periodicity) > 0
    is_peak = np.pad(rises[:, :-1] & ~rises[:, 1:], ((0, 0), (1, 1)))
    periodicity[~is_peak] = -1
    best = (periodicity - _OCTAVE_COST * octaves).argmax(axis=1)
    strength = np.take_along_axis(periodicity, best[:, None], 1)[:, 0]
    return hz[best].astype(np.float32), strength.astype(np.float32)


def voice(hz: Array, periodicity: Array, is_loud: npt.NDArray[np.bool_]) -> Array:
    """Return the numbers named in `VOICE` of a recording, float32 (13,).

    Pitch (octaves re 440 Hz) and harmonicity (dB) of voiced frames: loud, and with a periodicity of at
    least 0.5, or all loud frames if none is. Medians, 10th to 90th percentile (spread), the 90th of pitch,
    the 10th of harmonicity, and the median absolute and mean change of pitch in octaves per s. voicing: the
    share of loud frames. Bursts, runs of loud frames of 0.1 s or more: number per s, mean length and its
    standard deviation in s. sound_share: of loud frames.

    hz, periodicity: from `pitch`. is_loud: bool (frames,).
    """
    voiced = is_loud & (periodicity >= _VOICED)
    used = voiced if voiced.any() else is_loud
    octaves = np.log2(hz / 440)
    share = np.clip(periodicity[used], 1e-3, 1 - 1e-3)
    harmonicity = np.quantile(10 * np.log10(share / (1 - share)), [0.1, 0.5, 0.9])
    low, middle, high = np.quantile(octaves[used], [0.1, 0.5, 0.9])
    steps = np.diff(octaves)[used[1:] & used[:-1]] / _HOP_S
    steps = steps if len(steps) else np.zeros(1)
    edges = np.flatnonzero(np.diff(np.r_[0, is_loud, 0]))
    lengths = (edges[1::2] - edges[::2]) * _HOP_S
    lengths = lengths[lengths >= 0.1] if (lengths >= 0.1).any() else lengths
    numbers = [
        *(middle, high - low, high, np.median(np.abs(steps)), steps.mean()),
        *(voiced.sum() / is_loud.sum(), harmonicity[1], harmonicity[2] - harmonicity[0], harmonicity[0]),
        *(len(lengths) / (len(hz) * _HOP_S), lengths.mean(), lengths.std(), is_loud.mean()),
    ]
    return np.array(numbers, np.float32)


def parts(sounds: Sequence[Array], *, sr: int) -> dict[str, Array]:
    """Return the `features` of sounds, float32 (sounds, numbers), by their key in `PARTS`."""
    rows = list(thread_map(partial(features, sr=sr), sounds, what="clips"))
    return {name: np.stack([row[name] for row in rows]) for name in PARTS}


def answers(
    corpus: Corpus, numbers: Mapping[str, Array], *, folds: int | Sequence[Sequence[Fold]]
) -> pd.DataFrame:
    """Return the leak-free answers of an SVM to each part, columns of `evaluation.out_of_fold`.

    The part is the column `condition`. numbers: from `parts`. folds: as in `evaluation.out_of_fold`,
    which raises the same errors.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    classes = np.array(corpus.classes)

    def svm(train: Indices, test: Indices, x: Array) -> npt.NDArray[Any]:
        model = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
        distance = model.fit(x[train], corpus.labels[train]).decision_function(x[test])
        distance = np.column_stack([-distance, distance]) if distance.ndim == 1 else distance
        scores = np.full((len(test), len(classes)), -float(len(classes)))  # of a class that training lacks
        scores[:, np.searchsorted(classes, model.classes_)] = distance
        return scores

    tables = []
    for name, x in numbers.items():
        table = evaluation.out_of_fold(partial(svm, x=x), corpus, split="leak_free", folds=folds)
        tables.append(table.assign(condition=name, model="svm"))
    return pd.concat(tables)


def scores(answered: pd.DataFrame) -> pd.DataFrame:
    """Return scores with 95 % intervals over infants: condition, metric, value, low, high, n, n_infants.

    answered: from `answers`. The metrics: balanced_accuracy; paired, the share of pairs of recordings of
    one infant with different labels that are ranked right (guessing: 0.5); and for the voice, matched:
    the same among pairs whose room scores differ by at most 0.2 standard deviations of all clips. The last
    two are left out where no two infants have such pairs; n is then the number of pairs.
    """
    rows = [evaluation.score(answered, "balanced_accuracy").reset_index()]
    rows[0]["metric"] = "balanced_accuracy"
    by_part = {name: arrays(part) for name, part in answered.groupby("condition", sort=False)}
    for name, part in by_part.items():
        metrics = {"paired": None} | ({"matched": by_part.get("room")} if name in ("voice", "pitch") else {})
        for metric, rival in metrics.items():
            right, infants = pairs(part, rival)
            if len(set(infants)) > 1:
                row = evaluation.mean_interval(right, infants, limits=(0, 1)).row()
                rows.append(pd.DataFrame([{"condition": name, "metric": metric, **row}]))
    return pd.concat(rows, ignore_index=True).drop(columns="split")


def pairs(part: Answers, rival: Answers | None = None) -> tuple[npt.NDArray[np.float64], Names]:
    """Return whether pairs of an infant's clips with different labels are ranked right, and the infants.

    Of each repeat: 1, 0 or, for ties, 0.5, float64 (repeats, pairs). rival: answers to the same clips;
    only pairs that these hardly rank, by at most 0.2 standard deviations of all clips, are used.
    """
    same, other = (np.equal.outer(each, each) for each in (part.infants, part.truth))
    first, second = np.nonzero(np.triu(same & ~other))
    one, two = part.truth[first], part.truth[second]

    def gaps(strengths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        sides = [strengths[..., clip, one] - strengths[..., clip, two] for clip in (first, second)]
        return np.asarray(sides[0] - sides[1])

    right = (np.sign(gaps(part.strengths)) + 1) / 2
    if rival is not None:
        mean = rival.strengths.mean(axis=0)
        spread = (mean[:, :, None] - mean[:, None]).std(axis=0)[one, two]
        is_near = np.abs(gaps(mean)) <= _CALLIPER * spread
        return right[:, is_near], part.infants[first][is_near]
    return right, part.infants[first]
