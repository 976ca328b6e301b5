"""Fit the cry gate that comes with the package, and measure it.

    python tools/fit_gate.py [YAMNET.tflite]

Uses DonateACry with its published annotations (`crstc` in CRYUTILS_DATA_DIR), synthetic cries and
generated distractors. Writes `cryutils/models/gate.json`, and the measurements to `gate.csv`,
`gate_curve.csv` and `gate_comparison.csv` in `outputs/reference`. The comparison includes a gate on
the speech embedding, with the extra `embeddings`, and YAMNet if its LiteRT file is given. Run it
after changing the gate's features, the distractors or the exclusions.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd

import cryutils
from cryutils._io import extras
from cryutils._io.paths import project_dir, writing
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.donateacry import exclusions
from cryutils.evaluation.events import Event
from cryutils.models import sound_embeddings
from cryutils.models.gate import READY, SR, Yamnet
from cryutils.papers import gating

INFANTS, CLIPS, EACH, SEED = 60, 2, 120, 0
HOW = {
    "out of fold": "threshold chosen on these very scores, over all",
    "nested": "threshold chosen by each fold's training part",
    "kind left out": "fitted without this kind of distractor",
    "without exclusions": "out of fold; clips judged to be no cry left out of the counting",
}


def main() -> None:
    """Fit and measure the gate, and write its file and its tables."""
    real = cryutils.load("donateacry")
    annotated = gating.annotated_cries(real)
    if not annotated:
        raise SystemExit("CRYUTILS_DATA_DIR has no folder crstc with the annotations.")
    windows = material(real, annotated)
    scores = gating.out_of_fold(windows, seed=SEED)
    threshold = gating.chosen_threshold(windows, scores)
    note = f"{len(windows)} windows of DonateACry, synthetic cries and generated distractors"
    gating.fit(windows, threshold=threshold, note=note).save(READY)
    cries = ~np.isin(windows.clip, list(exclusions()))
    tables = {
        "out of fold": gating.rates(windows, scores, threshold),
        "nested": gating.rates(windows, *gating.nested(windows, seed=SEED)),
        "kind left out": gating.rates(windows, gating.unseen_kinds(windows), threshold),
        "without exclusions": gating.rates(
            windows.where(cries & windows.is_cry), scores[cries & windows.is_cry], threshold
        ),
    }
    table = pd.concat([rows.assign(how=how) for how, rows in tables.items()])
    reference = project_dir() / "outputs" / "reference"
    with writing(reference / "gate.csv") as part:
        columns = ["how", "metric", "condition", "value", "low", "high", "n", "n_infants"]
        table[columns].round(4).to_csv(part, index=False)
    is_real = windows.source != "synthetic"
    with writing(reference / "gate_curve.csv") as part:
        gating.curve(windows.where(is_real), scores[is_real]).round(4).to_csv(part, index=False)
    detectors = {"gate": scores, "level meter": windows.level}
    if extras.is_installed("pyopen_wakeword"):  # the same classifier on a pretrained network
        speech = sound_embeddings.embeddings("speech", list(windows.sounds), sr=SR)
        on_speech = replace(windows, x=speech.astype(np.float64))
        detectors["speech embedding"] = gating.out_of_fold(on_speech, seed=SEED)
    if sys.argv[1:]:
        detectors["YAMNet"] = gating.scored_by(Yamnet(sys.argv[1]), windows)
    comparison = gating.compare(windows, detectors, annotated)
    with writing(reference / "gate_comparison.csv") as part:
        comparison.round(4).to_csv(part, index=False)
    print(comparison.round(3).T.to_string())
    print(f"threshold {threshold}, {len(windows)} windows; {READY}")
    for how, why in HOW.items():
        print(f"\n{how}: {why}")
        columns = ["metric", "condition", "value", "low", "high"]
        print(table[table.how == how][columns].round(3).to_string())


def material(real: Corpus, annotated: dict[str, list[Event]]) -> gating.Windows:
    """Return the windows of all three sources."""
    made = cryutils.load(
        "synthetic", infants=INFANTS, clips_per_infant=CLIPS, sr=8000, seed=SEED, progress=False
    )
    return gating.together(
        [
            gating.of_corpus(real, annotated),
            gating.of_corpus(made),
            gating.distractors(each=EACH, seed=SEED),
        ]
    )


if __name__ == "__main__":
    main()
