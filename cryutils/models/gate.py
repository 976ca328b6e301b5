"""Detection of cries in one-second windows: `Gate` rejects silence, speech and motors.

Used in notebook 13_live_and_deployment. Paper B §3 sends every window to its classifier, which
predicts a state even for a vacuum cleaner. `Gate` is a logistic regression that runs before the
classifier. Its features describe the cepstrum, its rate of change and how jagged a spectrum is.
`tools/fit_gate.py` fits it and writes its coefficients and threshold to `gate.json`;
`papers.gating` measures its errors. `Yamnet` is another gate, for comparison: a network for 521
kinds of sound (https://www.kaggle.com/models/google/yamnet). The user must supply its LiteRT file.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import resolve, writing
from cryutils.audio import spectral
from cryutils.errors import InputError
from cryutils.models.export import Lite

__all__ = [
    "FAINTEST_DB", "READY", "SR", "WINDOW_S", "CryGate", "Gate", "Yamnet", "describe", "level_db",
]  # fmt: skip

Array = npt.NDArray[np.float32]

READY = Path(__file__).with_name("gate.json")
SR = 8000  # Hz, as in DonateACry
WINDOW_S = 1.0
FAINTEST_DB = -50.0  # mean level re full scale; fainter sounds count as silence
_N_FFT, _HOP, _N_MELS, _N_MFCC = 512, 128, 40, 20
_PITCHED = slice(4, 32)  # mel bands from 0.2 to 2.7 kHz
_YAMNET_SR, _YAMNET_SAMPLES, _YAMNET_CLASSES = 16_000, 15_600, 521
_YAMNET_CRIES = [19, 20]  # "Crying, sobbing" and "Baby cry, infant cry" in its class map


class CryGate(Protocol):
    """A gate of the monitor. Scores are 0 to 1; sounds from `threshold` up count as cries."""

    @property
    def threshold(self) -> float: ...
    def score(self, window: Array, sr: int) -> float: ...


def level_db(x: Array) -> float:
    """Return the mean level of a sound in dB re full scale; -120 for digital silence."""
    return float(10 * np.log10(np.mean(np.square(x, dtype=np.float64)) + 1e-12))


def describe(x: Array) -> npt.NDArray[np.float64]:
    """Return the gate's features of a sound at `SR` Hz, float64 (100,), independent of loudness.

    For each cepstral coefficient: mean (except of the first, the level), deviation and mean change
    between frames. Mean and deviation of how far the strongest band of voices exceeds their median.
    Mean step from each band to the next, which is large for the harmonics of a high voice.
    """
    mel = spectral.mel_db(
        spectral.normalise_amplitude(x), sr=SR, n_fft=_N_FFT, hop_length=_HOP, n_mels=_N_MELS
    ).astype(np.float64)
    cepstrum = mel @ spectral.dct_matrix(n_mfcc=_N_MFCC, n_mels=_N_MELS).T
    voices = mel[:, _PITCHED]
    outstanding = voices.max(axis=1) - np.median(voices, axis=1)
    return np.concatenate(
        [
            cepstrum.mean(axis=0)[1:],
            cepstrum.std(axis=0),
            np.abs(np.diff(cepstrum, axis=0)).mean(axis=0),
            [outstanding.mean(), outstanding.std()],
            np.abs(np.diff(mel, axis=1)).mean(axis=0),
        ]
    )


@dataclass(frozen=True, eq=False)
class Gate:
    """A fitted logistic regression on the features of `describe`, float64 (100,) `coefficients`.

    threshold: the lowest score that counts as a cry. note: a description of the training data.
    """

    coefficients: npt.NDArray[np.float64] = field(repr=False)
    intercept: float
    threshold: float
    note: str

    @classmethod
    def load(cls, path: Path = READY) -> Gate:
        """Return the gate stored at `path`. Raises InputError if the file is not a valid gate."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            gate = cls(
                np.array(stored["coefficients"], np.float64), float(stored["intercept"]),
                float(stored["threshold"]), str(stored["note"]),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: no cry gate; `python tools/fit_gate.py` makes it."
            ) from error
        if gate.coefficients.shape != describe(np.zeros(_N_FFT, np.float32)).shape:
            raise InputError(f"{path}: of another version; `python tools/fit_gate.py` makes it.")
        return gate

    def save(self, path: Path) -> None:
        """Write the gate to `path`, six digits per coefficient."""
        stored = {
            "note": self.note, "threshold": self.threshold, "intercept": self.intercept,
            "coefficients": [float(f"{value:.6g}") for value in self.coefficients],
        }  # fmt: skip
        with writing(path) as part:
            part.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")

    def score(self, window: Array, sr: int) -> float:
        """Return how much a sound of about `WINDOW_S` seconds resembles a cry, 0 to 1.

        window: float32 (samples,) at `sr` Hz. A sound fainter than `FAINTEST_DB` scores 0.
        """
        if level_db(window) < FAINTEST_DB:
            return 0.0
        return float(self.scores(describe(spectral.resample(window, sr=sr, to=SR))))

    def scores(self, described: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the scores of features (..., 100) from `describe`, float64 (...,)."""
        logits = described @ self.coefficients + self.intercept
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))))


class Yamnet:
    """YAMNet as a gate: the larger of its scores for crying and for an infant's cry."""

    threshold = 0.2  # chosen here; the scores are not calibrated

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open YAMNet's LiteRT file at `path`. Raises InputError for any other file."""
        self._network = Lite(resolve(path))
        shapes = self._network.input_shape, self._network.classes
        if shapes != ((_YAMNET_SAMPLES,), _YAMNET_CLASSES):
            raise InputError(
                f"{path}: {shapes[0]} in and {shapes[1]} kinds of sound out, but YAMNet's are"
                f" ({_YAMNET_SAMPLES},) and {_YAMNET_CLASSES}."
            )

    def score(self, window: Array, sr: int) -> float:
        """Return the score of the last 0.975 s, 0 to 1; a shorter sound is padded at the front."""
        x = spectral.resample(window, sr=sr, to=_YAMNET_SR)[-_YAMNET_SAMPLES:]
        if level_db(x) < FAINTEST_DB:
            return 0.0
        padded = np.pad(x, (_YAMNET_SAMPLES - len(x), 0))
        return float(self._network.answers(padded)[..., _YAMNET_CRIES].max())
