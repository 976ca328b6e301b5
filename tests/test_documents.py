"""Documents agree with the code: links, commands, options, make targets, notebooks and versions."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import cryutils
from cryutils.course import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "data" / "README.md",
    ROOT / "outputs" / "README.md",
    ROOT / "outputs" / "reference" / "README.md",
]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings in a Markdown file or a notebook, as GitHub makes them."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_points_to_a_file_and_a_heading(path: Path) -> None:
    prose = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"(?:\]\(|src=\")([^)\s\"]+)", prose):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def command_lines(text: str) -> Iterator[str]:
    """Yield each `cryutils ...` line of the shell blocks in a text, without its comment."""
    for block in re.findall(r"^ *```(?:sh|bash)?\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        for line in re.sub(r" *\\\n\s*", " ", block).splitlines():
            typed = line.partition("#")[0].strip().removeprefix(".venv/bin/")
            if typed.startswith("cryutils "):
                yield typed


COMMANDS = cli.commands()


def examples(group: click.Group = COMMANDS) -> Iterator[str]:
    """Yield the examples in the help of `group` and of every command below it."""
    for name in group.list_commands(click.Context(group)):
        command = group.commands[name]
        yield from re.findall(r"^ +(cryutils .*)$", command.help or "", flags=re.MULTILINE)
        if isinstance(command, click.Group):
            yield from examples(command)


LINES = sorted(
    {line for path in DOCUMENTS for line in command_lines(path.read_text(encoding="utf-8"))}
    | {line.partition("#")[0].strip() for line in examples()}
)


@pytest.mark.parametrize("line", LINES)
def test_a_documented_command_has_its_options(line: str) -> None:
    command: click.Command = COMMANDS
    words = shlex.split(re.split(r" [|>] ", line)[0])[1:]
    context = click.Context(COMMANDS, info_name="cryutils")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        assert name in command.list_commands(context), f"no command {name}"
        command = command.commands[name]
        context = click.Context(command, parent=context, info_name=name)
    known = {option for parameter in command.params for option in parameter.opts}
    known |= {option for parameter in command.params for option in parameter.secondary_opts}
    used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= known | {"--help"}


def test_readers_find_every_command() -> None:
    text = README + (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^|/)cryutils ([a-z]+)", text, flags=re.MULTILINE))
    assert named == set(COMMANDS.list_commands(click.Context(COMMANDS)))


def test_documents_name_only_make_targets_that_exist() -> None:
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        named = re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, flags=re.MULTILINE)
        assert set(named) <= TARGETS, path.name


def test_the_widths_of_a_study_are_those_of_the_documented_code() -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def width" in block]
    exec(code, names := dict[str, Any]())
    row = re.search(r"\| width with two .*?\| 47 \| (\d+) \|", text)
    assert row and round(100 * names["width"](10)) == int(row[1])


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (first, *_) = re.findall(r"^## (\S+) \(.+\)$", changelog, flags=re.MULTILINE)
    assert cryutils.__version__ == citation["version"] == first


def test_the_page_on_the_browser_lists_the_notebooks_that_run_there() -> None:
    page = (ROOT / "docs" / "browser.md").read_text(encoding="utf-8")
    rows = yaml.safe_load((ROOT / "notebooks" / "contents.yml").read_text(encoding="utf-8"))
    listed = re.findall(r"^\| \[(\w+)\]", page, flags=re.MULTILINE)
    assert listed == [row["name"] for row in rows if row.get("browser")] != []
