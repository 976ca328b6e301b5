"""What a home does to a recording: `add_noise`, of a given signal-to-noise ratio.

Walked by notebook 06_full. Paper B §4 says that fusion gives "more reliable predictions in
situations with acoustic noise or visual occlusion"; here noise is made on purpose, in known
amounts (`fusion.drop_modality` takes sound or face away altogether, as the worst occlusion does).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cryutils.audio.spectral import check_finite, check_settings

__all__ = ["add_noise"]

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
