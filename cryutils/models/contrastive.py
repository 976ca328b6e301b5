"""Training without labels: an encoder that recognises two windows of the same recording.

Used in notebook 12_beyond_the_papers. The loss is SimCLR's (Chen et al. 2020, arXiv 2002.05709).
Two windows of one recording are a pair, as in COLA (Saeed et al. 2021, arXiv 2010.10915). Their
level is changed, and some bands and frames are hidden (Park et al. 2019, arXiv 1904.08779). The
encoder is `cry2` without its classifier. Paper B names self-supervised learning as future work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.cache import cached
from cryutils.errors import InputError, require_counts
from cryutils.models import cry2
from cryutils.models.backend import keras as _keras
from cryutils.models.backend import seeded
from cryutils.models.inputs import Examples, by_clip
from cryutils.models.training import machine

__all__ = [
    "Settings", "augmented", "encoder", "nt_xent", "pairs", "pretrain", "vectors",
]  # fmt: skip

VERSION = 1  # increase it whenever the same rows and settings give other networks

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.integer[Any]]

_LEVEL_DB, _BANDS, _FRAMES = 6.0, 8, 12  # largest change of level; most bands and frames hidden
_WIDTH = 32  # numbers that are compared


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an encoder is trained without labels. Raises InputError if a setting is out of range.

    filters: of each block of convolutions. epochs: passes through the recordings; each draws two
    other windows of every recording. batch_size: recordings that are compared with each other.
    temperature: below 1, it gives weight to the most similar other recordings. seed: of every
    random draw.
    """

    filters: Sequence[int] = (16, 32, 64)
    epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 1e-3
    temperature: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        require_counts(self, "epochs", "batch_size")
        if self.learning_rate <= 0 or self.temperature <= 0:
            raise InputError(
                f"learning_rate={self.learning_rate}, temperature={self.temperature}: give numbers"
                " above 0."
            )


def encoder(shape: Sequence[int], *, filters: Sequence[int] = (16, 32, 64)) -> Any:
    """Return an untrained encoder: windows, float32 (n, frames, coefficients), to rows of numbers.

    Arguments and errors are those of `cry2.build`.
    """
    network = cry2.build(shape, 2, filters=filters)
    return _keras().Model(network.inputs, network.get_layer("flatten").output, name="encoder")


def nt_xent(temperature: float) -> Any:
    """Return SimCLR's loss, a function of (unused, vectors of unit length (n, 2, d)).

    Each of the 2n vectors must pick its partner among the 2n - 1 others, by cosine similarity
    divided by `temperature`: a cross-entropy. Guessing has ln(2n - 1).
    """
    keras = _keras()
    ops = keras.ops

    def loss(_: Any, z: Any) -> Any:
        n = ops.shape(z)[0]
        vectors = ops.concatenate([z[:, 0], z[:, 1]])
        similarity = ops.matmul(vectors, ops.transpose(vectors)) / temperature
        similarity -= 1e9 * ops.eye(2 * n)  # none is its own partner
        partner = ops.roll(ops.arange(2 * n), n)
        each = keras.losses.sparse_categorical_crossentropy(partner, similarity, from_logits=True)
        return ops.mean(ops.reshape(each, (2, n)), axis=0)

    return loss


def pairs(examples: Examples, clips: Indices, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return two rows of each clip, int64 (clips, 2), in random order of the clips.

    They are different rows unless a clip has only one. Clips without rows are left out.
    """
    rows = [examples.rows([clip]) for clip in rng.permutation(np.unique(clips))]
    return np.array([rng.choice(each, 2, replace=len(each) < 2) for each in rows if len(each)])


def augmented(x: Array, rng: np.random.Generator) -> Array:
    """Return windows with another level and a hidden block of bands and of frames, shaped as `x`.

    x: levels in dB, float32 (n, frames, bands). Hidden values are replaced by the window's mean.
    """
    changed = x + rng.uniform(-_LEVEL_DB, _LEVEL_DB, (len(x), 1, 1)).astype(np.float32)
    for window in changed:
        for axis, most in enumerate((_FRAMES, _BANDS)):
            count = rng.integers(0, min(most, window.shape[axis] // 2) + 1)
            start = rng.integers(0, window.shape[axis] - count + 1)
            hidden = [slice(None), slice(None)]
            hidden[axis] = slice(start, start + count)
            window[tuple(hidden)] = window.mean()
    return changed


def pretrain(
    examples: Examples, clips: Indices, settings: Settings | None = None
) -> tuple[Any, npt.NDArray[np.float64]]:
    """Return an encoder that was trained on the windows of `clips`, and its loss in each epoch.

    Finished trainings are cached. Raises InputError if fewer than two clips have windows.
    """
    settings = settings or Settings()
    if len(np.intersect1d(clips, examples.clip)) < 2:
        raise InputError("fewer than two recordings have a window: give more, or shorter windows.")
    with seeded(settings.seed):
        network = encoder(examples.x.shape[1:], filters=settings.filters)
        rows, start = examples.rows(clips), network.get_weights()
        cry2.adapt(network, examples.x[rows])

        def trained() -> tuple[npt.NDArray[np.float64], list[Array]]:
            losses = _train(network, examples, clips, settings)
            return losses, network.get_weights()

        losses, weights = cached(
            trained, "contrastive", VERSION, start, asdict(settings), machine(), examples.x[rows],
            examples.clip[rows],
        )  # fmt: skip
    network.set_weights(weights)
    return network, losses


def _train(
    network: Any, examples: Examples, clips: Indices, settings: Settings
) -> npt.NDArray[np.float64]:
    rng, keras = np.random.default_rng(settings.seed), _keras()
    layers = keras.layers
    # The two dense layers after the encoder are used in training only.
    head = keras.Sequential(
        [layers.Dense(64, activation="relu"), layers.Dense(_WIDTH), layers.UnitNormalization()]
    )
    windows = [keras.Input(network.input_shape[1:]) for _ in range(2)]
    both = keras.ops.stack([head(network(window)) for window in windows], axis=1)
    model = keras.Model(windows, both)
    adam = keras.optimizers.Adam(settings.learning_rate)
    model.compile(adam, nt_xent(settings.temperature), jit_compile=False)
    losses = []
    for _ in range(settings.epochs):
        rows = pairs(examples, clips, rng)
        varied = [augmented(examples.x[column], rng) for column in rows.T]
        history = model.fit(
            varied, np.zeros(len(rows)), batch_size=settings.batch_size, shuffle=False, verbose=0
        )
        losses += history.history["loss"]
    return np.array(losses)


def vectors(encoder: Any, examples: Examples, n_clips: int) -> Array:
    """Return the mean of the encoder's output over each clip's windows, float32 (clips, d).

    NaN for a clip without windows.
    """
    return by_clip(encoder.predict(examples.x, batch_size=256, verbose=0), examples.clip, n_clips)
