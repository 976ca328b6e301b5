"""The wheel is small and contains the whole course; `make release` runs it without the clone."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[1]


def test_it_is_small_and_has_every_file_of_the_package_and_of_the_course(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    assert wheel.stat().st_size <= 8e6
    command = ["git", "ls-files", "-z", "crydecode", "cryutils", "data", "notebooks", "outputs/reference"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.split("\0") if "/probabilities/" not in name]
    files = {name for name in names if name and (ROOT / name).is_file()}
    wanted = {f if f.startswith(("crydecode/", "cryutils/")) else f"cryutils/_course/{f}" for f in files}
    assert not wanted - set(ZipFile(wheel).namelist())
