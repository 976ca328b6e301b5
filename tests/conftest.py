"""What many tests share: an environment of their own, the real corpus, small media files."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from scipy.io import wavfile
from trained_run import Trained, record

from cryutils._io.paths import resolve

# An example may take as long as this machine needs.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Read once, before any test changes the environment or the folder.
_NAMED = os.environ.get("CRYUTILS_DATA_DIR")
_DATA = resolve(_NAMED) if _NAMED else None

CODECS = {
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".mp3": "mp3",
    ".m4a": "aac",
    ".3gp": "aac",
    ".caf": "pcm_s16le",
    ".ogg": "libopus",
    ".webm": "libopus",
    ".mp4": "aac",
}


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the test starts in, with cache, outputs and store, and no data folder."""
    monkeypatch.delenv("COLUMNS", raising=False)  # set by pytest-xdist, and by some shells
    for name in ("DATA_DIR", "OFFLINE", "PROJECT_DIR", "RUN_DIR"):
        monkeypatch.delenv(f"CRYUTILS_{name}", raising=False)
    for name, value in (("CACHE_DIR", "cache"), ("OUTPUTS_DIR", "outputs"), ("START_DIR", ".")):
        monkeypatch.setenv(f"CRYUTILS_{name}", str(tmp_path / value))
    monkeypatch.setenv("CRYUTILS_STORE", f"sqlite:///{tmp_path / 'store.sqlite'}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bare(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `apart`, on a machine without weights and without a network."""
    monkeypatch.setenv("KERAS_HOME", str(apart / "keras"))
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    monkeypatch.delenv("CRYUTILS_WEIGHTS_DIR", raising=False)
    return apart


@pytest.fixture
def command(apart: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`command("data", "list")` gives the exit code and what was printed, in this process."""
    from cryutils.course import cli

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        handlers = {number: signal.getsignal(number) for number in cli.SIGNALS}
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        for number, handler in handlers.items():
            signal.signal(number, handler)
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def fast_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost little; how much the real ones cost is argon2's concern."""
    from argon2 import PasswordHasher

    from crydecode.store import accounts

    monkeypatch.setattr(accounts, "HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def donateacry(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real recordings, found by the library; skips where there are none."""
    if _DATA is None or not (_DATA / "donateacry").is_dir():
        pytest.skip("CRYUTILS_DATA_DIR holds no donateacry/ here, so nothing real is tested")
    monkeypatch.setenv("CRYUTILS_DATA_DIR", str(_DATA))
    return _DATA / "donateacry"


def cry(seconds: float, sr: int, seed: int) -> np.ndarray:
    """A sound that differs by seed, float32 (samples,)."""
    t = np.arange(round(seconds * sr)) / sr
    noise = np.random.default_rng(seed).normal(0, 0.01, t.size)
    return (0.3 * np.sin(2 * np.pi * (400 + 10 * seed) * t) + noise).astype(np.float32)


@pytest.fixture(scope="session")
def sound() -> Callable[..., Path]:
    """`sound(path, seconds=0.3, seed=0)` writes a recording in the format of the suffix."""

    def write(path: Path, *, seconds: float = 0.3, sr: int = 16000, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        x = cry(seconds, sr, seed)
        if path.suffix == ".wav":
            wavfile.write(path, sr, (x * 32767).astype(np.int16))
        else:
            import made_media

            codec = CODECS[path.suffix]
            rate = 48000 if codec == "libopus" else sr  # Opus knows few rates
            frames = [np.full((32, 32, 3), 50 * i, np.uint8) for i in range(3)]
            made_media.write(
                path,
                frames if path.suffix == ".mp4" else (),
                [np.repeat(x, rate // sr)[None]],
                video="mpeg4",
                fps=10,
                codec=codec,
                sr=rate,
            )
        return path

    return write


@pytest.fixture(scope="session")
def still() -> Callable[..., Path]:
    """`still(path, seed=0)` writes a small picture in the format of the suffix."""

    def write(path: Path, *, seed: int = 0) -> Path:
        import cv2

        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), pixels)
        return path

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run with both networks as files, as notebooks 04 and 05 leave them.

    They are as they were drawn at random: nothing here asks how good they are. Their last
    layer is turned up, so that different inputs get clearly different answers.
    """
    import cryutils
    from cryutils import audio
    from cryutils.models import cry2, export, image, novelty
    from cryutils.models.backend import seeded
    from cryutils.models.inputs import PictureInput, SoundInput
    from cryutils.studies.recognition import STATES

    home = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_CACHE_DIR", str(home / "cache"))
        corpus = cryutils.load(
            "synthetic",
            classes=list(STATES),
            video=True,
            infants=8,
            clips_per_infant=2,
            duration_s=2.0,
            fps=8,
            size=96,
            progress=False,
        )
    hearing, seeing = SoundInput(kind="mel+mfcc", window_s=1.0), PictureInput(size=32, limit=3)
    run, models = home / "outputs" / "quick", {}
    sounds = np.random.default_rng(0).normal(-40, 15, (64, *hearing.shape)).astype(np.float32)
    for name, model_input in (("cry2", hearing), ("image", seeing)):
        builder = {"cry2": cry2, "image": image}[name]
        with seeded(1):
            model = builder.build(model_input.shape, len(STATES), filters=(4, 8))
        if name == "cry2":
            cry2.adapt(model, sounds)
            windows = hearing.examples(audio.signals(corpus, sr=hearing.sr))
            reference = novelty.reference(windows, corpus.infants)
        last = model.layers[-1]
        last.set_weights([4 * values for values in last.get_weights()])
        about = {
            "classes": list(STATES),
            "input": asdict(model_input),
            "data": corpus.name,
            "note": corpus.note,
            "seed": 1,
            "temperature": 1.0,
            "reference": reference if name == "cry2" else None,
        }
        export.save(model, run / "models", name, about)
        models[name] = model
    record(run)
    return Trained(run.parent, run, corpus, hearing, seeing, models)


@pytest.fixture
def quick(trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """That run, found by the library as the newest; the test starts in a folder of its own."""
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(trained.outputs))
    return trained


@pytest.fixture(scope="session")
def recordings(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what people may ask about: good, half good and bad files."""
    import cv2

    from cryutils import audio, video
    from cryutils.video import mp4

    folder, cry = tmp_path_factory.mktemp("recordings"), trained.corpus[0].path
    faces, heard = list(video.frames(cry)), audio.read(cry, sr=16000)
    black = [np.zeros_like(face) for face in faces]
    ramp = np.linspace(40, 200, 96).astype(np.uint8)
    empty_room = [np.broadcast_to(ramp[:, None, None], (96, 96, 3)).copy() for _ in faces]
    silent = np.zeros_like(heard)
    (folder / "cry.mp4").write_bytes(cry.read_bytes())
    for name, frames, x in (
        ("mute", faces, None),
        ("silent", faces, silent),
        ("dark", black, heard),
        ("faceless", empty_room, heard),
        ("nothing", black, silent),
        ("neither", empty_room, None),
    ):
        sr = None if x is None else 16000
        mp4.write(folder / f"{name}.mp4", frames, fps=8, sound=x, sr=sr, crf=12, synthetic=True)
    wavfile.write(folder / "cry.wav", 16000, (heard * 32767).astype(np.int16))
    cv2.imwrite(str(folder / "face.png"), faces[4][..., ::-1])
    (folder / "notes.txt").write_text(json.dumps({"a": "text"}))
    (folder / "empty.wav").write_bytes(b"")
    return folder
