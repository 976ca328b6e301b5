"""What a run with both of Paper B's networks holds; the fixture `trained` makes one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryutils.datasets.corpus import Corpus
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
