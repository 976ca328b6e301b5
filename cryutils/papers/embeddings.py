"""Paper A's data: videos of three states, their frames, and the embeddings of all frames.

Used in notebooks 07_frames_resnet50 to 09_ensemble and in appendix_faces (Paper A §3.1-3.2 and
§3.5: 800 videos of 15 s at 30 frames per second, 360,000 frames, each of which passes ResNet-50
once). Frames are streamed: one clip's embeddings and a few hundred frames are in memory, whatever
the number of clips.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils import video
from cryutils._io.cache import key
from cryutils._io.paths import file_digest
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.datasets.registry import load_or_simulate
from cryutils.errors import InputError, near_miss
from cryutils.models import backbones, small_cnn
from cryutils.video import faces

if TYPE_CHECKING:
    from cryutils.models.backbones import Backbone

__all__ = [
    "CROPS", "STAND_INS", "STATES", "WORDS", "FrameInput", "PictureInput", "embed", "load",
    "pictures_of",
]  # fmt: skip

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

STATES = ("hug", "hungry", "sleepy")
WORDS = {"hug": "want to be hugged", "hungry": "hungry", "sleepy": "sleepy"}
CROPS = ("frame", "face")
# Labels of other corpora with the same meaning.
STAND_INS = {"sleepy": ("tired",), "hug": ("lonely", "hugging")}

_FRAMES_VERSION = 1  # raise it whenever the same file and settings give other frames


def load(data: str, **simulation: Any) -> Corpus:
    """Return the corpus `data` as in `cryutils.load`, with the clips of Paper A's three states.

    "tired" replaces a missing "sleepy", and "lonely" and "hugging" replace a missing "hug".
    DonateACry's cleaned files have two of the states (no "lonely"), its original uploads all three.
    Raises InputError if fewer than two occur. simulation: options of synthetic voices and faces,
    which other corpora don't use.
    """
    options = {"classes": list(STATES), "video": True} | simulation
    return load_or_simulate(data, **options).among(STATES, STAND_INS)


@dataclass(frozen=True, kw_only=True)
class FrameInput:
    """How a video becomes the input frames of a backbone.

    fps: frames per second; frame k is shown at k / fps s. size: side of a frame in pixels. crop:
    "frame", the picture's centred square, as in Paper A for ResNet-50; "face", the face that
    `video.track` follows. `small_cnn.small` is trained on faces that fill the crop, so it needs
    "face".
    """

    fps: float = 30.0
    size: int = 224
    crop: str = "frame"

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise InputError(f"there is no crop {self.crop!r}.{near_miss(self.crop, CROPS)}")
        if not (isfinite(self.fps) and 0.001 <= self.fps <= 1000):
            raise InputError(f"fps={self.fps} is no frame rate; use 0.001 to 1000.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one frame: (height, width, RGB)."""
        return self.size, self.size, 3

    def frames(self, path: str | os.PathLike[str]) -> Iterator[Pixels]:
        """Yield the frames of a file, uint8 (size, size, 3) RGB, as a stream.

        No frame is left out, so that times are kept. With "face", a frame without a face shows
        where the face was last or will be next, or the centred square if there is none at all; all
        crops of the file are then in memory. Raises InputError as `video.frames` does.
        """
        if self.crop == "face":
            yield from video.track(path, fps=self.fps, size=self.size).crops
            return
        for picture in video.frames(path, fps=self.fps):
            yield faces.crop(picture, faces.centre(*picture.shape[:2]), size=self.size)

    def key(self, path: str | os.PathLike[str]) -> str:
        """Return the cache key of a file's frames, from its content and these settings."""
        settings: dict[str, Any] = {"fps": float(self.fps), "size": self.size, "crop": self.crop}
        if self.crop == "face":
            settings["followed"] = [video.VERSION, video.MARGIN]
        return key(file_digest(Path(path)), _FRAMES_VERSION, settings)


@dataclass(frozen=True, kw_only=True)
class PictureInput:
    """Settings of a frozen backbone and of its input frames.

    backbone, seed: as in `small_cnn.choose`. fps: frames per second. head_fps: frames per second to
    train on; 0 is all.
    """

    backbone: str = "auto"
    fps: float = 30.0
    head_fps: float = 0.0
    seed: int = 0

    @cached_property
    def network(self) -> Backbone:
        """The backbone."""
        return small_cnn.choose(self.backbone, seed=self.seed)

    @property
    def frames(self) -> FrameInput:
        """How a video becomes the backbone's input: faces for `small_cnn.small`, else squares."""
        crop = "face" if self.network.name == "small CNN" else "frame"
        return FrameInput(fps=self.fps, size=self.network.model.input_shape[1], crop=crop)


def embed(
    corpus: Iterable[Clip], backbone: Backbone, frame_input: FrameInput, *, progress: bool = False
) -> list[Array]:
    """Return the frozen backbone's embeddings of each clip's frames, float32 (frames, features).

    One memory-mapped array per clip; (0, features) for a clip without pictures. They are cached
    (`backbones.embeddings`), so each frame passes the backbone once and a run that was killed
    continues with the next clip.

    Raises InputError if `frame_input.size` is not the backbone's, and as `FrameInput.frames` does.
    """
    wanted = backbone.model.input_shape[1:]
    if frame_input.shape != wanted:
        raise InputError(
            f"size={frame_input.size}: {backbone.name} takes {wanted[0]} x {wanted[1]}."
        )
    paths = [pictures_of(clip) for clip in corpus]
    keys = ["no pictures" if path is None else frame_input.key(path) for path in paths]
    sources = [partial(_frames, frame_input, path) for path in paths]
    return backbones.embeddings(list(zip(keys, sources, strict=True)), backbone, progress=progress)


def _frames(frame_input: FrameInput, path: Path | None) -> Iterator[Pixels]:
    return iter(()) if path is None else frame_input.frames(path)


def pictures_of(clip: Clip) -> Path | None:
    """Return the file of a clip's pictures: its still, else its video; None without either."""
    return clip.still if clip.still is not None else clip.path if clip.has_video else None
