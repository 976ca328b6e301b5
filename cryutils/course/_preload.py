"""What the processes of a run share: imported once, by the server that they are forked from.

papermill for those that execute a notebook; for kernels IPython and what most notebooks import, two
seconds of processor each. Not TensorFlow, which starts threads that a fork would lose.
"""

import os
from importlib import import_module

# As in a kernel; what they set is set when a library is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"

for _name in (
    "cryutils.claims.notebook_page", "cryutils.claims.report", "cryutils.course.execute",
    "ipykernel.kernelapp", "librosa.core.spectrum", "matplotlib.pyplot", "pandas", "papermill",
    "scipy.signal", "scipy.stats", "sklearn.ensemble", "sklearn.linear_model",
    "sklearn.model_selection", "sklearn.neighbors",
):  # fmt: skip
    import_module(_name)
