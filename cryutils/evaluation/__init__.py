"""From predictions to claims: splits, scores, intervals, permutation tests.

The stub file next to this one lists the contents; each part is imported on first use.

>>> from cryutils import evaluation
>>> folds = evaluation.Split("infant").k_folds(corpus, seed=1)        # doctest: +SKIP
>>> predicted = evaluation.out_of_fold(model, X, corpus.labels, folds)      # doctest: +SKIP
>>> evaluation.interval(predicted, corpus.labels, corpus.infants)           # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
