"""The ensemble: who trains on whom, what is joined, and what comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from cryutils import claims, evaluation
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.models import backbones
from cryutils.models.autoencoders import AUTOENCODER
from cryutils.models.export import Lite
from cryutils.models.inputs import SoundInput
from cryutils.models.stacked import DenseSettings
from cryutils.papers import ensemble, ensemble_files, nested, table3
from cryutils.papers.embeddings import FrameInput
from cryutils.papers.ensemble import Ensemble, Job, Settings
from cryutils.papers.streams import Streams
from cryutils.papers.table3 import Table3

INFANTS, CLIPS, MOMENTS, FRAMES = 15, 2, 2, 2
SMALL = DenseSettings(units=(6,), epochs=3, learning_rate=1e-2)
SETTINGS = Settings(
    encoder=replace(AUTOENCODER, units=(8, 3, 8), epochs=2), patch=4, audio=SMALL, image=SMALL,
    joint=SMALL, final=replace(SMALL, units=(5,)), n_folds=3, n_inner=2, kind="features",
)  # fmt: skip


def made() -> Streams:
    """Return moments whose values tell the state a little, and the infant more."""
    rng = np.random.default_rng(0)
    names = ("hug", "hungry", "sleepy")
    clips = [
        Clip(
            id=f"{i}-{k}", path=Path(f"{i}-{k}.wav"), label=names[i % 3], infant=f"i{i:02d}",
            session="", start_s=0.0, duration_s=4.0, has_audio=True, has_video=True,
        )
        for i in range(INFANTS) for k in range(CLIPS)
    ]  # fmt: skip
    corpus = Corpus(clips, name="made", note="made of numbers", citation="", licence="")
    clip = np.repeat(np.arange(len(clips)), MOMENTS)
    infant = clip // CLIPS

    def told(*shape: int) -> np.ndarray:
        own = rng.standard_normal((INFANTS, *shape))
        state = rng.standard_normal((3, *shape))
        noise = rng.standard_normal((len(clip), *shape))
        return (own[infant] + state[infant % 3] + noise).astype(np.float32)

    frames = told(7).repeat(FRAMES, axis=0)
    return Streams(
        corpus, clip, {"mfcc": told(8, 3), "stft": told(8, 5)},
        np.tile(np.arange(MOMENTS) + 0.5, len(clips)),
        frames + rng.standard_normal(frames.shape).astype(np.float32),
        np.repeat(np.arange(len(clip)), FRAMES),
    )  # fmt: skip


@pytest.fixture(scope="module")
def streams() -> Streams:
    return made()


@pytest.fixture(scope="module")
def found(streams: Streams, tmp_path_factory: pytest.TempPathFactory) -> Ensemble:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return ensemble.fit(streams, settings=SETTINGS)


TOTAL = (0, 1, 2)


def test_rows_are_those_that_the_classes_allow() -> None:
    assert ensemble.cells(["hungry", "sleepy"]) == {"sleepy_hungry": (0, 1)}
    rows = ensemble.cells(["hug", "hungry", "sleepy"])
    assert rows["hugging_hungry"] == (0, 1)
    assert rows["sleepy_hugging"] == (0, 2)
    assert len(ensemble.subsets(("mfcc", "stft", "image"))) == 7


def test_every_network_is_trained_on_others_than_it_answers(found: Ensemble) -> None:
    for scheme, folds in found.folds.items():
        for fold, one in enumerate(folds):
            job = Job(scheme, fold, TOTAL)
            test = set(found.moments(job, one.test))
            for inner in (job, *found.inner(job)):
                train, stop = found._parts(inner)
                assert not set(train) & test
                assert not set(train) & set(stop)
                if inner.inner is not None:
                    asked = set(found.moments(job, one.inner[inner.inner]))
                    assert not set(train) & asked
                    assert asked


def test_leak_free_no_network_knows_an_infant_that_it_answers(found: Ensemble) -> None:
    infants = found.streams.corpus.infants[found.streams.clip]
    for fold, one in enumerate(found.folds["leak_free"]):
        job = Job("leak_free", fold, TOTAL)
        test = set(infants[found.moments(job, one.test)])
        for inner in (job, *found.inner(job)):
            for part in found._parts(inner):
                assert not set(infants[part]) & test


def test_the_ensemble_learns_from_what_inner_networks_say_of_clips_they_do_not_know(
    found: Ensemble,
) -> None:
    job = Job("leak_free", 1, TOTAL)
    x, _, train, stop = found.design(job, "features", True)
    one = found.folds["leak_free"][1]
    rows = []
    for inner, part in zip(found.inner(job), one.inner, strict=True):
        moments = found.moments(job, part)
        parts = [found.outputs(name, inner, moments, "features") for name in found.streams.names]
        rows.append(np.concatenate(parts, axis=1))
    assert (x[train] == np.concatenate(rows)).all()
    assert len(stop) == 2 * len(found.moments(job, one.stop))
    simple, _, inside, _ = found.design(job, "features", False)
    fit = found.moments(job, one.fit)
    parts = [found.outputs(name, job, fit, "features") for name in found.streams.names]
    assert (simple[inside] == np.concatenate(parts, axis=1)).all()


@pytest.mark.parametrize("out_of_fold", [True, False])
def test_what_stops_a_pair_without_clips_of_its_own_for_that_is_taken_from_its_training(
    streams: Streams, found: Ensemble, monkeypatch: pytest.MonkeyPatch, out_of_fold: bool
) -> None:
    nothing = np.empty(0, np.int64)
    folds = [replace(one, stop=nothing) for one in found.folds["leak_free"]]
    bare = Ensemble(streams, SETTINGS, {"leak_free": folds})
    monkeypatch.setattr(bare, "_concatenated", lambda job, moments, kind: moments[:, None])
    job = Job("leak_free", 0, (0, 2))
    train, stop = bare._parts(job)
    assert len(stop)
    assert not set(train) & set(stop)
    for inner in bare.inner(job):
        own, same = bare._parts(inner)
        assert list(same) == list(stop)
        assert set(own) < set(train)
    x, _, taught, held = bare.design(job, "features", out_of_fold)
    assert set(x[taught, 0]) == set(train)
    assert set(x[held, 0]) == set(stop)


def test_answers_are_the_mean_over_the_inner_networks_and_a_clips_moments(
    found: Ensemble, streams: Streams
) -> None:
    name = ("features", True, streams.names)
    answers = found.answers(name, "leak_free", TOTAL)
    assert answers.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    fold = 2
    job = Job("leak_free", fold, TOTAL)
    clip = int(found.folds["leak_free"][fold].test[0])
    moments = np.flatnonzero(streams.clip == clip)
    network, task = found.network(*name, job)
    said = []
    for inner in found.inner(job):
        x = [found.outputs(stream, inner, moments, "features") for stream in streams.names]
        said.append(network.predict(task, np.concatenate(x, axis=1)))
    assert answers[clip] == pytest.approx(np.mean(said, axis=(0, 1)), abs=1e-6)


def test_a_submodel_of_pictures_answers_by_the_mean_of_the_frames(
    found: Ensemble, streams: Streams
) -> None:
    job = Job("clip", 0, TOTAL)
    network, task = found.network("image", job)
    moments = found.moments(job, found.folds["clip"][0].test)
    given = found.outputs("image", job, moments, "probabilities")
    for row, moment in zip(given[:4], moments[:4], strict=True):
        own = network.predict(task, streams.frames[streams.moment == moment])
        assert row == pytest.approx(own.mean(axis=0), abs=1e-6)


def test_a_pair_is_told_apart_by_networks_of_its_own(found: Ensemble) -> None:
    answers = found.answers("mfcc", "leak_free", (0, 2))
    inside = np.isin(found.streams.corpus.labels, ["hug", "sleepy"])
    assert np.isnan(answers[~inside]).all()
    assert (answers[inside, 1] == 0).all()
    assert answers[inside].sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_frames_are_units_of_their_own(found: Ensemble, streams: Streams) -> None:
    assert found.answers("stft", "frame", TOTAL).shape == (len(streams), 3)
    assert found.answers("stft", "clip", TOTAL).shape == (len(streams.corpus), 3)


def test_sound_alone_makes_an_ensemble_of_two(streams: Streams, apart: Path) -> None:
    deaf = replace(streams, frames=None, moment=None)
    two = ensemble.fit(deaf, settings=SETTINGS, schemes=("leak_free",))
    scores = Table3(two)
    assert scores.interval("leak_free", "total", "mfcc+stft").n == len(streams.corpus)


def test_histories_have_a_fold_each(found: Ensemble) -> None:
    for name in ("mfcc", "image", "ae_dnn", "proposed"):
        history = found.history(name, "leak_free")
        assert history.fold.unique().tolist() == [0, 1, 2]
        assert {"epoch", "loss", "val_loss", "accuracy", "val_accuracy"} <= set(history)


def test_another_backbones_pictures_are_scored_on_the_same_folds(
    found: Ensemble, streams: Streams, apart: Path
) -> None:
    other = replace(streams, frames=streams.frames[:, :3])
    alone = ensemble.images_alone(other, found)
    assert [f.test.tolist() for f in alone.folds["clip"]] == [
        f.test.tolist() for f in found.folds["clip"]
    ]
    assert Table3(alone).interval("clip", "total", "submodel.image").n == len(streams.corpus)


# ---- Table 3 ----------------------------------------------------------------------------------


def test_a_cell_is_what_the_networks_said_against_the_truth(found: Ensemble) -> None:
    scores = Table3(found)
    cell = scores.cell("clip", "total", "proposed")
    answers = found.answers(("features", True, found.streams.names), "clip", TOTAL)
    assert (cell.predicted == answers.argmax(axis=1)).all()
    one = scores.interval("clip", "total", "proposed")
    assert one.value == pytest.approx(accuracy_score(cell.truth, cell.predicted))


def test_the_majority_says_the_commonest_class_of_the_training_part(found: Ensemble) -> None:
    scores = Table3(found)
    for row, value in scores.majority().items():
        states = scores.rows[row]
        assert value <= 1 / len(states) + 0.2
        assert set(scores.cell("leak_free", row, "majority").predicted) <= set(states)


def test_the_svm_learns_from_the_clips_that_the_submodels_learn_from(found: Ensemble) -> None:
    from sklearn.base import clone

    from cryutils.models.classical import baselines
    from cryutils.models.examples import by_clip

    scores = Table3(found)
    said = scores.cell("leak_free", "total", "svm").predicted
    x = by_clip(found.streams.joint(), found.streams.clip, len(found.streams.corpus))
    y = evaluation.class_indices(found.streams.corpus.labels)[0]
    for fold in found.folds["leak_free"]:
        model = clone(baselines(0)["svm"]).fit(x[fold.fit], y[fold.fit])
        assert (said[fold.test] == model.predict(x[fold.test])).all()


def test_a_difference_between_two_rows_is_the_jackknife_over_infants(found: Ensemble) -> None:
    scores = Table3(found)
    got = scores.easier("clip", "sleepy_hungry", "hugging_hungry")
    cells = [scores.cell("clip", row, "proposed") for row in ("sleepy_hungry", "hugging_hungry")]

    def difference(without: str | None) -> float:
        kept = [c.infants != without for c in cells]
        shares = [np.mean((c.predicted == c.truth)[k]) for c, k in zip(cells, kept, strict=True)]
        return float(shares[0] - shares[1])

    everyone = sorted(set(cells[0].infants) | set(cells[1].infants))
    left = np.array([difference(infant) for infant in everyone])
    se = np.sqrt((len(left) - 1) * left.var())
    assert got.value == pytest.approx(difference(None))
    assert got.se == pytest.approx(se)


@pytest.mark.parametrize(("unit", "other"), [("clip", "frame"), ("frame", "clip")])
def test_every_result_is_recorded_under_its_key(
    found: Ensemble, unit: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(tmp_path))
    claims.begin("09_ensemble", seed=3)
    scores = Table3(found)
    claims.record_table(scores.results(unit))
    stored = json.loads((tmp_path / "results" / "09_ensemble.json").read_text())
    by_key = {(r["key"], r["protocol"]): r for r in stored}
    for row in ("sleepy_hungry", "sleepy_hugging", "hugging_hungry", "total"):
        for model in table3.MODELS:
            for protocol in ("paper", "leak_free"):
                one = by_key[f"table3.{row}.{model}.accuracy", protocol]
                scheme = unit if protocol == "paper" else "leak_free"
                assert one["value"] == scores.interval(scheme, row, model).value
                assert one["data"] == "made"
            aside = by_key[f"table3.{row}.{model}.{other}_split.accuracy", "paper"]
            assert aside["value"] == scores.interval(other, row, model).value
            assert aside["n"] == one["n"] == (30 if row == "total" else 20)
    for subset in ensemble.subsets(("mfcc", "stft", "image")):
        assert (f"ablation.{'+'.join(subset)}.accuracy", "leak_free") in by_key
    for name in ("mfcc", "stft", "image"):
        assert (f"submodel.{name}.accuracy", "paper") in by_key
    ledger = claims.published()
    wanted = ledger.key.str.startswith(("table3.gain", "table3.hardest", "ablation.gain"))
    assert wanted.sum() == 10
    for key in ledger[wanted].key:
        assert (key, "leak_free") in by_key


def test_the_published_figures_are_the_ledgers() -> None:
    figures = table3.published(claims.published())
    assert len(figures) == 12
    assert figures["total", "proposed"] == 0.9741
    assert figures["hugging_hungry", "svm"] == 0.6666


# ---- the files --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["features", "probabilities"])
def test_the_files_answer_as_the_networks_do(
    found: Ensemble, streams: Streams, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(tmp_path / "run"))
    base = backbones.base("MobileNetV2", input_shape=(32, 32, 3), weights="random")
    pixels = np.random.default_rng(0).integers(0, 255, (len(streams.frames), 32, 32, 3), np.uint8)
    embedded = np.asarray(backbones.head_input(base).predict(pixels, verbose=0))
    given = replace(streams, frames=embedded)
    own = replace(SETTINGS, kind=kind)
    hearing = {
        name: SoundInput(kind=name, n_fft=8, hop_length=4, scaling="recording")
        for name in streams.windows
    }
    files = ensemble_files.deploy(
        given, Table3(found), hearing=hearing, seeing=FrameInput(size=32), backbone=base,
        settings=own, rolling=5, folder=claims.run_dir() / "models",
    )  # fmt: skip
    assert {path.name for path in files} == {
        f"ensemble{part}{end}" for part in ("", "_mfcc", "_stft", "_image")
        for end in (".keras", ".tflite")
    } | {"ensemble.json"}  # fmt: skip
    folder = tmp_path / "run" / "models"
    about = json.loads((folder / "ensemble.json").read_text())
    assert about["classes"] == ["hug", "hungry", "sleepy"]
    assert about["leak_free"]["accuracy"]["value"] == Table3(found).interval(
        "leak_free", "total", "proposed"
    ).value  # fmt: skip

    kept = ensemble.Ensemble(
        given, own, {"leak_free": [nested.whole(given.units("clip"), n_inner=2)]},
        pairs=False,
    )  # fmt: skip
    kept.train(False, ablation=False)
    moments = np.arange(6)
    job = Job("leak_free", 0, TOTAL)
    want = kept._answer((kind, True, streams.names), job, moments)
    parts = []
    for name in streams.names:
        lite = Lite(folder / f"ensemble_{name}.tflite")
        if name == "image":
            rows = np.flatnonzero(np.isin(streams.moment, moments))
            out = lite.predict(pixels[rows])
            out = np.stack([out[streams.moment[rows] == m].mean(axis=0) for m in moments])
        else:
            out = lite.predict(streams.windows[name][moments])
        wide = about["parts"][name]["features"]
        mean = [kept.outputs(name, one, moments, "probabilities") for one in kept.inner(job)]
        assert out[:, wide:] == pytest.approx(np.mean(mean, axis=0), abs=1e-4)
        parts.append(out[:, :wide])
    got = Lite(folder / "ensemble.tflite").predict(np.concatenate(parts, axis=1))
    assert got == pytest.approx(want, abs=1e-4)


def test_a_pair_of_which_nobody_stops_holds_some_of_its_own_training_back(
    streams: Streams, apart: Path
) -> None:
    units = streams.units("clip")
    fold = nested.whole(units, n_inner=2)
    sleepy = fold.stop[units.labels[fold.stop] == "sleepy"]
    lacking = replace(fold, stop=sleepy)
    found = Ensemble(streams, SETTINGS, {"leak_free": [lacking]})
    train, stop = found._parts(Job("leak_free", 0, (0, 1)))
    assert len(stop)
    assert not set(streams.clip[train]) & set(streams.clip[stop])
    assert set(streams.y[stop]) <= {0, 1}
    assert set(streams.clip[stop]) <= set(fold.fit)


def test_two_states_are_scored_as_their_pair_and_nothing_is_said_of_three(
    streams: Streams, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = np.flatnonzero(streams.corpus.labels != "hug")
    inside = np.isin(streams.clip, kept)
    two = replace(
        streams, corpus=streams.corpus.take(kept), frames=None, moment=None,
        clip=np.searchsorted(kept, streams.clip[inside]), middle_s=streams.middle_s[inside],
        windows={name: w[inside] for name, w in streams.windows.items()},
    )  # fmt: skip
    scores = Table3(ensemble.fit(two, settings=SETTINGS))
    assert scores.main == "sleepy_hungry"
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(apart / "run"))
    claims.begin("09_ensemble", seed=0)
    claims.record_table(scores.results())
    keys = set(claims.load_results().key)
    assert "table3.sleepy_hungry.proposed.accuracy" in keys
    assert "submodel.mfcc.accuracy" in keys
    assert not [key for key in keys if "total" in key or key.startswith("ablation.gain")]


def test_wrong_settings_are_told_in_one_line(
    streams: Streams, found: Ensemble, apart: Path
) -> None:
    with pytest.raises(InputError, match="features"):
        Settings(kind="feature")
    with pytest.raises(InputError, match="clip"):
        Table3(found).results("clips")
    with pytest.raises(InputError, match='give "clip" or "frame"'):
        Table3(found).results("leak_free")
    with pytest.raises(InputError, match="leak_free"):
        ensemble.fit(streams, settings=SETTINGS, schemes=("leekfree",))
