"""Count false rejections of the leak-free permutation test on corpora without a signal.

    cryutils bench null                    100 seeds, a few minutes
    python benchmarks/null.py --seeds 10

At `signal=0, identity=1` the state shapes neither voice nor face, while infants are easy to
recognise. So every rejection at 0.05 is a false one. Promised: of 100 seeds at most 10 rejections
(a binomial(100, 0.05) exceeds 10 once in a hundred times). For comparison, the score with the
paper's folds is printed, which is far above chance without any signal. Features: mean and deviation
of MFCC, and gradients of the face (HOG), each classified by an SVM.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import numpy as np

import cryutils
from cryutils import audio, evaluation, models, video
from cryutils._io.progress import counting
from cryutils.models.examples import by_clip
from cryutils.models.inputs import FaceInput
from cryutils.video.features import hog

PERMUTATIONS = 99
ALLOWED = 10


def main() -> int:
    """Test sound and face on one corpus per seed, and print the rejections."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    seeds = parser.parse_args().seeds
    rows, begun = [], time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, counting("Null", "seeds") as report:
        os.environ["CRYUTILS_CACHE_DIR"] = scratch  # corpora are not kept
        for seed in range(seeds):
            rows.append(one_corpus(seed))
            report(seed + 1, seeds)
    print(f"{seeds} corpora of 64 synthetic clips, signal=0, identity=1, B={PERMUTATIONS}")
    worst = 0
    for name in ("sound", "face"):
        p, leak_free, leaky = np.transpose([row[name] for row in rows])
        rejected = int(np.sum(p <= 0.05))
        worst = max(worst, rejected)
        print(
            f"{name}: leak-free rejects {rejected} times at 0.05, mean balanced accuracy"
            f" {leak_free.mean():.2f} (chance 0.25); the paper's folds score {leaky.mean():.2f}"
        )
    print(f"{time.monotonic() - begun:.0f} s")
    return int(worst > ALLOWED * seeds / 100)


def one_corpus(seed: int) -> dict[str, tuple[float, float, float]]:
    """Return p-value, leak-free score and score with the paper's folds on a corpus, by modality."""
    corpus = cryutils.load(
        "synthetic", video=True, signal=0.0, identity=1.0, infants=16, clips_per_infant=4,
        duration_s=1.5, fps=4, size=96, sr=8000, seed=seed, progress=False,
    )  # fmt: skip
    faces = FaceInput(fps=2, size=48, limit=2).examples(
        video.crops(corpus, fps=2, size=48, limit=2)
    )
    crops_by_clip = by_clip(hog(faces.x), faces.clip, len(corpus))
    features = {
        "sound": audio.summarise(audio.features(corpus, kind="mfcc", sr=8000, n_fft=512)),
        "face": np.where(np.isfinite(crops_by_clip), crops_by_clip, 0),  # NaN if no face is found
    }
    model = models.baselines(seed=0)["svm"]
    answers = {}
    for name, X in features.items():
        tested, leaky = (
            evaluation.permutation_test(
                {"one": (model, X)}, corpus, split, permutations=count, n_splits=4, seed=seed,
                jobs=1,
            )
            for split, count in (("infant", PERMUTATIONS), ("clip", 1))
        )  # fmt: skip
        answers[name] = (
            float(tested.p_values["one"]),
            float(tested.observed[0]),
            float(leaky.observed[0]),
        )
    return answers


if __name__ == "__main__":
    raise SystemExit(main())
