"""The card of a trained model, `<name>.json` in the folder of its networks: `ModelCard`.

Notebooks 04_cry2, 05_image and 09_ensemble write cards; `cryutils predict` reads them. The card is
written last and contains its own digest and those of the networks. This way, damaged files and
leftovers of an interrupted training are rejected.
"""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from cryutils._io.paths import file_digest, writing
from cryutils.errors import InputError
from cryutils.models.export import Lite

__all__ = ["NOTEBOOKS", "ModelCard", "from_json"]

NOTEBOOKS = {"cry2": "04_cry2", "image": "05_image", "ensemble": "09_ensemble"}

T = TypeVar("T")


@dataclass(frozen=True)
class ModelCard:
    """The card at `path`: its `content`, and the `digests` of the networks by file name."""

    path: Path
    content: Mapping[str, Any] = field(repr=False)
    digests: Mapping[str, str] = field(repr=False)

    @classmethod
    def write(
        cls, folder: Path, name: str, content: Mapping[str, Any], networks: Iterable[Path]
    ) -> Path:
        """Write `<name>.json` with `content` and the digests of `networks`; return its path."""
        path = folder / f"{name}.json"
        digests = {network.name: file_digest(network) for network in networks}
        card = {**content, "digests": digests}
        digests[path.name] = _digest(card)
        with writing(path) as part:
            text = json.dumps(card, indent=2, ensure_ascii=False)
            part.write_text(text + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, folder: Path, name: str) -> ModelCard:
        """Return the card of the model `name` in `folder`.

        Raises InputError if it is missing, damaged or edited.
        """
        path, again = folder / f"{name}.json", _again(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            digests = dict(content.pop("digests", {}))
        except FileNotFoundError as error:
            raise InputError(f"{path}: missing; {again}.") from error
        except OSError as error:
            raise InputError(f"{path}: it can't be read ({error.strerror}); {again}.") from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path}: damaged; {again}.") from error
        if digests.pop(path.name, None) != _digest({**content, "digests": digests}):
            raise InputError(f"{path}: it was changed since its model was trained; {again}.")
        return cls(path, content, digests)

    @property
    def name(self) -> str:
        """The model's name, such as "cry2"."""
        return self.path.stem

    def network(self, file: str) -> Lite:
        """Return the LiteRT network in `file`, in the folder of the card.

        Raises InputError if the file is missing, damaged or from another training.
        """
        self.check(file)
        return Lite(self.path.parent / file)

    def check(self, file: str) -> None:
        """Raise InputError if `file` is missing or is not the one that the card was written for."""
        path = self.path.parent / file
        if not path.is_file():
            raise InputError(f"{path}: no such file; {_again(self.name)}.")
        if file_digest(path) != self.digests.get(file):
            raise InputError(
                f"{path}: it isn't the network that {self.path.name} was written for;"
                f" {_again(self.name)}."
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """The states in output order. Raises ValueError, KeyError or TypeError if invalid."""
        names = self.content["classes"]
        if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
            raise TypeError("classes is not a list of names")
        if not names or len(set(names)) < len(names):
            raise ValueError("classes is empty or has a duplicate")
        return tuple(names)

    def text(self, key: str) -> str:
        """Return the text at `key`. Raises KeyError or TypeError if there is none."""
        value = self.content[key]
        if not isinstance(value, str):
            raise TypeError(f"{key} is not text")
        return value

    def refusal(self, error: Exception | None = None) -> InputError:
        """Return an error: the content is invalid (`error`), or belongs to other models (None)."""
        if error is None:
            why = "it doesn't match the models in its folder"
        else:
            cause = f"no {error}" if isinstance(error, KeyError) else str(error)
            why = f"it doesn't say how to use {self.name}.tflite ({cause})"
        return InputError(f"{self.path}: {why}; {_again(self.name)}.")


def from_json(kind: type[T], stored: Mapping[str, Any]) -> T:
    """Return an instance of `kind`, a dataclass of numbers and texts, from JSON values `stored`.

    Raises TypeError for a field of the wrong type, ValueError for a number that is not positive.
    """
    hints = get_type_hints(kind)
    for name, value in stored.items():
        hint = hints.get(name)
        accepted: type | types.UnionType | None = int | float if hint is float else hint
        if accepted is None or isinstance(value, bool) or not isinstance(value, accepted):
            raise TypeError(f"{name}={value!r}")
        if isinstance(value, int | float) and not (isfinite(value) and value > 0):
            raise ValueError(f"{name}={value!r}")
    return kind(**stored)


def _again(name: str) -> str:
    return f"run {NOTEBOOKS.get(name, 'its notebook')} again"


def _digest(content: Any) -> str:
    # Digest the content as it will be read back: tuples become lists.
    read_back = json.loads(json.dumps(content))
    return hashlib.sha256(json.dumps(read_back, sort_keys=True).encode()).hexdigest()
