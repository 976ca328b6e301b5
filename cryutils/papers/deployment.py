"""The trained models of a run as files for other machines: `export`, behind `cryutils export`.

Used in notebook 13_live_and_deployment (Paper B §3, deployment strategy: on-device inference,
quantised). Every network that `cryutils predict` uses is written in a chosen format and precision,
with a card next to it that describes how to use the file. A LiteRT sound model also comes with
`on_device.py`, which needs only LiteRT and NumPy. Integer networks are calibrated with the inputs
that they get when `predict` runs on recordings of training infants.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils._io.paths import file_digest, writing
from cryutils._io.progress import counting
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.loading import load
from cryutils.errors import InputError, near_miss
from cryutils.models import checkpoints, on_device
from cryutils.models.export import FORMATS, PRECISIONS, Format, Network
from cryutils.models.model_card import NOTEBOOKS, ModelCard
from cryutils.papers.predict import Predictor
from cryutils.papers.trained_models import PARTS, find_run

__all__ = ["export"]

Examples = npt.NDArray[Any]

_CLIPS, _ROWS = 32, 8  # calibration recordings and examples per recording: 256 at most
_NOTICE = "No medical device. A model is only as reliable as its notebook measured."


def export(
    model: str,
    *,
    run: str | Path | None = None,
    format: str = "litert",
    precision: str = "float",
    folder: Path | None = None,
    progress: bool = False,
) -> list[Path]:
    """Write the networks of `model` as files with their cards, and return the networks' paths.

    They are `<network>_<precision>.tflite` or `.xml` (and `.bin`), and `<file>.json`. A file of the
    same name is replaced.

    model: "cry2", "image", "full" (both) or "ensemble" (including its submodels). run: as in
    `find_run`. format: "litert", or "openvino", which needs the extra of that name. precision: as
    in `models.export.litert`; "int8" loads the training recordings again. folder: where to write;
    None: `export` in the run's folder. progress: count the recordings on a terminal.

    Raises InputError for an unknown model, run, format or precision, damaged files, recordings that
    cannot be loaded, or a folder that cannot be written to.
    """
    if format == "onnx":
        raise InputError(
            "ONNX is not supported, because tf2onnx, the converter for Keras models, is"
            " unmaintained; use --format openvino or litert."
        )
    for value, choices, what in ((format, FORMATS, "format"), (precision, PRECISIONS, "precision")):
        if value not in choices:
            raise InputError(f"no {what} {value!r}.{near_miss(value, choices)}")
    source = find_run(model, run)
    parts = [name for name in PARTS[model] if (source / "models" / f"{name}.tflite").is_file()]
    if not parts:
        raise InputError(f"{source}: this run has no model {model!r}; `cryutils run` trains it.")
    folder = folder or source / "export"
    exported = (_exported(part, source, format, precision, folder, progress) for part in parts)
    return [path for paths in exported for path in paths]


def _exported(
    part: str, source: Path, format: str, precision: str, folder: Path, progress: bool
) -> list[Path]:
    """Write the networks of one model, "ensemble" with its submodels, and return their paths."""
    predictor, card = Predictor(part, run=source), ModelCard.read(source / "models", part)
    rows, infants = _calibration(predictor, card, progress) if precision == "int8" else ({}, 0)
    form, paths = FORMATS[format], []
    for name, network in predictor.networks.items():
        examples = rows.get(name)
        path = folder / f"{name}_{precision}{form.suffix}"
        trained = checkpoints.network(card, f"{name}.keras")
        calibration = {} if examples is None else {"infants": infants, "examples": len(examples)}
        about = _about(name, network, card) | {
            "run": source.name, "format": format, "precision": precision,
            "calibration": calibration or None,
        }  # fmt: skip
        try:
            _card_of(path).unlink(missing_ok=True)  # it describes the old file
            form.write(trained, path, precision=precision, calibration=examples)
            _write_card(path, form, about)
        except OSError as error:
            raise InputError(
                f"{folder}: can't be written to ({error.strerror or error});"
                " choose another with --output DIR."
            ) from error
        paths.append(path)
    return paths


def _card_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write_card(path: Path, format: Format, about: Mapping[str, Any]) -> None:
    """Write the card of the network at `path`, last, since it contains digests of the files."""
    files = format.files(path)
    if format.suffix == ".tflite" and about["model"] == "cry2":
        example = path.parent / "on_device.py"
        if not example.exists():  # the user may have changed it
            with writing(example) as part:
                shutil.copyfile(on_device.__file__, part)
    card = {
        **about,
        "file": path.name,
        "bytes": sum(file.stat().st_size for file in files),
        "sha256": {file.name: file_digest(file) for file in files},
        "notice": _NOTICE,
    }
    with writing(_card_of(path)) as part:
        text = json.dumps(card, indent=2, ensure_ascii=False)
        part.write_text(text + "\n", encoding="utf-8")


def _about(name: str, network: Network, card: ModelCard) -> dict[str, Any]:
    """Return the card's entries that all formats share, without any infant or path."""
    content = card.content
    parts: dict[str, Any] = {
        stream: {"input": part["input"], "features": part["features"]}
        for stream, part in content.get("parts", {}).items()
    }
    stream = name.removeprefix(f"{card.name}_")
    prepared = parts.get(stream, {"input": content.get("input")})
    return {
        "model": name,
        "classes": list(card.classes),
        **prepared,  # `features`: outputs of a submodel before its probabilities
        **({"parts": parts, "rolling": content["rolling"]} if parts and name == card.name else {}),
        "takes": {"dtype": str(network.dtype), "shape": ["any number", *network.shape]},
        "gives": {"dtype": "float32", "shape": ["any number", network.classes]},
        "data": card.text("data"),
        "note": card.text("note"),
        "source": {"file": f"{name}.keras", "sha256": card.digests[f"{name}.keras"]},
    }


def _calibration(
    predictor: Predictor, card: ModelCard, progress: bool
) -> tuple[dict[str, Examples], int]:
    """Return each network's inputs from training infants' recordings, and the number of infants."""
    clips = _learned_from(card)
    # First one recording per infant, then a second, to cover as many infants as possible.
    turn = pd.Series(clips.infants).groupby(clips.infants).cumcount()
    clips = clips.take(np.argsort(turn, kind="stable")[:_CLIPS])
    rows: dict[str, list[Examples]] = {name: [] for name in predictor.networks}
    with counting("Calibration", "recordings", shown=progress) as report:
        for done, clip in enumerate(clips, start=1):
            asked: dict[str, list[Examples]] = {name: [] for name in rows}
            for name, network in predictor.networks.items():
                network.listener = asked[name].append
            for path in filter(None, (clip.path, clip.still)):
                predictor(path)
            for name, parts in asked.items():
                if parts:  # evenly spaced examples of the recording
                    examples = np.concatenate(parts)
                    spaced = np.linspace(0, len(examples) - 1, _ROWS).astype(int)
                    rows[name].append(examples[np.unique(spaced)])
            report(done, len(clips))
    for name, network in predictor.networks.items():
        network.listener = None
        if not rows[name]:
            raise InputError(
                f"{card.path}: its training recordings have no input for {name}; use --float16."
            )
    return {name: np.concatenate(parts) for name, parts in rows.items()}, len(set(clips.infants))


def _learned_from(card: ModelCard) -> Corpus:
    """Return the recordings of the infants that a model was fitted on, loaded again."""
    source, infants = (card.content.get(key) for key in ("source", "learned_from"))
    try:
        if not source or not infants:
            raise InputError("its card doesn't list them.")
        corpus = load(**source)
        clips = corpus.where(lambda clip: clip.infant in infants)
        if missing := len(set(infants) - set(clips.infants)):
            raise InputError(f"{missing} of {len(infants)} infants are no longer in {corpus.name}.")
    except InputError as error:
        raise InputError(
            f"int8 is calibrated with the training recordings of {card.name}: {error} Restore them,"
            f" run {NOTEBOOKS[card.name]} again, or use --float16."
        ) from error
    return clips
