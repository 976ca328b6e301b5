"""Grad-CAM maps of a network's evidence in a spectrogram or face, and two checks of the maps.

Used in notebook appendix_explanations. Paper B §2 mentions explainable AI in healthcare and what
"in the cry or what in the face influenced the prediction", but shows no explanation. Grad-CAM:
Selvaraju et al. 2017, Visual explanations from deep networks via gradient-based localization (ICCV;
arXiv 1610.02391). A convincing map may depend on the picture rather than the network, so it must
change when the weights are shuffled: Adebayo et al. 2018, Sanity checks for saliency maps (NeurIPS;
arXiv 1810.03292). `share_inside` compares a map with a known region, as in synthetic faces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss
from cryutils.evaluation.intervals import Interval, mean_interval
from cryutils.models.backend import keras as _keras
from cryutils.models.inputs import Examples, by_clip
from cryutils.models.training import CrossFit

__all__ = [
    "Maps", "before_and_after", "grad_cam", "rank_correlation", "share_inside", "shuffled_weights",
]  # fmt: skip

Array = npt.NDArray[np.float32]
_AT_ONCE = 256  # rows per batch


def grad_cam(
    model: Any, x: npt.NDArray[Any], classes: npt.NDArray[np.integer[Any]], *, layer: str
) -> Array:
    """Return the evidence for a class in each example, float32 (rows, height, width), 0 or more.

    The layer's maps are weighted by the mean gradient of the class's score and summed. Negative
    values become 0 (Selvaraju et al., equations 1 and 2). The score is taken before the softmax, so
    it does not depend on other classes. Maps are enlarged linearly to the example's size.

    model: a Keras model that ends in a dense softmax. x: examples (rows, height, width), or with
    channels last. classes: the class of each map, int (rows,). layer: usually the activation after
    the last convolution, "relu3". Raises InputError if there is no such layer, or it has no height
    and width.
    """
    keras = _keras()
    import tensorflow as tf

    names = [each.name for each in model.layers]
    if layer not in names:
        raise InputError(f"the network has no layer {layer!r}.{near_miss(layer, names)}")
    maps, last = model.get_layer(layer).output, model.layers[-1]
    if len(maps.shape) != 4:
        raise InputError(
            f"layer {layer!r} has no height and width: its output is {maps.shape[1:]}."
        )
    below, above = keras.Model(model.input, maps), keras.Model(maps, last.input)
    blocks = []
    for start in range(0, len(x), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        activation = below(x[rows], training=False)
        with tf.GradientTape() as tape:
            tape.watch(activation)
            scores = above(activation, training=False) @ last.kernel + last.bias
            score = tf.gather(scores, classes[rows], batch_dims=1)
        # Each score depends only on its own example, so one call gives every example's gradient.
        gradient = tape.gradient(score, activation)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        evidence = tf.nn.relu(tf.reduce_sum(weights * activation, axis=-1, keepdims=True))
        blocks.append(tf.image.resize(evidence, x.shape[1:3])[..., 0].numpy())
    return np.concatenate(blocks or [np.zeros((0, *x.shape[1:3]), np.float32)])


def shuffled_weights(model: Any, rng: np.random.Generator) -> list[npt.NDArray[Any]]:
    """Return the model's weights for `set_weights`, each trainable array shuffled.

    Arrays that are not trainable (a fitted normalisation, running means) and the model itself are
    not changed.
    """
    trained = {id(weight) for weight in model.trainable_weights}
    return [
        rng.permutation(array.ravel()).reshape(array.shape) if id(weight) in trained else array
        for weight, array in zip(model.weights, model.get_weights(), strict=True)
    ]


def rank_correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return Spearman's correlation of each pair of maps, float64 (rows,); NaN if one is constant.

    a, b: maps (rows, height, width).
    """
    import pandas as pd

    flat = (np.reshape(maps, (len(maps), -1)) for maps in map(np.asarray, (a, b)))
    first, second = (pd.DataFrame(maps).rank(axis=1) for maps in flat)
    return np.asarray(first.corrwith(second, axis=1))


def share_inside(maps: npt.ArrayLike, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the share of each map's evidence inside `mask`, float64 (rows,); NaN if a map is 0.

    The share of an uninformative map is about `mask.mean()`. maps: 0 or more, (rows, height,
    width). mask: bool (height, width), or one per map.
    """
    evidence = np.asarray(maps, np.float64)
    total = evidence.sum(axis=(1, 2))
    inside = np.where(mask, evidence, 0).sum(axis=(1, 2))
    return np.divide(inside, total, out=np.full(len(total), np.nan), where=total > 0)


@dataclass(frozen=True, eq=False)
class Maps:
    """Grad-CAM maps of the test examples of a fold, each for the class that the network chose.

    x: the examples. clip, called: the clip and the class index of each, int (rows,). trained,
    shuffled: maps of the network and of the same network with its weights shuffled, float32 (rows,
    height, width).
    """

    x: npt.NDArray[Any] = field(repr=False)
    clip: npt.NDArray[np.int64] = field(repr=False)
    called: npt.NDArray[np.int64] = field(repr=False)
    trained: Array = field(repr=False)
    shuffled: Array = field(repr=False)

    def correlation(self, corpus: Corpus) -> Interval | None:
        """Return the `rank_correlation` of trained and shuffled maps, with its interval.

        Pairs with an empty map are left out; None if no pair is left.
        """
        return self._mean(rank_correlation(self.trained, self.shuffled), corpus, -1)

    def shares(
        self, mask: npt.NDArray[np.bool_], corpus: Corpus
    ) -> tuple[Interval | None, Interval | None]:
        """Return `share_inside` of trained and of shuffled maps; None if all of them are empty."""
        trained, shuffled = (share_inside(maps, mask) for maps in (self.trained, self.shuffled))
        return self._mean(trained, corpus, 0), self._mean(shuffled, corpus, 0)

    def _mean(
        self, values: npt.NDArray[np.float64], corpus: Corpus, least: float
    ) -> Interval | None:
        rows = np.isfinite(values)
        if not rows.any():
            return None
        clips = by_clip(values[rows, None], self.clip[rows], len(corpus))[:, 0]
        return mean_interval(clips, corpus.infants.tolist(), limits=(least, 1))


def before_and_after(fit: CrossFit, examples: Examples, *, layer: str, seed: int) -> Maps:
    """Return the maps of the first fold's test examples, before and after shuffling the weights.

    layer: as in `grad_cam`. seed: of the shuffling. The network's own weights are put back.
    """
    fitted, (_, test) = fit.fits[0], fit.folds[0][0]
    rows = examples.rows(test)
    x = examples.x[rows]
    called = fitted.predict(x).argmax(axis=1)
    trained, weights = grad_cam(fitted.model, x, called, layer=layer), fitted.model.get_weights()
    try:
        fitted.model.set_weights(shuffled_weights(fitted.model, np.random.default_rng(seed)))
        shuffled = grad_cam(fitted.model, x, called, layer=layer)
    finally:
        fitted.model.set_weights(weights)
    return Maps(x, examples.clip[rows], called, trained, shuffled)
