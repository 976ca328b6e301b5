"""Paper A's ensemble as files that `cryutils predict --model ensemble` runs: `deploy`.

Used in notebook 09_ensemble (Paper A §3.5). The ensemble is trained once more, on all infants
except the validation part, and is never scored itself. Each submodel's file takes a window of sound
or a frame, and returns what the ensemble gets from it, then its probabilities. The ensemble's file
takes the first of these from all submodels. `ensemble.json` is written last, with the digests of
the other files, so that files of two trainings are never mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryutils._io.paths import writing
from cryutils.evaluation.intervals import Interval
from cryutils.evaluation.splits import Split
from cryutils.models import checkpoints, export, runtimes
from cryutils.models.autoencoders import keras_classifier
from cryutils.models.backbones import Backbone, head_input
from cryutils.models.backend import keras as _keras
from cryutils.models.inputs import Examples, SoundInput
from cryutils.models.novelty import Reference
from cryutils.papers.embeddings import FrameInput
from cryutils.papers.ensemble import Job, Kind, Model, Plan, Settings, Views, fit_proposed
from cryutils.papers.nested import deployment_fold
from cryutils.papers.recognition import card
from cryutils.papers.streams import IMAGE, Streams
from cryutils.papers.table3 import METRICS, Table3

__all__ = ["deploy"]


def deploy(
    streams: Streams,
    scored: Table3,
    *,
    settings: Settings,
    hearing: Mapping[str, SoundInput],
    folder: Path,
    seeing: FrameInput | None = None,
    backbone: Backbone | None = None,
    rolling: int | None = None,
    engine: str = "keras",
) -> tuple[Path, ...]:
    """Train the ensemble on all infants, write its files to `folder` and return their paths.

    They are `ensemble.keras`, `.json` and `.tflite`, and `ensemble_<stream>.keras` and `.tflite`.

    streams: windows of all recordings. scored: scores of the same kind of ensemble on new infants.
    hearing, seeing: how sound is prepared, by stream, and how frames are. backbone: embeds the
    frames. rolling: frames of the rolling average; None: all. engine: computed the embeddings; the
    files run the backbone in float32. Raises InputError as `runtimes.runtime_of` does.
    """
    runtime = runtimes.runtime_of(engine) if IMAGE in streams.names else None
    fold = deployment_fold(streams.units(Split.CLIP), seed=settings.seed)
    plan = Plan(streams, {Split.INFANT: [fold]}, settings, pairs=False)
    proposed, (job,) = fit_proposed(plan).proposed, plan.places
    folder.mkdir(parents=True, exist_ok=True)
    prepared: dict[str, SoundInput | FrameInput] = {**hearing}
    if seeing is not None:
        prepared[IMAGE] = seeing
    parts, files = {}, []
    for stream, submodel in proposed.inputs.submodels.items():
        front = _front(submodel, stream, job, backbone)
        network = _part(front, submodel, job, settings.ensemble_input)
        wide = network.output_shape[-1] - len(plan.states)
        parts[stream] = {"input": asdict(prepared[stream]), "features": wide}
        if stream != IMAGE:
            windows = Examples(streams.windows[stream], streams.clip)
            reference = Reference.of(windows, streams.corpus.infants)
            parts[stream]["reference"] = reference and reference.as_json()
        path = folder / f"ensemble_{stream}.keras"
        with writing(path) as part:
            network.save(part)
        files += [path, export.litert(network, path.with_suffix(".tflite"))]
    network = proposed.stack.keras(proposed.tasks[job])
    files.insert(0, export.litert(network, folder / "ensemble.tflite"))
    scores: dict[str, Interval] = {
        m: scored.interval(Split.INFANT, scored.main, scored.ensemble.proposed, m) for m in METRICS
    }
    about = card(streams.corpus, settings, scores) | {
        "ensemble_input": settings.ensemble_input,
        "parts": parts,
        "rolling": rolling,
        "backbone": backbone and backbone.words,
        "engine": runtime and asdict(runtime),
        "learned_from": sorted(set(streams.corpus.infants[fold.fit].tolist())),
    }
    return *checkpoints.save(network, folder, "ensemble", about, exported=files), *files


def _front(submodel: Model[Views], stream: str, job: Job, backbone: Backbone | None) -> Any:
    """Return the model from pixels to an embedding, or from a window to its code."""
    if backbone is not None and stream == IMAGE:
        return head_input(backbone)
    encoders, shape = submodel.inputs.encoders, submodel.plan.streams.windows[stream].shape[1:]
    assert encoders is not None
    model = keras_classifier(encoders, 0, submodel.stack, submodel.tasks[job], shape)
    return _keras().Model(model.input, model.get_layer("mean_and_deviation").output)


def _part(front: Any, submodel: Model[Views], job: Job, kind: Kind) -> Any:
    """Return a submodel's network: what it gives the ensemble, then its probabilities."""
    keras = _keras()
    head = submodel.stack.keras(submodel.tasks[job], name="head")
    answer = features = head(front.output)
    if kind == "features":
        hidden = keras.Model(head.input, head.layers[-2].output, name="features")
        features = hidden(front.output)
    return keras.Model(front.input, keras.layers.Concatenate()([features, answer]))
