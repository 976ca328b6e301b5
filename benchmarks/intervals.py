"""Simulate the coverage of intervals and the level of tests: `cryutils bench intervals`.

Simulated corpora have the infants and clips per class of the structures below. Each infant has its
own share of correct predictions in each class (beta-binomial; `icc` is the correlation of two
clips). The first table shows coverage and mean width of the library's interval for balanced
accuracy, and of the method that it replaced: a t quantile times the jackknife's standard error,
which is near 0 if recalls are near 0 or 1. The second shows how often tests reject at 5 % if labels
carry no information but infants are recognisable: refitted with labels permuted in blocks (as in
`permutation`), from fixed predictions, and with free shuffling.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from cryutils import evaluation
from cryutils._io import paths
from cryutils.evaluation import intervals

TABLE_1 = {"hungry": 20, "belly_pain": 16, "discomfort": 20, "tired": 20}
# Of the largest class, and of each other class.
RECALLS = ((0.3, 0.3), (0.8, 0.8), (0.97, 0.97), (0.97, 0.02), (0.9, 0.1), (0.86, 0.01))
ICCS = (0.05, 0.3, 0.6)

Structure = tuple[list[str], list[str]]


def main(simulations: int = 2000, trials: int = 300) -> dict[str, float]:
    """Print both tables; return lowest and mean coverage of each method, and rejection rates."""
    coverage: dict[str, list[float]] = {}
    print(
        f"coverage in % / width of {intervals.LEVEL:.0%} intervals, {simulations} simulations;",
        end=" ",
    )
    print("columns: recall of the largest class/of the others")
    print(f"{'':27}icc " + "".join(f"{f'{a:g}/{b:g}':>11}" for a, b in RECALLS))
    for title, (labels, infants) in structures().items():
        clips = np.zeros((len(set(infants)), len(set(labels))))
        people, classes = (np.unique(a, return_inverse=True)[1] for a in (infants, labels))
        np.add.at(clips, (people, classes), 1)
        for icc in ICCS:
            cells = [held(clips, recalls, icc, simulations) for recalls in RECALLS]
            for name in cells[0]:
                coverage.setdefault(name, []).extend(cell[name][0] for cell in cells)
                row = "".join(f"{100 * c[name][0]:6.1f}/{c[name][1]:.2f}" for c in cells)
                print(f"{title[:16]:17}{name:10}{icc:4g}{row}")
    result = {f"{name}, lowest": min(shares) for name, shares in coverage.items()}
    result |= {f"{name}, mean": float(np.mean(shares)) for name, shares in coverage.items()}
    print(f"\nrejected at 5 % with no signal and full identity, {trials} corpora, in %")
    for (split, way), rate in rejections(trials).items():
        print(f"{split:10} {way:10} {100 * rate:5.1f}")
        result[f"rejected, {split}, {way}"] = rate
    return result


def structures() -> dict[str, Structure]:
    """Return labels and infants by name: DonateACry's if available, and invented ones."""
    made = {
        "4 x 7 infants x 1": equal(4, 7, 1),
        "4 x 6 infants x 5": equal(4, 6, 5),
        "3 x 12 infants x 5": equal(3, 12, 5),
        "4 x 3 infants x 4": equal(4, 3, 4),
    }
    folder = paths.data_dir()
    files = sorted(Path(folder, "donateacry").rglob("*.wav")) if folder else []
    if not files:
        print("no donateacry/ in CRYUTILS_DATA_DIR: made structures only")
        return made
    labels, infants = (
        [file.parent.name for file in files],
        [file.name[:36].lower() for file in files],
    )
    rng = np.random.default_rng(0)
    drawn = [
        clip
        for label, count in TABLE_1.items()
        for clip in rng.choice(np.flatnonzero(np.array(labels) == label), count, replace=False)
    ]
    return {
        "DonateACry": (labels, infants),
        "its Table 1": ([labels[i] for i in drawn], [infants[i] for i in drawn]),
        **made,
    }


def equal(n_classes: int, n_infants: int, n_clips: int) -> Structure:
    """Return labels and infants of classes with equally many infants and clips."""
    infants = np.repeat(np.arange(n_classes * n_infants), n_clips)
    return [f"class{i // n_infants}" for i in infants], [f"infant{i}" for i in infants]


def held(
    clips: NDArray[np.float64], recalls: tuple[float, float], icc: float, simulations: int
) -> dict[str, tuple[float, float]]:
    """Return the coverage of the true score and the mean width of each method's interval.

    clips: float64 (infants, classes), their number.
    """
    rng = np.random.default_rng(1)
    largest = clips.sum(axis=0) == clips.sum(axis=0).max()
    recall = np.where(largest, *recalls)
    shape = (simulations, *clips.shape)
    share = rng.beta(recall * (1 - icc) / icc, (1 - recall) * (1 - icc) / icc, shape)
    right = rng.binomial(clips.astype(int), share).astype(float)
    weights = np.full(clips.shape[1], 1 / clips.shape[1])
    degrees = intervals.part_degrees(clips)
    bounds = intervals.combined(right, np.broadcast_to(clips, shape), weights, df=degrees)
    half = intervals.t_quantile(intervals.degrees_of_freedom(clips)) * bounds.se
    ways = {
        "library": (bounds.low, bounds.high),
        "jackknife": (np.clip(bounds.score - half, 0, 1), np.clip(bounds.score + half, 0, 1)),
    }
    truth = recall.mean()
    return {
        name: (
            float(np.mean((low <= truth + 1e-12) & (truth - 1e-12 <= high))),
            float(np.mean(high - low)),
        )
        for name, (low, high) in ways.items()
    }


def rejections(trials: int) -> dict[tuple[str, str], float]:
    """Return how often a true null is rejected, by protocol and method of permutation.

    The model predicts the label of the nearest training clip, so it recognises the infant.
    """
    nearest = KNeighborsClassifier(1)
    rng = np.random.default_rng(2)
    rejected: dict[tuple[str, str], list[bool]] = {}
    for trial in range(trials):
        infants = np.repeat(np.arange(18), 3)
        labels = (infants % 3 + (rng.random(54) < 0.15)) % 3
        X = rng.normal(size=(18, 4))[infants] + 0.3 * rng.normal(size=(54, 4))
        corpus = SimpleNamespace(labels=[f"class{k}" for k in labels], infants=infants.astype(str))
        for split in evaluation.SPLITS:
            test = evaluation.permutation_test(
                {"nearest": (nearest, X)}, corpus, split,
                permutations=19, n_splits=3, seed=trial, jobs=1,
            )  # fmt: skip
            rejected.setdefault((split, "blocks"), []).append(test.p_values["nearest"] <= 0.05)
            drawn = split.k_folds(corpus, n_splits=3, repeats=1, seed=trial)
            predicted = evaluation.out_of_fold(nearest, X, corpus.labels, drawn)
            fixed = evaluation.fixed_prediction_test(
                {"nearest": predicted}, corpus, permutations=19, seed=trial
            )
            rejected.setdefault((split, "fixed"), []).append(fixed.p_values["nearest"] <= 0.05)
            p = shuffled_freely(X, corpus, split, float(test.observed[0]), seed=trial)
            rejected.setdefault((split, "free"), []).append(p <= 0.05)
    return {key: float(np.mean(values)) for key, values in rejected.items()}


def shuffled_freely(
    X: NDArray[np.float64],
    corpus: evaluation.Labelled,
    split: evaluation.Split,
    observed: float,
    *,
    seed: int,
) -> float:
    """Return the p-value of the wrong test, which shuffles labels freely over clips."""
    rng = np.random.default_rng(seed)
    as_high = 0
    for _ in range(19):
        shuffled = SimpleNamespace(
            labels=rng.permutation(corpus.labels).tolist(), infants=corpus.infants
        )
        drawn = split.k_folds(shuffled, n_splits=3, repeats=1, seed=int(rng.integers(2**31)))
        y, _ = evaluation.class_indices(shuffled.labels)
        (guess,) = evaluation.out_of_fold(KNeighborsClassifier(1), X, shuffled.labels, drawn)
        as_high += evaluation.balanced_accuracy(y, guess) >= observed
    return (as_high + 1) / 20


if __name__ == "__main__":
    main()
