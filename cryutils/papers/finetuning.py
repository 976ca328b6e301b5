"""Frozen and fine-tuned: the same network with its pretrained part fixed, or trained as well.

Used in notebook 07_frames_resnet50. Paper A (§3.5) freezes ResNet-50 with its ImageNet weights,
trains a second model of pooling, flatten, dense and softmax behind it, and reports that this beats
training the whole network. `frozen_and_finetuned` trains both from pixels, on the same frames and
folds. (The frozen part can also be computed just once, see `embeddings.embed`.) The networks are
built by `models.second_model`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cryutils.evaluation.splits import Fold, Split
from cryutils.models.crossfit import CrossFit, cross_fit
from cryutils.models.examples import Examples
from cryutils.models.second_model import network
from cryutils.models.training import Settings
from cryutils.papers.embeddings import pictures_of

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Clip
    from cryutils.models.backbones import Backbone
    from cryutils.papers.embeddings import FrameInput

__all__ = ["SMALL_RATE", "frames", "frozen_and_finetuned"]

SMALL_RATE = 1e-4  # large steps would destroy the pretrained weights


def frozen_and_finetuned(
    backbone: Backbone,
    frames: Examples,
    labels: Sequence[str],
    infants: Sequence[str],
    repeated_folds: Sequence[Sequence[Fold]],
    *,
    split: Split | str,
    settings: Settings | None = None,
    units: int = 64,
    progress: bool = False,
) -> dict[str, CrossFit]:
    """Return "frozen" and "finetuned", each a network fitted once per fold, on the same folds.

    backbone: from `backbones.base` or `small_cnn.small`; its own weights are not changed. frames:
    uint8 (rows, height, width, 3) in the backbone's size, from `frames`. settings: of both, but
    "finetuned" has the learning rate `SMALL_RATE`. units: of the dense layer. The rest is as in
    `crossfit.cross_fit`, which may raise InputError.
    """
    classes = len(set(labels))

    def fitted(of_way: Settings, trainable: bool) -> CrossFit:
        def build(of_fold: Settings) -> Any:
            return network(
                backbone, classes, trainable=trainable, units=units, dropout=of_fold.dropout,
                learning_rate=of_fold.learning_rate,
            )  # fmt: skip

        return cross_fit(
            build, frames, labels, infants, repeated_folds, split=split, settings=of_way,
            progress=progress,
        )  # fmt: skip

    settings = settings or Settings()
    slower = replace(settings, learning_rate=SMALL_RATE)
    return {"frozen": fitted(settings, False), "finetuned": fitted(slower, True)}


def frames(clips: Iterable[Clip], frame_input: FrameInput, *, limit: int = 4) -> Examples:
    """Return the pixels of at most `limit` frames per clip, evenly spread over it.

    `x` is uint8 (rows, size, size, 3). Unlike in `embeddings.embed`, all frames are in memory.
    """
    rows = []
    for clip in clips:
        source = pictures_of(clip)
        pictures = [] if source is None else list(frame_input.frames(source))
        count = min(limit, len(pictures))
        chosen = np.round(np.linspace(0, len(pictures) - 1, count)).astype(int)
        part = [pictures[number] for number in chosen]
        rows.append(np.reshape(part, (count, *frame_input.shape)).astype(np.uint8))
    return Examples.of(rows)
