"""What a home does to a recording: noise of a given signal-to-noise ratio, a modality dropped.

Walked by notebook 06_full. Paper B §4 says that fusion gives "more reliable predictions in
situations with acoustic noise or visual occlusion"; here noise is made on purpose, in known
amounts, and a modality taken away altogether, as the worst occlusion does. Pure functions: the
random generator is an argument.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cryutils.audio.spectral import check_finite, check_settings
from cryutils.errors import InputError

__all__ = ["add_noise", "drop"]

Array = npt.NDArray[np.float32]


def add_noise(
    x: Array, *, snr_db: float, rng: np.random.Generator, slope_db: float = -3.0
) -> Array:
    """Return `x` with coloured noise added, float32 (samples,), at `snr_db` of signal to noise.

    The ratio is that of mean powers over the whole recording. `slope_db` is the noise's slope
    in dB an octave: 0 is white, -3 pink, which is nearer to a household's. The sum is not
    clipped, for then the ratio would be another one. Silence comes back as it is: no noise
    has a ratio to it.

    >>> x = np.sin(np.arange(8000) / 5, dtype=np.float32)
    >>> noise = add_noise(x, snr_db=10, rng=np.random.default_rng(0)) - x
    >>> round(float(10 * np.log10(np.mean(x**2) / np.mean(noise**2))), 2)
    10.0
    """
    check_settings(snr_db=snr_db, slope_db=slope_db)
    check_finite(x)
    power = float(np.mean(np.square(x, dtype=np.float64))) if len(x) else 0.0
    if power == 0:
        return x.copy()
    spectrum = np.fft.rfft(rng.standard_normal(len(x)))
    octaves = np.log2(np.maximum(np.arange(len(spectrum)), 1))
    spectrum *= 10 ** (slope_db * octaves / 20)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, len(x))
    noise *= np.sqrt(power / np.mean(noise**2) / 10 ** (snr_db / 10))
    return (x + noise).astype(np.float32)


def drop(n: int, *, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return which of `n` clips lose a modality, bool (n,): `round(share * n)` of them.

    Raises InputError where `share` is no share.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share={share} is no share; use a number from 0 to 1.")
    lost = np.zeros(n, dtype=bool)
    lost[rng.permutation(n)[: round(share * n)]] = True
    return lost
