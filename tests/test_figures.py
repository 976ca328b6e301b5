"""The tool that draws the figures and fills the tables from the results of the reference runs."""

from __future__ import annotations

import figures
import pandas as pd


def test_table_1_has_the_papers_counts_next_to_those_of_the_corpus() -> None:
    table = figures.counts()
    assert table.loc["tired"].tolist() == ["24", "24", "20", "20"]
    assert table.loc["pain"].tolist() == ["38", "0", "20", "0"]
    assert table.loc["burping"].tolist() == ["–", "8", "–", "0"]


def test_the_pages_show_the_stored_results() -> None:
    """After a change of the results or of a notebook's figure: run `python tools/figures.py`."""
    assert [path for path, content in figures.made().items() if path.read_bytes() != content] == []


def test_a_rounded_zero_keeps_its_sign() -> None:
    rows = pd.DataFrame({"value": [0.08, -0.0], "low": [-0.00065, -0.1], "high": [0.15, 0.004]})
    assert figures.in_points(rows) == ["+8 [-0, +15]", "+0 [-10, +0]"]


def test_events_are_not_extrapolated_from_seconds_of_sound() -> None:
    table = figures.gate()["held out (events an hour)"]
    assert table["singing", "real"] == "–" and table["speech", "real"] == "32"
