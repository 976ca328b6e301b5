"""The synthetic corpus: generated cries and faces, which are never evidence about real infants."""
