"""Paper A's ensemble as files that `cryutils predict --model ensemble` runs: `deploy`.

Walked by notebook 09_ensemble (Paper A §3.5). It is trained once more, on all infants but a part
that says when to stop, and never scored itself. Each submodel is a file of its own, a window of
sound or a frame in; out come what the ensemble is given, of all inner networks side by side, and
the submodel's own probabilities. The ensemble's file takes the first of these, joined, and gives
the mean of its answers to the inner networks, as in training. `ensemble.json` comes last and knows
the others by their digests, so files of two trainings are told apart, whatever kills this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cryutils._io.paths import writing
from cryutils.models import checkpoints, export, runtimes
from cryutils.models.autoencoders import keras_classifier
from cryutils.models.backbones import Backbone, head_input
from cryutils.models.backend import keras as _keras
from cryutils.models.examples import Examples
from cryutils.models.inputs import SoundInput
from cryutils.models.novelty import Reference
from cryutils.models.stacked import Stack
from cryutils.papers.embeddings import FrameInput
from cryutils.papers.ensemble import Ensemble, Job, Settings
from cryutils.papers.nested import whole
from cryutils.papers.streams import IMAGE, Streams
from cryutils.papers.table3 import METRICS, Table3

__all__ = ["deploy"]


def deploy(
    streams: Streams,
    scored: Table3,
    *,
    hearing: Mapping[str, SoundInput],
    folder: Path,
    seeing: FrameInput | None = None,
    backbone: Backbone | None = None,
    settings: Settings | None = None,
    rolling: int | None = None,
    engine: str = "keras",
    progress: bool = False,
) -> tuple[Path, ...]:
    """Train the ensemble on all infants and return its files in `folder`.

    They are `ensemble.keras`, `.json` and `.tflite`, and `ensemble_<stream>.keras` and
    `.tflite`. hearing, seeing and backbone say how a recording is prepared; `scored` what such
    an ensemble is worth on infants that it has not met. rolling: N of the rolling average
    (None: all frames). engine: what made the embeddings that `streams` holds; the files run the
    backbone in float32. Raises InputError as `runtimes.setting` does.
    """
    known = runtimes.setting(engine) if IMAGE in streams.names else None
    own = settings or Settings()
    (nested,) = folds = [whole(streams.units("clip"), n_inner=own.n_inner, seed=own.seed)]
    found = Ensemble(streams, own, {"leak_free": folds}, pairs=False)
    found.train(progress, ablation=False)
    job = Job("leak_free", 0, found.states)
    given = [job._replace(inner=k) for k in range(len(nested.inner))] if own.out_of_fold else [job]
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, dict[str, Any]] = {}
    widths, files = [], []
    for stream in streams.names:
        front = _image_front(backbone) if stream == IMAGE else _sound_front(found, stream)
        networks = [found.network(stream, one) for one in given]
        heads = [n.keras(task, name=f"head{k}") for k, (n, task) in enumerate(networks)]
        model = _part(front, heads, own.kind)
        prepared = seeing if stream == IMAGE else hearing[stream]
        wide = model.output_shape[-1] - found.classes
        widths.append(wide // len(given))
        assert prepared is not None
        parts[stream] = {"input": asdict(prepared), "features": wide}
        if stream != IMAGE:
            windows = Examples(streams.windows[stream], streams.clip)
            reference = Reference.of(windows, streams.corpus.infants)
            parts[stream]["reference"] = reference and reference.as_json()
        path = folder / f"ensemble_{stream}.keras"
        with writing(path) as part:
            model.save(part)
        files += [path, export.litert(model, path.with_suffix(".tflite"))]
    final = found.network(own.kind, own.out_of_fold, tuple(streams.names), job)
    model = _joined(*final, widths, copies=len(given))
    joined = export.litert(model, folder / "ensemble.tflite")
    about = {
        "classes": streams.corpus.classes,
        "ensemble_input": own.kind,
        "parts": parts,
        "rolling": rolling,
        "backbone": None if backbone is None else backbone.words,
        "engine": None if known is None else asdict(known),
        "data": streams.corpus.name,
        "note": streams.corpus.note,
        "clips": len(streams.corpus),
        "infants": len(set(streams.corpus.infants)),
        "training": asdict(own),
        "seed": own.seed,
        "leak_free": {metric: _as_dict(scored, metric) for metric in METRICS},
    }
    exported = [path for path in (joined, *files) if path.suffix == ".tflite"]
    saved = checkpoints.save(model, folder, "ensemble", about, exported=exported)
    return *saved, joined, *files


def _as_dict(scored: Table3, metric: Any) -> dict[str, float | None]:
    found = scored.interval("leak_free", scored.main, "proposed", metric)
    return {"value": found.value, "low": found.low, "high": found.high}


def _sound_front(found: Ensemble, stream: str) -> Any:
    """Return the model from a window to its codes' mean and deviation."""
    network, task = found.network(stream, Job("leak_free", 0, found.states))
    model = keras_classifier(
        found.encoders[stream], 0, network, task, found.streams.windows[stream].shape[1:]
    )
    return _keras().Model(model.input, model.get_layer("mean_and_deviation").output)


def _image_front(backbone: Backbone | None) -> Any:
    assert backbone is not None
    return head_input(backbone)


def _part(front: Any, heads: Sequence[Any], kind: str) -> Any:
    """Return a submodel: what the ensemble is given of each head, then their mean answer."""
    keras = _keras()
    answers = [head(front.output) for head in heads]
    given = answers
    if kind == "features":
        hidden = [
            keras.Model(head.input, head.layers[-2].output, name=f"{head.name}_features")
            for head in heads
        ]
        given = [one(front.output) for one in hidden]
    mean = keras.layers.Average()(answers) if len(answers) > 1 else answers[0]
    return keras.Model(front.input, keras.layers.Concatenate()([*given, mean]))


def _joined(network: Stack, task: int, widths: Sequence[int], *, copies: int) -> Any:
    """Return the ensemble behind the parts' outputs, which hold `copies` of each width."""
    keras = _keras()
    plain = network.keras(task)
    inputs = keras.Input((copies * sum(widths),), name="submodels")
    starts = np.cumsum([0, *(copies * width for width in widths)])
    kernel, bias = plain.layers[1].get_weights()
    answers = []
    for k in range(copies):
        # The first layer looks at one copy of each part, and at nothing else.
        places = np.concatenate(
            [
                start + k * width + np.arange(width)
                for start, width in zip(starts, widths, strict=False)
            ]
        )
        own = np.zeros((copies * sum(widths), kernel.shape[1]), np.float32)
        own[places] = kernel
        layer = keras.layers.Dense(kernel.shape[1], plain.layers[1].activation)
        h = layer(inputs)
        layer.set_weights([own, bias])
        for following in plain.layers[2:]:
            h = following(h)
        answers.append(h)
    mean = keras.layers.Average()(answers) if copies > 1 else answers[0]
    return keras.Model(inputs, mean, name="ensemble")
