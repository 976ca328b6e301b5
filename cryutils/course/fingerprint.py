"""The fingerprint of a notebook: a digest of everything that its results depend on.

`runner` keeps the results of a notebook while its fingerprint is unchanged. The digest covers its
text and parameters, the library and the packages that it computes with, the tables in `data/`, the
recordings, and the pretrained weights on this machine. No notebook uses this module.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cryutils._io.paths import data_dir, file_digest, project_dir, resolve
from cryutils.datasets import registry
from cryutils.datasets.folder import walk
from cryutils.models import weights

__all__ = ["PACKAGES", "Fingerprint", "library", "notebook", "recordings", "versions"]

# Packages that results depend on. Each build of OpenCV has its own package name.
PACKAGES = (
    "ai-edge-litert", "av", "keras", "librosa", "nncf", "numba", "numpy", "opencv-contrib-python",
    "opencv-python", "opencv-python-headless", "openvino", "pandas", "pillow", "scikit-learn",
    "scipy", "soxr", "tensorflow", "tensorflow-cpu",
)  # fmt: skip
_SUFFIXES = (".py", ".js", ".css", ".npz")  # .npz: the network that comes with the package
_NOT_PUBLISHED = ("", "small")  # no backbone, and the pretrained network of this package


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The digest of a notebook's inputs, and whether it uses published pretrained weights."""

    digest: str
    uses_weights: bool = False

    @property
    def text(self) -> str:
        """The digest for a state file, which includes the pretrained weights present now.

        It is read when a notebook has finished, so that weights downloaded by it are included.
        """
        return _digest(self.digest, *(weights.present() if self.uses_weights else ()))


def notebook(
    source: str, parameters: Mapping[str, Any], defaults: Mapping[str, Any], *, rest: str
) -> Fingerprint:
    """Return the fingerprint of a notebook.

    Parameters
    ----------
    source : str
        Text of the notebook's cells.
    parameters, defaults : mapping
        Parameters set by the run, and the notebook's own values.
    rest : str
        Text that changes with everything else that the results depend on.
    """
    values = {**defaults, **parameters}
    chosen, backbone = values.get("weights"), values.get("backbone", "auto")
    looks = chosen in ("auto", "imagenet") and backbone not in _NOT_PUBLISHED
    stamp = weights.stamp(resolve(chosen)) if isinstance(chosen, str) and chosen else ""
    digest = _digest(source, json.dumps(dict(parameters), sort_keys=True), stamp, rest)
    return Fingerprint(digest, looks)


def library() -> str:
    """Return a digest of the library, Python, the installed `PACKAGES`, and `data/*.csv`."""
    package, project = Path(__file__).parents[1], project_dir()
    code = [path for path in package.rglob("*") if path.suffix in _SUFFIXES]
    lines = ["python " + ".".join(platform.python_version_tuple()[:2])]
    lines += [f"{name} {version}" for name, version in _installed().items()]
    for home, paths in ((package, code), (project, (project / "data").glob("*.csv"))):
        lines += [
            f"{path.relative_to(home).as_posix()} {file_digest(path)}" for path in sorted(paths)
        ]
    return _digest(*lines)


def versions() -> dict[str, str]:
    """Return the versions of Python and of each of `PACKAGES` that is installed, by name."""
    return {**_installed(), "python": platform.python_version()}


def _installed() -> dict[str, str]:
    found = {}
    for name in PACKAGES:  # not imported: TensorFlow alone would take seconds
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def recordings(data: str) -> str:
    """Return a text that changes with the recordings of `data`, a folder or corpus name."""
    root = resolve(data)
    if data in registry.MODULES and (home := data_dir()):
        root = home / data
    if not root.is_dir():
        return data
    files = [(path, path.stat()) for path, why_not in walk(root) if not why_not]
    return "".join(f"{p.relative_to(root)}:{s.st_size}:{s.st_mtime_ns};" for p, s in files)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode(errors="surrogateescape")).hexdigest()
