"""From predictions to claims: splits, scores, intervals, permutation tests."""

from .answers import (
    answers_table,
    class_scores,
    clip_means,
    difference,
    group_rule,
    linear,
    mean_over_infants,
    out_of_fold,
    per_class,
    recognised,
    score,
    with_scores,
)
from .intervals import NOT_DRAWN, Interval, Metric, auc_interval, interval, mean_interval
from .permutation import fixed_prediction_test, permutation_test, permute_labels
from .splits import SPLITS, Fold, Split, class_indices, fold_seed, folds, hold_back, single_split
