"""The course as a whole: running its notebooks, and the command `cryutils`."""
