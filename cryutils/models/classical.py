"""The names of Table 2's classifiers, and classical baselines for Paper B's networks.

Notebook 03_feature_validation builds the classifiers of Paper A's Table 2. Paper B (§2) says that
deep learning is better than "classical methods" such as SVM, random forest and gradient boosting.
Notebooks 04_cry2 and 05_image compare their networks with `BASELINES`: those three and logistic
regression.
"""

from __future__ import annotations

from typing import Any

__all__ = ["BASELINES", "CLASSIFIERS", "baselines"]

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
