"""What everything else stands on: paths, files, parallel work, progress."""
