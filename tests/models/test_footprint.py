"""What an exported network costs: the file's own size, and a process that holds nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from cryutils.errors import InputError
from cryutils.models.footprint import footprint


def test_the_size_is_the_files_and_most_calls_are_faster_than_the_slowest(trained) -> None:
    path = trained.run / "models" / "cry2.tflite"
    cost = footprint(path, threads=2, calls=30)
    assert cost.size_kb == path.stat().st_size / 1000
    assert 0 < cost.latency_ms <= cost.latency_p95_ms


def test_the_memory_is_that_of_the_process_which_runs_it_alone(trained) -> None:
    ballast = np.ones(75_000_000)  # 600 MB, which a child must not inherit
    cost = footprint(trained.run / "models" / "cry2.tflite", calls=1)
    assert 10 < cost.memory_mb < ballast.nbytes / 1e6


def test_nothing_of_tensorflow_is_measured(trained) -> None:
    script = f"""
import sys
from cryutils.models import footprint
footprint.measure({str(trained.run / "models" / "image.tflite")!r}, "1", "1")
print([name for name in ("tensorflow", "keras", "pandas", "scipy") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_missing_network_is_refused_in_one_line(tmp_path) -> None:
    with pytest.raises(InputError, match=r"gone\.tflite") as caught:
        footprint(tmp_path / "gone.tflite")
    assert "\n" not in str(caught.value)
