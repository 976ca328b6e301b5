"""How the cry gate is measured: which windows count, which threshold is chosen, which infants."""

from __future__ import annotations

import numpy as np
import pytest

import cryutils
from cryutils.models.gate import SR, Gate
from cryutils.papers import gating


def windows_of(source: str, makers: list[str], x: np.ndarray) -> gating.Windows:
    n = len(makers)
    names = np.array(makers)
    return gating.Windows(x, np.zeros((n, 8), np.float32), np.full(n, source), names, names)


@pytest.fixture(scope="module")
def material() -> gating.Windows:
    """Cries and two kinds of others, told apart by the first column but for a few."""
    rng = np.random.default_rng(0)
    parts = []
    for source, centre in (("synthetic", 2.0), ("speech", -2.0), ("noise", -3.0)):
        makers = [f"{source}{k // 5}" for k in range(150)]
        x = rng.normal(0, 1, (150, 100))
        x[:, 0] += centre
        parts.append(windows_of(source, makers, x))
    return gating.together(parts)


def test_pauses_between_cries_and_what_is_faint_do_not_count() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(SR) / SR)
    loud, pause = 0.5 * tone, 0.5 * 10 ** (-30 / 20) * tone
    x = np.concatenate([loud, pause, pause, loud]).astype(np.float32)
    # Seven windows start half a second apart; three of them hold nothing but the pause.
    assert len(gating.loud_windows(x)) == 4
    assert len(gating.loud_windows((0.002 * x).astype(np.float32))) == 0
    assert gating.loud_windows(x[: SR - 1]).shape == (0, SR)


def test_a_corpus_gives_windows_by_infant() -> None:
    corpus = cryutils.load(
        "synthetic", infants=8, clips_per_infant=1, duration_s=2.0, sr=8000, progress=False
    )
    windows = gating.of_corpus(corpus)
    assert set(windows.maker) == set(corpus.infants)
    assert windows.is_cry.all()
    assert windows.x.shape == (len(windows), 100)


def test_distractors_are_of_every_kind_and_none_a_cry() -> None:
    windows = gating.distractors(each=1, seed=0)
    assert set(windows.source) == {"noise", "speech", "music", "motor", "household"}
    assert not windows.is_cry.any()


def test_no_gate_has_met_the_infant_that_it_scores(
    material: gating.Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_on: list[set[str]] = []
    fit = gating.fit

    def watched(windows: gating.Windows, **options: object) -> Gate:
        trained_on.append(set(windows.maker))
        return fit(windows, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(gating, "fit", watched)
    gating.out_of_fold(material)
    everyone = set(material.maker)
    left_out = [everyone - makers for makers in trained_on]
    assert sorted(name for part in left_out for name in part) == sorted(everyone)


def test_a_gate_is_what_scikit_learn_says(material: gating.Windows) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=3000)
    ).fit(material.x, material.is_cry)
    expected = model.predict_proba(material.x)[:, 1]
    np.testing.assert_allclose(gating.fit(material).scores(material.x), expected, atol=1e-9)


def test_the_threshold_leaves_the_same_room_on_both_sides() -> None:
    # Cries score 0.01, 0.02 ... 1.00, speech the same less a half: recall 0.95 + m and false
    # alarms 0.05 - m meet where 5 % of each are wrong, and nothing better is to be had.
    scores = np.concatenate([np.arange(1, 101) / 100, np.linspace(0, 0.05, 100)])
    windows = gating.together(
        [
            windows_of("synthetic", [f"a{k}" for k in range(100)], np.zeros((100, 100))),
            windows_of("speech", [f"b{k}" for k in range(100)], np.zeros((100, 100))),
        ]
    )
    assert gating.chosen_threshold(windows, scores) == pytest.approx(0.05, abs=0.011)


def test_rates_are_shares_of_windows(material: gating.Windows) -> None:
    scores = np.where(material.is_cry, 0.9, 0.1)
    scores[np.flatnonzero(material.source == "speech")[:15]] = 0.9
    table = gating.rates(material, scores, 0.5).set_index(["metric", "condition"])
    assert table.value.to_dict() == pytest.approx({
        ("recall", "synthetic"): 1.0, ("false_alarm", "speech"): 0.1, ("false_alarm", "noise"): 0,
    })  # fmt: skip
    assert (table.n_infants == 30).all()
    assert (table.low <= table.value).all()
    assert (table.value <= table.high).all()


def test_nested_thresholds_are_the_training_parts_own(material: gating.Windows) -> None:
    scores, thresholds = gating.nested(material)
    np.testing.assert_array_equal(scores, gating.out_of_fold(material))
    assert 1 <= len(set(thresholds)) <= 5
    assert gating.rates(material, scores, thresholds).value[0] > 0.9


def test_a_kind_that_training_never_met_passes_more_often(material: gating.Windows) -> None:
    # A third kind that is like cries in the only column that tells the others apart.
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (150, 100))
    x[:, 0] += 2.0
    x[:, 1] += 4.0
    music = windows_of("music", [f"music{k // 5}" for k in range(150)], x)
    windows = gating.together([material, music])
    met, unmet = gating.out_of_fold(windows), gating.unseen_kinds(windows)
    is_music = windows.source == "music"
    assert (met[is_music] > 0.5).mean() < 0.2 < 0.6 < (unmet[is_music] > 0.5).mean()
    assert np.isnan(unmet[windows.is_cry]).all()


class Deaf:
    """A gate that lets everything pass."""

    threshold = 0.5

    def score(self, window: np.ndarray, sr: int) -> float:
        return float(sr == SR and len(window) == 8)


def test_any_gate_can_be_measured(material: gating.Windows) -> None:
    assert (gating.scored_by(Deaf(), material) == 1.0).all()


def test_a_gate_answers_for_cries_that_it_did_not_learn_from(material: gating.Windows) -> None:
    # The shipped gate learnt from synthetic voices: others, fitted without the infant, answer.
    np.testing.assert_array_equal(gating.held_out(Deaf(), material), gating.out_of_fold(material))
    mine = windows_of("my recordings", ["mia"] * 3, np.zeros((3, 100)))
    home = gating.together([mine, material.where(~material.is_cry)])
    assert (gating.held_out(Deaf(), home) == 1.0).all()


def test_recordings_of_ones_own_are_cries(material: gating.Windows) -> None:
    mine = windows_of("my recordings", ["mia"] * 3, np.zeros((3, 100)))
    assert mine.is_cry.all()
    table = gating.rates(mine, np.ones(3), 0.5)
    assert table[["metric", "condition", "value", "data"]].to_numpy().tolist() == [
        ["recall", "my recordings", 1.0, "my recordings"]
    ]
    away = np.where(mine.is_cry, 0.3, 0.9)
    assert gating.chosen_threshold(mine, away) < 0.3, "of cries as many as possible should pass"


def test_the_shipped_gate_passes_what_was_asked_of_it() -> None:
    table = gating.reference()
    met = table[table.how != "kind left out"]
    assert (met[met.metric == "recall"].value >= gating.RECALL).all()
    assert (met[met.metric == "false_alarm"].value <= gating.FALSE_ALARM).all()
    by_exclusions = (
        table[(table.metric == "recall") & (table.condition == "donateacry")].set_index("how").value
    )
    assert by_exclusions["without exclusions"] > by_exclusions["out of fold"]


def test_a_curve_falls_from_all_to_none(material: gating.Windows) -> None:
    table = gating.curve(material, gating.out_of_fold(material))
    for _, line in table.groupby("source"):
        assert (np.diff(line.passing) <= 0).all()
        assert line.passing.iloc[0] == 1
