"""Optional packages: whether they are installed, and how to install them."""

import re
import sys
from importlib import metadata
from importlib.util import find_spec

from cryutils.errors import InputError


class MissingExtra(InputError):
    """A package of an extra is not installed; the message names the extra."""


def is_installed(package: str) -> bool:
    """Return whether `package` can be found. It is not imported."""
    return find_spec(package) is not None


def packages() -> list[str]:
    """Return the packages of the core and of the extra [course], on which results depend."""
    lines = metadata.requires("cryutils") or ()
    core = (line for line in lines if not re.search(r"extra == .(?!course)", line))
    return [re.split(r"[^\w.-]", line)[0] for line in core]


def require(package: str, extra: str, purpose: str) -> None:
    """Raise MissingExtra if `package`, part of `extra` and needed for `purpose`, is missing."""
    if not is_installed(package):
        if sys.platform == "emscripten":
            _print_missing()
            where = "run the notebook on a computer or in Colab"
            raise MissingExtra(f"{purpose} needs the package {package}, which the browser lacks; {where}.")
        raise MissingExtra(
            f"{purpose} needs the extra [{extra}]; install it with: pip install 'cryutils[{extra}]'"
        )


def _print_missing() -> None:
    """Let a notebook print a MissingExtra, and "Run All Cells" go on, as after a cell that succeeds."""
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    if shell:
        shell.set_custom_exc((MissingExtra,), lambda shell, kind, error, *_, **options: print(error))
