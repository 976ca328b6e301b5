"""Does the interval hold what it promises, and the permutation test? `cryutils bench intervals`.

Simulated infants are as many, with as many clips a class, as in the structures below; each
has its own share of clips predicted right (beta-binomial). First the coverage of three ways to
find the t quantile of the same jackknife, which is how the one in `intervals` was chosen; then how
often permutation tests reject at 5 % where labels mean nothing but infants sound like
themselves: refitted by blocks (as in `permutation`), from fixed predictions, and by free shuffling.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cryutils import evaluation
from cryutils._io import paths
from cryutils.evaluation import intervals

TABLE_1 = {"hungry": 20, "belly_pain": 16, "discomfort": 20, "tired": 20}
VALUES, ICCS = (0.25, 0.5, 0.85, 0.95), (0.05, 0.3, 0.6)
LEVEL = 0.95

Structure = tuple[list[str], list[str]]


def main(simulations: int = 4000, trials: int = 300) -> dict[str, float]:
    """Print both tables; return the lowest and mean coverage of each way, and rejection rates."""
    coverage: dict[str, list[float]] = {name: [] for name in QUANTILES}
    print(
        f"coverage of {LEVEL:.0%} intervals for balanced accuracy, {simulations} simulations, in %"
    )
    print(
        f"{'':34}" + "".join(f"{f'{v:g}/{icc:g}':>10}" for v in VALUES for icc in ICCS), "value/icc"
    )
    for title, (labels, infants) in structures().items():
        y, _ = evaluation.class_indices(labels)
        counts = intervals.clips_by_infant(y, infants, by_class=True)
        for name, degrees in QUANTILES.items():
            shares = [
                simulated_coverage(counts, degrees, value, icc, simulations)
                for value in VALUES
                for icc in ICCS
            ]
            coverage[name] += shares
            print(f"{title[:16]:17}{name:17}" + "".join(f"{100 * share:10.1f}" for share in shares))
    result = {f"{name}, lowest": min(shares) for name, shares in coverage.items()}
    result |= {f"{name}, mean": float(np.mean(shares)) for name, shares in coverage.items()}
    print(f"\nrejected at 5 % with no signal and full identity, {trials} corpora, in %")
    for (protocol, way), rate in rejections(trials).items():
        print(f"{protocol:10} {way:10} {100 * rate:5.1f}")
        result[f"rejected, {protocol}, {way}"] = rate
    return result


def structures() -> dict[str, Structure]:
    """Return labels and infants by name: DonateACry's where it can be read, and made ones."""
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


def infants_less_one(counts: NDArray[np.float64]) -> float:
    return len(counts) - 1.0


def by_class(counts: NDArray[np.float64]) -> float:
    """Satterthwaite over classes whose variances have (infants - 1) degrees each."""
    per_class = (counts > 0).sum(axis=0)
    variance = (counts**2).sum(axis=0) / counts.sum(axis=0) ** 2
    return float(variance.sum() ** 2 / (variance**2 / (per_class - 1)).sum())


QUANTILES: dict[str, Callable[[NDArray[np.float64]], float]] = {
    "infants - 1": infants_less_one,
    "by class": by_class,
    "as chosen": intervals.degrees_of_freedom,
}


def simulated_coverage(
    counts: NDArray[np.float64],
    degrees: Callable[[NDArray[np.float64]], float],
    value: float,
    icc: float,
    simulations: int,
) -> float:
    """Return how often score +- t * se holds `value`; a score with no error has no interval."""
    rng = np.random.default_rng(1)
    share = rng.beta(
        value * (1 - icc) / icc, (1 - value) * (1 - icc) / icc, (simulations, len(counts), 1)
    )
    right = rng.binomial(counts.astype(int), np.broadcast_to(share, (simulations, *counts.shape)))
    score, se = intervals.score_and_error(right.astype(float), counts)
    half = stats.t.ppf((1 + LEVEL) / 2, degrees(counts)) * se
    varying = se > 0
    return float(np.mean(np.abs(score - value)[varying] <= half[varying] + 1e-12))


class NearestClip:
    """Predicts the label of the nearest training clip, so it recognises the infant."""

    def predict_folds(self, X: Any, y: Any, folds: Any) -> list[NDArray[np.int64]]:
        distance = ((X[:, None] - X) ** 2).sum(axis=2)
        return [y[train][distance[np.ix_(test, train)].argmin(axis=1)] for train, test in folds]


def rejections(trials: int) -> dict[tuple[str, str], float]:
    """Return how often a true null is rejected, by protocol and way to permute."""
    rng = np.random.default_rng(2)
    rejected: dict[tuple[str, str], list[bool]] = {}
    for trial in range(trials):
        infants = np.repeat(np.arange(18), 3)
        labels = (infants % 3 + (rng.random(54) < 0.15)) % 3
        X = rng.normal(size=(18, 4))[infants] + 0.3 * rng.normal(size=(54, 4))
        corpus = SimpleNamespace(labels=[f"class{k}" for k in labels], infants=infants.astype(str))
        for protocol in evaluation.Protocol:
            test = evaluation.permutation_test(
                {"nearest": (NearestClip(), X)}, corpus, protocol,
                permutations=19, n_splits=3, seed=trial, jobs=1,
            )  # fmt: skip
            rejected.setdefault((protocol, "blocks"), []).append(test.p_values["nearest"] <= 0.05)
            drawn = protocol.k_folds(corpus, n_splits=3, repeats=1, seed=trial)
            predicted = evaluation.out_of_fold(NearestClip(), X, corpus.labels, drawn)
            fixed = evaluation.fixed_prediction_test(
                {"nearest": predicted}, corpus, permutations=19, seed=trial
            )
            rejected.setdefault((protocol, "fixed"), []).append(fixed.p_values["nearest"] <= 0.05)
            p = shuffled_freely(X, corpus, protocol, float(test.observed[0]), seed=trial)
            rejected.setdefault((protocol, "free"), []).append(p <= 0.05)
    return {key: float(np.mean(values)) for key, values in rejected.items()}


def shuffled_freely(
    X: NDArray[np.float64],
    corpus: evaluation.Labelled,
    protocol: evaluation.Protocol,
    observed: float,
    *,
    seed: int,
) -> float:
    """Return the p-value of the wrong test: every label may land on every clip."""
    rng = np.random.default_rng(seed)
    as_high = 0
    for _ in range(19):
        shuffled = SimpleNamespace(
            labels=rng.permutation(corpus.labels).tolist(), infants=corpus.infants
        )
        drawn = protocol.k_folds(shuffled, n_splits=3, repeats=1, seed=int(rng.integers(2**31)))
        y, _ = evaluation.class_indices(shuffled.labels)
        guess = np.empty_like(y)
        predicted = NearestClip().predict_folds(X, y, drawn[0])
        for (_, test), part in zip(drawn[0], predicted, strict=True):
            guess[test] = part
        as_high += evaluation.balanced_accuracy(y, guess) >= observed
    return (as_high + 1) / 20


if __name__ == "__main__":
    main()
