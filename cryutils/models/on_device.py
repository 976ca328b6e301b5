"""Run a trained sound model on a machine that has only LiteRT and NumPy.

    python on_device.py cry2_int8.tflite cry.wav

`cryutils export --model cry2` copies this file next to the model. It needs `ai-edge-litert` and
`numpy` but not cryutils, and is short enough to translate into another language. It reads a 16-bit
WAV at the rate given on the card (`cry2_int8.tflite.json`), computes the features described there,
runs the network on each window and prints the mean probabilities. Used in notebook
13_live_and_deployment. It is not a medical device.
"""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["answer", "features", "main", "sound"]


def main(arguments: list[str]) -> None:
    """Print the prediction of the model at the first path for the WAV at the second path."""
    if len(arguments) != 2:
        raise SystemExit("give a model and a sound: python on_device.py cry2_int8.tflite cry.wav")
    model, recording = map(Path, arguments)
    card = json.loads(model.with_name(f"{model.name}.json").read_text(encoding="utf-8"))
    windows = features(sound(recording, card["input"]["sr"]), **card["input"])
    shares = answer(model, windows)
    for state, share in sorted(zip(card["classes"], shares, strict=True), key=lambda s: -s[1]):
        print(f"{state}: {share:.1%}")
    print(f"{card['note']}. No medical device.")


def sound(path: Path, sr: int) -> np.ndarray:
    """Return the mean of the channels of a 16-bit WAV at `sr` Hz, float32 (samples,)."""
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2 or file.getframerate() != sr:
            raise SystemExit(
                f"{path}: {8 * file.getsampwidth()} bits at {file.getframerate()} Hz; the model"
                f" takes 16 bits at {sr} Hz."
            )
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return (samples.reshape(-1, file.getnchannels()) / 32768).mean(axis=1).astype(np.float32)


def features(x: np.ndarray, **card: Any) -> np.ndarray:
    """Return a sound's windows by the card's settings, float32 (windows, frames, coefficients)."""
    if card["scaling"] != "conditioned":
        raise SystemExit(f"no sound is scaled as {card['scaling']!r} here; take the model cry2.")
    if len(x) < 0.25 * card["sr"] or np.abs(x - x.mean()).max() < 1e-3:
        raise SystemExit("nothing to hear: silence, or shorter than a quarter of a second.")
    n_fft, hop_length, n_mels = card["n_fft"], card["hop_length"], card["n_mels"]
    # Scale to peak 1, then pre-emphasis: y[n] = x[n] - 0.97 x[n - 1].
    y = (x / np.abs(x).max()).astype(np.float32)
    y[1:] -= np.float32(0.97) * y[:-1]
    # Power of the short-time Fourier transform, Hann-windowed frames centred on each hop.
    padded = np.pad(y, n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    # Mel levels, and their cosine transform.
    mel = _decibels(power @ _triangles(card["sr"], n_fft, n_mels).T)
    k, n = np.arange(card["n_mfcc"])[:, None], np.arange(n_mels)
    cosines = np.sqrt(2 / n_mels) * np.cos(np.pi * k * (2 * n + 1) / (2 * n_mels))
    cosines[0] /= np.sqrt(2)
    kinds = {"stft": _decibels(power), "mel": mel, "mfcc": mel @ cosines.T}
    coefficients = np.concatenate([kinds[kind] for kind in card["kind"].split("+")], axis=1)
    return _windows(coefficients.astype(np.float32), **card)


def _decibels(power: np.ndarray) -> np.ndarray:
    """Return levels in dB, limited to 80 dB below the loudest."""
    level = 10 * np.log10(np.maximum(power, 1e-10))
    return np.maximum(level, level.max() - 80)


def _triangles(sr: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Return Slaney's mel filters, float64 (n_mels, bins): of unit area, evenly spaced in mel."""
    top = 15 + 27 * np.log(sr / 2000) / np.log(6.4) if sr > 2000 else sr * 3 / 400
    mels = np.linspace(0, top, n_mels + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.fft.rfftfreq(n_fft, 1 / sr)
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left)


def _windows(coefficients: np.ndarray, **card: Any) -> np.ndarray:
    """Return the windows. The last ends with the sound; a short sound is padded with minima."""
    frames = 1 + round(card["window_s"] * card["sr"]) // card["hop_length"]
    hop = max(1, round(card["step_s"] * card["sr"] / card["hop_length"]))
    short = max(0, frames - len(coefficients))
    coefficients = np.concatenate([coefficients, np.tile(coefficients.min(axis=0), (short, 1))])
    last = len(coefficients) - frames
    starts = list(range(0, last + 1, hop))
    if 2 * (last - starts[-1]) >= hop:
        starts.append(last)
    return np.stack([coefficients[start : start + frames] for start in starts]).astype(np.float32)


def answer(model: Path, windows: np.ndarray) -> np.ndarray:
    """Return the network's mean probabilities over the windows, float (classes,)."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(model_path=str(model))
    entry, end = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]
    network.resize_tensor_input(entry, windows.shape)
    network.allocate_tensors()
    network.set_tensor(entry, windows)
    network.invoke()
    return network.get_tensor(end).mean(axis=0)


if __name__ == "__main__":
    main(sys.argv[1:])
