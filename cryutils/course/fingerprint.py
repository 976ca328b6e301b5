"""All that the results of an executed notebook come from, in one digest: its fingerprint.

`course` keeps what finished before as long as this stays the same: text and parameters, the
library and the packages that it computes with, the tables in `data/`, the recordings, and the
weights of pretrained networks that can be had on this machine. No notebook walks this module.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from cryutils._io.paths import data_dir, file_digest, project_dir, resolve
from cryutils.datasets import registry
from cryutils.datasets.folder import walk
from cryutils.models import weights

__all__ = ["PACKAGES", "Fingerprint", "library", "notebook", "recordings", "versions"]

# Those that numbers and pictures pass through; OpenCV has a name for each way it is built.
PACKAGES = (
    "ai-edge-litert", "av", "keras", "librosa", "nncf", "numba", "numpy", "opencv-contrib-python",
    "opencv-python", "opencv-python-headless", "openvino", "pandas", "pillow", "scikit-learn",
    "scipy", "soxr", "tensorflow", "tensorflow-cpu",
)  # fmt: skip
_SHAPING = (".py", ".js", ".css", ".npz")  # .npz: the network that comes with the package
_WITHOUT = ("", "small")  # no backbone, and the one that is pretrained here


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a notebook is made from: a digest of it, and the weights files it may take up.

    `weights` is None for a notebook that looks for none.
    """

    made_of: str
    weights: tuple[str, ...] | None = None

    @property
    def text(self) -> str:
        """One digest of all, for a state file."""
        return _digest(self.made_of, *(self.weights or ()))

    def when_done(self) -> Fingerprint:
        """Return it as of the end of an execution: what that downloaded itself is no news to it.

        Whatever else appeared meanwhile is left out, since it may have come too late.
        """
        if self.weights is None:
            return self
        return replace(self, weights=tuple(sorted({*self.weights, *weights.downloaded()})))


def notebook(
    source: str, parameters: Mapping[str, Any], defaults: Mapping[str, Any], *, rest: str
) -> Fingerprint:
    """Return the fingerprint of a notebook from its text, its parameters, and `rest`.

    `parameters` are those that a run sets, `defaults` those that the notebook itself names, `rest`
    is whatever else its results come from. Raises InputError where `weights` is to be looked for
    in a folder that isn't there.
    """
    values = {**defaults, **parameters}
    chosen, backbone = values.get("weights"), values.get("backbone", "auto")
    looks = chosen in ("auto", "imagenet") and backbone not in _WITHOUT
    may_be_had = tuple(weights.present()) if looks else None
    stamp = weights.stamp(resolve(chosen)) if isinstance(chosen, str) and chosen else ""
    made_of = _digest(source, json.dumps(dict(parameters), sort_keys=True), stamp, rest)
    return Fingerprint(made_of, may_be_had)


def library() -> str:
    """Return a digest of the library, of what it computes with, and of the tables in `data/`."""
    package = Path(__file__).parents[1]
    code = [path for path in package.rglob("*") if path.suffix in _SHAPING]
    tables = (project_dir() / "data").glob("*.csv")
    packages = [f"{name} {version}" for name, version in versions().items()]
    python = f"python {sys.version_info[0]}.{sys.version_info[1]}"
    digest = hashlib.sha256("\n".join([python, *packages]).encode())
    for home, paths in ((package, code), (project_dir(), tables)):
        for path in sorted(paths):
            digest.update(f"\n{path.relative_to(home).as_posix()} {file_digest(path)}".encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the version of each of `PACKAGES` that is installed, by name."""
    # Asked one by one and never imported: TensorFlow alone would take seconds.
    installed = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def recordings(data: str) -> str:
    """Return a text that changes when the recordings of the folder, or corpus, `data` do."""
    root = resolve(data)
    if data in registry.MODULES and (home := data_dir()):
        root = home / data
    if not root.is_dir():
        return data
    files = [(p, p.stat()) for p, why_not in walk(root) if not why_not]
    return "".join(f"{p.relative_to(root)}:{s.st_size}:{s.st_mtime_ns};" for p, s in files)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode(errors="surrogateescape")).hexdigest()
