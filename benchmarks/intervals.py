"""Simulate the coverage of intervals and the level of tests: `python benchmarks/intervals.py`.

    python benchmarks/intervals.py                 400 corpora in part 2, about 8 minutes
    python benchmarks/intervals.py --corpora 20    a short run

Simulated corpora have the infants and clips per class of the structures below.

1. Fixed predictions. Each infant has its own share of correct predictions in each class
   (beta-binomial; `icc` is the correlation of two clips). The table shows coverage and mean width
   of the library's interval for balanced accuracy, and of the method that it replaced: a t quantile
   times the jackknife's standard error, which is near 0 if recalls are near 0 or 1.
2. Models trained again. Each corpus has the same clips and labels with its own features
   (`features` of power.py), and two of Table 2's classifiers are trained on it in
   cross-validation. Leak-free, the true score is the mean score of these models on new infants.
   With a random split, it is the mean score of the procedure itself, since its test clips are of
   known infants.
3. How often tests reject at 5 % if labels carry no information but infants are recognisable:
   refitted with labels permuted in blocks (as in `permutation`), from fixed predictions, and with
   free shuffling.
4. Differences between two models on the same clips, whose answers are correlated (`alike`, on the
   scale of normal variables), from one repeat or the mean of five. The library's interval is a t
   quantile times the jackknife's standard error of the difference, in which each class has at
   least the variance of half an answer changed among its effective clips. It is compared with the
   joined bounds of both models (`MOVER`) and with the width that would suffice if the standard
   error were known (`needed`).
"""

import argparse
from itertools import chain, product
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from power import Design, donateacry_donors, features, without_burping
from refitting import refitted_test
from scipy.special import ndtri
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from cryutils import evaluation
from cryutils.evaluation import intervals
from cryutils.evaluation.splits import class_indices

TABLE_1 = {"hungry": 20, "belly_pain": 16, "discomfort": 20, "tired": 20}
# Of the largest class, and of each other class.
RECALLS = ((0.3, 0.3), (0.8, 0.8), (0.97, 0.97), (0.97, 0.02), (0.9, 0.1), (0.86, 0.01))
ICCS = (0.05, 0.3, 0.6)
PAIRS = (  # recalls of two models, each as above
    ((0.3, 0.3), (0.3, 0.3)),
    ((0.35, 0.35), (0.2, 0.2)),
    ((0.8, 0.8), (0.8, 0.8)),
    ((0.97, 0.02), (0.3, 0.3)),
    ((0.97, 0.02), (0.97, 0.02)),
    ((0.999, 0.001), (0.97, 0.02)),
)

CLASSIFIERS = {"naive Bayes": GaussianNB(), "k-NN": KNeighborsClassifier()}
SIGNALS = (0.0, 1.0)  # distance of each class mean from 0, in standard deviations
FOLDS, REPEATS = 5, 2

Array = NDArray[np.float64]
Recalls = tuple[float, float]


def main(simulations: int = 2000, corpora: int = 400, trials: int = 300) -> None:
    """Print all tables."""
    designs = structures()
    fixed_predictions(designs, simulations)
    trained_again({name: without_burping(designs[name]) for name in ("DonateACry", "its Table 1")}, corpora)
    print(f"\n3. rejected at 5 % with no signal and full identity, {trials} corpora, in %")
    rng = np.random.default_rng(2)
    nulls = [null_corpus(rng) for _ in range(trials)]
    rejects = Parallel(n_jobs=-1)(delayed(rejected)(*corpus, k) for k, corpus in enumerate(nulls))
    for (split, way), rate in pd.DataFrame(rejects).mean().items():
        print(f"{split:10} {way:10} {100 * rate:5.1f}")
    differences(designs, simulations // 4)


def structures() -> dict[str, Design]:
    """Return labels and infants by name: DonateACry's, by the names of its files, and invented ones."""
    corpus, rng = donateacry_donors(), np.random.default_rng(0)
    drawn = [
        rng.choice(np.flatnonzero(corpus.labels == label), count, replace=False)
        for label, count in TABLE_1.items()
    ]
    return {
        "DonateACry": corpus,
        "its Table 1": Design(*(names[np.concatenate(drawn)] for names in corpus)),
        "4 x 7 infants x 1": equal(4, 7, 1),
        "4 x 6 infants x 5": equal(4, 6, 5),
        "3 x 12 infants x 5": equal(3, 12, 5),
        "4 x 3 infants x 4": equal(4, 3, 4),
    }


def equal(n_classes: int, n_infants: int, n_clips: int) -> Design:
    """Return labels and infants of classes with equally many infants and clips."""
    infants = np.repeat(np.arange(n_classes * n_infants), n_clips)
    labels = [f"class{i // n_infants}" for i in infants]
    return Design(np.array(labels), np.array([f"infant{i}" for i in infants]))


def fixed_predictions(designs: dict[str, Design], simulations: int) -> None:
    """Print the table of fixed predictions."""
    print("1. fixed predictions: coverage in % / width of 95% intervals,", end=" ")
    print(f"{simulations} simulations; columns: recall of the largest class/of the others")
    print(f"{'':27}icc " + "".join(f"{f'{a:g}/{b:g}':>11}" for a, b in RECALLS))
    for (title, corpus), icc in product(designs.items(), ICCS):
        clips = pd.crosstab(corpus.infants, corpus.labels).to_numpy(float)
        cells = [held(clips, recalls, icc, simulations) for recalls in RECALLS]
        for name in cells[0]:
            row = "".join(f"{100 * c[name][0]:6.1f}/{c[name][1]:.2f}" for c in cells)
            print(f"{title[:16]:17}{name:10}{icc:4g}{row}")


def held(clips: Array, recalls: Recalls, icc: float, simulations: int) -> dict[str, tuple[float, float]]:
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
    return {name: coverage_and_width(*ends, truth) for name, ends in ways.items()}


def coverage_and_width(low: Array, high: Array, truth: float) -> tuple[float, float]:
    """Return the share of intervals that include the true score, and their mean width."""
    covers = (low <= truth + 1e-12) & (truth - 1e-12 <= high)
    return float(np.mean(covers)), float(np.mean(high - low))


def trained_again(designs: dict[str, Design], corpora: int) -> None:
    """Print the table of models trained again."""
    print(f"\n2. models trained again, {corpora} simulated corpora a row; {FOLDS} folds,", end=" ")
    print(f"{REPEATS} repeats; for each score: the true score, coverage in % ± its standard error")
    print("/ mean width of the library's interval")
    print(f"{'':47}" + "".join(f"{name:^21}" for name in ("balanced accuracy", "accuracy", "AUC")))
    points = product(designs.items(), SIGNALS, range(corpora))
    rows = pd.DataFrame([*chain(*Parallel(n_jobs=-1)(delayed(scored)(*point) for point in points))])
    means = coverage_of(rows)
    for (corpus, classifier, signal, split), part in means.groupby(level=[0, 1, 2, 3], sort=False):
        cells = "".join(f"{cell.true:6.2f}{in_words(cell, corpora):>14} " for cell in part.itertuples())
        print(f"{corpus:14}{classifier:13}signal {signal:g}  {split:10}{cells}")
    for split, part in means.groupby(level="split", sort=False):
        shares, width = 100 * part.covered, part.width.mean()
        print(f"{split:10}coverage {shares.min():.0f} to {shares.max():.0f} %,", end=" ")
        print(f"mean {shares.mean():.1f} %; mean width {width:.2f}")


def coverage_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the true score, and the intervals' coverage and mean width, by setting and metric."""
    by = ["corpus", "classifier", "signal", "split", "metric"]
    true = rows.groupby(by).target.transform("mean")
    covered = (rows.low <= true + 1e-12) & (true - 1e-12 <= rows.high)
    columns = {"true": true, "covered": covered, "width": rows.high - rows.low}
    return rows[by].assign(**columns).groupby(by, sort=False).mean()


def in_words(cell: Any, corpora: int) -> str:
    """Return the intervals' coverage, its standard error (Agresti & Coull) and their mean width."""
    share = (cell.covered * corpora + 2) / (corpora + 4)
    error = np.sqrt(share * (1 - share) / (corpora + 4))
    return f"{100 * cell.covered:.0f}±{100 * error:.0f}/{cell.width:.2f}"


def scored(named: tuple[str, Design], signal: float, seed: int) -> list[dict[str, Any]]:
    """Return a row for each split, classifier and metric on one simulated corpus.

    `target` is the score whose mean over corpora is the true one. The models of each fold also
    predict new infants: a copy of the corpus with its own features for each fold.
    """
    name, corpus = named
    n = len(corpus.labels)
    rng = np.random.default_rng([n, SIGNALS.index(signal), seed])
    many = [f"{k} {infant}" for k in range(FOLDS + 1) for infant in corpus.infants]
    X = features(Design(np.tile(corpus.labels, FOLDS + 1), np.array(many)), signal, rng)
    y, _ = class_indices(corpus.labels)
    every, rows = np.tile(y, FOLDS + 1), []
    for split, groups in by_split(corpus).items():
        folds = evaluation.folds(corpus.labels, groups, n_splits=FOLDS, repeats=REPEATS, seed=seed)
        for classifier, model in CLASSIFIERS.items():
            scores = np.empty((REPEATS, len(X), y.max() + 1))
            for row, repeat in zip(scores, folds, strict=True):
                for k, (train, test) in enumerate(repeat):
                    answered = np.r_[test, (k + 1) * n : (k + 2) * n]
                    row[answered] = clone(model).fit(X[train], every[train]).predict_proba(X[answered])
            predicted, about = scores.argmax(axis=-1)[:, :n], (y, corpus.infants)
            found = {
                "balanced_accuracy": evaluation.interval(predicted, *about),
                "accuracy": evaluation.interval(predicted, *about, metric="accuracy"),
                "roc_auc": evaluation.auc_interval(scores[:, :n], *about, folds),
            }
            targets = new_infants(scores[:, n:].reshape(-1, n, scores.shape[-1]), y)
            for (metric, one), target in zip(found.items(), targets, strict=True):
                row = {"corpus": name, "classifier": classifier, "signal": signal, "split": split}
                row |= {"metric": metric, "low": one.low, "high": one.high}
                rows.append(row | {"target": target if split == "leak_free" else one.value})
    return rows


def by_split(corpus: Design) -> dict[str, NDArray[np.str_] | None]:
    """Return the groups that each split keeps whole."""
    return {"random": None, "leak_free": corpus.infants}


def new_infants(scores: Array, y: NDArray[np.int64]) -> list[float]:
    """Return the mean balanced accuracy, accuracy and AUC of models, each on its own new infants.

    scores: float64 (models, clips, classes). y: classes of the clips, which are the same for all.
    """
    each = scores.argmax(axis=-1)
    recalls = [balanced_accuracy_score(y, row) for row in each]
    areas = [roc_auc_score(y, part, multi_class="ovr") for part in scores]
    return [float(np.mean(recalls)), float(np.mean(each == y)), float(np.mean(areas))]


def null_corpus(rng: np.random.Generator) -> tuple[Array, Design]:
    """Return features by which infants are recognisable, and labels that do not shape them."""
    infants = np.repeat(np.arange(18), 3)
    labels = (infants % 3 + (rng.random(54) < 0.15)) % 3
    X = rng.normal(size=(18, 4))[infants] + 0.3 * rng.normal(size=(54, 4))
    return X, Design(np.array([f"class{k}" for k in labels]), infants.astype(str))


def rejected(X: Array, corpus: Design, seed: int) -> dict[tuple[str, str], bool]:
    """Return whether each test rejects on one corpus.

    The model predicts the label of the nearest training clip, so it recognises the infant.
    """
    nearest, answers = KNeighborsClassifier(1), {}
    for split, groups in by_split(corpus).items():
        options = {"n_splits": 3, "seed": seed}
        test = refitted_test(nearest, X, *corpus, groups=groups, permutations=19, **options)
        answers[split, "blocks"] = test.p_values["model"] <= 0.05
        (drawn,) = evaluation.folds(corpus.labels, groups, repeats=1, **options)
        y, _ = class_indices(corpus.labels)
        predicted = cross_val_predict(nearest, X, y, cv=drawn)
        fixed = evaluation.permutation_test({"nearest": predicted}, *corpus, permutations=19, seed=seed)
        answers[split, "fixed"] = fixed.p_values["nearest"] <= 0.05
        p = shuffled_freely(X, corpus.labels, groups, float(test.observed[0]), seed=seed)
        answers[split, "free"] = p <= 0.05
    return answers


def shuffled_freely(
    X: Array, labels: NDArray[np.str_], groups: NDArray[np.str_] | None, observed: float, *, seed: int
) -> float:
    """Return the p-value of the wrong test, which shuffles labels freely over clips."""
    rng = np.random.default_rng(seed)
    as_high = 0
    for _ in range(19):
        shuffled = rng.permutation(labels)
        own_seed = int(rng.integers(2**31))
        (drawn,) = evaluation.folds(shuffled, groups, n_splits=3, repeats=1, seed=own_seed)
        guess = cross_val_predict(KNeighborsClassifier(1), X, shuffled, cv=drawn)
        as_high += balanced_accuracy_score(shuffled, guess) >= observed
    return (as_high + 1) / 20


def differences(designs: dict[str, Design], simulations: int) -> None:
    """Print the table of differences."""
    names = ("metric", "repeats", "icc", "alike", "recalls")
    settings = product(("balanced_accuracy", "accuracy"), (1, 5), (0.05, 0.5), (0.0, 0.9), PAIRS)
    rows = []
    for (name, design), setting in product(designs.items(), settings):
        about = dict(zip(names, setting, strict=True))
        ways = paired(design, **about, simulations=simulations)
        about |= {"corpus": name[:16], "recalls": "{:g}/{:g}, {:g}/{:g}".format(*chain(*about["recalls"]))}
        for method, (coverage, width) in ways.items():
            rows.append(about | {"method": method, "coverage": 100 * coverage, "width": width})
    print(f"\n4. differences: lowest and mean coverage in %, mean width; {simulations} simulations")
    for by in ("metric", "corpus", "repeats", "icc", "alike", "recalls"):
        parts = pd.DataFrame(rows).groupby([by, "method"], sort=False)
        columns = {"lowest": ("coverage", "min"), "mean": ("coverage", "mean"), "width": ("width", "mean")}
        print(parts.agg(**columns).unstack().round(2).to_string())


def paired(
    design: Design,
    *,
    metric: str,
    repeats: int,
    icc: float,
    alike: float,
    recalls: tuple[Recalls, Recalls],
    simulations: int,
) -> dict[str, tuple[float, float]]:
    """Return coverage and mean width of each interval of A's score minus B's."""
    people, classes = (class_indices(names)[0] for names in (design.infants, design.labels))
    part = classes if metric == "balanced_accuracy" else np.zeros_like(classes)
    member = np.zeros((len(classes), people.max() + 1, part.max() + 1))
    member[np.arange(len(classes)), people, part] = 1
    clips = member.sum(axis=0)
    size, weights = clips.sum(axis=0), np.full(clips.shape[1], 1 / clips.shape[1])
    of_class = np.bincount(classes)
    by_class = [np.where(of_class == of_class.max(), *of_model) for of_model in recalls]
    answers = correlated_answers(people, classes, by_class, icc, alike, (repeats, simulations))
    right = np.tensordot(answers.mean(axis=1), member, axes=1)  # model, simulation, infant, class
    each = (answers[0] - answers[1]) @ (member.sum(axis=1) / size) @ weights
    df, shape = intervals.part_degrees(clips), (simulations, len(clips), 2 * len(weights))
    joined = intervals.combined(
        np.concatenate(right, axis=-1),
        np.broadcast_to(np.tile(clips, 2), shape),
        np.r_[weights, -weights],
        df=np.tile(df, 2),
    )
    gain = right[0] - right[1]
    without = (gain.sum(axis=1, keepdims=True) - gain) / (size - clips)
    library = intervals.difference_bounds(without, clips, joined.score, weights, df.min())
    ways = {"library": library, "MOVER": joined}
    for name, bounds in ways.items():
        ways[name] = intervals.add_between_run_variance(bounds, [each.T], df=df.min(), limits=(-1, 1))
    half = intervals.t_quantile(np.inf) * joined.score.std()
    ways["needed"] = joined._replace(low=joined.score - half, high=joined.score + half)
    gained = by_class[0] - by_class[1]
    truth = float(np.mean(gained if metric == "balanced_accuracy" else gained[classes]))
    return {name: coverage_and_width(*bounds[1:3], truth) for name, bounds in ways.items()}


def correlated_answers(
    people: NDArray[np.int64],
    classes: NDArray[np.int64],
    recalls: list[Array],
    icc: float,
    alike: float,
    sizes: tuple[int, int],
) -> Array:
    """Return which answers are right, 0 or 1, float64 (models, *sizes, clips).

    An answer is right if a normal variable is below the quantile of its class's recall. The
    variable is the sum of parts of infant and class, clip, and (of several) repeat.
    sizes: numbers of repeats and simulations.
    """
    repeats, simulations = sizes
    rng = np.random.default_rng(1)
    cell = np.unique(people * (classes.max() + 1) + classes, return_inverse=True)[1]
    shapes = (simulations, cell.max() + 1), (simulations, len(cell))
    shared, answers = [rng.standard_normal(shape) for shape in shapes], []
    for recall in recalls:
        infant, clip = (
            np.sqrt(alike) * part + np.sqrt(1 - alike) * rng.standard_normal(part.shape) for part in shared
        )
        again = rng.standard_normal((repeats, *clip.shape))
        noise = (clip + again) / np.sqrt(2) if repeats > 1 else clip[None]
        latent = np.sqrt(icc) * infant[:, cell] + np.sqrt(1 - icc) * noise
        answers.append((latent < ndtri(recall)[classes]).astype(float))
    return np.stack(answers)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=int, default=400)
    main(corpora=parser.parse_args().corpora)
