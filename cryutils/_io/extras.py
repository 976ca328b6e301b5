"""Optional packages: whether they are installed, and how to install them."""

from __future__ import annotations

import re
from importlib import metadata
from importlib.util import find_spec

from cryutils.errors import InputError

__all__ = ["command", "is_installed", "packages", "require"]


def command(extra: str) -> str:
    """Return the command that installs `extra`."""
    return f"pip install 'cryutils[{extra}]'"


def is_installed(package: str) -> bool:
    """Return whether `package` can be found. It is not imported."""
    return find_spec(package) is not None


def packages() -> list[str]:
    """Return the packages that the course needs, without those of the extras."""
    lines = metadata.requires("cryutils") or ()
    return [re.split(r"[^\w.-]", line)[0] for line in lines if "extra ==" not in line]


def require(package: str, extra: str, purpose: str) -> None:
    """Raise InputError if `package`, part of `extra` and needed for `purpose`, is missing."""
    if not is_installed(package):
        raise InputError(f"{purpose} needs the extra [{extra}]; install it with: {command(extra)}")
