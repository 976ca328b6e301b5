"""The cry or the room: numbers of sounds that are known, and corpora in which the label is in one of both."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus
from scipy.signal import fftconvolve, lfilter
from sizes import large

from cryutils import claims
from cryutils.studies import background

SR = 8000
TIME = np.arange(3 * SR) / SR
NOISE = np.random.default_rng(0).normal(size=len(TIME))


def harmonics(hz) -> np.ndarray:
    """A voice of three partials whose pitch in Hz is `hz`, one number or one for each sample."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hz, TIME.shape)) / SR
    return 0.1 * sum(np.sin(k * phase) / k for k in range(1, 4))


def bursts(x: np.ndarray, length_s: float = 0.6, pause_s: float = 0.4) -> np.ndarray:
    return x * (TIME % (length_s + pause_s) < length_s)


def numbers(x: np.ndarray) -> dict[str, float]:
    found = background.features(x.astype(np.float32), sr=SR)["voice"]
    return dict(zip(background.VOICE, found.tolist(), strict=True))


@pytest.mark.parametrize("hz", [220.0, 440.0, 700.0, 1050.0])
def test_a_steady_voice_has_its_pitch_and_is_periodic(hz: float) -> None:
    found = numbers(harmonics(hz))
    assert found["pitch"] == pytest.approx(np.log2(hz / 440), abs=0.02)
    assert found["pitch_spread"] < 0.03
    assert found["voicing"] == pytest.approx(1)
    assert found["harmonicity"] > 20


def test_noise_of_a_known_level_lowers_harmonicity_to_that_level() -> None:
    voice = harmonics(400)
    for db in (5, 10, 15):
        noise = NOISE * voice.std() / 10 ** (db / 20)
        assert numbers(voice + noise)["harmonicity"] == pytest.approx(db, abs=1)
    for noise in (NOISE, lfilter([1], [1, -0.95], NOISE)):  # white, and mostly below the lowest pitch
        assert numbers(noise)["voicing"] < 0.2


def test_a_rising_voice_has_its_slope_and_bursts_are_counted() -> None:
    found = numbers(bursts(harmonics(400 * 2 ** (TIME % 1))) + 0.001 * NOISE)  # an octave per s
    assert found["pitch_slope"] == pytest.approx(1, abs=0.1)
    assert found["bursts"] == pytest.approx(1, abs=0.1)
    assert found["burst_length"] == pytest.approx(0.6, abs=0.05)
    assert found["sound_share"] == pytest.approx(0.6, abs=0.05)


def test_a_filter_that_stays_the_same_changes_the_room_and_neither_deviations_nor_voice() -> None:
    x = bursts(harmonics(400 * 2 ** (0.3 * np.sin(5 * TIME)))) + 1e-4 * NOISE
    filtered = lfilter([1, 0.7], [1], x)
    before, after = (background.features(y.astype(np.float32), sr=SR) for y in (x, filtered))
    change = {name: np.abs(after[name] - before[name]) / np.abs(before[name]).mean() for name in before}
    assert change["room"].mean() > 0.2
    assert change["change"].mean() < 0.05
    assert change["voice"].mean() < 0.05


def in_room(x: np.ndarray, kind: str, rng: np.random.Generator, *, other: bool) -> np.ndarray:
    """The sound with noise, through a microphone; the other room has another, more noise, or more echo."""
    if kind.endswith("echo"):
        fades_s = rng.uniform(0.2, 0.3) * (3 if other else 1)
        if kind == "some echo":
            fades_s = rng.uniform(0.2, 0.6) + 0.2 * other
        tail = rng.normal(size=SR // 2) * np.exp(-6.9 * TIME[: SR // 2] / fades_s)
        x = x + 0.5 * fftconvolve(x, tail / np.sqrt((tail**2).sum()))[: len(x)]
    noise = rng.uniform(1e-4, 3e-4) * (3 if other and kind == "noise" else 1)
    zero = rng.uniform(-0.1, 0.1) + (0.5 if other and kind == "microphone" else 0)
    return lfilter([1, zero], [1], x + noise * rng.normal(size=len(x)))


@cache
def scores(room: str, octaves: float, seed: int = 0) -> pd.DataFrame:
    """Scores on voices of 12 infants; pain is in another room, and higher by some octaves."""
    rng = np.random.default_rng(seed)
    labels, infants, sounds = [], [], []
    for infant in range(12):
        own = rng.normal(0, 0.1)  # octaves
        for is_pain in (False, True) * 3:
            middle = own + rng.normal(0, 0.1) + octaves * is_pain
            wobble = middle + 0.1 * np.sin(2 * np.pi * rng.uniform(2, 5) * TIME)
            x = bursts(harmonics(400 * 2**wobble), rng.uniform(0.4, 0.8))
            sounds.append(in_room(x, room, rng, other=is_pain).astype(np.float32))
            labels.append("pain" if is_pain else "calm")
            infants.append(f"i{infant}")
    answered = background.answers(corpus(labels, infants), background.parts(sounds, sr=SR), folds=5)
    return background.scores(answered).set_index(["metric", "condition"])


def test_silence_at_the_ends_of_a_file_changes_nothing() -> None:
    x = (bursts(harmonics(400)) + 0.01 * NOISE).astype(np.float32)
    dither = np.where(NOISE[: SR // 2] > 0, 1, -1).astype(np.float32) / 2**15  # of a file with 16 bits
    plain, padded = (background.features(each, sr=SR) for each in (x, np.concatenate([dither, x, dither])))
    for name, numbers in plain.items():
        np.testing.assert_allclose(padded[name], numbers, rtol=1e-5)


@pytest.mark.parametrize("octaves", [0.0, 0.5])
@pytest.mark.parametrize(
    ("room", "reached"),
    [
        ("same", []),
        ("microphone", ["quiet", "room"]),
        ("noise", ["quiet", "change"]),
        ("echo", ["quiet", "room", "change", "voice"]),
    ],
)
def test_each_part_finds_what_reaches_it(room: str, reached: list[str], octaves: float) -> None:
    table = scores(room, octaves)
    of_cry = ["change", "voice", "pitch"] if octaves else []
    for metric in ("balanced_accuracy", "paired"):
        found = table.low[metric][lambda low: low > 0.5].index
        if room == "echo" and not octaves:  # it may reach the pitch
            found = found.drop("pitch", errors="ignore")
        assert set(found) == {*reached, *of_cry} | ({"whole"} if reached or of_cry else set()), metric


@large
def test_the_room_of_matched_pairs_hardly_reaches_the_voice() -> None:
    """In six corpora together: one has too few matched pairs."""
    rows = pd.concat(scores("some echo", 0.0, seed).xs("voice", level="condition") for seed in range(6))
    right = rows.value * rows.n
    paired, matched = (right[metric].sum() / rows.n[metric].sum() for metric in ("paired", "matched"))
    assert matched < 0.6 < paired


def test_stored_pairs_follow_from_the_stored_answers() -> None:
    run = Path(__file__).parents[2] / "outputs" / "reference" / "corvin"
    answered = claims.load_predictions(run, study="cry_or_place", feature="")
    again = background.scores(answered).set_index(["condition", "metric"])
    rows = claims.load_results(run, study="cry_or_place", feature="", split="leak_free", rival="")
    rows = rows.set_index(["condition", "metric"]).loc[again.index]
    assert len(again) == 14
    pd.testing.assert_frame_equal(again[["value", "low", "high"]], rows[["value", "low", "high"]], rtol=1e-6)
