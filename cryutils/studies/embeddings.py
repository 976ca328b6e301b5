"""Paper A's data: videos of three states, their frames, and the embeddings of all frames.

Used in notebooks 07_frames_resnet50 to 09_ensemble and in appendix_faces (Paper A §3.1-3.2 and
§3.5: 800 videos of 15 s at 30 frames per second, 360,000 frames, each of which passes ResNet-50
once). Frames are streamed: one clip's embeddings and a few hundred frames are in memory, whatever
the number of clips.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.cache import key, ragged
from cryutils._io.paths import file_digest
from cryutils._io.progress import counting
from cryutils.datasets.corpus import Clip
from cryutils.errors import InputError
from cryutils.models.backbones import Backbone
from cryutils.models.backend import keras
from cryutils.models.inputs import PictureInput

Array = npt.NDArray[np.float32]

STATES = ("hug", "hungry", "sleepy")
WORDS = {"hug": "want to be hugged", "hungry": "hungry", "sleepy": "sleepy"}
# Labels of other corpora with the same meaning. DonateACry's cleaned files have two of the three
# states (no "lonely"), its original uploads all three.
STAND_INS = {"sleepy": ("tired",), "hug": ("lonely",)}
FRAMES = 360_000  # the paper's, of all films

_FRAMES_VERSION = 1  # raise it whenever the same file and settings give other frames
_EMBEDDING_VERSION = 1  # raise it whenever the same frames and settings give other embeddings
_BATCH, _AT_ONCE = 32, 128  # frames per batch, and in memory


def embed(
    corpus: Sequence[Clip], backbone: Backbone, pictures: PictureInput, *, progress: bool = False
) -> list[Array]:
    """Return the frozen backbone's embeddings of each clip's frames, float32 (frames, features).

    One memory-mapped array per clip; (0, features) for a clip without pictures. Each clip is cached
    as soon as it is done, so a run that was killed continues with the next clip. Raises InputError
    if `pictures.size` is not the backbone's, and as `PictureInput.frames` does.
    """
    pooled = keras().layers.GlobalAveragePooling2D()(backbone.model.output)
    network = keras().Model(backbone.model.input, pooled)
    if pictures.shape != (wanted := network.input_shape[1:]):
        raise InputError(f"size={pictures.size}: {backbone.name} takes {wanted[0]} x {wanted[1]}.")

    def run(path: Path | None) -> Iterator[Array]:
        frames = iter(()) if path is None else pictures.frames(path)
        parts = [np.empty((0, *network.output_shape[1:]), np.float32)]
        while some := list(islice(frames, _AT_ONCE)):
            parts.append(network.predict(np.stack(some), batch_size=_BATCH, verbose=0))
        yield np.concatenate(parts)

    maps = []
    versions = [metadata.version(package) for package in ("keras", "tensorflow")]
    settings = [_EMBEDDING_VERSION, backbone.digest, versions]
    with counting(f"{backbone.name} embeddings", "clips", shown=progress) as report:
        for done, clip in enumerate(corpus, start=1):
            path = pictures_of(clip)
            pixels = "no pictures" if path is None else _frames_key(pictures, path)
            maps += ragged(partial(run, path), "embeddings", *settings, pixels)
            report(done, len(corpus))
    return maps


def frame_rate(corpus: Sequence[Clip], fps: float) -> float:
    """Return `fps`, or the lower rate in Hz at which all films together have `FRAMES` frames."""
    seconds = sum(clip.duration_s for clip in corpus if clip.still is None)
    return min(fps, FRAMES / max(seconds, 1.0))


def _frames_key(pictures: PictureInput, path: Path) -> str:
    """Return the cache key of a file's frames, from its content and the settings."""
    settings: dict[str, Any] = {"fps": float(pictures.fps), "size": pictures.size, "crop": pictures.crop}
    if pictures.crop == "face":
        from cryutils.video import MARGIN, VERSION

        settings["followed"] = [VERSION, MARGIN]
    return key(file_digest(path), _FRAMES_VERSION, settings)


def pictures_of(clip: Clip) -> Path | None:
    """Return the file of a clip's pictures: its still, else its video; None without either."""
    return clip.still if clip.still is not None else clip.path if clip.has_video else None
