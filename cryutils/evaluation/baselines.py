"""Experiments that a model is compared with, for `evaluation.out_of_fold`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryutils.evaluation.answers import Experiment
from cryutils.evaluation.splits import Indices, Names, class_indices

__all__ = ["group_rule", "linear"]


def linear(x: NDArray[Any], labels: Names) -> Experiment:
    """Return logistic regression of standardised features, with classes weighted equally.

    It answers a class for each test clip. x: (clips, features). labels: one for each clip.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = np.asarray(labels)

    def experiment(train: Indices, test: Indices) -> NDArray[Any]:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
        return np.asarray(model.fit(x[train], y[train]).predict(x[test]))

    return experiment


def group_rule(groups: Names, labels: Names) -> Experiment:
    """Return a rule that knows a clip's group alone, such as the type of phone.

    Its answer is the most common training class of the group, with classes weighted equally, as a
    probability of each class. groups, labels: one for each clip.
    """
    from sklearn.tree import DecisionTreeClassifier

    kinds, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    x, (y, names) = np.eye(len(kinds))[codes], class_indices(labels)

    def experiment(train: Indices, test: Indices) -> NDArray[Any]:
        tree = DecisionTreeClassifier(class_weight="balanced", random_state=0).fit(x[train], y[train])
        p = np.zeros((len(test), len(names)))  # also of a class that is not in training
        p[:, tree.classes_] = tree.predict_proba(x[test])
        return p

    return experiment
