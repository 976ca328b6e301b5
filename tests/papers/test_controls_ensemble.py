"""The controls that every result of Paper A's ensemble stands on: all to learn, and nothing."""

from __future__ import annotations

import pytest

import cryutils
from cryutils.models import small_cnn
from cryutils.models.inputs import SoundInput
from cryutils.papers import embeddings, streams
from cryutils.papers.ensemble import Ensemble, Settings
from cryutils.papers.nested import SCHEMES, divide, unit_of
from cryutils.papers.table3 import Table3

EVERYTHING = ("mfcc", "stft", "image")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    """One cache for both corpora, so that the small backbone is pretrained once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def trained(signal: float, schemes: tuple[str, ...], *, infants: int) -> Table3:
    corpus = cryutils.load(
        "synthetic", classes=list(embeddings.STATES), signal=signal, identity=1.0, infants=infants,
        clips_per_infant=4, duration_s=4.0, video=True, fps=5.0, size=112, seed=1,
    )  # fmt: skip
    backbone = small_cnn.small()
    embedded = embeddings.embed(
        corpus, backbone, embeddings.FrameInput(fps=5.0, size=64, crop="face")
    )
    hearing = {
        kind: SoundInput(
            kind=kind, sr=8000, n_fft=256, hop_length=128, window_s=2.0, step_s=1.0,
            scaling="recording",
        )
        for kind in ("mfcc", "stft")
    }  # fmt: skip
    given = streams.gather(corpus, hearing, embedded, fps=5.0)
    own = Settings(n_folds=4, n_inner=2, seed=1)
    folds = {
        scheme: divide(given.units(unit_of(scheme)), scheme, n_folds=4, n_inner=2, seed=1)
        for scheme in schemes
    }
    found = Ensemble(given, own, folds, pairs=False)
    found.train(False, ablation=False)
    return Table3(found)


def test_at_full_signal_all_submodels_know_new_infants_and_the_ensemble_is_not_inferior(
    cache: None,
) -> None:
    scores = trained(1.0, ("leak_free",), infants=40)
    values = {
        name: scores.interval("leak_free", "total", f"submodel.{name}", "balanced_accuracy").value
        for name in EVERYTHING
    }
    assert min(values.values()) >= 0.75, values
    best = max(values, key=lambda name: values[name])
    gain = scores.gain("leak_free", "proposed", f"submodel.{best}", metric="balanced_accuracy")
    assert gain.value >= -0.02, (values, gain)


def test_without_signal_frames_and_clips_of_known_infants_score_and_new_infants_do_not(
    cache: None,
) -> None:
    scores = trained(0.0, SCHEMES, infants=24)
    for model in (*(f"submodel.{name}" for name in EVERYTHING), "proposed"):
        value = {
            scheme: scores.interval(scheme, "total", model, "balanced_accuracy")
            for scheme in SCHEMES
        }
        assert value["leak_free"].low is not None
        # New infants may score below chance, since a held-out one depletes its own class.
        assert value["leak_free"].low <= 1 / 3, (model, value)
        for leaky in ("frame", "clip"):
            assert value[leaky].value > value["leak_free"].value + 0.1, (model, value)
            assert value[leaky].low > 1 / 3, (model, value)
    assert value["clip"].value > 0.5, value  # of the ensemble
