"""Noise reduction by a denoising autoencoder and, for comparison, by spectral gating.

Used in notebook 08_autoencoder_dnn. Paper A §3.4.1: a denoising autoencoder is trained to
reconstruct the clean input from a noisy one. Citing related work, the paper calls it "very
effective compared to other models". Both methods here compute a gain between 0 and 1 for each cell
of the noisy STFT and keep its phase. The improvement is measured in dB on clips with known noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils.audio.spectral import istft, power_to_db, stft
from cryutils.audio.stress import add_noise
from cryutils.errors import InputError
from cryutils.models import autoencoders

if TYPE_CHECKING:
    from cryutils.models.stacked import NetworkBatch

__all__ = [
    "SETTINGS", "Spectrogram", "autoencoder", "gains_db", "pairs", "snr_db", "spectral_gate",
]  # fmt: skip

Array = npt.NDArray[np.float32]

# Chosen on synthetic infants that the notebooks do not use; narrower codes lose the harmonics.
SETTINGS = autoencoders.sized(64, hidden=256)
_QUIET = 0.2  # the noise is estimated from this share of the frames, the quietest


@dataclass(frozen=True, kw_only=True)
class Spectrogram:
    """Settings of the STFT, its levels and its patches.

    n_fft, hop_length: in samples. Frames must overlap by half or more, otherwise the sound cannot
    be reconstructed. patch: frames per patch. floor_db: lower limit of the levels, in dB below the
    loudest cell.
    """

    n_fft: int = 256
    hop_length: int = 64
    patch: int = 4
    floor_db: float = 60.0

    def level(self, x: Array, *, ref_db: float = 0.0) -> Array:
        """Return each cell's level in dB re `ref_db`, clipped to `-floor_db`, (frames, bins)."""
        db = _db(self.stft(x))
        return np.maximum(db - np.float32(ref_db), np.float32(-self.floor_db))

    def loudest_db(self, x: Array) -> float:
        """Return the level of a sound's loudest cell in dB re 1."""
        return float(_db(self.stft(x)).max())

    def stft(self, x: Array) -> npt.NDArray[np.complex64]:
        """Return the STFT of a sound, complex64 (frames, bins)."""
        return stft(x, n_fft=self.n_fft, hop_length=self.hop_length)

    def sound(self, spectrum: npt.NDArray[np.complexfloating], length: int) -> Array:
        """Return the sound reconstructed from an STFT, float32 (length,)."""
        return istft(spectrum, n_fft=self.n_fft, hop_length=self.hop_length, length=length)

    def patches(self, level: Array) -> Array:
        """Return the patches of a level, half a patch apart, float32 (patches, patch * bins).

        A last patch that would be too short is filled with the last frame.
        """
        starts = self._starts(len(level))
        short = starts[-1] + self.patch - len(level)
        filled = np.concatenate([level, np.repeat(level[-1:], short, axis=0)])
        return np.stack([filled[i : i + self.patch].ravel() for i in starts])

    def joined(self, patches: Array, frames: int) -> Array:
        """Return the level reassembled from its patches, averaging overlaps, (frames, bins)."""
        starts = self._starts(frames)
        bins = patches.shape[1] // self.patch
        total = np.zeros((starts[-1] + self.patch, bins))
        count = np.zeros((len(total), 1))
        for start, piece in zip(starts, patches, strict=True):
            total[start : start + self.patch] += piece.reshape(self.patch, bins)
            count[start : start + self.patch] += 1
        return (total / count)[:frames].astype(np.float32)

    def _starts(self, frames: int) -> list[int]:
        step = max(1, self.patch // 2)
        return list(range(0, max(1, frames - self.patch + step), step))


def _db(spectrum: npt.NDArray[np.complex64]) -> Array:
    return power_to_db(np.square(np.abs(spectrum)), amin=1e-12, top_db=None)


def pairs(
    sounds: Sequence[Array],
    spectrogram: Spectrogram,
    *,
    snr_db: tuple[float, float],
    rng: np.random.Generator,
    per_sound: int,
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Return patches of noisy sounds, the same patches without noise, and each patch's sound.

    Noise is added to each sound (`audio.stress.add_noise`) at a random ratio. Noisy and clean
    levels are relative to the loudest cell of the noisy sound, because only that is known in use.
    The patches are float32 (patches, patch * bins) in dB, the indices of sounds int64 (patches,).

    sounds: clean, float32 (samples,). snr_db: lowest and highest signal-to-noise ratio. rng: draws
    ratios, noise and patches. per_sound: patches drawn from each sound, or all if it has fewer.
    """
    noisy, clean, of = [], [], []
    for k, x in enumerate(sounds):
        loud = add_noise(x, snr_db=rng.uniform(*snr_db), rng=rng)
        ref = spectrogram.loudest_db(loud)
        rows = spectrogram.patches(spectrogram.level(loud, ref_db=ref))
        chosen = np.sort(rng.permutation(len(rows))[:per_sound])
        noisy.append(rows[chosen])
        clean.append(spectrogram.patches(spectrogram.level(x, ref_db=ref))[chosen])
        of.append(np.full(len(chosen), k))
    return np.concatenate(noisy), np.concatenate(clean), np.concatenate(of)


def autoencoder(
    x: Array, dense: NetworkBatch, task: int, spectrogram: Spectrogram, *, lift_db: float = 9.0
) -> Array:
    """Return `x` denoised by an autoencoder, float32 (samples,).

    The autoencoder is network `task` of `dense`, trained by `stacked.fit` on `pairs` from noisy to
    clean patches. It predicts the level of each cell without noise. The gain of a cell is the ratio
    of the predicted to the measured level, at most 1.

    lift_db is added to the predicted levels. Because of the squared error in dB, the network
    predicts mean levels where it is unsure, and these are far below the level of the mean power.
    Choose it on training clips.
    """
    level = spectrogram.level(x, ref_db=spectrogram.loudest_db(x))
    denoised = spectrogram.joined(dense.predict(task, spectrogram.patches(level)), len(level))
    gain = 10 ** (np.minimum(denoised + lift_db - level, 0) / 20)
    return spectrogram.sound(spectrogram.stft(x) * gain, len(x))


def spectral_gate(
    x: Array,
    spectrogram: Spectrogram,
    *,
    threshold_db: float = 6.0,
    smooth: tuple[int, int] = (5, 3),
) -> Array:
    """Return `x` denoised by spectral gating, float32 (samples,).

    The noise of each frequency bin is estimated from the quietest frames. Cells less than
    `threshold_db` above the noise are muted; choose it on training clips. The gain is averaged over
    `smooth` frames and bins, to suppress isolated cells. This is the stationary method of Sainburg,
    Thielk & Gentner 2020, doi 10.1371/journal.pcbi.1008228 (package `noisereduce`, whose threshold
    is in standard deviations of the noise).
    """
    from scipy.ndimage import uniform_filter

    spectrum = spectrogram.stft(x)
    power = np.square(np.abs(spectrum))
    # Rank frames by mean dB. With mean power, the bins with the strongest noise would select the
    # frames where they happen to be weak, and their noise would be underestimated.
    order = np.argsort(np.log(power + 1e-12).mean(axis=1), kind="stable")
    quietest = order[: max(1, round(_QUIET * len(power)))]
    noise = power[quietest].mean(axis=0)
    is_open = power > noise * 10 ** (threshold_db / 10)
    gain = uniform_filter(is_open.astype(np.float32), smooth)
    return spectrogram.sound(spectrum * gain, len(x))


def snr_db(clean: Array, estimate: Array) -> float:
    """Return the signal-to-noise ratio of an estimate in dB, infinite if it equals the clean sound.

    `10 log10(sum clean^2 / sum (estimate - clean)^2)`, not scale-invariant: a wrong loudness counts
    as noise. clean, estimate: float32 (samples,). Raises InputError if the clean sound is silent.

    Examples
    --------
    >>> round(snr_db(np.ones(4, np.float32), np.full(4, 1.1, np.float32)), 3)
    20.0
    """
    signal = np.sum(np.square(clean, dtype=np.float64))
    rest = np.sum(np.square(np.subtract(estimate, clean, dtype=np.float64)))
    if signal == 0:
        raise InputError("the clean sound is silence: it has no signal-to-noise ratio.")
    return float(10 * np.log10(signal / rest)) if rest > 0 else float("inf")


def gains_db(
    clean: Sequence[Array], noisy: Sequence[Array], remove: Callable[[Array], Array]
) -> npt.NDArray[np.float64]:
    """Return the improvement of `snr_db` by `remove` for each noisy sound, float64 (sounds,).

    It is negative if more of the cry is removed than of the noise. clean, noisy: the same sounds
    without and with noise, float32 (samples,). remove: a function from a noisy sound to an estimate
    of the clean sound.
    """
    pairs = zip(clean, noisy, strict=True)
    return np.array([snr_db(x, remove(y)) - snr_db(x, y) for x, y in pairs])
