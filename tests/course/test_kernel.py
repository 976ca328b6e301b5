"""A kernel that is forked: what it shares, and that it lives and ends as any other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cryutils.course.kernel import FORKED

pytestmark = pytest.mark.skipif(not FORKED, reason="kernels are forked on Linux alone")

# Starts two kernels one after the other, asks each about itself, and ends it.
TWO_KERNELS = """
import json, os
import cryutils.course._preload
import numpy as np
from cryutils.course import kernel

kernel.prepare(lambda: print("left by", os.getpid(), flush=True))
from jupyter_client.manager import start_new_kernel

for name in ("forked", "ordinary"):
    manager, client = start_new_kernel(cwd="/")
    process = manager.provisioner.process
    print(json.dumps({"pid": process.pid, "parent": os.getpid(), "running": process.poll(),
                      "drawn": np.random.random()}))
    client.execute_interactive(CELL.replace("NAME", name), timeout=300)
    client.stop_channels()
    manager.shutdown_kernel()
    print(json.dumps({"code": process.poll()}))
"""
CELL = """
import atexit, json, os, sys
from pathlib import Path
atexit.register(Path("FOLDER", "NAME").touch)
had = {"pandas", "sklearn.ensemble"} <= set(sys.modules)
import matplotlib.pyplot as plt
import numpy as np
plt.close(plt.figure())
print(json.dumps({"pid": os.getpid(), "parent": os.getppid(), "group": os.getpgid(0), "had": had,
                  "backend": plt.get_backend(), "folder": os.getcwd(), "own": __name__,
                  "drawn": np.random.random()}))
"""


def test_the_first_kernel_is_forked_and_lives_and_ends_as_the_next(tmp_path: Path) -> None:
    script = f"CELL = {CELL.replace('FOLDER', str(tmp_path))!r}\n{TWO_KERNELS}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    forked, ordinary = lines[:3], lines[3:]
    for kernel, name, shares in ((forked, "forked", True), (ordinary, "ordinary", False)):
        outside, inside, end = kernel
        assert outside["running"] is None
        assert inside.pop("had") is shares
        assert inside.pop("pid") == inside.pop("group") == outside["pid"]
        assert inside.pop("parent") == outside["parent"]
        assert inside.pop("drawn") != outside["drawn"]
        assert end["code"] == 0
        assert (tmp_path / name).is_file(), "what was to be done at its end"
    assert forked[1] == ordinary[1], "all else is alike"
    assert f"left by {forked[0]['pid']}" in done.stdout
