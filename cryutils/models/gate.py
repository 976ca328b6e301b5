"""Detection of cries in one-second windows: `Gate` rejects silence, speech and motors.

Used in notebook 13_live_and_deployment. Paper B §3 sends every window to its classifier, which
predicts a state even for a vacuum cleaner. `Gate` is a logistic regression that runs before the
classifier. Its features describe the cepstrum, its rate of change and how jagged a spectrum is.
`tools/fit_gate.py` fits it, writes its coefficients and threshold to `gate.json`, and measures its
errors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import project_dir
from cryutils.audio import spectral
from cryutils.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FAINTEST_DB", "READY", "SR", "WINDOW_S", "Gate", "describe", "level_db", "reference",
]  # fmt: skip

Array = npt.NDArray[np.float32]

READY = Path(__file__).with_name("gate.json")
SR = 8000  # Hz, as in DonateACry
WINDOW_S = 1.0
FAINTEST_DB = -50.0  # mean level re full scale; fainter sounds count as silence
_N_FFT, _HOP, _N_MELS, _N_MFCC = 512, 128, 40, 20
_PITCHED = slice(4, 32)  # mel bands from 0.2 to 2.7 kHz


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
            coefficients = np.array(stored["coefficients"], np.float64)
            gate = cls(
                coefficients, float(stored["intercept"]), float(stored["threshold"]),
                str(stored["note"]),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: no cry gate; `python tools/fit_gate.py` makes it."
            ) from error
        if coefficients.shape != describe(np.zeros(_N_FFT, np.float32)).shape:
            raise InputError(f"{path}: of another version; `python tools/fit_gate.py` makes it.")
        return gate

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


def reference(name: str = "gate") -> pd.DataFrame:
    """Return a stored table on the shipped gate's errors, made by `tools/fit_gate.py`.

    "gate": shares that pass. "gate_curve": by threshold. "gate_comparison": next to other gates.
    """
    import pandas as pd

    return pd.read_csv(project_dir() / "outputs" / "reference" / f"{name}.csv")
