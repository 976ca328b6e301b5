"""The doctor says what is ready, what is missing, and what must be fixed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from refusals import Command

from cryutils.course import doctor
from cryutils.course.doctor import Finding
from cryutils.video import faces


@pytest.fixture(autouse=True)
def _apart(apart: Path) -> None:
    pass


def findings() -> dict[str, Finding]:
    return {finding.what: finding for finding in doctor.examine()}


def test_a_machine_that_runs_these_tests_is_ready(apart: Path) -> None:
    checks = findings()
    assert set(checks) == {
        "Python", "packages", "processor", "memory", "cache", "outputs", "DonateACry",
            "DonateACry's original uploads",
        "face detector", "extra [app]", "extra [cluster]", "extra [docs]",
        "extra [embeddings]", "extra [grading]", "extra [heic]", "extra [lab]",
        "extra [openvino]", "extra [test]",
    }  # fmt: skip
    for what in ("Python", "packages", "processor", "cache", "outputs"):
        assert checks[what].state == "ok", checks[what]
    assert str(apart / "cache") in checks["cache"].detail
    assert not (apart / "cache").exists(), "looking makes nothing"


def test_an_absent_corpus_is_missing_not_bad(apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = findings()["DonateACry"]
    assert finding.state == "missing"
    assert "cryutils data fetch donateacry" in finding.detail
    assert "CRYUTILS_DATA_DIR" not in finding.detail
    monkeypatch.setenv("CRYUTILS_DATA_DIR", "nowhere")
    finding = findings()["DonateACry"]
    assert finding.state == "missing"
    assert f"CRYUTILS_DATA_DIR ({apart / 'nowhere'}) has no donateacry/" in finding.detail


@pytest.mark.parametrize("place", ["file", "file/outputs", "/proc/outputs"])
def test_a_place_that_cannot_be_written_is_bad(
    place: str, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (apart / "file").write_text("")
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", place)
    detail = f"{apart / place} can't be written to; set CRYUTILS_OUTPUTS_DIR to another folder"
    assert findings()["outputs"] == Finding("bad", "outputs", detail)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_is_no_yunet_model_is_bad(
    content: bytes, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", str(apart))
    (apart / faces.YUNET).write_bytes(content)
    finding = findings()["face detector"]
    assert finding.state == "bad"
    assert finding.detail.startswith(f"{apart / faces.YUNET}: not a YuNet model")


def test_the_face_detector_is_named(apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYUTILS_WEIGHTS_DIR", raising=False)
    finding = findings()["face detector"]
    assert (finding.state, finding.detail[:16]) == ("ok", "the Haar cascade")
    # Not every machine has the real file, so OpenCV's reader is replaced.
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", str(apart))
    (apart / faces.YUNET).touch()
    net = SimpleNamespace(setInputSize=lambda size: None, detect=lambda picture: (0, None))
    factory = SimpleNamespace(create=lambda *args, **options: net)
    monkeypatch.setattr("cv2.FaceDetectorYN", factory)
    assert findings()["face detector"].detail == f"YuNet ({apart / faces.YUNET})"


def test_opencv_without_cascades_and_a_weights_folder_that_is_none_are_bad(
    apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", "nowhere")
    assert findings()["face detector"].state == "bad"
    monkeypatch.delenv("CRYUTILS_WEIGHTS_DIR")
    monkeypatch.setattr("cv2.data.haarcascades", str(apart))
    finding = findings()["face detector"]
    assert finding.state == "bad"
    assert "opencv-python>=4.10,<5" in finding.detail


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = metadata.requires("cryutils") or []
    asked = [*needed, "no-such-package>=1", 'no-such-extra>=1; extra == "lab"']
    monkeypatch.setattr(metadata, "requires", lambda name: asked)
    finding = findings()["packages"]
    assert finding.state == "bad"
    assert finding.detail == "not installed: no-such-package; pip install no-such-package"
    detail = "for JupyterLab; missing no-such-extra; pip install 'cryutils[lab]'"
    assert findings()["extra [lab]"] == Finding("missing", "extra [lab]", detail)


@pytest.mark.parametrize(("gib", "state"), [(2.0, "bad"), (3.8, "ok"), (16.0, "ok")])
def test_memory_is_judged_with_room_for_the_system(
    gib: float, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"SC_PHYS_PAGES": round(gib * 2**30 / 4096), "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(doctor.os, "sysconf", pages.__getitem__)
    assert findings()["memory"].state == state


def test_a_full_disk_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 2**28})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
    assert findings()["cache"].state == "bad"


@pytest.mark.parametrize(("states", "code"), [(["ok", "missing"], 0), (["ok", "bad", "bad"], 1)])
def test_only_what_is_bad_fails_the_command(
    states: list[str], code: int, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [Finding(state, f"thing {i}", "a detail") for i, state in enumerate(states)]
    monkeypatch.setattr(doctor, "examine", lambda: iter(made))
    ended, out, err = command("doctor")
    assert ended == code
    assert [line.split()[0] for line in out.splitlines()] == [
        state if state != "bad" else "BAD" for state in states
    ]
    assert ("2 of these must be fixed" in err) == bool(code)
