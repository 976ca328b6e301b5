"""Paper B's states and scores: against scikit-learn and by hand; the model that is kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from graphs import without_graphs
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
)
from trained_run import Trained

from cryutils import audio, claims, evaluation, video
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.evaluation import calibration
from cryutils.models import checkpoints, crossfit, cry2, image, training
from cryutils.models.crossfit import CrossFit
from cryutils.models.examples import Examples
from cryutils.models.export import Lite
from cryutils.models.inputs import SoundInput
from cryutils.models.novelty import Reference
from cryutils.papers.predict import Predictor
from cryutils.papers.recognition import (
    STATES,
    Scored,
    comparison,
    deploy,
    flicker,
    state_corpus,
    windows,
)
from cryutils.video.tracks import FaceTrack


def corpus(labels: list[str], infants: list[str] | None = None, *, name: str = "cries") -> Corpus:
    infants = infants or [f"i{k}" for k in range(len(labels))]
    clips = [
        Clip(f"c{k}", Path(f"{k}.wav"), label, infant, "", None, 1.0, True, True)
        for k, (label, infant) in enumerate(zip(labels, infants, strict=True))
    ]
    return Corpus(clips, name=name, note="made up")


# Four states


def test_belly_pain_stands_for_pain_and_the_note_says_so() -> None:
    cries = corpus(["belly_pain", "burping", "discomfort", "hungry", "tired"])
    states = state_corpus(cries)
    assert states.classes == STATES == ("discomfort", "hungry", "pain", "tired")
    assert states.labels.tolist() == ["pain", "discomfort", "hungry", "tired"]
    assert states.note == "made up; belly_pain stands for pain"


def test_where_there_is_pain_nothing_stands_for_it() -> None:
    states = state_corpus(corpus(["belly_pain", "pain", "hungry"]))
    assert states.labels.tolist() == ["pain", "hungry"]
    assert states.note == "made up"


def test_another_stand_in_may_be_named() -> None:
    states = state_corpus(corpus(["belly_pain", "colic", "hungry"]), stand_in="colic")
    assert states.labels.tolist() == ["pain", "hungry"]
    assert states.note == "made up; colic stands for pain"


@pytest.mark.parametrize(("labels", "held"), [(["hungry", "bored"], "hungry"), (["a"], "none")])
def test_fewer_than_two_states_are_refused(labels: list[str], held: str) -> None:
    with pytest.raises(InputError, match=f"it holds {held}; name the folders") as caught:
        state_corpus(corpus(labels))
    assert "cries: of discomfort, hungry, pain or belly_pain, tired it" in str(caught.value)


# Scores


@dataclass(frozen=True)
class Case:
    """Cries of twelve infants and answers to them; some clips have none."""

    corpus: Corpus
    truth: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray


@pytest.fixture(scope="module")
def case() -> Case:
    rng = np.random.default_rng(3)
    truth = np.array([(k // 5 + (k % 5 == 4)) % 4 for k in range(60)])
    cries = corpus([STATES[k] for k in truth], [f"i{k // 5:02d}" for k in range(60)])
    predicted = np.where(rng.random(60) < 0.6, truth, rng.integers(0, 4, 60))
    predicted[rng.permutation(60)[:7]] = -1
    probabilities = np.full((60, 4), 0.1, np.float32)
    probabilities[np.arange(60), predicted] = 0.7
    probabilities[predicted < 0] = np.nan
    return Case(cries, truth, predicted, probabilities)


def test_scores_are_scikit_learns_and_no_answer_counts_as_wrong(case: Case) -> None:
    scored = Scored.of(case.probabilities, case.corpus, split="infant")
    np.testing.assert_array_equal(scored.predicted, case.predicted[None])
    precision, recall, f1, clips = precision_recall_fscore_support(
        case.truth, case.predicted, labels=range(4), zero_division=0
    )
    assert scored.scores.accuracy == pytest.approx(accuracy_score(case.truth, case.predicted))
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        balanced = balanced_accuracy_score(case.truth, case.predicted)
    assert scored.scores.balanced_accuracy == pytest.approx(balanced)
    assert scored.scores.macro_f1 == pytest.approx(f1.mean())
    table = scored.table
    assert table.index.tolist() == [*STATES, "macro mean"]
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert table[name].tolist() == pytest.approx([*values, values.mean()])
    assert table.clips.tolist() == [*clips, 60]
    confusion = confusion_matrix(case.truth, case.predicted, labels=range(4))
    np.testing.assert_array_equal(scored.scores.confusion, confusion)
    assert scored.scores.confusion.sum() == 60 - 7


def test_each_summary_score_lies_in_its_own_interval(case: Case) -> None:
    scored = Scored.of(case.probabilities, case.corpus, split="clip")
    assert set(scored.intervals) == {"accuracy", "balanced_accuracy", "macro_f1"}
    for metric, interval in scored.intervals.items():
        assert interval.value == pytest.approx(getattr(scored.scores, metric))
        assert interval.low is not None and interval.high is not None
        assert interval.low < interval.value < interval.high
        assert (interval.n, interval.n_infants) == (60, 12)
        assert "heard in training too" in interval.estimand


def test_with_their_folds_answers_have_an_area_under_the_roc_curve(case: Case) -> None:
    infants = case.corpus.infants.tolist()
    folds = evaluation.Split("infant").k_folds(case.corpus, n_splits=3, repeats=1, seed=0)
    scored = Scored.of(case.probabilities, case.corpus, folds, split="infant")
    area = evaluation.auc_interval(case.probabilities, case.corpus.labels, infants, folds)
    assert scored.intervals["roc_auc"] == area
    assert 0.5 < area.low < area.value < area.high < 1  # type: ignore[operator]
    row = scored.results("roc_auc").iloc[0]
    assert (row.metric, row.value, row.low) == ("roc_auc", area.value, area.low)
    assert "roc_auc" in set(scored.results().metric)
    majority = Scored.majority(case.corpus, folds, split="infant")
    assert (majority.intervals["roc_auc"].value, majority.intervals["roc_auc"].low) == (0.5, None)
    # One that always says the same may rank well all the same.
    bold = np.where([True, False, False, False], 5.0, 1.0) + np.eye(4)[case.truth]
    always = Scored.of(bold, case.corpus, folds, split="infant")
    assert always.intervals["accuracy"].low is None
    assert always.intervals["roc_auc"].value == 1
    assert always.intervals["roc_auc"].low is not None


def test_repeats_are_pooled(case: Case) -> None:
    perfect = np.eye(4, dtype=np.float32)[case.truth]
    wrong = np.eye(4, dtype=np.float32)[(case.truth + 1) % 4]
    scored = Scored.of(np.stack([perfect, wrong]), case.corpus, split="infant")
    assert scored.predicted.shape == (2, 60)
    assert set(scored.results().trainings) == {scored.trainings} == {2}
    assert scored.scores.accuracy == pytest.approx(0.5)
    assert scored.intervals["accuracy"].value == pytest.approx(0.5)


def test_majority_says_what_the_training_part_has_most_of() -> None:
    cries = corpus(["hungry", "hungry", "hungry", "pain", "pain", "pain"])
    # Without clips 0 and 1 pain is commoner, without 4 and 5 hungry is.
    folds = [
        [
            (np.array([2, 3, 4, 5]), np.array([0, 1])),
            (np.array([0, 1, 2, 3]), np.array([4, 5])),
            (np.array([0, 1, 2, 4]), np.array([2, 3])),
        ]
    ]
    scored = Scored.majority(cries, folds, split="infant")
    names = np.array(scored.classes)[scored.predicted[0]]
    assert names.tolist() == ["pain", "pain", "hungry", "hungry", "hungry", "hungry"]
    assert scored.scores.accuracy == pytest.approx(1 / 6)


def test_the_results_of_a_model_are_its_scores_and_those_of_each_class(
    case: Case, apart: Path
) -> None:
    claims.begin("04_test", seed=5)
    scored = Scored.of(case.probabilities, case.corpus, split="infant")
    claims.record_table(scored.results(), study="cry2", model="cry2")
    results = claims.results().set_index("key")
    summary = ["accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1"]
    by_class = [f"{state}.{what}" for what in ("precision", "recall", "f1") for state in STATES]
    assert set(results.index) == {f"cry2.{name}" for name in [*summary, *by_class]}
    assert set(results.split) == {"infant"} and set(results.data) == {"cries"}
    assert set(results.n) == {60} and set(results.n_infants) == {12} and set(results.seed) == {5}
    for name in summary:
        assert results.value[f"cry2.{name}"] == pytest.approx(getattr(scored.scores, name))
    assert results.value["cry2.pain.recall"] == pytest.approx(scored.table.recall["pain"])
    for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
        interval, row = scored.intervals[metric], results.loc[f"cry2.{metric}"]
        assert (row.low, row.high) == pytest.approx((interval.low, interval.high))
    assert results.low.isna().sum() == len(results) - 3


def test_each_score_can_be_computed_from_the_predictions_that_are_kept(
    case: Case, apart: Path
) -> None:
    claims.begin("04_test", seed=5)
    for split in evaluation.SPLITS:
        folds = split.k_folds(case.corpus, n_splits=3, repeats=2, seed=0)
        twice = np.stack([case.probabilities, case.probabilities[::-1]])
        scored = Scored.of(twice, case.corpus, folds, split=str(split))
        claims.record_scores(scored, study="cry2", model="cry2")
    claims.write()
    table = claims.load_predictions(study="cry2", model="cry2")
    results = claims.load_results().set_index(["key", "split"]).value
    assert len(table) == 2 * 2 * 60
    assert set(table.seed) == {5} and set(table.data) == {"cries"}
    for split, rows in table.groupby("split"):
        answer = rows.predicted.fillna("none")
        by_repeat = [part for _, part in rows.assign(answer=answer).groupby("repeat")]
        for name, score in (
            ("accuracy", accuracy_score),
            ("balanced_accuracy", lambda t, p: recall_score(t, p, labels=STATES, average="macro")),
        ):
            again = np.mean([score(part.truth, part.answer) for part in by_repeat])
            assert again == pytest.approx(results[f"cry2.{name}", split])
        f1 = f1_score(rows.truth, answer, labels=STATES, average="macro")
        assert f1 == pytest.approx(results["cry2.macro_f1", split])
        areas = []
        for state in STATES:
            right = pairs = 0.0
            for _, part in rows.groupby(["repeat", "fold"]):
                p, is_state = part[f"p_{state}"].to_numpy(), (part.truth == state).to_numpy()
                for mine in p[is_state]:
                    for other in p[~is_state]:
                        pairs += 1
                        right += 0.5 if np.isnan(mine + other) or mine == other else mine > other
            areas.append(right / pairs)
        assert np.mean(areas) == pytest.approx(results["cry2.roc_auc", split])
    assert not table.groupby(["split", "repeat"]).clip.value_counts().gt(1).any()


def test_both_protocols_are_kept_beside_each_other(case: Case, apart: Path) -> None:
    claims.begin("04_test")
    for split in evaluation.SPLITS:
        scored = Scored.of(case.probabilities, case.corpus, split=split)
        claims.record_table(scored.results("macro_f1"), study="x")
    assert claims.results()[["key", "split"]].to_numpy().tolist() == [
        ["x.macro_f1", "clip"], ["x.macro_f1", "infant"],
    ]  # fmt: skip


def test_a_class_of_one_infant_is_scored_without_an_interval(apart: Path) -> None:
    cries = corpus(["hungry", "hungry", "pain"], ["a", "b", "c"])
    scored = Scored(np.array([0, 0, 1]), cries, split="infant")
    table = scored.results().set_index("metric")
    assert table.value["macro_f1"] == 1
    assert table.low["macro_f1"] is None or np.isnan(table.low["macro_f1"])
    table = comparison({("a", "clip"): scored, ("a", "infant"): scored}, {"a": "A"})
    assert table.loc["A", "clip_low"] == table.loc["A", "clip_high"] == 1


def test_a_comparison_is_a_row_a_model_in_the_order_of_the_names(case: Case) -> None:
    best = np.eye(4, dtype=np.float32)[case.truth]
    by_model = {
        (model, split): Scored.of(p, case.corpus, split=split)
        for model, p in (("weak", case.probabilities), ("best", best))
        for split in ("clip", "infant")
    }
    table = comparison(by_model, {"best": "The best", "weak": "The weak"}, metric="macro_f1")
    assert table.index.tolist() == ["The best", "The weak"]
    interval = by_model["weak", "clip"].intervals["macro_f1"]
    row = table.loc["The weak"]
    assert (row["clip"], row.clip_low, row.clip_high) == pytest.approx(
        (interval.value, interval.low, interval.high)
    )
    assert table.loc["The best", "infant"] == 1


# Over time


def over_time(*labels: int) -> np.ndarray:
    """Windows in which a model says these classes, -1 nothing."""
    rows = np.full((len(labels), 3), 0.2, np.float32)
    for row, label in zip(rows, labels, strict=True):
        row[label if label >= 0 else slice(None)] = 0.6 if label >= 0 else np.nan
    return rows


def test_flicker_by_hand() -> None:
    clips = [
        over_time(0, 0, 1, 0),  # two changes in three steps of half a second
        over_time(2, 2, 2),
        over_time(0, -1, 1, 1),  # of two steps between answers, one is a change
        over_time(1),
        over_time(-1, 2, -1),
        over_time(),
    ]
    rates = flicker(clips, step_s=0.5)
    np.testing.assert_allclose(rates, [80, 0, 60, np.nan, np.nan, np.nan])


class Tells:
    """A fitted network that says what it is shown, and which of the networks it is."""

    def __init__(self, number: int) -> None:
        self.number = number

    def predict(self, x: np.ndarray) -> np.ndarray:
        share = np.asarray(x, np.float32)[(slice(None), *[0] * (x.ndim - 1))] / 100
        return np.stack([share, 1 - share - self.number / 1000, 0 * share + self.number / 1000], 1)


def cross(examples: Examples, folds: list[list], clips: int) -> CrossFit:
    fits = [Tells(k) for k in range(sum(len(repeat) for repeat in folds))]
    empty = np.zeros((len(folds), clips, 3), np.float32)
    return CrossFit(empty, fits, folds, ["a", "b", "c"])  # type: ignore[arg-type]


def test_rows_are_answered_by_the_network_that_has_not_seen_their_clip() -> None:
    examples = Examples(np.arange(7, dtype=np.float32)[:, None], np.array([0, 0, 1, 2, 2, 2, 4]))
    folds = [
        [(np.array([1, 3]), np.array([0, 2])), (np.array([0, 2]), np.array([1, 3, 4]))],
        [(np.array([0]), np.array([1, 4]))],
    ]
    networks = cross(examples, folds, 5)
    rows = networks.rows(examples)
    np.testing.assert_allclose(rows[0, :, 0], np.arange(7) / 100, atol=1e-6)
    np.testing.assert_allclose(rows[0, :, 2] * 1000, [0, 0, 1, 0, 0, 0, 1], atol=1e-4)
    assert np.isnan(rows[1]).all(axis=1).tolist() == [True, True, False, True, True, True, False]
    np.testing.assert_allclose(rows[1, [2, 6], 2] * 1000, 2, atol=1e-4)
    # A clip's answer is the mean of its rows'.
    by_clip = networks.predict(examples)
    np.testing.assert_allclose(by_clip[0, 2], rows[0, 3:6].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(np.isnan(by_clip[0, :, 0]), [False, False, False, True, False])


def track(times_s: list[float], *, faces: list[int] | None = None, blank=None) -> FaceTrack:
    n = len(times_s)
    return FaceTrack(
        np.zeros((n, 1, 1, 3), np.uint8), np.zeros((n, 4), np.float32),
        np.array(faces if faces is not None else [1] * n, bool),
        np.array(blank if blank is not None else [0] * n, bool), np.array(times_s, float), "haar",
    )  # fmt: skip


def test_windows_pair_a_stretch_of_sound_with_the_faces_in_it() -> None:
    hearing = SoundInput(window_s=1.024, step_s=1.024)  # starts at 0, 1.024, 2.048, 3.072
    sounds = Examples(np.arange(6, dtype=np.float32)[:, None], np.array([0, 0, 0, 0, 1, 1]))
    early = track([0.5, 1.5, 1.9, 2.2, 2.5], faces=[1, 1, 1, 0, 1], blank=[0, 0, 0, 0, 1])
    late = track([1.2])
    shown = np.array([10, 20, 40, 60], np.uint8)[:, None, None, None]
    faces = Examples(shown, np.array([0, 0, 0, 1]))
    folds = [[(np.array([1]), np.array([0])), (np.array([0]), np.array([1]))]]
    timelines = windows(
        cross(sounds, folds, 2).rows(sounds)[0], cross(faces, folds, 2).rows(faces)[0], hearing,
        sounds, [early, late], faces,
    )  # fmt: skip
    assert {name: [len(p) for p in clips] for name, clips in timelines.items()} == {
        "audio": [4, 2], "image": [4, 2], "fused": [4, 2],
    }  # fmt: skip
    np.testing.assert_allclose(timelines["audio"][0][:, 0], [0, 0.01, 0.02, 0.03], atol=1e-6)
    # The face at 0.5 s; the mean of those at 1.5 and 1.9 s; none after, so the last one before.
    np.testing.assert_allclose(timelines["image"][0][:, 0], [0.1, 0.3, 0.4, 0.4], atol=1e-6)
    np.testing.assert_allclose(timelines["fused"][0][:, 0], [0.05, 0.155, 0.21, 0.215], atol=1e-6)
    # Before the first face of the other clip the sound answers alone.
    np.testing.assert_allclose(timelines["image"][1][:, 0], [np.nan, 0.6], atol=1e-6)
    np.testing.assert_allclose(timelines["fused"][1][:, 0], [0.04, 0.325], atol=1e-6)


def test_a_clip_without_sound_has_no_windows() -> None:
    sounds = Examples(np.zeros((2, 1), np.float32), np.array([0, 0]))
    faces = Examples(np.zeros((1, 1, 1, 3), np.uint8), np.array([1]))
    folds = [[(np.array([1]), np.array([0])), (np.array([0]), np.array([1]))]]
    timelines = windows(
        cross(sounds, folds, 2).rows(sounds)[0],
        cross(faces, folds, 2).rows(faces)[0],
        SoundInput(),
        sounds,
        [track([]), track([0.0])],
        faces,
    )
    assert [len(p) for p in timelines["fused"]] == [2, 0]
    assert np.isnan(timelines["image"][0]).all()
    np.testing.assert_array_equal(timelines["fused"][0], timelines["audio"][0])


# The model that is kept


@without_graphs()
def test_deploy_keeps_a_network_that_predict_can_use(
    trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing, cries = trained.hearing, trained.corpus
    examples = hearing.examples(audio.signals(cries, sr=hearing.sr))
    calls: list[dict] = []
    fit = training.fit
    monkeypatch.setattr(crossfit, "fit", lambda *a, **k: calls.append(k) or fit(*a, **k))
    truth, _ = evaluation.class_indices(cries.labels)
    scored = Scored(np.where(np.arange(len(cries)) % 3, truth, -1), cries, split="infant")
    settings = training.Settings(epochs=1, warm_up=0, seed=7)
    files = deploy(
        "cry2",
        lambda s: cry2.build(hearing.shape, 4, filters=(4, 8)),
        examples, cries, settings=settings, model_input=hearing, scored=scored,
        folder=claims.run_dir() / "models",
    )  # fmt: skip

    folder = apart / "outputs" / "manual" / "models"
    assert files == tuple(folder / f"cry2.{end}" for end in ("keras", "json", "tflite"))
    # All clips but a validation part of whole infants, under the seed that is told.
    parts = [cries.infants[examples.clip[calls[0][part]]] for part in ("train", "validation")]
    assert set(parts[0]) | set(parts[1]) == set(cries.infants)
    assert not set(parts[0]) & set(parts[1])
    assert calls[0]["settings"] == settings

    about = json.loads(files[1].read_text())
    assert about["classes"] == list(STATES)
    assert SoundInput(**about["input"]) == hearing
    assert (about["data"], about["note"], about["seed"]) == ("synthetic", cries.note, 7)
    assert (about["clips"], about["infants"]) == (16, 8)
    assert about["learned_from"] == sorted(set(parts[0]))
    assert about["source"] == cries.source
    assert about["training"] == asdict(settings)
    assert about["leak_free"] == {
        metric: {"value": interval.value, "low": interval.low, "high": interval.high}
        for metric, interval in scored.intervals.items()
    }

    # Fitted to the validation part, whose answers may make a network less sure, never more.
    held_back = calls[0]["validation"]
    network, _ = checkpoints.load(folder, "cry2")
    fitted = calibration.temperature(
        network.predict(examples.x[held_back], verbose=0), truth[examples.clip[held_back]]
    )
    assert about["temperature"] == pytest.approx(max(1.0, fitted), abs=0.01)

    reference = Reference.from_json(about["reference"])
    assert reference is not None
    assert reference.share(examples.x[:2] + 40) == 1

    expected = network.predict(examples.x, verbose=0)
    np.testing.assert_allclose(Lite(files[2]).predict(examples.x), expected, atol=1e-4)
    prediction = Predictor("cry2", run=apart / "outputs" / "manual")(cries[3].path)
    calibrated = calibration.at_temperature(expected[examples.clip == 3], about["temperature"])
    mine = calibrated.mean(axis=0)
    np.testing.assert_allclose(list(prediction.probabilities.values()), mine, atol=1e-4)


@without_graphs()
def test_a_deployed_picture_model_is_asked_with_all_crops_of_a_recording(
    trained: Trained, apart: Path
) -> None:
    seeing, cries = trained.seeing, trained.corpus
    tracks = video.crops(cries, fps=seeing.fps, size=seeing.size, limit=seeing.limit)
    examples = seeing.examples(tracks)
    scored = Scored(np.zeros(len(cries), int), cries, split="infant")
    deploy(
        "image",
        lambda s: image.build(seeing.shape, 4, filters=(4, 8)),
        examples, cries, settings=training.Settings(epochs=1, warm_up=0), model_input=seeing,
        scored=scored, folder=claims.run_dir() / "models",
    )  # fmt: skip
    folder = apart / "outputs" / "manual"
    network, about = checkpoints.load(folder / "models", "image")
    prediction = Predictor("image", run=folder)(cries[0].path)
    # Training took a few of each clip; whoever asks later is judged by every look.
    track = video.track(cries[0].path, fps=seeing.fps, size=seeing.size)
    assert len(track) > seeing.limit
    answers = network.predict(seeing.crops(track), verbose=0)
    mine = calibration.at_temperature(answers, about["temperature"]).mean(axis=0)
    np.testing.assert_allclose(list(prediction.probabilities.values()), mine, atol=1e-4)
    best = pd.Series(prediction.probabilities)
    assert prediction.state == (best.idxmax() if best.max() >= 0.5 else "unsure")


# Rivals on the same folds


def test_a_rival_is_scikit_learns_out_of_fold_answer_and_silent_where_nothing_is_known() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    labels = ["hungry", "pain"] * 12
    cries = corpus(labels, [f"i{k // 2}" for k in range(24)])
    features = rng.normal(size=(24, 3)) + np.array([[0], [3]] * 12)
    folds = evaluation.Split("infant").k_folds(cries, n_splits=3, repeats=2, seed=0)
    model = LogisticRegression()
    whole = Scored.from_classifier(model, features, cries, folds, split="infant")
    assert whole.trainings is None and whole.results().trainings.isna().all()
    np.testing.assert_array_equal(
        whole.predicted, evaluation.out_of_fold(model, features, cries.labels, folds)
    )
    strengths = evaluation.scored_out_of_fold(model, features, cries.labels, folds)[1]
    area = evaluation.auc_interval(strengths, cries.labels, cries.infants.tolist(), folds)
    assert whole.intervals["roc_auc"] == area
    features[[4, 11]] = np.nan
    scored = Scored.from_classifier(model, features, cries, folds, split="infant")
    assert (scored.predicted[:, [4, 11]] == -1).all()
    others = np.setdiff1d(np.arange(24), [4, 11])
    assert (scored.predicted[:, others] >= 0).all()
    # By hand: the first fold of the first repeat, without the clips of which nothing is known.
    train, test = (np.setdiff1d(part, [4, 11]) for part in folds[0][0])
    truth = scored.truth
    by_hand = LogisticRegression().fit(features[train], truth[train]).predict(features[test])
    np.testing.assert_array_equal(scored.predicted[0][test], by_hand)


def test_a_classical_model_on_examples_answers_each_clip_by_the_mean_of_its_rows() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    cries = corpus(["hungry", "pain"] * 12)
    clip = np.repeat(np.delete(np.arange(24), 7), 3)  # three rows a clip, and none of clip 7
    x = rng.normal(size=(len(clip), 3)) + np.array([[0], [1]])[clip % 2]
    folds = evaluation.Split("infant").k_folds(cries, n_splits=3, repeats=2, seed=0)
    learnt_from = [[(train[train != 0], test) for train, test in repeat] for repeat in folds]
    model = LogisticRegression()
    scored = Scored.from_examples(model, x, clip, cries, learnt_from, split="infant")
    assert (scored.predicted[:, 7] == -1).all()
    # By hand: the second fold of the second repeat. Clip 0 is learnt from in none.
    train, test = (np.isin(clip, part) for part in learnt_from[1][1])
    fitted = model.fit(x[train], scored.truth[clip[train]])
    for k in np.unique(clip[test]):
        likely = fitted.predict_proba(x[clip == k]).mean(axis=0)
        assert scored.predicted[1, k] == likely.argmax()
    answers = scored.predictions()
    row = answers[(answers["repeat"] == 1) & (answers["clip"] == cries[int(k)].id)]
    np.testing.assert_allclose(row[["p_hungry", "p_pain"]].to_numpy()[0], likely, rtol=1e-6)
    assert set(row["fold"]) == {1}
    assert set(row.fold) == {1}


def test_always_the_same_answer_has_a_score_and_no_interval() -> None:
    cries = corpus(["hungry", "pain"] * 4)
    scored = Scored(np.zeros(8, int), cries, split="infant")
    assert scored.scores.balanced_accuracy == 0.5
    interval = scored.intervals["balanced_accuracy"]
    assert (interval.value, interval.low, interval.high) == (0.5, None, None)
    assert "always the same answer" in str(interval)
