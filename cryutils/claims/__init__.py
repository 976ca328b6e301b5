"""What was measured: the store of results, published figures, tables and reports."""

from cryutils.words import SPLITS

from . import tables
from .records import (
    begin,
    benchmark_output,
    every_run,
    load_predictions,
    load_results,
    origin,
    read_results,
    record,
    record_table,
    results,
    run_dir,
    table,
    write,
)
from .tables import published, split_gaps, unstated
