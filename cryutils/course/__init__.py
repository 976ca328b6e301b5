"""The course as a whole: running its notebooks, and the command `cryutils`."""

from .runner import AFTER, Job, chosen, notebooks, parameters, plan, profiles, run
