"""The cry gate as it is shipped."""

import numpy as np
import pytest
from sizes import large

import cryutils
from cryutils import audio
from cryutils._io.paths import data_dir
from cryutils.datasets.synthetic import voice
from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.models.gate import (
    QUIETEST_DB,
    SR,
    Gate,
    bursts,
    level_db,
    reference,
    salience,
    windows,
    without_hum,
)

GATE = Gate.load()
TIME = np.arange(7 * SR) / SR
LOUDEST = 20  # clips of DonateACry that a test reads
CRY = voice.render(voice.plan("hungry", infant=900, seed=900), SR)


def passing(x: np.ndarray, sr: int = SR) -> np.ndarray:
    return GATE.scores(x, sr) >= GATE.threshold


def at_level(x: np.ndarray, db: float) -> np.ndarray:
    return (x * 10 ** ((db - level_db(x)) / 20)).astype(np.float32)


def loudest_second(x: np.ndarray) -> np.ndarray:
    return max((x[k : k + SR] for k in range(0, len(x) - SR + 1, SR // 2)), key=level_db)


@pytest.fixture
def real(donateacry) -> list[np.ndarray]:
    """The loudest seconds of some recordings of DonateACry."""
    corpus = cryutils.load("donateacry")
    return [loudest_second(audio.read(clip.path, sr=SR)) for clip in list(corpus)[:: len(corpus) // LOUDEST]]


def test_a_real_cry_passes_at_any_level_of_the_microphone(real) -> None:
    for level in (-20, -60):
        assert np.mean([passing(at_level(x, level))[0] for x in real]) > 0.8


def test_hum_of_the_mains_hides_no_cry(real) -> None:
    hum = at_level(np.sin(2 * np.pi * 50 * TIME), -30) + np.float32(0.05)
    cries = [at_level(without_hum(x), -45) for x in real if passing(x)[0]]
    sounds = [hum + np.r_[np.zeros(len(hum) - SR, np.float32), cry] for cry in cries]
    scores = [GATE.scores(x, SR, newest=True)[0] for x in sounds]
    assert np.mean(np.array(scores) >= GATE.threshold) > 0.9


def test_an_infant_that_cries_passes() -> None:
    sounds = [voice.render(voice.plan("hungry", infant=k, seed=k), 48000) for k in range(900, 905)]
    assert np.mean(np.concatenate([passing(x, 48000) for x in sounds])) > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_cry_does_not(kind) -> None:
    sounds = [distractor(kind, rng=np.random.default_rng([999, k])) for k in range(10)]
    assert np.mean(np.concatenate([passing(x) for x in sounds])) < 0.1


def test_what_runs_steadily_has_little_salience_and_a_cry_next_to_it_has() -> None:
    room = at_level(np.random.default_rng(0).standard_normal(40 * SR), -40)
    cry = at_level(CRY, -30)
    room[20 * SR : 20 * SR + len(cry)] += cry
    values = salience(room)  # a window begins every half second
    assert np.mean(values[:38]) < 0.2 and values[:38].min() >= 0.01
    assert np.mean(values[40 : 40 + 2 * len(cry) // SR - 2] == 1) > 0.7


def test_silence_and_a_sound_too_quiet_to_judge_score_exactly_0() -> None:
    hiss = at_level(np.random.default_rng(0).standard_normal(7 * SR), -60)  # no louder than the room
    for x in (np.full(7 * SR, 0.1, np.float32), at_level(CRY, QUIETEST_DB - 30), hiss):
        assert not GATE.scores(x, SR).any()


def test_the_newest_window_is_that_of_all_windows() -> None:
    x = CRY[: len(CRY) // (SR // 2) * (SR // 2)]
    assert GATE.scores(x, SR, newest=True) == pytest.approx(GATE.scores(x, SR)[-1:], abs=1e-6)
    assert [len(GATE.scores(x[:count], SR)) for count in (3000, 0)] == [1, 0]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [("1", [(0.0, 1.0)]), ("10001", []), ("1100011", [(0.0, 4.0)]), ("11000011", [(0.0, 1.5), (3.0, 4.5)])],
)
def test_an_episode_begins_with_two_of_four_and_ends_after_2_s(answers, expected) -> None:
    assert bursts([letter == "1" for letter in answers]) == expected


@large
def test_the_stored_rate_of_other_infants_is_that_of_the_shipped_gate() -> None:
    home = data_dir()
    if home is None or not (home / "corvin2024").is_dir():
        pytest.skip("CRYUTILS_DATA_DIR has no folder corvin2024")
    answers: list[bool] = []
    for path in sorted((home / "corvin2024").rglob("*.flac")):
        x = audio.read(path, sr=SR)
        levels = np.array([level_db(row) for row in windows(without_hum(x))])
        answers += list(passing(x)[levels >= max(levels.max() - 20, QUIETEST_DB)])
    stored = reference("gate_sources").set_index("folder").loc["corvin2024"]
    assert len(answers) == stored.windows
    assert np.mean(answers) == pytest.approx(stored.passing, abs=2e-4)
