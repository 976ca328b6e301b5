"""Detection of crying: `Gate` scores each second of a sound, `bursts` joins the seconds.

Used in notebook 13_live_and_deployment, by the live analysis and by `cryutils predict`. Paper B §3
sends every window to its classifier, which predicts a state even for a vacuum cleaner. `Gate`, the
mean of small networks with one hidden layer, runs before it. `tools/fit_gate.py` trains it on real
recordings, writes its weights and threshold to `gate.json`, and measures its errors.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import project_dir
from cryutils.audio import spectral

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

READY = Path(__file__).with_name("gate.json")
SR = 8000  # Hz, as in DonateACry
WINDOW_S, STEP_S = 1.0, 0.5
QUIETEST_DB = -70.0  # mean level re full scale; a fainter window is too quiet to judge
_LOUD_DB = -50.0  # from here on, no window is too quiet
_ABOVE_DB = 3.0  # above the room's own noise, a window counts in full
_PART_S, _CONTEXT_S, _SHORT_S = 0.25, 7.0, 3.0  # the room's own noise is the quietest part of 7 s
_HUM_HZ = 200.0  # below: hum of the mains, wind and handling, but no infant's voice
_WHOLE, _TAIL = 65536, 4096  # samples of a spectrum, and after which the filter is silent
_N_FFT, _HOP, _N_MELS, _N_MFCC = 512, 128, 40, 20
_PITCHED = slice(4, 32)  # mel bands from 0.2 to 2.7 kHz
CRY_PAUSE_S = 2.0  # without a passing window ends a burst
LEAST = 2  # of four windows pass where a burst begins


def level_db(x: Array) -> float:
    """Return the mean level of a sound in dB re full scale; -120 for digital silence."""
    return float(10 * np.log10(np.mean(np.square(x, dtype=np.float64)) + 1e-12))


def without_hum(x: Array) -> Array:
    """Return a sound at `SR` Hz without its offset and what lies below 200 Hz, float32 (samples,).

    A Butterworth filter of order 8: 50 Hz falls by 96 dB, 100 Hz by 48 dB, 300 Hz by 0.01 dB. It is
    applied to spectra, because importing scipy.signal takes 60 MiB, a quarter of the application.
    """
    x = x - x.mean(dtype=np.float64)
    y = np.zeros(len(x) + _TAIL)
    step = _WHOLE - _TAIL
    for start in range(0, len(x), step):
        spectrum = np.fft.rfft(x[start : start + step], _WHOLE)
        part = y[start : start + _WHOLE]
        part += np.fft.irfft(spectrum * _highpass())[: len(part)]
    return y[: len(x)].astype(np.float32)


@cache
def _highpass() -> npt.NDArray[np.complex128]:
    """Return the response to the frequencies of a block, from the bilinear transform."""
    half = np.pi * np.fft.rfftfreq(_WHOLE)[1:]
    s = np.tan(np.pi * _HUM_HZ / SR) / (1j * np.tan(half))  # 1 / s of the analogue filter
    damping = 2 * np.sin(np.pi * np.arange(1, 8, 2) / 16)  # of its four sections
    return np.r_[0, np.prod([1 / (1 + d * s + s**2) for d in damping], axis=0)]


def windows(x: Array) -> Array:
    """Return a sound's windows at `SR` Hz, float32 (windows, samples), one each `STEP_S`; at least one."""
    size = min(round(WINDOW_S * SR), len(x))
    starts = range(0, len(x) - size + 1, round(STEP_S * SR))
    return np.stack([x[start : start + size] for start in starts])


def salience(x: Array) -> Floats:
    """Return how far each window exceeds the room's own noise, 0 to 1, float64 (windows,).

    The room's own noise is the quietest quarter second of the 7 s before the window's end, in a
    sound of at least 3 s. From 3 dB above it on, the salience is 1. With less, a window of at least
    -50 dB (a fan) has a third for each dB, at least 0.01; a fainter one is too quiet to judge: 0.
    """
    size, context = round(_PART_S * SR), round(_CONTEXT_S / _PART_S)
    parts = [level_db(x[start : start + size]) for start in range(0, len(x) - size + 1, size)]
    levels = np.array([level_db(row) for row in windows(x)])
    ends = [round((k * STEP_S + WINDOW_S) / _PART_S) for k in range(len(levels))]
    room = [min(parts[max(0, end - context) : end], default=0.0) for end in ends]
    above = levels - (room if len(x) >= _SHORT_S * SR else -np.inf)
    judged = (levels >= QUIETEST_DB) & ((above >= _ABOVE_DB) | (levels >= _LOUD_DB))
    return np.where(judged, np.clip(above / _ABOVE_DB, 0.01, 1), 0.0)


def describe(x: Array) -> npt.NDArray[np.float64]:
    """Return the gate's features of a sound at `SR` Hz, float64 (100,), independent of loudness.

    For each cepstral coefficient: mean (except of the first, the level), deviation and mean change
    between frames. Mean and deviation of how far the strongest band of voices exceeds their median.
    Mean step from each band to the next, which is large for the harmonics of a high voice.
    """
    settings = {"sr": SR, "n_fft": _N_FFT, "hop_length": _HOP, "n_mels": _N_MELS}
    mel = spectral.mel_db(spectral.normalise_amplitude(x), **settings).astype(np.float64)
    cepstrum = mel @ spectral.dct_matrix(n_mfcc=_N_MFCC, n_mels=_N_MELS).T
    voices = mel[:, _PITCHED]
    outstanding = voices.max(axis=1) - np.median(voices, axis=1)
    changes, steps = np.abs(np.diff(cepstrum, axis=0)), np.abs(np.diff(mel, axis=1))
    parts = [cepstrum.mean(axis=0)[1:], cepstrum.std(axis=0), changes.mean(axis=0)]
    return np.concatenate([*parts, [outstanding.mean(), outstanding.std()], steps.mean(axis=0)])


@dataclass(frozen=True, eq=False)
class Gate:
    """Fitted networks with one hidden layer on the features of `describe`.

    networks: each (weights (100, hidden), bias (hidden,), weights (hidden,), bias), float64.
    threshold: the lowest score that counts as a cry. note: on the training data.
    """

    networks: tuple[tuple[Floats, Floats, Floats, float], ...] = field(repr=False)
    threshold: float
    note: str

    @classmethod
    def load(cls) -> "Gate":
        """Return the gate that comes with the package."""
        stored = json.loads(READY.read_text(encoding="utf-8"))
        networks = tuple((np.array(w), np.array(b), np.array(v), c) for w, b, v, c in stored["networks"])
        return cls(networks, stored["threshold"], stored["note"])

    def arrays(self) -> dict[str, Any]:
        """Return the gate for a device's own code, with lengths in samples, parts or windows."""
        w, b, v, c = (np.array(each) for each in zip(*self.networks, strict=True))
        settings = {"sr": SR, "n_fft": _N_FFT, "hop_length": _HOP, "n_mels": _N_MELS, "n_mfcc": _N_MFCC}
        return {
            **{"w": w, "b": b[:, None], "v": v[:, None], "c": c[:, None], "threshold": self.threshold},
            **spectral.arrays(**settings),
            "pitched": np.arange(_N_MELS)[_PITCHED],
            "high_pass": np.fft.irfft(_highpass())[:_TAIL],
            "size": round(WINDOW_S * SR),
            "step": round(STEP_S * SR),
            "pause": CRY_PAUSE_S / STEP_S,
            "part": round(_PART_S * SR),
            "context": round(_CONTEXT_S / _PART_S),
            "above_db": _ABOVE_DB,
            "quietest": 10 ** (QUIETEST_DB / 10),
            "loud": 10 ** (_LOUD_DB / 10),
        }

    def scores(self, x: Array, sr: int, *, newest: bool = False) -> Floats:
        """Return how much each window of a sound resembles a cry, 0 to 1, float64 (windows,).

        x: float32 (samples,) at `sr` Hz. newest: of its last `WINDOW_S` seconds only. A window that
        is too quiet to judge scores exactly 0. A sound of less than 80 ms has no window.
        """
        if len(x) * SR < (_N_FFT + _HOP) * sr:  # two frames
            return np.zeros(0)
        sound = without_hum(spectral.resample(x, sr=sr, to=SR))
        if newest:  # windows are counted from the end
            sound = sound[max(0, len(sound) - round(WINDOW_S * SR)) % round(STEP_S * SR) :]
        rows, scores = windows(sound), salience(sound)
        if newest:
            rows, scores = rows[-1:], scores[-1:]
        for k in np.flatnonzero(scores):
            scores[k] *= self.of_features(describe(rows[k]))
        return scores

    def of_features(self, described: Floats) -> Floats:
        """Return the scores of features (..., 100) from `describe`, float64 (...,)."""
        logits = [np.maximum(described @ w + b, 0) @ v + c for w, b, v, c in self.networks]
        return np.mean(1 / (1 + np.exp(-np.clip(logits, -50, 50))), axis=0)


def bursts(passing: npt.ArrayLike, *, least: int = LEAST) -> list[tuple[float, float]]:
    """Return the bursts of crying, start and end in s, from which windows pass, bool (windows,).

    A burst begins when `least` of four windows pass (one, if there is only one), and ends after 2 s
    without one.
    """
    passing = np.asarray(passing, bool)
    indices = np.flatnonzero(passing)
    groups = np.split(indices, np.flatnonzero(np.diff(indices) > CRY_PAUSE_S / STEP_S) + 1)
    return [
        (float(group[0] * STEP_S), float(group[-1] * STEP_S + WINDOW_S))
        for group in groups
        if len(passing) == 1 == len(group) or np.any(group[least - 1 :] - group[: 1 - least or None] < 4)
    ]


def reference(name: str = "gate") -> "pd.DataFrame":
    """Return a stored table on the shipped gate's errors, which `tools/fit_gate.py` has made."""
    import pandas as pd

    return pd.read_csv(project_dir() / "outputs" / "reference" / f"{name}.csv")
