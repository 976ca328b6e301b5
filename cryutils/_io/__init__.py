"""Shared basics: paths, media files, downloads, cached arrays, parallel work, progress."""
