"""Measure the cry synthesiser: its speed and, if asked, its similarity to real cries.

`python benchmarks/voice.py` prints the seconds of sound generated per second on one core. `python
benchmarks/voice.py --compare FOLDER` prints percentiles of the wav files in FOLDER (such as
DonateACry's `donateacry/`) next to those of synthetic cries, to calibrate `synthetic/states.py`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

SR = 16000
CLIPS = 40
DURATION_S = 7.0
COMPARE_SR = 8000  # DonateACry's sample rate
COMPARED_CLIPS = 60


def seconds_of_sound_a_second() -> float:
    """Return the seconds of sound that one core generates per second of its time."""
    from threadpoolctl import threadpool_limits

    from cryutils.datasets.synthetic import voice

    states = sorted(voice.STATES)
    with threadpool_limits(1):
        voice.cry(states[0], infant=0, seed=0, duration_s=DURATION_S, sr=SR)
        # Processor time of all threads of this process; other programs do not count.
        start = time.process_time()
        for i in range(CLIPS):
            voice.cry(states[i % len(states)], infant=i, seed=i, duration_s=DURATION_S, sr=SR)
        return CLIPS * DURATION_S / (time.process_time() - start)


def measure(sound: npt.NDArray[np.float32]) -> dict[str, float]:
    """Return pitch, timing and spectrum of a cry at 8 kHz, float32 (samples,)."""
    import librosa

    hop_s = 0.01
    hop = round(hop_s * COMPARE_SR)
    level = librosa.amplitude_to_db(librosa.feature.rms(y=sound, frame_length=400, hop_length=hop))
    top, floor = np.percentile(level, 95), np.percentile(level, 5)
    active = _without_short(level[0] > min(max(top - 22, floor + 6), top - 6), 10)
    edges = np.flatnonzero(np.diff(np.r_[0, active.astype(int), 0]))
    starts, ends = edges[::2], edges[1::2]
    f0, _, _ = librosa.pyin(
        sound, fmin=250, fmax=1200, sr=COMPARE_SR, frame_length=512, hop_length=160
    )
    voiced = f0[~np.isnan(f0)]
    power = np.abs(librosa.stft(sound, n_fft=512, hop_length=hop))[:, active] ** 2
    mean = power.mean(axis=1)
    hz = np.fft.rfftfreq(512, 1 / COMPARE_SR)
    band = (hz > 400) & (hz < 3800)
    slope = np.polyfit(np.log2(hz[band]), 10 * np.log10(mean[band] + 1e-12), 1)[0]
    return {
        "F0 (Hz)": _median(voiced),
        "F0 IQR (Hz)": float(np.nanquantile(f0, 0.75) - np.nanquantile(f0, 0.25)),
        "burst (s)": _median((ends - starts) * hop_s),
        "pause (s)": _median((starts[1:] - ends[:-1]) * hop_s),
        "cry share": float(active.mean()),
        "voiced share": voiced.size / f0.size,
        "centroid (Hz)": float(np.sum(hz * mean) / np.sum(mean)),
        "slope (dB/octave)": float(slope),
        "range (dB)": float(top - floor),
    }


def _median(values: npt.NDArray[np.floating]) -> float:
    return float(np.median(values)) if values.size else np.nan


def _without_short(active: npt.NDArray[np.bool_], frames: int) -> npt.NDArray[np.bool_]:
    """Fill pauses, then drop bursts, that are shorter than `frames`."""
    active = active.copy()
    for kind in (False, True):
        edges = np.flatnonzero(np.diff(np.r_[0, (active == kind).astype(int), 0]))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            inside = start > 0 and end < active.size
            if end - start < frames and (inside or kind):
                active[start:end] = not kind
    return active


def compare(folder: Path) -> str:
    """Return a table of 10th, 50th and 90th percentiles over clips, real and synthetic."""
    import librosa
    import pandas as pd

    from cryutils.datasets.synthetic import voice
    from cryutils.datasets.synthetic.dials import Dials

    files = sorted(folder.rglob("*.wav"))
    chosen = np.random.default_rng(0).permutation(len(files))[:COMPARED_CLIPS]
    real = [librosa.load(files[i], sr=COMPARE_SR)[0] for i in chosen]
    states = ["hungry", "tired", "discomfort", "belly_pain", "burping"]
    synthetic = [
        voice.cry(states[i % 5], infant=i, seed=i, dials=Dials(signal=0.25), sr=COMPARE_SR)
        for i in range(len(real))
    ]
    tables = [
        pd.DataFrame([measure(sound / np.abs(sound).max()) for sound in sounds])
        .quantile([0.1, 0.5, 0.9])
        .T
        for sounds in (real, synthetic)
    ]
    return pd.concat(tables, axis=1, keys=["real", "synthetic"]).round(2).to_string()


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", type=Path, metavar="FOLDER", help="folder of real cries")
    folder = parser.parse_args().compare
    print(f"voice: {seconds_of_sound_a_second():.0f} s of sound a second on one core")
    if folder:
        print(compare(folder))


if __name__ == "__main__":
    main()
