"""`import cryutils` is fast. `make lint` checks the order of imports (import-linter)."""

import os
import subprocess
import sys


def test_the_import_is_fast() -> None:
    """Fresh processes, interleaved, so that a busy machine slows both alike."""
    statements = ("import numpy, pandas", "import numpy, pandas; import cryutils")
    times: dict[str, list[float]] = {statement: [] for statement in statements}
    for _ in range(3):
        for statement in statements:
            before = os.times()
            subprocess.run([sys.executable, "-c", statement], check=True)
            after = os.times()
            spent = after.children_user + after.children_system
            times[statement].append(spent - before.children_user - before.children_system)
    assert min(times[statements[1]]) < 1.5 * min(times[statements[0]])
