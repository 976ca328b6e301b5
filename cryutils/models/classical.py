"""The names of Table 2's classifiers and of the rivals of Paper B's networks.

Notebook 03_feature_validation builds the classifiers of Paper A's Table 2. Paper B (§2) says that
deep learning is better than "classical methods" such as SVM, random forest and gradient boosting.
Notebooks 04_cry2 and 05_image compare their networks with `BASELINES`: those three and logistic
regression.
"""

from __future__ import annotations

__all__ = ["BASELINES", "CLASSIFIERS"]

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
