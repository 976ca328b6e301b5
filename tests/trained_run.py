"""A run with untrained networks of Paper B (the fixture `trained`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryutils.datasets.corpus import Corpus
from cryutils.models.export import read_card, write_card
from cryutils.models.inputs import FaceInput, SoundInput


@dataclass(frozen=True)
class Trained:
    """A run whose folder holds both of Paper B's networks, and what they were made from."""

    outputs: Path
    run: Path
    corpus: Corpus
    hearing: SoundInput
    seeing: FaceInput
    models: dict[str, Any]


def change_card(models: Path, name: str, **changes: Any) -> Path:
    """Write a model's card again; None removes an entry."""
    content = {**read_card(models, name), **changes}
    content = {key: value for key, value in content.items() if value is not None}
    return write_card(models / f"{name}.json", content)
