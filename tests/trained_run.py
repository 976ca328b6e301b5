"""A run with untrained networks of Paper B (the fixture `trained`)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryutils._io.paths import file_digest
from cryutils.datasets.corpus import Corpus
from cryutils.models.export import write_card
from cryutils.models.inputs import PictureInput, SoundInput


@dataclass(frozen=True)
class Trained:
    """A run whose folder holds both of Paper B's networks, and what they were made from."""

    outputs: Path
    run: Path
    corpus: Corpus
    hearing: SoundInput
    seeing: PictureInput
    models: dict[str, Any]


def change_card(models: Path, name: str, **changes: Any) -> Path:
    """Write a model's card again, as a run would have; None removes an entry."""
    content = json.loads((models / f"{name}.json").read_text()) | changes
    content = {key: value for key, value in content.items() if value is not None}
    path = write_card(models / f"{name}.json", content)
    record(models.parent)
    return path


def record(run: Path) -> None:
    """Note the digests of a run's models, as `cryutils run` does."""
    files = sorted((run / "models").glob("*"))
    (run / "state").mkdir(exist_ok=True)
    state = {"sha256": {f"models/{path.name}": file_digest(path) for path in files}}
    (run / "state" / "04_cry2.json").write_text(json.dumps(state))
