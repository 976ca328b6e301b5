"""The model of Paper B that is kept."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from graphs import without_graphs
from scipy.special import logit
from trained_run import Trained

from cryutils import audio, claims, evaluation
from cryutils.errors import InputError
from cryutils.inference.predict import Predictor
from cryutils.models import cry2, export, novelty, training
from cryutils.models.backend import keras
from cryutils.models.inputs import SoundInput
from cryutils.studies.recognition import STATES, deploy, temperature


@without_graphs()
def test_deploy_keeps_a_network_that_predict_can_use(
    trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing, cries = trained.hearing, trained.corpus
    examples = hearing.examples(audio.signals(cries, sr=hearing.sr))
    calls: list[dict] = []
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda *a, **k: calls.append(k) or fit(*a, **k))
    truth, _ = evaluation.class_indices(cries.labels)
    answers = evaluation.out_of_fold(
        lambda _, test: np.where(test % 3, truth[test], -1), cries, split="leak_free", folds=2
    )
    settings = training.Settings(epochs=1, warm_up=0, seed=7)
    files = deploy(
        "cry2",
        lambda rows: cry2.adapt(cry2.build(rows.shape[1:], 4, filters=(4, 8)), rows),
        examples,
        cries,
        settings=settings,
        model_input=hearing,
        scored=answers,
        folder=claims.run_dir() / "models",
    )

    assert [file.name for file in files] == ["cry2.keras", "cry2.json", "cry2.tflite"]
    # All clips but a validation part of whole infants.
    parts = [cries.infants[calls[0][part]] for part in ("train", "validation")]
    assert set(parts[0]) | set(parts[1]) == set(cries.infants)
    assert not set(parts[0]) & set(parts[1])

    about = json.loads(files[1].read_text())
    assert about["classes"] == list(STATES)
    assert SoundInput(**about["input"]) == hearing
    assert (about["data"], about["note"], about["training"]) == ("synthetic", cries.note, asdict(settings))
    score = about["score"]
    row = evaluation.score(answers, "balanced_accuracy").iloc[0]
    assert list(score["metrics"]["balanced_accuracy"].values()) == [row.value, row.low, row.high]
    assert (score["clips"], score["infants"], score["guessing"]) == (16, 8, 0.25)
    assert score["share"] == answers.predicted.value_counts(normalize=True)[score["most_common"]]

    # Fitted to the validation part, whose answers may make a network less sure, never more.
    rows, network = examples.rows(calls[0]["validation"]), keras().models.load_model(files[0], compile=False)
    p = network.predict(examples.x[rows], verbose=0)
    fitted = temperature(p, truth[examples.clip[rows]])
    assert about["temperature"] == pytest.approx(max(1.0, fitted), abs=0.01)

    assert novelty.share(about["reference"], examples.x[:2] + 40) == 1

    (prediction,) = Predictor("cry2", run=apart / "outputs" / "manual")(cries[3].path)
    own = network.predict(examples.x[examples.rows([3])], verbose=0)
    mine = export.at_temperature(own, about["temperature"]).mean(axis=0)
    np.testing.assert_allclose(list(prediction.probabilities.values()), mine, atol=1e-4)


def test_the_temperature_of_equal_answers_has_a_closed_form() -> None:
    # Says 0.9 each time and is right 7 times in 10: the best it can say is 0.7.
    p = np.tile([0.9, 0.1], (10, 1))
    best = temperature(p, np.array([0] * 7 + [1] * 3))
    assert best == pytest.approx(logit(0.9) / logit(0.7), rel=1e-4)
    again = export.at_temperature(np.vstack([p, [np.nan] * 2]), best)
    assert again[0, 0] == pytest.approx(0.7, abs=1e-4) and np.isnan(again[-1]).all()
    with pytest.raises(InputError, match="no clip has an answer"):
        temperature(p[:0], np.array([], int))
