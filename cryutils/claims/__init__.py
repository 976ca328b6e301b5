"""What was measured: the store of results, published figures, tables and reports."""

from . import tables
from .answers import split_gaps
from .ledger import published, together, unstated, verdicts
from .store import (
    COLUMNS,
    Result,
    begin,
    benchmark_output,
    current,
    figure_path,
    key,
    load_predictions,
    load_results,
    merge,
    read_results,
    record,
    record_gain,
    record_predictions,
    record_scores,
    record_table,
    record_test,
    reference,
    results,
    run_dir,
    table,
    unreadable,
    write,
)
from .tables import by_split
