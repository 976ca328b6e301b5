"""The figure of quantised networks shows the numbers that it was handed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from drawn import ticks

from cryutils import plots


def test_cost_on_the_left_and_change_with_its_interval_on_the_right(axes: np.ndarray) -> None:
    rows = [
        {"model": model, "precision": precision, "size_kb": size, "latency_ms": 0.1 * size,
         "change": change, "change_low": low, "change_high": change + 0.1}
        for model in ("cry2", "image")
        for precision, size, change, low in (
            ("float", 100.0, 0.0, 0.0), ("float16", 50.0, 0.0, None), ("int8", 30.0, -0.2, -0.3),
        )
    ]  # fmt: skip
    cost, worth = plots.quantisation(pd.DataFrame(rows), axes[:2])
    assert [line.get_xdata()[0] for line in cost.lines[1:4]] == [100, 50, 30]
    assert [line.get_ydata()[0] for line in cost.lines[1:4]] == [10, 5, 3]
    assert ticks(worth, "y") == ["cry2, float16", "cry2, int8", "image, float16", "image, int8"]
    points = [line for line in worth.lines if len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in points] == [0, -0.2, 0, -0.2]
    # int8's interval holds no 0; without an interval nothing is shown.
    assert [line.get_markerfacecolor() == "white" for line in points] == [True, False] * 2
