"""Write the project's owner on GitHub into every link, and check the links: `make owner NAME=...`.

A link to this project is changed whatever its owner was, so a fork can use the command as well.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("*.md", "*.cff", "pyproject.toml", "docs/*.md", "notebooks/*.ipynb", ".github/*/*.yml")
NAME = re.compile(r"[A-Za-z\d](?:-?[A-Za-z\d]){0,38}")  # GitHub's rule
PROJECT = re.compile(r"(github\.com/|/github/|/gh/)[\w-]+(?=/cryutils\b)")  # GitHub, Colab, Binder
LINKED = re.compile(r"/cryutils/(?:blob/)?HEAD(?:/|\?labpath=)([\w./-]+\w)")


def write(root: Path, name: str) -> int:
    """Write the owner `name` into the links of the files in `root`; return the number of links.

    Raises ValueError if GitHub allows no such name, or if a link leads to a file that `root` lacks.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"NAME={name}: give the owner's name on GitHub, such as make owner NAME=octocat.")
    count = 0
    for path in sorted(path for pattern in FILES for path in root.glob(pattern)):
        before = path.read_text(encoding="utf-8")
        text, links = PROJECT.subn(rf"\g<1>{name}", before)
        for file in LINKED.findall(text):
            if not (root / file).is_file():
                raise ValueError(f"{path}: its link leads to {file}, which is missing; correct the link.")
        if text != before:
            path.write_text(text, encoding="utf-8")
        count += links
    return count


if __name__ == "__main__":
    try:
        print(f"{write(ROOT, ''.join(sys.argv[1:]))} links name the owner; `make links` asks the network.")
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
