"""Optional packages: what each extra is for, and how to install it."""

from __future__ import annotations

import re
from importlib import metadata
from importlib.util import find_spec

from cryutils.errors import InputError

__all__ = ["PURPOSES", "command", "is_installed", "packages", "require"]

PURPOSES = {
    "app": "`cryutils serve`, users, exports, stores in PostgreSQL, small and turned faces",
    "cluster": "`cryutils run --scheduler`, notebooks on a Dask cluster",
    "docs": "`make docs`, the documentation site",
    "embeddings": "Google's speech embedding, in notebook 12",
    "heic": "HEIC pictures, as iPhones take them",
    "openvino": "a faster frozen network, engine=openvino-bf16",
    "lab": "JupyterLab",
    "test": "the tests",
}


def command(extra: str) -> str:
    """Return the command that installs `extra`."""
    return f"pip install 'cryutils[{extra}]'"


def is_installed(package: str) -> bool:
    """Return whether `package` can be found. It is not imported."""
    return find_spec(package) is not None


def packages(extra: str = "") -> list[str]:
    """Return the packages that `extra` needs, by default those that the course itself needs."""
    names = []
    for line in metadata.requires("cryutils") or ():
        wanted_by = re.search(r"extra == ['\"](\w+)['\"]", line)
        if (wanted_by[1] if wanted_by else "") == extra:
            names.append(re.split(r"[^\w.-]", line)[0])
    return names


def require(package: str, extra: str, purpose: str) -> None:
    """Raise InputError if `package`, part of `extra` and needed for `purpose`, is missing."""
    if not is_installed(package):
        raise InputError(f"{purpose} needs the extra [{extra}]; install it with: {command(extra)}")
