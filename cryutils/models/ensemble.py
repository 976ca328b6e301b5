"""Paper A's concatenate ensemble: `build`, the submodels' outputs in, three states out.

Notebook 09_ensemble writes it out (Paper A §3.5, Figure 2: the submodels' outputs are joined by a
concatenate layer, flattened, and lead through dense layers to a softmax). The paper gives no size.
`papers.ensemble` trains it over all folds side by side (`stacked.network`, one matrix a fold).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cryutils.errors import InputError
from cryutils.models.backend import keras as _keras

__all__ = ["build"]


def build(
    widths: Mapping[str, int],
    classes: int,
    *,
    units: Sequence[int] = (32,),
    dropout: float = 0.3,
) -> Any:
    """Return the network, not compiled.

    Parameters
    ----------
    widths : mapping
        How many numbers each submodel gives, by its name, which names the input.
    classes : int
        How many states.
    units : sequence of int
        Of each dense layer between concatenation and softmax.
    dropout : float
        Share of them dropped while training, 0 to below 1.

    Returns
    -------
    keras.Model
        float32 (n, width) of each submodel in, probabilities (n, classes) out.

    Raises
    ------
    InputError
        No submodel, or no share for `dropout`.
    """
    if not widths:
        raise InputError("widths={}: an ensemble joins one submodel at least.")
    if not 0 <= dropout < 1:
        raise InputError(f"dropout={dropout} is no share; use one from 0 to below 1, such as 0.3.")
    keras = _keras()
    layers = keras.layers
    outputs = [keras.Input((width,), name=name) for name, width in widths.items()]
    h = layers.Concatenate(name="concatenate")(outputs) if len(outputs) > 1 else outputs[0]
    h = layers.Flatten(name="flatten")(h)
    for k, width in enumerate(units, 1):
        h = layers.Dense(width, activation="relu", name=f"dense{k}")(h)
        h = layers.Dropout(dropout, name=f"dropout{k}")(h)
    answer = layers.Dense(classes, activation="softmax", name="answer")(h)
    return keras.Model(outputs, answer, name="ensemble")
