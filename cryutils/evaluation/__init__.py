"""From predictions to claims: splits, scores, intervals, permutation tests.

>>> from cryutils import evaluation
>>> folds = evaluation.Split("leak_free").k_folds(corpus, seed=1)        # doctest: +SKIP
>>> predicted = evaluation.out_of_fold(model, X, corpus.labels, folds)      # doctest: +SKIP
>>> evaluation.interval(predicted, corpus.labels, corpus.infants)           # doctest: +SKIP
"""

from .crossval import (
    NOT_DRAWN,
    balanced_accuracy,
    fit_and_predict,
    group_baseline,
    majority_baseline,
    out_of_fold,
    scored_out_of_fold,
)
from .intervals import Interval, Metric, auc_interval, interval, mean_interval, paired_interval
from .metrics import ClassScores, scores
from .permutation import fixed_prediction_test, permutation_test, permute_labels
from .splits import (
    SPLITS,
    Fold,
    Labelled,
    Split,
    class_indices,
    folds,
    leak_free_split,
    random_split,
)
