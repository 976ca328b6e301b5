"""The ensemble: who trains on whom, what is joined, and what comes out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus

from cryutils import claims, evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation import Split
from cryutils.evaluation.answers import answers
from cryutils.models.autoencoders import patches
from cryutils.models.inputs import by_clip
from cryutils.papers import ensemble
from cryutils.papers.ensemble import Ensemble, Job, Plan, Row, Settings
from cryutils.papers.streams import Streams
from cryutils.papers.table3 import Classical, Table3

pytestmark = pytest.mark.usefixtures("brief")

INFANTS, CLIPS, WINDOWS, FRAMES = 15, 2, 2, 2
SETTINGS = Settings(
    hidden=8, bottleneck=3, patch=4, dnn_units=(6,), image_units=(6,), ensemble_units=(5,),
    autoencoder_epochs=1, epochs=2, image_epochs=2, ensemble_epochs=2, batch_size=64,
    learning_rate=1e-2, n_folds=3, n_inner=2, ensemble_input="features",
)  # fmt: skip


def made(state: float = 1.0) -> Streams:
    """Return windows whose values tell the state, `state` times as clearly as the infant."""
    rng = np.random.default_rng(0)
    names = ("hug", "hungry", "sleepy")
    infants = np.repeat(np.arange(INFANTS), CLIPS)
    cries = corpus([names[i % 3] for i in infants], [f"i{i:02d}" for i in infants], name="made")
    clip = np.repeat(np.arange(len(cries)), WINDOWS)
    infant = clip // CLIPS

    def values(*shape: int) -> np.ndarray:
        of_infant = rng.standard_normal((INFANTS, *shape))
        of_state = state * rng.standard_normal((3, *shape))
        noise = rng.standard_normal((len(clip), *shape))
        return (of_infant[infant] + of_state[infant % 3] + noise).astype(np.float32)

    frames = values(7).repeat(FRAMES, axis=0)
    return Streams(
        cries, clip, {"mfcc": values(8, 3), "stft": values(8, 5)},
        frames + rng.standard_normal(frames.shape).astype(np.float32),
        np.repeat(np.arange(len(clip)), FRAMES),
    )  # fmt: skip


@pytest.fixture(scope="module")
def streams() -> Streams:
    return made()


@pytest.fixture(scope="module")
def trained(streams: Streams, brief: None) -> Ensemble:
    return ensemble.fit(streams, settings=SETTINGS)


@pytest.fixture(scope="module")
def scores(trained: Ensemble) -> Table3:
    return Table3(trained)


TOTAL = (0, 1, 2)


def test_every_network_is_trained_on_others_than_it_answers(trained: Ensemble) -> None:
    plan = trained.plan
    for job in plan.places:
        fold = plan.nested(job)
        test = set(plan.windows(job, fold.test))
        for inner in (job, *plan.inner(job)):
            train, stop = plan.parts(inner)
            assert not set(train) & test
            assert not set(train) & set(stop)
            if inner.inner is not None:
                asked = set(plan.windows(job, fold.inner[inner.inner]))
                assert not set(train) & asked
                assert asked


def test_the_ensemble_learns_from_its_submodels_answers_and_a_stacked_one_from_inner_folds(
    trained: Ensemble,
) -> None:
    plan, job = trained.plan, Job(Split.LEAK_FREE, 1, TOTAL)
    fold = plan.nested(job)
    fit = plan.windows(job, fold.fit)
    simple, _, rows = trained.proposed.inputs.design(job)
    for name, submodel in trained.submodels.items():
        assert (simple[name][rows.train] == submodel.outputs(job, fit, "features")).all()
    assert len(rows.validation) == len(plan.windows(job, fold.stop))
    inputs = trained.variants["out_of_fold"].inputs
    design, _, rows = inputs.design(job)
    for name, submodel in inputs.submodels.items():
        answers = [
            submodel.outputs(inner, plan.windows(job, part), "features")
            for inner, part in zip(plan.inner(job), fold.inner, strict=True)
        ]
        assert (design[name][rows.train] == np.concatenate(answers)).all()
    assert len(rows.validation) == 2 * len(plan.windows(job, fold.stop))


def test_what_stops_a_pair_without_clips_of_its_own_for_that_is_taken_from_its_training(
    streams: Streams, trained: Ensemble
) -> None:
    nothing = np.empty(0, np.int64)
    folds = [fold._replace(stop=nothing) for fold in trained.plan.folds[Split.LEAK_FREE]]
    plan = Plan(streams, {Split.LEAK_FREE: folds}, SETTINGS)
    job = Job(Split.LEAK_FREE, 0, (0, 2))
    train, stop = plan.parts(job)
    assert len(stop)
    assert not set(streams.clip[train]) & set(streams.clip[stop])
    assert set(streams.y[stop]) <= {0, 2}
    assert set(streams.clip[stop]) <= set(folds[0].fit)
    for inner in plan.inner(job):
        fewer, same = plan.parts(inner)
        assert list(same) == list(stop)
        assert set(fewer) < set(train)


@pytest.mark.parametrize("way", ["features", "out_of_fold"])
def test_answers_are_the_mean_over_a_clips_windows_and_over_inner_networks_if_there_are_any(
    trained: Ensemble, streams: Streams, way: str
) -> None:
    model = trained.variants[way]
    answers = model.answers(Split.LEAK_FREE, TOTAL)
    assert answers.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    job = Job(Split.LEAK_FREE, 2, TOTAL)
    clip = int(trained.plan.nested(job).test[0])
    windows = np.flatnonzero(streams.clip == clip)
    predictions = []
    for source in trained.plan.inner(job) if way == "out_of_fold" else [job]:
        submodels = model.inputs.submodels.values()
        x = [submodel.outputs(source, windows, "features") for submodel in submodels]
        predictions.append(model.stack.predict(model.tasks[job], np.concatenate(x, axis=1)))
    assert answers[clip] == pytest.approx(np.mean(predictions, axis=(0, 1)), abs=1e-6)


def test_a_submodel_of_pictures_answers_by_the_mean_of_the_frames(
    trained: Ensemble, streams: Streams
) -> None:
    job = Job(Split.RANDOM, 0, TOTAL)
    image = trained.submodels["image"]
    windows = trained.plan.windows(job, trained.plan.nested(job).test)
    outputs = image.outputs(job, windows)
    for row, window in zip(outputs[:4], windows[:4], strict=True):
        frames = streams.frames[streams.frame_window == window]
        answers = image.stack.predict(image.tasks[job], frames)
        assert row == pytest.approx(answers.mean(axis=0), abs=1e-6)


# ---- Table 3 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("classical", [Classical.SVM, Classical.SVM_STOP])
def test_the_svm_learns_from_the_clips_that_the_submodels_learn_from_and_are_stopped_by(
    scores: Table3, classical: Classical
) -> None:
    from sklearn.base import clone

    from cryutils.models.classical import baselines

    plan = scores.ensemble.plan
    (predictions,) = scores.scored(Split.LEAK_FREE, Row.TOTAL, classical).predicted
    x = by_clip(plan.streams.joint(), plan.streams.clip, len(plan.streams.corpus))
    y = evaluation.class_indices(plan.streams.corpus.labels)[0]
    for fold in plan.folds[Split.LEAK_FREE]:
        train = fold.fit
        if classical is Classical.SVM_STOP:
            train = np.sort(np.concatenate([fold.fit, fold.stop]))
        model = clone(baselines(0)["svm"]).fit(x[train], y[train])
        assert (predictions[fold.test] == model.predict(x[fold.test])).all()


def test_patches_of_all_inputs_hold_the_submodels_patches_and_the_picture_once(
    streams: Streams,
) -> None:
    whole = patches(streams.side_by_side(4), 4)  # two patches of four frames each
    assert whole.shape == (len(streams), 2, 4 * (3 + 5 + 2))
    of_frames = whole.reshape(len(streams), 2, 4, 10)
    for name, columns in (("mfcc", slice(0, 3)), ("stft", slice(3, 8))):
        part = of_frames[..., columns].reshape(len(streams), 2, -1)
        assert (part == patches(streams.windows[name], 4)).all()
    picture = of_frames[..., 8:].reshape(len(streams), 2, -1)
    mean = by_clip(streams.frames, streams.frame_window, len(streams))
    assert (picture[..., :7] == mean[:, None]).all() and (picture[..., 7:] == 0).all()
    deaf = replace(streams, frames=None, frame_window=None)
    assert deaf.side_by_side(3).shape == (len(streams), 6, 8), "frames in whole patches"


def test_a_difference_between_two_rows_is_the_jackknife_over_infants(
    trained: Ensemble, scores: Table3
) -> None:
    rows = (Row.SLEEPY_HUNGRY, Row.HUGGING_HUNGRY)
    easier = scores.easier(Split.RANDOM, *rows)
    both = [scores.scored(Split.RANDOM, row, trained.proposed) for row in rows]

    def difference(without: str | None) -> float:
        easy, hard = (
            np.mean((s.predicted[0] == s.truth)[s.corpus.infants != without]) for s in both
        )
        return float(easy - hard)

    everyone = sorted({*both[0].corpus.infants, *both[1].corpus.infants})
    left = np.array([difference(infant) for infant in everyone])
    se = np.sqrt((len(left) - 1) * left.var())
    assert easier.value == pytest.approx(difference(None))
    assert easier.se == pytest.approx(se)


MODEL = ["study", "condition", "feature", "model", "split"]


def test_each_area_can_be_computed_from_the_predictions(scores: Table3) -> None:
    results = scores.results().fillna({"feature": ""})
    areas = results[results.metric == "roc_auc"].set_index(MODEL).value
    by_model = dict(iter(scores.predictions().groupby(MODEL)))
    for key, area in areas.items():
        a = answers(by_model[key])
        again = evaluation.auc_interval(a.strengths, a.truth, a.infants, a.folds)
        assert again.value == pytest.approx(area), key
    assert len(areas)


def test_the_type_of_phone_alone_is_a_model_where_it_is_known(
    trained: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    phones = property(lambda clips: np.array([str(int(i[1:]) % 2) for i in clips.infants], object))
    assert "phone" not in set(Table3(trained).predictions().model)
    monkeypatch.setattr(Corpus, "phones", phones)
    rows = Table3(trained).predictions().query("model == 'phone'")
    assert {*rows.condition} == {*map(str, trained.plan.rows)}
    rows = rows[(rows.split == "leak_free") & (rows.condition == "total")]
    phone = rows.infant.str[1:].astype(int) % 2
    for fold in set(rows.fold):  # validation clips are training clips: nothing is stopped early
        train = rows.fold != fold
        shares = pd.crosstab(phone[train], rows.truth[train], normalize="columns").round(9)
        assert rows.predicted[~train].tolist() == phone[~train].map(shares.idxmax(axis=1)).tolist()


def test_two_states_of_sound_alone_are_scored_as_their_pair_and_nothing_is_said_of_three(
    streams: Streams, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = np.flatnonzero(streams.corpus.labels != "hug")
    inside = np.isin(streams.clip, rest)
    two = replace(
        streams, corpus=streams.corpus.take(rest), frames=None, frame_window=None,
        clip=np.searchsorted(rest, streams.clip[inside]),
        windows={name: w[inside] for name, w in streams.windows.items()},
    )  # fmt: skip
    trained = ensemble.fit(two, settings=SETTINGS)
    assert list(trained.subsets) == [("mfcc",), ("stft",), ("mfcc", "stft")]
    scores = Table3(trained)
    assert scores.main is Row.SLEEPY_HUNGRY
    assert scores.interval(Split.LEAK_FREE, scores.main, trained.proposed).n == len(rest)
    claims.begin("09_ensemble", seed=0)
    claims.record_table(scores.results())
    keys = set(claims.results().key)
    assert "table3.sleepy_hungry.proposed.accuracy" in keys
    assert "submodel.mfcc.accuracy" in keys
    assert not [key for key in keys if "total" in key or key.startswith("ablation.minus")]


def test_an_unknown_input_is_refused() -> None:
    with pytest.raises(InputError, match="features"):
        Settings(ensemble_input="feature")
