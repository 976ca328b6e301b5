"""Sounds of a nursery without a cry: noise, speech, music, motors and the household.

Used in notebook lesson_8_put_it_to_use. The cry gate of the live analysis (Paper B §3, the
real-time pipeline) is trained on these sounds, and its false alarms are counted on them. They are
generated caricatures: a gate that rejects them all may still accept a real television. Adults'
voices have the formants of Peterson & Barney 1952 (doi 10.1121/1.1906875).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cryutils.audio import spectral, stress

Samples = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

# First three formants in Hz of a man's vowels; a woman's tract is about a sixth shorter.
_VOWELS = np.array(
    [[270, 2290, 3010], [530, 1840, 2480], [730, 1090, 2440], [570, 840, 2410], [300, 870, 2240]]
)
_WIDTHS = np.array([80.0, 120.0, 180.0])  # bandwidths of the formants, Hz


def distractor(kind: str, *, rng: np.random.Generator, duration_s: float = 7.0, sr: int = 8000) -> Samples:
    """Return a sound in a room, as recorded by a phone, float32 (samples,) in [-1, 1].

    kind: one of `KINDS`. rng: draws the voice or tune, the room, the microphone's bandwidth and the
    level (peak 0 to -30 dB re full scale).

    >>> distractor("music", rng=np.random.default_rng(0), duration_s=1.0).shape
    (8000,)
    """
    size = round(duration_s * sr)
    dry = KINDS[kind](size, sr, rng)
    dry /= np.abs(dry).max()
    dry += 10 ** (rng.uniform(-70, -40) / 20) * _coloured(size, -3, rng)
    wet = stress.reverberate(
        dry.astype(np.float32), sr=sr, rt60_s=rng.uniform(0.15, 0.8), rng=rng, direct_db=rng.uniform(-6, 12)
    )
    recording = stress.low_pass(wet, sr=sr, cut_hz=rng.uniform(0.35, 0.55) * sr)
    return recording * np.float32(10 ** (rng.uniform(-30, 0) / 20) / np.abs(recording).max())


def _noise(size: int, sr: int, rng: np.random.Generator) -> Values:
    """Return white to brown noise of a varying level, or the babble of six voices."""
    if rng.random() < 0.2:
        return np.sum([_speech(size, sr, rng) for _ in range(6)], axis=0)
    slope_db = rng.choice([0.0, -3.0, -6.0])
    return _coloured(size, slope_db, rng) * _wander(size, sr, rng, hz=0.5, spread_db=4)


def _speech(size: int, sr: int, rng: np.random.Generator) -> Values:
    """Return an adult's speech: syllables and phrases at 85 to 255 Hz, gliding vowels, hisses."""
    is_woman = rng.random() < 0.5
    pitch = rng.uniform(165, 255) if is_woman else rng.uniform(85, 155)
    knots = 2 + round(size / sr * rng.uniform(3, 6))  # syllables
    at = np.sort(rng.uniform(0, size, knots))
    time = np.arange(size)
    melody = np.interp(time, at, rng.normal(0, 2.5, knots))
    turns = np.cumsum(pitch * 2 ** (melody / 12)) / sr
    voiced = np.interp(time, at + sr / 50, rng.uniform(0, 1, knots) ** 0.7)
    pulses = np.diff(np.floor(turns), prepend=0.0) - pitch / sr
    hiss = np.interp(time, at, rng.random(knots) < 0.3)
    # A breath lasts 1 to 3 s.
    breath = np.repeat(rng.random(2 + size // sr) < 0.8, sr)[:size]
    formants = _VOWELS[rng.integers(len(_VOWELS), size=knots)] * (1.17 if is_woman else 1.0)
    source = _treble_down(pulses, sr) * voiced + 0.004 * hiss * rng.standard_normal(size)
    return _through_formants(source, at, formants, sr) * breath + 1e-4 * rng.standard_normal(size)


def _music(size: int, sr: int, rng: np.random.Generator) -> Values:
    """Return chords, a melody and a drum, at 70 to 150 beats a minute."""
    beat = round(sr * 60 / rng.uniform(70, 150))
    root = rng.uniform(110, 220)
    tilt, decay_s = rng.uniform(0.8, 2.5), rng.uniform(0.15, 2.0)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    x = np.zeros(size + 4 * beat)
    for bar, start in enumerate(range(0, size, 4 * beat)):
        degree = [0, 3, 4, 0, 5][bar % 5]
        for third in (0, 2, 4):
            _add(x, start, _tone(root, scale, degree + third, 4 * beat, sr, tilt, 2 * decay_s))
    for start in range(0, size, beat // int(rng.integers(1, 4))):
        if rng.random() < 0.8:
            step = int(rng.integers(0, 14))
            _add(x, start, 1.2 * _tone(2 * root, scale, step, 2 * beat, sr, tilt, decay_s))
    if rng.random() < 0.6:
        for start in range(0, size, beat):
            fall = np.exp(-np.arange(sr // 4) / (sr * rng.uniform(0.01, 0.06)))
            _add(x, start, 2 * fall * rng.standard_normal(len(fall)))
    return x[:size] + 1e-3 * rng.standard_normal(size)


def _motor(size: int, sr: int, rng: np.random.Generator) -> Values:
    """Return the sound of a vacuum cleaner, fan or hair dryer: a harmonic hum and air noise."""
    hum_hz = rng.uniform(50, 450) * (1 + 0.02 * _wander(size, sr, rng, hz=0.3, spread_db=3))
    angle = 2 * np.pi * np.cumsum(hum_hz) / sr
    count = int(rng.integers(3, 15))
    parts = 1 / np.arange(1, count + 1) ** rng.uniform(0.5, 2)
    hum = sum(a * np.sin(k * angle + rng.uniform(0, 6)) for k, a in enumerate(parts, 1) if k * 450 < sr)
    air = _coloured(size, rng.uniform(-6, 0), rng)
    return air + 10 ** (rng.uniform(-20, 5) / 20) * np.asarray(hum)


def _household(size: int, sr: int, rng: np.random.Generator) -> Values:
    """Return clicks, doors, running water and beeps of appliances, at most a few per second."""
    x = 10 ** (rng.uniform(-50, -20) / 20) * _coloured(size, -3, rng)
    if rng.random() < 0.3:
        water = _coloured(size, 0, rng) * _wander(size, sr, rng, hz=12, spread_db=5)
        x = x + 0.2 * water
    for start in rng.integers(0, size, size=max(1, round(size / sr * rng.uniform(0.5, 3)))):
        length = round(sr * rng.uniform(0.1, 0.6))
        time = np.arange(length) / sr
        what = rng.integers(3)
        if what == 0:  # a click
            event = np.exp(-time * rng.uniform(60, 400)) * rng.standard_normal(length)
        elif what == 1:  # a door, a step, a falling thing
            event = np.exp(-time * rng.uniform(8, 30)) * _coloured(length, -6, rng)
        else:  # a beep
            event = 0.3 * np.sin(2 * np.pi * rng.uniform(800, 3000) * time) * (time < 0.4)
        _add(x, int(start), event * rng.uniform(0.3, 1))
    return x


KINDS: dict[str, Callable[[int, int, np.random.Generator], Values]] = {
    "noise": _noise,
    "speech": _speech,
    "music": _music,
    "motor": _motor,
    "household": _household,
}


def _coloured(size: int, slope_db: float, rng: np.random.Generator) -> Values:
    noise = stress.coloured_noise(size, slope_db, rng)
    return np.asarray(noise / noise.std())


def _wander(size: int, sr: int, rng: np.random.Generator, *, hz: float, spread_db: float) -> Values:
    """Return an amplitude around 1 that changes about `hz` times a second, float64 (size,)."""
    knots = 2 + round(size / sr * hz)
    db = np.interp(np.arange(size), np.linspace(0, size, knots), rng.normal(0, spread_db, knots))
    return np.asarray(10 ** (db / 20))


def _treble_down(pulses: Values, sr: int) -> Values:
    """Return glottal pulses that fall by 12 dB per octave from 100 Hz on."""
    from scipy.signal import lfilter

    pole = np.exp(-2 * np.pi * 100 / sr)
    return np.asarray(lfilter([1 - pole], [1, -2 * pole, pole**2], pulses))


def _through_formants(source: Values, at: Values, formants: Values, sr: int) -> Values:
    """Return `source` filtered by formants, Hz (knots, 3), that glide between the knots."""
    n_fft, hop = 256, 64
    spectrum = spectral.stft(source.astype(np.float32), n_fft=n_fft, hop_length=hop)
    frames = np.arange(len(spectrum)) * hop
    hz = np.fft.rfftfreq(n_fft, 1 / sr)
    gain = np.ones(spectrum.shape)
    for k, width in enumerate(_WIDTHS):
        centre = np.interp(frames, at, formants[:, k])[:, None]
        gain *= centre**2 / np.hypot(centre**2 - hz**2, width * hz)
    shaped = (spectrum * gain).astype(np.complex64)
    y = spectral.istft(shaped, n_fft=n_fft, hop_length=hop, length=len(source))
    return y.astype(np.float64)


def _tone(
    root: float, scale: npt.NDArray[np.int_], degree: int, size: int, sr: int, tilt: float, decay_s: float
) -> Values:
    octave, step = divmod(degree, len(scale))
    hz = root * 2 ** (octave + scale[step] / 12)
    time = np.arange(size) / sr
    count = max(1, min(10, int(0.45 * sr / hz)))
    waves = [np.sin(2 * np.pi * k * hz * time) / k**tilt for k in range(1, count + 1)]
    return np.asarray(np.sum(waves, axis=0) * np.exp(-time / decay_s) * np.minimum(1, time * 100))


def _add(x: Values, start: int, event: Values) -> None:
    part = x[start : start + len(event)]
    part += event[: len(part)]
