"""The intervals of the reference runs follow from the answers that are stored with them."""

from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from sizes import large

from cryutils import claims, evaluation
from cryutils.errors import InputError
from cryutils.evaluation.answers import Answers, answers
from cryutils.evaluation.intervals import ClassMetric
from cryutils.studies.recognition import STATES

REFERENCE = Path(__file__).resolve().parents[2] / "outputs" / "reference"


@large
@pytest.mark.parametrize(("run", "count"), [("judged", 518), ("simulated", 786), ("corvin", 147)])
def test_stored_intervals_follow_from_the_stored_answers(run, count) -> None:
    @cache
    def stored(*columns: tuple[str, str]) -> Answers:
        return answers(claims.load_predictions(REFERENCE / run, **dict(columns)))

    checked, without_answers = 0, set()
    for row in claims.read_results(REFERENCE / run / "results.json"):
        # The control "infant" is a mean over corpora; in "beyond" and "faces", each is a class.
        of_infants = row["study"] in ("control", "beyond", "faces") and row["condition"] == "infant"
        of_infants |= row["study"] == "cry_or_place" and row["feature"] == "infant"
        if row["low"] is None or of_infants:
            continue
        metric: Any = row["metric"]
        of_class = metric in get_args(ClassMetric)
        if row["rival"] and row["study"] != "cry2" and not of_class:
            continue
        if metric not in ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc") and not of_class:
            continue
        names = ("study", "condition", "feature", "split", "data")
        about = [(name, "" if of_class and name == "condition" else row[name]) for name in names]
        models = [row["model"], row["rival"]] if row["rival"] else [row["model"]]
        try:
            a, *rival = (stored(*about, ("model", model)) for model in models)
        except InputError:
            without_answers.add(row["study"])
            continue
        if metric == "roc_auc":
            again = evaluation.auc_interval(a.strengths, a.truth, a.infants, a.folds)
        else:
            other = rival[0].predicted if rival else None
            of = STATES.index(row["condition"]) if of_class else None
            again = evaluation.interval(a.predicted, a.truth, a.infants, metric=metric, of=of, rival=other)
        ends = (again.value, again.low, again.high)
        assert ends == pytest.approx((row["value"], row["low"], row["high"]), abs=1e-6), row
        checked += 1
    assert checked == count
    assert without_answers <= {"rolling", "who"}  # their tables have none
