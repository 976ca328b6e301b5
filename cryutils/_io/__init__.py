"""Shared basics: paths, media files, cached arrays, parallel work, progress."""
