"""Where in a spectrogram or a face a network looks: Grad-CAM, and whether that can be trusted.

Walked by notebook 11_robustness. Paper B §2 speaks of explainable AI in healthcare and of what "in
the cry or what in the face influenced the prediction", and shows none of it. Grad-CAM: Selvaraju
et al. 2017, Grad-CAM: Visual explanations from deep networks via gradient-based localization
(ICCV; arXiv 1610.02391). A map that looks convincing may show the picture rather than the network,
so it has to change when the network's weights are made random: Adebayo et al. 2018, Sanity checks
for saliency maps (NeurIPS; arXiv 1810.03292). And where the truth is known, as in synthetic
faces, `share_inside` says how much of a map lies there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError, near_miss
from cryutils.models.backend import keras as _keras

__all__ = ["grad_cam", "rank_correlation", "share_inside", "shuffled_weights"]

Array = npt.NDArray[np.float32]
_AT_ONCE = 256  # rows


def grad_cam(
    model: Any, x: npt.NDArray[Any], classes: npt.NDArray[np.integer[Any]], *, layer: str
) -> Array:
    """Return where the evidence for a class lies in each example, float32 (rows, height, width).

    The maps of `layer` are weighed by how much the class's score rises with each on average,
    added up, and what speaks against the class is left out (Selvaraju et al., equations 1, 2). The
    score is that before the softmax, so that it isn't about the other classes. Enlarged to the
    example's size, linearly; each of a layer's places saw much more of the example than its share
    of the map. Not scaled: 0 throughout where nothing speaks for the class.

    Parameters
    ----------
    model
        A Keras model that ends in a dense softmax, such as `training.Fitted.model`.
    x
        Examples as the network takes them: (rows, height, width), or with channels behind.
    classes
        Of which class each map is to be, int (rows,).
    layer
        Name of the layer that is looked at, usually behind the last convolution: "relu3".

    Raises
    ------
    InputError
        There is no such layer, or its output has no height and width; or numbers of rows differ.
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
    if len(x) != len(classes):
        raise InputError(f"{len(x)} examples and {len(classes)} classes do not belong together.")
    below, above = keras.Model(model.input, maps), keras.Model(maps, last.input)
    blocks = []
    for start in range(0, len(x), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        activation = below(x[rows], training=False)
        with tf.GradientTape() as tape:
            tape.watch(activation)
            scores = above(activation, training=False) @ last.kernel + last.bias
            score = tf.gather(scores, classes[rows], batch_dims=1)
        # Examples don't share a score, so the sum's gradient holds each one's own.
        gradient = tape.gradient(score, activation)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        evidence = tf.nn.relu(tf.reduce_sum(weights * activation, axis=-1, keepdims=True))
        blocks.append(tf.image.resize(evidence, x.shape[1:3])[..., 0].numpy())
    return np.concatenate(blocks or [np.zeros((0, *x.shape[1:3]), np.float32)])


def shuffled_weights(model: Any, rng: np.random.Generator) -> list[npt.NDArray[Any]]:
    """Return the model's weights with those of each trained array in random order.

    For `model.set_weights`. Sizes and spreads of all layers stay, and what they learned is gone;
    what no training changes (a normalisation fitted to the data, running means) stays in place.

    Parameters
    ----------
    model : keras.Model
        It stays as it is.
    rng : numpy.random.Generator
        Draws the orders.
    """
    trained = {id(weight) for weight in model.trainable_weights}
    return [
        rng.permutation(array.ravel()).reshape(array.shape) if id(weight) in trained else array
        for weight, array in zip(model.weights, model.get_weights(), strict=True)
    ]


def rank_correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return Spearman's correlation of each pair of maps, float64 (rows,).

    1: the same order of places; near 0: one says nothing of the other. NaN where a map is of one
    value throughout.

    Parameters
    ----------
    a, b : array
        Maps (rows, height, width), both alike.

    Raises
    ------
    InputError
        Shapes differ.
    """
    from scipy.stats import rankdata

    first, second = (np.asarray(maps, np.float64) for maps in (a, b))
    if first.shape != second.shape or first.ndim < 2:
        raise InputError(
            f"maps are (rows, height, width), both alike: {first.shape}, {second.shape}"
        )
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    size = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    product = (centred[0] * centred[1]).sum(axis=1)
    return np.divide(product, size, out=np.full(len(size), np.nan), where=size > 0)


def share_inside(maps: npt.ArrayLike, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return what share of each map lies where `mask` is true, float64 (rows,).

    A map that knows nothing has about `mask.mean()`; one of zeros has NaN.

    Parameters
    ----------
    maps : array
        0 or more, (rows, height, width).
    mask : ndarray of bool
        (height, width), or one a row.

    Raises
    ------
    InputError
        Shapes differ.
    """
    evidence = np.asarray(maps, np.float64)
    if evidence.ndim != 3 or mask.shape not in (evidence.shape, evidence.shape[1:]):
        raise InputError(f"maps {evidence.shape} and a mask {mask.shape} are not of one picture.")
    total = evidence.sum(axis=(1, 2))
    inside = np.where(mask, evidence, 0).sum(axis=(1, 2))
    return np.divide(inside, total, out=np.full(len(total), np.nan), where=total > 0)
