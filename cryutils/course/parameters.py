"""Parameters of notebooks: defaults and meanings from their cells, ranges from `Parameters`.

A notebook added by a user may have parameters that are not in `Parameters`. Their values only need
the type of the default.
"""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cryutils._io.paths import project_dir
from cryutils.claims import run_folder
from cryutils.course.execute import cells
from cryutils.course.ranges import Parameters, short, unknown_classes
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss

__all__ = ["accepted", "check", "check_corpus", "check_names", "inspect", "of_run", "read",
           "read_value"]  # fmt: skip

_NOUNS = {"boolean": "true or false", "integer": "a whole number", "number": "a number",
          "null": "null"}  # fmt: skip


def inspect(path: Path) -> dict[str, dict[str, Any]]:
    """Return papermill's description of each parameter of the notebook at `path`, by name.

    `default` is the value itself, `help` the comment after it, "" if there is none. A cell tagged
    `settings`, before the one tagged `parameters`, has those that are rarely changed. Raises
    InputError if the file is not a notebook, has no cell tagged `parameters`, or if a line of this
    cell can't be read.
    """
    import papermill
    from nbformat.v4 import new_code_cell, new_notebook

    tagged = {
        tag: cell["source"] for cell in cells(path) for tag in cell["metadata"].get("tags", [])
    }
    if "parameters" not in tagged:
        raise InputError(f"{path}: no cell is tagged 'parameters'.")
    source = "\n".join(tagged[tag] for tag in ("parameters", "settings") if tag in tagged)
    for line in source.splitlines():
        if line.count("=") > 1 and not line.lstrip().startswith("#"):  # papermill would skip it
            raise InputError(f"{path}: {line.strip()}: use only one = in a line of parameters.")
    cell = new_code_cell(source, metadata={"tags": ["parameters"]})
    # papermill rejects a notebook without a kernel.
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    parameters = papermill.inspect_notebook(notebook)
    for name, parameter in parameters.items():
        try:
            parameter["default"] = ast.literal_eval(parameter["default"])
        except (ValueError, SyntaxError) as error:
            raise InputError(
                f"{path}: {name} = {parameter['default']}: give a plain value without #."
            ) from error
    return parameters


def read(path: Path) -> dict[str, Any]:
    """Return the default of each parameter of the notebook at `path`. Raises as `inspect` does."""
    return {name: parameter["default"] for name, parameter in inspect(path).items()}


def of_run(folder: Path) -> dict[str, dict[str, Any]]:
    """Return every parameter of each notebook that has finished in a run, by notebook."""
    return {
        name: read(project_dir() / "notebooks" / f"{name}.ipynb") | state["parameters"]
        for name, state in run_folder.states(folder).items()
    }


def read_value(text: str) -> Any:
    """Return the value of a parameter given as text: JSON, a number, or the text itself.

    >>> read_value("1e-3"), read_value('["hungry","tired"]'), read_value("hungry")
    (0.001, ['hungry', 'tired'], 'hungry')
    """
    for reader in (json.loads, int, float):
        try:
            return reader(text)
        except (ValueError, RecursionError):  # also for too many digits or nested brackets
            continue
    return {"True": True, "False": False, "None": None}.get(text, text)


def check_names(chosen: Iterable[str], notebooks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise InputError if a name in `chosen` is not a parameter of any of `notebooks`."""
    names = {name for parameters in notebooks.values() for name in parameters}
    for name in chosen:
        if name not in names:
            where = next(iter(notebooks)) if len(notebooks) == 1 else "any chosen notebook"
            raise InputError(f"{name} is no parameter of {where}.{near_miss(name, names)}")


def check(path: Path, chosen: Mapping[str, Any]) -> None:
    """Raise InputError, in one line with the remedy, if a parameter is out of its range.

    `chosen` has the parameters set for the notebook at `path`; the others keep their defaults.
    """
    defaults = read(path)
    values = defaults | {**chosen}
    known = {}
    for name, value in values.items():
        default = defaults[name]
        if name in Parameters.model_fields:
            if not value == default == "":  # "" means unset
                known[name] = value
        elif not _has_type_of(default, value):
            raise InputError(f"{name}={short(value)}: give a value such as {short(default)}.")
    try:
        Parameters.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # a rule between parameters
            raise InputError(str(first["ctx"]["error"])) from error
        name = str(first["loc"][0])
        example = _example(name, values[name], defaults[name])
        raise InputError(
            f"{name}={short(values[name])}: give {accepted(name)}{example}."
        ) from error


def _has_type_of(default: object, value: object) -> bool:
    kinds = (float, int) if isinstance(default, float) else type(default)
    return default is None or isinstance(value, kinds)


def check_corpus(chosen: Mapping[str, Any], corpus: Corpus) -> None:
    """Raise InputError if the parameters `chosen` need classes or a length that `corpus` lacks."""
    for mistake in unknown_classes(chosen, corpus.name, corpus.classes):
        raise InputError(mistake)
    longest = max(clip.duration_s for clip in corpus)
    if chosen.get("window_s", 0) > longest:
        raise InputError(
            f"window_s={chosen['window_s']}: {corpus.name}'s longest recording has {longest:.1f} s;"
            " give no more."
        )


def accepted(name: str) -> str:
    """Return the range of a parameter in words, such as "a whole number from 2 to 100".

    Returns "" for a parameter that is not in `Parameters`.
    """
    return _words(_schemas().get(name, {}))


@cache
def _schemas() -> dict[str, Any]:
    return Parameters.model_json_schema()["properties"]


def _words(schema: Mapping[str, Any], text: str = "a text") -> str:
    """Return a JSON schema in words; `text` is the noun for a string."""
    noun = schema.get("description") or _NOUNS.get(schema.get("type", ""), text if schema else "")
    if "anyOf" in schema:
        return " or ".join(_words(part, noun) for part in schema["anyOf"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(json.dumps, schema['enum']))}"
    if schema.get("maxItems") == 0:
        return "[]"
    if "items" in schema:
        least, most = schema.get("minItems", 0), schema["maxItems"]
        items = _words(schema["items"], "different names").removeprefix("a ")
        count = most if least == most else f"{least} to {most}"
        return f"a list of {count} {items.replace('number', 'numbers')}"
    if "minimum" in schema and "maximum" in schema:
        return f"{noun} from {schema['minimum']:.10g} to {schema['maximum']:.10g}"
    return noun


def _example(name: str, value: object, default: list[Any]) -> str:
    """Return an example of a list for the shell, if possible the one meant; "" if not a list."""
    if not accepted(name).startswith("a list"):
        return ""
    example = default or ["hungry", "tired"]
    if isinstance(value, str):  # quotes are missing, or the shell has removed them
        meant = [read_value(word.strip(" \"'")) for word in value.strip("[](){} ").split(",")]
        with suppress(ValidationError):
            Parameters.model_validate({name: meant})
            example = meant
    return f", such as -p {shlex.quote(f'{name}={json.dumps(example)}')}"
