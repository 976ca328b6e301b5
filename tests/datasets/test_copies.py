"""Copies of a recording under several infants: equal sound is one group, the rest is listed."""

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from cryutils import audio
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.registry import load

pytestmark = pytest.mark.usefixtures("apart")

SR = 16000
Sound = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def voices(tmp_path_factory) -> Corpus:
    """Synthetic cries, several of each infant."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return load("synthetic", infants=8, clips_per_infant=3, duration_s=4.0)


@pytest.fixture
def cry(voices) -> Sound:
    """A cry in 16-bit steps, so that lossless formats hold the very same samples."""
    x = audio.read(voices[0].path, sr=SR)
    return (np.round(0.5 * x / np.abs(x).max() * 2**15) / 2**15).astype(np.float32)


def write(path: Path, x: npt.NDArray[np.floating]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x, SR)


@pytest.fixture
def root(apart, cry, voices) -> Path:
    """A folder with a cry of anna's and another infant's."""
    write(apart / "own" / "hungry" / "anna" / "1.wav", cry)
    write(apart / "own" / "tired" / "dora" / "4.wav", audio.read(voices[-1].path, sr=SR))
    return apart / "own"


ALIKE: dict[str, tuple] = {  # file, and what is done to the cry
    "louder": ("2.flac", lambda x: 1.1 * x),
    "a quieter excerpt as MP3": ("2.mp3", lambda x: 0.3 * x[SR:]),
}


def test_equal_samples_in_another_format_are_one_group(root, cry) -> None:
    write(root / "tired" / "bo" / "2.flac", np.stack([cry, cry], axis=1))
    corpus = load(root)
    assert sorted(set(corpus.infants)) == ["anna + bo", "dora"]
    (problem,) = corpus.problems().itertuples()
    assert (problem.kind, problem.item) == ("contradiction", "hungry/anna/1.wav")


@pytest.mark.parametrize(("file", "change"), ALIKE.values(), ids=ALIKE)
def test_sound_with_a_common_part_is_doubtful(file, change, root, cry) -> None:
    write(root / "tired" / "bo" / file, change(cry))
    corpus = load(root)
    assert sorted(set(corpus.infants)) == ["anna", "bo", "dora"]
    (problem,) = corpus.problems().itertuples()
    assert (problem.kind, problem.item) == ("doubtful", "hungry/anna/1.wav")
    assert f"tired/bo/{file}, of another infant" in problem.what


def test_other_sounds_are_no_copies(root, cry, voices) -> None:
    """Different cries of several infants, silence, short sounds, and sounds of one infant."""
    for clip in voices[1:-1]:
        target = root / clip.label / clip.infant / clip.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip.path, target)
    write(root / "tired" / "anna" / "2.wav", cry[SR:])
    write(root / "tired" / "bo" / "silent.wav", np.zeros(SR))
    write(root / "tired" / "cleo" / "silent.flac", np.zeros(SR))
    write(root / "tired" / "bo" / "short.wav", cry[: SR // 2])
    write(root / "tired" / "cleo" / "short.wav", 1.1 * cry[: SR // 2])
    assert load(root).problems().empty
