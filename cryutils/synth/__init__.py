"""The synthetic corpus: cry voices that are generated on the spot, never evidence."""
