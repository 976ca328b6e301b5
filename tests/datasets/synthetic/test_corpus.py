"""The synthetic corpus: its structure, its files, and the dials as a classifier meets them."""

from __future__ import annotations

import itertools
import json
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cryutils.audio import spectral
from cryutils.datasets.synthetic import corpus, face, schedule, voice
from cryutils.datasets.synthetic.dials import Dials
from cryutils.errors import InputError

SMALL = {"infants": 8, "clips_per_infant": 2, "duration_s": 0.5, "sr": 8000, "progress": False}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.wav")}


def test_built_twice_in_different_caches_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, rows = corpus.build(**SMALL)
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "other"))
    second, again = corpus.build(**SMALL)
    assert first != second and first.name == second.name
    assert contents(first) == contents(second)
    assert rows == again and len(contents(first)) == len(rows) == 16


def test_threads_make_the_same_bytes_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial, _ = corpus.build(**SMALL)
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "other"))
    monkeypatch.setattr(corpus, "PARALLEL_FROM_S", 0.0)
    parallel, _ = corpus.build(**SMALL)
    assert contents(serial) == contents(parallel)


def test_everything_that_shapes_the_sound_changes_the_folder() -> None:
    root, _ = corpus.build(**SMALL)
    changes = [
        {"signal": 0.5},
        {"identity": 0.5},
        {"interaction": 0.5},
        {"session": 0.5},
        {"seed": 1},
        {"duration_s": 0.6},
        {"sr": 16000},
        {"mostly": 1.0},
        {"infants": 9},
        {"clips_per_infant": 1},
        {"classes": ["hungry", "discomfort", "pain", "tired"]},
    ]
    folders = {corpus.build(**{**SMALL, **change})[0] for change in changes}
    assert len(folders | {root}) == len(changes) + 1


def test_a_version_stands_for_one_voice_and_one_face() -> None:
    """Where this fails, raise VERSION (sound) or FACES (pixels), and only then the numbers."""
    samples = [-0.00166, -0.06803, 0.10378, -0.11918, -0.16155, 0.31024, -0.02999, 0.18501]
    sound = voice.cry("hungry", infant=1, seed=2, sr=8000, duration_s=1.0)
    np.testing.assert_allclose(sound[400:6800:800], samples, atol=1e-4)
    moves = face.plan(voice.plan("hungry", infant=1, seed=2, duration_s=1.0), fps=2)
    _, pixels = face.frames(moves, size=64)
    red = [[147, 145, 144, 139], [163, 239, 213, 141], [169, 238, 231, 139], [125, 165, 165, 119]]
    np.testing.assert_allclose(pixels[8::16, 8::16, 0].astype(int), red, atol=3)
    assert (corpus.VERSION, corpus.FACES) == (2, 2)


def test_a_changed_generator_has_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    root, _ = corpus.build(**SMALL)
    monkeypatch.setattr(corpus, "VERSION", "another")
    assert corpus.build(**SMALL)[0] != root


def test_a_killed_build_resumes_with_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    root, rows = corpus.build(**SMALL)
    before = contents(root)
    lost = root / rows[3]["path"]
    lost.unlink()
    (root / "index.json").unlink()
    made = []
    cry = voice.cry
    monkeypatch.setattr(voice, "cry", lambda *a, **k: (made.append(a), cry(*a, **k))[1])
    assert corpus.build(**SMALL) == (root, rows)
    assert len(made) == 1
    assert contents(root) == before
    assert len(json.loads((root / "index.json").read_text())["clips"]) == 16


def test_a_kept_corpus_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _, rows = corpus.build(**SMALL)
    monkeypatch.setattr(voice, "cry", None)
    assert corpus.build(**SMALL)[1] == rows


def test_rows_describe_the_files() -> None:
    root, rows = corpus.build(**SMALL)
    for row in rows:
        label, infant, name = row["path"].split("/")
        assert (label, infant, name) == (row["label"], row["infant"], f"{row['id']}.wav")
        with wave.open(str(root / row["path"])) as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 2, 1)
            assert file.getnframes() == row["duration_s"] * 8000


def test_a_file_holds_the_planned_cry() -> None:
    root, rows = corpus.build(signal=0.4, identity=0.8, interaction=0.3, session=0.7, **SMALL)
    planned = schedule.plan(infants=8, clips_per_infant=2, duration_s=0.5)
    clip = planned[5]
    with wave.open(str(root / rows[5]["path"])) as file:
        samples = np.frombuffer(file.readframes(10**6), "<i2") / 32767
    sound = voice.cry(
        clip.label, infant=clip.voice_seed, seed=clip.seed, session=clip.session_seed,
        dials=Dials(0.4, 0.8, 0.3, 0.7), duration_s=0.5, sr=8000,
    )  # fmt: skip
    np.testing.assert_allclose(samples, sound, atol=0.51 / 32767)


@pytest.mark.parametrize("mostly", [0.0, 0.5, 0.85, 1.0])
@pytest.mark.parametrize("classes", [["hungry", "tired"], list(voice.STATES)])
def test_each_infant_cries_mostly_for_one_reason(mostly: float, classes: list[str]) -> None:
    clips = schedule.plan(classes, infants=32, clips_per_infant=5, mostly=mostly)
    main = {f"infant-{i:03d}": classes[i % len(classes)] for i in range(32)}
    share = np.mean([clip.label == main[clip.infant] for clip in clips])
    assert share == pytest.approx(mostly, abs=0.5 / len(clips))


def test_infants_and_clips_are_spread_evenly_over_classes() -> None:
    clips = schedule.plan(infants=24, clips_per_infant=5)
    assert set(Counter(c.label for c in clips)) == set(schedule.CLASSES)
    counts = Counter(c.label for c in clips).values()
    # Not always within one, since an infant's exceptions can't be of its own class.
    assert max(counts) - min(counts) <= 2
    assert set(Counter(c.infant for c in clips).values()) == {5}
    for label in schedule.CLASSES:
        assert len({c.infant for c in clips if c.label == label}) >= 6


def test_seeds_are_shared_by_an_infant_and_by_nothing_else() -> None:
    clips = schedule.plan(infants=24, clips_per_infant=5)
    voices = {c.infant: c.voice_seed for c in clips}
    assert all(c.voice_seed == voices[c.infant] for c in clips)
    seeds = [c.seed for c in clips]
    assert len({*seeds, *voices.values()}) == len(seeds) + len(voices)


def test_a_session_has_a_seed_of_its_own() -> None:
    clips = schedule.plan(infants=24, clips_per_infant=6)
    seeds = {clip.session: clip.session_seed for clip in clips}
    assert all(clip.session_seed == seeds[clip.session] for clip in clips)
    assert len(set(seeds.values())) == len(seeds) > 24


def test_a_session_is_one_infant_within_minutes_and_sessions_lie_hours_apart() -> None:
    clips = schedule.plan(infants=24, clips_per_infant=6)
    sizes = Counter(c.session for c in clips)
    assert max(sizes.values()) > 1
    for before, after in itertools.pairwise(clips):
        if before.infant == after.infant:
            gap = after.start_s - before.start_s
            assert gap > 0
            assert (gap < 600) == (before.session == after.session)
        else:
            assert before.session != after.session


def test_sex_and_age_belong_to_the_infant() -> None:
    clips = schedule.plan(infants=24, clips_per_infant=3)
    assert len({(c.infant, c.sex, c.age) for c in clips}) == 24
    assert {c.sex for c in clips} == {"f", "m"} and {c.age for c in clips} == set(schedule.AGES)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"signal": 2.0}, "signal=2.0"),
        ({"identity": -1.0}, "identity=-1.0"),
        ({"interaction": 1.5}, "interaction=1.5"),
        ({"session": -0.5}, "session=-0.5"),
        ({"classes": ["hungry", "tierd"]}, "Did you mean tired"),
        ({"classes": ["hungry", "hungry"]}, "twice"),
        ({"classes": "hungry"}, "not a list"),
        ({"classes": []}, "not a list"),
        ({"infants": 0}, "infants=0"),
        ({"infants": 7}, "8 or more"),
        ({"clips_per_infant": 0}, "clips_per_infant=0"),
        ({"mostly": 1.5}, "mostly=1.5"),
        ({"seed": -1}, "seed=-1"),
        ({"duration_s": 0.0}, "duration_s=0.0"),
        ({"sr": 100}, "sr=100"),
    ],
)
def test_bad_dials_are_named_in_one_line(
    dials: dict[str, object], message: str, cache: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        corpus.build(**{**SMALL, **dials})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def accuracies(dials: Dials) -> tuple[float, float]:
    """Accuracy of a linear discriminant on mean and spread of MFCC: random folds, infants whole."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import GroupKFold, KFold, cross_val_score

    clips = schedule.plan(infants=24, clips_per_infant=5)
    features = []
    for clip in clips:
        sound = voice.cry(
            clip.label, infant=clip.voice_seed, seed=clip.seed, dials=dials, duration_s=2.0, sr=8000
        )  # fmt: skip
        mfcc = spectral.mfcc(sound, sr=8000, n_fft=512, hop_length=256)
        features.append(np.r_[mfcc.mean(axis=0), mfcc.std(axis=0)])
    x, y, groups = np.array(features), [c.label for c in clips], [c.infant for c in clips]
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    random = KFold(6, shuffle=True, random_state=0)
    return (
        float(cross_val_score(model, x, y, cv=random).mean()),
        float(cross_val_score(model, x, y, groups=groups, cv=GroupKFold(6)).mean()),
    )


def test_without_signal_only_a_leak_beats_chance() -> None:
    leaky, honest = accuracies(Dials(signal=0.0))
    # Chance is 0.25. A held-out infant depletes its own class in training, so the honest score
    # may fall below it; 0.37 is three standard errors above for 120 clips.
    assert honest < 0.37
    assert leaky > honest + 0.2


def test_without_identity_there_is_nothing_to_leak() -> None:
    leaky, honest = accuracies(Dials(signal=0.0, identity=0.0))
    assert leaky < 0.37 and honest < 0.37


def test_where_each_infant_has_states_of_its_own_only_a_leak_beats_chance() -> None:
    leaky, honest = accuracies(Dials(interaction=1.0))
    assert honest < 0.37
    assert leaky > honest + 0.2


def test_with_full_signal_an_honest_model_learns() -> None:
    leaky, honest = accuracies(Dials())
    assert honest > 0.85
    assert leaky > 0.85
