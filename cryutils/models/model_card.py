"""What is to be known of a trained model, `<name>.json` beside its networks: `ModelCard`.

Walked by notebooks 04_cry2, 05_image and 09_ensemble, which write it, and 06_full. The card is
written last and holds the digests of the networks and its own, so what was damaged since, or was
left by a training that was killed, is refused before it answers.
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
    """The card at `path`: its `content`, JSON's types without the digests, and the networks'."""

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

        Raises InputError where it is missing, damaged, changed since, or has no digests.
        """
        path = folder / f"{name}.json"
        again = _again(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            digests = dict(content.pop("digests", {}))
        except FileNotFoundError as error:
            raise InputError(
                f"{path}: missing, so nothing tells how to use its model; {again}."
            ) from error
        except OSError as error:
            raise InputError(f"{path}: it can't be read ({error.strerror}); {again}.") from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{path}: damaged, so nothing tells how to use its model; {again}."
            ) from error
        digest = digests.pop(path.name, None)
        if digest is None:
            raise InputError(
                f"{path}: older than the digests that tell whether the models beside it are its"
                f" own; {again}."
            )
        if digest != _digest({**content, "digests": digests}):
            raise InputError(f"{path}: it was changed since its model was trained; {again}.")
        return cls(path, content, digests)

    @property
    def name(self) -> str:
        """The model's, such as "cry2"."""
        return self.path.stem

    def network(self, file: str) -> Lite:
        """Return the LiteRT network in `file`, beside the card, as it was trained.

        Raises InputError where the file is missing, damaged or of another training.
        """
        self.check(file)
        return Lite(self.path.parent / file)

    def check(self, file: str) -> None:
        """Raise InputError where `file`, beside the card, isn't what the card was written with."""
        path = self.path.parent / file
        if not path.is_file():
            raise InputError(f"{path}: no such file; {_again(self.name)}.")
        if file_digest(path) != self.digests.get(file):
            raise InputError(
                f"{path}: it isn't the network that {self.path.name} was written with;"
                f" {_again(self.name)}."
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """Its states, in the order of its answers. Raises ValueError, KeyError or TypeError."""
        names = self.content["classes"]
        if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
            raise TypeError("classes is no list of names")
        if not names or len(set(names)) < len(names):
            raise ValueError("classes holds none, or one twice")
        return tuple(names)

    def text(self, key: str) -> str:
        """Return the text at `key`. Raises KeyError or TypeError where there is none."""
        value = self.content[key]
        if not isinstance(value, str):
            raise TypeError(f"{key} is no text")
        return value

    def refusal(self, error: Exception | None = None) -> InputError:
        """Return the error for a card whose content is no use (`error` says why), or misfits."""
        if error is None:
            return InputError(
                f"{self.path}: it isn't of the models beside it; {_again(self.name)}."
            )
        why = f"no {error}" if isinstance(error, KeyError) else str(error)
        return InputError(
            f"{self.path}: it doesn't tell how to use {self.name}.tflite ({why});"
            f" {_again(self.name)}."
        )


def from_json(kind: type[T], stored: Mapping[str, Any]) -> T:
    """Return a `kind`, a dataclass of numbers and names, of the JSON values `stored`.

    Raises TypeError or ValueError for a field that is of another type, or no positive number.
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
    # Of what a reader will find: tuples come back as lists.
    read_back = json.loads(json.dumps(content))
    return hashlib.sha256(json.dumps(read_back, sort_keys=True).encode()).hexdigest()
