"""Find cries and their likely reasons by LiteRT and NumPy alone; device.md explains the files."""

import resource
import sys
import time
import wave

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.lib.stride_tricks import sliding_window_view as sliding


class Device:
    def __init__(self, folder):
        self.gate, self.cry2 = (dict(np.load(f"{folder}/{name}.npz")) for name in ("gate", "features"))
        self.networks = {n: Interpreter(f"{folder}/{n}_float32.tflite") for n in self.cry2["networks"]}

    def answers(self, x, crops=()):  # start and end of each cry in samples, and the states' probabilities
        for start, end in self.cries(x):
            size = max(self.cry2["samples"], end - start)
            first = max(0, min((start + end) // 2 - size // 2, len(x) - size))
            rows = {"cry2": self.windows(x[first : first + size]), "image": np.asarray(crops)}
            answers = [self.ask(name, rows[name]) for name in self.networks if len(rows[name])]
            yield start, end, np.mean(answers, axis=0)

    def ask(self, name, rows):  # the mean of a network's calibrated probabilities
        network = self.networks[name]
        (source,), (result,) = network.get_input_details(), network.get_output_details()
        network.resize_tensor_input(source["index"], rows.shape)
        network.allocate_tensors()
        network.set_tensor(source["index"], rows.astype(source["dtype"]))
        network.invoke()
        p = np.maximum(network.get_tensor(result["index"]), 1e-38) ** (1 / self.cry2[f"temperature_{name}"])
        return (p / p.sum(axis=1, keepdims=True)).mean(axis=0)

    def windows(self, x):  # of a cry's spectrogram
        s, x = self.cry2, x / np.abs(x).max()
        frames = np.hstack(features(np.r_[x[0], x[1:] - s["pre_emphasis"] * x[:-1]], s))[:, s["columns"]]
        starts = [*range(0, (last := len(frames) - s["frames"]) + 1, s["hop"])]
        starts += [last] if 2 * (last - starts[-1]) >= s["hop"] else []
        return sliding(frames, s["frames"], axis=0)[starts].swapaxes(1, 2)

    def cries(self, x):
        s, n = self.gate, len(x) + len(self.gate["high_pass"])
        x = np.fft.irfft(np.fft.rfft(x - x.mean(), n) * np.fft.rfft(s["high_pass"], n), n)[: len(x)]
        rows, parts = sliding(x, s["size"])[:: s["step"]], x[: len(x) // s["part"] * s["part"]]
        power, parts = (np.mean(y**2, axis=1) + 1e-12 for y in (rows, parts.reshape(-1, s["part"])))
        ends = (np.arange(len(rows)) * s["step"] + s["size"]) // s["part"]
        room = np.array([parts[max(0, end - s["context"]) : end].min() for end in ends])  # its own noise
        louder = 10 * np.log10(power / room) / s["above_db"]
        heard = (power >= s["quietest"]) & ((louder >= 1) | (power >= s["loud"]))
        mel, mfcc = features(rows / np.abs(rows).max(axis=1, keepdims=True), s)
        rise = mel[..., s["pitched"]].max(axis=2) - np.median(mel[..., s["pitched"]], axis=2)
        changes, steps = np.abs(np.diff(mfcc, axis=1)).mean(axis=1), np.abs(np.diff(mel)).mean(axis=1)
        rise, mean, std = np.c_[rise.mean(axis=1), rise.std(axis=1)], mfcc.mean(axis=1), mfcc.std(axis=1)
        hidden = np.maximum(np.c_[mean[:, 1:], std, changes, rise, steps] @ s["w"] + s["b"], 0)
        scores = (1 / (1 + np.exp(-(hidden * s["v"]).sum(axis=2) - s["c"]))).mean(axis=0)
        found = np.flatnonzero(scores * heard * np.clip(louder, 0.01, 1) >= s["threshold"])
        groups = np.split(found, np.flatnonzero(np.diff(found) > s["pause"]) + 1)
        groups = [g * s["step"] for g in groups if len(g) > 1 and np.diff(g).min() < 4]
        return [(g[0], g[-1] + s["size"]) for g in groups]


def features(x, s):  # mel levels in dB and MFCC, two (..., frames, n)
    frames = sliding(np.pad(x, s["padding"][-x.ndim :]), len(s["hann"]), axis=-1)[..., :: s["hop_length"], :]
    db = 10 * np.log10(np.maximum(np.abs(np.fft.rfft(frames * s["hann"])) ** 2 @ s["bands"].T, 1e-10))
    db = np.maximum(db, db.max(axis=(-2, -1), keepdims=True) - 80)
    return db, db @ s["cosines"].T


if __name__ == "__main__":
    folder, sound, *crops = [word for word in sys.argv[1:] if word != "--time"]
    x = np.frombuffer(wave.open(sound).readframes(2**30), "<i2") / 32768  # noqa: SIM115
    device, crops, begun = Device(folder), np.load(crops[0]) if crops else (), time.process_time()
    for start, end, p in device.answers(x, crops):
        shares = dict(zip(device.cry2["classes"].tolist(), p.round(2).tolist(), strict=True))
        print(f"{start / 8000:.1f} to {end / 8000:.1f} s: {shares}")
    if "--time" in sys.argv:
        ms, kb = 1000 * (time.process_time() - begun), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{ms:.0f} ms of CPU time for {len(x) / 8000:.1f} s of sound; {kb / 1024:.0f} MiB of memory")
