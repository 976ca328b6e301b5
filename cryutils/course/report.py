"""The report of a run: notebook 14 as one page, which can be sent.

Cells of the notebook with the tag `report` come first, those with the tag `appendix` last. The rest,
its code and text about the course's recordings are left out.
"""

import re
from pathlib import Path

from cryutils._io.paths import writing
from cryutils.errors import InputError

NOTEBOOK = "notebooks/14_scoreboard.ipynb"  # of a run
_LARGEST_MB = 3  # of a page to send; many mail servers refuse much more
# A run can come from somebody else, so no script of an output may be executed.
_POLICY = "script-src 'none'; object-src 'none'; frame-src 'none'; base-uri 'none'; form-action 'none'"
_META = f'<head><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'


def write(run: Path, *, share: bool = False) -> Path:
    """Write the report of the run's folder, and return its path.

    It is report.html, with links to the run's notebooks, or if `share` `<run>.html`, without any link
    to this machine, recording or player. Raises InputError if that is larger than 3 MB.
    """
    from nbconvert.exporters import HTMLExporter
    from nbformat import read
    from nbformat.v4 import new_markdown_cell

    notebook = read(run / NOTEBOOK, as_version=4)
    first, last = (
        [cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())]
        for tag in ("report", "appendix")
    )
    title = new_markdown_cell(f"# Report of the run {run.name}\n\nThis is not a medical device.")
    notebook.cells = [title, *first, new_markdown_cell("# Appendix"), *last]
    for cell in notebook.cells:
        cell.source = re.sub(r"^(#+) \d+ · ", r"\1 ", cell.source)
    exporter = HTMLExporter(exclude_input=True, exclude_output_prompt=True)
    text, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": f"Report: {run.name}"}})
    text = re.sub("<script.*?</script>", "", text, flags=re.DOTALL).replace("<head>", _META, 1)
    if share:
        text = re.sub(r"<(audio|video).*?</\1>", "", text, flags=re.DOTALL)
        text = re.sub(r'<a href="(?!https?:|#)[^"]*"[^>]*>(.*?)</a>', r"\1", text, flags=re.DOTALL)
    else:
        text = re.sub(r'(<a href=")(\w+\.ipynb)', r"\1notebooks/\2", text)
        text = text.replace('"../docs/', '"../../docs/')
    page = run / (f"{run.name}.html" if share else "report.html")
    if share and (size := len(text.encode()) / 1e6) > _LARGEST_MB:
        what = f"its report is {size:.1f} MB, more than {_LARGEST_MB}"
        raise InputError(f"{run}: {what}; make the figures of its notebook 14 smaller.")
    with writing(page) as part:
        part.write_text(text, encoding="utf-8")
    return page
