"""The classifiers of Paper A's Table 2, and classical baselines for Paper B's networks.

Table 2 lists SVM, naive Bayes, random forest, decision tree, k-NN and a DNN without any settings.
Here they have scikit-learn's defaults, and the network uses `DNN` (notebook 03_feature_validation).
Paper B (§2) says that deep learning is better than "classical methods" such as SVM, random forest
and gradient boosting. Notebooks 04_cry2 and 05_image compare their networks with `BASELINES`: those
three and logistic regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cryutils.evaluation.crossval import Features
from cryutils.evaluation.splits import Fold
from cryutils.models import stacked
from cryutils.models.stacked import DenseSettings, FitSpec

__all__ = ["BASELINES", "CLASSIFIERS", "DeepNeuralNetwork", "baselines", "table2_classifiers"]

CLASSIFIERS = {
    "svm": "SVM",
    "nb": "Naïve Bayes",
    "rf": "Random Forest",
    "dt": "Decision Tree",
    "knn": "K-NN",
    "dnn": "DNN",
}

BASELINES = {
    "logistic": "Logistic regression",
    "svm": "SVM",
    "forest": "Random forest",
    "boosting": "Gradient boosting",
}

DNN = DenseSettings(units=(64, 32), epochs=30, class_weights=False)


def table2_classifiers(*, scaling: str = "signal", seed: int = 0) -> dict[str, Any]:
    """Return the six classifiers of Table 2 by their short names, the keys of `CLASSIFIERS`.

    With the scaling "features", SVM, naive Bayes and k-NN standardise the features and then scale
    them to [0, 1], both fitted on training data only. Trees need no scaling, and the network always
    standardises its inputs. seed: of forest, tree and network.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    models = {
        "svm": SVC(),
        "nb": GaussianNB(),
        "rf": RandomForestClassifier(random_state=seed),
        "dt": DecisionTreeClassifier(random_state=seed),
        "knn": KNeighborsClassifier(),
    }
    if scaling == "features":
        for name in ("svm", "nb", "knn"):
            models[name] = make_pipeline(StandardScaler(), MinMaxScaler(), models[name])
    return {**models, "dnn": DeepNeuralNetwork(replace(DNN, seed=seed))}


def baselines(seed: int = 0) -> dict[str, Any]:
    """Return logistic regression and SVM for `evaluation.cross_predict`, two of `BASELINES`.

    Both weight the classes equally and standardise the features on their training part. Settings
    are scikit-learn's defaults.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    options: dict[str, Any] = {"class_weight": "balanced", "random_state": seed}
    return {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, **options)),
        "svm": make_pipeline(StandardScaler(), SVC(**options)),
    }


@dataclass(frozen=True)
class DeepNeuralNetwork:
    """Table 2's DNN: a dense softmax network for each fold, all trained together (`stacked.fit`).

    Paper A says only "DNN". Chosen here: RMSProp (§3.5), inputs standardised on the training set,
    dense ReLU layers, dropout, and a fixed number of epochs, so that no test data are used for
    early stopping. Each repeat of the cross-validation starts from different weights.
    """

    settings: DenseSettings = DNN

    def predict_proba_folds(
        self, X: Features, y: np.ndarray, folds: Sequence[Fold]
    ) -> list[np.ndarray]:
        """Return the class probabilities of each fold's test clips, float32 (test, classes) each.

        X, y, folds: as in `evaluation.cross_predict`, with class indices y (clips,).
        """
        prepared = [X(train) if callable(X) else X for train, _ in folds]
        matrices = {id(matrix): matrix for matrix in prepared}  # most folds share one
        x = np.stack(list(matrices.values()), dtype=np.float32)
        groups = [list(matrices).index(id(matrix)) for matrix in prepared]
        no_validation = np.array([], np.int64)
        specs, times_tested = [], np.zeros(len(y), np.int64)
        for (train, test), group in zip(folds, groups, strict=True):
            repeat = int(times_tested[test].max())
            specs.append(FitSpec(train, no_validation, group=group, draw=repeat))
            times_tested[test] += 1
        networks = stacked.fit(x, y, specs, classes=int(y.max()) + 1, settings=self.settings)
        return [networks.predict(k, x[specs[k].group, test]) for k, (_, test) in enumerate(folds)]
