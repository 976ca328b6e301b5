"""The classifiers of Paper A's Table 2, and the classical ones beside Paper B's networks.

Table 2 names SVM, naive Bayes, random forest, decision tree, k-NN and a DNN, and gives
no setting of any. Settings here are scikit-learn's defaults, and `DNN`. Notebook
03_feature_validation walks them. Paper B (§2) cites a comparison of "classifiers such as SVM,
Random Forest, and Gradient Boosting"; its next sentence says that "deep learning methods always
perform better" than "classical methods" and names none of these. Notebooks 04_cry2 and 05_image
hold their networks against `baselines`: those three, and logistic regression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

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
Folds = Sequence[tuple[np.ndarray, np.ndarray]]
Features = np.ndarray | Callable[[np.ndarray], np.ndarray]


def table2_classifiers(*, scaling: str = "signal", seed: int = 0) -> dict[str, Any]:
    """Return the six classifiers of Table 2 by their short names (the keys of CLASSIFIERS).

    With `scaling="features"` each sees features that were standardised and then brought to [0, 1],
    both fitted on training data alone; with "signal" the recording was scaled before
    (`audio.SignalScaler`) and the features enter as they are.

    Parameters
    ----------
    scaling : {"signal", "features"}
        What is fitted on data and scaled: each recording before its features, or these.
    seed : int
        Of the forests and the network.
    """
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    from cryutils.models.forest import Forest

    models = {
        "svm": SVC(),
        "nb": GaussianNB(),
        "rf": Forest(n_estimators=100, seed=seed),
        # A tree compares each feature with a threshold, so no scaling can change it.
        "dt": Forest(n_estimators=1, max_features=None, bootstrap=False, seed=seed),
        "knn": KNeighborsClassifier(),
    }
    if scaling == "features":
        models |= {name: _scaled(models[name]) for name in ("svm", "nb", "knn")}
    return {**models, "dnn": DeepNeuralNetwork(replace(DNN, seed=seed))}


def baselines(seed: int = 0) -> dict[str, Any]:
    """Return the classical models beside a network, by their short names (keys of BASELINES).

    For `evaluation.out_of_fold`. All weigh each class alike, as the networks do; those that
    measure distances standardise the features on their training part. They train on every clip
    that a network trains on or stops by. Settings are scikit-learn's, but for boosting: 60 rounds
    (not 100), each on 80 % of the clips, and the root of the features tried at a split, so that
    5 folds of a hundred clips with 1764 features take some 1.5 s.
    """
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.utils.class_weight import compute_sample_weight

    class Boosting(GradientBoostingClassifier):  # alone among them it has no `class_weight`
        def fit(self, X: np.ndarray, y: np.ndarray) -> Boosting:
            return super().fit(X, y, sample_weight=compute_sample_weight("balanced", y))

    return {
        "logistic": make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
        ),
        "svm": make_pipeline(StandardScaler(), SVC(class_weight="balanced")),
        "forest": RandomForestClassifier(class_weight="balanced", random_state=seed),
        "boosting": Boosting(
            n_estimators=60, subsample=0.8, max_features="sqrt", random_state=seed
        ),
    }


def _scaled(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    return make_pipeline(StandardScaler(), MinMaxScaler(), model)


@dataclass(frozen=True)
class DeepNeuralNetwork:
    """A dense softmax network for each fold, trained side by side (`stacked.fit`).

    Paper A says only "DNN". Chosen here: RMSProp (which §3.5 names for the audio models of its
    final model alone), the input standardised on the training set, Dense ReLU layers, dropout,
    categorical cross-entropy, a fixed number of epochs (nothing is stopped by looking at test
    data). Each division of the clips is met by networks with first weights of their own, so a mean
    over divisions is one over trainings, too.
    """

    settings: DenseSettings = DNN

    def predict_proba_folds(self, X: Features, y: np.ndarray, folds: Folds) -> list[np.ndarray]:
        """Return the class probabilities of each fold's test clips, float32 (test, classes) each.

        `X` is float (clips, features), or a function that returns it for the indices of a
        training set; `y` int (clips,); `folds` pairs of train and test indices.
        """
        prepared = [X(train) if callable(X) else X for train, _ in folds]
        matrices = {id(matrix): matrix for matrix in prepared}  # often one and the same
        x = np.stack(list(matrices.values()), dtype=np.float32)
        groups = [list(matrices).index(id(matrix)) for matrix in prepared]
        nobody = np.array([], np.int64)
        tasks, tested = [], np.zeros(len(y), np.int64)  # how often each clip was so far
        for (train, test), group in zip(folds, groups, strict=True):
            tasks.append(FitSpec(train, nobody, group=group, draw=int(tested[test].max())))
            tested[test] += 1
        networks = stacked.fit(x, y, tasks, classes=int(y.max()) + 1, settings=self.settings)
        return [networks.predict(k, x[tasks[k].group, test]) for k, (_, test) in enumerate(folds)]

    def predict_folds(self, X: Features, y: np.ndarray, folds: Folds) -> list[np.ndarray]:
        """Return the predicted class of each fold's test clips, int (test,) each."""
        return [p.argmax(axis=1) for p in self.predict_proba_folds(X, y, folds)]
