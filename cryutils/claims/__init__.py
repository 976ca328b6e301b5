"""What was measured: the store of results, published figures, tables and reports."""

from . import board
from .board import split_gaps
from .ledger import published, unstated
from .result_store import (
    SPLITS,
    Result,
    begin,
    benchmark_output,
    every_run,
    key,
    load_predictions,
    load_results,
    merge,
    read_results,
    record,
    record_table,
    results,
    run_dir,
    table,
    write,
)
