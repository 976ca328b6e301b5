"""Shared code of Paper B's notebooks: its four states, and a model to keep.

Used in notebooks 04_cry2, 05_image, 06_full, 11_robustness and 13_live_and_deployment.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from cryutils import evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.models import export, novelty, training
from cryutils.models.inputs import Examples, PictureInput, SoundInput

STATES = ("discomfort", "hungry", "pain", "tired")
STAND_INS = {"pain": ("belly_pain",), "tired": ("sleepy",)}  # of a state that a corpus does not have


def deploy(
    name: str,
    build: Callable[[Any], Any],
    examples: Examples,
    corpus: Corpus,
    *,
    settings: training.Settings,
    model_input: SoundInput | PictureInput,
    scored: pd.DataFrame,
    folder: Path,
) -> list[Path]:
    """Train `name` on all clips except a validation part, save it, and return the paths.

    They are `<name>.keras`, `<name>.json` and `<name>.tflite` in `folder`. The JSON file includes a
    `temperature`, fitted to single windows or crops of the validation part. It is at least 1: this
    small part has already chosen the epoch, so it may only lower a network's confidence.

    build: as in `training.fit`. examples: rows of all clips. model_input: how a recording is
    prepared. scored: answers of such networks to unseen infants, from `evaluation.out_of_fold`.
    """
    clips, groups = np.unique(examples.clip), corpus.infants
    fitting, stopping = evaluation.hold_back(corpus.labels, clips, groups, seed=settings.seed)
    truth, _ = evaluation.class_indices(corpus.labels)
    fitted = training.fit(build, examples, truth, train=fitting, validation=stopping, settings=settings)
    held_back = examples.rows(stopping)
    answers = fitted.predict(examples.x[held_back])
    about = card(corpus, scored) | {"training": asdict(settings), "seed": settings.seed}
    about["input"] = asdict(model_input)
    about["temperature"] = max(1.0, round(temperature(answers, truth[examples.clip[held_back]]), 3))
    if isinstance(model_input, SoundInput):
        about["reference"] = novelty.reference(examples, corpus.infants)
    return export.save(fitted.model, folder, name, about)


def temperature(probabilities: npt.NDArray[np.floating[Any]], truth: npt.NDArray[np.integer[Any]]) -> float:
    """Return the temperature of least mean log loss (`export.at_temperature`), between 0.05 and 20.

    It is above 1 for an overconfident model (Guo et al. 2017, arXiv 1706.04599).

    probabilities: float (clips, classes), of clips that neither train nor test the model. truth:
    their class indices, (clips,). Raises InputError if there are none.
    """
    if not len(probabilities):
        raise InputError("no clip has an answer, so there is nothing to calibrate")
    p = np.asarray(probabilities, dtype=np.float64)
    logits = np.log(np.maximum(p, np.finfo(np.float32).tiny))  # 0 has no logarithm

    def loss(inverse: float) -> float:
        return -float(log_softmax(inverse * logits, axis=1)[np.arange(len(p)), truth].mean())

    # The loss is convex in 1 / temperature, so the minimum is unique.
    best = minimize_scalar(loss, bounds=(1 / 20, 1 / 0.05), options={"xatol": 1e-9})
    return float(1 / best.x)


def card(corpus: Corpus, scored: pd.DataFrame) -> dict[str, Any]:
    """Return the entries of a model's card on its data and its scores on new infants."""
    scores = evaluation.score(scored).droplevel("split")[["value", "low", "high"]].astype(object)
    given = scored["predicted"].value_counts(normalize=True)
    return {
        "classes": corpus.classes,
        "data": corpus.name,
        "note": corpus.note,
        "clips": len(corpus),
        "infants": len(set(corpus.infants)),
        "score": {
            "metrics": scores.where(scores.notna(), None).to_dict("index"),  # None: no interval
            "clips": scored["clip"].nunique(),
            "infants": scored["infant"].nunique(),
            "guessing": 1 / len(corpus.classes),
            "most_common": given.index[0],
            "share": float(given.iloc[0]),
        },
    }
