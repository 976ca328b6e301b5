"""Costs and savings of quantisation: `assess`, each model in each precision, on unseen infants.

Used in notebook 13_live_and_deployment. Paper B §3 (deployment strategy) plans to quantise its
models for devices but gives no figures. Here each fold's network is exported and calibrated with
the fold's training infants, then answers its test infants. So every precision has a leak-free macro
F1 over all clips. Its change is a paired difference from the float network on the same clips.

`deployment.export` writes every network that a run keeps. Notebook 13 assesses Paper B's two, and
`cryutils bench export` adds the ensemble's sound submodels, trained as in notebook 08. Not assessed
are its picture submodel, whose trained layers follow a published backbone that every file would
repeat, and the network that joins the three, which takes their outputs instead of a recording.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils._io.progress import counting
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss
from cryutils.models.export import FORMATS, PRECISIONS, Format
from cryutils.models.footprint import footprint
from cryutils.models.fusion import NO_PREDICTION, decide
from cryutils.models.inputs import Examples, by_clip
from cryutils.models.training import CrossFit

__all__ = ["assess", "readable", "results"]

_CALIBRATION = 256  # examples at most
_METRIC: evaluation.Metric = "macro_f1"


def assess(
    fitted: Mapping[str, tuple[CrossFit, Examples]],
    corpus: Corpus,
    *,
    format: str = "litert",
    calls: int = 300,
    progress: bool = False,
) -> pd.DataFrame:
    """Return a row per model and precision: size, latency, memory, macro F1 and its change.

    Columns: `model`, `precision`, `format`; `size_kb`; `latency_ms` and `latency_p95_ms` on one
    thread, `latency_2_ms` and `latency_2_p95_ms` on two; `memory_mb`; `macro_f1` with `low` and
    `high`; `change` from "float" with `change_low` and `change_high`, 95 % intervals over infants;
    `same`, the share of clips with the same answer as "float"; `n`, `n_infants`, `trainings`. (Even
    if all answers are the same, the interval has a width: few infants rule out little.) Only the
    first fold's file is measured (see `footprint`), since all have the same architecture.

    fitted: by model, leak-free networks and the examples that they were fitted on. format: one of
    `models.export.FORMATS`. calls: timed calls for each latency. Raises InputError if an infant is
    on both sides of a fold, and as the exporter does.
    """
    if format not in FORMATS:
        raise InputError(f"no format {format!r}.{near_miss(format, FORMATS)}")
    form, rows = FORMATS[format], []
    with (
        tempfile.TemporaryDirectory() as folder,
        counting("Quantisation", "exports", shown=progress) as report,
    ):
        for model, (networks, examples) in fitted.items():
            reference = None
            for precision in PRECISIONS:
                path = Path(folder, f"{model}_{precision}{form.suffix}")
                predicted = _predicted(networks, examples, corpus, form, precision, path)
                reference = predicted if reference is None else reference  # "float" is first
                rows.append(
                    {"model": model, "precision": precision, "format": format}
                    | _cost(path, calls)
                    | _worth(predicted, reference, corpus)
                )
                report(len(rows), len(fitted) * len(PRECISIONS))
    return pd.DataFrame(rows)


def _predicted(
    networks: CrossFit, examples: Examples, corpus: Corpus, form: Format, precision: str, path: Path
) -> npt.NDArray[np.int64]:
    """Return the answers of each fold's exported network to its test clips, int64 (repeats, clips).

    It is calibrated with its training examples. The first fold's file is at `path`.
    """
    predicted = np.full((len(networks.folds), len(corpus)), NO_PREDICTION)
    folds = [(row, *fold) for row, repeat in enumerate(networks.folds) for fold in repeat]
    for k, (row, train, test) in enumerate(folds):
        if both := set(corpus.infants[train]) & set(corpus.infants[test]):
            raise InputError(
                f"infant {str(min(both))!r} is in training and in test; give networks that were"
                ' fitted on folds of Split("infant").k_folds.'
            )
        fitting = examples.rows(np.setdiff1d(train, networks.stopping[k]))
        spaced = np.linspace(0, len(fitting) - 1, min(_CALIBRATION, len(fitting))).astype(int)
        calibration = examples.x[fitting[spaced]]
        file = path if k == 0 else path.with_stem(f"{path.stem}_{k}")
        form.write(networks.fits[k].model, file, precision=precision, calibration=calibration)
        rows = examples.rows(test)
        windows = form.open(file).predict(examples.x[rows])
        predicted[row, test] = decide(by_clip(windows, examples.clip[rows], len(corpus))[test])
    return predicted


def _cost(path: Path, calls: int) -> dict[str, float]:
    alone, two = (footprint(path, threads=threads, calls=calls) for threads in (1, 2))
    return {
        "size_kb": alone.size_kb,
        "latency_ms": alone.latency_ms, "latency_p95_ms": alone.latency_p95_ms,
        "latency_2_ms": two.latency_ms, "latency_2_p95_ms": two.latency_p95_ms,
        "memory_mb": alone.memory_mb,
    }  # fmt: skip


def _worth(
    predicted: npt.NDArray[np.int64], reference: npt.NDArray[np.int64], corpus: Corpus
) -> dict[str, Any]:
    labels, infants = corpus.labels.tolist(), corpus.infants.tolist()
    score = evaluation.interval(predicted, labels, infants, metric=_METRIC)
    change = evaluation.paired_interval(predicted, reference, labels, infants, metric=_METRIC)
    return {
        "macro_f1": score.value, "low": score.low, "high": score.high,
        "change": change.value, "change_low": change.low, "change_high": change.high,
        "same": float(np.mean(predicted == reference)),
        "n": score.n, "n_infants": score.n_infants, "trainings": len(predicted),
    }  # fmt: skip


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `assess` as text, a row per model and precision, without memory."""
    text = table[["model", "precision"]].copy()
    for column in ("size_kb", "latency_ms"):
        text[column] = [f"{value:.3g}" for value in table[column]]
    text["macro_f1"] = [f"{r.macro_f1:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in table.itertuples()]
    text["change"] = [
        "–" if r.precision == "float"
        else f"{r.change:+.2f} [{r.change_low:+.2f}, {r.change_high:+.2f}]"
        for r in table.itertuples()
    ]  # fmt: skip
    text["same"] = [f"{share:.0%}" for share in table.same]
    return text.set_index(["model", "precision"])


def results(table: pd.DataFrame, *, data: str) -> pd.DataFrame:
    """Return rows for `claims.record_table` from the table of `assess` for the corpus `data`.

    The `condition` is the precision. Metrics: size_kb, latency_ms (the median on one thread) and
    macro_f1. Lower precisions also have the difference of macro_f1 from the rival "float".
    """
    rows = []
    for row in table.to_dict("records"):
        about = {"model": row["model"], "condition": row["precision"]}
        of = {name: row[name] for name in ("n", "n_infants", "trainings")} | {"split": "infant"}
        score = {"value": row["macro_f1"], "low": row["low"], "high": row["high"]}
        change = {"value": row["change"], "low": row["change_low"], "high": row["change_high"]}
        rows += [
            {**about, "metric": "size_kb", "value": row["size_kb"]},
            {**about, "metric": "latency_ms", "value": row["latency_ms"]},
            {**about, "metric": "macro_f1", **score, **of},
        ]
        if row["precision"] != "float":
            rows.append({**about, "rival": "float", "metric": "macro_f1", **change, **of})
    return pd.DataFrame(rows).assign(study="quantised", data=data)
