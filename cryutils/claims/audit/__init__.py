"""An audit of any program's table of predictions: what a published score is worth.

`read` checks a table, `table` makes one from a scikit-learn model, `of_corpus` from recordings.
`audit` measures, `lines` and `page` report; `of_parts` asks for the room and the cry.
"""

from .measures import Audit, audit
from .models import table
from .page import page
from .reading import check_folds, read
from .recordings import of_corpus, of_parts, parts_in_words
from .report import as_json, below, lines
