"""How much of Table 3's score with windows split comes from overlap? `cryutils bench overlap`.

    cryutils bench overlap                     DonateACry, five divisions
    python benchmarks/overlap.py --repeats 2

By default the windows of notebook 09 are 2 s long and start every second, so neighbours overlap by
half. If windows are split at random, the same second of sound can be in training and in test. Here
the SVM of the row sleepy & hungry is trained and tested by the notebook's code, with the settings
of the profile `judged`. The first table row has a window every second. The second has windows that
do not overlap, half as many. Clips split and infants split are printed for comparison.
"""

from __future__ import annotations

import argparse
from statistics import fmean

import cryutils
from cryutils.evaluation import Split
from cryutils.models.crossfit import training_seeds
from cryutils.models.inputs import SoundInput
from cryutils.papers import embeddings, ensemble, streams
from cryutils.papers.nested import divide
from cryutils.papers.table3 import Classical, Table3

WINDOW_S = 2.0
STEPS_S = (1.0, 2.0)
SOUND = {"sr": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 40, "n_mfcc": 20}
FOLDS = 5
SPLITS = {Split.FRAME: "windows split", Split.CLIP: "clips split", Split.INFANT: "infants split"}


def main() -> dict[tuple[float, Split], float]:
    """Print the scores; return the mean balanced accuracy by step in seconds and split."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    try:
        corpus = embeddings.three_states(cryutils.load("donateacry"))
    except cryutils.InputError as error:
        raise SystemExit(str(error)) from error
    print(f"Table 3, sleepy & hungry, SVM, sound alone: {corpus.note}")
    print(f"balanced accuracy in %, mean (lowest to highest) of {repeats} divisions, {FOLDS} folds")
    print("step  windows" + "".join(f"{words:>22}" for words in SPLITS.values()))
    means = {}
    for step_s in STEPS_S:
        windows = gathered(corpus, step_s)
        line = f"{step_s:g} s {len(windows):9}"
        for split in SPLITS:
            scores = balanced_accuracies(windows, split, repeats)
            means[step_s, split] = fmean(scores)
            mean, low, high = (100 * score for score in (fmean(scores), min(scores), max(scores)))
            line += f"{f'{mean:.1f} ({low:.1f} to {high:.1f})':>22}"
        print(line)
    return means


def gathered(corpus: cryutils.Corpus, step_s: float) -> streams.Streams:
    """Return the windows of all recordings, one every `step_s` seconds, as notebook 09 does."""
    timing = {"window_s": WINDOW_S, "step_s": step_s}
    hearing = {
        kind: SoundInput(kind=kind, scaling="recording", **SOUND, **timing)  # type: ignore[arg-type]
        for kind in ("mfcc", "stft")
    }
    return streams.gather(corpus, hearing)


def balanced_accuracies(windows: streams.Streams, split: Split, repeats: int) -> list[float]:
    """Return the balanced accuracy of the SVM under a split, one value for each division."""
    scores = []
    for seed in training_seeds(0, repeats):
        settings = ensemble.Settings(n_folds=FOLDS, n_inner=FOLDS, seed=seed)
        folds = divide(windows.units(split), split, n_folds=FOLDS, n_inner=FOLDS, seed=seed)
        table = Table3(ensemble.Ensemble(ensemble.Plan(windows, {split: folds}, settings), {}, {}))
        svm = table.interval(split, table.main, Classical.SVM, "balanced_accuracy")
        scores.append(svm.value)
    return scores


if __name__ == "__main__":
    main()
