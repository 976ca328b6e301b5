"""The course as a whole: running its notebooks, and the command `cryutils`."""

from .runner import AFTER, Job, history, notebook_name, notebooks, plan, profiles, remarks, run
