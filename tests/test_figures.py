"""The tool that draws the figures and fills the tables from the results of the reference runs."""

import figures


def test_table_1_has_the_papers_counts_next_to_those_of_the_corpus() -> None:
    table = figures.counts()
    assert table.loc["tired"].tolist() == ["24", "24", "20", "20"]
    assert table.loc["pain"].tolist() == ["38", "0", "20", "0"]
    assert table.loc["burping"].tolist() == ["–", "8", "–", "0"]


def test_the_pages_show_the_stored_results() -> None:
    """After a change of the results or of a notebook's figure: run `python tools/figures.py`."""
    assert [path for path, content in figures.made().items() if path.read_bytes() != content] == []
