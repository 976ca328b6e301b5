"""The trained models of a run as files for other machines: `export`, behind `cryutils export`.

Used in notebook 13_live_and_deployment (Paper B §3, deployment strategy: on-device inference,
quantised). Each network becomes a LiteRT file with a card that describes its input. Integer
networks are calibrated with recordings of training infants.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io.paths import writing
from cryutils.datasets.registry import load
from cryutils.errors import InputError
from cryutils.inference.trained_models import find_run, networks_in
from cryutils.models import export
from cryutils.models.inputs import PictureInput, SoundInput

__all__ = ["export_model"]

_CLIPS, _EXAMPLES = 32, 256  # calibration recordings, and examples from them
_SHARED = ("classes", "input", "data", "note", "seed", "score", "temperature")
_NOTICE = "No medical device. A model is only as reliable as its notebook measured."


def export_model(
    model: str, *, run: str | Path | None = None, int8: bool = False, folder: Path | None = None
) -> list[Path]:
    """Write the networks of `model` as LiteRT files with their cards; return the networks' paths.

    They are `<network>_float32.tflite` or `_int8.tflite`, with a `.json`, and replace files of the
    same name. Cards name no infant and no folder.

    model: "cry2", "image" or "full" (both). run: as in `find_run`. int8: 8-bit integers instead of
    32-bit floats; loads the training recordings again. folder: where to write; None: `export` in
    the run's folder. Raises InputError for an unknown model or run, damaged files, recordings that
    cannot be loaded, or a folder that cannot be written to.
    """
    source = find_run(model, run)
    models, folder = source / "models", folder or source / "export"
    paths = []
    for name in networks_in(source, model):
        card = export.read_card(models, name)
        precision = "int8" if int8 else "float32"
        path = folder / f"{name}_{precision}.tflite"
        calibration = _calibration(name, card) if int8 else None
        about = {key: card.get(key) for key in _SHARED}
        about |= {"model": name, "run": source.name, "precision": precision, "notice": _NOTICE}
        try:
            if calibration is None:
                with writing(path) as part:
                    shutil.copyfile(models / f"{name}.tflite", part)
            else:
                trained = export.network(models / f"{name}.keras")
                export.litert(trained, path, calibration=calibration)
            export.write_card(path.with_suffix(".json"), about)
        except OSError as error:
            raise InputError(
                f"{folder}: can't be written to ({error.strerror or error});"
                " choose another with --output DIR."
            ) from error
        paths.append(path)
    return paths


def _calibration(name: str, card: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Return examples from the recordings that a network was trained on, loaded again."""
    try:
        infants = set(card["learned_from"])
        clips = load(**card["source"]).where(lambda clip: clip.infant in infants)
        if not len(clips):
            raise InputError("none of the training infants is left.")
    except (KeyError, TypeError, InputError) as error:
        again = f"run {export.NOTEBOOKS[name]} again, or export without --int8."
        raise InputError(f"int8 needs the training recordings of {name} ({error}); {again}") from error
    clips = clips.take(np.unique(np.linspace(0, len(clips) - 1, _CLIPS).astype(int)))
    if name == "cry2":
        hearing = SoundInput(**card["input"])
        examples = hearing.examples(audio.signals(clips, sr=hearing.sr))
    else:
        seeing = PictureInput(**card["input"])
        examples = seeing.examples(
            video.crops(clips, fps=seeing.fps, size=seeing.size, limit=seeing.limit, detector=seeing.detector)
        )
    spaced = np.linspace(0, len(examples.x) - 1, _EXAMPLES).astype(int)
    return examples.x[np.unique(spaced)]
