"""The synthetic corpus: cries and faces that are generated on the spot, never evidence."""
