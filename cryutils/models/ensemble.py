"""Paper A's concatenate ensemble, from the submodels' outputs to probabilities.

Used in notebook 09_ensemble (Paper A §3.5, Figure 2: a concatenate layer joins the submodels'
outputs; a flatten layer, dense layers and a softmax follow). The paper gives no layer sizes.
`papers.ensemble` trains the ensembles of all folds at once (`stacked.network`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cryutils.models.backend import keras as _keras
from cryutils.models.blocks import check_dropout, dense_softmax

__all__ = ["build"]


def build(
    widths: Mapping[str, int], classes: int, *, units: Sequence[int] = (32,), dropout: float = 0.3
) -> Any:
    """Return the ensemble as an uncompiled Keras model.

    It takes the outputs of the submodels, float32 (n, width) each, and returns probabilities
    (n, classes). widths: size of each submodel's output by the submodel's name, which becomes the
    input's name. units: of the dense layers between concatenation and softmax. dropout: after each
    dense layer, 0 to below 1; raises InputError otherwise.
    """
    check_dropout(dropout)
    keras = _keras()
    layers = keras.layers
    outputs = [keras.Input((width,), name=name) for name, width in widths.items()]
    h = layers.Concatenate(name="concatenate")(outputs) if len(outputs) > 1 else outputs[0]
    h = dense_softmax(layers.Flatten(name="flatten")(h), units, classes, dropout)
    return keras.Model(outputs, h, name="ensemble")
