"""Every command line that the documents and the help texts name, as a reader would type it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from cryutils.course import cli

__all__ = ["ROOT", "blocks", "help_lines", "lines", "python_blocks"]

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "data" / "README.md",
    ROOT / "outputs" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
SHELL = ("", "sh", "bash", "shell", "console")  # languages of blocks whose lines are commands
OTHER = ("python", "text")  # what else a block may be
# Up to a comment: quoted texts, other characters, and single blanks before another word.
COMMAND = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"']|[ ](?![ #]))+""")
CONTINUED = 8  # blanks before the rest of a comment that takes two lines


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield language and content of each fenced block of a Markdown `text`."""
    fenced = re.finditer(r"^( *)```(\w*)\n(.*?)^\1```$", text, flags=re.MULTILINE | re.DOTALL)
    for block in fenced:
        yield block[2], re.sub(rf"^{block[1]}", "", block[3], flags=re.MULTILINE)


def commands(block: str) -> Iterator[str]:
    """Yield the commands of a shell block, without prompts, comments and Colab's `!` and `%`."""
    for line in re.sub(r" *\\\n\s*", " ", block).splitlines():
        if line.startswith(" " * CONTINUED):
            continue
        typed = re.sub(r"^(?:\$ |[!%])", "", line.strip()).replace(".venv/bin/cryutils", "cryutils")
        if typed and not typed.startswith("#") and (command := COMMAND.match(typed)):
            yield command[0].rstrip()


def help_lines(group: click.Group = cli.cryutils) -> Iterator[str]:
    """Yield the examples in the help of `group` and of every command below it."""
    for command in (group, *group.commands.values()):
        example = (command.help or "").partition("Example")[2]
        yield from re.findall(r"^ +(\S.*)$", example, flags=re.MULTILINE)
        if isinstance(command, click.Group) and command is not group:
            yield from help_lines(command)


def lines() -> list[str]:
    """Return each command once: of the documents, the help texts and the Makefile."""
    documented: list[str] = []
    for document in DOCUMENTS:
        for language, block in blocks(document.read_text(encoding="utf-8")):
            assert language in SHELL + OTHER, f"{document}: a block of {language}"
            documented += commands(block) if language in SHELL else ()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented += [line.strip() for line in re.findall(r"\$\(BIN\)/(cryutils [^;\"\n]+)", makefile)]
    return list(dict.fromkeys([*documented, *help_lines()]))


def python_blocks() -> list[str]:
    """Return each block of Python in the documents."""
    texts = [document.read_text(encoding="utf-8") for document in DOCUMENTS]
    return [block for text in texts for language, block in blocks(text) if language == "python"]
