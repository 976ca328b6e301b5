"""From predictions to claims: splits, scores, intervals, permutation tests.

>>> from cryutils import evaluation
>>> def neighbours(train, test):
...     return KNeighborsClassifier().fit(X[train], y[train]).predict_proba(X[test])
>>> answers = evaluation.out_of_fold(neighbours, clips, split="leak_free")  # doctest: +SKIP
>>> evaluation.score(answers, "balanced_accuracy")                          # doctest: +SKIP
"""

from .answers import (
    clip_means,
    difference,
    mean_over_infants,
    out_of_fold,
    per_class,
    recognised,
    score,
    with_scores,
)
from .crossval import NOT_DRAWN, balanced_accuracy, cross_predict, group_baseline
from .intervals import Interval, Metric, auc_interval, interval, mean_interval, paired_interval
from .permutation import fixed_prediction_test, permute_labels
from .splits import (
    SPLITS,
    Fold,
    Labelled,
    Split,
    class_indices,
    fold_seed,
    folds,
    hold_back,
    leak_free_split,
    random_split,
)
