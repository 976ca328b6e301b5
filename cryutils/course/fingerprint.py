"""The fingerprint of a notebook: a digest of everything that its results depend on.

`runner` keeps the results of a notebook while its fingerprint is unchanged. The digest covers its
text and parameters, the library and the packages that it computes with, the tables in `data/`, the
recordings, and the pretrained weights on this machine. No notebook uses this module.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from cryutils._io.cache import key
from cryutils._io.parallel import Identity, identity
from cryutils._io.paths import data_dir, file_digest, project_dir, resolve, weights_dir
from cryutils.datasets import manifest, registry
from cryutils.datasets.folder import walk

__all__ = ["PACKAGES", "library", "notebook", "recordings", "versions", "with_weights"]

# Packages that results depend on. Each build of OpenCV has its own package name.
PACKAGES = (
    "ai-edge-litert", "av", "keras", "librosa", "numba", "numpy", "opencv-contrib-python",
    "opencv-python", "opencv-python-headless", "openvino", "pandas", "pillow", "scikit-learn",
    "scipy", "soxr", "tensorflow", "tensorflow-cpu",
)  # fmt: skip
_SUFFIXES = (".py", ".js", ".css", ".npz")  # .npz: the network that comes with the package
_NOT_PUBLISHED = ("", "small")  # no backbone, and the pretrained network of this package


def notebook(
    source: str, parameters: Mapping[str, Any], values: Mapping[str, Any], *, rest: Iterable[str]
) -> str:
    """Return a digest of a notebook's inputs, without published weights that it may download.

    `source` is the text of its cells. `parameters` are those that the run sets, `values` those of
    all its parameters. `rest` are texts that change with everything else.
    """
    chosen = values.get("weights")
    path = resolve(chosen) if isinstance(chosen, str) and chosen else None
    stamp = identity(path) if path is not None and path.is_file() else ""
    return key(source, dict(parameters), stamp, *rest)


def with_weights(digest: str, values: Mapping[str, Any]) -> str:
    """Return the fingerprint: a `digest` by `notebook`, with the published weights present now.

    It is stored when a notebook has finished, so that weights downloaded by it are included.
    """
    backbone = values.get("backbone", "auto")
    is_used = values.get("weights") in ("auto", "imagenet") and backbone not in _NOT_PUBLISHED
    return key(digest, _weights() if is_used else [])


def _weights() -> list[Identity]:
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    folders = [folder for folder in (weights_dir(), home / "models") if folder is not None]
    return sorted(identity(path) for folder in folders for path in folder.glob("*.h5"))


def library() -> str:
    """Return a digest of the library, Python, the installed `PACKAGES`, and `data/*.csv`."""
    package, project = Path(__file__).parents[1], project_dir()
    files = {path: path.relative_to(package) for path in package.rglob("*")
             if path.suffix in _SUFFIXES}  # fmt: skip
    files |= {path: path.relative_to(project) for path in project.glob("data/*.csv")}
    digests = {name.as_posix(): file_digest(path) for path, name in files.items()}
    return key(platform.python_version_tuple()[:2], _installed(), digests)


def versions() -> dict[str, str]:
    """Return the versions of Python and of each of `PACKAGES` that is installed, by name.

    In a clone also the `commit`, with "-dirty" appended if tracked files have been changed.
    """
    return {**_installed(), "python": platform.python_version(), **_commit()}


def _commit() -> dict[str, str]:
    if not (project_dir() / ".git").exists():  # a wheel may lie inside somebody else's repository
        return {}
    describe = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    with suppress(OSError, subprocess.CalledProcessError):
        hash_ = subprocess.run(describe, cwd=project_dir(), capture_output=True, check=True)
        return {"commit": hash_.stdout.decode().strip()}
    return {}


def _installed() -> dict[str, str]:
    installed = {}
    for name in PACKAGES:  # not imported: TensorFlow alone would take seconds
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def recordings(data: str) -> str:
    """Return a text that changes with the recordings of `data`: a folder, a manifest or a name."""
    root = resolve(data)
    if data in registry.MODULES and (home := data_dir()):
        root = home / data
    if root.is_dir():
        paths = [path for path, why_not in walk(root) if not why_not]
    elif root.suffix.lower() == ".csv" and root.is_file():
        paths = [path for path in [root, *manifest.files(root)] if path.is_file()]
    else:
        return data
    files = [(path, path.stat()) for path in paths]
    return "".join(f"{path}:{s.st_size}:{s.st_mtime_ns};" for path, s in files)
