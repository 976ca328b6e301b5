"""A device's own code, `docs/device.py`, gives Python's answers."""

import ast
import runpy
import shutil
import sys
from pathlib import Path

import device
import numpy as np
import pytest
from scipy.io import wavfile
from trained_run import Trained, change_card

from cryutils.datasets.synthetic import voice
from cryutils.inference.predict import Predictor
from cryutils.inference.trained_models import export_model

SR = 8000
CODE = Path(device.__file__)


def test_it_has_80_lines_and_needs_litert_and_numpy_alone() -> None:
    text = CODE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name for node in imports for name in [getattr(node, "module", None) or node.names[0].name]}
    packages = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert packages == {"ai_edge_litert", "numpy"}


def test_its_answers_are_those_of_python(
    trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder, path = apart / "run", apart / "device", apart / "cries.wav"
    shutil.copytree(trained.run, run)
    for name, temperature in (("cry2", 0.5), ("image", 2.0)):
        change_card(run / "models", name, temperature=temperature)
    export_model("full", run=run, folder=folder)

    room = np.random.default_rng(0).normal(0, 1e-3, 4 * SR)
    sounds = [voice.render(voice.plan("pain", infant=k, seed=k, duration_s=3.3 + k), SR) for k in (1, 2)]
    x = np.concatenate([room, sounds[0], room, sounds[1], room])
    wavfile.write(path, SR, np.round(32767 * x / np.abs(x).max()).astype(np.int16))
    x = wavfile.read(path)[1] / 32768

    predictor = Predictor("full", run=run)
    expected = predictor(path)
    answers = list(device.Device(folder).answers(x))
    assert len(answers) == 2
    assert [(start / SR, end / SR) for start, end, _ in answers] == [(r.start, r.time) for r in expected]
    for (*_, p), reading in zip(answers, expected, strict=True):
        assert p == pytest.approx([*reading.probabilities.values()], abs=1e-4)

    crops = np.random.default_rng(0).integers(0, 255, (3, *trained.seeing.shape), dtype=np.uint8)
    assert predictor.system.face is not None
    face = predictor.system.face.predict(crops).mean(axis=0)
    for (*_, p), reading in zip(device.Device(folder).answers(x, crops), expected, strict=True):
        assert p == pytest.approx((np.array([*reading.probabilities.values()]) + face) / 2, abs=1e-4)

    np.save("crops.npy", crops)
    monkeypatch.setattr(sys, "argv", ["device.py", str(folder), str(path), "crops.npy", "--time"])
    runpy.run_path(str(CODE), run_name="__main__")
    *lines, spent = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"{r.start} to {r.time} s" for r in expected]
    assert f"for {len(x) / SR:.1f} s of sound; " in spent
