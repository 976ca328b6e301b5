"""An audit in words, on one screen, and as JSON."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cryutils.claims.audit.names import plural
from cryutils.claims.tables import in_percent

_WIDTH = 98
_MAIN = "balanced accuracy"


@dataclass(frozen=True, repr=False)
class Audit:
    """What an audit found; most parts are tables. It is shown as the report.

    classes: units and groups of each class (columns clips and infants). scores: value, low and high
    by model, split and metric, over groups and over rows (`row_low`, `row_high`), next to what
    answers without any skill reach (`guess`). leaks: by model and split, the share of answers from a
    model trained on the same group (`shared`, NaN if unknown), the balanced accuracy on known and on
    new groups, its range without any one group (`lowest`, `highest`), the group `without` which it
    changes most and this group's `share` of the rows, the `least` score that these groups could
    show, and the p-value of a permutation test (within devices). gaps: random minus leak-free.
    notes: what is missing and why. words: the nouns for clip, infant and device. read: what was
    understood. n_clips, n_infants: the numbers of units and groups.
    """

    classes: pd.DataFrame
    scores: pd.DataFrame
    leaks: pd.DataFrame
    gaps: pd.DataFrame
    notes: pd.DataFrame
    words: Mapping[str, str]
    read: str
    n_clips: int
    n_infants: int

    def __repr__(self) -> str:
        return "\n".join(lines(self))


def lines(result: Audit) -> Iterator[str]:
    """Yield the lines of text that report an audit."""
    for part in paragraphs(result):
        if isinstance(part, pd.DataFrame):
            yield from (f"  {line}" for line in part.to_string(index=False).splitlines())
            continue
        indent = "    " if part.startswith(" ") else "  "
        yield from textwrap.wrap(part, _WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def paragraphs(result: Audit) -> Iterator[str | pd.DataFrame]:
    """Yield the parts of a report: sentences, the table of scores, and "" between sections."""
    unit, group = result.words["clip"], result.words["infant"]
    units, groups = plural(unit), plural(group)
    yield result.read
    each = [f"{row['class']} {row.clips} ({row.infants})" for _, row in result.classes.iterrows()]
    yield f"{result.n_clips} {units} of {result.n_infants} {groups}; by class: {', '.join(each)} ({groups})."
    yield ""
    yield from _scores(result, units, group)
    yield ""
    rows = [*_cells(result, result.leaks)]
    yield from _section(f"Known {groups}", [(name, _known(row, group)) for name, row in rows])
    gaps = [(str(row.model), f"{_percent(row)} points") for _, row in result.gaps.iterrows()]
    missing = [("", "unknown; needs answers to the same rows with both splits (column split)")]
    yield from _section("A random split adds", gaps or missing)
    yield from _section(f"The {result.words['device'] or 'device or site'} alone", _devices(result))
    main = [*_cells(result, main_rows(result))]
    yield from _section(f"Without any one {group}", [(name, _single(row, result)) for name, row in main])
    yield f"With {result.n_infants} {groups}: {_chance(result, rows)}."
    yield ""
    yield f"To copy: {sentence(result)}"
    yield from (f"Note: {note}" for note in result.notes.note)


def sentence(result: Audit) -> str:
    """Return one sentence for a paper, about the first model, leak-free if there is such a split."""
    cell = main_rows(result).iloc[0]
    units, groups = plural(result.words["clip"]), plural(result.words["infant"])
    interval = "no interval"
    if not pd.isna(cell.low):
        interval = f"95 % interval over {groups} {100 * cell.low:.0f} to {100 * cell.high:.0f} %"
    share = "whether a model was trained on the same {} is unknown"
    if not pd.isna(cell.shared):
        count = f"{100 * cell.shared:.0f} %" if cell.shared else "none"
        share = f"{count} of the answers are from a model trained on the same {{}}"
    share = share.format(result.words["infant"])
    what = f"On {cell.n} {units} of {cell.n_infants} {groups}, the balanced accuracy was"
    return f"{what} {100 * cell.value:.0f} % ({interval}; guessing: {100 * cell.guess:.0f} %); {share}."


def main_rows(result: Audit) -> pd.DataFrame:
    """Return each model's balanced accuracy with its row of `leaks`, leak-free if there is such a split."""
    table = result.scores[result.scores.metric == _MAIN].merge(result.leaks, on=["model", "split"])
    free = (table.split == "leak-free").groupby(table.model).transform("any")
    return table[~free | (table.split == "leak-free")]


def below(result: Audit, percent: float) -> list[str]:
    """Return a line for each model whose balanced accuracy is below a number of percent."""
    return [
        f"{row.model}: {_MAIN} {100 * row.value:.1f} %, below {percent:g} %"
        for _, row in main_rows(result).iterrows()
        if 100 * row.value < percent
    ]


def as_json(result: Audit) -> str:
    """Return an audit as JSON: each table as a list of rows, shares from 0 to 1, null if missing."""
    tables = {name: getattr(result, name) for name in ("classes", "scores", "leaks", "gaps")}
    parts = {name: json.loads(x.to_json(orient="records", double_precision=15)) for name, x in tables.items()}
    about = {"columns": result.read, "words": dict(result.words), "notes": [*result.notes.note]}
    return json.dumps({**about, **parts, "sentence": sentence(result)}, ensure_ascii=False, indent=1)


def _percent(row: Any) -> str:
    return in_percent(row.value, row.low, row.high)


def _section(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    """Yield an answer to one question, or a line for each model and split."""
    if len({text for _, text in rows}) == 1:
        yield f"{title}: {rows[0][1]}."
        return
    yield f"{title}:"
    yield from (f"  {name}: {text}." for name, text in rows)


def _cells(result: Audit, table: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    """Yield the name of each row's model and split, as short as possible, and the row."""
    used = [name for name in ("model", "split") if result.leaks[name].nunique() > 1]
    for _, row in table.iterrows():
        yield ", ".join(str(row[name]) for name in used), row


def _scores(result: Audit, units: str, group: str) -> Iterator[str | pd.DataFrame]:
    table, groups = result.scores[~result.scores.metric.str.contains(" alone")], plural(group)
    shown = pd.DataFrame({name: table[name] for name in ("model", "split") if table[name].nunique() > 1})
    shown["score"] = table.metric
    shown[f"over {groups}"] = [_percent(row) for _, row in table.iterrows()]
    rows = [in_percent(*row) for row in table[["value", "row_low", "row_high"]].to_numpy(float)]
    shown[f"over {units}"] = [text.partition(" ")[2] for text in rows]
    shown["no skill"] = table.guess.map(in_percent)
    caption = f"Scores in percent, with 95 % intervals over {groups}."
    caption += f" Intervals over {units}, as in most papers,"
    alike = f"ignore that {units} of one {group} are alike."
    if result.n_clips == result.n_infants:
        alike = f"are the same: each {group} has one of these {units}. If not, name its column with --group."
    yield f"{caption} {alike}"
    yield shown


def _known(row: Any, group: str) -> str:
    if pd.isna(row.shared):
        return "unknown; add a column fold, or give --train-groups FILE"
    if not row.shared:
        return f"none; no answer is from a model trained on the same {group}"
    text = f"{100 * row.shared:.0f} % of the answers are from a model trained on the same {group}"
    if pd.isna(row.on_new):
        return text
    new = in_percent(row.on_new, row.new_low, row.new_high)
    new += " (too few for an interval)" * bool(pd.isna(row.new_low))
    return f"{text}; {_MAIN} {in_percent(row.on_known)} for them, {new} for new {plural(group)}"


def _devices(result: Audit) -> list[tuple[str, str]]:
    alone = result.scores[result.scores.metric.str.contains(" alone")]
    rows = {(row.model, row.split): row for _, row in alone.iterrows()}
    if not rows:
        return [("", "unknown; the table names none")]
    found = []
    for name, about in _cells(result, result.leaks):
        model = result.scores[result.scores.metric == _MAIN].set_index(["model", "split"])
        row, own = rows[about.model, about.split], model.loc[(about.model, about.split)]
        text = f"{_MAIN} {_percent(row)}, the model {_percent(own)}"
        if row.value <= row.guess:
            text = f"no better than guessing ({_MAIN} {_percent(row)})"
        elif row.value >= own.value:
            text += f"; so the table does not show that the model uses more than the {result.words['device']}"
        found.append((name, text))
    return found


def _single(row: Any, result: Audit) -> str:
    group, units = result.words["infant"], plural(result.words["clip"])
    if pd.isna(row.lowest):
        return f"no score, since each class needs two {plural(group)}"
    text = f"{_MAIN} {100 * row.lowest:.0f} to {100 * row.highest:.0f}; it changes most without {row.without}"
    text += f" ({100 * row.share:.0f} % of the {units})"
    gain = row.value - row.guess
    carried = row.row_low > row.guess and row.lowest - row.guess < gain / 2
    return f"{text}. More than half of the gain over guessing is from one {group}" if carried else text


def _chance(result: Audit, rows: list[tuple[str, Any]]) -> str:
    """Return what can be told from guessing, and the p-values."""
    group, groups = result.words["infant"], plural(result.words["infant"])
    main, least = main_rows(result).iloc[0], result.leaks.least.max(skipna=False)
    guess = f"guessing ({100 * main.guess:.0f})"
    text = f"no score can be told from {guess}"
    if not pd.isna(least):
        text = f"if {groups} differ as much as the {plural(result.words['clip'])} of one {group},"
        text += f" a {_MAIN} below about {100 * least:.0f} cannot be told from {guess}"
    tested = [f"{name} {row.p_value:.3f}".strip() for name, row in rows if not pd.isna(row.p_value)]
    how = f"p, if labels are exchanged within and between {groups}"
    return f"{text}; {how}: {', '.join(tested)}" if tested else text
