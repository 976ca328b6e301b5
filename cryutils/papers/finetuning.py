"""Frozen and fine-tuned: the same network with its pretrained part fixed, or trained as well.

Used in notebooks 07_frames_resnet50 and appendix_faces. Paper A (§3.5) freezes ResNet-50 with its
ImageNet weights, trains a second model of pooling, flatten, dense and softmax behind it, and
says, without numbers, that this is better than training the whole network. `frozen_and_finetuned`
trains both from pixels, on the same frames and folds. (The frozen part can also be computed just
once, see `embeddings.embed`.) The networks are built by `models.second_model`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cryutils.evaluation.splits import Fold, Split
from cryutils.models import second_model
from cryutils.models.inputs import Examples
from cryutils.models.training import CrossFit, Settings, cross_fit
from cryutils.papers.embeddings import pictures_of

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Clip
    from cryutils.models.backbones import Backbone
    from cryutils.papers.beyond import Network
    from cryutils.papers.embeddings import FrameInput

__all__ = ["SMALL_RATE", "frames", "frozen_and_finetuned", "networks"]

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
    `training.cross_fit`, which may raise InputError.
    """
    classes = len(set(labels))
    return {
        way: cross_fit(
            partial(network, frames.x.shape[1:], classes), frames, labels, infants, repeated_folds,
            split=split, settings=settings, progress=progress,
        )
        for way, network in networks(backbone, units=units).items()
    }  # fmt: skip


def networks(backbone: Backbone, *, units: int = 64) -> dict[str, Network]:
    """Return "frozen" and "finetuned", each a function as `beyond.train` takes it.

    "finetuned" has the learning rate `SMALL_RATE`, "frozen" that of the settings. backbone, units:
    as in `frozen_and_finetuned`.
    """

    def build(trainable: bool, _: tuple[int, ...], classes: int, settings: Settings) -> Any:
        return second_model.network(
            backbone, classes, trainable=trainable, units=units, dropout=settings.dropout,
            learning_rate=SMALL_RATE if trainable else settings.learning_rate,
        )  # fmt: skip

    return {"frozen": partial(build, False), "finetuned": partial(build, True)}


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
