"""The controls that the results of both papers stand on: all to learn, and nothing to learn.

At `signal=1` the networks must read the state of infants that they have never met; at `signal=0` the
leak-free test must not find what isn't there.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import papermill
from sizes import large

from cryutils import claims, evaluation
from cryutils.course import runner


def scores_of_notebook(apart: Path, name: str, **values: Any) -> pd.DataFrame:
    """Run a notebook and return the balanced accuracy of each model and split on undisturbed clips."""
    source, values = runner.notebooks()[name], values | {"seed": 1}
    papermill.execute_notebook(source, apart / "done.ipynb", values, cwd=source.parent, progress_bar=False)
    table = claims.load_predictions("manual")
    table = table[~table.condition.str.contains(".", regex=False)]  # such as noise.10
    table = table.assign(model=table.model + table.feature)
    return evaluation.score(table.drop(columns=["study", "condition", "feature"]), "balanced_accuracy")


@large
def test_at_full_signal_both_networks_know_new_infants_and_fusion_is_not_shown_to_lose(apart: Path) -> None:
    scores = scores_of_notebook(apart, "06_full", signal=1.0, infants=24).xs("leak_free", level="split")
    # The image network's score depends on its seed, so what is asked for is the interval.
    assert (scores.low[["audio", "image"]] > 0.5).all(), f"twice what guessing gets: {scores}"
    answers = claims.load_predictions("manual", study="full", condition="", split="leak_free")
    best = scores.value[["audio", "image"]].idxmax()
    gain = evaluation.difference(*(answers[answers.model == name] for name in ("full", best)))
    assert gain.high is not None and gain.high >= 0, (scores, gain)


@large
def test_at_full_signal_each_input_and_the_ensemble_know_new_infants(apart: Path) -> None:
    scores = scores_of_notebook(apart, "09_ensemble", signal=1.0, clips=180, extras=["variants"])
    scores = scores.xs("leak_free", level="split")
    assert (scores.low[["mfcc", "stft", "image"]] > 1 / 3).all(), scores
    assert scores.low["proposed"] > 2 / 3, scores


@large
def test_without_signal_clips_of_known_infants_score_and_new_infants_do_not(apart: Path) -> None:
    scores = scores_of_notebook(apart, "09_ensemble", signal=0.0, clips=120, extras=[])
    for model in ("proposed", "ae_dnn_patches"):
        value = scores.xs(model, level="model")
        # New infants may score below chance, since a held-out one depletes its own class.
        assert value.low["leak_free"] <= 1 / 3, value
        for split in ("random_frames", "random"):
            assert value.value[split] > value.value["leak_free"] + 0.1, value
            assert value.low[split] > 1 / 3, value
