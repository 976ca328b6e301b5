"""Keras' pretrained networks by name, and where to find their weights.

Notebooks 05_image and 07_frames_resnet50 use this module through `backbones` (Paper A §3.5 names
ResNet-50; any other of `APPLICATIONS` can replace it). A weights file is looked for in
`CRYUTILS_WEIGHTS_DIR`, then in Keras' cache, then among earlier downloads in `CRYUTILS_CACHE_DIR`.
If it is not found, it is downloaded. A downloaded file must have the published hash. A file that
the user named or put into `CRYUTILS_WEIGHTS_DIR` is accepted if it fits the network, and is called
ImageNet's only if its hash is the published one.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryutils._io.download import download
from cryutils._io.paths import cache_dir, weights_dir
from cryutils._io.progress import counting
from cryutils.errors import InputError

__all__ = [
    "APPLICATIONS", "HOST", "Application", "WeightsFile", "fetch", "named", "present", "stamp",
]  # fmt: skip

HOST = "https://storage.googleapis.com/tensorflow/keras-applications"
_SUFFIXES = (".h5", ".keras")


@dataclass(frozen=True, slots=True)
class Application:
    """A network of `keras.applications`, and its ImageNet weights as Keras publishes them.

    module: the one in `keras.applications` with `preprocess_input`; also the file's folder on the
    host. file: the weights without the classifier. md5: "" if Keras publishes none.
    """

    module: str
    file: str
    md5: str

    @property
    def url(self) -> str:
        """URL of the weights file."""
        return f"{HOST}/{self.module}/{self.file}"


_NOTOP = "_weights_tf_dim_ordering_tf_kernels_notop.h5"
# EfficientNet is left out because Keras builds it differently for a file than for "imagenet".
APPLICATIONS = {
    "DenseNet121": Application(
        "densenet", f"densenet121{_NOTOP}", "30ee3e1110167f948a6b9946edeeb738"
    ),
    "EfficientNetV2B0": Application(
        "efficientnet_v2", "efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff"
    ),
    "InceptionV3": Application(
        "inception_v3", f"inception_v3{_NOTOP}", "bcbd6486424b2319ff4ef7d526e38f63"
    ),
    "MobileNetV2": Application(
        "mobilenet_v2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", ""
    ),
    "MobileNetV3Small": Application(
        "mobilenet_v3",
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "d3e8ec802a04aa4fc771ee12a9a9b836",
    ),
    "ResNet50": Application("resnet", f"resnet50{_NOTOP}", "4d473c1dd8becc155b73f8504c6f6626"),
    "ResNet101": Application("resnet", f"resnet101{_NOTOP}", "88cf7a10940856eca736dc7b7e228a21"),
    "VGG16": Application("vgg16", f"vgg16{_NOTOP}", "6d6bbae143d832006294945121d1f1fc"),
    "Xception": Application("xception", f"xception{_NOTOP}", "b0042744bf5b25fce3cb969f33bebb97"),
}


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A weights file on this machine: its origin in words, and whether it is ImageNet's."""

    path: Path
    words: str
    imagenet: bool


def present() -> list[str]:
    """Return the `stamp` of each weights file that `fetch` may find on this machine, sorted.

    Raises InputError if `CRYUTILS_WEIGHTS_DIR` is no folder.
    """
    folder = weights_dir()
    folders = [_keras_cache(), _downloads(), *([folder] if folder else [])]
    paths = {path for folder in folders for path in folder.glob("*") if path.suffix in _SUFFIXES}
    return sorted(text for path in paths if (text := stamp(path)))


def stamp(path: Path) -> str:
    """Return path, size in bytes and time of change in ns of a file; "" if it does not exist."""
    if not path.is_file():
        return ""
    status = path.stat()
    return f"{path}:{status.st_size}:{status.st_mtime_ns}"


def named(path: Path, application: Application, words: str) -> WeightsFile:
    """Return the user's own file at `path`, described by `words` unless it is the published one."""
    if not application.md5:  # then only its name can identify it
        unchecked = f"{words} (Keras publishes no hash to check it by)"
        return WeightsFile(path, unchecked, path.name == application.file)
    if _is_published(path, application):
        return WeightsFile(path, "ImageNet", True)
    return WeightsFile(path, f"{words} (not the file that Keras publishes)", False)


def fetch(application: Application, *, progress: bool = False) -> WeightsFile:
    """Return the published file, from this machine or downloaded into `CRYUTILS_CACHE_DIR`.

    Raises `download.Unavailable` if it cannot be downloaded, and InputError if the file on this
    machine is damaged or the cache cannot be written.
    """
    folder = weights_dir()
    if folder is not None and (path := folder / application.file).is_file():
        return named(path, application, f"{path.name} in CRYUTILS_WEIGHTS_DIR")
    for cache in (_keras_cache(), _downloads()):
        if not (path := cache / application.file).is_file():
            continue
        if not _is_published(path, application):
            raise InputError(
                f"{path}: damaged, its hash isn't the published one; delete that file."
            )
        return WeightsFile(path, "ImageNet", True)
    path, md5 = _downloads() / application.file, application.md5
    with counting(path.name, "MB", shown=progress) as report:
        download(
            application.url, path, f"md5:{md5}" if md5 else None,
            report=lambda done, total: report(done // 2**20, total // 2**20),
        )  # fmt: skip
    return WeightsFile(path, "ImageNet", True)


def _is_published(path: Path, application: Application) -> bool:
    with path.open("rb") as file:
        return application.md5 in ("", hashlib.file_digest(file, "md5").hexdigest())


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def _downloads() -> Path:
    return cache_dir() / "weights"
