"""The intervals of the reference runs follow from the answers that are stored with them."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import pytest
from sizes import large
from stored_answers import Answers, answers

from cryutils import claims, evaluation
from cryutils.errors import InputError

REFERENCE = Path(__file__).resolve().parents[2] / "outputs" / "reference"


@large
@pytest.mark.parametrize(("run", "count"), [("judged", 401), ("simulated", 676)])
def test_stored_intervals_follow_from_the_stored_answers(run: str, count: int) -> None:
    read = cache(partial(claims.load_predictions, run=REFERENCE / run))

    def stored(score: str, protocol: str, data: str) -> Answers:
        table = read(score)
        return answers(table[(table.protocol == protocol) & (table.data == data)])

    checked = 0
    for row in claims.read_results(REFERENCE / run / "results.json"):
        score, _, metric = row["key"].rpartition(".")
        if row["low"] is None or score == "control.infant":  # a mean over corpora
            continue
        gain = score.removeprefix("cry2.gain.")
        scores = [score] if gain == score else ["cry2", f"baseline.audio.{gain}"]
        try:
            a, *rival = (stored(name, row["protocol"], row["data"]) for name in scores)
        except InputError:  # not stored
            continue
        if metric == "roc_auc":
            again = evaluation.auc_interval(a.strengths, a.truth, a.infants, a.folds)
        elif metric not in ("accuracy", "balanced_accuracy", "macro_f1"):
            continue
        elif rival:
            again = evaluation.paired_interval(
                a.predicted, rival[0].predicted, a.truth, a.infants, metric=metric
            )
        else:
            again = evaluation.interval(a.predicted, a.truth, a.infants, metric=metric)
        ends = (again.value, again.low, again.high)
        assert ends == pytest.approx((row["value"], row["low"], row["high"]), abs=1e-6), row["key"]
        checked += 1
    assert checked == count
