"""Controls: what each change takes away, who is asked for, and that nothing crosses over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.papers import controls
from cryutils.papers.controls import Control

SR = 8000


def clip(number: int, *, infant: int, session: int = 0, label: str = "hungry", **more) -> Clip:
    return Clip(
        id=str(number), path=Path(more.pop("name", f"{number}.wav")), label=label,
        infant=f"infant-{infant}", session=f"infant-{infant}/{session}", start_s=None,
        duration_s=0.5, has_audio=True, has_video=False, **more,
    )  # fmt: skip


def corpus(clips: list[Clip]) -> Corpus:
    return Corpus(clips, name="hums", note="hums, and no infant's")


def hums(seed: int = 0) -> tuple[Corpus, list[np.ndarray]]:
    """Ten infants of two labels, each with a pitch of its own; four clips in two sessions."""
    rng = np.random.default_rng(seed)
    clips, sounds = [], []
    for infant in range(10):
        for j in range(4):
            clips.append(
                clip(
                    len(clips), infant=infant, session=j // 2,
                    label=("hungry", "tired")[infant % 2], age=("young", "old")[infant // 5],
                )
            )  # fmt: skip
            t = np.arange(SR // 2) / SR
            tone = np.sin(2 * np.pi * 200 * 1.25**infant * t) * (t < 0.3)
            sounds.append((tone + 0.01 * rng.normal(size=len(t))).astype(np.float32))
    return corpus(clips), sounds


@pytest.mark.parametrize("length", [400, 401])
def test_random_phases_keep_the_spectrum_and_lose_the_shape(length: int) -> None:
    rng = np.random.default_rng(0)
    x = np.zeros(length, np.float32)
    x[50:60] = 1.0  # one click: all of its energy in ten samples
    noise = controls.phase_randomised(x, rng)
    spectra = [np.abs(np.fft.rfft(y.astype(np.float64))) for y in (x, noise)]
    np.testing.assert_allclose(spectra[0], spectra[1], atol=1e-4)
    assert np.sum(noise[50:60] ** 2) < 0.5 * np.sum(noise**2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856-1430742197-1.0-m-04-hu.wav", "iOS"),
        ("549a46d8-9c84-430e-ade8-97eae2bef787-1430130772174-1.7-m-48-bp.wav", "Android"),
        ("infant-003-01.wav", None),
    ],
)
def test_a_file_name_tells_the_device_by_its_time(name: str, expected: str | None) -> None:
    assert clip(0, infant=0, name=name).phone == expected


def test_every_clip_is_tested_once_in_a_session_that_was_not_trained_on() -> None:
    infants = ["a"] * 5 + ["b"] * 4
    sessions = ["a/1", "a/1", "a/2", "a/3", "a/3", "b/1", "b/2", "b/2", "b/2"]
    drawn = controls.across_sessions(infants, sessions)
    assert sorted(np.concatenate([test for _, test in drawn])) == list(range(9))
    for train, test in drawn:
        assert not {sessions[i] for i in train} & {sessions[i] for i in test}
        assert {infants[i] for i in train} == {"a", "b"}


def test_infants_with_voices_of_their_own_are_told_apart_and_states_are_not() -> None:
    clips, sounds = hums()
    infant = controls.control(Control.INFANT, clips, sounds, sr=SR)
    assert infant.chance == pytest.approx(0.1)
    assert infant.score.value == pytest.approx(1.0)
    assert infant.score.n_infants == 10
    noise = controls.control(Control.NOISE, clips, sounds, sr=SR)
    assert noise.chance == 0.5 and noise.score.value > 0.9
    age = controls.control(Control.AGE, clips, sounds, sr=SR)
    assert age.score.value > 0.9, "the older half hums higher"


@pytest.mark.parametrize("name", [Control.STATE, Control.AGE, Control.NOISE])
def test_a_controls_score_can_be_computed_from_its_answers(name: Control) -> None:
    clips, sounds = hums()
    answer = controls.control(name, clips, sounds, sr=SR, repeats=2)
    (row,) = answer.results().to_dict("records")
    table = answer.predictions()
    assert (row["metric"], row["split"], row["data"]) == ("balanced_accuracy", "leak_free", "hums")
    assert set(table.split) == {"leak_free"} and set(table.data) == {"hums"}
    by_repeat = [
        balanced_accuracy_score(part.truth, part.predicted) for _, part in table.groupby("repeat")
    ]
    assert row["value"] == answer.score.value == pytest.approx(np.mean(by_repeat))
    assert set(table["clip"]) <= {each.id for each in clips}
    sides = table.groupby(["repeat", "infant"]).fold.nunique()
    assert len(by_repeat) == 2 and (sides == 1).all(), "no infant is on both sides"


def test_every_control_is_answered_or_says_why_it_can_not_be() -> None:
    clips, sounds = hums()
    answers = controls.controls(clips, sounds, sr=SR, n_folds=2)
    assert list(answers) == list(Control)
    assert isinstance(answers[Control.DEVICE], InputError), "hums have no device"
    table = controls.table(answers, clips.name)
    assert table.measured["device"] == str(answers[Control.DEVICE])
    assert table.measured["noise"] in ("above chance", "chance not ruled out")
    state = answers[Control.STATE]
    assert isinstance(state, controls.Answer)
    assert table.score["state"] == str(state.score) and table.guessing["state"] == "0.50"
    assert table.expected["age"] == "above chance"
    assert controls.table(answers, "synthetic").expected["age"] == "chance"
