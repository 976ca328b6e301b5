"""The classifiers of Paper A's Table 2, and the classical ones beside Paper B's networks.

Table 2 names SVM, naive Bayes, random forest, decision tree, k-NN and a DNN, and gives
no setting of any. Settings here are scikit-learn's defaults; those of the DNN are in
`DeepNeuralNetwork`. Notebook 03_feature_validation walks them. Paper B (§2) repeats of SVM,
random forest and gradient boosting that "deep learning methods always perform better":
notebooks 04_cry2 and 05_image hold their networks against `baselines`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cryutils.models.backend import keras as _keras

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

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
Features = np.ndarray | Callable[[np.ndarray], np.ndarray]


def table2_classifiers(*, scaling: str = "signal", seed: int = 0) -> dict[str, Any]:
    """Return the six classifiers of Table 2 by their short names (the keys of CLASSIFIERS).

    With `scaling="features"` each sees features that were standardised and then brought to
    [0, 1], both fitted on training data alone; with "signal" the recording was scaled
    before (`audio.SignalScaler`) and the features enter as they are.
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
    return {**models, "dnn": DeepNeuralNetwork(seed=seed)}


def baselines(seed: int = 0) -> dict[str, Any]:
    """Return the classical models beside a network, by their short names (keys of BASELINES).

    For `evaluation.out_of_fold`. Those that measure distances standardise the features on
    their training part, and weigh each class alike, as the networks do; forest and boosting have
    no such weights here. Settings are scikit-learn's, but for boosting: 60 rounds (not 100), each
    on 80 % of the clips, and the root of the features tried at a split, so that 5 folds of a
    hundred clips with 1764 features take some 1.5 s.
    """
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from cryutils.models.forest import Forest

    boosting = GradientBoostingClassifier(
        n_estimators=60, subsample=0.8, max_features="sqrt", random_state=seed
    )
    return {
        "logistic": make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
        ),
        "svm": make_pipeline(StandardScaler(), SVC(class_weight="balanced")),
        "forest": Forest(seed=seed),
        "boosting": boosting,
    }


def _scaled(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    return make_pipeline(StandardScaler(), MinMaxScaler(), model)


class DeepNeuralNetwork:
    """A dense softmax network, trained on many training sets at once.

    Paper A says only "DNN" and, for its final model, RMSProp (§3.5). Chosen here: the input
    standardised on the training set, Dense ReLU layers of `units`, dropout, categorical
    cross-entropy, a fixed number of `epochs` (nothing is stopped by looking at test data).

    Networks for all folds are slices of one Keras model: its kernels are (folds, inputs,
    units), so the 150 networks of a table train together, each on its own clips only.
    """

    def __init__(
        self,
        *,
        units: Sequence[int] = (64, 32),
        dropout: float = 0.3,
        learning_rate: float = 1e-3,
        epochs: int = 30,
        batch_size: int = 32,
        seed: int = 0,
    ) -> None:
        self.units = tuple(units)
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed

    def predict_folds(self, X: Features, y: np.ndarray, folds: Folds) -> list[np.ndarray]:
        """Return the predicted class of each fold's test clips, int (test,) each.

        `X` is float (clips, features), or a function that returns it for the indices of a
        training set; `y` int (clips,); `folds` pairs of train and test indices.
        """
        prepared = [_standardised(X, train) for train, _ in folds]
        inputs, targets, weights = _stack(prepared, y, folds)
        model = self._build(folds=len(folds), inputs=inputs.shape[2], classes=int(y.max()) + 1)
        import tensorflow as tf

        # One pass over the repeated data: an epoch of its own would cost Keras more than its steps.
        batches = (
            tf.data.Dataset.from_tensor_slices((inputs, targets, weights))
            .shuffle(len(inputs), seed=self.seed)
            .batch(self.batch_size)
            .repeat(self.epochs)
        )
        model.fit(batches, shuffle=False, verbose=0)  # the dataset shuffles itself
        return self._predict(model, prepared, folds)

    def _build(self, *, folds: int, inputs: int, classes: int) -> Any:
        keras = _keras()
        keras.utils.set_random_seed(self.seed)
        model = keras.Sequential([keras.Input((folds, inputs))])
        width = inputs
        for units in self.units:
            model.add(_dense_per_fold(folds, width, units, "relu"))
            model.add(keras.layers.Dropout(self.dropout))
            width = units
        model.add(_dense_per_fold(folds, width, classes, "softmax"))
        model.compile(
            optimizer=keras.optimizers.RMSprop(self.learning_rate),
            loss="sparse_categorical_crossentropy",
            jit_compile=False,  # compiling takes longer than these few steps
        )
        return model

    def _predict(self, model: Any, prepared: list[np.ndarray], folds: Folds) -> list[np.ndarray]:
        longest = max(len(test) for _, test in folds)
        pairs = list(zip(prepared, folds, strict=True))
        padded = np.stack(
            [np.resize(x[test], (longest, x.shape[1])) for x, (_, test) in pairs],
            axis=1,
        )
        # Called, not `predict`: a traced function for each network would cost more than it saves.
        classes = np.asarray(model(padded, training=False)).argmax(axis=2)
        return [classes[: len(test), fold] for fold, (_, test) in enumerate(folds)]


def _dense_per_fold(folds: int, inputs: int, units: int, activation: str) -> Any:
    """Return a dense layer with its own kernel for each fold, (clips, folds, inputs) -> units."""
    keras = _keras()
    # Keras would take the folds for a receptive field and start the kernels too small,
    # so Glorot's limit is given by hand.
    limit = np.sqrt(6 / (inputs + units))
    return keras.layers.EinsumDense(
        "bfi,fio->bfo",
        output_shape=(folds, units),
        bias_axes="fo",
        activation=activation,
        kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
    )


def _standardised(X: Features, train: np.ndarray) -> np.ndarray:
    x = np.asarray(X(train) if callable(X) else X, dtype=np.float32)
    deviation = x[train].std(axis=0)
    return (x - x[train].mean(axis=0)) / np.where(deviation > 0, deviation, 1)


def _stack(
    prepared: list[np.ndarray], y: np.ndarray, folds: Folds
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put each fold's training clips side by side; shorter ones are padded with weight 0.

    The loss is a mean over clips and folds, so weights of `folds` make each network's
    gradient the one it would have alone.
    """
    longest = max(len(train) for train, _ in folds)
    pairs = list(zip(prepared, folds, strict=True))
    inputs = np.stack(
        [np.resize(x[train], (longest, x.shape[1])) for x, (train, _) in pairs],
        axis=1,
    )
    targets = np.stack([np.resize(y[train], longest) for train, _ in folds], axis=1)
    weights = np.stack(
        [np.arange(longest) < len(train) for train, _ in folds], axis=1
    ) * np.float32(len(folds))
    return inputs, targets, weights
